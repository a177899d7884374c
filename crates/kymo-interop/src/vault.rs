//! Puts bytes aside on the disk that must not be read there.
//!
//! What is put aside is not redacted yet. It is compressed and encrypted with a key that only
//! memory holds, in a file without a name that is gone with the process.

use std::fs::File;
use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use chacha20::cipher::StreamCipher as _;
use chacha20::{ChaCha20, KeyIvInit as _};

use crate::input::Damage;

/// What is put aside is read again soon, so speed matters more than size.
const LEVEL: i32 = 1;
/// How many bytes are compressed and encrypted together, and held in memory by a reader.
const CHUNK_BYTES: usize = 32 << 10;

/// A file without a name to which chunks of bytes are appended.
pub(crate) struct Vault {
    folder: PathBuf,
    key: [u8; 32],
    tools: Mutex<Tools>,
}

#[derive(Default)]
struct Tools {
    file: Option<Arc<File>>,
    end: u64,
    compressor: Option<zstd::bulk::Compressor<'static>>,
    decompressor: Option<zstd::bulk::Decompressor<'static>>,
}

/// Where a chunk lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    offset: u64,
    stored: u32,
    length: u32,
}

impl Chunk {
    /// Returns how many bytes of the file it takes.
    pub(crate) fn stored_bytes(self) -> u64 {
        u64::from(self.stored)
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl Vault {
    /// Puts aside in `folder`; the file is made when it is first needed.
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            key: rand::random(),
            tools: Mutex::default(),
        }
    }

    /// Returns the folder of the file.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Appends a chunk.
    pub(crate) fn put(&self, bytes: &[u8]) -> io::Result<Chunk> {
        let mut tools = self.tools.lock().unwrap_or_else(PoisonError::into_inner);
        let Tools {
            file,
            end,
            compressor,
            ..
        } = &mut *tools;
        let file = match file {
            Some(file) => file,
            None => file.insert(Arc::new(tempfile::tempfile_in(&self.folder)?)),
        };
        let compressor = match compressor {
            Some(compressor) => compressor,
            None => compressor.insert(zstd::bulk::Compressor::new(LEVEL)?),
        };
        let mut stored = compressor.compress(bytes)?;
        let too_long = |_| io::Error::from(io::ErrorKind::FileTooLarge);
        let chunk = Chunk {
            offset: *end,
            stored: u32::try_from(stored.len()).map_err(too_long)?,
            length: u32::try_from(bytes.len()).map_err(too_long)?,
        };
        self.cipher(chunk).apply_keystream(&mut stored);
        file.write_all_at(&stored, chunk.offset)?;
        *end += stored.len() as u64;
        Ok(chunk)
    }

    /// Reads a chunk into `bytes`, in place of what is there.
    pub(crate) fn get(&self, chunk: Chunk, bytes: &mut Vec<u8>) -> io::Result<()> {
        let mut stored = vec![0; chunk.stored as usize];
        let mut tools = self.tools.lock().unwrap_or_else(PoisonError::into_inner);
        let file = tools.file.clone().ok_or(io::ErrorKind::NotFound)?;
        file.read_exact_at(&mut stored, chunk.offset)?;
        self.cipher(chunk).apply_keystream(&mut stored);
        let decompressor = match &mut tools.decompressor {
            Some(decompressor) => decompressor,
            none => none.insert(zstd::bulk::Decompressor::new()?),
        };
        bytes.clear();
        bytes.reserve_exact(chunk.length as usize);
        decompressor.decompress_to_buffer(&stored, bytes)?;
        Ok(())
    }

    /// Every chunk lies at another place, so no nonce is used twice.
    fn cipher(&self, chunk: Chunk) -> ChaCha20 {
        let mut nonce = [0; 12];
        for (to, from) in nonce.iter_mut().zip(chunk.offset.to_le_bytes()) {
            *to = from;
        }
        ChaCha20::new(&self.key.into(), &nonce.into())
    }

    /// Copies all that `reader` gives; what it gives up to damage is kept with the damage.
    pub(crate) fn keep(self: &Arc<Self>, reader: &mut dyn Read) -> Result<Kept, KeepError> {
        let mut writer = VaultWriter::new(Arc::clone(self));
        let mut buffer = vec![0; CHUNK_BYTES];
        let ends_with = loop {
            match reader.read(&mut buffer) {
                Ok(0) => break None,
                Ok(length) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    writer.write_all(bytes).map_err(KeepError::Write)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => match Damage::of(&error) {
                    Some(damage) => break Some(damage.clone()),
                    None => return Err(KeepError::Read(error)),
                },
            }
        };
        let kept = writer.finish().map_err(KeepError::Write)?;
        Ok(Kept { ends_with, ..kept })
    }
}

/// Why a copy could not be made.
#[derive(Debug)]
pub(crate) enum KeepError {
    /// The source cannot be read.
    Read(io::Error),
    /// The vault cannot be written.
    Write(io::Error),
}

impl From<KeepError> for io::Error {
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::Read(error) | KeepError::Write(error) => error,
        }
    }
}

/// Bytes that were put aside, readable from any place.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    vault: Arc<Vault>,
    /// All but the last are `CHUNK_BYTES` long.
    chunks: Arc<[Chunk]>,
    length: u64,
    ends_with: Option<Damage>,
}

impl Kept {
    /// Returns the damage behind the last byte; reading on tells it again.
    pub(crate) fn damage(&self) -> Option<&Damage> {
        self.ends_with.as_ref()
    }

    /// Returns how many bytes there are.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Starts to read at the beginning.
    pub(crate) fn open(&self) -> KeptReader {
        KeptReader {
            kept: self.clone(),
            position: 0,
            buffer: Vec::new(),
            buffered: None,
        }
    }
}

/// Writes bytes of any length as chunks.
struct VaultWriter {
    vault: Arc<Vault>,
    chunks: Vec<Chunk>,
    buffer: Vec<u8>,
    length: u64,
}

impl VaultWriter {
    fn new(vault: Arc<Vault>) -> Self {
        Self {
            vault,
            chunks: Vec::new(),
            buffer: Vec::new(),
            length: 0,
        }
    }

    fn finish(mut self) -> io::Result<Kept> {
        if !self.buffer.is_empty() {
            self.chunks.push(self.vault.put(&self.buffer)?);
        }
        Ok(Kept {
            vault: self.vault,
            chunks: self.chunks.into(),
            length: self.length,
            ends_with: None,
        })
    }
}

impl Write for VaultWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = CHUNK_BYTES - self.buffer.len();
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.buffer.extend_from_slice(taken);
        if self.buffer.len() == CHUNK_BYTES {
            self.chunks.push(self.vault.put(&self.buffer)?);
            self.buffer.clear();
        }
        self.length += taken.len() as u64;
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads bytes that were put aside.
#[derive(Debug)]
pub(crate) struct KeptReader {
    kept: Kept,
    position: u64,
    buffer: Vec<u8>,
    /// The number of the chunk that lies in `buffer`.
    buffered: Option<u64>,
}

impl KeptReader {
    fn at_end(&self) -> io::Result<&[u8]> {
        match &self.kept.ends_with {
            Some(damage) => Err(damage.clone().into()),
            None => Ok(&[]),
        }
    }
}

impl BufRead for KeptReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let number = self.position / CHUNK_BYTES as u64;
        if self.buffered != Some(number) {
            self.buffered = None;
            let Some(chunk) = self.kept.chunks.get(number as usize) else {
                return self.at_end();
            };
            self.kept.vault.get(*chunk, &mut self.buffer)?;
            self.buffered = Some(number);
        }
        let start = (self.position % CHUNK_BYTES as u64) as usize;
        if start >= self.buffer.len() {
            return self.at_end();
        }
        Ok(self.buffer.get(start..).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.position += amount as u64;
    }
}

impl Read for KeptReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(out)?;
        self.consume(length);
        Ok(length)
    }
}

impl Seek for KeptReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => self.kept.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault() -> (tempfile::TempDir, Arc<Vault>) {
        let folder = tempfile::tempdir().unwrap();
        let vault = Arc::new(Vault::new(folder.path()));
        (folder, vault)
    }

    fn noise(length: usize) -> Vec<u8> {
        (0..length as u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect()
    }

    #[test]
    fn bytes_come_back_as_they_were_from_any_place() {
        let (_folder, vault) = vault();
        let bytes = noise(3 * CHUNK_BYTES + 17);
        let kept = vault.keep(&mut bytes.as_slice()).unwrap();
        assert_eq!(kept.damage(), None);
        let other = vault.keep(&mut &b"short"[..]).unwrap();
        assert_eq!((kept.length(), other.length()), (bytes.len() as u64, 5));
        let mut reader = kept.open();
        let mut whole = Vec::new();
        reader.read_to_end(&mut whole).unwrap();
        assert!(whole == bytes);
        for (to, start) in [
            (SeekFrom::Start(CHUNK_BYTES as u64 - 2), CHUNK_BYTES - 2),
            (SeekFrom::End(-19), bytes.len() - 19),
        ] {
            reader.seek(to).unwrap();
            let mut part = [0; 4];
            reader.read_exact(&mut part).unwrap();
            assert_eq!(part, bytes[start..start + 4]);
        }
        assert_eq!(
            reader.seek(SeekFrom::End(10)).unwrap(),
            bytes.len() as u64 + 10
        );
        assert_eq!(reader.read(&mut [0; 4]).unwrap(), 0);
        assert!(reader.seek(SeekFrom::Current(-1_000_000)).is_err());
    }

    #[test]
    fn nothing_on_the_disk_can_be_read_without_the_key() {
        let (_folder, vault) = vault();
        let secret = b"LABSECRET".repeat(3);
        let first = vault.keep(&mut secret.as_slice()).unwrap();
        let second = vault.keep(&mut secret.as_slice()).unwrap();
        let file = vault.tools.lock().unwrap().file.clone().unwrap();
        let mut disk = vec![0; file.metadata().unwrap().len() as usize];
        file.read_exact_at(&mut disk, 0).unwrap();
        assert!(memchr::memmem::find(&disk, b"LABSECRET").is_none());
        let at = |kept: &Kept| {
            let chunk = kept.chunks[0];
            disk[chunk.offset as usize..][..chunk.stored as usize].to_vec()
        };
        assert_ne!(at(&first), at(&second));
    }

    /// Gives some bytes and then an error.
    struct Failing(usize, Option<io::Error>);

    impl Read for Failing {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(self.1.take().unwrap());
            }
            let length = out.len().min(self.0);
            self.0 -= length;
            Ok(length)
        }
    }

    #[test]
    fn what_was_read_before_damage_is_kept_with_the_damage() {
        let (_folder, vault) = vault();
        let damage = Damage::new(7, "cut");
        let mut reader = Failing(100_000, Some(damage.clone().into()));
        let kept = vault.keep(&mut reader).unwrap();
        assert_eq!(kept.length(), 100_000);
        let mut bytes = Vec::new();
        let error = kept.open().read_to_end(&mut bytes).unwrap_err();
        assert_eq!((bytes.len(), Damage::of(&error)), (100_000, Some(&damage)));

        let mut reader = Failing(10, Some(io::ErrorKind::PermissionDenied.into()));
        let failed = vault.keep(&mut reader).unwrap_err();
        assert!(matches!(failed, KeepError::Read(_)), "{failed:?}");
    }
}
