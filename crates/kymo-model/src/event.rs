use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Request, Rv, Timestamp};

/// What an event says of an object, in the API server's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum EventType {
    /// The object came into being, or into the selection.
    Added,
    /// The object changed.
    Modified,
    /// The object went away, or left the selection.
    Deleted,
    /// A line that could not be read; kymo's own word. Its bytes are kept.
    Unreadable,
}

impl EventType {
    /// Every type, in the order of their codes.
    pub const ALL: [Self; 4] = [Self::Added, Self::Modified, Self::Deleted, Self::Unreadable];

    /// Returns the word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
            Self::Unreadable => "UNREADABLE",
        }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How sure the trace is of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// The watch delivered it.
    Seen,
    /// A list showed the object; when it reached this version is not known.
    Listed,
    /// Deduced: a delete from a consistent relist in which the object was missing, or a version
    /// computed from a patch and the last known body.
    Inferred,
    /// A relist showed a newer version; versions in between were missed.
    Coalesced,
    /// An audit log tells of the change, but not what the object was after it: there is no body.
    Reported,
}

impl Certainty {
    /// Every certainty, in the order of their codes.
    pub const ALL: [Self; 5] = [
        Self::Seen,
        Self::Listed,
        Self::Inferred,
        Self::Coalesced,
        Self::Reported,
    ];

    /// Returns the word in SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Listed => "listed",
            Self::Inferred => "inferred",
            Self::Coalesced => "coalesced",
            Self::Reported => "reported",
        }
    }
}

impl fmt::Display for Certainty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The number of a [`crate::Feed`] inside one trace.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct FeedId(pub u32);

/// Where an object is found, and which one of that name it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectKey {
    /// The namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The uid; empty where the source did not tell it.
    pub uid: String,
}

/// One observed change of one object, as the recorder hands it to the store.
///
/// The store gives it its `seq` and its session.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The feed that observed it.
    pub feed: FeedId,
    /// When the change was received (session clock); for an inferred or coalesced change the
    /// latest time at which it can have happened.
    pub ts: Timestamp,
    /// The earliest time of the change, where only a stretch is known: of an inferred or coalesced
    /// change, or of one that an audit log tells of.
    pub not_before: Option<Timestamp>,
    /// What happened.
    pub event_type: EventType,
    /// How sure we are.
    pub certainty: Certainty,
    /// The stretch in which the feed's resourceVersions only grow.
    pub epoch: u32,
    /// The object.
    pub key: ObjectKey,
    /// The version; `None` for an inferred delete, an unreadable line, and where the source does
    /// not tell it.
    pub rv: Option<Rv>,
    /// The object as JSON text, exactly as received less what policy drops; the raw bytes of an
    /// unreadable line; `None` where the source has none. For a delete the last known body then
    /// stands in; after any other change it is not known what the object was.
    pub body: Option<Arc<[u8]>>,
    /// The request that made the change, where an audit log tells of it.
    pub request: Option<Arc<Request>>,
}

impl Event {
    /// Tells whether what comes later under the same key is another object: it was deleted, and no
    /// uid tells objects of one name apart.
    pub fn ends_key(&self) -> bool {
        self.event_type == EventType::Deleted && self.key.uid.is_empty()
    }
}
