//! What a request did to an object, before it is known in which order.

use std::sync::Arc;

use kymo_model::{EventType, ObjectKey, Request, Rv, Timestamp};

use super::resources::ResourceId;

/// Where in the input something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) source: Arc<str>,
    pub(super) line: u64,
}

/// What is known of how an object changed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Deed {
    /// The answer is the object after the change.
    Whole { body: Box<str> },
    /// The answer is the metadata after the change; nothing else changed.
    Metadata { body: Box<str> },
    /// The request held the object; the server filled in what it left out.
    Requested { body: Box<str> },
    /// The request held a patch.
    Patched { patch: Box<str>, is_apply: bool },
    /// A pod was bound to a node; the request held the binding.
    Bound { binding: Box<str> },
    /// The number of replicas was set.
    Scaled { replicas: i64 },
    /// Only that it changed.
    Told { why: &'static str },
    /// Something may have changed, but not what.
    Unknown { why: &'static str },
    /// It is gone; `body` is what it was last, where the answer tells.
    Gone {
        body: Option<Box<str>>,
        is_certain: bool,
    },
    /// It was asked to go; whether it did depends on what it was.
    Deleting(Deletion),
}

/// How an object was asked to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Deletion {
    /// How long it may take, where the request told it.
    pub(super) grace: Option<i64>,
    /// Whether the dependents go first, or are let go first.
    pub(super) waits: bool,
    /// Whether the one who asked is the kubelet, which does so when all containers have ended.
    pub(super) is_last_word: bool,
    /// Whether the log told the code of the answer, and so whether it was a Status.
    pub(super) has_code: bool,
}

/// One change of one object.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// When the server had answered. The change itself came earlier.
    pub(super) at: Timestamp,
    /// When the request came.
    pub(super) received: Option<Timestamp>,
    pub(super) resource: ResourceId,
    pub(super) key: ObjectKey,
    /// The version that the change made.
    pub(super) rv: Option<Rv>,
    /// The version of the object before the change, where that of the change is not known.
    pub(super) after: Option<Rv>,
    /// What happened; `None` where that depends on what was known of the object before.
    pub(super) event_type: Option<EventType>,
    pub(super) deed: Deed,
    /// The subresource through which it was changed; empty for the object itself.
    pub(super) subresource: Box<str>,
    pub(super) request: Arc<Request>,
    pub(super) place: Place,
}

impl Change {
    /// Returns about how many bytes it holds.
    pub(super) fn weight(&self) -> usize {
        const FIXED: usize = 1024;
        let body = match &self.deed {
            Deed::Whole { body } | Deed::Metadata { body } | Deed::Requested { body } => body.len(),
            Deed::Gone { body, .. } => body.as_ref().map_or(0, |body| body.len()),
            Deed::Patched { patch, .. } => patch.len(),
            Deed::Bound { binding } => binding.len(),
            Deed::Scaled { .. } | Deed::Told { .. } | Deed::Unknown { .. } | Deed::Deleting(_) => 0,
        };
        FIXED + body
    }
}
