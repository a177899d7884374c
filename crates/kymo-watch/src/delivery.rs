use std::fmt;
use std::future::Future;

use kymo_model::{Cause, Coverage, CoverageState, Event, FeedId, Rv, Timestamp};
use thiserror::Error;

use crate::Alarm;

/// What a feed hands over to be kept, in the order in which it must be kept.
///
/// # Which position is safe to resume from
/// The latest of: the `rv` of a [`Delivery::Mark`], the `rv` of an event whose certainty is
/// [`kymo_model::Certainty::Seen`], the `rv` of a [`Transition`] to observed. Events of any other
/// certainty come from a list that may not be complete yet and say nothing about the position.
#[derive(Clone, Debug, PartialEq)]
pub enum Delivery {
    /// A change of an object.
    Event(Event),
    /// Everything of the feed up to `rv` has been delivered.
    Mark {
        /// The feed.
        feed: FeedId,
        /// The version.
        rv: Rv,
        /// When the server said so.
        ts: Timestamp,
    },
    /// The feed enters another coverage state.
    Transition(Transition),
    /// A stretch that is known as a whole: an unreadable line, a discrepancy. It lies over what
    /// the transitions say of the same stretch. Its session is 0: the writer knows it.
    Gap(Coverage),
}

impl Delivery {
    /// Returns about how many bytes of memory it holds, for budgets.
    pub fn weight(&self) -> usize {
        let held = match self {
            Self::Event(event) => {
                let key = &event.key;
                event.body.as_ref().map_or(0, |body| body.len())
                    + key.namespace.len()
                    + key.name.len()
                    + key.uid.len()
            }
            Self::Mark { .. } => 0,
            Self::Transition(transition) => transition.detail.as_ref().map_or(0, String::len),
            Self::Gap(gap) => gap.detail.as_ref().map_or(0, String::len),
        };
        size_of::<Self>() + held
    }

    /// Returns the feed it belongs to.
    pub fn feed(&self) -> Option<FeedId> {
        match self {
            Self::Event(event) => Some(event.feed),
            Self::Mark { feed, .. } => Some(*feed),
            Self::Transition(transition) => Some(transition.feed),
            Self::Gap(gap) => gap.feed,
        }
    }
}

/// The end of one coverage stretch of a feed and the beginning of the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The feed.
    pub feed: FeedId,
    /// The epoch of the stretch that begins.
    pub epoch: u32,
    /// When it began. Where contact was lost this is the time of the last line, so it may be
    /// earlier than the time of delivery; it is never earlier than that of the transition before.
    pub ts: Timestamp,
    /// What the stretch is.
    pub state: CoverageState,
    /// Why it began. A stretch that is observed again carries the cause of the one it ends.
    pub cause: Cause,
    /// The feed's position. A stretch that begins and ends at the same version lost nothing.
    pub rv: Option<Rv>,
    /// What else is known, for people.
    pub detail: Option<String>,
}

/// The receiver is gone; nothing more can be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the receiver of the feed's events is gone")]
pub struct SinkClosed;

/// Where feeds deliver to.
///
/// Back-pressure is the future of [`Sink::deliver`]: while it is pending the feed reads nothing
/// from its socket. Budget by [`Delivery::weight`].
pub trait Sink: Send + Sync {
    /// Takes one delivery. When the future resolves the sink owns it; nothing is said about disk.
    fn deliver(&self, delivery: Delivery) -> impl Future<Output = Result<(), SinkClosed>> + Send;

    /// Tells what an operator should know. Must not block.
    fn alarm(&self, _feed: FeedId, _alarm: &Alarm) {}

    /// Tells how the feed is, whenever its phase changes and at every bookmark. Must not block.
    fn status(&self, _feed: FeedId, _status: &FeedStatus) {}
}

/// What a feed is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Not started, or opening its first request.
    #[default]
    Starting,
    /// Reading a list.
    Listing,
    /// Asking for a watch that has not been answered.
    Connecting,
    /// Reading a watch.
    Watching,
    /// Waiting before the next attempt.
    Waiting,
    /// Stopped.
    Stopped,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Listing => "listing",
            Self::Connecting => "connecting",
            Self::Watching => "watching",
            Self::Waiting => "waiting",
            Self::Stopped => "stopped",
        })
    }
}

/// How a feed is, for status lines and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedStatus {
    /// What it is doing.
    pub phase: Phase,
    /// The coverage state it is in; `None` before the first transition.
    pub coverage: Option<CoverageState>,
    /// The version up to which everything was delivered.
    pub position: Option<Rv>,
    /// When the last line or page came.
    pub last_contact: Option<Timestamp>,
    /// The epoch.
    pub epoch: u32,
    /// How many objects are live.
    pub live_objects: usize,
    /// Counters since the feed started.
    pub counters: Counters,
}

/// What a feed has counted since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Events delivered.
    pub events: u64,
    /// Bookmarks received.
    pub bookmarks: u64,
    /// Events dropped because the same version had been delivered.
    pub duplicates: u64,
    /// Requests sent, of every kind.
    pub requests: u64,
    /// Watches opened after the first.
    pub reconnects: u64,
    /// Lists begun.
    pub lists: u64,
    /// Lines that could not be read.
    pub unreadable: u64,
    /// Audits completed.
    pub audits: u64,
    /// Objects in which an audit found a difference.
    pub discrepancies: u64,
    /// Times the server or a rewind opened a gap.
    pub gaps: u64,
}
