//! Entries of tar and zip archives. Nothing is ever unpacked to a file of the entry's name.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::cap::{Budget, Capped, Counted};
use super::{Inputs, Limits, WhySkipped};
use crate::Error;

/// Bytes inside an archive file.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    start: u64,
    length: u64,
    is_deflated: bool,
}

impl Part {
    /// Opens the bytes with a position of their own.
    pub(super) fn open(&self, budget: &Budget) -> io::Result<Box<dyn Read>> {
        let mut file = fs::File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.start))?;
        let part = file.take(self.length);
        if !self.is_deflated {
            return Ok(Box::new(part));
        }
        let (counted, encoded) = Counted::new(part);
        let decoder = flate2::read::DeflateDecoder::new(counted);
        Ok(Box::new(Capped::new(decoder, encoded, budget)))
    }
}

/// Refuses an archive with too many entries.
pub(super) fn check_count(archive: &str, count: usize, limits: &Limits) -> Result<(), Error> {
    if count >= limits.entries {
        return Err(Error::TooManyEntries {
            archive: archive.to_owned(),
            limit: limits.entries,
        });
    }
    Ok(())
}

/// Refuses the name of an entry that would leave the archive's own folder.
pub(super) fn check_entry(archive: &str, entry: &str) -> Result<(), Error> {
    let escapes = entry.starts_with(['/', '\\'])
        || entry.contains('\0')
        || entry.get(1..2) == Some(":")
        || entry.split(['/', '\\']).any(|part| part == "..");
    if escapes {
        return Err(Error::UnsafeEntry {
            archive: archive.to_owned(),
            entry: entry.to_owned(),
        });
    }
    Ok(())
}

/// Finds the streams of a plain tar archive by their places in the file.
pub(super) fn find_in_tar(
    path: &Path,
    limits: &Limits,
    why_skipped: WhySkipped<'_>,
    inputs: &mut Inputs,
) -> Result<(), Error> {
    let archive = path.display().to_string();
    let failed = |source| Error::Read {
        path: archive.clone(),
        source,
    };
    let file = fs::File::open(path).map_err(|source| Error::open(path, source))?;
    let mut tar = tar::Archive::new(file);
    for (count, entry) in tar.entries_with_seek().map_err(failed)?.enumerate() {
        let entry = entry.map_err(failed)?;
        check_count(&archive, count, limits)?;
        let inside = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        check_entry(&archive, &inside)?;
        let name = format!("{archive}!{inside}");
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            continue;
        }
        if !kind.is_file() {
            inputs.skipped.push((name, "not a regular file"));
            continue;
        }
        let part = Part {
            path: path.to_owned(),
            start: entry.raw_file_position(),
            length: entry.size(),
            is_deflated: false,
        };
        inputs.add_part(name, &inside, part, why_skipped);
    }
    Ok(())
}

/// Finds the streams of a zip archive by its directory.
pub(super) fn find_in_zip(
    path: &Path,
    limits: &Limits,
    why_skipped: WhySkipped<'_>,
    inputs: &mut Inputs,
) -> Result<(), Error> {
    let archive = path.display().to_string();
    let file = fs::File::open(path).map_err(|source| Error::open(path, source))?;
    let failed = |source: zip::result::ZipError| Error::Read {
        path: archive.clone(),
        source: io::Error::other(source),
    };
    let mut zip = zip::ZipArchive::new(io::BufReader::new(file)).map_err(failed)?;
    check_count(&archive, zip.len().saturating_sub(1), limits)?;
    for index in 0..zip.len() {
        let entry = zip.by_index_raw(index).map_err(failed)?;
        let inside = entry.name().map_err(failed)?.into_owned();
        check_entry(&archive, &inside)?;
        let name = format!("{archive}!{inside}");
        if entry.is_dir() {
            continue;
        }
        let is_deflated = match entry.compression() {
            zip::CompressionMethod::Stored => false,
            zip::CompressionMethod::Deflated => true,
            _ => {
                inputs
                    .skipped
                    .push((name, "compressed in a way that is not read"));
                continue;
            }
        };
        let Some(start) = entry
            .data_start()
            .filter(|_| !entry.encrypted() && !entry.is_symlink())
        else {
            inputs
                .skipped
                .push((name, "encrypted, or not a regular file"));
            continue;
        };
        let part = Part {
            path: path.to_owned(),
            start,
            length: entry.compressed_size(),
            is_deflated,
        };
        drop(entry);
        inputs.add_part(name, &inside, part, why_skipped);
    }
    Ok(())
}
