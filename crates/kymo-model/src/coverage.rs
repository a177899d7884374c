use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{FeedId, Rv, Timestamp};

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
        )]
        pub enum $name {
            $($(#[$vmeta])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every word, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the word in SQL.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl fmt::Display for $name {
            fmt_word!();
        }
    };
}

macro_rules! fmt_word {
    () => {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.as_str())
        }
    };
}

words! {
    /// What a stretch of a feed was.
    CoverageState {
        /// Every change in it is in the trace.
        Observed = "observed",
        /// Changes in it may be missing.
        Unobserved = "unobserved",
        /// What is in it may be wrong or incomplete.
        Uncertain = "uncertain",
        /// The server forbade it.
        Denied = "denied",
        /// The server does not serve the resource.
        Absent = "absent",
        /// The server asked us to wait.
        Throttled = "throttled",
        /// Deleted by a retention rule.
        Expired = "expired",
    }
}

words! {
    /// Why a stretch of coverage began.
    Cause {
        /// The recorder or importer started.
        Start = "start",
        /// The recorder stopped as asked.
        Stop = "stop",
        /// The connection was lost and could not be resumed yet.
        Disconnected = "disconnected",
        /// The server no longer had the history (410 Gone).
        HistoryExpired = "history_expired",
        /// resourceVersions went backwards, as after a restored backup.
        HistoryRewound = "history_rewound",
        /// 403 from the server.
        Forbidden = "forbidden",
        /// 401 from the server.
        Unauthorized = "unauthorized",
        /// 404 or 405 from the server.
        NotServed = "not_served",
        /// 429 or 503 from the server.
        Throttled = "throttled",
        /// The disk was full.
        DiskFull = "disk_full",
        /// The disk did not keep what it was given.
        FsyncFailed = "fsync_failed",
        /// Bytes of the trace are damaged.
        Corrupt = "corrupt",
        /// A line of the watch could not be read.
        UnreadableLine = "unreadable_line",
        /// An audit found a difference between the server and the trace.
        Discrepancy = "discrepancy",
        /// The recorder ended without saying so.
        RecorderCrash = "recorder_crash",
        /// A feed failed inside the recorder.
        RecorderFault = "recorder_fault",
        /// More came than could be written.
        Overload = "overload",
        /// A retention rule removed it.
        Retention = "retention",
        /// The source of an import did not hold it.
        Source = "source",
    }
}

/// One row of the `coverage` table: a stretch of one feed and what was observed of it.
///
/// `from_*` is included, `to_*` is the last point known to belong to it. Where `feed` is `None`
/// the stretch concerns every feed (a damaged part of the log, a full disk).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// The feed; `None` for all.
    pub feed: Option<FeedId>,
    /// The feed's epoch.
    pub epoch: u32,
    /// The recorder session.
    pub session: u32,
    /// What it was.
    pub state: CoverageState,
    /// Why it began.
    pub cause: Cause,
    /// resourceVersion at the start.
    pub from_rv: Option<Rv>,
    /// resourceVersion at the end.
    pub to_rv: Option<Rv>,
    /// The first `seq` that can belong to it.
    pub from_seq: Option<u64>,
    /// The last `seq` that can belong to it.
    pub to_seq: Option<u64>,
    /// Receive time at the start.
    pub from_ts: Option<Timestamp>,
    /// Receive time at the end; `None` while it lasts.
    pub to_ts: Option<Timestamp>,
    /// What else is known, for people.
    pub detail: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_json_are_the_words_in_sql() {
        for state in CoverageState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        for cause in Cause::ALL {
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.as_str());
        }
    }
}
