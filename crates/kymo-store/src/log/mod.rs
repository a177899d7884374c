//! Logs: what is written as it comes, and the only thing that is synced often.
//!
//! A log `NNNNNN.wal` is a [header](self) of 96 bytes and frames (32 bytes of header and a zstd
//! payload each, chained by CRC-32C). Each log begins with the session and every feed known, so
//! that it can be read alone. Events and resourceVersion marks share frames: what is resumed from
//! and what is stored cannot disagree.
//!
//! A frame that cannot be read at the very end is a torn write; readers ignore it, the next writer
//! keeps its bytes in `quarantine/` and cuts it off. One with frames behind it is damage: what is
//! before and behind stays, and the missing seqs become a gap in the coverage.
//!
//! The header of the next log, and the manifest, say where a log ends. What lies behind that end
//! is void: it was written but a sync of it failed.

mod codec;
mod file;
mod reader;

pub(crate) use codec::put;
pub(crate) use file::LogFile;
pub(crate) use reader::{Item, LogReader, LogSummary, Lost};
