//! Inputs as a user names them: files, folders, archives, standard input, compressed or not.

mod archive;
mod cap;
mod decode;
mod text;

use std::fs;
use std::io::{self, BufReader, Read as _};
use std::path::{Path, PathBuf};

pub(crate) use cap::Budget;
pub use cap::Limits;
pub(crate) use text::Text;

use crate::Error;

/// One stream of an input, opened by [`Entry::open`].
#[derive(Debug)]
pub(crate) struct Entry {
    /// How messages name it: a path, or `archive.zip!entry`.
    pub(crate) name: String,
    /// The path below the folder that the user named, or inside the archive; without suffixes of
    /// compression.
    pub(crate) path: String,
    place: Place,
}

/// The beginning of an entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample<'a> {
    /// The path of the entry.
    pub(crate) path: &'a str,
    /// Its first bytes, decompressed.
    pub(crate) start: &'a [u8],
}

#[derive(Debug)]
enum Place {
    Stdin,
    File(PathBuf),
    /// Bytes inside a file: an entry of a tar or zip archive.
    Part(archive::Part),
    /// An entry of an archive that can only be read from front to back.
    Held(Vec<u8>),
}

/// What was found under the paths that the user gave.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    /// Streams that can be opened in any order.
    pub(crate) entries: Vec<Entry>,
    /// Files that are not read, with the reason.
    pub(crate) skipped: Vec<(String, &'static str)>,
}

type WhySkipped<'a> = &'a dyn Fn(&str) -> Option<&'static str>;

impl Inputs {
    /// Looks at every path; folders are walked in the order of names, links in them not followed.
    pub(crate) fn find(
        paths: &[PathBuf],
        limits: &Limits,
        budget: &Budget,
        _workshop: &Path,
        why_skipped: WhySkipped<'_>,
    ) -> Result<Self, Error> {
        let mut inputs = Self::default();
        for path in paths {
            if path.as_os_str() == "-" {
                inputs.entries.push(Entry {
                    name: "-".to_owned(),
                    path: String::new(),
                    place: Place::Stdin,
                });
                continue;
            }
            let metadata = fs::metadata(path).map_err(|source| Error::open(path, source))?;
            if metadata.is_dir() {
                inputs.walk(path, path, limits, budget, why_skipped)?;
            } else {
                let base = file_name(path);
                inputs.add_file(path, &base, limits, budget, why_skipped)?;
            }
        }
        Ok(inputs)
    }

    fn walk(
        &mut self,
        root: &Path,
        folder: &Path,
        limits: &Limits,
        budget: &Budget,
        why_skipped: WhySkipped<'_>,
    ) -> Result<(), Error> {
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
            let name = path.display().to_string();
            let below = path.strip_prefix(root).unwrap_or(&path).to_string_lossy();
            let below = plain_path(&below);
            if metadata.is_symlink() {
                self.skipped.push((name, "a link"));
            } else if metadata.is_dir() {
                self.walk(root, &path, limits, budget, why_skipped)?;
            } else if let Some(reason) = why_skipped(&below) {
                self.skipped.push((name, reason));
            } else {
                self.add_file(&path, &below, limits, budget, why_skipped)?;
            }
        }
        Ok(())
    }

    fn add_file(
        &mut self,
        path: &Path,
        below: &str,
        limits: &Limits,
        budget: &Budget,
        why_skipped: WhySkipped<'_>,
    ) -> Result<(), Error> {
        let name = path.display().to_string();
        match decode::sniff(path).map_err(|source| Error::open(path, source))? {
            decode::Shape::Stream => self.entries.push(Entry {
                path: plain_path(below),
                place: Place::File(path.to_owned()),
                name,
            }),
            decode::Shape::CompressedTar => self.hold_tape(path, limits, budget, why_skipped)?,
            decode::Shape::Tar => archive::find_in_tar(path, limits, why_skipped, self)?,
            decode::Shape::Zip => archive::find_in_zip(path, limits, why_skipped, self)?,
        }
        Ok(())
    }

    fn add_part(
        &mut self,
        name: String,
        entry: &str,
        part: archive::Part,
        why_skipped: WhySkipped<'_>,
    ) {
        let path = plain_path(entry);
        if let Some(reason) = why_skipped(&path) {
            self.skipped.push((name, reason));
            return;
        }
        self.entries.push(Entry {
            path,
            place: Place::Part(part),
            name,
        });
    }

    /// Holds the entries of an archive that can only be read from front to back, compressed.
    fn hold_tape(
        &mut self,
        path: &Path,
        limits: &Limits,
        budget: &Budget,
        why_skipped: WhySkipped<'_>,
    ) -> Result<(), Error> {
        let archive_name = path.display().to_string();
        let failed = |source| Error::Read {
            path: archive_name.clone(),
            source,
        };
        let file = fs::File::open(path).map_err(|source| Error::open(path, source))?;
        let reader = BufReader::with_capacity(128 * 1024, file);
        let reader = decode::decode(Box::new(reader), budget).map_err(failed)?;
        let mut tar = tar::Archive::new(reader);
        for (count, entry) in tar.entries().map_err(failed)?.enumerate() {
            let mut entry = entry.map_err(failed)?;
            archive::check_count(&archive_name, count, limits)?;
            let inside = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            archive::check_entry(&archive_name, &inside)?;
            let name = format!("{archive_name}!{inside}");
            if entry.header().entry_type().is_dir() {
                continue;
            }
            if !entry.header().entry_type().is_file() {
                self.skipped.push((name, "not a regular file"));
                continue;
            }
            let below = plain_path(&inside);
            if let Some(reason) = why_skipped(&below) {
                self.skipped.push((name, reason));
                continue;
            }
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).map_err(failed)?;
            let mut decoded =
                decode::decode(Box::new(BufReader::new(&mut entry)), budget).map_err(failed)?;
            io::copy(&mut decoded, &mut encoder).map_err(failed)?;
            self.entries.push(Entry {
                name,
                path: below,
                place: Place::Held(encoder.finish().map_err(failed)?),
            });
        }
        Ok(())
    }
}

impl Entry {
    /// Opens the entry, decompressing within the limits.
    pub(crate) fn open(&self, budget: &Budget) -> Result<Text<'static>, Error> {
        let failed = |source| Error::Open {
            path: self.name.clone(),
            source,
        };
        let reader: Box<dyn io::Read> = match &self.place {
            Place::Stdin => Box::new(io::stdin()),
            Place::File(path) => Box::new(fs::File::open(path).map_err(failed)?),
            Place::Part(part) => part.open(budget).map_err(failed)?,
            Place::Held(bytes) => Box::new(io::Cursor::new(bytes.clone())),
        };
        let reader = BufReader::with_capacity(128 * 1024, reader);
        decode::decode(Box::new(reader), budget)
            .map(Text::new)
            .map_err(failed)
    }

    /// Returns the name of the file itself, without folders and suffixes.
    pub(crate) fn stem(&self) -> &str {
        let base = self.path.rsplit('/').next().unwrap_or(&self.path);
        [".list.json", ".ndjson", ".jsonl", ".json"]
            .iter()
            .find_map(|suffix| base.strip_suffix(suffix))
            .unwrap_or(base)
    }

    /// Reads the beginning of the entry.
    pub(crate) fn start(&self, budget: &Budget) -> Result<Vec<u8>, Error> {
        let mut start = Vec::new();
        self.open(budget)?
            .take(SAMPLE)
            .read_to_end(&mut start)
            .map_err(|source| Error::Read {
                path: self.name.clone(),
                source,
            })?;
        Ok(start)
    }

    /// Shows a beginning to the formats.
    pub(crate) fn sample<'a>(&'a self, start: &'a [u8]) -> Sample<'a> {
        Sample {
            path: &self.path,
            start,
        }
    }
}

/// How much of an entry tells its format.
const SAMPLE: u64 = 64 * 1024;

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Takes `.gz` and `.zst` off a path.
fn plain_path(path: &str) -> String {
    let mut path = path;
    for suffix in [".gz", ".zst", ".zstd"] {
        path = path.strip_suffix(suffix).unwrap_or(path);
    }
    path.to_owned()
}
