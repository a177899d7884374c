use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::file::reader::ChunkReader;

use super::super::SegmentError;
use super::super::checksum::Checked;
use super::ranges::RowRanges;

/// Columns of few different words; they are read as dictionaries.
const WORDS: [&str; 11] = [
    "type",
    "certainty",
    "api_group",
    "api_version",
    "kind",
    "resource",
    "verb",
    "subresource",
    "username",
    "impersonated_username",
    "user_agent",
];

/// Returns metadata with which [`WORDS`] are read as dictionaries with 32-bit keys.
pub(in super::super) fn with_words(
    parquet: &ArrowReaderMetadata,
) -> Result<ArrowReaderMetadata, SegmentError> {
    let fields = parquet.schema().fields().iter().map(|field| {
        if !WORDS.contains(&field.name().as_str()) {
            return Arc::clone(field);
        }
        let word = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        Arc::new(Field::new(field.name(), word, field.is_nullable()))
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let options = ArrowReaderOptions::new().with_schema(schema);
    let metadata = Arc::clone(parquet.metadata());
    Ok(ArrowReaderMetadata::try_new(metadata, options)?)
}

/// What is read of a row group.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Excerpt<'a> {
    /// The row group.
    pub(in super::super) group: usize,
    /// Its rows; `None`: all.
    pub(in super::super) rows: Option<&'a RowRanges>,
    /// Columns; those that the file does not have are left out.
    pub(in super::super) columns: &'a [&'a str],
    /// Rows of a batch, at most.
    pub(in super::super) batch_rows: usize,
}

/// Begins to read a part of a row group.
pub(in super::super) fn open<R: ChunkReader + 'static>(
    input: Checked<R>,
    parquet: ArrowReaderMetadata,
    excerpt: Excerpt<'_>,
) -> Result<ParquetRecordBatchReader, SegmentError> {
    let group = parquet.metadata().row_group(excerpt.group);
    let total = usize::try_from(group.num_rows()).unwrap_or(0);
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(input, parquet);
    let mask = ProjectionMask::columns(builder.parquet_schema(), excerpt.columns.iter().copied());
    let mut builder = builder
        .with_row_groups(vec![excerpt.group])
        .with_projection(mask)
        .with_batch_size(excerpt.batch_rows.max(1));
    if let Some(rows) = excerpt.rows {
        builder = builder.with_row_selection(rows.selection(total));
    }
    Ok(builder.build()?)
}

/// Typed columns of some rows as Arrow arrays, as they stand in the file; `docs/layout.md` says
/// what they mean. Columns of few different words, such as `kind`, come as dictionaries. Ends after
/// the first error.
#[derive(Debug)]
pub struct ColumnBatches {
    batches: Option<ParquetRecordBatchReader>,
}

impl ColumnBatches {
    pub(in super::super) fn new(batches: ParquetRecordBatchReader) -> Self {
        Self {
            batches: Some(batches),
        }
    }
}

impl Iterator for ColumnBatches {
    type Item = Result<RecordBatch, SegmentError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.batches.as_mut()?.next();
        if !matches!(next, Some(Ok(_))) {
            self.batches = None;
        }
        next.map(|batch| Ok(batch?))
    }
}
