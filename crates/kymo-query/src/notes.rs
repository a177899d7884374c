//! Says what a trace did not observe of what a query asks.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use kymo_model::{Cause, Coverage, CoverageState, Feed, FeedId, Timestamp};

use crate::conditions::{Conditions, Key};
use crate::table::EventsExec;

/// The most lines that are said of one query.
const MOST_LINES: usize = 4;

/// Returns a line for each resource whose coverage has gaps where the plan reads events.
pub(crate) fn gaps(plan: &Arc<dyn ExecutionPlan>) -> Vec<String> {
    let mut scans = Vec::new();
    find_scans(plan, &mut scans);
    let mut traces: BTreeMap<&str, Vec<&EventsExec>> = BTreeMap::new();
    for scan in scans {
        traces.entry(scan.trace().as_ref()).or_default().push(scan);
    }
    let several = traces.len() > 1;
    let mut lines = Vec::new();
    for (trace, scans) in traces {
        let found = gaps_of_trace(&scans);
        lines.extend(found.into_iter().map(|(resource, gaps)| {
            let place = if several {
                format!("{resource} of `{trace}`")
            } else {
                resource
            };
            gaps.line(&place)
        }));
    }
    if lines.len() > MOST_LINES {
        let more = lines.len() - (MOST_LINES - 1);
        lines.truncate(MOST_LINES - 1);
        lines.push(format!("gaps in {more} more resources; see `coverage`"));
    }
    lines
}

fn find_scans<'a>(plan: &'a Arc<dyn ExecutionPlan>, scans: &mut Vec<&'a EventsExec>) {
    if let Some(scan) = plan.downcast_ref::<EventsExec>() {
        scans.push(scan);
    }
    for child in plan.children() {
        find_scans(child, scans);
    }
}

fn gaps_of_trace(scans: &[&EventsExec]) -> BTreeMap<String, Gaps> {
    let mut found: BTreeMap<String, Gaps> = BTreeMap::new();
    let mut counted = HashSet::new();
    let Some(first) = scans.first() else {
        return found;
    };
    let feeds: HashMap<FeedId, Feed> = first.source().feeds().into_iter().collect();
    let coverage = first.source().coverage();
    for scan in scans {
        let conditions = &scan.request().conditions;
        for (index, row) in coverage.iter().enumerate() {
            let feed = row.feed.and_then(|id| feeds.get(&id));
            if row.state == CoverageState::Observed
                || is_between_sessions(row, &coverage)
                || !overlaps(row, conditions)
                || !feed.is_none_or(|feed| is_asked_for(feed, conditions))
                || !counted.insert(index)
            {
                continue;
            }
            let resource = feed.map_or_else(
                || "every resource".to_owned(),
                |feed| feed.resource.group_resource().to_string(),
            );
            found.entry(resource).or_default().add(row, conditions);
        }
    }
    found
}

/// Tells whether a stretch only says that a recorder was stopped as asked: at the end of the trace,
/// or where the next session went on from the same version, nothing is missing.
fn is_between_sessions(row: &Coverage, coverage: &[Coverage]) -> bool {
    if row.state != CoverageState::Unobserved || row.cause != Cause::Stop {
        return false;
    }
    let later = coverage
        .iter()
        .filter(|other| other.feed == row.feed && other.state == CoverageState::Observed)
        .filter(|other| other.from_ts >= row.to_ts.or(row.from_ts))
        .min_by_key(|other| other.from_ts);
    later.is_none_or(|later| row.from_rv.is_some() && later.from_rv == row.from_rv)
}

fn is_asked_for(feed: &Feed, conditions: &Conditions) -> bool {
    let resource = &feed.resource;
    let namespace = feed.scope.namespace.as_deref();
    conditions.accepts(Key::ApiGroup, &resource.group)
        && conditions.accepts(Key::Resource, &resource.resource)
        && (resource.kind.is_empty() || conditions.accepts(Key::Kind, &resource.kind))
        && namespace.is_none_or(|namespace| conditions.accepts(Key::Namespace, namespace))
}

fn overlaps(row: &Coverage, conditions: &Conditions) -> bool {
    let begins_in_time = match (row.from_ts, conditions.to) {
        (Some(begin), Some(to)) => begin <= to,
        _ => true,
    };
    let ends_in_time = match (row.to_ts, conditions.from) {
        (Some(end), Some(from)) => end >= from,
        _ => true,
    };
    begins_in_time && ends_in_time
}

/// The gaps of one resource.
#[derive(Debug, Default)]
struct Gaps {
    count: u64,
    nanoseconds: i64,
    /// Some of them have no known beginning or end inside the query's range.
    open: bool,
    states: HashSet<CoverageState>,
}

impl Gaps {
    fn add(&mut self, row: &Coverage, conditions: &Conditions) {
        let begin = latest(row.from_ts, conditions.from);
        let end = earliest(row.to_ts, conditions.to);
        match (begin, end) {
            (Some(begin), Some(end)) => {
                let length = end.0.saturating_sub(begin.0).max(0);
                self.nanoseconds = self.nanoseconds.saturating_add(length);
            }
            _ => self.open = true,
        }
        self.count += 1;
        self.states.insert(row.state);
    }

    fn line(&self, place: &str) -> String {
        let count = match self.count {
            1 => "1 gap".to_owned(),
            count => format!("{count} gaps"),
        };
        let length = match (self.open, self.nanoseconds) {
            (false, length) => format!(" of {}", duration(length)),
            (true, 0) => " without a known end".to_owned(),
            (true, length) => format!(" of at least {}", duration(length)),
        };
        let together = if self.count > 1 && !self.open {
            " together"
        } else {
            ""
        };
        let state = self.state();
        format!("{count}{length}{together} in {place}{state}; see `coverage`")
    }

    fn state(&self) -> String {
        let mut states: Vec<&str> = self
            .states
            .iter()
            .filter(|state| **state != CoverageState::Unobserved)
            .map(|state| state.as_str())
            .collect();
        states.sort_unstable();
        if states.is_empty() {
            String::new()
        } else {
            format!(" ({})", states.join(", "))
        }
    }
}

fn latest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.max(other)
}

fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn duration(nanoseconds: i64) -> String {
    const MILLISECOND: i64 = 1_000_000;
    const SECOND: i64 = 1_000 * MILLISECOND;
    const MINUTE: i64 = 60 * SECOND;
    const HOUR: i64 = 60 * MINUTE;
    match nanoseconds {
        ..SECOND => format!("{} ms", nanoseconds / MILLISECOND),
        SECOND..MINUTE => format!("{} s", nanoseconds / SECOND),
        MINUTE..HOUR => format!(
            "{} min {} s",
            nanoseconds / MINUTE,
            nanoseconds % MINUTE / SECOND
        ),
        _ => format!(
            "{} h {} min",
            nanoseconds / HOUR,
            nanoseconds % HOUR / MINUTE
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(from: Option<i64>, to: Option<i64>) -> Coverage {
        Coverage {
            feed: Some(FeedId(1)),
            epoch: 1,
            session: 1,
            state: CoverageState::Unobserved,
            cause: Cause::Disconnected,
            from_rv: None,
            to_rv: None,
            from_seq: None,
            to_seq: None,
            from_ts: from.map(|seconds| Timestamp(seconds * 1_000_000_000)),
            to_ts: to.map(|seconds| Timestamp(seconds * 1_000_000_000)),
            detail: None,
        }
    }

    fn between(from: i64, to: i64) -> Conditions {
        Conditions {
            from: Some(Timestamp(from * 1_000_000_000)),
            to: Some(Timestamp(to * 1_000_000_000)),
            ..Conditions::default()
        }
    }

    #[test]
    fn only_the_part_of_a_gap_that_the_query_meets_counts() {
        assert!(overlaps(&gap(Some(10), Some(20)), &between(20, 30)));
        assert!(!overlaps(&gap(Some(10), Some(20)), &between(21, 30)));
        assert!(overlaps(&gap(Some(10), None), &between(50, 60)));
        let mut gaps = Gaps::default();
        gaps.add(&gap(Some(10), Some(60)), &between(18, 100));
        assert_eq!(gaps.line("pods"), "1 gap of 42 s in pods; see `coverage`");
        gaps.add(&gap(Some(90), None), &between(18, 100));
        assert_eq!(
            gaps.line("pods"),
            "2 gaps of 52 s together in pods; see `coverage`"
        );
    }

    #[test]
    fn a_gap_that_lasts_has_no_known_end() {
        let mut gaps = Gaps::default();
        let mut row = gap(Some(10), None);
        row.state = CoverageState::Denied;
        gaps.add(&row, &Conditions::default());
        assert_eq!(
            gaps.line("secrets"),
            "1 gap without a known end in secrets (denied); see `coverage`"
        );
    }

    #[test]
    fn a_stop_is_a_gap_only_where_the_next_session_did_not_go_on_from_it() {
        let stop = Coverage {
            cause: Cause::Stop,
            from_rv: Some("7".into()),
            ..gap(Some(10), Some(20))
        };
        let resumed = |rv: &str| Coverage {
            state: CoverageState::Observed,
            cause: Cause::Start,
            from_rv: Some(rv.into()),
            ..gap(Some(20), None)
        };
        let earlier = Coverage {
            from_ts: Some(Timestamp(0)),
            ..resumed("1")
        };
        let is_between = |later: &[Coverage]| {
            let coverage = [&[earlier.clone(), stop.clone()], later].concat();
            is_between_sessions(&stop, &coverage)
        };
        assert!(is_between(&[]));
        assert!(is_between(&[resumed("7")]));
        assert!(!is_between(&[resumed("9")]));
        let lost = Coverage {
            cause: Cause::HistoryExpired,
            ..stop.clone()
        };
        assert!(!is_between_sessions(
            &lost,
            &[earlier.clone(), lost.clone()]
        ));
    }

    #[test]
    fn durations_are_short() {
        assert_eq!(duration(1_500_000), "1 ms");
        assert_eq!(duration(42_900_000_000), "42 s");
        assert_eq!(duration(61_000_000_000), "1 min 1 s");
        assert_eq!(duration(7_260_000_000_000), "2 h 1 min");
    }
}
