use kymo_model::{Cause, CoverageState, Rv, Timestamp};

use super::{FeedMachine, Output};
use crate::{Alarm, Delivery, Transition};

impl FeedMachine {
    /// Enters a coverage state as of `since`, unless the feed is in it for the same cause.
    pub(super) fn cover(
        &mut self,
        since: Timestamp,
        state: CoverageState,
        cause: Cause,
        detail: Option<String>,
    ) {
        if self.coverage == Some((state, cause)) {
            return;
        }
        self.coverage = Some((state, cause));
        let ts = self.last_transition.map_or(since, |last| last.max(since));
        self.last_transition = Some(ts);
        self.deliver(Delivery::Transition(Transition {
            feed: self.id,
            epoch: self.epoch,
            ts,
            state,
            cause,
            rv: self.position.clone(),
            detail,
        }));
    }

    /// Enters the state observed, with the cause of the stretch that ends.
    pub(super) fn cover_observed(&mut self, now: Timestamp) {
        self.lost_since = None;
        self.after_crash = false;
        self.refusals_in_a_row = 0;
        self.too_new_in_a_row = 0;
        match self.coverage {
            Some((CoverageState::Observed, _)) => {}
            Some((_, cause)) => self.cover(now, CoverageState::Observed, cause, None),
            None => self.cover(now, CoverageState::Observed, Cause::Start, None),
        }
    }

    /// Opens the gap of an expired history; what was missed came after the last contact.
    pub(super) fn cover_expired(&mut self, now: Timestamp, message: &str) {
        self.alarm(Alarm::HistoryExpired {
            from: self.position.clone(),
        });
        self.counters.gaps += 1;
        let cause = if self.after_crash {
            Cause::RecorderCrash
        } else {
            Cause::HistoryExpired
        };
        self.cover(
            self.position_ts.unwrap_or(now),
            CoverageState::Unobserved,
            cause,
            (!message.is_empty()).then(|| message.to_owned()),
        );
    }

    /// Begins a new epoch after versions went back to `found`. What is live is not known any more
    /// to be at the versions it was at.
    pub(super) fn begin_epoch(&mut self, now: Timestamp, found: &Rv) {
        self.alarm(Alarm::HistoryRewound {
            from: self.position.clone(),
            found: found.clone(),
        });
        self.counters.gaps += 1;
        self.epoch += 1;
        self.cover(
            self.position_ts.unwrap_or(now),
            CoverageState::Unobserved,
            Cause::HistoryRewound,
            Some(format!(
                "versions went back from {} to {found}",
                self.position.as_ref().map_or("none", Rv::as_str)
            )),
        );
        self.position = None;
        self.recent.clear();
        self.live.forget_versions();
        self.verified = None;
        self.drop_audit();
    }

    pub(super) fn alarm(&mut self, alarm: Alarm) {
        self.outputs.push_back(Output::Alarm(alarm));
    }
}
