use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use kymo_model::FeedId;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The version of the format on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Format {
    /// Grows when older readers cannot read what is written; they refuse it.
    pub major: u16,
    /// Grows when older readers can read it and miss only what they do not know.
    pub minor: u16,
}

impl Format {
    /// The version that this crate writes.
    pub const CURRENT: Self = Self { major: 2, minor: 0 };

    /// Tells whether this crate can read it: every older major, every minor.
    pub fn is_readable(self) -> bool {
        self.major >= 1 && self.major <= Self::CURRENT.major
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Why the store could not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Its answer.
        source: io::Error,
    },
    /// Another writer has the trace.
    #[error("trace `{}` is being written by {}", path.display(), holder(*pid))]
    Locked {
        /// The trace.
        path: PathBuf,
        /// The other process, where it told.
        pid: Option<u32>,
    },
    /// The path holds something else.
    #[error("`{}` is not a trace: {reason}", path.display())]
    NotATrace {
        /// The path.
        path: PathBuf,
        /// What speaks against it.
        reason: &'static str,
    },
    /// A trace cannot be created where something is.
    #[error("`{}` exists already", path.display())]
    Exists {
        /// The path.
        path: PathBuf,
    },
    /// It was written by a newer kymo in a way that this one cannot read.
    #[error(
        "`{}` has format {found}, which is newer than this kymo reads ({supported})",
        path.display()
    )]
    NewerFormat {
        /// The trace or file.
        path: PathBuf,
        /// Its format.
        found: Format,
        /// The newest format that this build reads.
        supported: Format,
    },
    /// The trace records another cluster.
    #[error(
        "trace `{}` records the cluster {expected}, this is {found}",
        path.display()
    )]
    OtherCluster {
        /// The trace.
        path: PathBuf,
        /// The uid of the trace's cluster (its kube-system namespace).
        expected: String,
        /// The uid of the present one.
        found: String,
    },
    /// Bytes are not what they must be.
    #[error("`{}` is damaged at byte {offset}: {what}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// A frame of a kind that must be understood is not.
    #[error(
        "`{}` was written by a newer kymo: a frame of kind {kind} at byte {offset} must be understood",
        path.display()
    )]
    UnknownFrame {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// The kind.
        kind: u8,
    },
    /// A record is larger than a frame can be.
    #[error("a record of {bytes} bytes for `{}` is over the limit of {limit}", path.display())]
    RecordTooLarge {
        /// The trace.
        path: PathBuf,
        /// Its size, in bytes.
        bytes: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// A record could not be put into bytes.
    #[error("cannot encode a record for `{}`: {source}", path.display())]
    Encode {
        /// The trace.
        path: PathBuf,
        /// The encoder's answer.
        source: rmp_serde::encode::Error,
    },
    /// A record names a feed that was never defined.
    #[error("trace `{}` has no feed {}", path.display(), feed.0)]
    UnknownFeed {
        /// The trace.
        path: PathBuf,
        /// The feed.
        feed: FeedId,
    },
    /// The disk did not keep what it was given. What was appended since the last commit is void;
    /// resume every feed from [`crate::Resume`].
    #[error("the disk did not keep `{}`: {source}", path.display())]
    FsyncFailed {
        /// The file, which is not written to again.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A segment cannot be written or read.
    #[error("segment `{}`: {source}", path.display())]
    Segment {
        /// The file.
        path: PathBuf,
        /// Why.
        source: crate::segment::SegmentError,
    },
    /// A segment that was just written is not what it should be; it was not put in place.
    #[error("segment `{}` does not read back as written: {what}", path.display())]
    SealMismatch {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: &'static str,
    },
    /// There is no space left. Nothing durable is lost; what was not committed may be.
    #[error("no space left for trace `{}`", path.display())]
    DiskFull {
        /// The trace.
        path: PathBuf,
        /// The operating system's answer; `None` when the low-water mark was met before it.
        source: Option<io::Error>,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(
        || "another process".to_owned(),
        |pid| format!("process {pid}"),
    )
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    pub(crate) fn corrupt(path: &Path, offset: u64, what: &'static str) -> Self {
        Self::Corrupt {
            path: path.to_owned(),
            offset,
            what,
        }
    }

    /// Tells whether the disk lost what it was given: resume the feeds from what is durable.
    pub fn is_fsync_failed(&self) -> bool {
        matches!(self, Self::FsyncFailed { .. })
    }

    /// Tells whether space ran out, in any step.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::DiskFull { .. } => true,
            Self::Io { source, .. }
            | Self::Segment {
                source: crate::segment::SegmentError::Io { source },
                ..
            } => is_no_space(source),
            Self::Segment {
                source: crate::segment::SegmentError::Parquet { source },
                ..
            } => parquet_is_no_space(source),
            _ => false,
        }
    }

    /// Tells whether bytes of the trace are damaged.
    pub fn is_corruption(&self) -> bool {
        match self {
            Self::Corrupt { .. } | Self::SealMismatch { .. } => true,
            Self::Segment { source, .. } => source.is_corruption(),
            _ => false,
        }
    }

    /// Tells whether another writer has the trace.
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Locked { .. })
    }
}

pub(crate) fn is_no_space(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// The Parquet writer wraps what the file below it said.
fn parquet_is_no_space(error: &parquet::errors::ParquetError) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return is_no_space(error);
        }
        cause = error.source();
    }
    error.to_string().contains("no storage space")
}
