//! The store of kymo: a crash-safe log, sealed columnar segments and the manifest that names them.
//!
//! A trace is a directory (mode 0700) of files (mode 0600):
//!
//! | file | what it is |
//! |---|---|
//! | `manifest` | a framed log of what belongs to the trace; see [`mod@manifest`] |
//! | `NNNNNN.wal` | a log: frames of records as they came, synced in groups; see [`mod@log`] |
//! | `NNNNNN.parquet` | a segment: sealed records sorted by object; see [`mod@segment`] |
//! | `lock` | held by the one writer; its process id is inside |
//! | `ballast` | space kept for the last words when the disk is full |
//! | `quarantine/` | what recovery set aside; never read again by kymo |
//!
//! A sealed trace can also be a single `.parquet` file. One [`Writer`] writes; any number of
//! [`Trace`]s read at the same time, without a lock.

mod error;
mod record;

pub use error::{Error, Format};
pub use record::{
    Committed, LiveObject, LogRecord, PlacedRecord, Resume, SessionInfo, TraceIdentity,
};
