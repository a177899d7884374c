use std::time::Duration;

use kymo_model::{Feed, FeedId, ObjectKey, Rv, Timestamp};

/// What one feed needs to start.
#[derive(Clone, Debug)]
pub struct FeedConfig {
    /// Its number in the trace.
    pub id: FeedId,
    /// What it watches.
    pub feed: Feed,
    /// How it behaves.
    pub options: FeedOptions,
    /// What the trace already holds of it.
    pub resume: ResumeFrom,
    /// The seed of its random waits, so that tests can repeat them.
    pub seed: u64,
}

/// How a feed behaves. The defaults suit a production cluster.
#[derive(Clone, Debug)]
pub struct FeedOptions {
    /// Ask the server for metadata only, and keep nothing else. For Secrets.
    pub metadata_only: bool,
    /// Whether lists may be streamed through a watch where the server can.
    pub streaming_lists: bool,
    /// Objects per page of a list.
    pub page_limit: u32,
    /// The most bytes of one page held in memory; a larger one is asked for again with fewer
    /// objects.
    pub page_bytes: usize,
    /// The most bytes of one line; a longer one is unreadable.
    pub line_bytes: usize,
    /// The range from which the server-side timeout of a watch is drawn, in seconds.
    pub watch_seconds: std::ops::Range<u32>,
    /// How long a watch may be silent before a bookmark interval has been observed.
    pub silence: Duration,
    /// How long a request may go unanswered.
    pub answer_timeout: Duration,
    /// The first wait after a failure; it doubles up to `backoff_max`.
    pub backoff_min: Duration,
    /// The longest wait after a failure.
    pub backoff_max: Duration,
    /// How long without a failure until the waits start over.
    pub backoff_reset: Duration,
    /// How long a failed feed counts as observed before the gap `disconnected` opens.
    pub disconnect_grace: Duration,
    /// How often a forbidden or absent resource is tried again.
    pub recheck: Duration,
    /// How often the live objects are compared with the server's; `None`: never.
    pub audit_every: Option<Duration>,
    /// How long a clean stop may take for a last audit; zero: none.
    pub audit_on_stop: Duration,
}

impl Default for FeedOptions {
    fn default() -> Self {
        Self {
            metadata_only: false,
            streaming_lists: true,
            page_limit: 500,
            page_bytes: 32 << 20,
            line_bytes: 8 << 20,
            watch_seconds: 300..600,
            silence: Duration::from_secs(150),
            answer_timeout: Duration::from_mins(1),
            backoff_min: Duration::from_millis(800),
            backoff_max: Duration::from_secs(30),
            backoff_reset: Duration::from_mins(2),
            disconnect_grace: Duration::from_secs(30),
            recheck: Duration::from_mins(1),
            audit_every: Some(Duration::from_mins(15)),
            audit_on_stop: Duration::from_secs(2),
        }
    }
}

/// What the trace already holds of a feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResumeFrom {
    /// The version up to which everything is in the trace; `None`: list first.
    pub rv: Option<Rv>,
    /// The epoch it belongs to.
    pub epoch: u32,
    /// When the last record of the feed was made.
    pub last_ts: Option<Timestamp>,
    /// The objects that were live.
    pub live: Vec<LiveObject>,
    /// Whether the recorder before did not end by itself: lost history then has the cause
    /// `recorder_crash`.
    pub after_crash: bool,
}

/// An object that was live, and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveObject {
    /// The object.
    pub key: ObjectKey,
    /// Its last version.
    pub rv: Rv,
}
