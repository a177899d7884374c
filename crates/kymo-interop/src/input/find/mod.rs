//! Walks folders and archives.

mod archives;

use std::fs;
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kymo_model::Timestamp;

use super::Inputs;
use super::cap::{Budget, Limits, Metered};
use super::decode::{self, Compression, Content};
use super::entry::{Entry, plain};
use super::place::{Once, Place};
use crate::Error;
use crate::vault::{KeepError, Kept, Vault};

/// How many archives may lie in one another.
const DEPTH: usize = 4;
/// How much is read between two questions whether to go on.
const WATCHED_BYTES: usize = 1 << 20;

/// The state of a search.
pub(super) struct Finder<'a> {
    pub(super) limits: &'a Limits,
    pub(super) budget: &'a Budget,
    pub(super) why_skipped: &'a dyn Fn(&str) -> Option<&'static str>,
    pub(super) vault: Arc<Vault>,
    pub(super) found: Inputs,
    /// Asked now and then whether to go on.
    pub(super) go_on: &'a mut dyn FnMut() -> Result<(), Error>,
    /// How many entries the present archive has so far.
    pub(super) entries: usize,
}

/// Something that is an entry or an archive of entries.
struct Candidate {
    name: String,
    /// As in [`Entry`], with the suffix of a compression.
    path: String,
    root: usize,
    modified: Option<Timestamp>,
    place: Place,
    /// How long it is as it is stored.
    length: u64,
    /// How many archives it lies in.
    depth: usize,
    /// Whether the user named it, so that it is read whatever its name.
    is_named: bool,
}

impl Candidate {
    /// Names an entry of this archive.
    fn inside(&self, path: &str, modified: Option<Timestamp>, place: Place, length: u64) -> Self {
        let below = if self.is_named && self.depth == 0 {
            path.to_owned()
        } else {
            format!("{}/{path}", plain(&self.path))
        };
        Self {
            name: format!("{}!{path}", self.name),
            path: below,
            root: self.root,
            modified,
            place,
            length,
            depth: self.depth + 1,
            is_named: false,
        }
    }
}

impl Finder<'_> {
    /// Looks at every path.
    pub(super) fn find(mut self, paths: &[PathBuf]) -> Result<Inputs, Error> {
        for (root, path) in paths.iter().enumerate() {
            if path.as_os_str() == "-" {
                self.pipe("-", String::new(), root, Box::new(io::stdin()))?;
                continue;
            }
            let metadata = fs::metadata(path).map_err(|source| Error::open(path, source))?;
            let own = path.file_name().unwrap_or_default().to_string_lossy();
            if metadata.is_dir() {
                self.folder(path, "", root)?;
            } else if metadata.is_file() {
                self.file(path, own.into_owned(), root, &metadata, true)?;
            } else {
                let file = fs::File::open(path).map_err(|source| Error::open(path, source))?;
                let name = path.display().to_string();
                self.pipe(&name, own.into_owned(), root, Box::new(file))?;
            }
        }
        self.budget.set_bytes_total(self.found.bytes);
        Ok(self.found)
    }

    fn folder(&mut self, folder: &Path, below: &str, root: usize) -> Result<(), Error> {
        let entries = fs::read_dir(folder).map_err(|source| Error::open(folder, source))?;
        let mut paths = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|source| Error::open(folder, source))?;
            paths.push(entry.path());
        }
        paths.sort();
        for path in paths {
            let metadata =
                fs::symlink_metadata(&path).map_err(|source| Error::open(&path, source))?;
            let own = path.file_name().unwrap_or_default().to_string_lossy();
            let inner = format!("{below}{own}");
            if metadata.is_dir() {
                self.folder(&path, &format!("{inner}/"), root)?;
            } else if metadata.is_file() {
                self.file(&path, inner, root, &metadata, false)?;
            } else {
                let reason = if metadata.is_symlink() {
                    "a link"
                } else {
                    "not a regular file"
                };
                let name = path.display().to_string();
                self.found.skipped.push((name, reason));
            }
        }
        Ok(())
    }

    fn file(
        &mut self,
        path: &Path,
        inner: String,
        root: usize,
        metadata: &fs::Metadata,
        is_named: bool,
    ) -> Result<(), Error> {
        self.entries = 0;
        self.look(Candidate {
            name: path.display().to_string(),
            path: inner,
            root,
            modified: metadata.modified().ok().and_then(timestamp),
            place: Place::File(path.to_owned()),
            length: metadata.len(),
            depth: 0,
            is_named,
        })
    }

    /// Finds out what a candidate is, and takes it or what is in it.
    fn look(&mut self, candidate: Candidate) -> Result<(), Error> {
        (self.go_on)()?;
        let unmetered = self.budget.unmetered();
        let shape = candidate
            .place
            .open(&unmetered)
            .and_then(decode::sniff)
            .map_err(|source| failed(&candidate.name, source))?;
        let is_plain = shape.compression == Compression::None && candidate.place.is_seekable();
        let is_archive = match shape.content {
            Content::Stream => false,
            Content::Tar | Content::Zip => true,
        };
        if is_archive && candidate.depth >= DEPTH {
            let reason = "archives are nested too deep";
            self.found.skipped.push((candidate.name, reason));
            return Ok(());
        }
        if !is_archive {
            self.take(candidate);
            return Ok(());
        }
        if shape.content == Content::Tar {
            if is_plain {
                return self.tar(&candidate);
            }
            let reader = candidate.place.open(self.budget);
            let reader = reader.and_then(|reader| {
                decode::decode(
                    Box::new(BufReader::with_capacity(128 << 10, reader)),
                    self.budget,
                )
            });
            self.add_bytes(candidate.length);
            let reader = reader.map_err(|source| failed(&candidate.name, source))?;
            return self.tape(&candidate, reader);
        }
        if is_plain {
            return self.zip(&candidate);
        }
        let decoded = candidate.place.open(self.budget).and_then(|reader| {
            decode::decode(
                Box::new(BufReader::with_capacity(128 << 10, reader)),
                self.budget,
            )
        });
        self.add_bytes(candidate.length);
        let mut decoded = decoded.map_err(|source| failed(&candidate.name, source))?;
        self.zip_aside(candidate, &mut decoded)
    }

    fn keep(&mut self, name: &str, bytes: &mut dyn Read) -> Result<Kept, Error> {
        let mut watched = Watched {
            inner: bytes,
            go_on: &mut *self.go_on,
            since: 0,
            stopped: None,
        };
        let kept = self.vault.keep(&mut watched);
        match (kept, watched.stopped) {
            (_, Some(error)) => Err(error),
            (Ok(kept), None) => Ok(kept),
            (Err(KeepError::Read(source)), None) => Err(failed(name, source)),
            (Err(KeepError::Write(source)), None) => Err(Error::Write {
                path: self.vault.folder().to_owned(),
                source,
            }),
        }
    }

    /// Takes what is no archive, unless its name says that it is something else.
    fn take(&mut self, candidate: Candidate) {
        let path = plain(&candidate.path).to_owned();
        let why_skipped = self.why_skipped;
        if let Some(reason) = (!candidate.is_named).then(|| why_skipped(&path)).flatten() {
            self.found.skipped.push((candidate.name, reason));
            return;
        }
        // What was put aside was counted when it was read.
        if !matches!(candidate.place, Place::Kept(_)) {
            self.add_bytes(candidate.length);
        }
        self.found.entries.push(Entry {
            name: candidate.name,
            path,
            root: candidate.root,
            modified: candidate.modified,
            is_named: candidate.is_named,
            place: candidate.place,
            vault: Arc::clone(&self.vault),
        });
    }

    fn add_bytes(&mut self, length: u64) {
        if let Some(bytes) = &mut self.found.bytes {
            *bytes = bytes.saturating_add(length);
        }
    }

    /// Takes what can be read only once.
    fn pipe(
        &mut self,
        name: &str,
        path: String,
        root: usize,
        pipe: Box<dyn Read + Send>,
    ) -> Result<(), Error> {
        let failed = |source| failed(name, source);
        self.entries = 0;
        self.found.bytes = None;
        let pipe = BufReader::with_capacity(128 << 10, Metered::new(pipe, self.budget));
        let mut decoded = decode::decode(Box::new(pipe), self.budget).map_err(failed)?;
        // A stream that is just being written may not have as many bytes yet.
        let is_json = decoded.fill_buf().map_err(failed)?.starts_with(b"{");
        let start = if is_json {
            Vec::new()
        } else {
            decode::read_start(&mut decoded, decode::START_BYTES).map_err(failed)?
        };
        let content = decode::content(&start);
        let mut candidate = Candidate {
            name: name.to_owned(),
            path,
            root,
            modified: None,
            place: Place::File(PathBuf::new()),
            length: 0,
            depth: 0,
            is_named: true,
        };
        match content {
            Content::Tar => {
                let whole = BufReader::new(Cursor::new(start).chain(decoded));
                self.tape(&candidate, Box::new(whole))
            }
            Content::Zip => self.zip_aside(candidate, &mut Cursor::new(start).chain(decoded)),
            Content::Stream => {
                candidate.place = Place::Once(Arc::new(Once::new(start, decoded)));
                self.take(candidate);
                Ok(())
            }
        }
    }
}

/// Asks now and then whether to go on reading.
struct Watched<'a> {
    inner: &'a mut dyn Read,
    go_on: &'a mut dyn FnMut() -> Result<(), Error>,
    since: usize,
    stopped: Option<Error>,
}

impl Read for Watched<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.since > WATCHED_BYTES {
            self.since = 0;
            if let Err(error) = (self.go_on)() {
                self.stopped = Some(error);
                return Err(io::Error::other("stopped"));
            }
        }
        let length = self.inner.read(out)?;
        self.since += length;
        Ok(length)
    }
}

fn failed(name: &str, source: io::Error) -> Error {
    Error::Read {
        path: name.to_owned(),
        source,
    }
}

fn timestamp(time: std::time::SystemTime) -> Option<Timestamp> {
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_nanos()).ok().map(Timestamp)
}
