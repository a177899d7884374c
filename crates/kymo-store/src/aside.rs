//! Records put aside in a file without a name, to be read back in the same order.
//!
//! The file is gone with the process. What is put aside must be redacted: it lies on the disk
//! until then.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;

/// What is put aside is read back soon, so speed matters more than size.
const LEVEL: i32 = 1;

/// Takes records: a stream of `length u32 (little endian)` and `MessagePack`, compressed with zstd.
pub struct Aside {
    encoder: zstd::stream::write::Encoder<'static, BufWriter<File>>,
    bytes: Vec<u8>,
    folder: PathBuf,
}

/// Gives the records of an [`Aside`].
pub struct Recalled {
    decoder: zstd::stream::read::Decoder<'static, BufReader<File>>,
    bytes: Vec<u8>,
    folder: PathBuf,
}

impl Aside {
    /// Makes the file in `folder`, which must exist.
    pub fn create(folder: &Path) -> Result<Self, Error> {
        let failed = |source| write_failed(folder, source);
        let file = tempfile::tempfile_in(folder).map_err(failed)?;
        let encoder = zstd::stream::write::Encoder::new(BufWriter::new(file), LEVEL);
        Ok(Self {
            encoder: encoder.map_err(failed)?,
            bytes: Vec::new(),
            folder: folder.to_owned(),
        })
    }

    /// Puts a record aside.
    pub fn put(&mut self, record: &impl Serialize) -> Result<(), Error> {
        self.bytes.clear();
        let put = rmp_serde::encode::write_named(&mut self.bytes, record)
            .map_err(io::Error::other)
            .and_then(|()| u32::try_from(self.bytes.len()).map_err(io::Error::other))
            .and_then(|length| self.encoder.write_all(&length.to_le_bytes()))
            .and_then(|()| self.encoder.write_all(&self.bytes));
        put.map_err(|source| write_failed(&self.folder, source))
    }

    /// Goes back to the first record.
    pub fn recall(self) -> Result<Recalled, Error> {
        let folder = self.folder;
        let decoder = self
            .encoder
            .finish()
            .and_then(|writer| writer.into_inner().map_err(io::IntoInnerError::into_error))
            .and_then(|mut file| {
                file.rewind()?;
                zstd::stream::read::Decoder::new(file)
            });
        Ok(Recalled {
            decoder: decoder.map_err(|source| write_failed(&folder, source))?,
            bytes: Vec::new(),
            folder,
        })
    }
}

impl Recalled {
    /// Reads the next record; `None` at the end.
    #[expect(
        clippy::should_implement_trait,
        reason = "a caller knows what record comes next"
    )]
    pub fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Error> {
        let mut length = [0; 4];
        match self.decoder.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(source) => return Err(self.read_failed(source)),
        }
        self.bytes.clear();
        let length = u64::from(u32::from_le_bytes(length));
        let read = (&mut self.decoder)
            .take(length)
            .read_to_end(&mut self.bytes)
            .and_then(|_| rmp_serde::from_slice(&self.bytes).map_err(io::Error::other));
        read.map(Some).map_err(|source| self.read_failed(source))
    }

    fn read_failed(&self, source: io::Error) -> Error {
        Error::io("read", &self.folder)(source)
    }
}

fn write_failed(folder: &Path, source: io::Error) -> Error {
    Error::io("write", folder)(source)
}

impl fmt::Debug for Aside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aside")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Recalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recalled")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_in_their_order_and_leave_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut aside = Aside::create(folder.path()).unwrap();
        for number in 0..1000u64 {
            aside
                .put(&(number, "text".repeat(number as usize % 7)))
                .unwrap();
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut back = aside.recall().unwrap();
        for number in 0..1000u64 {
            let (found, text): (u64, String) = back.next().unwrap().unwrap();
            assert_eq!((found, text.len()), (number, number as usize % 7 * 4));
        }
        assert!(back.next::<(u64, String)>().unwrap().is_none());
    }
}
