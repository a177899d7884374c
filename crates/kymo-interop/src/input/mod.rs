//! Inputs as a user names them: files, folders, archives, standard input, compressed or not.

mod archive;
mod cap;
mod decode;
mod text;

use std::fs;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

pub(crate) use cap::Budget;
pub use cap::Limits;
pub(crate) use text::Text;

use crate::Error;

/// One stream of an input, opened by [`Stream::open`].
#[derive(Debug)]
pub(crate) struct Stream {
    /// How messages name it: a path, or `archive.zip!entry`.
    pub(crate) name: String,
    /// The name of the file itself, without folders and compression suffixes.
    pub(crate) file_name: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Stdin,
    File(PathBuf),
    /// Bytes inside a file: an entry of a tar or zip archive.
    Part(archive::Part),
}

/// An archive that can only be read from front to back.
#[derive(Debug)]
pub(crate) struct Tape {
    /// How messages name it.
    pub(crate) name: String,
    path: PathBuf,
}

/// What was found under the paths that the user gave.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    /// Streams that can be opened in any order.
    pub(crate) streams: Vec<Stream>,
    /// Compressed tar archives.
    pub(crate) tapes: Vec<Tape>,
    /// Files that are no streams, with the reason.
    pub(crate) skipped: Vec<(String, &'static str)>,
}

impl Inputs {
    /// Looks at every path; folders are walked in the order of names, links in them not followed.
    pub(crate) fn find(paths: &[PathBuf], limits: &Limits) -> Result<Self, Error> {
        let mut inputs = Self::default();
        for path in paths {
            if path.as_os_str() == "-" {
                inputs.streams.push(Stream {
                    name: "-".to_owned(),
                    file_name: String::new(),
                    place: Place::Stdin,
                });
                continue;
            }
            let metadata = fs::metadata(path).map_err(|source| Error::open(path, source))?;
            if metadata.is_dir() {
                inputs.walk(path, limits)?;
            } else {
                inputs.add_file(path, limits)?;
            }
        }
        Ok(inputs)
    }

    fn walk(&mut self, folder: &Path, limits: &Limits) -> Result<(), Error> {
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
            if metadata.is_symlink() {
                self.skipped.push((name, "a link"));
            } else if metadata.is_dir() {
                self.walk(&path, limits)?;
            } else if let Some(reason) = why_skipped(&file_name(&path)) {
                self.skipped.push((name, reason));
            } else {
                self.add_file(&path, limits)?;
            }
        }
        Ok(())
    }

    fn add_file(&mut self, path: &Path, limits: &Limits) -> Result<(), Error> {
        let name = path.display().to_string();
        match decode::sniff(path).map_err(|source| Error::open(path, source))? {
            decode::Shape::Stream => self.streams.push(Stream {
                file_name: plain_name(&file_name(path)),
                place: Place::File(path.to_owned()),
                name,
            }),
            decode::Shape::CompressedTar => self.tapes.push(Tape {
                name,
                path: path.to_owned(),
            }),
            decode::Shape::Tar => archive::find_in_tar(path, limits, self)?,
            decode::Shape::Zip => archive::find_in_zip(path, limits, self)?,
        }
        Ok(())
    }

    fn add_part(&mut self, name: String, entry: &str, part: archive::Part) {
        let base = entry.rsplit('/').next().unwrap_or(entry);
        if let Some(reason) = why_skipped(base) {
            self.skipped.push((name, reason));
            return;
        }
        self.streams.push(Stream {
            file_name: plain_name(base),
            place: Place::Part(part),
            name,
        });
    }
}

impl Stream {
    /// Opens the stream, decompressing within the limits.
    pub(crate) fn open(&self, budget: &Budget) -> Result<Text<'static>, Error> {
        let failed = |source| Error::Open {
            path: self.name.clone(),
            source,
        };
        let reader: Box<dyn io::Read> = match &self.place {
            Place::Stdin => Box::new(io::stdin()),
            Place::File(path) => Box::new(fs::File::open(path).map_err(failed)?),
            Place::Part(part) => part.open(budget).map_err(failed)?,
        };
        let reader = BufReader::with_capacity(128 * 1024, reader);
        decode::decode(Box::new(reader), budget)
            .map(Text::new)
            .map_err(failed)
    }
}

impl Tape {
    /// Calls `each` with every stream of the archive, in its order; other entries are told to
    /// `skipped`.
    pub(crate) fn for_each(
        &self,
        limits: &Limits,
        budget: &Budget,
        skipped: &mut Vec<(String, &'static str)>,
        mut each: impl FnMut(String, String, Text<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let failed = |source| Error::Read {
            path: self.name.clone(),
            source,
        };
        let file = fs::File::open(&self.path).map_err(|source| Error::open(&self.path, source))?;
        let reader = BufReader::with_capacity(128 * 1024, file);
        let reader = decode::decode(Box::new(reader), budget).map_err(failed)?;
        let mut tar = tar::Archive::new(reader);
        for (count, entry) in tar.entries().map_err(failed)?.enumerate() {
            let mut entry = entry.map_err(failed)?;
            archive::check_count(&self.name, count, limits)?;
            let inside = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            archive::check_entry(&self.name, &inside)?;
            let base = inside.rsplit('/').next().unwrap_or(&inside).to_owned();
            let name = format!("{}!{inside}", self.name);
            if entry.header().entry_type().is_dir() {
                continue;
            }
            if !entry.header().entry_type().is_file() {
                skipped.push((name, "not a regular file"));
                continue;
            }
            if let Some(reason) = why_skipped(&base) {
                skipped.push((name, reason));
                continue;
            }
            let reader = BufReader::with_capacity(128 * 1024, &mut entry);
            let reader = decode::decode(Box::new(reader), budget).map_err(failed)?;
            each(name, plain_name(&base), Text::new(reader))?;
        }
        Ok(())
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Takes `.gz`, `.zst`, `.list.json`, `.ndjson`, … off a name.
fn plain_name(name: &str) -> String {
    let mut name = name;
    for suffix in [".gz", ".zst", ".zstd"] {
        name = name.strip_suffix(suffix).unwrap_or(name);
    }
    for suffix in [".list.json", ".ndjson", ".jsonl", ".json"] {
        if let Some(stem) = name.strip_suffix(suffix) {
            return stem.to_owned();
        }
    }
    name.to_owned()
}

/// Says why a file of a folder or archive is not taken; files that the user names are.
fn why_skipped(name: &str) -> Option<&'static str> {
    if name.starts_with(['_', '.']) {
        return Some("its name begins with `_` or `.`");
    }
    let mut plain = name;
    for suffix in [".gz", ".zst", ".zstd"] {
        plain = plain.strip_suffix(suffix).unwrap_or(plain);
    }
    let known = [".ndjson", ".jsonl", ".json"];
    (!known.iter().any(|suffix| plain.ends_with(suffix))).then_some("not .ndjson, .jsonl or .json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_suffixes_and_notes_of_the_recorder_are_left_alone() {
        assert_eq!(plain_name("core_v1_pods.list.json"), "core_v1_pods");
        assert_eq!(plain_name("core_v1_pods.ndjson.zst"), "core_v1_pods");
        assert_eq!(why_skipped("core_v1_pods.ndjson.gz"), None);
        assert!(why_skipped("_recorder.ndjson").is_some());
        assert!(why_skipped("README.md").is_some());
    }
}
