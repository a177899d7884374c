use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::Format;
use crate::input::Damage;

/// Why an import could not be done.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// An input cannot be opened.
    #[error("cannot open `{path}`: {source}")]
    Open {
        /// The input.
        path: String,
        /// The operating system's or the decoder's answer.
        source: io::Error,
    },
    /// An input cannot be read to its end.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// The input.
        path: String,
        /// The operating system's or the decoder's answer.
        source: io::Error,
    },
    /// The name of an archive's entry leads out of the archive.
    #[error("archive `{archive}` has an entry whose path leads outside: `{entry}`")]
    UnsafeEntry {
        /// The archive.
        archive: String,
        /// The entry's name.
        entry: String,
    },
    /// An archive has more entries than the limit.
    #[error("archive `{archive}` has more than {limit} entries")]
    TooManyEntries {
        /// The archive.
        archive: String,
        /// The limit.
        limit: usize,
    },
    /// Entries of an archive share bytes, so that it unpacks to more than it holds.
    #[error("the entries of archive `{archive}` overlap")]
    OverlappingEntries {
        /// The archive.
        archive: String,
    },
    /// There is nothing to import under the paths.
    #[error("nothing to import in {paths}")]
    NoInput {
        /// The paths.
        paths: String,
    },
    /// The inputs were read and hold nothing of the format.
    #[error("nothing in {paths} is of the format `{format}`; the first that was not read: {first}")]
    NoEvent {
        /// The format.
        format: Format,
        /// The paths.
        paths: String,
        /// Place and reason of the first that could not be read.
        first: String,
    },
    /// The format of the inputs could not be found out.
    #[error("nothing in {paths} is of a format that is known")]
    UnknownInput {
        /// The paths.
        paths: String,
    },
    /// The inputs are of several formats.
    #[error("the input is of several formats: {found}")]
    MixedFormats {
        /// The formats, each with an input.
        found: String,
    },
    /// A file of a version that is not known.
    #[error("`{path}` is of version {found} of its format; {known} is what can be read")]
    Version {
        /// The input.
        path: String,
        /// What it says.
        found: String,
        /// What can be read.
        known: &'static str,
    },
    /// A file that breaks its format as a whole.
    #[error("`{path}`, {place}: {reason}")]
    Malformed {
        /// The input.
        path: String,
        /// Where: a line, a byte, a record.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// A file that says what columns mean cannot be used.
    #[error("`{path}`, line {line}, column {column}: {reason}")]
    Mapping {
        /// The file.
        path: String,
        /// The line, from 1.
        line: u64,
        /// The column, from 1.
        column: u64,
        /// What is wrong.
        reason: String,
    },
    /// A table lacks columns that the mapping needs.
    #[error(
        "`{path}`, line 1: it is no table of the mapping `{}`: it lacks {columns}",
        mapping.display()
    )]
    MissingColumns {
        /// The table.
        path: String,
        /// The mapping.
        mapping: PathBuf,
        /// The columns.
        columns: String,
    },
    /// The inputs were to become one trace, but are of two clusters.
    #[error("`{first}` and `{second}` are of different clusters")]
    DifferentClusters {
        /// An input.
        first: String,
        /// One of another cluster.
        second: String,
    },
    /// A stream has no receive times, and the options give none.
    #[error("`{path}` has no receive times")]
    NoTime {
        /// The stream.
        path: String,
    },
    /// A start was given for times that need none.
    #[error("`{path}` needs no start: {reason}")]
    StartIsTold {
        /// The stream.
        path: String,
        /// Where its times begin.
        reason: String,
    },
    /// Something is at the place of the output.
    #[error("output `{}` exists already", path.display())]
    OutputExists {
        /// The place.
        path: PathBuf,
    },
    /// A file beside the output cannot be made or renamed.
    #[error("cannot write `{}`: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The caller ended the import.
    #[error("the import was interrupted")]
    Cancelled,
    /// The trace could not be written.
    #[error(transparent)]
    Store(#[from] kymo_store::Error),
}

impl Error {
    pub(crate) fn open(path: &Path, source: io::Error) -> Self {
        Self::Open {
            path: path.display().to_string(),
            source,
        }
    }

    /// Returns the input that cannot be read from some place on, and the damage; `None` for all
    /// other errors.
    pub(crate) fn damage(&self) -> Option<(&str, &Damage)> {
        match self {
            Self::Read { path, source } | Self::Open { path, source } => {
                Some((path, Damage::of(source)?))
            }
            _ => None,
        }
    }

    /// Tells whether an input holds what it must not; otherwise the request or the machine is at
    /// fault.
    pub fn is_bad_input(&self) -> bool {
        match self {
            Self::UnsafeEntry { .. }
            | Self::TooManyEntries { .. }
            | Self::OverlappingEntries { .. }
            | Self::NoEvent { .. }
            | Self::UnknownInput { .. }
            | Self::MixedFormats { .. }
            | Self::Version { .. }
            | Self::Malformed { .. } => true,
            Self::Read { source, .. } | Self::Open { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::Other
                    | io::ErrorKind::InvalidData
                    | io::ErrorKind::InvalidInput
                    | io::ErrorKind::QuotaExceeded
                    | io::ErrorKind::UnexpectedEof
            ),
            Self::Store(error) => error.is_corruption(),
            _ => false,
        }
    }

    /// Tells whether an input needs more than [`Limits`](crate::Limits) allow.
    pub fn is_over_limit(&self) -> bool {
        match self {
            Self::TooManyEntries { .. } => true,
            Self::Read { source, .. } | Self::Open { source, .. } => {
                source.kind() == io::ErrorKind::QuotaExceeded
            }
            _ => false,
        }
    }

    /// Tells whether the command line is at fault.
    pub fn is_bad_request(&self) -> bool {
        matches!(
            self,
            Self::NoInput { .. }
                | Self::NoTime { .. }
                | Self::StartIsTold { .. }
                | Self::OutputExists { .. }
                | Self::Mapping { .. }
                | Self::MissingColumns { .. }
                | Self::DifferentClusters { .. }
        )
    }
}
