use datafusion::arrow::array::{Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use kymo_model::{Certainty, EventType};
use kymo_query::nearest;

use super::Order;
use crate::Error;
use crate::rows::{instants, texts};

/// Where the columns of a query are that are read.
#[derive(Debug)]
pub(super) struct Columns {
    names: Vec<String>,
    ts: usize,
    object: usize,
}

/// What a row of the query says.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) ts: i64,
    pub(super) object: String,
    pub(super) event_type: Option<EventType>,
    pub(super) certainty: Certainty,
    pub(super) kind: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
    pub(super) uid: Option<String>,
}

impl Columns {
    /// Finds the columns, and fails where one is missing, is of another type or not one of `events`.
    /// What is not read of these follows from the object.
    pub(super) fn find(
        order: &Order<'_>,
        schema: &SchemaRef,
        events: &SchemaRef,
    ) -> Result<Self, Error> {
        let found = schema.fields().len();
        let names: Vec<String> = if order.columns.is_empty() {
            schema
                .fields()
                .iter()
                .map(|field| field.name().clone())
                .collect()
        } else {
            order.columns.to_vec()
        };
        if names.len() != found {
            let message = format!(
                "{} columns are named, and the query has {found}",
                names.len()
            );
            return Err(order.wrong(message, None));
        }
        for (index, name) in names.iter().enumerate() {
            if events.index_of(name).is_err() {
                let known = events.fields().iter().map(|field| field.name().as_str());
                let meant = nearest(name, known);
                let meant =
                    meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
                let hint = "name the columns of the query as those of `events`, with `AS`";
                return Err(
                    order.wrong(format!("events have no column `{name}`{meant}"), Some(hint))
                );
            }
            if names.iter().take(index).any(|earlier| earlier == name) {
                return Err(order.wrong(format!("the query has two columns `{name}`"), None));
            }
        }
        let place = |wanted: &str| {
            names.iter().position(|name| name == wanted).ok_or_else(|| {
                let hint =
                    "an event has `ts`, when it was received, and `object`, a document as text";
                order.wrong(format!("the query has no column `{wanted}`"), Some(hint))
            })
        };
        let (ts, object) = (place("ts")?, place("object")?);
        let data_type = |column: usize| schema.fields().get(column).map(|field| field.data_type());
        if !matches!(data_type(ts), Some(DataType::Timestamp(..))) {
            let is = data_type(ts).map(ToString::to_string).unwrap_or_default();
            return Err(order.wrong(
                format!("`ts` is a time, not {is}"),
                Some("write `at('10m')`"),
            ));
        }
        let is_text = |data_type: &DataType| {
            matches!(
                data_type,
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
            )
        };
        if !data_type(object).is_some_and(is_text) {
            let is = data_type(object)
                .map(ToString::to_string)
                .unwrap_or_default();
            return Err(order.wrong(format!("`object` is a document as text, not {is}"), None));
        }
        Ok(Self { names, ts, object })
    }

    /// The query with its rows in the order of time.
    pub(super) fn in_order_of_time(&self, query: &str) -> String {
        format!("SELECT * FROM (\n{query}\n) ORDER BY {}", self.ts + 1)
    }

    fn column(&self, batch: &RecordBatch, name: &str) -> Result<Option<StringArray>, Error> {
        let index = self.names.iter().position(|known| known == name);
        index.map(|index| texts(batch, index)).transpose()
    }

    /// Reads the rows of a batch; `first` is the number of the first one.
    pub(super) fn rows(
        &self,
        order: &Order<'_>,
        batch: &RecordBatch,
        first: usize,
    ) -> Result<Vec<Given>, Error> {
        let objects = texts(batch, self.object)?;
        let column = |name| self.column(batch, name);
        let (types, certainties) = (column("type")?, column("certainty")?);
        let (kinds, namespaces, names, uids) = (
            column("kind")?,
            column("namespace")?,
            column("name")?,
            column("uid")?,
        );
        let mut given = Vec::with_capacity(batch.num_rows());
        for (row, ts) in instants(batch, self.ts)?.enumerate() {
            let text = |column: &Option<StringArray>| {
                let column = column.as_ref()?;
                column.is_valid(row).then(|| column.value(row).to_owned())
            };
            let wrong =
                |what: &str, message: String| order.wrong_row(first + row, what, &message, None);
            let Some(ts) = ts else {
                return Err(wrong("ts", "it is null".to_owned()));
            };
            if !objects.is_valid(row) {
                return Err(wrong("object", "it is null".to_owned()));
            }
            let event_type = text(&types).map(|text| {
                let known = [EventType::Added, EventType::Modified, EventType::Deleted];
                known
                    .into_iter()
                    .find(|known| known.as_str() == text)
                    .ok_or_else(|| {
                        wrong(
                            "type",
                            format!("`{text}` is not ADDED, MODIFIED or DELETED"),
                        )
                    })
            });
            let certainty = text(&certainties).map(|text| {
                let known = [Certainty::Seen, Certainty::Listed, Certainty::Inferred];
                known
                    .into_iter()
                    .find(|known| known.as_str() == text)
                    .ok_or_else(|| {
                        wrong(
                            "certainty",
                            format!("`{text}` is not seen, listed or inferred"),
                        )
                    })
            });
            given.push(Given {
                ts,
                object: objects.value(row).to_owned(),
                event_type: event_type.transpose()?,
                certainty: certainty.transpose()?.unwrap_or(Certainty::Inferred),
                kind: text(&kinds),
                namespace: text(&namespaces),
                name: text(&names),
                uid: text(&uids),
            });
        }
        Ok(given)
    }
}
