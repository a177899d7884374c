//! Where the rows of a session come from.

mod logical;
mod reading;
mod trace;

use std::fmt;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use kymo_model::{Coverage, Feed, FeedId};
use kymo_store::SessionInfo;

pub use trace::TraceSource;

use crate::span::covered;
use crate::{Conditions, Error, Span};

/// Rows of one part of a scan; read on a thread of its own, where it may block.
pub type Batches = Box<dyn Iterator<Item = Result<RecordBatch, Error>> + Send>;

/// What a session reads as one trace.
///
/// Everything it tells is of one moment: a writer that goes on changes nothing here.
pub trait Source: fmt::Debug + Send + Sync {
    /// Returns the columns of `events`.
    fn events_schema(&self) -> SchemaRef;

    /// Begins to read events. Only rows that meet every one of the conditions may come.
    fn scan(&self, request: &EventsRequest) -> Result<EventsScan, Error>;

    /// Returns what was observed and what was not.
    fn coverage(&self) -> Vec<Coverage>;

    /// Returns from when to when it tells something; `None` if it tells nothing.
    fn span(&self) -> Option<Span> {
        Span::of(covered(&self.coverage()))
    }

    /// Returns what was listed and watched.
    fn feeds(&self) -> Vec<(FeedId, Feed)>;

    /// Returns the runs of recorders and importers.
    fn sessions(&self) -> Vec<SessionInfo>;
}

/// Which events a query needs, and what of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventsRequest {
    /// Indices into [`Source::events_schema`], in the order of the wanted columns; never empty.
    pub columns: Vec<usize>,
    /// What every row must be.
    pub conditions: Conditions,
    /// No more rows than this are needed in each part.
    pub limit: Option<usize>,
}

/// A scan that has begun.
#[derive(Default)]
pub struct EventsScan {
    /// Its parts, which can be read at the same time.
    pub parts: Vec<Batches>,
    /// What it does not have to read.
    pub pruning: Pruning,
}

impl fmt::Debug for EventsScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventsScan")
            .field("parts", &self.parts.len())
            .field("pruning", &self.pruning)
            .finish()
    }
}

/// How much of a trace a scan reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruning {
    /// Segments of the trace.
    pub segments: usize,
    /// Segments that are read.
    pub segments_read: usize,
    /// Row groups in all segments, if they were counted.
    pub row_groups: usize,
    /// Row groups that are read.
    pub row_groups_read: usize,
}

/// Writes the form in EXPLAIN: `segments=1 of 3, row_groups=2 of 9`.
impl fmt::Display for Pruning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "segments={} of {}, row_groups={} of {}",
            self.segments_read, self.segments, self.row_groups_read, self.row_groups
        )
    }
}
