use std::hash::{BuildHasher, RandomState};

use kymo_model::{
    Cause, Certainty, Coverage, CoverageState, Event, EventType, ObjectKey, Rv, Timestamp,
};

use super::{Activity, FeedMachine};
use crate::{Alarm, Delivery};

/// An answer with more unreadable lines in a row is no watch stream.
const KEPT_IN_A_ROW: usize = 16;

/// Lines that could not be read since the position moved last.
#[derive(Debug)]
pub(super) struct Unreadable {
    after: Option<Rv>,
    since: Timestamp,
    hasher: RandomState,
    /// Hashes of the lines kept, so that asking again does not keep them twice.
    kept: Vec<u64>,
    reason: String,
}

impl FeedMachine {
    /// Takes a line that cannot be read: asks for it again, the second time keeps its bytes.
    pub(super) fn on_unreadable(&mut self, now: Timestamp, raw: &[u8], reason: String) {
        let again = self
            .unreadable
            .as_ref()
            .is_some_and(|unreadable| unreadable.after == self.position);
        if again {
            self.keep_unreadable(now, raw, reason);
            return;
        }
        self.counters.unreadable += 1;
        self.begin_unreadable(now, reason);
        if matches!(self.activity, Activity::StreamingList(_)) {
            self.begin_list(now);
        } else {
            self.open_watch(now);
        }
    }

    fn begin_unreadable(&mut self, now: Timestamp, reason: String) {
        self.close_unreadable_gap(now, None);
        self.unreadable = Some(Unreadable {
            after: self.position.clone(),
            since: now,
            hasher: RandomState::new(),
            kept: Vec::new(),
            reason,
        });
    }

    /// Keeps the bytes of a line or an item that cannot be read. The gap around it ends at the
    /// next version that can be.
    pub(super) fn keep_unreadable(&mut self, now: Timestamp, raw: &[u8], reason: String) {
        let listing = matches!(
            self.activity,
            Activity::StreamingList(_) | Activity::Listing { .. }
        );
        if listing {
            // What it was is not known, so what the list lacks may be just this.
            self.relist.incomplete = true;
        }
        let here = self
            .unreadable
            .as_ref()
            .is_some_and(|unreadable| unreadable.after == self.position);
        if !here {
            self.begin_unreadable(now, reason.clone());
        }
        let Some(unreadable) = &mut self.unreadable else {
            return;
        };
        let hash = unreadable.hasher.hash_one(raw);
        if unreadable.kept.contains(&hash) {
            return;
        }
        self.counters.unreadable += 1;
        if !listing && unreadable.kept.len() >= KEPT_IN_A_ROW {
            let message = format!("the answer is no watch stream: {reason}");
            self.retry(now, None, message);
            return;
        }
        if unreadable.kept.is_empty() {
            unreadable.since = now;
        }
        unreadable.kept.push(hash);
        unreadable.reason.clone_from(&reason);
        // The bytes could hold what the feed must not keep.
        let body = if self.options.metadata_only { &[] } else { raw };
        self.alarm(Alarm::UnreadableLine {
            after: self.position.clone(),
            reason,
        });
        self.deliver(Delivery::Event(Event {
            feed: self.id,
            ts: now,
            not_before: None,
            event_type: EventType::Unreadable,
            certainty: Certainty::Seen,
            epoch: self.epoch,
            key: ObjectKey::default(),
            rv: None,
            body: Some(body.into()),
            request: None,
        }));
    }

    /// Delivers the gap around lines that were kept, as the position moves past them.
    pub(super) fn close_unreadable_gap(&mut self, now: Timestamp, to_rv: Option<&Rv>) {
        let Some(unreadable) = self.unreadable.take() else {
            return;
        };
        let lines = unreadable.kept.len();
        if lines == 0 {
            return;
        }
        self.counters.gaps += 1;
        self.deliver(Delivery::Gap(Coverage {
            feed: Some(self.id),
            epoch: self.epoch,
            session: 0,
            state: CoverageState::Uncertain,
            cause: Cause::UnreadableLine,
            from_rv: unreadable.after,
            to_rv: to_rv.cloned(),
            from_seq: None,
            to_seq: None,
            from_ts: Some(unreadable.since),
            to_ts: Some(now),
            detail: Some(format!(
                "{lines} {}: {}",
                if lines == 1 { "line" } else { "lines" },
                unreadable.reason
            )),
        }));
    }
}
