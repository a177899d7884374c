use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::{ReadFile, WriteFile, read_full_at};

/// A [`ReadFile`] as the Parquet reader wants it. Lengths asked for are checked against the file
/// before anything is allocated.
#[derive(Clone, Debug)]
pub struct FileChunks {
    file: Arc<dyn ReadFile>,
    length: u64,
}

impl FileChunks {
    /// Wraps a file of fixed content.
    pub fn new(file: Arc<dyn ReadFile>) -> io::Result<Self> {
        let length = file.len()?;
        Ok(Self { file, length })
    }
}

impl Length for FileChunks {
    fn len(&self) -> u64 {
        self.length
    }
}

/// Reads a [`FileChunks`] from a place to its end.
#[derive(Debug)]
pub struct ChunkRead {
    chunks: FileChunks,
    offset: u64,
}

impl Read for ChunkRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.chunks.file.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

impl ChunkReader for FileChunks {
    type T = io::BufReader<ChunkRead>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(io::BufReader::new(ChunkRead {
            chunks: self.clone(),
            offset: start,
        }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let left = self.length.saturating_sub(start);
        if length as u64 > left {
            return Err(ParquetError::EOF(format!(
                "{length} bytes at {start} of a file of {}",
                self.length
            )));
        }
        let mut buffer = vec![0; length];
        let count = read_full_at(self.file.as_ref(), &mut buffer, start)
            .map_err(|error| ParquetError::External(Box::new(error)))?;
        if count < length {
            return Err(ParquetError::EOF(format!(
                "the file ends at {} inside a read of {length} bytes at {start}",
                start + count as u64
            )));
        }
        Ok(buffer.into())
    }
}

/// A [`WriteFile`] as a writer of segments wants it, with a buffer before it.
#[derive(Debug)]
pub(crate) struct Output {
    file: Box<dyn WriteFile>,
    buffer: Vec<u8>,
}

impl Output {
    const BUFFER: usize = 256 * 1024;

    pub(crate) fn new(file: Box<dyn WriteFile>) -> Self {
        Self {
            file,
            buffer: Vec::with_capacity(Self::BUFFER),
        }
    }

    /// Makes everything written durable.
    pub(crate) fn sync(mut self) -> io::Result<()> {
        io::Write::flush(&mut self)?;
        self.file.sync()
    }
}

impl io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > Self::BUFFER {
            self.flush()?;
        }
        if bytes.len() >= Self::BUFFER {
            self.file.append(bytes)?;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.file.append(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }
}
