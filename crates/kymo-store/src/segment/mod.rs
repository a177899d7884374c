//! A segment: sealed events in one Parquet file, sorted by object.
//!
//! Rows come in the order of [`RowKey`]. The first version of an object is kept whole or as an
//! RFC 6902 patch against its neighbour's first version, every further one as a patch against the
//! version before. What typed columns hold is taken out of the bodies and put back on reading.
//! `docs/layout.md` describes every physical column, the measurements behind the layout, and how
//! foreign tools rebuild an object.

mod batch;
mod chain;
mod checksum;
mod column_digest;
mod decode;
mod encode;
mod error;
mod form;
mod group_writer;
mod json;
mod kept;
mod kept_rows;
#[cfg(test)]
mod kept_tests;
mod options;
mod physical;
mod reader;
mod request;
mod revised;
mod revision;
mod select;
mod shadow;
mod steps;
mod stored;
#[cfg(test)]
mod tests;
mod times;
mod writer;

use kymo_model::{Event, Feed, FeedId};
use serde::{Deserialize, Serialize};

use crate::record::{EventBody, PlacedRecord, SessionInfo};

pub use error::{PatchError, SegmentError};
pub use form::{Blank, Filled, FilledRow, Form, MOST_TEXTS, MOST_TIMES, NewRow, Texts};
pub use kept::{Kept, KeptRow};
pub use kept_rows::KeptRows;
pub use options::SegmentOptions;
pub use reader::{Heads, Rows, SegmentReader};
pub(crate) use revised::Revised;
pub use revision::{Effect, Revision, Revisions, Touch};
pub use select::{
    Bounds, ColumnBatches, Events, JsonPath, RowRanges, Step, Version, Versions, Wanted,
};
pub use times::read_seconds;
pub use writer::SegmentWriter;

/// One event with its place in the trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its number in the trace.
    pub seq: u64,
    /// The session that recorded it.
    pub session: u32,
    /// The event.
    #[serde(with = "EventBody")]
    pub event: Event,
}

/// The order of rows in a segment.
///
/// The group comes late so that an object that is served under two groups (the events of `v1` and
/// `events.k8s.io/v1`) stands next to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey<'a> {
    /// The plural name of the resource.
    pub resource: &'a str,
    /// The namespace; empty for cluster-scoped objects.
    pub namespace: &'a str,
    /// The name.
    pub name: &'a str,
    /// The uid.
    pub uid: &'a str,
    /// The API group.
    pub group: &'a str,
    /// The event's number in the trace.
    pub seq: u64,
}

impl<'a> RowKey<'a> {
    /// Returns the key of a row whose feed is `feed`.
    pub fn of(row: &'a Row, feed: &'a Feed) -> Self {
        Self {
            resource: &feed.resource.resource,
            namespace: &row.event.key.namespace,
            name: &row.event.key.name,
            uid: &row.event.key.uid,
            group: &feed.resource.group,
            seq: row.seq,
        }
    }
}

/// What a segment says of itself beside its rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SegmentMeta {
    /// The trace it belongs to.
    pub trace_id: uuid::Uuid,
    /// The uid of the recorded cluster's kube-system namespace, once known.
    pub cluster_uid: Option<String>,
    /// The feeds that its rows and records name.
    pub feeds: Vec<(FeedId, Feed)>,
    /// The sessions whose rows or records it holds.
    pub sessions: Vec<SessionInfo>,
    /// Transitions, gaps, marks, clock steps and session ends of its seq range.
    pub records: Vec<PlacedRecord>,
    /// How the trace came to be, oldest first.
    pub lineage: Vec<serde_json::Value>,
    /// The first seq of the range it stands for, rows or not.
    pub first_seq: u64,
    /// The last seq of the range it stands for.
    pub last_seq: u64,
    /// Number of rows by feed and type.
    pub counts: Vec<(FeedId, kymo_model::EventType, u64)>,
    /// The time of the first event.
    pub first_ts: Option<kymo_model::Timestamp>,
    /// The time of the last event.
    pub last_ts: Option<kymo_model::Timestamp>,
}

/// What was written, or found by [`SegmentReader::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentSummary {
    /// Number of rows.
    pub rows: u64,
    /// The smallest seq of a row; `None` without rows.
    pub first_seq: Option<u64>,
    /// The largest seq of a row; `None` without rows.
    pub last_seq: Option<u64>,
    /// BLAKE3 over the content of the rows as they are stored (before Parquet), in order.
    pub digest: [u8; 32],
    /// Size of the file, in bytes.
    pub bytes: u64,
}
