//! The columns of `events`, made of rows of the store.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{
    ArrayRef, Int32Builder, Int64Builder, ListBuilder, StringBuilder, StringDictionaryBuilder,
    TimestampNanosecondBuilder, TimestampSecondBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef, TimeUnit};
use datafusion::arrow::error::ArrowError;
use kymo_model::{Feed, Request, Rv, Timestamp};
use kymo_store::segment::{JsonPath, Row, read_seconds};

use super::body::{Objects, Shown, Text, find};
use super::wide::{Item, broken};
use crate::Error;
use crate::conditions::Key;

const UTC: &str = "UTC";

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
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

/// Returns the name of a column.
pub(super) fn name_of(index: usize) -> &'static str {
    static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
        SCHEMA
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect()
    });
    NAMES.get(index).map_or("", String::as_str)
}

/// The type of words that come again and again.
pub(super) fn word() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// A row as the columns see it.
pub(super) struct Seen<'a> {
    pub(super) row: &'a Row,
    pub(super) feed: &'a Feed,
    pub(super) kind: &'a str,
    pub(super) object: Option<&'a str>,
    pub(super) patch: Option<&'a str>,
    pub(super) cluster: Option<&'a str>,
}

/// Returns the kind in an object's text.
pub(super) fn kind_of(object: &str) -> Option<String> {
    static KIND: LazyLock<JsonPath> = LazyLock::new(|| JsonPath::of_names(["kind"]));
    serde_json::from_str(find(object, &KIND)?).ok()
}

/// A number or a time in `metadata` that has a column. Only the forms in which Kubernetes writes
/// them are read: plain integers, and times of whole seconds in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Metadata {
    Generation,
    Created,
    Deleted,
}

impl Metadata {
    /// Reads it in an object's text; times in seconds since 1970.
    pub(super) fn read(self, object: &str) -> Option<i64> {
        static PATHS: LazyLock<[JsonPath; 3]> = LazyLock::new(|| {
            ["generation", "creationTimestamp", "deletionTimestamp"]
                .map(|name| JsonPath::of_names(["metadata", name]))
        });
        let [generation, created, deleted] = &*PATHS;
        let path = match self {
            Self::Generation => generation,
            Self::Created => created,
            Self::Deleted => deleted,
        };
        let text = find(object, path)?;
        if self == Self::Generation {
            let number: i64 = text.parse().ok()?;
            return (number.to_string() == text).then_some(number);
        }
        read_seconds(text.strip_prefix('"')?.strip_suffix('"')?.as_bytes())
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

/// Builds columns out of rows of the store.
pub(super) struct EventColumns {
    columns: Vec<Column>,
    objects: Objects,
    rows: usize,
    bytes: usize,
}

/// Where a column comes from.
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
    /// The next of those that show something of objects.
    Object,
}

impl EventColumns {
    /// Builds these columns.
    pub(super) fn new(items: &[Item]) -> Self {
        let shown: Vec<Shown> = items.iter().filter_map(Shown::of_item).collect();
        let columns = items.iter().map(|item| match item {
            Item::Column(index) => Column::of(name_of(*index)),
            Item::Path(_) => Column::Object,
        });
        Self {
            columns: columns.collect(),
            objects: Objects::new(&shown),
            rows: 0,
            bytes: 0,
        }
    }

    /// Returns the number of rows and the bytes of their texts since the last batch.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.rows, self.bytes + self.objects.bytes())
    }

    /// Adds a row.
    pub(super) fn push(&mut self, seen: &Seen<'_>) -> Result<(), Error> {
        self.rows += 1;
        self.bytes += seen.patch.map_or(0, str::len);
        for column in &mut self.columns {
            column.push(seen).map_err(broken)?;
        }
        self.objects.push(&Text(seen.object))
    }

    /// Returns the columns with the rows that were added since the last call.
    pub(super) fn finish(&mut self) -> Vec<ArrayRef> {
        (self.rows, self.bytes) = (0, 0);
        let mut objects = self.objects.finish().into_iter();
        let columns = self
            .columns
            .iter_mut()
            .filter_map(|column| match column.finish() {
                None => objects.next(),
                array => array,
            });
        columns.collect()
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
            "generation" => number(|seen| Metadata::Generation.read(seen.object?)),
            "created" => seconds(|seen| Metadata::Created.read(seen.object?)),
            "deleted" => seconds(|seen| Metadata::Deleted.read(seen.object?)),
            "verb" => word(|seen| of_request(seen.row, Key::Verb)),
            "subresource" => word(|seen| of_request(seen.row, Key::Subresource)),
            "username" => word(|seen| of_request(seen.row, Key::Username)),
            "groups" => texts(|request| &request.groups),
            "impersonated_username" => word(|seen| of_request(seen.row, Key::ImpersonatedUsername)),
            "user_agent" => word(|seen| of_request(seen.row, Key::UserAgent)),
            "source_ips" => texts(|request| &request.source_ips),
            "audit_id" => text(|seen| of_request(seen.row, Key::AuditId)),
            "patch" => text(|seen| seen.patch),
            "session" => small(|seen| seen.row.session.cast_signed()),
            "epoch" => small(|seen| seen.row.event.epoch.cast_signed()),
            "cluster" => word(|seen| seen.cluster),
            _ => Self::Object,
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
            Self::Object => {}
        }
        Ok(())
    }

    fn finish(&mut self) -> Option<ArrayRef> {
        Some(match self {
            Self::Number(builder, _) => Arc::new(builder.finish()),
            Self::Small(builder, _) => Arc::new(builder.finish()),
            Self::Word(builder, _) => Arc::new(builder.finish()),
            Self::Text(builder, _) => Arc::new(builder.finish()),
            Self::Texts(builder, _) => Arc::new(builder.finish()),
            Self::Nanoseconds(builder, _) => Arc::new(builder.finish()),
            Self::Seconds(builder, _) => Arc::new(builder.finish()),
            Self::Object => return None,
        })
    }
}
