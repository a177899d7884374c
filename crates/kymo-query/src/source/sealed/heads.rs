use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray as _, DictionaryArray, FixedSizeBinaryArray, Int64Array, Int64Builder,
    PrimitiveArray, RecordBatch, StringArray, StringBuilder, StringDictionaryBuilder,
    TimestampSecondArray, new_null_array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Int32Type, Int64Type, TimestampMillisecondType,
};
use kymo_model::{Certainty, EventType};
use kymo_store::segment::SegmentError;
use uuid::Uuid;

use super::super::logical::{Metadata, kind_of, name_of, schema};
use super::super::wide::Item;
use super::Sealed;

/// Columns that are made of typed columns of a segment.
#[derive(Clone, Debug)]
pub(super) struct Heads {
    made: Vec<Made>,
    columns: Vec<&'static str>,
    cluster: Option<String>,
}

/// How a column is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Made {
    /// As it stands in the file; nulls in a file that does not have it.
    Plain(&'static str),
    /// A text that is never null: null in the file is empty.
    Text(&'static str),
    /// A word or text for which empty is the same as not known.
    Told(&'static str),
    /// From the column, or for raw bodies from the body.
    Kind,
    Uid,
    Version,
    /// From the column, or for raw bodies from the body.
    Metadata(&'static str, Metadata),
    Cluster,
    /// The next of those that show something of objects.
    Object,
}

impl Made {
    fn of(item: &Item, segment: &Sealed) -> Self {
        let Item::Column(index) = item else {
            return Self::Object;
        };
        match name_of(*index) {
            "kind" if segment.has_unknown_kinds() => Self::Kind,
            name @ ("namespace" | "name") => Self::Text(name),
            name @ ("verb"
            | "subresource"
            | "username"
            | "impersonated_username"
            | "user_agent"
            | "audit_id") => Self::Told(name),
            "uid" => Self::Uid,
            "resource_version" => Self::Version,
            name @ "generation" => Self::Metadata(name, Metadata::Generation),
            name @ "created" => Self::Metadata(name, Metadata::Created),
            name @ "deleted" => Self::Metadata(name, Metadata::Deleted),
            "cluster" => Self::Cluster,
            "object" | "patch" | "labels" | "annotations" | "owner_kind" | "owner_name"
            | "owner_uid" => Self::Object,
            name => Self::Plain(name),
        }
    }

    /// The columns of the file that it is made of.
    fn columns(self) -> Vec<&'static str> {
        match self {
            Self::Plain(name) | Self::Text(name) | Self::Told(name) => vec![name],
            Self::Kind => vec!["kind", "raw"],
            Self::Uid => vec!["uid", "uid_text"],
            Self::Version => vec![
                "resource_version",
                "resource_version_text",
                "event_resource_version",
                "type",
                "certainty",
            ],
            Self::Metadata(name, _) => vec![name, "raw"],
            Self::Cluster | Self::Object => Vec::new(),
        }
    }
}

impl Heads {
    /// Makes these columns of a segment; those of objects are left out.
    pub(super) fn new(items: &[Item], segment: &Sealed, cluster: Option<&str>) -> Self {
        let made: Vec<Made> = items.iter().map(|item| Made::of(item, segment)).collect();
        let mut columns: Vec<&'static str> = made.iter().flat_map(|made| made.columns()).collect();
        columns.sort_unstable();
        columns.dedup();
        Self {
            made,
            columns,
            cluster: cluster.map(str::to_owned),
        }
    }

    /// Returns the columns of the file to read.
    pub(super) fn columns(&self) -> &[&'static str] {
        &self.columns
    }

    /// Makes the columns of `rows` rows of what was read; `None` for those of objects.
    pub(super) fn make(
        &self,
        batch: Option<&RecordBatch>,
        rows: usize,
        items: &[Item],
    ) -> Result<Vec<Option<ArrayRef>>, SegmentError> {
        let made = self.made.iter().copied().zip(items).map(|(made, item)| {
            let array = match (made, batch) {
                (Made::Object, _) => return Ok(None),
                (Made::Cluster, _) => constant(self.cluster.as_deref(), rows),
                (_, None) => return Err(missing("seq")),
                (made, Some(batch)) => make(made, batch, item)?,
            };
            Ok(Some(array))
        });
        made.collect()
    }
}

fn make(made: Made, batch: &RecordBatch, item: &Item) -> Result<ArrayRef, SegmentError> {
    match made {
        Made::Plain(name) => match batch.column_by_name(name) {
            Some(array) => as_type_of(array, item),
            None => Ok(null(item, batch.num_rows())),
        },
        Made::Text(name) => Ok(filled(
            column(batch, name)?
                .as_string_opt()
                .ok_or_else(|| missing(name))?,
        )),
        Made::Told(name) => match batch.column_by_name(name) {
            Some(array) => told(array, name),
            None => Ok(null(item, batch.num_rows())),
        },
        Made::Kind => kinds(batch),
        Made::Uid => uids(batch),
        Made::Version => versions(batch),
        Made::Metadata(name, metadata) => numbers(batch, name, metadata),
        Made::Cluster | Made::Object => Ok(null(item, batch.num_rows())),
    }
}

fn missing(column: &'static str) -> SegmentError {
    SegmentError::Column { column }
}

fn column<'a>(batch: &'a RecordBatch, name: &'static str) -> Result<&'a ArrayRef, SegmentError> {
    batch.column_by_name(name).ok_or_else(|| missing(name))
}

fn type_of(item: &Item) -> DataType {
    let schema = schema();
    let field = match item {
        Item::Column(index) => schema.fields().get(*index),
        Item::Path(_) => None,
    };
    field.map_or(DataType::Utf8, |field| field.data_type().clone())
}

/// Gives an array the type of the column of `events`: readers name the items of lists as the file
/// does.
fn as_type_of(array: &ArrayRef, item: &Item) -> Result<ArrayRef, SegmentError> {
    let wanted = type_of(item);
    if *array.data_type() == wanted {
        return Ok(Arc::clone(array));
    }
    Ok(cast(array, &wanted)?)
}

fn null(item: &Item, rows: usize) -> ArrayRef {
    new_null_array(&type_of(item), rows)
}

fn constant(word: Option<&str>, rows: usize) -> ArrayRef {
    let mut builder = StringDictionaryBuilder::<Int32Type>::new();
    match word {
        Some(word) => builder.append_values(word, rows),
        None => builder.append_nulls(rows),
    }
    Arc::new(builder.finish())
}

/// Makes nulls empty.
fn filled(texts: &StringArray) -> ArrayRef {
    if texts.null_count() == 0 {
        return Arc::new(texts.clone());
    }
    let texts = texts.iter().map(Option::unwrap_or_default);
    Arc::new(texts.map(Some).collect::<StringArray>())
}

/// Makes empty texts null.
fn told(array: &ArrayRef, name: &'static str) -> Result<ArrayRef, SegmentError> {
    if let Some(words) = array.as_dictionary_opt::<Int32Type>() {
        let values = words
            .values()
            .as_string_opt::<i32>()
            .ok_or_else(|| missing(name))?;
        if values.iter().flatten().all(|value| !value.is_empty()) {
            return Ok(Arc::clone(array));
        }
        let texts = words
            .downcast_dict::<StringArray>()
            .ok_or_else(|| missing(name))?;
        let mut builder = StringDictionaryBuilder::<Int32Type>::new();
        for text in texts {
            builder.append_option(text.filter(|text| !text.is_empty()));
        }
        return Ok(Arc::new(builder.finish()));
    }
    let texts = array.as_string_opt::<i32>().ok_or_else(|| missing(name))?;
    if texts.iter().flatten().all(|text| !text.is_empty()) {
        return Ok(Arc::clone(array));
    }
    let texts = texts
        .iter()
        .map(|text| text.filter(|text| !text.is_empty()));
    Ok(Arc::new(texts.collect::<StringArray>()))
}

/// The texts of raw bodies.
fn raw(batch: &RecordBatch) -> Result<impl Fn(usize) -> Option<String>, SegmentError> {
    let raw = column(batch, "raw")?.as_binary_opt::<i32>();
    let raw = raw.ok_or_else(|| missing("raw"))?.clone();
    Ok(move |row| {
        raw.is_valid(row)
            .then(|| String::from_utf8_lossy(raw.value(row)).into_owned())
    })
}

fn kinds(batch: &RecordBatch) -> Result<ArrayRef, SegmentError> {
    let kinds = column(batch, "kind")?;
    if kinds.null_count() == 0 {
        return Ok(Arc::clone(kinds));
    }
    let words = kinds.as_dictionary_opt::<Int32Type>();
    let words = words.and_then(DictionaryArray::downcast_dict::<StringArray>);
    let words = words.ok_or_else(|| missing("kind"))?;
    let raw = raw(batch)?;
    let mut builder = StringDictionaryBuilder::<Int32Type>::new();
    for (row, word) in words.into_iter().enumerate() {
        if let Some(word) = word {
            builder.append_value(word);
        } else {
            let kind = raw(row).and_then(|raw| kind_of(&raw));
            builder.append_value(kind.unwrap_or_default());
        }
    }
    Ok(Arc::new(builder.finish()))
}

fn uids(batch: &RecordBatch) -> Result<ArrayRef, SegmentError> {
    let (bytes, texts) = uid_columns(batch)?;
    let mut builder = StringBuilder::with_capacity(bytes.len(), bytes.len() * 36);
    let mut buffer = Uuid::encode_buffer();
    for row in 0..bytes.len() {
        if let (true, Ok(uid)) = (bytes.is_valid(row), Uuid::from_slice(bytes.value(row))) {
            builder.append_value(uid.hyphenated().encode_lower(&mut buffer));
        } else if texts.is_valid(row) {
            builder.append_value(texts.value(row));
        } else {
            builder.append_value("");
        }
    }
    Ok(Arc::new(builder.finish()))
}

/// Returns the columns of uids: canonical UUIDs, and others as text.
pub(super) fn uid_columns(
    batch: &RecordBatch,
) -> Result<(&FixedSizeBinaryArray, &StringArray), SegmentError> {
    let bytes = column(batch, "uid")?.as_fixed_size_binary_opt();
    let texts = column(batch, "uid_text")?.as_string_opt();
    bytes.zip(texts).ok_or_else(|| missing("uid"))
}

/// The version of an event: its own where the row says so, or else that of its object; an inferred
/// delete has none, and shows the last known body.
fn versions(batch: &RecordBatch) -> Result<ArrayRef, SegmentError> {
    let numbers = primitive::<Int64Type>(batch, "resource_version")?;
    let texts: &StringArray = column(batch, "resource_version_text")?
        .as_string_opt()
        .ok_or_else(|| missing("resource_version_text"))?;
    let own = batch.column_by_name("event_resource_version");
    let own: Option<&StringArray> = own.and_then(|own| own.as_string_opt());
    let word = |name: &'static str| {
        let words = column(batch, name)?.as_dictionary_opt::<Int32Type>();
        let words = words.and_then(DictionaryArray::downcast_dict::<StringArray>);
        Ok::<_, SegmentError>(words.ok_or_else(|| missing(name))?.into_iter())
    };
    let events = word("type")?.zip(word("certainty")?);
    let mut builder = StringBuilder::with_capacity(numbers.len(), numbers.len() * 8);
    for (row, (event_type, certainty)) in events.enumerate() {
        if let Some(own) = own.filter(|own| own.is_valid(row)) {
            let own = own.value(row);
            builder.append_option((!own.is_empty()).then_some(own));
        } else if event_type == Some(EventType::Deleted.as_str())
            && certainty == Some(Certainty::Inferred.as_str())
        {
            builder.append_null();
        } else if numbers.is_valid(row) {
            builder.append_value(numbers.value(row).to_string());
        } else {
            builder.append_option(texts.is_valid(row).then(|| texts.value(row)));
        }
    }
    Ok(Arc::new(builder.finish()))
}

fn primitive<'a, T: ArrowPrimitiveType>(
    batch: &'a RecordBatch,
    name: &'static str,
) -> Result<&'a PrimitiveArray<T>, SegmentError> {
    column(batch, name)?
        .as_primitive_opt::<T>()
        .ok_or_else(|| missing(name))
}

fn numbers(
    batch: &RecordBatch,
    name: &'static str,
    metadata: Metadata,
) -> Result<ArrayRef, SegmentError> {
    let numbers: Int64Array = if metadata == Metadata::Generation {
        primitive::<Int64Type>(batch, name)?.clone()
    } else {
        let times = primitive::<TimestampMillisecondType>(batch, name)?;
        times.unary(|milliseconds| milliseconds.div_euclid(1_000))
    };
    let numbers = with_raw(batch, numbers, metadata)?;
    if metadata == Metadata::Generation {
        return Ok(Arc::new(numbers));
    }
    let times: TimestampSecondArray = numbers.reinterpret_cast();
    Ok(Arc::new(times.with_timezone("UTC")))
}

/// Adds what raw bodies tell.
fn with_raw(
    batch: &RecordBatch,
    numbers: Int64Array,
    metadata: Metadata,
) -> Result<Int64Array, SegmentError> {
    if column(batch, "raw")?.null_count() == batch.num_rows() {
        return Ok(numbers);
    }
    let raw = raw(batch)?;
    let mut builder = Int64Builder::with_capacity(numbers.len());
    for (row, number) in numbers.iter().enumerate() {
        builder.append_option(number.or_else(|| metadata.read(&raw(row)?)));
    }
    Ok(builder.finish())
}
