use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray as _, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampNanosecondType};
use datafusion::common::internal_datafusion_err;
use kymo_model::Timestamp;

use crate::Error;

/// An event that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The name of the rule.
    pub rule: &'static str,
    /// The event.
    pub seq: u64,
    /// When it was received.
    pub ts: Timestamp,
    /// The API group of its object.
    pub api_group: String,
    /// The kind of its object.
    pub kind: String,
    /// The namespace of its object; empty if it has none.
    pub namespace: String,
    /// The name of its object.
    pub name: String,
    /// The uid of its object.
    pub uid: String,
    /// What is wrong, as the second half of a sentence that begins with the object.
    pub detail: String,
}

impl Violation {
    /// Reads the rows of a rule.
    pub(super) fn read(rule: &'static str, batch: &RecordBatch) -> Result<Vec<Self>, Error> {
        let nanoseconds = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
        let seqs = column(rule, batch, "seq", &DataType::Int64)?;
        let times = column(rule, batch, "ts", &nanoseconds)?;
        let text = |name| column(rule, batch, name, &DataType::Utf8);
        let (groups, kinds) = (text("api_group")?, text("kind")?);
        let (namespaces, names) = (text("namespace")?, text("name")?);
        let (uids, details) = (text("uid")?, text("detail")?);
        let cell = |column: &ArrayRef, row| {
            let texts = column.as_string::<i32>();
            let value = texts.is_valid(row).then(|| texts.value(row));
            value.unwrap_or_default().to_owned()
        };
        Ok((0..batch.num_rows())
            .map(|row| Self {
                rule,
                seq: u64::try_from(seqs.as_primitive::<Int64Type>().value(row)).unwrap_or_default(),
                ts: Timestamp(times.as_primitive::<TimestampNanosecondType>().value(row)),
                api_group: cell(&groups, row),
                kind: cell(&kinds, row),
                namespace: cell(&namespaces, row),
                name: cell(&names, row),
                uid: cell(&uids, row),
                detail: cell(&details, row),
            })
            .collect())
    }
}

fn column(rule: &str, batch: &RecordBatch, name: &str, to: &DataType) -> Result<ArrayRef, Error> {
    let engine = |source| Error::Engine {
        source: Arc::new(source),
    };
    let column = batch.column_by_name(name).ok_or_else(|| {
        engine(internal_datafusion_err!(
            "the rule `{rule}` has no column `{name}`"
        ))
    })?;
    cast(column, to).map_err(|error| engine(error.into()))
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seq, ts, kind, .. } = self;
        write!(f, "event {seq} at {ts}: {kind} ")?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        write!(f, "{} ({}) {}", self.name, self.uid, self.detail)
    }
}
