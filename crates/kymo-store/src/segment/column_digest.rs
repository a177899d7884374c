//! Digests of the columns of a row group, from format 2.0 on.
//!
//! Each column has one of its own, so that a column that stays as it is in another segment keeps
//! its digest. None depends on pages, encodings, compression, or how rows are cut into batches.

use arrow::array::{
    Array, ArrowPrimitiveType, AsArray as _, BinaryArray, Int32Array, PrimitiveArray, RecordBatch,
    StringArray,
};
use arrow::datatypes::{
    DataType, Int32Type, Int64Type, TimeUnit, TimestampMillisecondType, TimestampNanosecondType,
};

use super::SegmentError;

/// What the feed of a row tells is read from there.
const TOLD_BY_FEED: [&str; 3] = ["api_group", "api_version", "resource"];

/// Values are handed to the hash function in pieces of about this many bytes: many blocks at once
/// take it a fraction of the time.
const BYTES: usize = 64 << 10;

const NULL: u8 = 0;
const VALUE: u8 = 1;

/// Tells whether a column has a digest.
pub(super) fn is_digested(column: &str) -> bool {
    !TOLD_BY_FEED.contains(&column)
}

/// Returns the digest of a row group: over those of its columns, in the order of the schema.
pub(super) fn group_digest(columns: &[[u8; 32]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for column in columns {
        hasher.update(column);
    }
    *hasher.finalize().as_bytes()
}

/// The digest of one column, as its values come: of each whether it is there, and then its bytes in
/// little endian, with the length before them where that can differ.
#[derive(Debug, Default)]
pub(super) struct ColumnDigest {
    hasher: blake3::Hasher,
    buffer: Vec<u8>,
}

impl ColumnDigest {
    /// Takes the next values.
    pub(super) fn update(&mut self, array: &dyn Array) -> Result<(), SegmentError> {
        let wrong = || SegmentError::NotASegment {
            reason: "a column is of another type",
        };
        if array.null_count() == array.len() {
            self.nulls(array.len());
            return Ok(());
        }
        match array.data_type() {
            DataType::Int32 => self.numbers::<Int32Type>(array.as_primitive()),
            DataType::Int64 => self.numbers::<Int64Type>(array.as_primitive()),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                self.numbers::<TimestampNanosecondType>(array.as_primitive());
            }
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                self.numbers::<TimestampMillisecondType>(array.as_primitive());
            }
            DataType::FixedSizeBinary(_) => {
                let array = array.as_fixed_size_binary();
                self.values(array, |buffer, row| {
                    buffer.extend_from_slice(array.value(row));
                });
            }
            DataType::Utf8 => {
                let array: &StringArray = array.as_string();
                self.values(array, |buffer, row| {
                    put(buffer, array.value(row).as_bytes());
                });
            }
            DataType::Binary => {
                let array: &BinaryArray = array.as_binary();
                self.values(array, |buffer, row| put(buffer, array.value(row)));
            }
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                let offsets = list.value_offsets();
                let items = Items::of(list.values()).ok_or_else(wrong)?;
                self.values(list, |buffer, row| {
                    if let (Some(start), Some(end)) = (offsets.get(row), offsets.get(row + 1)) {
                        let (start, end) = (*start as usize, *end as usize);
                        buffer.extend_from_slice(&((end - start) as u64).to_le_bytes());
                        (start..end).for_each(|item| items.put(buffer, item));
                    }
                });
            }
            _ => return Err(wrong()),
        }
        Ok(())
    }

    /// Takes so many values that are not there.
    pub(super) fn nulls(&mut self, mut count: usize) {
        while count > 0 {
            let now = count.min(BYTES);
            self.buffer.resize(self.buffer.len() + now, NULL);
            self.pass();
            count -= now;
        }
    }

    fn numbers<T: ArrowPrimitiveType>(&mut self, array: &PrimitiveArray<T>)
    where
        T::Native: Into<i64>,
    {
        let width = size_of::<T::Native>();
        self.values(array, |buffer, row| {
            let number: i64 = array.value(row).into();
            buffer.extend(number.to_le_bytes().iter().take(width));
        });
    }

    fn values(&mut self, array: &dyn Array, mut put: impl FnMut(&mut Vec<u8>, usize)) {
        for row in 0..array.len() {
            if array.is_null(row) {
                self.buffer.push(NULL);
            } else {
                self.buffer.push(VALUE);
                put(&mut self.buffer, row);
            }
            if self.buffer.len() >= BYTES {
                self.pass();
            }
        }
    }

    fn pass(&mut self) {
        self.hasher.update(&self.buffer);
        self.buffer.clear();
    }

    /// Returns the digest of all values.
    pub(super) fn finish(mut self) -> [u8; 32] {
        self.pass();
        *self.hasher.finalize().as_bytes()
    }
}

fn put(buffer: &mut Vec<u8>, bytes: &[u8]) {
    buffer.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    buffer.extend_from_slice(bytes);
}

/// What lists hold.
enum Items<'a> {
    Texts(&'a StringArray),
    /// `op`, `path` and `value` of operations, and their `age`.
    Ops([&'a StringArray; 3], &'a Int32Array),
}

impl<'a> Items<'a> {
    fn of(values: &'a dyn Array) -> Option<Self> {
        if let Some(texts) = values.as_string_opt() {
            return Some(Self::Texts(texts));
        }
        let ops = values.as_struct_opt()?;
        let text = |name| ops.column_by_name(name)?.as_string_opt::<i32>();
        let texts = [text("op")?, text("path")?, text("value")?];
        Some(Self::Ops(
            texts,
            ops.column_by_name("age")?.as_primitive_opt()?,
        ))
    }

    fn put(&self, buffer: &mut Vec<u8>, item: usize) {
        let mut text = |array: &StringArray| {
            if array.is_null(item) {
                buffer.push(NULL);
            } else {
                buffer.push(VALUE);
                put(buffer, array.value(item).as_bytes());
            }
        };
        match self {
            Self::Texts(texts) => text(texts),
            Self::Ops(texts, ages) => {
                for array in texts {
                    text(array);
                }
                if ages.is_null(item) {
                    buffer.push(NULL);
                } else {
                    buffer.push(VALUE);
                    buffer.extend_from_slice(&ages.value(item).to_le_bytes());
                }
            }
        }
    }
}

/// The digests of all columns of a row group, as its rows are read.
#[derive(Debug)]
pub(super) struct ColumnDigests {
    columns: Vec<(String, ColumnDigest)>,
}

impl ColumnDigests {
    /// Begins a row group.
    pub(super) fn new() -> Self {
        let schema = super::physical::schema();
        let names = schema.fields().iter().map(|field| field.name());
        let digested = names.filter(|name| is_digested(name));
        Self {
            columns: digested
                .map(|name| (name.clone(), ColumnDigest::default()))
                .collect(),
        }
    }

    /// Takes the next rows. A column that is not there is one of nulls.
    pub(super) fn update(&mut self, batch: &RecordBatch) -> Result<(), SegmentError> {
        for (name, digest) in &mut self.columns {
            match batch.column_by_name(name) {
                Some(array) => digest.update(array)?,
                None => digest.nulls(batch.num_rows()),
            }
        }
        Ok(())
    }

    /// Returns the digest of each column and begins anew.
    pub(super) fn take(&mut self) -> Vec<[u8; 32]> {
        let columns = self.columns.iter_mut();
        columns
            .map(|(_, digest)| std::mem::take(digest).finish())
            .collect()
    }
}
