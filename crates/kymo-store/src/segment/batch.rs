//! Reading physical columns back, row by row.

use std::borrow::Cow;

use arrow::array::{
    Array, AsArray as _, BinaryArray, FixedSizeBinaryArray, Int32Array, Int64Array, ListArray,
    RecordBatch, StringArray, TimestampMillisecondArray, TimestampNanosecondArray,
};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMillisecondType, TimestampNanosecondType};
use kymo_model::{Certainty, EventType, ObjectKey};

use super::SegmentError;
use super::json::Edit;
use super::physical::{EVENT_VERSION, canonical_uuid};
use super::request::{self, RequestBatch};
use super::shadow::{Head, HeadRef};
use super::stored::{Content, Op, OpValue, Stored};

/// How much of each row is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Everything but bodies.
    Columns,
    /// Bodies less managedFields, and the typed columns of objects.
    Body,
    /// These and managedFields.
    Whole,
    /// Everything.
    All,
}

const TYPED: [&str; 18] = [
    "seq",
    "ts",
    "not_before",
    "type",
    "certainty",
    "feed",
    "session",
    "epoch",
    "kind",
    "namespace",
    "name",
    "uid",
    "uid_text",
    "resource_version",
    "resource_version_text",
    "generation",
    "created",
    "deleted",
];

impl Need {
    /// The columns to read.
    pub(super) fn columns(self) -> Vec<&'static str> {
        let mut columns = TYPED.to_vec();
        if self.has_events() {
            columns.push(EVENT_VERSION);
            columns.extend(request::COLUMNS);
        }
        if self.has_bodies() {
            columns.extend(["base", "keyframe", "patch", "raw"]);
        }
        if self.has_managed_fields() {
            columns.extend(["managed_fields", "managed_fields_patch"]);
        }
        columns
    }

    /// Whether events are put together, not only what they say of their objects.
    fn has_events(self) -> bool {
        matches!(self, Self::Columns | Self::All)
    }

    fn has_bodies(self) -> bool {
        self != Self::Columns
    }

    fn has_managed_fields(self) -> bool {
        matches!(self, Self::Whole | Self::All)
    }
}

/// A batch of rows with its columns found and checked.
#[derive(Debug)]
pub(super) struct Batch {
    rows: usize,
    seq: Int64Array,
    ts: TimestampNanosecondArray,
    not_before: TimestampNanosecondArray,
    event_type: StringArray,
    certainty: StringArray,
    feed: Int32Array,
    session: Int32Array,
    epoch: Int32Array,
    kind: StringArray,
    namespace: StringArray,
    name: StringArray,
    uid: FixedSizeBinaryArray,
    uid_text: StringArray,
    rv: Int64Array,
    rv_text: StringArray,
    generation: Int64Array,
    created: TimestampMillisecondArray,
    deleted: TimestampMillisecondArray,
    event_rv: Option<StringArray>,
    request: Option<RequestBatch>,
    bodies: Option<Bodies>,
}

/// The columns that hold bodies.
#[derive(Debug)]
pub(super) struct Bodies {
    base: Int32Array,
    keyframe: StringArray,
    patch: OpColumns,
    raw: BinaryArray,
    managed: Option<(StringArray, OpColumns)>,
}

#[derive(Debug)]
struct OpColumns {
    list: ListArray,
    op: StringArray,
    path: StringArray,
    value: StringArray,
    age: Int32Array,
}

fn column<'a>(batch: &'a RecordBatch, name: &'static str) -> Result<&'a dyn Array, SegmentError> {
    batch
        .column_by_name(name)
        .map(AsRef::as_ref)
        .ok_or(SegmentError::Column { column: name })
}

/// Finds a column of text.
pub(super) fn text(batch: &RecordBatch, name: &'static str) -> Result<StringArray, SegmentError> {
    column(batch, name)?
        .as_string_opt::<i32>()
        .cloned()
        .ok_or(SegmentError::Column { column: name })
}

macro_rules! number {
    ($batch:expr, $name:literal, $type:ty) => {
        column($batch, $name)?
            .as_primitive_opt::<$type>()
            .cloned()
            .ok_or(SegmentError::Column { column: $name })
    };
}

fn ops(batch: &RecordBatch, name: &'static str) -> Result<OpColumns, SegmentError> {
    let wrong = || SegmentError::Column { column: name };
    let list = column(batch, name)?
        .as_list_opt::<i32>()
        .cloned()
        .ok_or_else(wrong)?;
    let items = list.values().as_struct_opt().ok_or_else(wrong)?;
    let field = |name| {
        items
            .column_by_name(name)
            .and_then(|column| column.as_string_opt::<i32>())
            .cloned()
            .ok_or_else(wrong)
    };
    let (op, path, value) = (field("op")?, field("path")?, field("value")?);
    let age = items
        .column_by_name("age")
        .and_then(|column| column.as_primitive_opt::<Int32Type>())
        .cloned()
        .ok_or_else(wrong)?;
    Ok(OpColumns {
        list,
        op,
        path,
        value,
        age,
    })
}

impl Batch {
    pub(super) fn new(batch: &RecordBatch, need: Need) -> Result<Self, SegmentError> {
        let bodies = if need.has_bodies() {
            Some(Bodies::new(batch, need.has_managed_fields())?)
        } else {
            None
        };
        // What came with format 1.1 need not be there.
        let event_rv = match batch.column_by_name(EVENT_VERSION) {
            Some(_) if need.has_events() => Some(text(batch, EVENT_VERSION)?),
            _ => None,
        };
        let request = if need.has_events() {
            RequestBatch::new(batch)?
        } else {
            None
        };
        Ok(Self {
            rows: batch.num_rows(),
            seq: number!(batch, "seq", Int64Type)?,
            ts: number!(batch, "ts", TimestampNanosecondType)?,
            not_before: number!(batch, "not_before", TimestampNanosecondType)?,
            event_type: text(batch, "type")?,
            certainty: text(batch, "certainty")?,
            feed: number!(batch, "feed", Int32Type)?,
            session: number!(batch, "session", Int32Type)?,
            epoch: number!(batch, "epoch", Int32Type)?,
            kind: text(batch, "kind")?,
            namespace: text(batch, "namespace")?,
            name: text(batch, "name")?,
            uid: column(batch, "uid")?
                .as_fixed_size_binary_opt()
                .filter(|array| array.value_length() == 16)
                .cloned()
                .ok_or(SegmentError::Column { column: "uid" })?,
            uid_text: text(batch, "uid_text")?,
            rv: number!(batch, "resource_version", Int64Type)?,
            rv_text: text(batch, "resource_version_text")?,
            generation: number!(batch, "generation", Int64Type)?,
            created: number!(batch, "created", TimestampMillisecondType)?,
            deleted: number!(batch, "deleted", TimestampMillisecondType)?,
            event_rv,
            request,
            bodies,
        })
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the smallest and the largest seq.
    pub(super) fn seqs(&self) -> Option<(u64, u64)> {
        let seqs = self.seq.values().iter().map(|seq| *seq as u64);
        seqs.fold(None, |bounds, seq| {
            let (first, last) = bounds.unwrap_or((seq, seq));
            Some((first.min(seq), last.max(seq)))
        })
    }

    /// Returns the feed of a row.
    pub(super) fn feed(&self, index: usize) -> u32 {
        self.feed.value(index) as u32
    }

    /// Returns a row; `number` is its place in the segment, for errors.
    pub(super) fn row(&self, index: usize, number: u64) -> Result<Stored<'_>, SegmentError> {
        let wrong = |what| SegmentError::Row { row: number, what };
        let rv = if self.rv.is_null(index) {
            optional(&self.rv_text, index).map(Cow::Borrowed)
        } else {
            Some(Cow::Owned(self.rv.value(index).to_string()))
        };
        Ok(Stored {
            seq: u64::try_from(self.seq.value(index)).map_err(|_| wrong("its seq is negative"))?,
            ts: self.ts.value(index),
            not_before: (!self.not_before.is_null(index)).then(|| self.not_before.value(index)),
            event_type: word(
                &EventType::ALL,
                EventType::as_str,
                self.event_type.value(index),
            )
            .ok_or_else(|| wrong("its type is unknown"))?,
            certainty: word(
                &Certainty::ALL,
                Certainty::as_str,
                self.certainty.value(index),
            )
            .ok_or_else(|| wrong("its certainty is unknown"))?,
            feed: self.feed(index),
            session: self.session.value(index) as u32,
            epoch: self.epoch.value(index) as u32,
            kind: optional(&self.kind, index),
            namespace: optional(&self.namespace, index),
            name: optional(&self.name, index),
            uid: self.uid(index, number)?,
            rv,
            generation: self.generation(index),
            created: seconds(&self.created, index),
            deleted: seconds(&self.deleted, index),
            event_rv: self
                .event_rv
                .as_ref()
                .and_then(|column| optional(column, index))
                .map(Cow::Borrowed),
            request: self.request.as_ref().and_then(|request| request.row(index)),
            content: self.content(index, number)?,
        })
    }

    /// Returns what columns tell of an object, but for its version.
    pub(super) fn head(&self, index: usize, number: u64) -> Result<Head, SegmentError> {
        let own = |text: Option<&str>| text.map(str::to_owned);
        Ok(Head {
            kind: own(optional(&self.kind, index)),
            name: own(optional(&self.name, index)),
            namespace: own(optional(&self.namespace, index)),
            uid: self.uid(index, number)?.map(Cow::into_owned),
            generation: self.generation(index),
            created: seconds(&self.created, index),
            deleted: seconds(&self.deleted, index),
            ..Head::default()
        })
    }

    /// Returns what columns tell of an object as a row to store has it, if it is the one with this
    /// key.
    pub(super) fn told<'a>(&'a self, index: usize, key: &'a ObjectKey) -> Option<HeadRef<'a>> {
        let uid = if self.uid.is_null(index) {
            let text = optional(&self.uid_text, index);
            (text.unwrap_or_default() == key.uid).then_some(text)?
        } else {
            let bytes = canonical_uuid(&key.uid)?;
            (self.uid.value(index) == bytes).then_some(Some(key.uid.as_str()))?
        };
        let (name, namespace) = (
            optional(&self.name, index),
            optional(&self.namespace, index),
        );
        let is_told =
            name.unwrap_or_default() == key.name && namespace.unwrap_or_default() == key.namespace;
        is_told.then(|| HeadRef {
            kind: optional(&self.kind, index),
            namespace,
            name,
            uid,
            rv: None,
            generation: self.generation(index),
            created: seconds(&self.created, index),
            deleted: seconds(&self.deleted, index),
        })
    }

    fn uid(&self, index: usize, number: u64) -> Result<Option<Cow<'_, str>>, SegmentError> {
        if self.uid.is_null(index) {
            return Ok(optional(&self.uid_text, index).map(Cow::Borrowed));
        }
        let bytes: [u8; 16] = self
            .uid
            .value(index)
            .try_into()
            .map_err(|_| SegmentError::Row {
                row: number,
                what: "its uid is not of 16 bytes",
            })?;
        let uid = uuid::Uuid::from_bytes(bytes).to_string();
        Ok(Some(Cow::Owned(uid)))
    }

    fn generation(&self, index: usize) -> Option<i64> {
        (!self.generation.is_null(index)).then(|| self.generation.value(index))
    }

    /// Returns how a row holds its body; `number` is its place in the segment, for errors.
    pub(super) fn content(&self, index: usize, number: u64) -> Result<Content<'_>, SegmentError> {
        match &self.bodies {
            Some(bodies) => bodies.content(index, number),
            None => Ok(Content::Nothing),
        }
    }
}

impl Bodies {
    /// Finds the columns, those of managedFields if they were read too.
    pub(super) fn new(batch: &RecordBatch, with_managed: bool) -> Result<Self, SegmentError> {
        let managed = if with_managed {
            Some((
                text(batch, "managed_fields")?,
                ops(batch, "managed_fields_patch")?,
            ))
        } else {
            None
        };
        Ok(Self {
            base: number!(batch, "base", Int32Type)?,
            keyframe: text(batch, "keyframe")?,
            patch: ops(batch, "patch")?,
            raw: column(batch, "raw")?
                .as_binary_opt::<i32>()
                .cloned()
                .ok_or(SegmentError::Column { column: "raw" })?,
            managed,
        })
    }

    /// Returns how a row holds its body; `number` is its place in the segment, for errors.
    pub(super) fn content(&self, index: usize, number: u64) -> Result<Content<'_>, SegmentError> {
        let wrong = |what| SegmentError::Row { row: number, what };
        if self.base.is_null(index) {
            return Ok(if self.raw.is_null(index) {
                Content::Nothing
            } else {
                Content::Raw(self.raw.value(index))
            });
        }
        let managed = self.managed.as_ref();
        if self.base.value(index) == 0 {
            return Ok(Content::Keyframe {
                body: optional(&self.keyframe, index).ok_or_else(|| wrong("it has no keyframe"))?,
                managed: managed.and_then(|(whole, _)| optional(whole, index)),
            });
        }
        Ok(Content::Patch {
            base: u32::try_from(self.base.value(index))
                .map_err(|_| wrong("its base is negative"))?,
            body: self.patch.row(index, number)?,
            managed: managed.map_or(Ok(Vec::new()), |(_, patch)| patch.row(index, number))?,
        })
    }
}

impl OpColumns {
    fn row(&self, index: usize, number: u64) -> Result<Vec<Op<'_>>, SegmentError> {
        let wrong = |what| SegmentError::Row { row: number, what };
        if self.list.is_null(index) {
            return Ok(Vec::new());
        }
        let offsets = self.list.value_offsets();
        let (Some(start), Some(end)) = (offsets.get(index), offsets.get(index + 1)) else {
            return Err(wrong("its patch has no end"));
        };
        (*start as usize..*end as usize)
            .map(|item| {
                let edit = match self.op.value(item).as_bytes() {
                    b"add" => Edit::Add,
                    b"remove" => Edit::Remove,
                    b"replace" => Edit::Replace,
                    _ => return Err(wrong("its patch holds an unknown operation")),
                };
                let value = match (optional(&self.value, item), edit) {
                    (_, Edit::Remove) => OpValue::None,
                    (Some(text), _) => OpValue::Json(text),
                    (None, _) if !self.age.is_null(item) => OpValue::Age(self.age.value(item)),
                    (None, _) => return Err(wrong("an operation of its patch has no value")),
                };
                Ok(Op {
                    edit,
                    path: self.path.value(item),
                    value,
                })
            })
            .collect()
    }
}

/// Returns the text of a row; `None` where it is null.
pub(super) fn optional(array: &StringArray, index: usize) -> Option<&str> {
    (!array.is_null(index)).then(|| array.value(index))
}

/// Returns a time in seconds; `None` where it is null.
fn seconds(array: &TimestampMillisecondArray, index: usize) -> Option<i64> {
    (!array.is_null(index)).then(|| array.value(index).div_euclid(1000))
}

fn word<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str, text: &str) -> Option<T> {
    all.iter().copied().find(|word| name(*word) == text)
}
