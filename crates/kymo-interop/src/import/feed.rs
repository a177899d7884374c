//! What is known of one feed while its items come.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kymo_model::{Cause, Certainty, CoverageState, Event, EventType, FeedId, Rv, Timestamp};
use kymo_store::LogRecord;

use super::fold::{Log, Rules};
use super::item::{Object, What};
use super::live::{Live, LiveObjects, Version, identity};
use super::loss::{Loss, LossReport, ResourceCount};
use super::minted;
use crate::Error;

/// The resources whose objects the API server drops after a time.
const EVENTS: [&str; 2] = ["events", "events.events.k8s.io"];
/// How many of those are remembered where nothing tells their end.
const EVENTS_REMEMBERED: usize = 100_000;

/// One resource's feed.
#[derive(Debug)]
pub(super) struct FeedState {
    pub(super) id: FeedId,
    /// The resource as kubectl takes it.
    pub(super) label: String,
    pub(super) epoch: u32,
    pub(super) last_ts: Timestamp,
    /// Up to when the feed was followed: the last time that was not a list's.
    pub(super) followed_until: Timestamp,
    /// The objects that the present list showed, when there were live objects before it.
    pub(super) listed: Option<HashSet<String>>,
    /// When the first and the last object came whose beginning is missing, and how many.
    pub(super) starts_inside: Option<(Timestamp, Timestamp, u64)>,
    rules: Rules,
    state: Option<CoverageState>,
    /// The highest version that each source sent: two sources may run a little apart.
    versions: HashMap<Arc<str>, Rv>,
    live: LiveObjects,
    last_deleted: Option<(String, Option<Rv>)>,
    /// Whether the items of a list are coming.
    in_list: bool,
}

impl What {
    /// Whether a list shows it.
    pub(super) fn is_of_list(&self) -> bool {
        match self {
            Self::Object(object) => object.certainty == Certainty::Listed,
            Self::ListEnd { .. } => true,
            _ => false,
        }
    }
}

impl LossReport {
    pub(super) fn count(&mut self, label: &str) -> &mut ResourceCount {
        if !self.resources.contains_key(label) {
            self.resources
                .insert(label.to_owned(), ResourceCount::default());
        }
        self.resources.entry(label.to_owned()).or_default()
    }
}

impl FeedState {
    /// Begins a feed.
    pub(super) fn new(id: FeedId, label: String, rules: Rules, ts: Timestamp) -> Self {
        let expires = rules.events_expire && EVENTS.contains(&label.as_str());
        Self {
            id,
            label,
            epoch: 0,
            last_ts: ts,
            followed_until: ts,
            listed: None,
            starts_inside: None,
            rules,
            state: None,
            versions: HashMap::new(),
            live: if expires {
                LiveObjects::forgetting(EVENTS_REMEMBERED)
            } else {
                LiveObjects::default()
            },
            last_deleted: None,
            in_list: false,
        }
    }

    /// Takes the feed from one coverage state to another.
    pub(super) fn transition(
        &mut self,
        ts: Timestamp,
        state: CoverageState,
        cause: Cause,
        detail: Option<String>,
        log: &mut impl Log,
    ) -> Result<(), Error> {
        self.state = Some(state);
        log.append(LogRecord::Transition {
            feed: self.id,
            epoch: self.epoch,
            ts,
            state,
            cause,
            rv: self
                .versions
                .values()
                .reduce(|a, b| if b.is_newer_than(a) { b } else { a })
                .cloned(),
            detail,
        })
    }

    /// Takes a bookmark.
    pub(super) fn bookmark(
        &mut self,
        ts: Timestamp,
        source: &Arc<str>,
        rv: Rv,
        report: &mut LossReport,
        log: &mut impl Log,
    ) -> Result<(), Error> {
        report.count(&self.label).bookmarks += 1;
        self.observe(ts, log)?;
        self.version(ts, source, &rv, report, log)?;
        log.append(LogRecord::Mark {
            feed: self.id,
            rv,
            ts,
        })
    }

    /// Whatever comes after an ERROR was observed again.
    fn observe(&mut self, ts: Timestamp, log: &mut impl Log) -> Result<(), Error> {
        if self.state == Some(CoverageState::Observed) {
            return Ok(());
        }
        self.transition(ts, CoverageState::Observed, Cause::Start, None, log)
    }

    /// Notes a version that a source sent; one lower than before begins an epoch where versions
    /// only grow.
    fn version(
        &mut self,
        ts: Timestamp,
        source: &Arc<str>,
        rv: &Rv,
        report: &mut LossReport,
        log: &mut impl Log,
    ) -> Result<(), Error> {
        match self.versions.get_mut(source) {
            Some(last) if last.is_newer_than(rv) => {
                if !self.rules.versions_grow {
                    return Ok(());
                }
                self.epoch += 1;
                self.versions.clear();
                report.count(&self.label).rewinds += 1;
                self.versions.insert(Arc::clone(source), rv.clone());
                let detail = Some(format!("resourceVersions went back to {rv}"));
                self.transition(
                    ts,
                    CoverageState::Observed,
                    Cause::HistoryRewound,
                    detail,
                    log,
                )
            }
            Some(last) => {
                *last = rv.clone();
                Ok(())
            }
            None => {
                self.versions.insert(Arc::clone(source), rv.clone());
                Ok(())
            }
        }
    }

    /// Finds out which object it is when the source does not tell its uid.
    fn identify(&mut self, object: &mut Object, report: &mut LossReport) {
        if !object.key.uid.is_empty() {
            return;
        }
        if let Some(uid) = self.live.uid_of(&object.key) {
            object.key.uid = uid;
        } else if self.rules.mints_uids {
            let incarnation = self.live.next_incarnation(&object.key);
            object.key.uid = minted::uid(&self.label, &object.key, incarnation);
            report.lose(Loss::Uids, "the source has no uids: they were made", 1);
        } else {
            report.lose(Loss::Uids, "the source does not tell the uid", 1);
        }
        if self.rules.mints_uids
            && let Some(body) = &mut object.body
        {
            *body = minted::with_uid(body, &object.key.uid);
        }
    }

    /// Takes an object.
    pub(super) fn object(
        &mut self,
        ts: Timestamp,
        source: &Arc<str>,
        mut object: Object,
        report: &mut LossReport,
        log: &mut impl Log,
    ) -> Result<(), Error> {
        self.identify(&mut object, report);
        let identity = identity(&object.key);
        let is_listed = object.certainty == Certainty::Listed;
        if is_listed != self.in_list {
            self.in_list = is_listed;
            self.listed = (is_listed && !self.live.is_empty()).then(HashSet::new);
        }
        if let Some(listed) = &mut self.listed {
            listed.insert(identity.clone());
        }
        let version = Version::of(&object);
        let known = self.live.get(&identity);
        let known = known.or_else(|| self.live.by_name_alone(&object.key));
        let is_repeat = match object.event_type {
            EventType::Deleted => self
                .last_deleted
                .as_ref()
                .is_some_and(|(deleted, rv)| *deleted == identity && *rv == object.rv),
            _ => known.is_some_and(|live| live.version.is_repeated_by(&version, is_listed)),
        };
        let is_stale = is_listed && known.is_some_and(|live| live.version.is_newer_than(&version));
        if is_repeat || is_stale {
            report.count(&self.label).duplicates += 1;
            if is_repeat {
                self.live.show_again(&identity, ts);
            } else if !self.rules.is_followed {
                let why = "a later dump shows an older version of an object: it was left out";
                report.lose(Loss::Order, why, 1);
            }
            return Ok(());
        }
        let shown = known.map(|live| live.shown);
        let is_known = known.is_some();
        let is_new = is_listed && !is_known && !self.rules.is_followed;
        if is_new && let Some(namesake) = self.live.take_namesake(&object.key) {
            self.infer_delete(ts, namesake, report, log)?;
        }
        self.observe(ts, log)?;
        if let Some(rv) = object.rv.as_ref().filter(|_| !is_listed) {
            self.version(ts, source, rv, report, log)?;
        }
        if !is_known && object.event_type != EventType::Added {
            let (from, _, count) = self.starts_inside.unwrap_or((ts, ts, 0));
            self.starts_inside = Some((from, ts, count + 1));
            report.count(&self.label).starts_inside += 1;
        }
        let (event_type, certainty) = match (is_listed, is_known) {
            (true, true) => (EventType::Modified, Certainty::Coalesced),
            _ => (object.event_type, object.certainty),
        };
        let count = report.count(&self.label);
        count.count(event_type);
        count.listed += u64::from(is_listed);
        count.inferred += u64::from(certainty == Certainty::Inferred);
        count.reported += u64::from(certainty == Certainty::Reported);
        report.redacted_objects += u64::from(object.is_redacted);
        if event_type == EventType::Deleted {
            self.live.remove_known(&identity, &object.key);
            self.last_deleted = Some((identity, object.rv.clone()));
        } else {
            if self
                .last_deleted
                .as_ref()
                .is_some_and(|(deleted, _)| *deleted == identity)
            {
                self.last_deleted = None;
            }
            let key = object.key.clone();
            let live = Live {
                key,
                version,
                shown: ts,
            };
            self.live.insert(identity, live);
        }
        let not_before = match certainty {
            Certainty::Coalesced => Some(self.known_until(shown)),
            _ => object.not_before,
        };
        log.append(LogRecord::Event(Event {
            feed: self.id,
            ts,
            not_before,
            event_type,
            certainty,
            epoch: self.epoch,
            key: object.key,
            rv: object.rv,
            body: object.body.map(|body| Arc::from(body.into_boxed_bytes())),
            request: object.request,
        }))
    }

    /// Ends a list: what was known in its scope and is not in it is gone.
    #[expect(
        clippy::too_many_arguments,
        reason = "what a list says, and where it goes"
    )]
    pub(super) fn list_end(
        &mut self,
        ts: Timestamp,
        source: &Arc<str>,
        rv: Option<Rv>,
        namespace: Option<&str>,
        is_complete: bool,
        report: &mut LossReport,
        log: &mut impl Log,
    ) -> Result<(), Error> {
        report.count(&self.label).lists += 1;
        self.observe(ts, log)?;
        // A list without items shows that all objects are gone.
        let is_empty = !std::mem::take(&mut self.in_list);
        let listed = self.listed.take().or_else(|| is_empty.then(HashSet::new));
        if let Some(listed) = listed.filter(|_| is_complete) {
            // Where history went back, versions from before do not compare with the list's.
            let is_rewound = match (self.versions.get(source), &rv) {
                (Some(last), Some(rv)) => self.rules.versions_grow && last.is_newer_than(rv),
                _ => false,
            };
            let after = rv.as_ref().filter(|_| !is_rewound);
            for live in self.live.take_missing(&listed, namespace, after) {
                self.infer_delete(ts, live, report, log)?;
            }
        }
        let Some(rv) = rv else { return Ok(()) };
        self.version(ts, source, &rv, report, log)?;
        if is_complete && namespace.is_none() {
            log.append(LogRecord::Mark {
                feed: self.id,
                rv,
                ts,
            })?;
        }
        Ok(())
    }

    /// Returns up to when an object is known to have been as it was.
    fn known_until(&self, shown: Option<Timestamp>) -> Timestamp {
        match shown {
            Some(shown) if !self.rules.is_followed => shown,
            _ => self.followed_until,
        }
    }

    fn infer_delete(
        &mut self,
        ts: Timestamp,
        gone: Live,
        report: &mut LossReport,
        log: &mut impl Log,
    ) -> Result<(), Error> {
        let count = report.count(&self.label);
        count.deleted += 1;
        count.inferred += 1;
        log.append(LogRecord::Event(Event {
            feed: self.id,
            ts,
            not_before: Some(self.known_until(Some(gone.shown))),
            event_type: EventType::Deleted,
            certainty: Certainty::Inferred,
            epoch: self.epoch,
            key: gone.key,
            rv: None,
            body: None,
            request: None,
        }))
    }
}
