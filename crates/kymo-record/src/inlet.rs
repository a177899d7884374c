//! The way from the feeds to the thread that owns the log.

use std::sync::mpsc;

use kymo_model::{Cause, ClockStep, Feed, FeedId};
use kymo_watch::{Delivery, ResumeFrom, SinkClosed};
use tokio::sync::{oneshot, watch};

use crate::gate::{Gate, Pass};

/// What the ledger is asked to do, in order.
#[derive(Debug)]
pub(crate) enum Entry {
    /// A feed starts, or starts again.
    Attach {
        feed: Feed,
        reply: oneshot::Sender<Attached>,
    },
    /// A feed delivers.
    Deliver {
        run: u64,
        delivery: Delivery,
        pass: Pass,
    },
    /// A feed failed inside the recorder.
    Fault {
        feed: FeedId,
        run: u64,
        detail: String,
    },
    /// The wall clock stepped.
    ClockStep(ClockStep),
    /// The end.
    Stop { cause: Cause },
}

/// A feed that may deliver.
#[derive(Debug)]
pub(crate) struct Attached {
    /// Its number in the trace.
    pub(crate) id: FeedId,
    /// Its run. What an earlier run of the feed delivers is void.
    pub(crate) run: u64,
    /// Where to go on.
    pub(crate) resume: ResumeFrom,
}

/// Whether the ledger takes what comes.
///
/// The number counts how often what was delivered and not yet durable became void; all feeds
/// start again when it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intake {
    /// It does.
    Open(u64),
    /// It does not for now: the disk is full or failing.
    Paused(u64),
    /// Not any more.
    Closed,
}

/// The feeds' end. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Inlet {
    entries: mpsc::Sender<Entry>,
    gate: Gate,
    intake: watch::Receiver<Intake>,
}

impl Inlet {
    pub(crate) fn new(
        entries: mpsc::Sender<Entry>,
        gate: Gate,
        intake: watch::Receiver<Intake>,
    ) -> Self {
        Self {
            entries,
            gate,
            intake,
        }
    }

    /// Returns a view of whether the ledger takes what comes.
    pub(crate) fn intake(&self) -> watch::Receiver<Intake> {
        self.intake.clone()
    }

    /// Returns about how many bytes are on the way.
    pub(crate) fn held(&self) -> u64 {
        self.gate.held()
    }

    /// Starts a run of a feed; `None` when the ledger does not take it now.
    pub(crate) async fn attach(&self, feed: &Feed) -> Option<Attached> {
        let (reply, answer) = oneshot::channel();
        let feed = feed.clone();
        self.entries.send(Entry::Attach { feed, reply }).ok()?;
        answer.await.ok()
    }

    /// Hands over a delivery, waiting while too much is on the way.
    pub(crate) async fn deliver(&self, run: u64, delivery: Delivery) -> Result<(), SinkClosed> {
        let pass = self.gate.admit(delivery.weight()).await.ok_or(SinkClosed)?;
        if !matches!(*self.intake.borrow(), Intake::Open(_)) {
            return Err(SinkClosed);
        }
        self.send(Entry::Deliver {
            run,
            delivery,
            pass,
        })
    }

    pub(crate) fn send(&self, entry: Entry) -> Result<(), SinkClosed> {
        self.entries.send(entry).map_err(|_| SinkClosed)
    }
}
