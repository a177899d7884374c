use std::time::Duration;

use kymo_model::{Cause, CoverageState, Timestamp, WatchStatus};
use rand::Rng;

use super::{Activity, FeedMachine, Next};
use crate::Alarm;

/// How often a version that the server does not have yet is asked for before a list is.
const TOO_NEW_ATTEMPTS: u32 = 3;

/// How long to wait for a version that the server does not have yet, if it does not say.
const TOO_NEW_WAIT: Duration = Duration::from_secs(1);

/// What a status means for a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// The version is older than the server's history.
    Gone,
    /// The version is newer than the server knows.
    TooNew,
    Unauthorized,
    Forbidden,
    NotServed,
    Throttled,
    /// The request is not one the server takes.
    Invalid,
    /// Anything else: try again.
    Failed,
}

impl Meaning {
    fn of(status: &WatchStatus) -> Self {
        // The API server's own client tells it by this message, too (`IsTooLargeResourceVersion`).
        if status.message.contains("Too large resource version") {
            return Self::TooNew;
        }
        match status.code {
            410 => Self::Gone,
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 | 405 => Self::NotServed,
            429 | 503 => Self::Throttled,
            400 | 422 => Self::Invalid,
            0 if matches!(status.reason.as_str(), "Expired" | "Gone") => Self::Gone,
            _ => Self::Failed,
        }
    }
}

impl FeedMachine {
    fn is_listing(&self) -> bool {
        matches!(
            self.activity,
            Activity::ConnectingList { .. } | Activity::StreamingList(_) | Activity::Listing { .. }
        )
    }

    fn is_streaming_list(&self) -> bool {
        self.is_listing() && !matches!(self.activity, Activity::Listing { .. })
    }

    /// Takes a status other than 200, as the answer to a request or as an ERROR event.
    pub(super) fn on_status(&mut self, now: Timestamp, status: &WatchStatus) {
        let message = format!("{} {}", status.code, status.message);
        match self.activity {
            Activity::Connecting { .. }
            | Activity::Watching(_)
            | Activity::Probing { .. }
            | Activity::ConnectingList { .. }
            | Activity::StreamingList(_)
            | Activity::Listing { .. } => {}
            Activity::Starting
            | Activity::Waiting { .. }
            | Activity::Stopping
            | Activity::Stopped => return,
        }
        match Meaning::of(status) {
            Meaning::Gone => self.on_gone(now, &status.message),
            Meaning::TooNew => self.on_too_new(now, status),
            Meaning::Invalid => self.on_invalid(now, &message),
            Meaning::Unauthorized => self.on_unauthorized(now, message),
            Meaning::Forbidden => {
                self.alarm(Alarm::Forbidden {
                    message: message.clone(),
                });
                self.refused(now, CoverageState::Denied, Cause::Forbidden, message);
            }
            Meaning::NotServed => {
                self.alarm(Alarm::NotServed {
                    message: message.clone(),
                });
                self.refused(now, CoverageState::Absent, Cause::NotServed, message);
            }
            Meaning::Throttled => self.on_throttled(now, status, message),
            Meaning::Failed => self.retry(now, status.retry_after, message),
        }
    }

    fn on_gone(&mut self, now: Timestamp, message: &str) {
        if self.relist.at.is_some() && self.is_listing() {
            self.list_at_newest(now);
        } else if self.is_listing() {
            self.restart_list(now, message);
        } else {
            self.cover_expired(now, message);
            self.reset(now);
        }
    }

    /// Lists because the position is of no use any more; at once the first time.
    pub(super) fn reset(&mut self, now: Timestamp) {
        self.resets_in_a_row += 1;
        // The version of a page is known before its objects are taken.
        self.relist.pages_only = self.position.is_none();
        if self.resets_in_a_row == 1 {
            self.begin_list(now);
        } else {
            let wait = self.backoff.after_failure(now, None, &mut self.random);
            self.wait(now, wait, Next::List);
        }
    }

    /// A server behind the one that was read before has not caught up, or history went back; a
    /// list at the newest version tells.
    fn on_too_new(&mut self, now: Timestamp, status: &WatchStatus) {
        self.too_new_in_a_row += 1;
        if self.relist.at.is_some() && self.is_listing() {
            self.list_at_newest(now);
            return;
        }
        let wait = status.retry_after.unwrap_or(TOO_NEW_WAIT);
        let wait = wait.mul_f64(self.random.random_range(1.0..1.1));
        let next = if self.is_listing() || self.too_new_in_a_row >= TOO_NEW_ATTEMPTS {
            self.relist.pages_only = true;
            Next::List
        } else {
            Next::Resume
        };
        self.lost_since.get_or_insert(now);
        self.wait(now, wait, next);
    }

    fn on_invalid(&mut self, now: Timestamp, message: &str) {
        if self.is_streaming_list() {
            self.relist.stream_unsupported = true;
            self.begin_list(now);
        } else if self.relist.at.is_some() && self.is_listing() {
            self.list_at_newest(now);
        } else if self.is_listing() {
            self.restart_list(now, message);
        } else {
            // The server cannot make sense of the version: as good as gone.
            self.cover_expired(now, message);
            self.reset(now);
        }
    }

    /// Tokens rotate: the first refusal may be an old token, and is no gap.
    fn on_unauthorized(&mut self, now: Timestamp, message: String) {
        self.alarm(Alarm::Unauthorized {
            message: message.clone(),
        });
        self.refusals_in_a_row += 1;
        if self.refusals_in_a_row > 1 {
            self.cover(
                now,
                CoverageState::Denied,
                Cause::Unauthorized,
                Some(message),
            );
        }
        let wait = self.backoff.after_failure(now, None, &mut self.random);
        let next = self.next_after_failure();
        self.wait(now, wait, next);
    }

    fn refused(&mut self, now: Timestamp, state: CoverageState, cause: Cause, message: String) {
        self.cover(now, state, cause, Some(message));
        let next = if self.is_listing() {
            Next::List
        } else {
            Next::Resume
        };
        let wait = self
            .options
            .recheck
            .mul_f64(self.random.random_range(0.9..1.1));
        self.wait(now, wait, next);
    }

    fn on_throttled(&mut self, now: Timestamp, status: &WatchStatus, message: String) {
        let wait = self
            .backoff
            .after_failure(now, status.retry_after, &mut self.random);
        self.alarm(Alarm::Throttled {
            wait,
            message: message.clone(),
        });
        self.cover(
            now,
            CoverageState::Throttled,
            Cause::Throttled,
            Some(message),
        );
        let next = self.next_after_failure();
        self.wait(now, wait, next);
    }

    pub(super) fn on_failed(&mut self, now: Timestamp, message: String) {
        match self.activity {
            Activity::Watching(_) | Activity::StreamingList(_) => {
                self.on_stream_end(now, Some(message));
            }
            Activity::Connecting { .. }
            | Activity::ConnectingList { .. }
            | Activity::Probing { .. }
            | Activity::Listing { .. } => {
                self.unreachable = true;
                self.retry(now, None, message);
            }
            Activity::Starting
            | Activity::Waiting { .. }
            | Activity::Stopping
            | Activity::Stopped => {}
        }
    }

    fn next_after_failure(&self) -> Next {
        match self.activity {
            Activity::Listing { .. } => Next::Page,
            Activity::ConnectingList { .. } | Activity::StreamingList(_) => Next::List,
            _ => Next::Resume,
        }
    }

    /// Tries again what failed, after a wait. Out of contact for too long is a gap, which closes
    /// without loss if the watch can be resumed.
    pub(super) fn retry(&mut self, now: Timestamp, retry_after: Option<Duration>, message: String) {
        let since = *self.lost_since.get_or_insert(now);
        let observed = matches!(self.coverage, Some((CoverageState::Observed, _)));
        if observed && now.since(since) >= self.options.disconnect_grace {
            self.counters.gaps += 1;
            self.cover(
                self.position_ts.unwrap_or(since),
                CoverageState::Unobserved,
                Cause::Disconnected,
                Some(message.clone()),
            );
        }
        let wait = self
            .backoff
            .after_failure(now, retry_after, &mut self.random);
        self.alarm(Alarm::RequestFailed { wait, message });
        let next = self.next_after_failure();
        self.wait(now, wait, next);
    }
}
