//! Rows of segments.

mod heads;
mod keys;
mod reading;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kymo_store::Error as StoreError;
use kymo_store::fs::FileChunks;
use kymo_store::segment::{SegmentError, SegmentReader};

pub(super) use keys::matching;
pub(super) use reading::{Plan, batches};

use crate::Error;

/// A segment that is read.
#[derive(Clone, Debug)]
pub(super) struct Sealed {
    /// Where it is, for messages.
    pub(super) path: Arc<Path>,
    pub(super) reader: Arc<SegmentReader<FileChunks>>,
    /// No event of its objects can be in a segment before it.
    pub(super) is_first: bool,
}

impl Sealed {
    pub(super) fn new(
        path: PathBuf,
        reader: &Arc<SegmentReader<FileChunks>>,
        is_first: bool,
    ) -> Self {
        Self {
            is_first,
            path: path.into(),
            reader: Arc::clone(reader),
        }
    }

    /// Says where an error is.
    pub(super) fn failed(&self, source: SegmentError) -> Error {
        let path = self.path.to_path_buf();
        StoreError::Segment { path, source }.into()
    }

    /// Tells whether the kind of a row may not be told by its column.
    fn has_unknown_kinds(&self) -> bool {
        let mut feeds = self.reader.meta().feeds.iter();
        feeds.any(|(_, feed)| feed.resource.kind.is_empty())
    }
}

/// Rows of one row group that are read by one reader.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    pub(super) segment: Sealed,
    /// The row group.
    pub(super) group: usize,
    /// The rows, counted from its first.
    pub(super) rows: Range<usize>,
}
