use std::sync::Arc;

use kymo_model::{EventType, ObjectKey, ResourceType, Rv, Timestamp};
use serde::{Deserialize, Serialize};

/// A resource, and whether its plural was guessed from the kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Named {
    pub(crate) resource: ResourceType,
    pub(crate) is_guessed: bool,
}

/// One thing that a stream says, redacted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Item {
    /// When it was received, where the stream tells.
    pub(crate) recv: Option<Timestamp>,
    /// The line on which it begins.
    pub(crate) line: u64,
    /// The resource; `None` where nothing tells it.
    pub(crate) named: Option<Arc<Named>>,
    /// What it is.
    pub(crate) what: What,
}

/// What a stream says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum What {
    /// An object changed, or a list shows it.
    Object(Object),
    /// A list ended; its objects came before.
    ListEnd {
        /// Its version.
        rv: Option<Rv>,
        /// Whether all objects of the resource were in it.
        is_complete: bool,
    },
    /// Everything up to the version was sent.
    Bookmark {
        /// The version.
        rv: Rv,
    },
    /// The server said that something is wrong.
    Error {
        /// The HTTP code.
        code: u16,
        /// The message.
        message: String,
    },
    /// What could not be read.
    Unreadable {
        /// Why.
        reason: String,
    },
}

/// An object and what happened to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Object {
    pub(crate) event_type: EventType,
    /// Whether a list showed it, so that the time at which it came to be is not known.
    pub(crate) is_listed: bool,
    pub(crate) key: ObjectKey,
    pub(crate) rv: Option<Rv>,
    /// Its JSON text as it is stored.
    pub(crate) body: Box<str>,
    /// Whether redaction took something out of it.
    pub(crate) is_redacted: bool,
}
