use arrow::array::{ArrayRef, UInt64Array};
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;

use super::super::SegmentError;

/// What the footer tells of one column in every row group; see
/// [`crate::segment::SegmentReader::bounds`].
#[derive(Clone, Debug)]
pub struct Bounds {
    /// No value of the row group is smaller. Null where that is not told; long texts are cut off.
    pub min: ArrayRef,
    /// No value of the row group is larger. Null where that is not told.
    pub max: ArrayRef,
    /// How many rows of the row group have none. Null where that is not told.
    pub nulls: UInt64Array,
}

impl Bounds {
    /// Reads the statistics of a column; `None` if the file has no such column.
    pub(in super::super) fn read(
        parquet: &ArrowReaderMetadata,
        column: &str,
    ) -> Result<Option<Self>, SegmentError> {
        if parquet.schema().field_with_name(column).is_err() {
            return Ok(None);
        }
        let statistics =
            StatisticsConverter::try_new(column, parquet.schema(), parquet.parquet_schema())?
                .with_missing_null_counts_as_zero(false);
        let groups = parquet.metadata().row_groups();
        Ok(Some(Self {
            min: statistics.row_group_mins(groups)?,
            max: statistics.row_group_maxes(groups)?,
            nulls: statistics.row_group_null_counts(groups)?,
        }))
    }
}
