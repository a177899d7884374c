//! Records of one size, one behind the other; those that are too many for the memory lie in a file
//! without a name.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// So many bytes are kept before they go to the disk.
const KEPT: usize = 1 << 20;

/// So many bytes are read at once.
const READ: usize = 1 << 16;

/// Takes records at its end and gives them back from any place.
#[derive(Debug)]
pub(crate) struct Records<const SIZE: usize> {
    folder: PathBuf,
    file: Option<File>,
    /// How many bytes are in the file.
    written: u64,
    /// What comes behind them.
    kept: Vec<u8>,
    limit: usize,
}

impl<const SIZE: usize> Records<SIZE> {
    /// Has none yet. The file is made in `folder` when it is needed.
    pub(crate) fn new(folder: &Path) -> Self {
        Self::with_limit(folder, KEPT)
    }

    fn with_limit(folder: &Path, limit: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            file: None,
            written: 0,
            kept: Vec::new(),
            limit,
        }
    }

    /// Returns how many there are.
    pub(crate) fn len(&self) -> u64 {
        (self.written + self.kept.len() as u64) / SIZE as u64
    }

    /// Adds a record.
    pub(crate) fn push(&mut self, record: &[u8; SIZE]) -> io::Result<()> {
        if self.kept.len() >= self.limit {
            let file = match self.file.take() {
                Some(file) => file,
                None => tempfile::tempfile_in(&self.folder)?,
            };
            let file = self.file.insert(file);
            file.write_all_at(&self.kept, self.written)?;
            self.written += self.kept.len() as u64;
            self.kept.clear();
        }
        self.kept.extend_from_slice(record);
        Ok(())
    }

    /// Reads the records of these numbers, one after the other.
    pub(crate) fn read(&self, numbers: Range<u64>) -> Reader<'_, SIZE> {
        Reader {
            records: self,
            next: numbers.start * SIZE as u64,
            end: numbers.end.min(self.len()) * SIZE as u64,
            buffer: Vec::new(),
            place: 0,
        }
    }

    /// Reads all of them.
    pub(crate) fn iter(&self) -> Reader<'_, SIZE> {
        self.read(0..self.len())
    }

    /// Puts bytes from a place on into a buffer, and as many as there are up to `end`.
    fn fill(&self, buffer: &mut Vec<u8>, from: u64, end: u64) -> io::Result<()> {
        buffer.clear();
        if let Some(place) = from.checked_sub(self.written) {
            let (from, end) = (place as usize, (end - self.written) as usize);
            let end = end.min(from + READ / SIZE * SIZE);
            buffer.extend_from_slice(self.kept.get(from..end).unwrap_or_default());
        } else if let Some(file) = &self.file {
            let end = end
                .min(self.written)
                .min(from + (READ / SIZE * SIZE) as u64);
            buffer.resize((end - from) as usize, 0);
            file.read_exact_at(buffer, from)?;
        }
        Ok(())
    }
}

/// Gives [`Records`] one after the other.
#[derive(Debug)]
pub(crate) struct Reader<'r, const SIZE: usize> {
    records: &'r Records<SIZE>,
    /// Where the bytes behind those in the buffer are.
    next: u64,
    end: u64,
    buffer: Vec<u8>,
    place: usize,
}

impl<const SIZE: usize> Iterator for Reader<'_, SIZE> {
    type Item = io::Result<[u8; SIZE]>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.place >= self.buffer.len() {
            if self.next >= self.end {
                return None;
            }
            self.place = 0;
            let filled = self.records.fill(&mut self.buffer, self.next, self.end);
            if let Err(error) = filled {
                (self.next, self.buffer) = (self.end, Vec::new());
                return Some(Err(error));
            }
            self.next += self.buffer.len() as u64;
        }
        let record = self.buffer.get(self.place..)?.first_chunk()?;
        self.place += SIZE;
        Some(Ok(*record))
    }
}

/// Takes numbers out of a record, one after the other.
pub(crate) struct Fields<'r>(&'r [u8]);

impl<'r> Fields<'r> {
    pub(crate) fn of(record: &'r [u8]) -> Self {
        Self(record)
    }

    pub(crate) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.bytes())
    }

    pub(crate) fn i64(&mut self) -> i64 {
        i64::from_le_bytes(self.bytes())
    }

    fn bytes<const COUNT: usize>(&mut self) -> [u8; COUNT] {
        let Some((bytes, rest)) = self.0.split_first_chunk() else {
            return [0; COUNT];
        };
        self.0 = rest;
        *bytes
    }
}

/// Puts the bytes of numbers into a record.
pub(crate) fn record<const SIZE: usize>(fields: &[&[u8]]) -> [u8; SIZE] {
    let mut record = [0; SIZE];
    let bytes = fields.iter().copied().flatten();
    for (place, byte) in record.iter_mut().zip(bytes) {
        *place = *byte;
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_from_any_place_whether_they_are_on_the_disk_or_not() {
        let folder = std::env::temp_dir();
        let mut records: Records<4> = Records::with_limit(&folder, 400);
        for number in 0..100_250u32 {
            records.push(&number.to_le_bytes()).unwrap();
        }
        assert!(records.file.is_some() && !records.kept.is_empty());
        let read = |range: Range<u64>| -> Vec<u32> {
            let read = records.read(range);
            read.map(|record| u32::from_le_bytes(record.unwrap()))
                .collect()
        };
        assert_eq!(read(0..records.len()), (0..100_250).collect::<Vec<_>>());
        assert_eq!(read(99_999..100_249), (99_999..100_249).collect::<Vec<_>>());
        assert_eq!(
            read(100_240..200_000),
            (100_240..100_250).collect::<Vec<_>>()
        );
        assert_eq!(read(7..7), Vec::<u32>::new());
    }

    #[test]
    fn few_records_make_no_file() {
        let mut records: Records<1> = Records::new(Path::new("/nowhere"));
        records.push(&[7]).unwrap();
        let read: Vec<[u8; 1]> = records.iter().map(Result::unwrap).collect();
        assert_eq!((read, records.len()), (vec![[7]], 1));
    }
}
