//! What the recorder counts: one set of numbers behind the status line and the metrics.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kymo_model::{Cause, CoverageState, Feed, FeedId, Timestamp};
use kymo_watch::{Alarm, FeedStatus};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::status::FeedCounts;

/// The labels of a feed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FeedLabels {
    group: String,
    resource: String,
    namespace: String,
}

/// The label of a coverage state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

/// The label of a cause.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CauseLabel {
    cause: &'static str,
}

/// The label of an alarm.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

/// Every number. The metrics are named in [`crate::endpoint`].
#[derive(Debug)]
pub(crate) struct Tally {
    registry: Registry,
    /// Events handed to the log.
    pub(crate) events: Counter,
    /// Bytes of the objects of those events, after redaction.
    pub(crate) received_bytes: Counter,
    /// Bytes of the logs on disk since the start.
    pub(crate) durable_bytes: Gauge<u64, AtomicU64>,
    pub(crate) commit_seconds: Histogram,
    pub(crate) fsync_failures: Counter,
    pub(crate) disk_full: Gauge,
    pub(crate) sealed_logs: Counter,
    pub(crate) compacted_segments: Counter,
    pub(crate) seal_failures: Counter,
    pub(crate) discoveries: Counter,
    pub(crate) discovery_failures: Counter,
    pub(crate) faults: Counter,
    pub(crate) clock_steps: Counter,
    pub(crate) in_flight_bytes: Gauge<u64, AtomicU64>,
    pub(crate) resident_bytes: Gauge<u64, AtomicU64>,
    pub(crate) lag_seconds: Gauge<f64, AtomicU64>,
    gaps: Family<CauseLabel, Counter>,
    alarms: Family<KindLabel, Counter>,
    feeds: Family<StateLabel, Gauge>,
    feed_events: Family<FeedLabels, Counter>,
    /// Receive time of the oldest record that is not durable; `i64::MAX`: all are.
    oldest: AtomicI64,
    board: Mutex<Board>,
}

#[derive(Debug, Default)]
struct Board {
    feeds: HashMap<FeedId, FeedStatus>,
    /// Feeds that were started and have no id yet.
    coming: HashSet<Feed>,
    last_alarm: Option<String>,
}

impl Tally {
    pub(crate) fn new(memory_budget: u64) -> Self {
        let mut registry = Registry::with_prefix("kymo");
        let commit_seconds = Histogram::new(exponential_buckets(0.001, 2.0, 14));
        let tally = Self {
            events: Counter::default(),
            received_bytes: Counter::default(),
            durable_bytes: Gauge::default(),
            commit_seconds: commit_seconds.clone(),
            fsync_failures: Counter::default(),
            disk_full: Gauge::default(),
            sealed_logs: Counter::default(),
            compacted_segments: Counter::default(),
            seal_failures: Counter::default(),
            discoveries: Counter::default(),
            discovery_failures: Counter::default(),
            faults: Counter::default(),
            clock_steps: Counter::default(),
            in_flight_bytes: Gauge::default(),
            resident_bytes: Gauge::default(),
            lag_seconds: Gauge::default(),
            gaps: Family::default(),
            alarms: Family::default(),
            feeds: Family::default(),
            feed_events: Family::default(),
            oldest: AtomicI64::new(i64::MAX),
            board: Mutex::default(),
            registry: Registry::default(),
        };
        let budget = Gauge::<u64, AtomicU64>::default();
        budget.set(memory_budget);
        let r = &mut registry;
        r.register("events", "Events written to the log", tally.events.clone());
        r.register_with_unit(
            "received",
            "Bytes of the objects of those events, after redaction",
            Unit::Bytes,
            tally.received_bytes.clone(),
        );
        r.register_with_unit(
            "durable",
            "Bytes of the logs on disk since the start",
            Unit::Bytes,
            tally.durable_bytes.clone(),
        );
        r.register_with_unit(
            "commit",
            "Time that a commit took, fsync included",
            Unit::Seconds,
            commit_seconds,
        );
        r.register(
            "fsync_failures",
            "Times the disk did not keep what it was given",
            tally.fsync_failures.clone(),
        );
        r.register(
            "disk_full",
            "1 while recording waits for disk space",
            tally.disk_full.clone(),
        );
        r.register(
            "sealed_logs",
            "Logs that became segments",
            tally.sealed_logs.clone(),
        );
        r.register(
            "compacted_segments",
            "Segments that became part of larger ones",
            tally.compacted_segments.clone(),
        );
        r.register(
            "seal_failures",
            "Failed attempts to seal or compact",
            tally.seal_failures.clone(),
        );
        r.register(
            "discoveries",
            "Times the server was asked what it serves",
            tally.discoveries.clone(),
        );
        r.register(
            "discovery_failures",
            "Times it did not answer that",
            tally.discovery_failures.clone(),
        );
        r.register(
            "feed_faults",
            "Feeds restarted after a fault inside the recorder",
            tally.faults.clone(),
        );
        r.register(
            "clock_steps",
            "Steps of the wall clock",
            tally.clock_steps.clone(),
        );
        r.register_with_unit(
            "in_flight",
            "Bytes delivered by feeds that the log has not taken",
            Unit::Bytes,
            tally.in_flight_bytes.clone(),
        );
        r.register_with_unit(
            "resident_memory",
            "Memory of the process",
            Unit::Bytes,
            tally.resident_bytes.clone(),
        );
        r.register_with_unit("memory_budget", "Memory to stay under", Unit::Bytes, budget);
        r.register_with_unit(
            "lag",
            "Age of the oldest record that is not durable",
            Unit::Seconds,
            tally.lag_seconds.clone(),
        );
        r.register(
            "gaps",
            "Stretches not observed, by cause",
            tally.gaps.clone(),
        );
        r.register("alarms", "Alarms of feeds, by kind", tally.alarms.clone());
        r.register("feeds", "Feeds, by coverage state", tally.feeds.clone());
        r.register(
            "feed_events",
            "Events written to the log, by feed",
            tally.feed_events.clone(),
        );
        Self { registry, ..tally }
    }

    /// Writes all metrics in the `OpenMetrics` text format.
    pub(crate) fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// Returns the counter of a feed's events.
    pub(crate) fn events_of(&self, feed: &Feed) -> Counter {
        self.feed_events.get_or_create_owned(&FeedLabels {
            group: feed.resource.group.clone(),
            resource: feed.resource.resource.clone(),
            namespace: feed.scope.namespace.clone().unwrap_or_default(),
        })
    }

    /// Counts a stretch that was not observed.
    pub(crate) fn gap(&self, cause: Cause) {
        self.gaps
            .get_or_create_owned(&CauseLabel {
                cause: cause.as_str(),
            })
            .inc();
    }

    /// Returns how many gaps there were.
    pub(crate) fn gap_count(&self) -> u64 {
        Cause::ALL
            .iter()
            .filter_map(|cause| {
                let cause = cause.as_str();
                self.gaps.get(&CauseLabel { cause }).map(|c| c.get())
            })
            .sum()
    }

    pub(crate) fn alarm(&self, feed: &Feed, alarm: &Alarm) {
        let kind = match alarm {
            Alarm::Unauthorized { .. } => "unauthorized",
            Alarm::Forbidden { .. } => "forbidden",
            Alarm::NotServed { .. } => "not_served",
            Alarm::Throttled { .. } => "throttled",
            Alarm::HistoryExpired { .. } => "history_expired",
            Alarm::HistoryRewound { .. } => "history_rewound",
            Alarm::UnreadableLine { .. } => "unreadable_line",
            Alarm::Discrepancy { .. } => "discrepancy",
            Alarm::Silent { .. } => "silent",
            Alarm::RequestFailed { .. } => "request_failed",
            _ => "other",
        };
        self.alarms.get_or_create_owned(&KindLabel { kind }).inc();
        // A line that cannot be read may hold a Secret, and the reason may quote it.
        let text = match alarm {
            Alarm::UnreadableLine { .. } if feed.resource.is_secret() => {
                "a line that cannot be read".to_owned()
            }
            alarm => alarm.to_string(),
        };
        self.note(format!("{}: {text}", name_of(feed)));
    }

    /// Keeps a message for the status line and logs it.
    pub(crate) fn note(&self, message: String) {
        tracing::warn!("{message}");
        self.board().last_alarm = Some(message);
    }

    pub(crate) fn last_alarm(&self) -> Option<String> {
        self.board().last_alarm.clone()
    }

    /// Puts feeds on the board that are about to start: they count as starting.
    pub(crate) fn expect<'a>(&self, feeds: impl Iterator<Item = &'a Feed>) {
        self.board().coming.extend(feeds.cloned());
    }

    /// Puts down the id of a feed.
    pub(crate) fn register(&self, feed: &Feed, id: FeedId) {
        let mut board = self.board();
        board.coming.remove(feed);
        board.feeds.entry(id).or_default();
    }

    /// Puts down how a feed is, if it is on the board: one that was stopped may still be ending.
    pub(crate) fn feed(&self, id: FeedId, status: &FeedStatus) {
        if let Some(known) = self.board().feeds.get_mut(&id) {
            known.clone_from(status);
        }
    }

    /// Takes a feed that was stopped off the board; it may have had no id yet.
    pub(crate) fn forget(&self, feed: &Feed, id: Option<FeedId>) {
        let mut board = self.board();
        board.coming.remove(feed);
        if let Some(id) = id {
            board.feeds.remove(&id);
        }
    }

    /// Returns the coverage state of a feed; `None` before its first.
    pub(crate) fn coverage_of(&self, id: FeedId) -> Option<CoverageState> {
        self.board().feeds.get(&id)?.coverage
    }

    /// Counts the feeds by state.
    pub(crate) fn feed_counts(&self) -> FeedCounts {
        let mut counts = FeedCounts::default();
        let board = self.board();
        counts.starting = board.coming.len();
        for status in board.feeds.values() {
            counts.add(status.coverage);
        }
        drop(board);
        for (state, count) in counts.by_name() {
            self.feeds
                .get_or_create_owned(&StateLabel { state })
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        counts
    }

    /// Puts down that a record received at `ts` waits to become durable.
    pub(crate) fn pending(&self, ts: Timestamp) {
        self.oldest.fetch_min(ts.0, Ordering::Relaxed);
    }

    /// Puts down that nothing waits to become durable.
    pub(crate) fn settled(&self) {
        self.oldest.store(i64::MAX, Ordering::Relaxed);
    }

    /// Returns the receive time of the oldest record that is not durable.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        match self.oldest.load(Ordering::Relaxed) {
            i64::MAX => None,
            nanos => Some(Timestamp(nanos)),
        }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names a feed for people: `pods`, `pods in shop`.
pub(crate) fn name_of(feed: &Feed) -> String {
    let resource = feed.resource.group_resource();
    match &feed.scope.namespace {
        Some(namespace) => format!("{resource} in {namespace}"),
        None => resource.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use kymo_model::{ResourceType, Scope};

    use super::*;

    fn pods() -> Feed {
        Feed {
            resource: ResourceType {
                group: String::new(),
                version: "v1".to_owned(),
                resource: "pods".to_owned(),
                kind: "Pod".to_owned(),
                namespaced: true,
            },
            scope: Scope::default(),
        }
    }

    #[test]
    fn a_feed_that_was_stopped_does_not_come_back_by_its_last_word() {
        let tally = Tally::new(0);
        let absent = FeedStatus {
            coverage: Some(CoverageState::Absent),
            ..FeedStatus::default()
        };
        tally.register(&pods(), FeedId(1));
        tally.feed(FeedId(1), &absent);
        assert_eq!(tally.feed_counts().absent, 1);
        tally.forget(&pods(), Some(FeedId(1)));
        tally.feed(FeedId(1), &absent);
        assert_eq!(tally.feed_counts().total(), 0);
    }

    #[test]
    fn a_feed_counts_from_before_it_has_an_id() {
        let tally = Tally::new(0);
        tally.expect([pods()].iter());
        assert_eq!(tally.feed_counts().starting, 1);
        tally.register(&pods(), FeedId(1));
        assert_eq!(tally.feed_counts().starting, 1);
        tally.expect([pods()].iter());
        tally.forget(&pods(), None);
        tally.forget(&pods(), Some(FeedId(1)));
        assert_eq!(tally.feed_counts().total(), 0);
    }
}
