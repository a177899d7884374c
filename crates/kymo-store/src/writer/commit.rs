use std::time::Duration;

use super::Writer;
use crate::error::{Error, is_no_space};
use crate::log::{LogFile, put};
use crate::manifest::{Entry, LogEntry};
use crate::record::{Committed, LogRecord};

impl Writer {
    /// Makes everything appended durable. When this returns `Ok` it survives a power loss.
    pub fn commit(&mut self) -> Result<Committed, Error> {
        self.write_pending()?;
        self.sync_log()?;
        self.undurable = false;
        self.last_commit = self.shared.clock.monotonic();
        if !self.full && self.is_low()? {
            return Err(self.on_disk_full(None));
        }
        self.rotate_if_due()?;
        Ok(self.committed())
    }

    /// Returns how long the next commit can wait; `None` if there is nothing to commit.
    pub fn due(&self) -> Option<Duration> {
        self.undurable.then(|| {
            let passed = self
                .shared
                .clock
                .monotonic()
                .saturating_sub(self.last_commit);
            self.shared.options.commit_interval.saturating_sub(passed)
        })
    }

    pub(super) fn unsynced(&self) -> u64 {
        self.log.as_ref().map_or(0, LogFile::unsynced)
    }

    /// Writes what is pending as one frame.
    pub(super) fn write_pending(&mut self) -> Result<(), Error> {
        if self.pending.is_empty() && !(self.undurable && self.log.is_none()) {
            return Ok(());
        }
        match self.try_write_pending() {
            Err(error) if error.is_disk_full() && !self.full => Err(self.on_disk_full(Some(error))),
            result => result,
        }
    }

    pub(super) fn try_write_pending(&mut self) -> Result<(), Error> {
        self.ensure_log()?;
        let seq = self.next_seq - self.pending_events;
        let Some(log) = &mut self.log else {
            return Ok(());
        };
        if self.pending.is_empty() {
            return Ok(());
        }
        match log.write_frame(seq, self.pending_events, &self.pending) {
            Ok(()) => {
                self.pending.clear();
                self.pending_events = 0;
                Ok(())
            }
            Err(source) if is_no_space(&source) => Err(self.disk_full_error(Some(source))),
            Err(source) => Err(self.on_sync_failure(source)),
        }
    }

    pub(super) fn sync_log(&mut self) -> Result<(), Error> {
        match self.log.as_mut().map(LogFile::sync) {
            Some(Err(source)) => Err(self.on_sync_failure(source)),
            _ => Ok(()),
        }
    }

    /// Begins a log if there is none.
    pub(super) fn ensure_log(&mut self) -> Result<(), Error> {
        if self.log.is_some() {
            return Ok(());
        }
        let number = self.shared.next_number();
        let entry = LogEntry::new(number, self.next_seq - self.pending_events);
        let result = self.begin_log(&entry);
        if result.is_err() {
            // It holds nothing; if it stays, the next open sets it aside.
            drop(self.shared.directory.remove(&entry.name));
        }
        self.log = Some(result?);
        Ok(())
    }

    fn begin_log(&self, entry: &LogEntry) -> Result<LogFile, Error> {
        let mut log = LogFile::create(
            &self.shared.directory,
            self.identity.trace_id,
            entry.number,
            entry.first_seq,
            self.previous,
            self.shared.clock.now(),
        )?;
        let mut preamble = Vec::new();
        let encode = |source| Error::Encode {
            path: log.path.clone(),
            source,
        };
        if let Some(session) = &self.session {
            put(&mut preamble, &LogRecord::Session(session.clone())).map_err(encode)?;
        }
        for (id, feed) in &self.feeds {
            let record = LogRecord::Feed {
                id: *id,
                feed: feed.clone(),
            };
            put(&mut preamble, &record).map_err(encode)?;
        }
        let path = log.path.clone();
        if !preamble.is_empty() {
            log.write_frame(entry.first_seq, 0, &preamble)
                .map_err(Error::io("write", &path))?;
        }
        self.shared.manifest().append(Entry::Log {
            log: entry.clone(),
            previous: self.previous,
        })?;
        Ok(log)
    }

    fn rotate_if_due(&mut self) -> Result<(), Error> {
        let options = &self.shared.options;
        let due = self.log.as_ref().is_some_and(|log| {
            log.raw_bytes >= options.rotate_bytes || log.events >= options.rotate_events
        });
        if due { self.close_log() } else { Ok(()) }
    }

    /// Ends the present log; all of it must be durable. The next write begins another.
    pub(super) fn close_log(&mut self) -> Result<(), Error> {
        if let Some(log) = &self.log {
            let end = log.durable;
            self.shared.manifest().append(Entry::Closed { end })?;
            self.closed_bytes += end.length;
            self.previous = Some(end);
            self.log = None;
        }
        Ok(())
    }
}
