//! The first bytes of a log and of a manifest.
//!
//! All integers are little endian. Bytes 0..16 and the checksum at the end are the same in every
//! version, so that any reader can tell what it cannot read.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | `kymo.wal` or `kymo.man` |
//! | 8..12 | format: major, minor |
//! | 12..16 | length of this header; frames begin there |
//! | 16..32 | trace id |
//! | 32..36 | number of the log; 0 in a manifest |
//! | 36..40 | number of the log before; 0 if there is none |
//! | 40..48 | seq of the first event |
//! | 48..56 | when it was made, nanoseconds since 1970 |
//! | 56..64 | length to which the log before is valid |
//! | 64..72 | seq of the first event that is not in the log before |
//! | 72..76 | checksum of the last frame of the log before |
//! | 76..92 | 0 |
//! | 92..96 | CRC-32C of what comes before |

use std::path::Path;

use kymo_model::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Error, Format};
use crate::fs::{ReadFile, read_full_at};

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Log,
    Manifest,
}

impl FileKind {
    fn magic(self) -> [u8; 8] {
        match self {
            Self::Log => *b"kymo.wal",
            Self::Manifest => *b"kymo.man",
        }
    }
}

/// Where a log ends: what lies behind is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogEnd {
    /// The log.
    pub(crate) number: u32,
    /// Its valid length in bytes.
    pub(crate) length: u64,
    /// The seq behind its last event.
    pub(crate) next_seq: u64,
    /// The checksum of its last frame.
    pub(crate) chain: u32,
}

/// The header of a log or manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) kind: FileKind,
    pub(crate) format: Format,
    pub(crate) trace_id: Uuid,
    pub(crate) number: u32,
    pub(crate) first_seq: u64,
    pub(crate) created: Timestamp,
    pub(crate) previous: Option<LogEnd>,
    /// Where frames begin.
    pub(crate) length: u64,
}

const LENGTH: usize = 96;
const MAX_LENGTH: usize = 4096;

impl FileHeader {
    /// The length that this version writes.
    pub(crate) const LENGTH: u64 = LENGTH as u64;

    pub(crate) fn write(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        let mut put = |at: usize, field: &[u8]| {
            if let Some(space) = bytes.get_mut(at..at + field.len()) {
                space.copy_from_slice(field);
            }
        };
        put(0, &self.kind.magic());
        put(8, &self.format.major.to_le_bytes());
        put(10, &self.format.minor.to_le_bytes());
        put(12, &(LENGTH as u32).to_le_bytes());
        put(16, self.trace_id.as_bytes());
        put(32, &self.number.to_le_bytes());
        put(40, &self.first_seq.to_le_bytes());
        put(48, &self.created.0.to_le_bytes());
        if let Some(end) = self.previous {
            put(36, &end.number.to_le_bytes());
            put(56, &end.length.to_le_bytes());
            put(64, &end.next_seq.to_le_bytes());
            put(72, &end.chain.to_le_bytes());
        }
        let crc = crc32c::crc32c(&bytes[..LENGTH - 4]);
        bytes[LENGTH - 4..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header. `Ok(None)` if the bytes are none or damaged; an error if they are whole and
    /// of a version that this crate cannot read.
    pub(crate) fn read(
        file: &dyn ReadFile,
        path: &Path,
        kind: FileKind,
    ) -> Result<Option<Self>, Error> {
        let mut bytes = [0; MAX_LENGTH];
        let count = read_full_at(file, &mut bytes, 0).map_err(Error::io("read", path))?;
        let Some(header) = Self::parse(bytes.get(..count).unwrap_or_default(), kind) else {
            return Ok(None);
        };
        if header.format.is_readable() {
            Ok(Some(header))
        } else {
            Err(Error::NewerFormat {
                path: path.to_owned(),
                found: header.format,
                supported: Format::CURRENT,
            })
        }
    }

    fn parse(bytes: &[u8], kind: FileKind) -> Option<Self> {
        if !bytes.starts_with(&kind.magic()) {
            return None;
        }
        let length = u32::from_le_bytes(array(bytes, 12)?) as usize;
        if !(20..=MAX_LENGTH).contains(&length) {
            return None;
        }
        let crc = u32::from_le_bytes(array(bytes, length - 4)?);
        if crc32c::crc32c(bytes.get(..length - 4)?) != crc {
            return None;
        }
        let format = Format {
            major: u16::from_le_bytes(array(bytes, 8)?),
            minor: u16::from_le_bytes(array(bytes, 10)?),
        };
        let mut header = Self {
            kind,
            format,
            trace_id: Uuid::nil(),
            number: 0,
            first_seq: 0,
            created: Timestamp(0),
            previous: None,
            length: length as u64,
        };
        if !format.is_readable() {
            return Some(header);
        }
        if length < LENGTH {
            return None;
        }
        header.trace_id = Uuid::from_bytes(array(bytes, 16)?);
        header.number = u32::from_le_bytes(array(bytes, 32)?);
        header.first_seq = u64::from_le_bytes(array(bytes, 40)?);
        header.created = Timestamp(i64::from_le_bytes(array(bytes, 48)?));
        let end = LogEnd {
            number: u32::from_le_bytes(array(bytes, 36)?),
            length: u64::from_le_bytes(array(bytes, 56)?),
            next_seq: u64::from_le_bytes(array(bytes, 64)?),
            chain: u32::from_le_bytes(array(bytes, 72)?),
        };
        header.previous = (end.number != 0).then_some(end);
        Some(header)
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// Returns the seed of the checksums of a file's frames.
pub(crate) fn seed(trace_id: Uuid, number: u32) -> u32 {
    let seed = crc32c::crc32c(trace_id.as_bytes());
    crc32c::crc32c_append(seed, &number.to_le_bytes())
}
