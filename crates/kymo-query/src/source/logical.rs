//! The columns of `events`, made of rows of the store.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{
    ArrayRef, Int32Builder, Int64Builder, ListBuilder, MapBuilder, RecordBatch, StringBuilder,
    StringDictionaryBuilder, TimestampNanosecondBuilder, TimestampSecondBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef, TimeUnit};
use datafusion::arrow::error::ArrowError;
use kymo_model::{Feed, Request, Rv, Timestamp};
use kymo_store::segment::Row;
use serde::Deserialize;

use crate::conditions::Key;

const UTC: &str = "UTC";

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let word = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let time = |unit| DataType::Timestamp(unit, Some(UTC.into()));
    let nanoseconds = || time(TimeUnit::Nanosecond);
    let seconds = || time(TimeUnit::Second);
    let text = || DataType::Utf8;
    Arc::new(Schema::new(vec![
        Field::new("seq", DataType::Int64, false),
        Field::new("ts", nanoseconds(), false),
        Field::new("type", word(), false),
        Field::new("certainty", word(), false),
        Field::new("not_before", nanoseconds(), true),
        Field::new("api_group", word(), false),
        Field::new("api_version", word(), false),
        Field::new("kind", word(), false),
        Field::new("resource", word(), false),
        Field::new("namespace", text(), false),
        Field::new("name", text(), false),
        Field::new("uid", text(), false),
        Field::new("resource_version", text(), true),
        Field::new("generation", DataType::Int64, true),
        Field::new("created", seconds(), true),
        Field::new("deleted", seconds(), true),
        Field::new("owner_kind", text(), true),
        Field::new("owner_name", text(), true),
        Field::new("owner_uid", text(), true),
        Field::new("labels", map(), true),
        Field::new("annotations", map(), true),
        Field::new("verb", word(), true),
        Field::new("subresource", word(), true),
        Field::new("username", word(), true),
        Field::new("groups", texts(), true),
        Field::new("impersonated_username", word(), true),
        Field::new("user_agent", word(), true),
        Field::new("source_ips", texts(), true),
        Field::new("audit_id", text(), true),
        Field::new("object", text(), true),
        Field::new("patch", text(), true),
        Field::new("session", DataType::Int32, false),
        Field::new("epoch", DataType::Int32, false),
        Field::new("cluster", word(), true),
    ]))
});

fn map() -> DataType {
    let entries = DataType::Struct(
        vec![
            Field::new("keys", DataType::Utf8, false),
            Field::new("values", DataType::Utf8, true),
        ]
        .into(),
    );
    DataType::Map(Arc::new(Field::new("entries", entries, false)), false)
}

fn texts() -> DataType {
    DataType::List(Arc::new(text_item()))
}

fn text_item() -> Field {
    Field::new("item", DataType::Utf8, false)
}

/// Returns the columns of `events`.
pub(super) fn schema() -> SchemaRef {
    Arc::clone(&SCHEMA)
}

/// Tells whether a column is made of the object's body.
pub(super) fn is_of_body(column: &str) -> bool {
    matches!(
        column,
        "generation"
            | "created"
            | "deleted"
            | "owner_kind"
            | "owner_name"
            | "owner_uid"
            | "labels"
            | "annotations"
    )
}

/// A row as the columns see it.
pub(super) struct Seen<'a> {
    pub(super) row: &'a Row,
    pub(super) feed: &'a Feed,
    pub(super) kind: &'a str,
    /// Read where a column needs it.
    pub(super) head: &'a Head,
    pub(super) object: Option<&'a str>,
    pub(super) patch: Option<&'a str>,
    pub(super) cluster: Option<&'a str>,
}

/// What typed columns show of an object.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Head {
    pub(super) kind: Option<String>,
    metadata: Option<Metadata>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    generation: Option<i64>,
    creation_timestamp: Option<String>,
    deletion_timestamp: Option<String>,
    labels: Option<Pairs>,
    annotations: Option<Pairs>,
    owner_references: Option<Vec<Owner>>,
}

type Pairs = BTreeMap<String, Option<String>>;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Owner {
    kind: String,
    name: String,
    uid: String,
    controller: Option<bool>,
}

impl Head {
    /// Reads the head of a body; one of another shape has none.
    pub(super) fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    fn controller(&self) -> Option<&Owner> {
        let owners = self.metadata.as_ref()?.owner_references.as_ref()?;
        owners.iter().find(|owner| owner.controller == Some(true))
    }
}

/// Returns what an event's request has in a column; `None` where that is not known.
pub(super) fn of_request(row: &Row, key: Key) -> Option<&str> {
    let request = row.event.request.as_deref()?;
    let told = match key {
        Key::Verb => Some(request.verb.as_str()),
        Key::Username => Some(request.username.as_str()),
        Key::AuditId => Some(request.audit_id.as_str()),
        Key::Subresource => request.subresource.as_deref(),
        Key::ImpersonatedUsername => request.impersonated_username.as_deref(),
        Key::UserAgent => request.user_agent.as_deref(),
        Key::Type
        | Key::ApiGroup
        | Key::Resource
        | Key::Kind
        | Key::Namespace
        | Key::Name
        | Key::Uid => None,
    };
    told.filter(|text| !text.is_empty())
}

/// Builds batches of some of the columns.
pub(super) struct EventColumns {
    schema: SchemaRef,
    columns: Vec<Column>,
    rows: usize,
    text_bytes: usize,
}

enum Column {
    Number(Int64Builder, fn(&Seen<'_>) -> Option<i64>),
    Small(Int32Builder, fn(&Seen<'_>) -> i32),
    Word(
        StringDictionaryBuilder<Int32Type>,
        for<'a> fn(&Seen<'a>) -> Option<&'a str>,
    ),
    Text(StringBuilder, for<'a> fn(&Seen<'a>) -> Option<&'a str>),
    Texts(ListBuilder<StringBuilder>, fn(&Request) -> &[String]),
    Nanoseconds(
        TimestampNanosecondBuilder,
        fn(&Seen<'_>) -> Option<Timestamp>,
    ),
    Seconds(TimestampSecondBuilder, fn(&Seen<'_>) -> Option<i64>),
    Map(
        Box<MapBuilder<StringBuilder, StringBuilder>>,
        fn(&Head) -> Option<&Pairs>,
    ),
}

impl EventColumns {
    /// Builds the columns with these indices in [`schema`].
    pub(super) fn new(indices: &[usize]) -> Result<Self, ArrowError> {
        let schema = Arc::new(SCHEMA.project(indices)?);
        let columns = schema
            .fields()
            .iter()
            .map(|field| Column::of(field.name()))
            .collect();
        Ok(Self {
            schema,
            columns,
            rows: 0,
            text_bytes: 0,
        })
    }

    /// Returns the number of rows and the bytes of their objects since the last batch.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.rows, self.text_bytes)
    }

    /// Adds a row.
    pub(super) fn push(&mut self, seen: &Seen<'_>) -> Result<(), ArrowError> {
        self.rows += 1;
        self.text_bytes += seen.object.map_or(0, str::len) + seen.patch.map_or(0, str::len);
        self.columns
            .iter_mut()
            .try_for_each(|column| column.push(seen))
    }

    /// Returns the rows added since the last batch.
    pub(super) fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        (self.rows, self.text_bytes) = (0, 0);
        let arrays = self.columns.iter_mut().map(Column::finish).collect();
        RecordBatch::try_new(Arc::clone(&self.schema), arrays)
    }
}

impl Column {
    fn of(name: &str) -> Self {
        let word = |of| Self::Word(StringDictionaryBuilder::new(), of);
        let text = |of| Self::Text(StringBuilder::new(), of);
        let texts = |of| {
            let builder = ListBuilder::new(StringBuilder::new()).with_field(text_item());
            Self::Texts(builder, of)
        };
        let number = |of| Self::Number(Int64Builder::new(), of);
        let small = |of| Self::Small(Int32Builder::new(), of);
        let nanoseconds =
            |of| Self::Nanoseconds(TimestampNanosecondBuilder::new().with_timezone(UTC), of);
        let seconds = |of| Self::Seconds(TimestampSecondBuilder::new().with_timezone(UTC), of);
        let map = |of| {
            let (keys, values) = (StringBuilder::new(), StringBuilder::new());
            Self::Map(Box::new(MapBuilder::new(None, keys, values)), of)
        };
        match name {
            "seq" => number(|seen| i64::try_from(seen.row.seq).ok()),
            "ts" => nanoseconds(|seen| Some(seen.row.event.ts)),
            "type" => word(|seen| Some(seen.row.event.event_type.as_str())),
            "certainty" => word(|seen| Some(seen.row.event.certainty.as_str())),
            "not_before" => nanoseconds(|seen| seen.row.event.not_before),
            "api_group" => word(|seen| Some(&seen.feed.resource.group)),
            "api_version" => word(|seen| Some(&seen.feed.resource.version)),
            "kind" => word(|seen| Some(seen.kind)),
            "resource" => word(|seen| Some(&seen.feed.resource.resource)),
            "namespace" => text(|seen| Some(&seen.row.event.key.namespace)),
            "name" => text(|seen| Some(&seen.row.event.key.name)),
            "uid" => text(|seen| Some(&seen.row.event.key.uid)),
            "resource_version" => text(|seen| seen.row.event.rv.as_ref().map(Rv::as_str)),
            "generation" => number(|seen| seen.head.metadata.as_ref()?.generation),
            "created" => {
                seconds(|seen| time(seen.head.metadata.as_ref()?.creation_timestamp.as_deref()))
            }
            "deleted" => {
                seconds(|seen| time(seen.head.metadata.as_ref()?.deletion_timestamp.as_deref()))
            }
            "owner_kind" => text(|seen| Some(&seen.head.controller()?.kind)),
            "owner_name" => text(|seen| Some(&seen.head.controller()?.name)),
            "owner_uid" => text(|seen| Some(&seen.head.controller()?.uid)),
            "labels" => map(|head| head.metadata.as_ref()?.labels.as_ref()),
            "annotations" => map(|head| head.metadata.as_ref()?.annotations.as_ref()),
            "verb" => word(|seen| of_request(seen.row, Key::Verb)),
            "subresource" => word(|seen| of_request(seen.row, Key::Subresource)),
            "username" => word(|seen| of_request(seen.row, Key::Username)),
            "groups" => texts(|request| &request.groups),
            "impersonated_username" => word(|seen| of_request(seen.row, Key::ImpersonatedUsername)),
            "user_agent" => word(|seen| of_request(seen.row, Key::UserAgent)),
            "source_ips" => texts(|request| &request.source_ips),
            "audit_id" => text(|seen| of_request(seen.row, Key::AuditId)),
            "object" => text(|seen| seen.object),
            "patch" => text(|seen| seen.patch),
            "session" => small(|seen| seen.row.session.cast_signed()),
            "epoch" => small(|seen| seen.row.event.epoch.cast_signed()),
            _ => word(|seen| seen.cluster),
        }
    }

    fn push(&mut self, seen: &Seen<'_>) -> Result<(), ArrowError> {
        match self {
            Self::Number(builder, of) => builder.append_option(of(seen)),
            Self::Small(builder, of) => builder.append_value(of(seen)),
            Self::Word(builder, of) => match of(seen) {
                Some(word) => {
                    builder.append(word)?;
                }
                None => builder.append_null(),
            },
            Self::Text(builder, of) => builder.append_option(of(seen)),
            Self::Texts(builder, of) => match seen.row.event.request.as_deref() {
                Some(request) => {
                    builder.append_value(of(request).iter().map(Some));
                }
                None => builder.append_null(),
            },
            Self::Nanoseconds(builder, of) => builder.append_option(of(seen).map(|ts| ts.0)),
            Self::Seconds(builder, of) => builder.append_option(of(seen)),
            Self::Map(builder, of) => {
                let entries = of(seen.head);
                for (key, value) in entries.into_iter().flatten() {
                    builder.keys().append_value(key);
                    builder.values().append_option(value.as_deref());
                }
                builder.append(entries.is_some())?;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Number(builder, _) => Arc::new(builder.finish()),
            Self::Small(builder, _) => Arc::new(builder.finish()),
            Self::Word(builder, _) => Arc::new(builder.finish()),
            Self::Text(builder, _) => Arc::new(builder.finish()),
            Self::Texts(builder, _) => Arc::new(builder.finish()),
            Self::Nanoseconds(builder, _) => Arc::new(builder.finish()),
            Self::Seconds(builder, _) => Arc::new(builder.finish()),
            Self::Map(builder, _) => Arc::new(builder.finish()),
        }
    }
}

fn time(text: Option<&str>) -> Option<i64> {
    let ts: Timestamp = text?.parse().ok()?;
    Some(ts.0.div_euclid(1_000_000_000))
}
