use kymo_model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::directory::{is_safe_name, log_name};
use crate::error::Format;
use crate::header::LogEnd;
use crate::record::TraceIdentity;

/// A log as the manifest names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogEntry {
    pub(crate) number: u32,
    pub(crate) name: String,
    /// The seq of its first event.
    pub(crate) first_seq: u64,
}

impl LogEntry {
    pub(crate) fn new(number: u32, first_seq: u64) -> Self {
        Self {
            number,
            name: log_name(number),
            first_seq,
        }
    }
}

/// A segment as the manifest names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentEntry {
    /// Its number, from the counter that logs share.
    pub number: u32,
    /// Its file name.
    pub name: String,
    /// The seq of its first event.
    pub first_seq: u64,
    /// The seq behind its last event.
    pub next_seq: u64,
    /// How many events it holds.
    pub rows: u64,
    /// How long the file is.
    pub bytes: u64,
    /// BLAKE3 of its logical content, in hexadecimal.
    pub digest: String,
}

/// One entry of a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Entry {
    /// The trace was made.
    Created {
        format: Format,
        identity: TraceIdentity,
        created: Timestamp,
    },
    /// The cluster became known.
    Cluster { uid: String },
    /// A log was begun; the one before it ended at `previous`.
    Log {
        log: LogEntry,
        previous: Option<LogEnd>,
    },
    /// A log ended and none follows yet.
    Closed { end: LogEnd },
    /// Logs, or smaller segments, became a segment.
    Sealed {
        segment: SegmentEntry,
        logs: Vec<u32>,
        segments: Vec<u32>,
    },
    /// The next free number, where the entries alone do not tell.
    NextNumber { number: u32 },
}

impl Entry {
    /// Tells whether the names in it stay in the trace and its numbers make sense.
    pub(crate) fn is_sane(&self) -> bool {
        const MAX_SEQ: u64 = i64::MAX as u64;
        match self {
            Self::Created { .. } | Self::Cluster { .. } => true,
            Self::Log { log, previous } => {
                is_safe_name(&log.name, "wal")
                    && log.first_seq <= MAX_SEQ
                    && previous.is_none_or(|end| end.next_seq <= MAX_SEQ)
            }
            Self::Closed { end } => end.next_seq <= MAX_SEQ,
            Self::Sealed { segment, .. } => {
                is_safe_name(&segment.name, "parquet")
                    && segment.first_seq <= segment.next_seq
                    && segment.next_seq <= MAX_SEQ
            }
            Self::NextNumber { number } => *number < u32::MAX / 2,
        }
    }
}
