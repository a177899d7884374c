use std::io;

use kymo_model::{Cause, CoverageState, FeedId, Timestamp};

use super::Writer;
use crate::directory::BALLAST;
use crate::error::{Error, is_no_space};
use crate::record::LogRecord;

impl Writer {
    /// Leaves a log that the disk did not keep: what lies behind its last durable frame is void,
    /// and nothing is written to it again.
    pub(super) fn on_sync_failure(&mut self, source: io::Error) -> Error {
        let path = self
            .log
            .as_ref()
            .map_or_else(|| self.path().to_owned(), |log| log.path.clone());
        if let Some(log) = self.log.take() {
            self.closed_bytes += log.durable.length;
            self.previous = Some(log.durable);
        }
        self.void_pending();
        // The header of the next log says where this one ends. If it cannot be begun now, the
        // next write tries again.
        if let Err(error) = self.ensure_log() {
            tracing::warn!(%error, "no new log yet after a failed sync");
        }
        Error::FsyncFailed { path, source }
    }

    /// Drops what was not written. The fold counted on it, so it is read anew when needed.
    fn void_pending(&mut self) {
        self.pending.clear();
        self.pending_events = 0;
        self.next_seq = match (&self.log, self.previous) {
            (Some(log), _) => log.written_end().next_seq,
            (None, Some(end)) => end.next_seq,
            (None, None) => self.next_seq,
        };
        self.stale = true;
        self.live = None;
    }

    /// Tells whether the disk is nearly full.
    pub(super) fn is_low(&self) -> Result<bool, Error> {
        let directory = &self.shared.directory;
        let free = directory
            .fs
            .free_space(&directory.path)
            .map_err(Error::io("look at", &directory.path))?;
        Ok(free.is_some_and(|free| free < self.shared.options.low_water_bytes))
    }

    /// Stops taking events: gives the ballast back, writes what is pending and that every observed
    /// feed is not observed from here on.
    pub(super) fn on_disk_full(&mut self, cause: Option<Error>) -> Error {
        self.full = true;
        let now = self.shared.clock.now();
        self.release_ballast();
        let written = self
            .try_write_pending()
            .and_then(|()| self.put_disk_full(now))
            .and_then(|()| self.try_write_pending())
            .and_then(|()| self.sync_log());
        match written {
            Ok(()) => self.undurable = false,
            Err(error) if error.is_fsync_failed() => {
                self.gap_owed = Some(now);
                return error;
            }
            Err(error) => {
                tracing::warn!(%error, "the disk is full to the last byte");
                self.void_pending();
                self.gap_owed = Some(now);
            }
        }
        match cause {
            Some(Error::DiskFull { path, source }) => Error::DiskFull { path, source },
            Some(Error::Io { source, .. }) => self.disk_full_error(Some(source)),
            _ => self.disk_full_error(None),
        }
    }

    fn put_disk_full(&mut self, since: Timestamp) -> Result<(), Error> {
        let feeds: Vec<FeedId> = self.feeds.iter().map(|(id, _)| *id).collect();
        for feed in feeds {
            let Some(state) = self.fold.state(feed) else {
                continue;
            };
            if state.state != Some(CoverageState::Observed) {
                continue;
            }
            let record = LogRecord::Transition {
                feed,
                epoch: state.epoch,
                ts: state.last_ts.map_or(since, |last| last.max(since)),
                state: CoverageState::Unobserved,
                cause: Cause::DiskFull,
                rv: state.rv().cloned(),
                detail: None,
            };
            self.put_pending(&record)?;
            self.fold.record(self.next_seq, &record);
        }
        Ok(())
    }

    /// Looks whether there is space again; returns `true` once events are taken again. Then every
    /// feed goes on from [`Writer::resume`].
    pub fn try_resume_after_disk_full(&mut self) -> Result<bool, Error> {
        if !self.full {
            return Ok(true);
        }
        let options = &self.shared.options;
        let need = options.ballast_bytes + 2 * options.low_water_bytes;
        let directory = &self.shared.directory;
        let free = directory
            .fs
            .free_space(&directory.path)
            .map_err(Error::io("look at", &directory.path))?;
        if free.is_some_and(|free| free < need) || !self.take_ballast()? {
            return Ok(false);
        }
        if self.stale {
            let contents = crate::contents::Contents::load(&self.shared.directory)?;
            self.refold(&contents);
        }
        let written = match self.gap_owed {
            Some(since) => self
                .put_disk_full(since)
                .and_then(|()| self.try_write_pending())
                .and_then(|()| self.sync_log()),
            None => Ok(()),
        };
        match written {
            Ok(()) => {
                self.gap_owed = None;
                self.full = false;
                Ok(true)
            }
            Err(error) if error.is_disk_full() => {
                self.void_pending();
                self.release_ballast();
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Tells whether events are refused because the disk is full.
    pub fn is_disk_full(&self) -> bool {
        self.full
    }

    /// Reserves the space for the last words; `false` if there is none.
    pub(super) fn take_ballast(&mut self) -> Result<bool, Error> {
        if self.ballast || self.shared.options.ballast_bytes == 0 {
            return Ok(true);
        }
        let path = self.join(BALLAST);
        let fs = &self.shared.directory.fs;
        let reserve = || {
            let mut file = match fs.create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs.open_write(&path),
                created => created,
            }?;
            file.preallocate(self.shared.options.ballast_bytes)
        };
        match reserve() {
            Ok(()) => {
                self.ballast = true;
                Ok(true)
            }
            Err(error) if is_no_space(&error) => {
                drop(self.shared.directory.remove(BALLAST));
                Ok(false)
            }
            Err(error) => Err(Error::io("reserve", &path)(error)),
        }
    }

    fn release_ballast(&mut self) {
        if self.ballast {
            if let Err(error) = self.shared.directory.remove(BALLAST) {
                tracing::warn!(%error, "the ballast stays");
            }
            self.ballast = false;
        }
    }
}
