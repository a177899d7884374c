use std::sync::Arc;

use parquet::file::reader::ChunkReader;

use super::super::batch::{Batch, Need};
use super::super::decode::row_of;
use super::super::reader::SegmentReader;
use super::super::{Row, SegmentError};
use super::columns::ColumnBatches;
use super::ranges::RowRanges;
use super::versions::{Versions, Wanted};

/// Some rows of a row group as events; see
/// [`SegmentReader::events`](crate::segment::SegmentReader::events). Ends after the first error.
#[derive(Debug)]
pub struct Events<R: ChunkReader> {
    columns: ColumnBatches,
    batch: Option<Batch>,
    /// The next row in the batch.
    index: usize,
    versions: Versions<R>,
    failed: bool,
}

impl<R: ChunkReader + 'static> Events<R> {
    pub(in super::super) fn new(
        reader: &SegmentReader<R>,
        group: usize,
        rows: &RowRanges,
    ) -> Result<Self, SegmentError> {
        let wanted = Wanted {
            bodies: true,
            ..Wanted::default()
        };
        Ok(Self {
            columns: reader.bodies_of(group, rows, &Need::Columns.columns())?,
            batch: None,
            index: 0,
            versions: Versions::new(reader, group, rows, &wanted)?,
            failed: false,
        })
    }

    fn read(&mut self) -> Result<Option<Row>, SegmentError> {
        let Some(version) = self.versions.advance()? else {
            return Ok(None);
        };
        let batch = match &mut self.batch {
            Some(batch) if self.index < batch.rows() => batch,
            batch => {
                let next = self.columns.next().transpose()?;
                let next = next.ok_or(SegmentError::Row {
                    row: version.number(),
                    what: "its row group ends too early",
                })?;
                self.index = 0;
                batch.insert(Batch::new(&next, Need::Columns)?)
            }
        };
        let body = version.body()?;
        let row = row_of(
            &batch.row(self.index, version.number())?,
            body.map(Arc::from),
        );
        self.index += 1;
        Ok(Some(row))
    }
}

impl<R: ChunkReader + 'static> Iterator for Events<R> {
    type Item = Result<Row, SegmentError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let row = self.read().transpose();
        self.failed = !matches!(row, Some(Ok(_)));
        row
    }
}
