//! Checksums of every byte of a segment, between the Parquet data and the Parquet footer.
//!
//! Parquet finds its footer from the end of the file and everything else from the footer, so bytes
//! between the two are nobody's. There a segment keeps (integers are little endian):
//!
//! | bytes | what |
//! |---|---|
//! | 4 each | CRC-32C of each 64 KiB of what comes before |
//! | 8 | how many bytes come before |
//! | 4 | CRC-32C of the Parquet footer, its length and `PAR1` |
//! | 4 | CRC-32C of the fields above |
//! | 8 | `kymo.crc` |
//!
//! A reader checks the footer before it is parsed and every block before it is decoded.

use std::io::{self, Read, Write};
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::SegmentError;

const BLOCK: usize = 64 * 1024;
const MAGIC: [u8; 8] = *b"kymo.crc";
/// What follows the table of block checksums.
const TRAILER: usize = 24;
/// The length of the Parquet footer and `PAR1`.
const END: usize = 8;
/// The largest footer that is read, in bytes.
const MAX_FOOTER: u64 = 64 << 20;

/// Passes a Parquet file on and puts the checksums in.
#[derive(Debug)]
pub(super) struct ChecksumWriter<W> {
    inner: W,
    bytes: u64,
    blocks: Vec<u32>,
    block_crc: u32,
    block_bytes: usize,
    /// What was written since [`ChecksumWriter::hold`].
    held: Option<Vec<u8>>,
}

impl<W: Write> ChecksumWriter<W> {
    pub(super) fn new(inner: W) -> Self {
        Self {
            inner,
            bytes: 0,
            blocks: Vec::new(),
            block_crc: 0,
            block_bytes: 0,
            held: None,
        }
    }

    /// Keeps back what is written from here on: the footer is in it.
    pub(super) fn hold(&mut self) {
        self.held = Some(Vec::new());
    }

    /// Writes what was kept back with the checksums before the footer; returns the length of the
    /// file.
    pub(super) fn release(&mut self) -> io::Result<u64> {
        let held = self.held.take().unwrap_or_default();
        let footer = held
            .len()
            .checked_sub(END)
            .and_then(|end| held.get(end..end + 4))
            .and_then(|length| Some(u32::from_le_bytes(length.try_into().ok()?) as usize + END))
            .and_then(|length| held.len().checked_sub(length))
            .ok_or_else(|| io::Error::other("the Parquet writer wrote no footer"))?;
        let (data, footer) = held.split_at(footer);
        self.pass(data)?;
        if self.block_bytes > 0 {
            self.blocks.push(self.block_crc);
        }
        let mut table = Vec::with_capacity(self.blocks.len() * 4 + TRAILER);
        for block in &self.blocks {
            table.extend_from_slice(&block.to_le_bytes());
        }
        table.extend_from_slice(&self.bytes.to_le_bytes());
        table.extend_from_slice(&crc32c::crc32c(footer).to_le_bytes());
        let crc = crc32c::crc32c(&table);
        table.extend_from_slice(&crc.to_le_bytes());
        table.extend_from_slice(&MAGIC);
        self.inner.write_all(&table)?;
        self.inner.write_all(footer)?;
        self.inner.flush()?;
        Ok(self.bytes + table.len() as u64 + footer.len() as u64)
    }

    fn pass(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.inner.write_all(bytes)?;
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.block_bytes));
            self.block_crc = crc32c::crc32c_append(self.block_crc, now);
            self.block_bytes += now.len();
            if self.block_bytes == BLOCK {
                self.blocks.push(self.block_crc);
                (self.block_crc, self.block_bytes) = (0, 0);
            }
            bytes = later;
        }
        Ok(())
    }
}

impl<W: Write> Write for ChecksumWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.held {
            Some(held) => held.extend_from_slice(bytes),
            None => self.pass(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A segment's bytes, each checked before it is handed out.
#[derive(Debug)]
pub(super) struct Checked<R> {
    inner: Arc<R>,
    blocks: Arc<[u32]>,
    /// How many bytes the blocks stand for.
    covered: u64,
}

impl<R> Clone for Checked<R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            blocks: self.blocks.clone(),
            covered: self.covered,
        }
    }
}

fn damaged(what: &'static str) -> SegmentError {
    SegmentError::NotASegment { reason: what }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

impl<R: ChunkReader> Checked<R> {
    /// Reads the checksums and checks them and the footer.
    pub(super) fn open(inner: R) -> Result<Self, SegmentError> {
        let length = inner.len();
        let end = length
            .checked_sub(END as u64)
            .ok_or_else(|| damaged("it is too short"))?;
        let bytes = inner.get_bytes(end, END)?;
        if !bytes.ends_with(b"PAR1") {
            return Err(damaged("it does not end as a Parquet file does"));
        }
        let footer = u64::from(u32_at(&bytes, 0).unwrap_or(u32::MAX));
        if footer > MAX_FOOTER {
            return Err(SegmentError::TooLarge {
                what: "the Parquet footer",
                bytes: footer,
                limit: MAX_FOOTER,
            });
        }
        let no_checksums = || damaged("it has no checksums, or its footer is damaged");
        let footer_start = end.checked_sub(footer).ok_or_else(no_checksums)?;
        let trailer_start = footer_start
            .checked_sub(TRAILER as u64)
            .ok_or_else(no_checksums)?;
        let trailer = inner.get_bytes(trailer_start, TRAILER)?;
        if !trailer.ends_with(&MAGIC) {
            return Err(no_checksums());
        }
        let covered = u64::from(u32_at(&trailer, 0).unwrap_or_default())
            | u64::from(u32_at(&trailer, 4).unwrap_or_default()) << 32;
        let table = trailer_start
            .checked_sub(covered)
            .ok_or_else(no_checksums)?;
        if table != covered.div_ceil(BLOCK as u64) * 4 {
            return Err(no_checksums());
        }
        let table = inner.get_bytes(covered, table as usize)?;
        let crc = crc32c::crc32c_append(crc32c::crc32c(&table), &trailer[..12]);
        if u32_at(&trailer, 12) != Some(crc) {
            return Err(damaged("its checksums are damaged"));
        }
        let bytes = inner.get_bytes(footer_start, footer as usize + END)?;
        if u32_at(&trailer, 8) != Some(crc32c::crc32c(&bytes)) {
            return Err(damaged("its footer is damaged"));
        }
        let blocks = table
            .chunks_exact(4)
            .map(|crc| u32_at(crc, 0).unwrap_or_default())
            .collect();
        Ok(Self {
            inner: Arc::new(inner),
            blocks,
            covered,
        })
    }

    /// Reads whole blocks and checks them; returns where they begin.
    fn blocks(&self, start: u64, end: u64) -> parquet::errors::Result<(u64, Bytes)> {
        let first = start / BLOCK as u64 * BLOCK as u64;
        let last = (end.div_ceil(BLOCK as u64) * BLOCK as u64).min(self.covered);
        let bytes = self.inner.get_bytes(first, (last - first) as usize)?;
        let numbers = (first / BLOCK as u64) as usize..;
        for (number, block) in numbers.zip(bytes.chunks(BLOCK)) {
            if self.blocks.get(number) != Some(&crc32c::crc32c(block)) {
                return Err(ParquetError::General(format!(
                    "the bytes from {} are damaged",
                    number * BLOCK
                )));
            }
        }
        Ok((first, bytes))
    }
}

impl<R: ChunkReader> Length for Checked<R> {
    fn len(&self) -> u64 {
        self.inner.len()
    }
}

impl<R: ChunkReader + 'static> ChunkReader for Checked<R> {
    type T = CheckedRead<R>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        let end = if start < self.covered {
            self.covered
        } else {
            self.inner.len()
        };
        Ok(CheckedRead {
            checked: self.clone(),
            offset: start,
            end,
            ready: Bytes::new(),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let end = start.saturating_add(length as u64);
        if length == 0 || start >= self.covered {
            // The footer was checked when the segment was opened.
            return self.inner.get_bytes(start, length);
        }
        if end > self.covered {
            return Err(ParquetError::EOF(format!(
                "{length} bytes at {start} of {} bytes of data",
                self.covered
            )));
        }
        let (first, bytes) = self.blocks(start, end)?;
        let from = (start - first) as usize;
        Ok(bytes.slice(from..from + length))
    }
}

/// Reads from a place on, block by block: to the end of the data, or to that of the footer.
#[derive(Debug)]
pub(super) struct CheckedRead<R> {
    checked: Checked<R>,
    offset: u64,
    end: u64,
    ready: Bytes,
}

impl<R: ChunkReader> Read for CheckedRead<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ready.is_empty() {
            if self.offset >= self.end {
                return Ok(0);
            }
            self.ready = if self.offset < self.checked.covered {
                let (first, bytes) = self
                    .checked
                    .blocks(self.offset, self.offset + 1)
                    .map_err(io::Error::other)?;
                bytes.slice((self.offset - first) as usize..)
            } else {
                // The footer was checked when the segment was opened.
                let rest = (self.end - self.offset).min(BLOCK as u64) as usize;
                let inner = &self.checked.inner;
                inner
                    .get_bytes(self.offset, rest)
                    .map_err(io::Error::other)?
            };
        }
        let count = self.ready.len().min(buffer.len());
        let ready = self.ready.split_to(count);
        if let Some(space) = buffer.get_mut(..count) {
            space.copy_from_slice(&ready);
        }
        self.offset += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a Parquet writer writes, as far as the checksums see it.
    fn file(data: &[u8], footer: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = ChecksumWriter::new(&mut out);
        writer.write_all(data).unwrap();
        writer.hold();
        writer.write_all(b"index").unwrap();
        writer.write_all(footer).unwrap();
        let length = footer.len() as u32;
        writer.write_all(&length.to_le_bytes()).unwrap();
        writer.write_all(b"PAR1").unwrap();
        let length = writer.release().unwrap();
        assert_eq!(length, out.len() as u64);
        out
    }

    #[test]
    fn what_was_written_is_read_wherever_it_begins() {
        for length in [0, 1, BLOCK - 5, BLOCK, 3 * BLOCK + 7] {
            let data: Vec<u8> = (0..length).map(|place| (place % 251) as u8).collect();
            let checked = Checked::open(Bytes::from(file(&data, b"footer"))).unwrap();
            for start in [0, length / 3, length.saturating_sub(1)] {
                let want = (length - start).min(BLOCK + 1);
                let bytes = checked.get_bytes(start as u64, want).unwrap();
                assert_eq!(bytes, data[start..start + want]);
                let mut rest = Vec::new();
                let mut read = checked.get_read(start as u64).unwrap();
                read.read_to_end(&mut rest).unwrap();
                assert_eq!(rest, [&data[start..], b"index"].concat());
            }
        }
    }

    /// Fault table row 28.
    #[test]
    fn a_flipped_bit_anywhere_is_found() {
        let data = vec![7; 300];
        let whole = file(&data, b"the footer");
        for place in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[place] ^= 1;
            let read = Checked::open(Bytes::from(bytes))
                .and_then(|checked| Ok(checked.get_bytes(0, 305)?));
            assert!(read.is_err(), "byte {place}");
        }
    }

    /// Fault table row 36.
    #[test]
    fn any_lengths_are_an_error_and_no_allocation() {
        let whole = file(&[1; 100], b"f");
        for place in 0..whole.len() - 4 {
            let mut bytes = whole.clone();
            bytes[place..place + 4].copy_from_slice(&u32::MAX.to_le_bytes());
            assert!(Checked::open(Bytes::from(bytes)).is_err() || place < 105);
        }
        for length in 0..whole.len() {
            assert!(Checked::open(Bytes::from(whole[..length].to_vec())).is_err());
        }
    }
}
