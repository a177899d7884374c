//! Where the rows of a session come from.
//!
//! A scan is planned from an [`EventsRequest`]: what the rows must be, which columns they have, and
//! what of their objects. The source says which parts the scan has and what it does not have to
//! read; a part is opened when its rows are wanted, and read on a thread of its own.
//!
//! In a segment ([`mod@sealed`]) nothing is read that was not asked for: row groups whose
//! statistics speak against them are left out, then rows by their typed columns, then rows by the
//! values at the paths that filters read; only what is left gets whole objects, and those only
//! where the query shows them. What is not sealed yet ([`mod@tail`]) is read row by row.

mod body;
mod logical;
mod patched;
mod predicate;
mod sealed;
mod tail;
mod trace;
mod units;
mod wide;

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::physical_plan::metrics::Count;
use kymo_model::{Coverage, Feed, FeedId, Timestamp};
use kymo_store::SessionInfo;

pub use predicate::Predicate;
pub use trace::TraceSource;

use crate::paths::PathColumn;
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

    /// Tells whether requests may have [paths](EventsRequest::paths) and a
    /// [predicate](EventsRequest::predicate); otherwise the engine does without.
    fn takes_predicates(&self) -> bool {
        false
    }

    /// Plans to read events. Only rows that meet every one of the conditions, and the predicate,
    /// may come.
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

    /// Returns the steps by which the trace came to be, oldest first.
    fn lineage(&self) -> Vec<serde_json::Value> {
        Vec::new()
    }
}

/// Which events a query needs, and what of them.
#[derive(Clone, Debug, Default)]
pub struct EventsRequest {
    /// Indices into [`Source::events_schema`], in the order of the wanted columns.
    pub columns: Vec<usize>,
    /// What is wanted of objects, as columns behind those.
    pub paths: Vec<PathColumn>,
    /// What every row must be, as far as it can be looked up.
    pub conditions: Conditions,
    /// What every row must be besides.
    pub predicate: Option<Predicate>,
    /// Rows after this time are needed only as far as it says.
    pub until: Option<Until>,
    /// No more rows than this are needed in each part.
    pub limit: Option<usize>,
    /// The most parts that are of use; at least 1.
    pub parts: usize,
    /// Bytes of text after which a batch is full; 0: as the source sees fit.
    pub batch_bytes: usize,
}

/// A time up to which versions are of interest. A row after it is needed only if the row before it
/// of the same object is not after it: it tells when that version ended. More rows do no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Until {
    /// The time.
    pub ts: Timestamp,
    /// The ends of versions are shown. Otherwise a row after the time may as well be missing, if
    /// all later rows of its object are.
    pub ends: bool,
    /// Of an object, only the last version that began by then is of interest. A row not after the
    /// time may be missing if the next one of its object is not after it either.
    pub only_last: bool,
}

/// A planned scan.
#[derive(Default)]
pub struct EventsScan {
    /// Its parts, which can be read at the same time; not more than were asked for.
    pub parts: Vec<Arc<dyn Part>>,
    /// Each part comes in the order of (`resource`, `namespace`, `name`, `uid`, `api_group`,
    /// `seq`).
    pub is_sorted: bool,
    /// What it does not have to read.
    pub pruning: Pruning,
    /// How many rows there are before the conditions and the predicate are applied to each, if
    /// that is known.
    pub rows: Option<usize>,
}

/// A part of a scan.
pub trait Part: Send + Sync {
    /// Begins to read its rows. It may be opened more than once, and gives the same rows then.
    fn open(&self, counts: &Counts) -> Result<Batches, Error>;
}

/// What reading a part takes, for EXPLAIN ANALYZE.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Rows of which typed columns were read.
    pub rows: Count,
    /// Versions that were followed through patches, those included that others refer to.
    pub versions: Count,
    /// Objects that were put together as text.
    pub objects: Count,
}

impl fmt::Debug for EventsScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventsScan")
            .field("parts", &self.parts.len())
            .field("is_sorted", &self.is_sorted)
            .field("pruning", &self.pruning)
            .field("rows", &self.rows)
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
