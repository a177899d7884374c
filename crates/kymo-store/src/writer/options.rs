use std::time::Duration;

use crate::segment::SegmentOptions;

/// How a trace is written.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// What was appended is durable after this time at the latest, if [`crate::Writer::due`] is
    /// heeded.
    pub commit_interval: Duration,
    /// Bytes on disk after which a commit happens by itself.
    pub commit_bytes: usize,
    /// Raw bytes after which a frame is cut; at most 1 MiB.
    pub frame_bytes: usize,
    /// Raw bytes after which a new log begins.
    pub rotate_bytes: u64,
    /// Events after which a new log begins.
    pub rotate_events: u64,
    /// Bytes kept aside for the last words when the disk is full.
    pub ballast_bytes: u64,
    /// Free bytes below which the disk counts as full.
    pub low_water_bytes: u64,
    /// Bytes of bodies that sealing holds at a time.
    pub seal_chunk_bytes: usize,
    /// Segments of similar size from which compaction makes one.
    pub compact_at: usize,
    /// Bytes on disk above which a segment is left alone.
    pub compact_max_bytes: u64,
    /// The layout of segments.
    pub segment: SegmentOptions,
}

impl WriterOptions {
    pub(crate) const MAX_FRAME_BYTES: usize = 1 << 20;
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            commit_interval: Duration::from_millis(200),
            commit_bytes: 1 << 20,
            frame_bytes: Self::MAX_FRAME_BYTES,
            rotate_bytes: 256 << 20,
            rotate_events: 50_000,
            ballast_bytes: 4 << 20,
            low_water_bytes: 8 << 20,
            seal_chunk_bytes: 24 << 20,
            compact_at: 4,
            compact_max_bytes: 512 << 20,
            segment: SegmentOptions {
                // A recorder seals beside its recording.
                threads: 1,
                ..SegmentOptions::default()
            },
        }
    }
}
