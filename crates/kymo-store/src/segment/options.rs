/// How a segment is written. The defaults are what `docs/layout.md` found best.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentOptions {
    /// zstd level of the columns.
    pub zstd_level: i32,
    /// Rows per row group; every row group can be read on its own.
    pub row_group_rows: usize,
    /// Stored bytes (before Parquet) per row group; bounds the writer's memory.
    pub row_group_bytes: usize,
    /// Uncompressed bytes per page of the text columns.
    pub page_bytes: usize,
    /// Values between two checks of the page size.
    pub write_batch: usize,
    /// A version is kept whole when this many patches stand before it.
    pub keyframe_interval: u32,
    /// How many objects may be kept as patches against their neighbour in a row; 0: none.
    pub sibling_interval: u32,
    /// Keep `metadata.managedFields`.
    pub managed_fields: bool,
    /// Keep times in patches as seconds before the event's time.
    pub ages: bool,
    /// Apply every patch and compare before it is written; keep the version whole if it differs.
    pub verify_patches: bool,
    /// How many threads encode columns and read back what was written. The bytes do not depend on
    /// it.
    pub threads: usize,
}

impl Default for SegmentOptions {
    fn default() -> Self {
        Self {
            zstd_level: 9,
            row_group_rows: 1 << 17,
            row_group_bytes: 64 << 20,
            page_bytes: 1 << 20,
            write_batch: 64,
            keyframe_interval: 256,
            sibling_interval: 64,
            managed_fields: true,
            ages: true,
            verify_patches: true,
            threads: std::thread::available_parallelism()
                .map_or(1, std::num::NonZeroUsize::get)
                .min(MOST_THREADS),
        }
    }
}

/// More threads find nothing to do: one column takes a quarter of the time.
const MOST_THREADS: usize = 4;
