//! What a log holds, in memory and as bytes.
//!
//! The raw content of a frame is a run of records, each `tag u8, length u32 (little endian), body`.
//! The body is a `MessagePack` map with the field names as keys, so a reader skips tags and fields
//! that it does not know, and fields may be added in a minor version.

use std::sync::Arc;

use kymo_model::{
    Cause, Certainty, ClockStep, Coverage, CoverageState, Event, EventType, Feed, FeedId,
    ObjectKey, Request, Rv, Timestamp,
};
use serde::{Deserialize, Serialize};

/// One record of a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum LogRecord {
    /// A run of a recorder or importer begins, or goes on in a new log.
    Session(SessionInfo),
    /// The session ended in an orderly way.
    SessionEnd {
        /// When.
        ts: Timestamp,
        /// Why.
        cause: Cause,
    },
    /// A feed gets its number. Each log repeats the feeds known at its start.
    Feed {
        /// Its number, the same for ever in this trace.
        id: FeedId,
        /// The feed.
        feed: Feed,
    },
    /// An event. Its `seq` is the frame's first one plus its index among the frame's events.
    Event(#[serde(with = "EventBody")] Event),
    /// Everything of the feed up to `rv` is in the trace.
    Mark {
        /// The feed.
        feed: FeedId,
        /// The version.
        rv: Rv,
        /// When it was received.
        ts: Timestamp,
    },
    /// The feed leaves its coverage state for another.
    Transition {
        /// The feed.
        feed: FeedId,
        /// Its epoch from here on.
        epoch: u32,
        /// When.
        ts: Timestamp,
        /// Its state from here on.
        state: CoverageState,
        /// Why.
        cause: Cause,
        /// The version at this point, where known.
        rv: Option<Rv>,
        /// What else is known, for people.
        detail: Option<String>,
    },
    /// A stretch that is known as a whole.
    Gap(Coverage),
    /// The wall clock stepped.
    ClockStep(ClockStep),
    /// A step of how the trace came to be, such as an import with its losses.
    Lineage(serde_json::Value),
}

impl LogRecord {
    /// Returns the time of the record, where it has one.
    pub fn ts(&self) -> Option<Timestamp> {
        match self {
            Self::Session(session) => Some(session.started),
            Self::SessionEnd { ts, .. } | Self::Mark { ts, .. } | Self::Transition { ts, .. } => {
                Some(*ts)
            }
            Self::Event(event) => Some(event.ts),
            Self::Gap(gap) => gap.to_ts.or(gap.from_ts),
            Self::ClockStep(step) => Some(step.at),
            Self::Feed { .. } | Self::Lineage(_) => None,
        }
    }
}

/// A record that is not an event, with its place among the events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlacedRecord {
    /// The `seq` of the first event behind it: events with a smaller one came before.
    pub seq: u64,
    /// The session that wrote it; 0 before the first.
    pub session: u32,
    /// The record; never an event.
    pub record: LogRecord,
}

/// A run of a recorder or importer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionInfo {
    /// Counts the sessions of a trace from 1; the writer sets it.
    pub number: u32,
    /// When it began.
    pub started: Timestamp,
    /// Program and version, such as `kymo 0.1.0`.
    pub tool: String,
    /// What it did, such as `record` or `import watch`.
    pub command: String,
    /// The uid of the kube-system namespace.
    pub cluster_uid: Option<String>,
    /// The API server's version, such as `v1.36.2`.
    pub server_version: Option<String>,
    /// What policy drops before the first write, in words.
    pub dropped: Vec<String>,
    /// The server's HTTP date minus our wall clock, in nanoseconds.
    pub clock_offset_ns: Option<i64>,
}

/// Which trace this is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceIdentity {
    /// A UUID made when the trace was created; a nil one asks [`crate::Writer`] to make one.
    pub trace_id: uuid::Uuid,
    /// The uid of the recorded cluster's kube-system namespace, once known.
    pub cluster_uid: Option<String>,
}

impl TraceIdentity {
    /// Makes a new identity.
    pub fn new(cluster_uid: Option<String>) -> Self {
        Self {
            trace_id: uuid::Uuid::new_v4(),
            cluster_uid,
        }
    }
}

/// What is durable of a feed, so that it can go on from there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resume {
    /// The version up to which everything is in the trace; `None`: list first.
    pub rv: Option<Rv>,
    /// The present epoch.
    pub epoch: u32,
    /// The present coverage state; `None`: never observed.
    pub state: Option<CoverageState>,
    /// The time of the last record.
    pub last_ts: Option<Timestamp>,
    /// The objects that were not deleted.
    pub live: Vec<LiveObject>,
}

/// An object that a feed has not seen deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveObject {
    /// Which.
    pub key: ObjectKey,
    /// Its last version.
    pub rv: Option<Rv>,
}

/// What a commit made durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// The `seq` that the next event will get; every smaller one is durable.
    pub next_seq: u64,
    /// Bytes of the trace's logs on disk since the writer was opened.
    pub bytes: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Event")]
pub(crate) struct EventBody {
    feed: FeedId,
    ts: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_before: Option<Timestamp>,
    event_type: EventType,
    certainty: Certainty,
    epoch: u32,
    key: ObjectKey,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rv: Option<Rv>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "body_bytes")]
    body: Option<Arc<[u8]>>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "shared")]
    request: Option<Arc<Request>>,
}

/// A request behind its pointer.
mod shared {
    use std::sync::Arc;

    use kymo_model::Request;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde asks for this signature")]
    pub(super) fn serialize<S: Serializer>(
        request: &Option<Arc<Request>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        request.as_deref().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Arc<Request>>, D::Error> {
        let request: Option<Request> = Option::deserialize(deserializer)?;
        Ok(request.map(Arc::new))
    }
}

mod body_bytes {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_bytes::{ByteBuf, Bytes};

    #[expect(clippy::ref_option, reason = "serde asks for this signature")]
    pub(super) fn serialize<S: Serializer>(
        body: &Option<Arc<[u8]>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        body.as_deref().map(Bytes::new).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Arc<[u8]>>, D::Error> {
        let bytes: Option<ByteBuf> = Option::deserialize(deserializer)?;
        Ok(bytes.map(|bytes| Arc::from(bytes.into_vec())))
    }
}
