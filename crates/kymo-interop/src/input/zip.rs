//! Reads the directory of a zip archive.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use zip::CompressionMethod;
use zip::result::ZipError;

use super::place::{Deflated, ReadSeek};

/// How much of the directory there may be for each entry that an archive may have.
const DIRECTORY_BYTES: u64 = 1024;

/// An entry of a zip archive.
#[derive(Debug)]
pub(super) struct Member {
    /// Its path in the archive.
    pub(super) path: String,
    /// How its content is stored.
    pub(super) kind: Kind,
}

/// How an entry is stored.
#[derive(Debug)]
pub(super) enum Kind {
    /// A folder.
    Folder,
    /// What is not read, and why.
    Skipped(&'static str),
    /// A stretch of the archive.
    File {
        start: u64,
        length: u64,
        deflated: Option<Deflated>,
    },
}

/// Why the directory cannot be used.
#[derive(Debug)]
pub(super) enum Fault {
    /// It is damaged or missing.
    Damaged(ZipError),
    /// It has more entries than allowed.
    TooMany,
    /// Its entries share bytes, so that they unpack to more than they hold.
    Overlapping,
}

impl From<ZipError> for Fault {
    fn from(error: ZipError) -> Self {
        match &error {
            ZipError::Io(inner) if inner.kind() == io::ErrorKind::QuotaExceeded => Self::TooMany,
            _ => Self::Damaged(error),
        }
    }
}

/// Lists the entries of an archive, at most `limit`.
pub(super) fn members(archive: Box<dyn ReadSeek>, limit: usize) -> Result<Vec<Member>, Fault> {
    let left = (limit as u64)
        .saturating_mul(DIRECTORY_BYTES)
        .saturating_add(1 << 20);
    let left = Arc::new(AtomicU64::new(left));
    let allowance = Allowance {
        archive,
        left: Arc::clone(&left),
    };
    let mut zip = zip::ZipArchive::new(BufReader::new(allowance))?;
    left.store(u64::MAX, Ordering::Relaxed);
    if zip.len() > limit {
        return Err(Fault::TooMany);
    }
    if zip.has_overlapping_files()? {
        return Err(Fault::Overlapping);
    }
    let mut members = Vec::with_capacity(zip.len());
    for index in 0..zip.len() {
        let entry = zip.by_index_raw(index)?;
        let path = match entry.name() {
            Ok(name) => name.into_owned(),
            Err(_) => String::from_utf8_lossy(entry.name_raw()).into_owned(),
        };
        let kind = kind(&entry);
        members.push(Member { path, kind });
    }
    Ok(members)
}

fn kind<R: Read>(entry: &zip::read::ZipFile<'_, R>) -> Kind {
    if entry.is_dir() {
        return Kind::Folder;
    }
    if entry.is_symlink() {
        return Kind::Skipped("a link");
    }
    if entry.encrypted() {
        return Kind::Skipped("encrypted");
    }
    let deflated = match entry.compression() {
        // The content of these is a file of the compression, which is told by its beginning.
        CompressionMethod::Stored | CompressionMethod::ZSTD | CompressionMethod::XZ => None,
        CompressionMethod::Deflated => Some(Deflated {
            length: entry.size(),
            crc: entry.crc32(),
        }),
        _ => return Kind::Skipped("compressed in a way that is not read"),
    };
    let Some(start) = entry.data_start() else {
        return Kind::Skipped("the archive does not tell where it begins");
    };
    Kind::File {
        start,
        length: entry.compressed_size(),
        deflated,
    }
}

/// Ends reading with an error when more is read than a directory may have.
struct Allowance {
    archive: Box<dyn ReadSeek>,
    left: Arc<AtomicU64>,
}

impl Read for Allowance {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.archive.read(out)?;
        let left = self.left.load(Ordering::Relaxed);
        let left = left
            .checked_sub(length as u64)
            .ok_or(io::ErrorKind::QuotaExceeded)?;
        self.left.store(left, Ordering::Relaxed);
        Ok(length)
    }
}

impl Seek for Allowance {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.archive.seek(to)
    }
}
