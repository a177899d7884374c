//! Finds the entries of archives.

use std::io::{self, BufReader, Cursor, Read, Seek as _};
use std::path::PathBuf;
use std::sync::Arc;

use super::{Candidate, Finder, failed};
use crate::Error;
use crate::input::cap::Damage;
use crate::input::decode::{self, Compression, Content};
use crate::input::entry::plain;
use crate::input::place::{Part, Place, ReadSeek};
use crate::input::tar::{self, TarReader};
use crate::input::zip;

/// How much of a compressed entry of a tape is looked at, to find an archive in it.
const PEEK_BYTES: usize = 256 << 10;

impl Finder<'_> {
    /// Puts a zip archive that cannot be read from any place aside, and opens it there.
    pub(super) fn zip_aside(
        &mut self,
        mut candidate: Candidate,
        zip: &mut dyn Read,
    ) -> Result<(), Error> {
        let kept = self.keep(&candidate.name, zip)?;
        candidate.length = kept.length();
        candidate.place = Place::Kept(kept);
        self.zip(&candidate)
    }

    /// Finds the entries of a tar archive by their places in it.
    pub(super) fn tar(&mut self, archive: &Candidate) -> Result<(), Error> {
        let file = archive.place.open_anywhere(&self.budget.unmetered());
        let file = file.map_err(|source| failed(&archive.name, source))?;
        let length = archive.length;
        let mut tar = TarReader::new(BufReader::new(file));
        loop {
            let skip = |reader: &mut BufReader<Box<dyn ReadSeek>>, by: u64| {
                let at = reader.stream_position()?;
                let by = by.min(length.saturating_sub(at));
                reader.seek_relative(by as i64)?;
                Ok(by)
            };
            let member = match tar.next(skip) {
                Ok(Some(member)) => member,
                Ok(None) => return Ok(()),
                Err(error) => return self.damaged(&archive.name, error),
            };
            self.count(&archive.name)?;
            check_path(&archive.name, &member.path)?;
            let part = Part {
                archive: archive.place.clone(),
                start: member.start,
                length: member.length,
                deflated: None,
            };
            let length = member.length;
            let place = Place::Part(Arc::new(part));
            let inside = archive.inside(&member.path, member.modified, place, length);
            match member.kind {
                tar::Kind::Folder => {}
                tar::Kind::Other => self.found.skipped.push((inside.name, "not a regular file")),
                tar::Kind::File => {
                    let end = member.start.saturating_add(member.length);
                    let known = self.found.entries.len();
                    self.look(inside)?;
                    if end > archive.length && self.found.entries.len() > known {
                        // Whoever reads the entry tells that it ends early.
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Reads a tar archive front to back and puts what is wanted of it aside.
    pub(super) fn tape(
        &mut self,
        archive: &Candidate,
        reader: Box<dyn io::BufRead + Send + '_>,
    ) -> Result<(), Error> {
        let mut tar = TarReader::new(reader);
        loop {
            let skip = |reader: &mut Box<dyn io::BufRead + Send + '_>, by: u64| {
                io::copy(&mut reader.take(by), &mut io::sink())
            };
            let member = match tar.next(skip) {
                Ok(Some(member)) => member,
                Ok(None) => return Ok(()),
                Err(error) => return self.damaged(&archive.name, error),
            };
            self.count(&archive.name)?;
            check_path(&archive.name, &member.path)?;
            let nowhere = Place::File(PathBuf::new());
            let mut inside = archive.inside(&member.path, member.modified, nowhere, member.length);
            match member.kind {
                tar::Kind::Folder => continue,
                tar::Kind::Other => {
                    self.found.skipped.push((inside.name, "not a regular file"));
                    continue;
                }
                tar::Kind::File => {}
            }
            let mut content = tar.content(&member);
            let mut start = Vec::new();
            if let Some(reason) = (self.why_skipped)(plain(&inside.path)) {
                // Only an archive is still of interest.
                let peek = peek(&mut content, &mut start);
                if let Err(error) = peek {
                    return self.damaged(&inside.name, error);
                }
                let shape = decode::sniff(start.as_slice()).ok();
                if !shape.is_some_and(|shape| shape.content != Content::Stream) {
                    self.found.skipped.push((inside.name, reason));
                    continue;
                }
            }
            let mut whole = Cursor::new(start).chain(content);
            let kept = self.keep(&inside.name, &mut whole)?;
            inside.length = kept.length();
            let damage = kept.damage().cloned();
            inside.place = Place::Kept(kept);
            let known = self.found.entries.len();
            self.look(inside)?;
            if let Some(damage) = damage {
                // Nothing behind it can be found. Whoever reads it tells the damage.
                if self.found.entries.len() == known {
                    self.found.damaged.push((archive.name.clone(), damage));
                }
                return Ok(());
            }
        }
    }

    pub(super) fn zip(&mut self, archive: &Candidate) -> Result<(), Error> {
        let file = archive.place.open_anywhere(&self.budget.unmetered());
        let file = file.map_err(|source| failed(&archive.name, source))?;
        let room = self.limits.entries.saturating_sub(self.entries);
        let members = match zip::members(file, room) {
            Ok(members) => members,
            Err(zip::Fault::TooMany) => return Err(self.too_many(&archive.name)),
            Err(zip::Fault::Overlapping) => {
                return Err(Error::OverlappingEntries {
                    archive: archive.name.clone(),
                });
            }
            Err(zip::Fault::Damaged(error)) => {
                let reason = format!("the directory of the archive cannot be read: {error}");
                return self.damaged(&archive.name, Damage::new(archive.length, reason).into());
            }
        };
        self.entries += members.len();
        for member in members {
            check_path(&archive.name, &member.path)?;
            let (start, length, deflated) = match member.kind {
                zip::Kind::Folder => continue,
                zip::Kind::Skipped(reason) => {
                    let name = format!("{}!{}", archive.name, member.path);
                    self.found.skipped.push((name, reason));
                    continue;
                }
                zip::Kind::File {
                    start,
                    length,
                    deflated,
                } => (start, length, deflated),
            };
            let part = Part {
                archive: archive.place.clone(),
                start,
                length,
                deflated,
            };
            let place = Place::Part(Arc::new(part));
            self.look(archive.inside(&member.path, None, place, length))?;
        }
        Ok(())
    }

    fn count(&mut self, archive: &str) -> Result<(), Error> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(self.too_many(archive));
        }
        Ok(())
    }

    fn too_many(&self, archive: &str) -> Error {
        Error::TooManyEntries {
            archive: archive.to_owned(),
            limit: self.limits.entries,
        }
    }

    /// Notes damage; everything else ends the search.
    fn damaged(&mut self, name: &str, error: io::Error) -> Result<(), Error> {
        let Some(damage) = Damage::of(&error) else {
            return Err(failed(name, error));
        };
        self.found.damaged.push((name.to_owned(), damage.clone()));
        Ok(())
    }
}

/// Reads what is needed of an entry to see whether it is an archive.
fn peek(content: &mut impl Read, start: &mut Vec<u8>) -> io::Result<()> {
    let mut more =
        |length: usize, start: &mut Vec<u8>| content.take(length as u64).read_to_end(start);
    more(decode::START_BYTES, start)?;
    if decode::compression(start) != Compression::None {
        more(PEEK_BYTES, start)?;
    }
    Ok(())
}

/// Refuses the name of an entry that would leave the archive's own folder.
fn check_path(archive: &str, entry: &str) -> Result<(), Error> {
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
