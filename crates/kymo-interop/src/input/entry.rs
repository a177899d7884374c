use std::sync::Arc;

use kymo_model::Timestamp;

use super::cap::Budget;
use super::place::Place;
use super::source::{Reopened, Source};
use super::text::Text;
use crate::Error;
use crate::vault::{KeepError, Vault};

/// One file, archive entry or pipe that is read.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// How messages name it: `a.tar.gz!dir/file.json.gz`.
    pub(crate) name: String,
    /// Its path below the path that the user gave, or inside the archive; parts are separated
    /// by `/`, and the suffix of a compression is left off. The name of a file that the user
    /// gave itself; empty for standard input.
    pub(crate) path: String,
    /// Which of the user's paths it is of.
    pub(crate) root: usize,
    /// When it was changed last, as far as its folder or archive tells.
    pub(crate) modified: Option<Timestamp>,
    /// Whether the user named it, so that it is read whatever it is called.
    pub(crate) is_named: bool,
    pub(super) place: Place,
    pub(super) vault: Arc<Vault>,
}

/// The beginning of an entry, for a guess at its format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample<'a> {
    /// The path of the entry.
    pub(crate) path: &'a str,
    /// Its first bytes, decompressed; not more than 64 KiB.
    pub(crate) start: &'a [u8],
}

/// How much of an entry a sample shows.
pub(super) const SAMPLE_BYTES: usize = 64 << 10;
/// Suffixes that are no part of the name proper.
const SUFFIXES: [&str; 8] = [
    ".list.json",
    ".ndjson",
    ".jsonl",
    ".json",
    ".yaml",
    ".yml",
    ".log",
    ".txt",
];

impl Entry {
    /// Opens its text, decompressing within the limits. The file itself is opened when the text
    /// is first read.
    pub(crate) fn open(&self, budget: &Budget) -> Result<Text<'static>, Error> {
        let source = match &self.place {
            Place::Once(once) => Source::Reader(once.take().map_err(|source| self.failed(source))?),
            place => {
                let entry = Reopened::new(place.clone(), budget, &self.vault);
                Source::Entry(Box::new(entry))
            }
        };
        Ok(Text::of(source))
    }

    /// Puts what can be read only once aside, so that it can be read again.
    pub(crate) fn again(self, budget: &Budget) -> Result<Self, Error> {
        if !matches!(self.place, Place::Once(_)) {
            return Ok(self);
        }
        let opened = self.place.open(budget);
        let mut reader = opened.map_err(|source| self.failed(source))?;
        match self.vault.keep(&mut reader) {
            Ok(kept) => Ok(Self {
                place: Place::Kept(kept),
                ..self
            }),
            Err(KeepError::Read(source)) => Err(self.failed(source)),
            Err(KeepError::Write(source)) => Err(Error::Write {
                path: self.vault.folder().to_owned(),
                source,
            }),
        }
    }

    /// Reads the beginning for a [`Sample`]; what follows damage is left off.
    pub(crate) fn start(&self, budget: &Budget) -> Result<Vec<u8>, Error> {
        if let Place::Once(once) = &self.place {
            return once
                .start(SAMPLE_BYTES)
                .map_err(|source| self.failed(source));
        }
        let mut text = self.open(budget)?;
        let mut start = vec![0; SAMPLE_BYTES];
        let mut filled = 0;
        while let Some(rest) = start.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match std::io::Read::read(&mut text, rest) {
                Ok(0) => break,
                Ok(length) => filled += length,
                Err(error) if super::Damage::of(&error).is_some() => break,
                Err(source) => return Err(self.failed(source)),
            }
        }
        start.truncate(filled);
        Ok(start)
    }

    /// Shows a beginning to the formats.
    pub(crate) fn sample<'a>(&'a self, start: &'a [u8]) -> Sample<'a> {
        Sample {
            path: &self.path,
            start,
        }
    }

    /// Returns the name of the file without suffixes: `core_v1_pods` of
    /// `dir/core_v1_pods.list.json.gz`.
    pub(crate) fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        let stem = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
        stem.unwrap_or(name)
    }

    /// Tells whether it can be read only once, as a pipe can.
    pub(crate) fn is_once(&self) -> bool {
        matches!(self.place, Place::Once(_))
    }

    fn failed(&self, source: std::io::Error) -> Error {
        Error::Read {
            path: self.name.clone(),
            source,
        }
    }
}

/// Takes the suffix of a compression off a path.
pub(super) fn plain(path: &str) -> &str {
    let mut plain = path;
    for suffix in [".gz", ".zst", ".zstd", ".xz"] {
        plain = plain.strip_suffix(suffix).unwrap_or(plain);
    }
    plain
}

#[cfg(test)]
impl Entry {
    /// Makes an entry of bytes, as if they came from a file named `path`.
    pub(crate) fn of_bytes(path: &str, bytes: &[u8]) -> Self {
        let vault = Arc::new(Vault::new(&std::env::temp_dir()));
        let kept = vault.keep(&mut &*bytes).unwrap();
        Self {
            name: path.to_owned(),
            path: plain(path).to_owned(),
            root: 0,
            modified: None,
            is_named: true,
            place: Place::Kept(kept),
            vault,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    #[test]
    fn names_lose_their_suffixes() {
        for (path, stem) in [
            ("a/core_v1_pods.list.json", "core_v1_pods"),
            ("core_v1_pods.ndjson.zst", "core_v1_pods"),
            ("audit.log.xz", "audit"),
            ("", ""),
        ] {
            assert_eq!(Entry::of_bytes(path, b"").stem(), stem);
        }
    }

    #[test]
    fn the_beginning_of_a_compressed_entry_is_shown_decompressed() {
        let budget = Budget::new(Limits::default());
        let bytes = b"0123456789".repeat(20_000);
        let packed = zstd::bulk::compress(&bytes, 1).unwrap();
        for stored in [&bytes, &packed] {
            let entry = Entry::of_bytes("a.zst", stored);
            assert!(entry.start(&budget).unwrap() == bytes[..SAMPLE_BYTES]);
        }
        let cut = Entry::of_bytes("a.zst", &packed[..packed.len() - 5]);
        assert!(bytes.starts_with(&cut.start(&budget).unwrap()));
    }
}
