use std::sync::Arc;

use kymo_model::{Certainty, EventType, ObjectKey, Request, ResourceType, Rv, Scope, Timestamp};

use super::loss::LossReport;
use crate::Error;
use crate::input::Damage;

/// What a format makes of its input: one item after the other, in the order of their times.
pub(crate) trait ReadItems: Send {
    /// Reads the next item; `None` at the end.
    ///
    /// [`Error::Read`] of damaged compressed data does not end an import: it becomes an item, and
    /// the next one is asked for. The text that failed has ended then, so what was held back of
    /// it, and other entries, still come.
    fn next(&mut self) -> Result<Option<Item>, Error>;

    /// Tells, once and after the end, what could not be carried over.
    fn finish(&mut self, _report: &mut LossReport) {}
}

/// A resource, and how much of it the source shows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Named {
    pub(crate) resource: ResourceType,
    /// Whether the plural was guessed from the kind.
    pub(crate) is_guessed: bool,
    /// Which objects the source shows: all, or those of a namespace.
    pub(crate) scope: Scope,
}

/// One thing that a source says, redacted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    /// When it was received, where the source tells.
    pub(crate) recv: Option<Timestamp>,
    /// The file or archive entry, for messages.
    pub(crate) source: Arc<str>,
    /// The line on which it begins, or the number of the record or document, from 1.
    pub(crate) line: u64,
    /// The resource; `None` where nothing tells it.
    pub(crate) named: Option<Arc<Named>>,
    /// What it is.
    pub(crate) what: What,
}

/// What a source says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    /// An object changed, or a list shows it.
    Object(Object),
    /// A list ended; its objects came just before, as listed ones.
    ListEnd {
        /// Its version.
        rv: Option<Rv>,
        /// The namespace that was listed; `None` for all.
        namespace: Option<Box<str>>,
        /// Whether an object that was not in it is gone.
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
    /// The source shows that something is missing in it.
    Gap {
        /// When it began, where that is known.
        from: Option<Timestamp>,
        /// What is known of it, for people.
        detail: String,
    },
    /// The input cannot be read from here on.
    Damaged(Damage),
    /// What could not be read.
    Unreadable {
        /// Why.
        reason: String,
    },
}

/// An object and what happened to it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Object {
    pub(crate) event_type: EventType,
    /// How sure the source is. `Listed` says that the time at which the object came to be so is
    /// not known; if it was known before, it becomes a coalesced change.
    pub(crate) certainty: Certainty,
    /// The earliest time of the change, where the source knows only a stretch.
    pub(crate) not_before: Option<Timestamp>,
    /// Which object. Without a uid it is the live one of that name.
    pub(crate) key: ObjectKey,
    pub(crate) rv: Option<Rv>,
    /// Its JSON text as it is stored; `None` where the source does not have it.
    pub(crate) body: Option<Box<str>>,
    /// Whether redaction took something out of it.
    pub(crate) is_redacted: bool,
    /// The request that changed it, where the source tells.
    pub(crate) request: Option<Arc<Request>>,
}
