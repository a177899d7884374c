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

mod aside;
mod check;
mod contents;
mod coverage;
mod directory;
mod error;
pub mod failpoint;
mod frame;
pub mod fs;
mod header;
pub mod log;
mod maintenance;
pub mod manifest;
mod record;
mod repair;
mod resume;
pub mod segment;
mod spool;
mod survey;
mod trace;
mod writer;

pub use aside::{Aside, Recalled};
pub use check::{CheckReport, Finding, Severity, check, check_with};
pub use error::{Error, Format};
pub use maintenance::{Maintenance, Work};
pub use manifest::SegmentEntry;
pub use record::{
    Committed, LiveObject, LogRecord, PlacedRecord, Resume, SessionInfo, TraceIdentity,
};
pub use repair::{RepairReport, repair, repair_with};
pub use spool::Spool;
pub use trace::{Count, RevisedTrace, Segment, Stats, Tail, Trace, pack, write_file};
pub use writer::{Writer, WriterOptions};
