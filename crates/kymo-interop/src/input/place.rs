//! Where the bytes of an entry are.

use std::fs::File;
use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::cap::{Budget, Capped, Counted, Damage, Metered};
use super::decode;
use crate::vault::Kept;

/// A reader that can go to any place.
pub(super) trait ReadSeek: Read + Seek + Send {}

impl<T: Read + Seek + Send> ReadSeek for T {}

/// Where the bytes of an entry are, as they are stored.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// Standard input or a pipe.
    Once(Arc<Once>),
    /// A file.
    File(PathBuf),
    /// Put aside.
    Kept(Kept),
    /// Bytes inside an archive that can be read from any place.
    Part(Arc<Part>),
}

/// Bytes inside an archive.
#[derive(Debug)]
pub(super) struct Part {
    /// The archive.
    pub(super) archive: Place,
    /// Where they begin.
    pub(super) start: u64,
    /// How many there are.
    pub(super) length: u64,
    /// What the archive says of them when they are deflated.
    pub(super) deflated: Option<Deflated>,
}

/// What a zip archive says of the content of a deflated entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deflated {
    /// How long it is.
    pub(super) length: u64,
    /// Its checksum.
    pub(super) crc: u32,
}

impl Place {
    /// Opens the bytes with a position of their own.
    pub(super) fn open(&self, budget: &Budget) -> io::Result<Box<dyn Read + Send>> {
        match self {
            Self::Once(once) => Ok(Box::new(once.take()?)),
            Self::Part(part) if part.deflated.is_some() => {
                let (counted, encoded) = Counted::new(part.section(budget)?);
                let decoder = flate2::read::DeflateDecoder::new(counted);
                let capped = Capped::new(decoder, encoded, budget);
                let said = part.deflated;
                Ok(Box::new(Verified::new(capped, said)))
            }
            _ => self
                .open_anywhere(budget)
                .map(|reader| -> Box<dyn Read + Send> { Box::new(reader) }),
        }
    }

    /// Opens the bytes where they can be read from any place.
    pub(super) fn open_anywhere(&self, budget: &Budget) -> io::Result<Box<dyn ReadSeek>> {
        Ok(match self {
            Self::File(path) => Box::new(Metered::new(File::open(path)?, budget)),
            Self::Kept(kept) => Box::new(kept.open()),
            Self::Part(part) if part.deflated.is_none() => Box::new(part.section(budget)?),
            Self::Part(_) | Self::Once(_) => return Err(io::ErrorKind::NotSeekable.into()),
        })
    }

    /// Tells whether [`open_anywhere`](Self::open_anywhere) works.
    pub(super) fn is_seekable(&self) -> bool {
        match self {
            Self::File(_) | Self::Kept(_) => true,
            Self::Part(part) => part.deflated.is_none(),
            Self::Once(_) => false,
        }
    }
}

impl Part {
    fn section(&self, budget: &Budget) -> io::Result<Section> {
        let mut archive = self.archive.open_anywhere(budget)?;
        archive.seek(SeekFrom::Start(self.start))?;
        Ok(Section {
            archive,
            start: self.start,
            length: self.length,
            position: 0,
        })
    }
}

/// A stretch of an archive.
struct Section {
    archive: Box<dyn ReadSeek>,
    start: u64,
    length: u64,
    position: u64,
}

impl Read for Section {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let room = self
            .length
            .saturating_sub(self.position)
            .min(out.len() as u64) as usize;
        if room == 0 {
            return Ok(0);
        }
        let length = self.archive.read(out.get_mut(..room).unwrap_or_default())?;
        if length == 0 {
            return Err(Damage::new(self.position, "the archive ends inside the entry").into());
        }
        self.position += length as u64;
        Ok(length)
    }
}

impl Seek for Section {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        let position = position.ok_or(io::ErrorKind::InvalidInput)?;
        let place = self
            .start
            .checked_add(position)
            .ok_or(io::ErrorKind::InvalidInput)?;
        self.archive.seek(SeekFrom::Start(place))?;
        self.position = position;
        Ok(position)
    }
}

/// Compares the content of a zip entry with what the archive says of it.
struct Verified<R> {
    content: R,
    said: Option<Deflated>,
    crc: flate2::Crc,
    length: u64,
}

impl<R> Verified<R> {
    fn new(content: R, said: Option<Deflated>) -> Self {
        Self {
            content,
            said,
            crc: flate2::Crc::new(),
            length: 0,
        }
    }
}

impl<R: Read> Read for Verified<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.content.read(out)?;
        self.crc.update(out.get(..length).unwrap_or_default());
        self.length += length as u64;
        let Some(said) = self.said else {
            return Ok(length);
        };
        let is_longer = self.length > said.length;
        if is_longer || (length == 0 && !out.is_empty() && self.length < said.length) {
            return Err(io::Error::other(format!(
                "the archive says that the entry has {} bytes, but it has {}",
                said.length,
                if is_longer {
                    "more".to_owned()
                } else {
                    self.length.to_string()
                },
            )));
        }
        if length == 0 && !out.is_empty() && self.crc.sum() != said.crc {
            self.said = None;
            return Err(Damage::new(self.length, "the checksum of the entry is wrong").into());
        }
        Ok(length)
    }
}

/// Bytes that can be read only once, decompressed, with a look at their beginning.
pub(super) struct Once {
    state: Mutex<OnceState>,
}

struct OnceState {
    start: Vec<u8>,
    rest: Option<Box<dyn BufRead + Send>>,
}

impl std::fmt::Debug for Once {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Once").finish_non_exhaustive()
    }
}

impl Once {
    /// Takes a decompressed stream, of which `start` was read.
    pub(super) fn new(start: Vec<u8>, rest: Box<dyn BufRead + Send>) -> Self {
        let rest = Some(rest);
        let state = Mutex::new(OnceState { start, rest });
        Self { state }
    }

    /// Looks at the beginning.
    pub(super) fn start(&self, length: usize) -> io::Result<Vec<u8>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let OnceState { start, rest } = &mut *state;
        if let Some(rest) = rest
            && let Some(room) = length.checked_sub(start.len())
        {
            start.extend(decode::read_start(rest, room)?);
        }
        Ok(start.clone())
    }

    /// Takes all bytes.
    pub(super) fn take(&self) -> io::Result<Box<dyn BufRead + Send>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = state.rest.take();
        let rest = rest.ok_or_else(|| io::Error::other("a pipe can be read only once"))?;
        let start = std::mem::take(&mut state.start);
        Ok(Box::new(Cursor::new(start).chain(rest)))
    }
}
