//! The manifest: a framed log of what belongs to the trace.
//!
//! `manifest` is a header and frames as in a log, each holding one entry: the trace was made, a log
//! was begun or ended, logs or small segments became a segment. Readers trust what it names.
//! When it is damaged or names files that are gone, files of the same trace that fill the hole are
//! taken in its place.

mod catalog;
mod entry;
mod load;

use std::path::PathBuf;

use kymo_model::Timestamp;

pub(crate) use catalog::Catalog;
pub use entry::SegmentEntry;
pub(crate) use entry::{Entry, LogEntry};
pub(crate) use load::load;

use crate::directory::{Directory, MANIFEST};
use crate::error::{Error, Format};
use crate::frame::{Encoder, kind};
use crate::fs::WriteFile;
use crate::header::{FileHeader, FileKind, seed};

/// The manifest as its one writer holds it.
#[derive(Debug)]
pub(crate) struct Manifest {
    directory: Directory,
    path: PathBuf,
    pub(crate) catalog: Catalog,
    /// `None` after a failure: the next change writes the whole manifest anew.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: Box<dyn WriteFile>,
    encoder: Encoder,
    entries: u64,
}

const TEMPORARY: &str = "manifest.tmp";
/// A manifest with this many entries that no longer matter is written anew.
const SLACK: u64 = 1000;

impl Manifest {
    /// Writes the manifest of a catalog as a whole and replaces what is there.
    pub(crate) fn write(directory: &Directory, catalog: Catalog) -> Result<Self, Error> {
        let mut manifest = Self {
            directory: directory.clone(),
            path: directory.join(MANIFEST),
            catalog,
            open: None,
        };
        manifest.rewrite()?;
        Ok(manifest)
    }

    /// Adds an entry. When this returns `Ok` it is durable; after an error it does not count.
    pub(crate) fn append(&mut self, entry: Entry) -> Result<(), Error> {
        if self
            .open
            .as_ref()
            .is_none_or(|open| open.entries > SLACK + self.catalog.entries().len() as u64)
        {
            let before = self.catalog.clone();
            self.catalog.apply(entry);
            return self.rewrite().inspect_err(|_| self.catalog = before);
        }
        if let Some(mut open) = self.open.take() {
            open.append(&entry, &self.path)?;
            fail::fail_point!(crate::failpoint::MANIFEST_BEFORE_SYNC);
            open.file.sync().map_err(Error::io("sync", &self.path))?;
            self.open = Some(open);
        }
        self.catalog.apply(entry);
        Ok(())
    }

    fn rewrite(&mut self) -> Result<(), Error> {
        self.open = None;
        let temporary = self.directory.join(TEMPORARY);
        if self.directory.exists(TEMPORARY)? {
            self.directory.remove(TEMPORARY)?;
        }
        let fs = &self.directory.fs;
        let mut file = fs
            .create(&temporary)
            .map_err(Error::io("create", &temporary))?;
        let trace_id = self.catalog.identity.trace_id;
        let header = FileHeader {
            kind: FileKind::Manifest,
            format: Format::CURRENT,
            trace_id,
            number: 0,
            first_seq: 0,
            created: Timestamp(0),
            previous: None,
            length: FileHeader::LENGTH,
        };
        file.append(&header.write())
            .map_err(Error::io("write", &temporary))?;
        let seed = seed(trace_id, 0);
        let mut open = Open {
            file,
            encoder: Encoder::new(seed, seed).map_err(Error::io("compress for", &temporary))?,
            entries: 0,
        };
        for entry in self.catalog.entries() {
            open.append(&entry, &temporary)?;
        }
        fail::fail_point!(crate::failpoint::MANIFEST_BEFORE_SYNC);
        open.file.sync().map_err(Error::io("sync", &temporary))?;
        fs.rename(&temporary, &self.path)
            .map_err(Error::io("rename", &temporary))?;
        self.directory.sync()?;
        self.open = Some(open);
        Ok(())
    }
}

impl Open {
    fn append(&mut self, entry: &Entry, path: &std::path::Path) -> Result<(), Error> {
        let raw = rmp_serde::to_vec_named(entry).map_err(|source| Error::Encode {
            path: path.to_owned(),
            source,
        })?;
        let (frame, crc) = self
            .encoder
            .encode(kind::MANIFEST, self.entries, &raw)
            .map_err(Error::io("compress for", path))?;
        self.file.append(frame).map_err(Error::io("write", path))?;
        self.encoder.accept(crc);
        self.entries += 1;
        Ok(())
    }
}

/// Writes a digest as the manifest holds it.
pub(crate) fn hex(digest: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*digest).to_hex().to_string()
}
