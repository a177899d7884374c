//! The one writer of a trace.

mod commit;
mod create;
mod fault;
mod options;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kymo_model::{Cause, Clock, Event, Feed, FeedId};

pub use options::WriterOptions;

use crate::contents::Contents;
use crate::directory::Directory;
use crate::error::Error;
use crate::fs::LockGuard;
use crate::header::LogEnd;
use crate::log::{LogFile, put};
use crate::maintenance::{Maintenance, Work};
use crate::manifest::{Entry, Manifest};
use crate::record::{Committed, LogRecord, Resume, SessionInfo, TraceIdentity};
use crate::resume::{Fold, Live, Observed};

/// What the writer and its maintenance share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) directory: Directory,
    pub(crate) manifest: Mutex<Manifest>,
    pub(crate) options: WriterOptions,
    /// Held while segments are made: one at a time.
    pub(crate) working: Mutex<()>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Held as long as anyone can still write.
    _lock: Mutex<Box<dyn LockGuard>>,
}

impl Shared {
    pub(crate) fn manifest(&self) -> MutexGuard<'_, Manifest> {
        self.manifest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next number of a log or segment.
    pub(crate) fn next_number(&self) -> u32 {
        let mut manifest = self.manifest();
        let number = manifest.catalog.next_number;
        manifest.catalog.next_number = number + 1;
        number
    }
}

/// Writes a trace. At most one exists per trace, on any machine that shares its file system's
/// locks.
///
/// What is appended is durable once [`Writer::commit`] has returned. After an error for which
/// [`Error::is_fsync_failed`] or [`Error::is_disk_full`] holds, what was appended since may be
/// void: every feed goes on from [`Writer::resume`].
///
/// Dropping a writer without [`Writer::close`] is what a crash is to the trace.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    identity: TraceIdentity,
    log: Option<LogFile>,
    /// Where the log before the present one ends.
    previous: Option<LogEnd>,
    pending: Vec<u8>,
    pending_events: u64,
    /// Raw bytes of events and marks that are not durable.
    undurable: bool,
    next_seq: u64,
    last_commit: Duration,
    session: Option<SessionInfo>,
    sessions: u32,
    feeds: Vec<(FeedId, Feed)>,
    fold: Fold,
    /// `None`: not read yet, or what was read no longer holds.
    live: Option<Live>,
    /// The fold does not hold any more: what it counted on did not become durable.
    stale: bool,
    full: bool,
    /// The disk-full transitions could not be written yet.
    gap_owed: Option<kymo_model::Timestamp>,
    ballast: bool,
    closed_bytes: u64,
}

impl Writer {
    /// Returns which trace it is.
    pub fn identity(&self) -> &TraceIdentity {
        &self.identity
    }

    /// Returns the directory of the trace.
    pub fn path(&self) -> &Path {
        &self.shared.directory.path
    }

    /// Returns the feeds known.
    pub fn feeds(&self) -> &[(FeedId, Feed)] {
        &self.feeds
    }

    /// Returns the seq that the next event gets.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Says which cluster is recorded. The first time it is written down, durably.
    pub fn bind_cluster(&mut self, uid: &str) -> Result<(), Error> {
        match &self.identity.cluster_uid {
            Some(expected) if expected == uid => Ok(()),
            Some(expected) => Err(Error::OtherCluster {
                path: self.path().to_owned(),
                expected: expected.clone(),
                found: uid.to_owned(),
            }),
            None => {
                let uid = uid.to_owned();
                self.shared
                    .manifest()
                    .append(Entry::Cluster { uid: uid.clone() })?;
                self.identity.cluster_uid = Some(uid);
                Ok(())
            }
        }
    }

    /// Begins a session; returns its number.
    pub fn begin_session(&mut self, mut info: SessionInfo) -> Result<u32, Error> {
        self.sessions += 1;
        info.number = self.sessions;
        self.session = Some(info.clone());
        if self.log.is_some() {
            self.append_record(&LogRecord::Session(info))?;
        }
        self.undurable = true;
        Ok(self.sessions)
    }

    /// Finds a feed or gives it a number.
    pub fn feed(&mut self, feed: &Feed) -> Result<FeedId, Error> {
        if let Some((id, _)) = self.feeds.iter().find(|(_, known)| known == feed) {
            return Ok(*id);
        }
        let next = self.feeds.iter().map(|(id, _)| id.0 + 1).max().unwrap_or(0);
        let id = FeedId(next);
        self.feeds.push((id, feed.clone()));
        self.fold.define(id, feed);
        if self.log.is_some() {
            self.append_record(&LogRecord::Feed {
                id,
                feed: feed.clone(),
            })?;
        }
        self.undurable = true;
        Ok(id)
    }

    /// Returns where a feed goes on, from what is durable: everything appended is committed first.
    ///
    /// A feed of another version of the same resource in the same scope counts. The live objects
    /// are handed out, not kept: asking again reads the trace again.
    pub fn resume(&mut self, feed: FeedId) -> Result<Resume, Error> {
        if !self.full {
            self.commit()?;
        }
        if !self.fold.knows(feed) {
            return Err(self.unknown(feed));
        }
        if self.stale || self.live.is_none() {
            let contents = Contents::load(&self.shared.directory)?;
            self.refold(&contents);
            self.live = Some(Live::of(&contents, &self.fold)?);
        }
        let state = self.fold.state(feed).cloned().unwrap_or_default();
        let slot = self.fold.slot(feed).unwrap_or_default();
        let live = self.live.as_mut().map(|live| live.take(slot));
        Ok(Resume {
            rv: state.rv().cloned(),
            epoch: state.epoch,
            state: state.state,
            last_ts: state.last_ts,
            live: live.unwrap_or_default(),
        })
    }

    /// Drops the live objects that no feed asked for.
    pub fn forget_live(&mut self) {
        self.live = None;
    }

    fn refold(&mut self, contents: &Contents) {
        self.fold = Fold::of(contents);
        // Feeds defined since the last commit are still ours to write.
        for (id, feed) in &self.feeds {
            self.fold.define(*id, feed);
        }
        self.stale = false;
    }

    fn unknown(&self, feed: FeedId) -> Error {
        Error::UnknownFeed {
            path: self.path().to_owned(),
            feed,
        }
    }

    /// Appends an event; returns its seq. It commits by itself when enough has come together.
    pub fn append_event(&mut self, event: Event) -> Result<u64, Error> {
        let seq = self.next_seq;
        self.append(LogRecord::Event(event))?;
        Ok(seq)
    }

    /// Appends a record. It commits by itself when enough has come together.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a record is given away: it is in the log from here on"
    )]
    pub fn append(&mut self, record: LogRecord) -> Result<(), Error> {
        self.append_record(&record)
    }

    fn append_record(&mut self, record: &LogRecord) -> Result<(), Error> {
        let feed = match record {
            LogRecord::Event(event) => Some(event.feed),
            LogRecord::Mark { feed, .. } | LogRecord::Transition { feed, .. } => Some(*feed),
            LogRecord::Gap(gap) => gap.feed,
            _ => None,
        };
        if let Some(feed) = feed.filter(|feed| !self.fold.knows(*feed)) {
            return Err(self.unknown(feed));
        }
        let is_event = matches!(record, LogRecord::Event(_));
        if self.full && is_event {
            return Err(self.disk_full_error(None));
        }
        self.put_pending(record)?;
        match record {
            LogRecord::Event(event) => {
                self.fold.event(Observed {
                    seq: self.next_seq,
                    feed: event.feed,
                    epoch: event.epoch,
                    certainty: event.certainty,
                    rv: event.rv.as_ref(),
                    ts: event.ts,
                });
                self.pending_events += 1;
                self.next_seq += 1;
                // What was read of the trace before no longer tells what is live.
                self.live = None;
            }
            other => self.fold.record(self.next_seq, other),
        }
        if self.pending.len() >= self.frame_bytes() {
            self.write_pending()?;
            if self.unsynced() >= self.shared.options.commit_bytes as u64 {
                self.commit()?;
            }
        }
        Ok(())
    }

    fn put_pending(&mut self, record: &LogRecord) -> Result<(), Error> {
        let before = self.pending.len();
        put(&mut self.pending, record).map_err(|source| Error::Encode {
            path: self.shared.directory.path.clone(),
            source,
        })?;
        let bytes = self.pending.len() - before;
        if bytes > Self::MAX_RECORD {
            self.pending.truncate(before);
            return Err(Error::RecordTooLarge {
                path: self.path().to_owned(),
                bytes,
                limit: Self::MAX_RECORD,
            });
        }
        self.undurable = true;
        Ok(())
    }

    /// Ends the session in an orderly way; what was appended is durable when this returns `Ok`.
    pub fn close(mut self, cause: Cause) -> Result<(), Error> {
        if self.session.is_some() {
            let ts = self.shared.clock.now();
            self.append_record(&LogRecord::SessionEnd { ts, cause })?;
        }
        self.commit()?;
        self.close_log()
    }

    /// Returns a handle that seals and compacts, for another thread.
    pub fn maintenance(&self) -> Maintenance {
        Maintenance::new(self.shared.clone())
    }

    /// Seals everything that was appended.
    pub fn seal_now(&mut self) -> Result<Work, Error> {
        self.commit()?;
        self.close_log()?;
        self.maintenance().run_once()
    }

    /// The largest record, in bytes: with a frame's worth before it, it still fits into a frame.
    const MAX_RECORD: usize = crate::frame::MAX_RAW - 2 * WriterOptions::MAX_FRAME_BYTES;

    fn frame_bytes(&self) -> usize {
        let wanted = self.shared.options.frame_bytes;
        wanted.clamp(1, WriterOptions::MAX_FRAME_BYTES)
    }

    fn disk_full_error(&self, source: Option<std::io::Error>) -> Error {
        Error::DiskFull {
            path: self.path().to_owned(),
            source,
        }
    }

    fn bytes(&self) -> u64 {
        self.closed_bytes + self.log.as_ref().map_or(0, LogFile::length)
    }

    fn committed(&self) -> Committed {
        Committed {
            next_seq: self.next_seq,
            bytes: self.bytes(),
        }
    }

    fn join(&self, name: &str) -> PathBuf {
        self.shared.directory.join(name)
    }
}
