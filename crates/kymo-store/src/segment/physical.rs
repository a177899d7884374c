//! The physical columns, as Arrow and Parquet see them; `docs/layout.md` describes each.

use std::sync::Arc;

use arrow::array::{
    ArrayBuilder as _, ArrayRef, BinaryBuilder, BooleanBufferBuilder, FixedSizeBinaryBuilder,
    Int32Builder, Int64Builder, ListArray, RecordBatch, StringBuilder, StructArray,
    TimestampMillisecondBuilder, TimestampNanosecondBuilder,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use kymo_model::Feed;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;

use super::json::Edit;
use super::request::{self, RequestColumns};
use super::stored::{Content, Op, OpValue, Stored};
use super::{SegmentError, SegmentOptions};

const UTC: &str = "UTC";

/// The column of an event's own version, from format 1.1 on.
pub(super) const EVENT_VERSION: &str = "event_resource_version";

/// Tells whether a column came with format 1.1: a segment without it has nulls there.
pub(super) fn is_of_1_1(column: &str) -> bool {
    column == EVENT_VERSION || request::COLUMNS.contains(&column)
}

/// The columns of an operation of a patch.
pub(super) fn op_fields() -> Fields {
    Fields::from(vec![
        Field::new("op", DataType::Utf8, false),
        Field::new("path", DataType::Utf8, false),
        Field::new("value", DataType::Utf8, true),
        Field::new("age", DataType::Int32, true),
    ])
}

pub(super) fn op_item() -> Field {
    Field::new("item", DataType::Struct(op_fields()), false)
}

/// Returns the schema of a segment.
pub(super) fn schema() -> SchemaRef {
    let nanos = DataType::Timestamp(TimeUnit::Nanosecond, Some(UTC.into()));
    let millis = DataType::Timestamp(TimeUnit::Millisecond, Some(UTC.into()));
    let field = |name: &str, data_type: DataType| Field::new(name, data_type, false);
    let nullable = |name: &str, data_type: DataType| Field::new(name, data_type, true);
    let mut fields = vec![
        field("seq", DataType::Int64),
        field("ts", nanos.clone()),
        nullable("not_before", nanos),
        field("type", DataType::Utf8),
        field("certainty", DataType::Utf8),
        field("feed", DataType::Int32),
        field("session", DataType::Int32),
        field("epoch", DataType::Int32),
        field("api_group", DataType::Utf8),
        field("api_version", DataType::Utf8),
        nullable("kind", DataType::Utf8),
        field("resource", DataType::Utf8),
        nullable("namespace", DataType::Utf8),
        nullable("name", DataType::Utf8),
        nullable("uid", DataType::FixedSizeBinary(16)),
        nullable("uid_text", DataType::Utf8),
        nullable("resource_version", DataType::Int64),
        nullable("resource_version_text", DataType::Utf8),
        nullable("generation", DataType::Int64),
        nullable("created", millis.clone()),
        nullable("deleted", millis),
        nullable("base", DataType::Int32),
        nullable("keyframe", DataType::Utf8),
        nullable("managed_fields", DataType::Utf8),
        nullable("patch", DataType::List(Arc::new(op_item()))),
        nullable("managed_fields_patch", DataType::List(Arc::new(op_item()))),
        nullable("raw", DataType::Binary),
        nullable(EVENT_VERSION, DataType::Utf8),
    ];
    fields.extend(request::fields());
    Arc::new(Schema::new(fields))
}

/// Returns how each column is written.
pub(super) fn properties(options: &SegmentOptions) -> Result<WriterProperties, SegmentError> {
    let level = ZstdLevel::try_new(options.zstd_level)?;
    let mut builder = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::ZSTD(level))
        .set_created_by(concat!("kymo ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_max_row_group_row_count(None)
        .set_data_page_size_limit(options.page_bytes)
        .set_dictionary_page_size_limit(options.page_bytes)
        .set_write_batch_size(options.write_batch)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_column_index_truncate_length(Some(64));
    let at = |path: &str| ColumnPath::new(path.split('/').map(str::to_owned).collect());
    for column in ["seq", "ts", "namespace", "name", "kind", "resource", "uid"] {
        builder = builder.set_column_statistics_enabled(at(column), EnabledStatistics::Page);
    }
    for column in ["type", "api_group", "created", "resource_version"] {
        builder = builder.set_column_statistics_enabled(at(column), EnabledStatistics::Chunk);
    }
    let plain = [
        ("seq", Encoding::DELTA_BINARY_PACKED),
        ("ts", Encoding::DELTA_BINARY_PACKED),
        ("not_before", Encoding::DELTA_BINARY_PACKED),
        ("name", Encoding::DELTA_BYTE_ARRAY),
        ("uid", Encoding::DELTA_BYTE_ARRAY),
        ("resource_version", Encoding::DELTA_BINARY_PACKED),
        ("created", Encoding::DELTA_BINARY_PACKED),
        ("deleted", Encoding::DELTA_BINARY_PACKED),
        ("keyframe", Encoding::PLAIN),
        ("managed_fields", Encoding::PLAIN),
        ("patch/list/item/value", Encoding::PLAIN),
        ("managed_fields_patch/list/item/value", Encoding::PLAIN),
        ("raw", Encoding::PLAIN),
        ("audit_id", Encoding::DELTA_LENGTH_BYTE_ARRAY),
    ];
    for (column, encoding) in plain {
        builder = builder
            .set_column_dictionary_enabled(at(column), false)
            .set_column_encoding(at(column), encoding);
    }
    Ok(builder.build())
}

/// Lists of operations being filled.
#[derive(Debug)]
struct OpsBuilder {
    ends: Vec<i32>,
    is_there: BooleanBufferBuilder,
    op: StringBuilder,
    path: StringBuilder,
    value: StringBuilder,
    age: Int32Builder,
}

impl OpsBuilder {
    fn new() -> Self {
        Self {
            ends: vec![0],
            is_there: BooleanBufferBuilder::new(0),
            op: StringBuilder::new(),
            path: StringBuilder::new(),
            value: StringBuilder::new(),
            age: Int32Builder::new(),
        }
    }

    /// Appends one row's operations; returns their size in bytes.
    fn push(&mut self, ops: &[Op<'_>]) -> Result<usize, SegmentError> {
        let mut bytes = 0;
        for op in ops {
            let (value, age) = match op.value {
                OpValue::None => (None, None),
                OpValue::Json(text) => (Some(text), None),
                OpValue::Age(age) => (None, Some(age)),
            };
            bytes += 24 + op.path.len() + value.map_or(0, str::len);
            self.op.append_value(edit_name(op.edit));
            self.path.append_value(op.path);
            self.value.append_option(value);
            self.age.append_option(age);
        }
        let end = self.age.len();
        self.ends
            .push(i32::try_from(end).map_err(|_| SegmentError::TooLarge {
                what: "a batch of patches",
                bytes: end as u64,
                limit: i32::MAX as u64,
            })?);
        self.is_there.append(!ops.is_empty());
        Ok(bytes)
    }

    fn finish(&mut self) -> Result<ListArray, SegmentError> {
        let ends = std::mem::replace(&mut self.ends, vec![0]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.op.finish()),
            Arc::new(self.path.finish()),
            Arc::new(self.value.finish()),
            Arc::new(self.age.finish()),
        ];
        let items = StructArray::try_new(op_fields(), columns, None)?;
        Ok(ListArray::try_new(
            Arc::new(op_item()),
            OffsetBuffer::new(ends.into()),
            Arc::new(items),
            Some(NullBuffer::new(self.is_there.finish())),
        )?)
    }
}

/// The columns being filled.
#[derive(Debug)]
pub(super) struct Columns {
    schema: SchemaRef,
    bytes: usize,
    rows: usize,
    seq: Int64Builder,
    ts: TimestampNanosecondBuilder,
    not_before: TimestampNanosecondBuilder,
    event_type: StringBuilder,
    certainty: StringBuilder,
    feed: Int32Builder,
    session: Int32Builder,
    epoch: Int32Builder,
    group: StringBuilder,
    version: StringBuilder,
    kind: StringBuilder,
    resource: StringBuilder,
    namespace: StringBuilder,
    name: StringBuilder,
    uid: FixedSizeBinaryBuilder,
    uid_text: StringBuilder,
    rv: Int64Builder,
    rv_text: StringBuilder,
    generation: Int64Builder,
    created: TimestampMillisecondBuilder,
    deleted: TimestampMillisecondBuilder,
    base: Int32Builder,
    keyframe: StringBuilder,
    managed: StringBuilder,
    patch: OpsBuilder,
    managed_patch: OpsBuilder,
    raw: BinaryBuilder,
    event_rv: StringBuilder,
    request: RequestColumns,
}

impl Columns {
    pub(super) fn new() -> Self {
        Self {
            schema: schema(),
            bytes: 0,
            rows: 0,
            seq: Int64Builder::new(),
            ts: TimestampNanosecondBuilder::new().with_timezone(UTC),
            not_before: TimestampNanosecondBuilder::new().with_timezone(UTC),
            event_type: StringBuilder::new(),
            certainty: StringBuilder::new(),
            feed: Int32Builder::new(),
            session: Int32Builder::new(),
            epoch: Int32Builder::new(),
            group: StringBuilder::new(),
            version: StringBuilder::new(),
            kind: StringBuilder::new(),
            resource: StringBuilder::new(),
            namespace: StringBuilder::new(),
            name: StringBuilder::new(),
            uid: FixedSizeBinaryBuilder::new(16),
            uid_text: StringBuilder::new(),
            rv: Int64Builder::new(),
            rv_text: StringBuilder::new(),
            generation: Int64Builder::new(),
            created: TimestampMillisecondBuilder::new().with_timezone(UTC),
            deleted: TimestampMillisecondBuilder::new().with_timezone(UTC),
            base: Int32Builder::new(),
            keyframe: StringBuilder::new(),
            managed: StringBuilder::new(),
            patch: OpsBuilder::new(),
            managed_patch: OpsBuilder::new(),
            raw: BinaryBuilder::new(),
            event_rv: StringBuilder::new(),
            request: RequestColumns::new(),
        }
    }

    /// Approximate size of what is held, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn push(&mut self, row: &Stored<'_>, feed: &Feed) -> Result<(), SegmentError> {
        let resource = &feed.resource;
        self.rows += 1;
        self.bytes += 160;
        self.seq.append_value(row.seq as i64);
        self.ts.append_value(row.ts);
        self.not_before.append_option(row.not_before);
        self.event_type.append_value(row.event_type.as_str());
        self.certainty.append_value(row.certainty.as_str());
        self.feed.append_value(row.feed as i32);
        self.session.append_value(row.session as i32);
        self.epoch.append_value(row.epoch as i32);
        self.group.append_value(&resource.group);
        self.version.append_value(&resource.version);
        self.kind.append_option(row.kind);
        self.resource.append_value(&resource.resource);
        self.namespace.append_option(row.namespace);
        self.name.append_option(row.name);
        match row.uid.as_deref().map(|uid| (uid, canonical_uuid(uid))) {
            Some((_, Some(bytes))) => {
                self.uid.append_value(bytes)?;
                self.uid_text.append_null();
            }
            Some((text, None)) => {
                self.uid.append_null();
                self.uid_text.append_value(text);
            }
            None => {
                self.uid.append_null();
                self.uid_text.append_null();
            }
        }
        match row.rv.as_deref().map(|rv| (rv, canonical_number(rv))) {
            Some((_, Some(number))) => {
                self.rv.append_value(number);
                self.rv_text.append_null();
            }
            Some((text, None)) => {
                self.rv.append_null();
                self.rv_text.append_value(text);
            }
            None => {
                self.rv.append_null();
                self.rv_text.append_null();
            }
        }
        self.generation.append_option(row.generation);
        self.created
            .append_option(row.created.map(|seconds| seconds * 1000));
        self.deleted
            .append_option(row.deleted.map(|seconds| seconds * 1000));
        let (mut base, mut keyframe, mut managed, mut raw) = (None, None, None, None);
        let (mut patch, mut managed_patch): (&[Op<'_>], &[Op<'_>]) = (&[], &[]);
        match &row.content {
            Content::Nothing => {}
            Content::Raw(bytes) => raw = Some(*bytes),
            Content::Keyframe { body, managed: m } => {
                (base, keyframe, managed) = (Some(0), Some(*body), *m);
            }
            Content::Patch {
                base: distance,
                body,
                managed,
            } => (base, patch, managed_patch) = (Some(*distance as i32), body, managed),
        }
        self.base.append_option(base);
        self.keyframe.append_option(keyframe);
        self.managed.append_option(managed);
        self.raw.append_option(raw);
        self.event_rv.append_option(row.event_rv.as_deref());
        self.bytes += self.request.push(row.request.as_ref());
        self.bytes +=
            keyframe.map_or(0, str::len) + managed.map_or(0, str::len) + raw.map_or(0, <[u8]>::len);
        self.bytes += self.patch.push(patch)?;
        self.bytes += self.managed_patch.push(managed_patch)?;
        Ok(())
    }

    /// Takes what was pushed as a batch.
    pub(super) fn finish(&mut self) -> Result<RecordBatch, SegmentError> {
        (self.bytes, self.rows) = (0, 0);
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.seq.finish()),
            Arc::new(self.ts.finish()),
            Arc::new(self.not_before.finish()),
            Arc::new(self.event_type.finish()),
            Arc::new(self.certainty.finish()),
            Arc::new(self.feed.finish()),
            Arc::new(self.session.finish()),
            Arc::new(self.epoch.finish()),
            Arc::new(self.group.finish()),
            Arc::new(self.version.finish()),
            Arc::new(self.kind.finish()),
            Arc::new(self.resource.finish()),
            Arc::new(self.namespace.finish()),
            Arc::new(self.name.finish()),
            Arc::new(self.uid.finish()),
            Arc::new(self.uid_text.finish()),
            Arc::new(self.rv.finish()),
            Arc::new(self.rv_text.finish()),
            Arc::new(self.generation.finish()),
            Arc::new(self.created.finish()),
            Arc::new(self.deleted.finish()),
            Arc::new(self.base.finish()),
            Arc::new(self.keyframe.finish()),
            Arc::new(self.managed.finish()),
            Arc::new(self.patch.finish()?),
            Arc::new(self.managed_patch.finish()?),
            Arc::new(self.raw.finish()),
            Arc::new(self.event_rv.finish()),
        ];
        columns.extend(self.request.finish());
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}

/// Returns the word of RFC 6902.
pub(super) fn edit_name(edit: Edit) -> &'static str {
    match edit {
        Edit::Add => "add",
        Edit::Remove => "remove",
        Edit::Replace => "replace",
    }
}

/// Reads the text form of a UUID in lower case; `None` for any other text.
pub(super) fn canonical_uuid(text: &str) -> Option<[u8; 16]> {
    let uuid = uuid::Uuid::try_parse(text).ok()?;
    let mut buffer = uuid::Uuid::encode_buffer();
    (uuid.hyphenated().encode_lower(&mut buffer) == text).then(|| uuid.into_bytes())
}

/// Reads digits without a leading zero that fit 63 bits; `None` for any other text.
fn canonical_number(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let plain =
        bytes.iter().all(u8::is_ascii_digit) && (bytes.len() == 1 || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// Tells whether a column found in a file can be read as the one described.
///
/// Names of list items and nullability are not compared; a later minor version may add fields to
/// structs in a list.
pub(super) fn is_readable_as(found: &DataType, expected: &Field) -> bool {
    match (found, expected.data_type()) {
        (DataType::List(found), DataType::List(expected)) => {
            match (found.data_type(), expected.data_type()) {
                (DataType::Struct(found), DataType::Struct(expected)) => {
                    expected.iter().all(|field| {
                        found
                            .find(field.name())
                            .is_some_and(|(_, found)| found.data_type() == field.data_type())
                    })
                }
                (found, expected) => found == expected,
            }
        }
        (found, expected) => found == expected,
    }
}
