use std::io;

use arrow::error::ArrowError;
use parquet::errors::ParquetError;
use thiserror::Error;

pub use super::json::PatchError;

/// Why a segment cannot be written or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// Rows must come in the order of [`crate::segment::RowKey`], each key once.
    #[error("row {row} (seq {seq}) does not come behind the row before it")]
    OutOfOrder {
        /// The row, counted from 0.
        row: u64,
        /// Its seq.
        seq: u64,
    },
    /// A row names a feed that the segment does not define.
    #[error("row {row} names feed {feed}, which the segment does not define")]
    UnknownFeed {
        /// The row, counted from 0.
        row: u64,
        /// The feed.
        feed: u32,
    },
    /// The file is not a Parquet file of this kind.
    #[error("not a segment: {reason}")]
    NotASegment {
        /// What speaks against it.
        reason: &'static str,
    },
    /// It was written by a newer kymo in a way that this one cannot read.
    #[error("segment has format {found}, which is newer than this kymo reads ({supported})")]
    NewerFormat {
        /// Its format.
        found: String,
        /// The newest format that this build reads.
        supported: String,
    },
    /// Something is larger than a reader accepts.
    #[error("{what} is {bytes} bytes, over the limit of {limit}")]
    TooLarge {
        /// What.
        what: &'static str,
        /// Its size, in bytes.
        bytes: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// A column is missing or has another type.
    #[error("column `{column}` is missing or has another type")]
    Column {
        /// The column.
        column: &'static str,
    },
    /// A row does not make sense.
    #[error("row {row}: {what}")]
    Row {
        /// The row, counted from 0.
        row: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// A patch does not apply.
    #[error("row {row}: {source}")]
    Patch {
        /// The row, counted from 0.
        row: u64,
        /// Why.
        source: PatchError,
    },
    /// What shall be done to an object cannot be done.
    #[error("row {row}: {source}")]
    Revision {
        /// The row, counted from 0.
        row: u64,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The rows are not those that were written.
    #[error("content digest is {found}, the segment says {expected}")]
    Digest {
        /// The digest in the metadata.
        expected: String,
        /// The digest of what was read.
        found: String,
    },
    /// The metadata cannot be read or written.
    #[error("segment metadata: {source}")]
    Metadata {
        /// The parser's answer.
        source: serde_json::Error,
    },
    /// The Parquet library refused.
    #[error("Parquet: {source}")]
    Parquet {
        /// Its answer.
        #[from]
        source: ParquetError,
    },
    /// The Arrow library refused.
    #[error("Arrow: {source}")]
    Arrow {
        /// Its answer.
        #[from]
        source: ArrowError,
    },
    /// Reading or writing failed.
    #[error("segment: {source}")]
    Io {
        /// The operating system's answer.
        #[from]
        source: io::Error,
    },
}

impl SegmentError {
    /// Tells whether the bytes of the segment are damaged.
    pub fn is_corruption(&self) -> bool {
        !matches!(
            self,
            Self::OutOfOrder { .. }
                | Self::UnknownFeed { .. }
                | Self::NewerFormat { .. }
                | Self::Revision { .. }
                | Self::Io { .. }
        )
    }
}
