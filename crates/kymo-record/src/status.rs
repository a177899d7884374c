use std::collections::VecDeque;
use std::time::Duration;

use kymo_model::{CoverageState, Timestamp};

use crate::tally::Tally;

/// How many feeds are in which coverage state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedCounts {
    /// In none yet.
    pub starting: usize,
    /// Every change is recorded.
    pub observed: usize,
    /// Changes may be missed.
    pub unobserved: usize,
    /// What is recorded may be incomplete.
    pub uncertain: usize,
    /// Forbidden by the server.
    pub denied: usize,
    /// Not served by the server.
    pub absent: usize,
    /// Told to wait.
    pub throttled: usize,
}

impl FeedCounts {
    /// Counts a feed.
    pub(crate) fn add(&mut self, coverage: Option<CoverageState>) {
        let count = match coverage {
            None => &mut self.starting,
            Some(CoverageState::Observed) => &mut self.observed,
            Some(CoverageState::Unobserved | CoverageState::Expired) => &mut self.unobserved,
            Some(CoverageState::Uncertain) => &mut self.uncertain,
            Some(CoverageState::Denied) => &mut self.denied,
            Some(CoverageState::Absent) => &mut self.absent,
            Some(CoverageState::Throttled) => &mut self.throttled,
        };
        *count += 1;
    }

    /// Returns the counts with their names.
    pub fn by_name(&self) -> [(&'static str, usize); 7] {
        [
            ("starting", self.starting),
            ("observed", self.observed),
            ("unobserved", self.unobserved),
            ("uncertain", self.uncertain),
            ("denied", self.denied),
            ("absent", self.absent),
            ("throttled", self.throttled),
        ]
    }

    /// Returns how many feeds there are.
    pub fn total(&self) -> usize {
        self.by_name().iter().map(|(_, count)| count).sum()
    }
}

/// How recording goes, at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// When the session began.
    pub started: Timestamp,
    /// The session time of this snapshot.
    pub now: Timestamp,
    /// Events handed to the log.
    pub events: u64,
    /// Events per second over the last seconds.
    pub events_per_second: f64,
    /// Bytes of the objects of those events, after redaction.
    pub received_bytes: u64,
    /// Bytes of the logs on disk since the start.
    pub durable_bytes: u64,
    /// Age of the oldest record that is not durable.
    pub lag: Duration,
    /// Bytes delivered by feeds that the log has not taken.
    pub in_flight_bytes: u64,
    /// The memory to stay under, in bytes.
    pub memory_budget: u64,
    /// The memory of the process, in bytes, where the system tells.
    pub resident_bytes: Option<u64>,
    /// Feeds by state.
    pub feeds: FeedCounts,
    /// How many gaps there were.
    pub gaps: u64,
    /// Whether recording waits for disk space.
    pub disk_full: bool,
    /// The last thing that an operator should know.
    pub last_alarm: Option<String>,
    /// Whether every feed has come to a state and the disk takes what comes.
    pub ready: bool,
}

/// Makes snapshots, and rates from the ones before.
#[derive(Debug)]
pub(crate) struct Observer {
    started: Timestamp,
    memory_budget: u64,
    history: VecDeque<(Timestamp, u64)>,
}

impl Observer {
    /// Over how many snapshots a rate is taken.
    const WINDOW: usize = 6;

    pub(crate) fn new(started: Timestamp, memory_budget: u64) -> Self {
        Self {
            started,
            memory_budget,
            history: VecDeque::from([(started, 0)]),
        }
    }

    pub(crate) fn observe(&mut self, tally: &Tally, now: Timestamp, in_flight: u64) -> Status {
        let events = tally.events.get();
        let rate = self.rate(now, events);
        let lag = tally
            .oldest()
            .map_or(Duration::ZERO, |oldest| now.since(oldest));
        let resident_bytes = resident_bytes();
        let feeds = tally.feed_counts();
        let disk_full = tally.disk_full.get() != 0;
        tally.in_flight_bytes.set(in_flight);
        tally.lag_seconds.set(lag.as_secs_f64());
        tally.resident_bytes.set(resident_bytes.unwrap_or(0));
        Status {
            started: self.started,
            now,
            events,
            events_per_second: rate,
            received_bytes: tally.received_bytes.get(),
            durable_bytes: tally.durable_bytes.get(),
            lag,
            in_flight_bytes: in_flight,
            memory_budget: self.memory_budget,
            resident_bytes,
            feeds,
            gaps: tally.gap_count(),
            disk_full,
            last_alarm: tally.last_alarm(),
            ready: !disk_full && feeds.starting == 0 && feeds.total() > 0,
        }
    }

    fn rate(&mut self, now: Timestamp, events: u64) -> f64 {
        self.history.push_back((now, events));
        if self.history.len() > Self::WINDOW {
            self.history.pop_front();
        }
        let Some(&(then, before)) = self.history.front() else {
            return 0.0;
        };
        let seconds = now.since(then).as_secs_f64();
        if seconds > 0.0 {
            events.saturating_sub(before) as f64 / seconds
        } else {
            0.0
        }
    }
}

/// Asks the kernel how much memory the process has.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let tally = Tally::new(0);
        let mut observer = Observer::new(Timestamp(0), 0);
        let second = 1_000_000_000;
        for at in 1..=20 {
            tally.events.inc_by(if at <= 10 { 1000 } else { 10 });
            let status = observer.observe(&tally, Timestamp(at * second), 0);
            if at == 10 {
                assert!((status.events_per_second - 1000.0).abs() < 1e-6);
            }
            if at == 20 {
                assert!((status.events_per_second - 10.0).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn lag_is_the_age_of_what_is_not_durable() {
        let tally = Tally::new(0);
        let mut observer = Observer::new(Timestamp(0), 0);
        tally.pending(Timestamp(3_000_000_000));
        tally.pending(Timestamp(2_000_000_000));
        let status = observer.observe(&tally, Timestamp(5_000_000_000), 0);
        assert_eq!(status.lag, Duration::from_secs(3));
        tally.settled();
        assert_eq!(
            observer.observe(&tally, Timestamp(6_000_000_000), 0).lag,
            Duration::ZERO
        );
    }

    #[test]
    fn the_process_has_memory() {
        assert!(resident_bytes().is_none_or(|bytes| bytes > 1 << 20));
    }
}
