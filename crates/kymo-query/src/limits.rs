use std::path::PathBuf;
use std::time::Duration;

/// What one session may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory for sorting, joining and grouping, and for batches on their way out of traces, in
    /// bytes; what does not fit is spilled.
    pub memory_bytes: usize,
    /// Disk space for spilled data, in bytes; 0 spills nothing, so that a query which needs more
    /// memory than it may have fails.
    pub spill_bytes: u64,
    /// The directory in which the session makes its own one (mode 0700) for spilled data;
    /// `None`: the system's directory for temporary files.
    pub spill_directory: Option<PathBuf>,
    /// How long a query may take, planning and reading its answer included; `None`: for ever.
    pub timeout: Option<Duration>,
    /// How many threads one query keeps busy; `None`: one for each processor. With little memory there
    /// are fewer.
    pub threads: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 512 << 20,
            spill_bytes: 8 << 30,
            spill_directory: None,
            timeout: None,
            threads: None,
        }
    }
}
