//! The thread that owns the log.
//!
//! It takes what feeds deliver in the order in which they did, and makes it durable in groups.
//! When the disk loses what it was given, or is full, what was not durable becomes void, and
//! every feed starts again from what is: nothing upstream was told that it had arrived.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use kymo_model::{Cause, Certainty, Clock, ClockStep, CoverageState, Feed, FeedId, Rv};
use kymo_store::{Error as StoreError, LogRecord, Resume, Writer};
use kymo_watch::{Delivery, LiveObject, ResumeFrom, Transition};
use tokio::sync::{oneshot, watch};

use crate::inlet::{Attached, Entry, Intake};
use crate::session::SessionTime;
use crate::tally::Tally;
use crate::veil::Veil;

/// How often a full or failing disk is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How long to wait for the next delivery when nothing is due.
const IDLE: Duration = Duration::from_millis(500);

/// How many failed syncs in a row are taken as the disk's passing weakness; then it is waited
/// between attempts.
const PATIENCE: u32 = 3;

/// What is known of a feed while the ledger is open.
#[derive(Debug, Default)]
struct Known {
    /// The run that may deliver; `None`: none may.
    run: Option<u64>,
    /// The last transition of this session.
    last: Option<(CoverageState, Cause)>,
    /// Its epoch and position.
    epoch: u32,
    rv: Option<Rv>,
}

/// The log and what feeds it.
#[derive(Debug)]
pub(crate) struct Ledger {
    writer: Writer,
    entries: Receiver<Entry>,
    intake: watch::Sender<Intake>,
    tally: Arc<Tally>,
    time: Arc<SessionTime>,
    clock: Arc<dyn Clock>,
    session: u32,
    feeds: HashMap<FeedId, Known>,
    runs: u64,
    generation: u64,
    failures: u32,
    /// Whether records were appended since the last commit.
    is_dirty: bool,
    /// The feeds to begin with; later those that must start again. Where they go on is read from
    /// the trace for all at once, when the first of them asks.
    to_restore: Vec<Feed>,
    restored: HashMap<FeedId, Resume>,
    /// What replaces names, if they are.
    veil: Option<Veil>,
}

/// Why the ledger closed.
#[derive(Debug)]
pub(crate) struct Closed {
    /// Whether the end of the session is in the trace.
    pub(crate) clean: bool,
}

/// What the ledger needs besides the log.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) intake: watch::Sender<Intake>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) time: Arc<SessionTime>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) veil: Option<Veil>,
}

impl Ledger {
    /// Takes over a writer whose session has begun. `feeds` are those to begin with.
    pub(crate) fn new(
        writer: Writer,
        session: u32,
        feeds: Vec<Feed>,
        entries: Receiver<Entry>,
        surroundings: Surroundings,
    ) -> Self {
        let mut veil = surroundings.veil;
        let stored = |feed: Feed| match &mut veil {
            // One that cannot be stored now is asked for when it is attached.
            Some(veil) => veil.feed(&feed).ok(),
            None => Some(feed),
        };
        let to_restore = feeds.into_iter().filter_map(stored).collect();
        Self {
            writer,
            entries,
            intake: surroundings.intake,
            tally: surroundings.tally,
            time: surroundings.time,
            clock: surroundings.clock,
            session,
            feeds: HashMap::new(),
            runs: 0,
            generation: 0,
            failures: 0,
            is_dirty: true,
            to_restore,
            restored: HashMap::new(),
            veil,
        }
    }

    /// Works until told to stop, or until the trace can no longer be written.
    pub(crate) fn run(mut self) -> Result<Closed, StoreError> {
        loop {
            let wait = match *self.intake.borrow() {
                Intake::Paused(_) => RETRY,
                _ => self.writer.due().unwrap_or(IDLE).min(IDLE),
            };
            let result = match self.entries.recv_timeout(wait) {
                Ok(Entry::Stop { cause }) => return self.stop(cause),
                Ok(entry) => self.take(entry),
                Err(RecvTimeoutError::Timeout) => self.tick(),
                Err(RecvTimeoutError::Disconnected) => return self.stop(Cause::RecorderFault),
            };
            result
                .and_then(|()| self.commit_if_due())
                .or_else(|error| self.suffer(error))?;
        }
    }

    fn is_open(&self) -> bool {
        matches!(*self.intake.borrow(), Intake::Open(_))
    }

    fn take(&mut self, entry: Entry) -> Result<(), StoreError> {
        match entry {
            // While nothing can be written the answer is left out: the feed waits.
            Entry::Attach { feed, reply } if self.is_open() => self.attach(&feed, reply),
            Entry::Deliver {
                run,
                delivery,
                pass,
            } => {
                let result = match delivery.feed() {
                    Some(id)
                        if self
                            .feeds
                            .get(&id)
                            .is_some_and(|known| known.run == Some(run)) =>
                    {
                        self.append(delivery)
                    }
                    _ => Ok(()),
                };
                drop(pass);
                result
            }
            Entry::Fault { feed, run, detail } => self.fault(feed, run, detail),
            Entry::ClockStep(step) => self.step(step),
            Entry::Attach { .. } | Entry::Stop { .. } => Ok(()),
        }
    }

    fn attach(&mut self, feed: &Feed, reply: oneshot::Sender<Attached>) -> Result<(), StoreError> {
        let stored = match &mut self.veil {
            Some(veil) => match veil.feed(feed) {
                Ok(stored) => stored,
                // Without an answer the feed asks again.
                Err(failure) => {
                    self.tally
                        .note(format!("a feed is not recorded: {failure}"));
                    return Ok(());
                }
            },
            None => feed.clone(),
        };
        self.restore()?;
        let mut resume = self.resume(&stored)?;
        let id = self.writer.feed(&stored)?;
        if let Some(veil) = &mut self.veil {
            veil.attach(id, feed);
            resume = veil.resume(id, resume);
        }
        self.is_dirty = true;
        let is_first = self.feeds.get(&id).is_none_or(|known| known.last.is_none());
        self.runs += 1;
        let run = self.runs;
        let known = self.feeds.entry(id).or_default();
        known.run = Some(run);
        known.epoch = resume.epoch;
        known.rv.clone_from(&resume.rv);
        let attached = Attached {
            id,
            run,
            resume: ResumeFrom {
                // An observed stretch that nobody ended was cut off by a crash.
                after_crash: is_first && resume.state == Some(CoverageState::Observed),
                rv: resume.rv,
                epoch: resume.epoch,
                last_ts: resume.last_ts,
                live: resume
                    .live
                    .into_iter()
                    .map(|object| LiveObject {
                        key: object.key,
                        rv: object.rv.unwrap_or_else(|| "".into()),
                    })
                    .collect(),
            },
        };
        if reply.send(attached).is_err() {
            tracing::debug!("a feed went away while it was attached");
        }
        Ok(())
    }

    /// Reads where all feeds that wait go on. Asked one by one between deliveries, each answer
    /// would take reading the whole trace.
    fn restore(&mut self) -> Result<(), StoreError> {
        if self.to_restore.is_empty() {
            return Ok(());
        }
        self.restored.clear();
        for feed in &self.to_restore {
            let id = self.writer.feed(feed)?;
            self.restored.insert(id, self.writer.resume(id)?);
        }
        self.to_restore.clear();
        self.writer.forget_live();
        Ok(())
    }

    /// Returns where a feed goes on. What an earlier run of it delivered becomes durable before.
    fn resume(&mut self, feed: &Feed) -> Result<Resume, StoreError> {
        let is_same = |other: &Feed| {
            other.scope == feed.scope
                && other.resource.group == feed.resource.group
                && other.resource.resource == feed.resource.resource
        };
        if !self.writer.feeds().iter().any(|(_, other)| is_same(other)) {
            return Ok(Resume::default());
        }
        let id = self.writer.feed(feed)?;
        match self.restored.remove(&id) {
            Some(resume) => Ok(resume),
            None => self.writer.resume(id),
        }
    }

    fn append(&mut self, delivery: Delivery) -> Result<(), StoreError> {
        let record = match delivery {
            Delivery::Event(event) => {
                self.tally.events.inc();
                let bytes = event.body.as_ref().map_or(0, |body| body.len());
                self.tally.received_bytes.inc_by(bytes as u64);
                // Events of a list tell nothing of the position before the list is whole.
                if event.certainty == Certainty::Seen && event.rv.is_some() {
                    self.known(event.feed).rv.clone_from(&event.rv);
                }
                LogRecord::Event(event)
            }
            Delivery::Mark { feed, rv, ts } => {
                self.known(feed).rv = Some(rv.clone());
                LogRecord::Mark { feed, rv, ts }
            }
            Delivery::Transition(transition) => self.transition(transition),
            Delivery::Gap(mut gap) => {
                gap.session = self.session;
                self.tally.gap(gap.cause);
                LogRecord::Gap(gap)
            }
        };
        self.write(record)
    }

    fn transition(&mut self, transition: Transition) -> LogRecord {
        let Transition {
            feed,
            epoch,
            ts,
            state,
            cause,
            rv,
            detail,
        } = transition;
        let is_gap =
            state != CoverageState::Observed && !matches!(cause, Cause::Stop | Cause::Start);
        if is_gap {
            self.tally.gap(cause);
        }
        let known = self.known(feed);
        known.last = Some((state, cause));
        known.epoch = epoch;
        if rv.is_some() {
            known.rv.clone_from(&rv);
        }
        LogRecord::Transition {
            feed,
            epoch,
            ts,
            state,
            cause,
            rv,
            detail,
        }
    }

    fn write(&mut self, record: LogRecord) -> Result<(), StoreError> {
        self.tally
            .pending(record.ts().unwrap_or_else(|| self.time.now()));
        self.is_dirty = true;
        match &mut self.veil {
            Some(veil) => match veil.record(record) {
                Ok(record) => self.writer.append(record),
                Err(failure) => {
                    self.tally
                        .note(format!("a record is not stored: {failure}"));
                    Ok(())
                }
            },
            None => self.writer.append(record),
        }
    }

    fn fault(&mut self, feed: FeedId, run: u64, detail: String) -> Result<(), StoreError> {
        if !self.is_open() {
            return Ok(());
        }
        match self.feeds.get_mut(&feed) {
            Some(known) if known.run == Some(run) => known.run = None,
            _ => return Ok(()),
        }
        self.commit()?;
        self.leave(feed, Cause::RecorderFault, Some(detail))
    }

    /// Ends the present stretch of a feed where it stands.
    fn leave(
        &mut self,
        feed: FeedId,
        cause: Cause,
        detail: Option<String>,
    ) -> Result<(), StoreError> {
        let known = self.known(feed);
        let (epoch, rv) = (known.epoch, known.rv.clone());
        let record = self.transition(Transition {
            feed,
            epoch,
            ts: self.time.now(),
            state: CoverageState::Unobserved,
            cause,
            rv,
            detail,
        });
        self.write(record)
    }

    fn known(&mut self, feed: FeedId) -> &mut Known {
        self.feeds.entry(feed).or_default()
    }

    fn step(&mut self, step: ClockStep) -> Result<(), StoreError> {
        self.tally.clock_steps.inc();
        if self.is_open() {
            self.write(LogRecord::ClockStep(step))
        } else {
            Ok(())
        }
    }

    fn commit_if_due(&mut self) -> Result<(), StoreError> {
        // Nothing due although something was appended: the writer has committed by itself.
        let is_due = self.writer.due().is_none_or(|due| due.is_zero());
        if self.is_open() && is_due {
            self.commit()?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        if !self.is_dirty {
            return Ok(());
        }
        let began = self.clock.monotonic();
        let committed = self.writer.commit()?;
        let took = self.clock.monotonic().saturating_sub(began);
        self.tally.commit_seconds.observe(took.as_secs_f64());
        self.tally.durable_bytes.set(committed.bytes);
        self.tally.settled();
        if let Some(veil) = &mut self.veil {
            veil.settled();
        }
        self.is_dirty = false;
        self.failures = 0;
        Ok(())
    }

    /// Takes a failure of the disk: what is not durable is void, and every feed starts again once
    /// the disk can be written. Any other failure is returned.
    fn suffer(&mut self, error: StoreError) -> Result<(), StoreError> {
        if error.is_disk_full() {
            self.tally.note(format!("{error}; waiting for space"));
            self.tally.disk_full.set(1);
            self.tally.gap(Cause::DiskFull);
        } else if error.is_fsync_failed() {
            self.tally
                .note(format!("{error}; starting again from what is durable"));
            self.tally.fsync_failures.inc();
            self.failures += 1;
        } else {
            self.intake.send_replace(Intake::Closed);
            return Err(error);
        }
        for known in self.feeds.values_mut() {
            known.run = None;
        }
        self.to_restore = self
            .writer
            .feeds()
            .iter()
            .filter(|(id, _)| self.feeds.contains_key(id))
            .map(|(_, feed)| feed.clone())
            .collect();
        self.is_dirty = false;
        self.tally.settled();
        self.generation += 1;
        let is_passing = !error.is_disk_full() && self.failures <= PATIENCE;
        self.intake.send_replace(if is_passing {
            Intake::Open(self.generation)
        } else {
            Intake::Paused(self.generation)
        });
        Ok(())
    }

    /// Tries a full or failing disk again.
    fn tick(&mut self) -> Result<(), StoreError> {
        if self.is_open() {
            return Ok(());
        }
        if self.tally.disk_full.get() != 0 {
            if !self.writer.try_resume_after_disk_full()? {
                return Ok(());
            }
            self.tally.disk_full.set(0);
            self.tally
                .note("there is space again; recording goes on".to_owned());
        }
        self.is_dirty = true;
        self.generation += 1;
        self.intake.send_replace(Intake::Open(self.generation));
        Ok(())
    }

    /// Ends every stretch that no feed ended, and the session.
    fn stop(mut self, cause: Cause) -> Result<Closed, StoreError> {
        self.intake.send_replace(Intake::Closed);
        if self.tally.disk_full.get() != 0 && !self.writer.try_resume_after_disk_full()? {
            return Ok(Closed { clean: false });
        }
        let open: Vec<FeedId> = self
            .feeds
            .iter()
            .filter(|(_, known)| known.last.is_some_and(|(_, last)| last != Cause::Stop))
            .map(|(&id, _)| id)
            .collect();
        let write_ends = || {
            self.commit()?;
            open.into_iter()
                .try_for_each(|feed| self.leave(feed, cause, None))?;
            self.commit()
        };
        let ended = write_ends();
        let result = ended.and_then(|()| self.writer.close(cause));
        match result {
            Ok(()) => Ok(Closed { clean: true }),
            Err(error) if error.is_disk_full() || error.is_fsync_failed() => {
                tracing::warn!("the end of the session is not in the trace: {error}");
                Ok(Closed { clean: false })
            }
            Err(error) => Err(error),
        }
    }
}
