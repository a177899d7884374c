use std::path::Path;
use std::sync::{Arc, Mutex};

use kymo_model::{Clock, Coverage};

use super::{Shared, Writer, WriterOptions};
use crate::contents::Contents;
use crate::directory::{BALLAST, Directory, LOCK, MANIFEST, QUARANTINE};
use crate::error::{Error, Format};
use crate::fs::{EntryKind, Filesystem, Lock, LockGuard};
use crate::header::LogEnd;
use crate::manifest::{Catalog, Entry, Manifest};
use crate::record::{LogRecord, TraceIdentity};
use crate::resume::Fold;

impl Writer {
    /// Makes a trace. The path must not exist, or be an empty directory, or what an interrupted
    /// `create` left.
    pub fn create(
        fs: Arc<dyn Filesystem>,
        path: &Path,
        identity: TraceIdentity,
        clock: Arc<dyn Clock>,
        options: WriterOptions,
    ) -> Result<Self, Error> {
        let directory = Directory::new(fs, path);
        prepare(&directory)?;
        let lock = lock(&directory)?;
        if directory.exists(MANIFEST)? {
            return Err(Error::Exists {
                path: path.to_owned(),
            });
        }
        let mut identity = identity;
        if identity.trace_id.is_nil() {
            identity = TraceIdentity::new(identity.cluster_uid);
        }
        let catalog = Catalog::new(identity, clock.now());
        let manifest = Manifest::write(&directory, catalog)?;
        if let Some(parent) = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            directory
                .fs
                .sync_dir(parent)
                .map_err(Error::io("sync", parent))?;
        }
        let mut writer = Self::assemble(directory, lock, manifest, clock, options);
        if writer.take_ballast()? {
            Ok(writer)
        } else {
            Err(writer.disk_full_error(None))
        }
    }

    /// Opens a trace to add to it. What a crash left is recovered: nothing readable is removed,
    /// torn bytes and files that nothing needs are moved to `quarantine/`, and seqs that are lost
    /// become a gap in the coverage.
    pub fn open(
        fs: Arc<dyn Filesystem>,
        path: &Path,
        clock: Arc<dyn Clock>,
        options: WriterOptions,
    ) -> Result<Self, Error> {
        let directory = Directory::new(fs, path);
        match directory
            .fs
            .kind(path)
            .map_err(Error::io("look at", path))?
        {
            Some(EntryKind::Directory) => {}
            Some(_) => {
                return Err(Error::NotATrace {
                    path: path.to_owned(),
                    reason: "only a directory can be written to",
                });
            }
            None => {
                let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
                return Err(Error::io("open", path)(missing));
            }
        }
        // Before the lock: the lock file must not appear in a directory that is no trace.
        drop(crate::survey::survey(&directory)?);
        let lock = lock(&directory)?;
        let contents = Contents::load(&directory)?;
        let manifest = recover(&directory, &contents)?;
        let mut writer = Self::assemble(directory, lock, manifest, clock, options);
        writer.feeds = contents
            .feeds
            .iter()
            .map(|(id, feed)| (*id, feed.clone()))
            .collect();
        writer.sessions = contents.sessions.keys().next_back().copied().unwrap_or(0);
        writer.next_seq = contents.next_seq;
        writer.previous = last_end(&contents);
        writer.fold = Fold::of(&contents);
        let gaps: Vec<Coverage> = contents.lost().cloned().collect();
        writer.record_gaps(&gaps)?;
        if !writer.take_ballast()? {
            writer.full = true;
        }
        Ok(writer)
    }

    fn assemble(
        directory: Directory,
        lock: Box<dyn LockGuard>,
        manifest: Manifest,
        clock: Arc<dyn Clock>,
        options: WriterOptions,
    ) -> Self {
        let identity = manifest.catalog.identity.clone();
        let last_commit = clock.monotonic();
        Self {
            shared: Arc::new(Shared {
                directory,
                manifest: Mutex::new(manifest),
                options,
                working: Mutex::new(()),
                clock,
                _lock: Mutex::new(lock),
            }),
            identity,
            log: None,
            previous: None,
            pending: Vec::new(),
            pending_events: 0,
            undurable: false,
            next_seq: 1,
            last_commit,
            session: None,
            sessions: 0,
            feeds: Vec::new(),
            fold: Fold::default(),
            live: None,
            stale: false,
            full: false,
            gap_owed: None,
            ballast: false,
            closed_bytes: 0,
        }
    }

    /// Puts gaps found on opening on record; the next commit makes them durable.
    fn record_gaps(&mut self, gaps: &[Coverage]) -> Result<(), Error> {
        for gap in gaps {
            self.append_record(&LogRecord::Gap(gap.clone()))?;
        }
        Ok(())
    }
}

fn prepare(directory: &Directory) -> Result<(), Error> {
    let path = &directory.path;
    match directory.fs.create_dir(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let Ok(entries) = directory.fs.list(path) else {
                return Err(Error::Exists { path: path.clone() });
            };
            let ours = [LOCK, BALLAST, QUARANTINE, "manifest.tmp"];
            if entries
                .iter()
                .all(|(name, _)| ours.contains(&name.as_str()))
            {
                return Ok(());
            }
            Err(Error::Exists { path: path.clone() })
        }
        Err(error) => Err(Error::io("create", path)(error)),
    }
}

fn lock(directory: &Directory) -> Result<Box<dyn LockGuard>, Error> {
    let path = directory.join(LOCK);
    match directory.fs.lock(&path).map_err(Error::io("lock", &path))? {
        Lock::Held(guard) => Ok(guard),
        Lock::Busy(pid) => Err(Error::Locked {
            path: directory.path.clone(),
            pid,
        }),
    }
}

fn last_end(contents: &Contents) -> Option<LogEnd> {
    let open = contents.open_end().map(|(_, end)| end);
    open.or_else(|| {
        let last = contents.catalog.logs.keys().next_back()?;
        contents.catalog.ends.get(last).copied()
    })
}

/// Makes the directory what the survey found: sets torn bytes and needless files aside, and
/// writes down where the last log ends.
fn recover(directory: &Directory, contents: &Contents) -> Result<Manifest, Error> {
    for log in &contents.logs {
        if let Some((from, to)) = log.summary.torn {
            directory.keep_bytes(&log.entry.name, from, to)?;
            let path = directory.join(&log.entry.name);
            let mut file = directory
                .fs
                .open_write(&path)
                .map_err(Error::io("open", &path))?;
            file.truncate(from).map_err(Error::io("cut", &path))?;
            file.sync().map_err(Error::io("sync", &path))?;
        }
    }
    for name in &contents.orphans {
        directory.set_aside(name)?;
    }
    if contents.manifest_faults && directory.exists(MANIFEST)? {
        let path = directory.join(MANIFEST);
        let file = directory
            .fs
            .open_read(&path)
            .map_err(Error::io("open", &path))?;
        let length = file.len().map_err(Error::io("read", &path))?;
        directory.keep_bytes(MANIFEST, 0, length)?;
    }
    let mut catalog = contents.catalog.clone();
    catalog.format = Format::CURRENT;
    if let Some((_, end)) = contents.open_end() {
        catalog.apply(Entry::Closed { end });
    }
    // A missing log whose end nothing tells must not keep the others from being sealed.
    for (number, gap) in &contents.missing {
        if catalog.logs.contains_key(number) && !catalog.ends.contains_key(number) {
            let next_seq = gap.to_seq.map_or(1, |seq| seq + 1);
            catalog.apply(Entry::Closed {
                end: LogEnd {
                    number: *number,
                    length: 0,
                    next_seq,
                    chain: 0,
                },
            });
        }
    }
    Manifest::write(directory, catalog)
}
