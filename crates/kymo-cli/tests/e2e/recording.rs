//! A trace read back, and what must hold of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::path::Path;

use kymo_model::{Cause, Certainty, Coverage, CoverageState, EventType, Feed, FeedId, Rv};
use kymo_store::segment::Row;
use kymo_store::{Severity, Trace};
use kymo_testkit::oracle::{self, History, Interval, ObservedEvent, Op, Report, Resource};

/// All of a trace.
pub(crate) struct Recording {
    pub(crate) feeds: BTreeMap<FeedId, Feed>,
    pub(crate) rows: Vec<Row>,
    pub(crate) coverage: Vec<Coverage>,
    pub(crate) sessions: usize,
}

impl Recording {
    /// Reads a trace in the order of its events.
    pub(crate) fn read(path: &Path) -> Self {
        let trace = Trace::open(path).expect("the trace opens");
        let damage = |finding: &kymo_store::Finding| finding.severity == Severity::Error;
        assert!(
            !trace.findings().iter().any(damage),
            "{:?}",
            trace.findings()
        );
        let mut rows: Vec<Row> = trace
            .rows()
            .and_then(Iterator::collect)
            .expect("the trace can be read");
        rows.sort_by_key(|row| row.seq);
        Self {
            feeds: trace.feeds().clone(),
            rows,
            coverage: trace.coverage(),
            sessions: trace.sessions().count(),
        }
    }

    fn resource_of(&self, feed: FeedId) -> String {
        self.feeds[&feed].resource.group_resource().to_string()
    }

    /// Gives the events of a resource, named as kubectl takes it, in order.
    pub(crate) fn of<'a>(&'a self, resource: &'a str) -> impl Iterator<Item = &'a Row> {
        self.rows
            .iter()
            .filter(move |row| self.resource_of(row.event.feed) == resource)
    }

    /// Gives the coverage of a resource in order.
    pub(crate) fn coverage_of(&self, resource: &str) -> Vec<&Coverage> {
        self.coverage
            .iter()
            .filter(|row| {
                row.feed
                    .is_none_or(|feed| self.resource_of(feed) == resource)
            })
            .collect()
    }

    /// Gives the stretches of a resource that are in a state.
    pub(crate) fn stretches(&self, resource: &str, state: CoverageState) -> Vec<&Coverage> {
        let mut rows = self.coverage_of(resource);
        rows.retain(|row| row.state == state);
        rows
    }

    /// Gives the stretches that are not observed, but for those that an orderly stop begins.
    pub(crate) fn gaps(&self) -> Vec<&Coverage> {
        let is_gap =
            |row: &&Coverage| row.state != CoverageState::Observed && row.cause != Cause::Stop;
        self.coverage.iter().filter(is_gap).collect()
    }

    /// Compares everything with what really happened; bodies are compared as JSON.
    pub(crate) fn compare(&self, history: &History) -> Report {
        let rows: Vec<ObservedEvent> = self.rows.iter().map(|row| self.observed(row)).collect();
        oracle::compare(history, &rows, &self.intervals()).expect("a comparison")
    }

    fn observed(&self, row: &Row) -> ObservedEvent {
        let event = &row.event;
        let resource = self.feeds[&event.feed].resource.group_resource();
        // The body of an inferred deletion is the last known one; its version is another's.
        let body = event.body.as_ref().filter(|_| event.rv.is_some());
        ObservedEvent {
            group: resource.group,
            resource: resource.resource,
            namespace: event.key.namespace.clone(),
            name: event.key.name.clone(),
            uid: event.key.uid.clone(),
            rv: event.rv.as_ref().map(number),
            op: match event.event_type {
                EventType::Added => Op::Added,
                EventType::Modified => Op::Modified,
                EventType::Deleted => Op::Deleted,
                EventType::Unreadable => panic!("an unreadable line: {event:?}"),
            },
            certainty: match event.certainty {
                Certainty::Seen => oracle::Certainty::Seen,
                Certainty::Listed => oracle::Certainty::Listed,
                Certainty::Inferred => oracle::Certainty::Inferred,
                Certainty::Coalesced => oracle::Certainty::Coalesced,
                Certainty::Reported => panic!("a recorder reports nothing from hearsay"),
            },
            body: body.map(|body| serde_json::from_slice(body).expect("a body is JSON")),
        }
    }

    fn intervals(&self) -> Vec<Interval> {
        self.coverage
            .iter()
            .filter_map(|row| {
                let resource = self.feeds[&row.feed?].resource.group_resource();
                Some(Interval {
                    group: resource.group,
                    resource: resource.resource,
                    namespace: self.feeds[&row.feed?].scope.namespace.clone(),
                    from_rv: number(row.from_rv.as_ref()?),
                    to_rv: number(row.to_rv.as_ref()?),
                    observed: row.state == CoverageState::Observed,
                })
            })
            .collect()
    }

    /// Asserts the promises that hold of every trace: no version twice, sequence numbers and, in
    /// one epoch of one resource, versions of seen events only grow, and no stretch of versions
    /// of which the coverage says nothing.
    pub(crate) fn assert_promises(&self) {
        let mut versions = HashSet::new();
        let mut newest: HashMap<(FeedId, u32), u64> = HashMap::new();
        let mut seq = 0;
        for row in &self.rows {
            assert!(row.seq > seq, "seq {} after {seq}", row.seq);
            seq = row.seq;
            let event = &row.event;
            let resource = self.resource_of(event.feed);
            let Some(rv) = &event.rv else { continue };
            let version = (
                event.epoch,
                resource.clone(),
                event.key.uid.clone(),
                rv.clone(),
                event.event_type,
            );
            assert!(
                versions.insert(version),
                "twice: {resource} {:?} {rv}",
                event.key
            );
            if event.certainty == Certainty::Seen {
                let rv = number(rv);
                if let Some(before) = newest.insert((event.feed, event.epoch), rv) {
                    assert!(rv > before, "{resource}: version {rv} after {before}");
                }
            }
        }
        let holes = self.holes();
        assert!(
            holes.is_empty(),
            "no coverage of {}\n{self}",
            holes.join(", ")
        );
    }

    /// Finds the versions between two stretches of a feed and epoch that no stretch covers.
    fn holes(&self) -> Vec<String> {
        let mut by_feed: BTreeMap<(FeedId, u32), Vec<(u64, u64)>> = BTreeMap::new();
        for row in &self.coverage {
            let (Some(feed), Some(from), Some(to)) = (row.feed, &row.from_rv, &row.to_rv) else {
                continue;
            };
            let (from, to) = (number(from), number(to));
            // Where versions went back, the stretch begins with one of the epoch before.
            if from <= to {
                by_feed
                    .entry((feed, row.epoch))
                    .or_default()
                    .push((from, to));
            }
        }
        let mut holes = Vec::new();
        for ((feed, _), mut stretches) in by_feed {
            stretches.sort_unstable();
            let mut reached = None;
            for (from, to) in stretches {
                if let Some(reached) = reached.filter(|reached| from > *reached) {
                    holes.push(format!("{} {reached}..{from}", self.resource_of(feed)));
                }
                reached = Some(to.max(reached.unwrap_or_default()));
            }
        }
        holes
    }

    /// Returns the highest recorded version of a resource. After the last write of a test was
    /// recorded the API server may still write objects of its own.
    pub(crate) fn last(&self, resource: &str) -> u64 {
        let versions = self.of(resource).filter_map(|row| row.event.rv.as_ref());
        versions.map(number).max().expect("a recorded version")
    }

    /// Asserts that every change of a resource from the first observed version until `to` is
    /// recorded, wherever the coverage puts it: the recorder was never away for good.
    pub(crate) fn assert_has_all(&self, history: &History, resource: &str, to: u64) {
        let observed = self.stretches(resource, CoverageState::Observed);
        let from = observed
            .first()
            .and_then(|row| row.from_rv.as_ref())
            .map(number);
        let from = from.expect("an observed stretch");
        let recorded: BTreeSet<u64> = self
            .of(resource)
            .filter_map(|row| row.event.rv.as_ref())
            .map(number)
            .collect();
        let wanted = versions(history, resource);
        let wanted: Vec<u64> = wanted
            .into_iter()
            .filter(|rv| (from + 1..=to).contains(rv))
            .collect();
        assert!(
            !wanted.is_empty(),
            "nothing happened to {resource} in {from}..{to}"
        );
        let missing: Vec<u64> = wanted
            .into_iter()
            .filter(|rv| !recorded.contains(rv))
            .collect();
        assert!(
            missing.is_empty(),
            "{resource}: missing {missing:?}\n{self}"
        );
    }

    /// Names one of `resources` whose newest version in the history is not recorded yet.
    pub(crate) fn lagging<'a>(&self, history: &History, resources: &[&'a str]) -> Option<&'a str> {
        let mut newest: HashMap<String, u64> = HashMap::new();
        for row in &self.rows {
            if let Some(rv) = &row.event.rv {
                let newest = newest.entry(self.resource_of(row.event.feed)).or_default();
                *newest = number(rv).max(*newest);
            }
        }
        resources.iter().copied().find(|resource| {
            let recorded = newest.get(*resource).copied().unwrap_or_default();
            versions(history, resource)
                .last()
                .is_some_and(|newest| *newest > recorded)
        })
    }

    /// Asserts that a gap holds exactly what a relist can tell: of each object that lives at its
    /// end and changed in it the last version, of each object that ended in it an inferred
    /// deletion, and nothing of what did not outlive it.
    pub(crate) fn assert_gap_is_exact(&self, history: &History, resource: &str, gap: &Coverage) {
        let from = number(gap.from_rv.as_ref().expect("the gap's first version"));
        let to = number(gap.to_rv.as_ref().expect("the gap's last version"));
        let (before, after) = (
            live_at(history, resource, from),
            live_at(history, resource, to),
        );
        let mut expected = BTreeSet::new();
        for (uid, (name, rv)) in &after {
            if *rv > from {
                let certainty = if before.contains_key(uid) {
                    Certainty::Coalesced
                } else {
                    Certainty::Listed
                };
                expected.insert((name.clone(), uid.clone(), Some(*rv), certainty));
            }
        }
        for (uid, (name, _)) in &before {
            if !after.contains_key(uid) {
                expected.insert((name.clone(), uid.clone(), None, Certainty::Inferred));
            }
        }
        let found: BTreeSet<_> = self
            .of(resource)
            .filter(|row| match &row.event.rv {
                Some(rv) => (from + 1..=to).contains(&number(rv)),
                None => before.contains_key(&row.event.key.uid),
            })
            .map(|row| {
                let event = &row.event;
                (
                    event.key.name.clone(),
                    event.key.uid.clone(),
                    event.rv.as_ref().map(number),
                    event.certainty,
                )
            })
            .collect();
        assert_eq!(found, expected, "the rows of the gap {from}..{to}\n{self}");
        let happened = versions(history, resource);
        let inside = happened
            .iter()
            .filter(|rv| (from + 1..=to).contains(rv))
            .count();
        assert!(
            inside > expected.len(),
            "nothing was missed between {from} and {to}"
        );
    }
}

/// Shows the coverage that is more than one observed stretch, for assertion messages.
impl fmt::Display for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} events in {} sessions; coverage:",
            self.rows.len(),
            self.sessions
        )?;
        let alone = |row: &Coverage| {
            self.coverage
                .iter()
                .filter(|other| other.feed == row.feed)
                .count()
                <= 2
        };
        let plain = |row: &&Coverage| {
            matches!(row.cause, Cause::Start | Cause::Stop) && self.feeds.len() > 10 && alone(row)
        };
        for row in self.coverage.iter().filter(|row| !plain(row)).take(60) {
            let feed = row.feed.map_or_else(
                || "all".to_owned(),
                |feed| {
                    format!(
                        "{} {}",
                        self.resource_of(feed),
                        self.feeds[&feed].resource.version
                    )
                },
            );
            let rv = |rv: &Option<Rv>| rv.as_ref().map_or_else(|| "-".to_owned(), Rv::to_string);
            writeln!(
                f,
                "  {feed} epoch {} session {}: {} ({}) versions {}..{} seq {:?}..{:?} {}",
                row.epoch,
                row.session,
                row.state,
                row.cause,
                rv(&row.from_rv),
                rv(&row.to_rv),
                row.from_seq,
                row.to_seq,
                row.detail.as_deref().unwrap_or_default(),
            )?;
        }
        Ok(())
    }
}

/// Reads a version as etcd's number.
pub(crate) fn number(rv: &Rv) -> u64 {
    rv.as_str().parse().expect("a version of etcd")
}

fn named(resource: &str) -> Resource {
    let (name, group) = resource.split_once('.').unwrap_or((resource, ""));
    Resource::new(group, name)
}

/// Gives all versions of a resource, in order.
pub(crate) fn versions(history: &History, resource: &str) -> Vec<u64> {
    history
        .of(&named(resource))
        .map(|revision| revision.rv)
        .collect()
}

/// Gives the live objects at a version: name and version by uid.
fn live_at(history: &History, resource: &str, at: u64) -> BTreeMap<String, (String, u64)> {
    let mut live = BTreeMap::new();
    for revision in history
        .of(&named(resource))
        .filter(|revision| revision.rv <= at)
    {
        if revision.op == Op::Deleted {
            live.remove(&revision.uid);
        } else {
            live.insert(
                revision.uid.clone(),
                (revision.id.name.clone(), revision.rv),
            );
        }
    }
    live
}
