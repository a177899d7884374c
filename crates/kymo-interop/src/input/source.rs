//! Opens an entry when it is read, and again where it was left.

use std::io::{self, BufRead, BufReader, Read, SeekFrom};
use std::sync::Arc;

use super::cap::Budget;
use super::decode::{self, BUFFER_BYTES, Compression};
use super::place::Place;
use super::pool::Slot;
use crate::vault::Vault;

/// Up to this place a compressed entry is decoded a second time before it is put aside.
const AGAIN_BYTES: u64 = 1 << 20;

/// Where a text comes from.
pub(super) enum Source<'a> {
    /// A reader that is open.
    Reader(Box<dyn BufRead + Send + 'a>),
    /// An entry.
    Entry(Box<Reopened>),
}

impl Source<'_> {
    /// Reads some bytes; none at the end.
    pub(super) fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Reader(reader) => {
                let length = reader.fill_buf()?.read(out)?;
                reader.consume(length);
                Ok(length)
            }
            Self::Entry(entry) => entry.read(out),
        }
    }
}

/// An entry that is closed when too many are open, and opened again at its place.
///
/// What is compressed has no places: it is decoded again from its beginning once, and put aside
/// decompressed when that is not enough.
pub(super) struct Reopened {
    place: Place,
    budget: Budget,
    vault: Arc<Vault>,
    /// Whether the place holds what is read, without a compression; `None` before it was looked
    /// at.
    is_plain: Option<bool>,
    /// How many decompressed bytes were read.
    position: u64,
    /// How many of them are not in the place any more.
    base: u64,
    slot: Option<Arc<Slot>>,
    times_opened: u32,
    has_ended: bool,
}

impl Drop for Reopened {
    fn drop(&mut self) {
        self.close();
    }
}

impl Reopened {
    /// Starts before the first byte; nothing is opened yet.
    pub(super) fn new(place: Place, budget: &Budget, vault: &Arc<Vault>) -> Self {
        Self {
            place,
            budget: budget.clone(),
            vault: Arc::clone(vault),
            is_plain: None,
            position: 0,
            base: 0,
            slot: None,
            times_opened: 0,
            has_ended: false,
        }
    }

    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.has_ended || out.is_empty() {
            return Ok(0);
        }
        loop {
            let read = match &self.slot {
                Some(slot) => slot.read(out),
                None => None,
            };
            match read {
                Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Some(Ok(length)) if length > 0 => {
                    self.position += length as u64;
                    return Ok(length);
                }
                Some(end) => {
                    self.has_ended = true;
                    self.close();
                    return end;
                }
                // It was not opened yet, or another one was opened in its place.
                None => {
                    self.close();
                    if let Err(error) = self.open() {
                        self.has_ended = true;
                        return Err(error);
                    }
                }
            }
        }
    }

    fn close(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.budget.pool().close(&slot);
        }
    }

    fn open(&mut self) -> io::Result<()> {
        self.times_opened += 1;
        let (reader, weight) = match self.open_plain()? {
            Some(reader) => (reader, BUFFER_BYTES as u64),
            None => self.open_packed()?,
        };
        self.slot = Some(self.budget.pool().open(reader, weight));
        Ok(())
    }

    fn open_plain(&mut self) -> io::Result<Option<Box<dyn Read + Send>>> {
        if !self.place.is_seekable() || self.is_plain == Some(false) {
            return Ok(None);
        }
        let mut file = self.place.open_anywhere(&self.budget)?;
        if self.is_plain.is_none() {
            // This is not part of the progress: it is read again.
            let mut file = self.place.open_anywhere(&self.budget.unmetered())?;
            let start = decode::read_start(&mut file, decode::START_BYTES)?;
            let is_plain = decode::compression(&start) == Compression::None;
            self.is_plain = Some(is_plain);
            if !is_plain {
                return Ok(None);
            }
        }
        let place = self.position.saturating_sub(self.base);
        if place > 0 {
            file.seek(SeekFrom::Start(place))?;
        }
        Ok(Some(Box::new(file)))
    }

    fn open_packed(&mut self) -> io::Result<(Box<dyn Read + Send>, u64)> {
        let reader = self.place.open(&self.budget)?;
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, reader);
        let weight = decode::weight(reader.fill_buf()?);
        let mut decoded = decode::decode(Box::new(reader), &self.budget)?;
        if self.position == 0 {
            return Ok((Box::new(decoded), weight));
        }
        io::copy(&mut (&mut decoded).take(self.position), &mut io::sink())?;
        if self.times_opened <= 2 && self.position <= AGAIN_BYTES {
            return Ok((Box::new(decoded), weight));
        }
        let kept = self.vault.keep(&mut decoded)?;
        let reader = kept.open();
        self.place = Place::Kept(kept);
        self.base = self.position;
        self.is_plain = Some(true);
        Ok((Box::new(reader), BUFFER_BYTES as u64))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::text::Text;
    use super::*;
    use crate::Limits;

    /// A text of `lines` lines that begin with `name`, plain or compressed.
    fn text(
        name: &str,
        lines: usize,
        is_packed: bool,
        budget: &Budget,
        vault: &Arc<Vault>,
    ) -> Text<'static> {
        let mut bytes = Vec::new();
        for line in 0..lines {
            writeln!(bytes, "{name} {line} {}", "x".repeat(100)).unwrap();
        }
        if is_packed {
            bytes = zstd::bulk::compress(&bytes, 1).unwrap();
        }
        let kept = vault.keep(&mut bytes.as_slice()).unwrap();
        let entry = Reopened::new(Place::Kept(kept), budget, vault);
        Text::of(Source::Entry(Box::new(entry)))
    }

    #[test]
    fn entries_beyond_what_may_be_open_are_read_in_turn_to_their_end() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Arc::new(Vault::new(folder.path()));
        let budget = Budget::new(Limits::default());
        let many = super::super::pool::OPEN + 3;
        let mut texts: Vec<_> = (0..many)
            .map(|number| text(&number.to_string(), 50, number % 2 == 0, &budget, &vault))
            .collect();
        let mut line = Vec::new();
        for expected in 0..50 {
            for (number, text) in texts.iter_mut().enumerate() {
                line.clear();
                assert!(text.read_line(&mut line, 1000).unwrap());
                let start = format!("{number} {expected} ");
                assert!(line.starts_with(start.as_bytes()), "{start}");
            }
            assert!(budget.pool().len() <= super::super::pool::OPEN);
        }
        for text in &mut texts {
            assert!(!text.read_line(&mut line, 1000).unwrap());
        }
        assert_eq!(budget.pool().len(), 0);
    }

    #[test]
    fn a_long_compressed_entry_is_put_aside_when_it_was_closed() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Arc::new(Vault::new(folder.path()));
        let budget = Budget::new(Limits::default());
        let lines = 30_000;
        let mut long = text("long", lines, true, &budget, &vault);
        let mut line = Vec::new();
        for expected in 0..lines {
            if expected % 10_000 == 9_999 {
                budget.pool().close_all();
            }
            line.clear();
            assert!(long.read_line(&mut line, 1000).unwrap());
            assert!(line.starts_with(format!("long {expected} ").as_bytes()));
        }
        assert!(!long.read_line(&mut line, 1000).unwrap());
    }
}
