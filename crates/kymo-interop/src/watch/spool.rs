//! Puts the items of an archive that can only be read once aside, so that they can be merged.
//!
//! The items are redacted before they are put aside. The file has no name and is gone with the
//! process.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::item::Item;
use super::stream::StreamReader;
use crate::Error;

/// Parsed items are on their way to the log anyway, so speed matters more than size.
const LEVEL: i32 = 1;

/// A file without a name that holds the items of many streams, one after the other.
pub(crate) struct Spool {
    file: Arc<Mutex<File>>,
    end: u64,
    path: String,
}

impl Spool {
    /// Makes the file in `folder`.
    pub(crate) fn create(folder: &Path) -> Result<Self, Error> {
        let file = tempfile::tempfile_in(folder).map_err(|source| Error::Write {
            path: folder.to_owned(),
            source,
        })?;
        Ok(Self {
            file: Arc::new(Mutex::new(file)),
            end: 0,
            path: folder.display().to_string(),
        })
    }

    /// Reads a stream to its end and returns a reader of its items.
    pub(crate) fn put(&mut self, mut stream: StreamReader<'_>) -> Result<SpoolReader, Error> {
        let failed = |source| Error::Write {
            path: self.path.clone().into(),
            source,
        };
        let start = self.end;
        let section = Section {
            file: Arc::clone(&self.file),
            position: start,
            end: u64::MAX,
        };
        let mut encoder =
            zstd::stream::write::Encoder::new(BufWriter::new(section), LEVEL).map_err(failed)?;
        let mut bytes = Vec::new();
        while let Some(item) = stream.next()? {
            bytes.clear();
            rmp_serde::encode::write(&mut bytes, &item)
                .map_err(|error| failed(io::Error::other(error)))?;
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            encoder.write_all(&length.to_le_bytes()).map_err(failed)?;
            encoder.write_all(&bytes).map_err(failed)?;
        }
        let section = encoder
            .finish()
            .and_then(|writer| writer.into_inner().map_err(io::IntoInnerError::into_error))
            .map_err(failed)?;
        self.end = section.position;
        Ok(SpoolReader {
            name: stream.name().to_owned(),
            section: Some(Section {
                file: Arc::clone(&self.file),
                position: start,
                end: self.end,
            }),
            decoder: None,
            bytes: Vec::new(),
        })
    }
}

/// Reads the items of one stream back.
pub(crate) struct SpoolReader {
    name: String,
    /// Where the items lie, until they are first asked for.
    section: Option<Section>,
    decoder: Option<zstd::stream::read::Decoder<'static, BufReader<Section>>>,
    bytes: Vec<u8>,
}

impl SpoolReader {
    /// Returns the name for messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Reads the next item; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Item>, Error> {
        let failed = |source| Error::Read {
            path: self.name.clone(),
            source,
        };
        if let Some(section) = self.section.take() {
            self.decoder = Some(zstd::stream::read::Decoder::new(section).map_err(failed)?);
        }
        let Some(decoder) = &mut self.decoder else {
            return Ok(None);
        };
        let mut length = [0; 4];
        match decoder.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.decoder = None;
                return Ok(None);
            }
            Err(source) => return Err(failed(source)),
        }
        self.bytes.clear();
        let length = u64::from(u32::from_le_bytes(length));
        decoder
            .take(length)
            .read_to_end(&mut self.bytes)
            .map_err(failed)?;
        let item = rmp_serde::from_slice(&self.bytes).map_err(|source| Error::Spool {
            path: self.name.clone(),
            source,
        })?;
        Ok(Some(item))
    }
}

/// A stretch of a shared file with a position of its own.
struct Section {
    file: Arc<Mutex<File>>,
    position: u64,
    end: u64,
}

impl Section {
    fn at_position(&self) -> io::Result<std::sync::MutexGuard<'_, File>> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.position))?;
        Ok(file)
    }
}

impl Read for Section {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let room = self.end.saturating_sub(self.position).min(out.len() as u64) as usize;
        let out = out.get_mut(..room).unwrap_or_default();
        let length = self.at_position()?.read(out)?;
        self.position += length as u64;
        Ok(length)
    }
}

impl Write for Section {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.at_position()?.write_all(bytes)?;
        self.position += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
