//! Folds items into the records of a log: what the recorder would have written.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kymo_model::{
    Cause, Certainty, Coverage, CoverageState, Event, EventType, Feed, FeedId, ObjectKey, Rv,
    Scope, Timestamp,
};
use kymo_store::LogRecord;

use super::item::{Item, Named, Object, What};
use super::loss::LossReport;
use super::merge::Timed;
use crate::Error;

/// Unreadable values beyond this many share one gap.
const OWN_GAPS: u64 = 1000;

/// Where records go.
pub(crate) trait Log {
    /// Finds or defines a feed.
    fn feed(&mut self, feed: &Feed) -> Result<FeedId, Error>;
    /// Appends a record.
    fn append(&mut self, record: LogRecord) -> Result<(), Error>;
}

/// The state of all feeds of an import.
#[derive(Debug, Default)]
pub(crate) struct Fold {
    session: u32,
    feeds: HashMap<Feed, FeedState>,
    report: LossReport,
    /// The stretch of the unreadable values that got no gap of their own.
    more_unreadable: Option<(Timestamp, Timestamp)>,
}

#[derive(Debug, Default)]
struct FeedState {
    id: FeedId,
    label: String,
    epoch: u32,
    state: Option<CoverageState>,
    last_ts: Timestamp,
    /// Up to when the feed was followed: the last time that was not a list's.
    followed_until: Timestamp,
    /// The highest version that each stream sent: two streams may run a little apart.
    versions: HashMap<Arc<str>, Rv>,
    live: HashMap<String, Live>,
    last_deleted: Option<(String, Option<Rv>)>,
    /// Whether the items of a list are coming.
    in_list: bool,
    /// The objects that the present list showed, when there were live objects before it.
    listed: Option<HashSet<String>>,
    /// When the first and the last object came whose beginning is missing, and how many.
    starts_inside: Option<(Timestamp, Timestamp, u64)>,
}

#[derive(Debug)]
struct Live {
    key: ObjectKey,
    rv: Option<Rv>,
}

impl Fold {
    /// Starts a session.
    pub(crate) fn new(session: u32, report: LossReport) -> Self {
        Self {
            session,
            report,
            ..Self::default()
        }
    }

    /// Takes one item.
    pub(crate) fn take(&mut self, timed: Timed, log: &mut impl Log) -> Result<(), Error> {
        let Timed {
            ts,
            is_time_missing,
            source,
            item,
        } = timed;
        let Item {
            line, named, what, ..
        } = item;
        if let What::Unreadable { reason } = &what {
            return self.unreadable(ts, &source, line, reason, named.as_deref(), log);
        }
        self.report.missing_times += u64::from(is_time_missing);
        self.report.note_time(ts);
        let Some(named) = named else {
            // A bookmark or an error in front of everything that tells the resource.
            self.report
                .note_unreadable(&source, line, "nothing tells its resource");
            return Ok(());
        };
        let is_listed = matches!(&what, What::Object(object) if object.is_listed)
            || matches!(what, What::ListEnd { .. });
        let state = feed_state(
            &mut self.feeds,
            &mut self.report,
            &named,
            is_listed,
            ts,
            log,
        )?;
        self.report.backward_times += u64::from(ts < state.last_ts);
        state.last_ts = state.last_ts.max(ts);
        let report = &mut self.report;
        let taken = match what {
            What::Object(object) => state.object(ts, &source, object, report, log),
            What::ListEnd { rv, is_complete } => {
                state.list_end(ts, &source, rv, is_complete, report, log)
            }
            What::Bookmark { rv } => {
                report.count(&state.label).bookmarks += 1;
                state.observe(ts, None, log)?;
                state.version(ts, &source, &rv, report, log)?;
                log.append(LogRecord::Mark {
                    feed: state.id,
                    rv,
                    ts,
                })
            }
            What::Error { code, message } => {
                report.count(&state.label).errors += 1;
                let cause = match code {
                    410 => Cause::HistoryExpired,
                    _ => Cause::Disconnected,
                };
                let detail = Some(format!("ERROR {code}: {message}"));
                state.transition(ts, CoverageState::Unobserved, cause, detail, log)
            }
            What::Unreadable { .. } => Ok(()),
        };
        let is_list_item = is_listed && state.listed.is_some();
        if !is_list_item {
            state.followed_until = state.last_ts;
        }
        taken
    }

    /// Ends all feeds and returns the report.
    pub(crate) fn finish(mut self, log: &mut impl Log) -> Result<LossReport, Error> {
        if let Some((from, to)) = self.more_unreadable {
            let detail = format!(
                "{} more values could not be read",
                self.report.unreadable - OWN_GAPS
            );
            log.append(LogRecord::Gap(self.gap(
                None,
                0,
                Cause::UnreadableLine,
                from,
                to,
                detail,
            )))?;
        }
        let mut feeds: Vec<FeedState> = std::mem::take(&mut self.feeds).into_values().collect();
        feeds.sort_by_key(|feed| feed.id);
        for mut feed in feeds {
            if let Some((from, to, count)) = feed.starts_inside {
                let detail = format!("{count} objects start with MODIFIED or DELETED");
                let gap = self.gap(Some(feed.id), feed.epoch, Cause::Source, from, to, detail);
                log.append(LogRecord::Gap(gap))?;
            }
            let ts = feed.last_ts;
            feed.transition(ts, CoverageState::Unobserved, Cause::Stop, None, log)?;
        }
        Ok(self.report)
    }

    fn gap(
        &self,
        feed: Option<FeedId>,
        epoch: u32,
        cause: Cause,
        from: Timestamp,
        to: Timestamp,
        detail: String,
    ) -> Coverage {
        Coverage {
            feed,
            epoch,
            session: self.session,
            state: CoverageState::Uncertain,
            cause,
            from_rv: None,
            to_rv: None,
            from_seq: None,
            to_seq: None,
            from_ts: Some(from),
            to_ts: Some(to),
            detail: Some(detail),
        }
    }

    fn unreadable(
        &mut self,
        ts: Timestamp,
        source: &str,
        line: u64,
        reason: &str,
        named: Option<&Named>,
        log: &mut impl Log,
    ) -> Result<(), Error> {
        self.report.note_unreadable(source, line, reason);
        if self.report.unreadable > OWN_GAPS {
            let (from, to) = self.more_unreadable.unwrap_or((ts, ts));
            self.more_unreadable = Some((from.min(ts), to.max(ts)));
            return Ok(());
        }
        let known = named.and_then(|named| {
            let feed = Feed {
                resource: named.resource.clone(),
                scope: Scope::default(),
            };
            self.feeds.get(&feed)
        });
        let (feed, epoch) = (
            known.map(|feed| feed.id),
            known.map_or(0, |feed| feed.epoch),
        );
        let detail = format!("{source}:{line}: {reason}");
        log.append(LogRecord::Gap(self.gap(
            feed,
            epoch,
            Cause::UnreadableLine,
            ts,
            ts,
            detail,
        )))
    }
}

/// Finds the state of a resource's feed, or begins it.
fn feed_state<'a>(
    feeds: &'a mut HashMap<Feed, FeedState>,
    report: &mut LossReport,
    named: &Named,
    has_list: bool,
    ts: Timestamp,
    log: &mut impl Log,
) -> Result<&'a mut FeedState, Error> {
    let feed = Feed {
        resource: named.resource.clone(),
        scope: Scope::default(),
    };
    if !feeds.contains_key(&feed) {
        let id = log.feed(&feed)?;
        let label = feed.resource.group_resource().to_string();
        if named.is_guessed {
            report.guessed_plurals.insert(label.clone());
        }
        let mut state = FeedState {
            id,
            label,
            last_ts: ts,
            followed_until: ts,
            ..FeedState::default()
        };
        let detail = (!has_list)
            .then(|| "the source has no list: objects that did not change are missing".to_owned());
        state.transition(ts, CoverageState::Observed, Cause::Start, detail, log)?;
        feeds.insert(feed.clone(), state);
    }
    // It was put in above if it was not there.
    Ok(feeds.entry(feed).or_default())
}

impl LossReport {
    fn count(&mut self, label: &str) -> &mut super::loss::ResourceCount {
        if !self.resources.contains_key(label) {
            self.resources
                .insert(label.to_owned(), super::loss::ResourceCount::default());
        }
        self.resources.entry(label.to_owned()).or_default()
    }
}

impl FeedState {
    fn transition(
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

    /// Whatever comes after an ERROR was observed again.
    fn observe(
        &mut self,
        ts: Timestamp,
        detail: Option<String>,
        log: &mut impl Log,
    ) -> Result<(), Error> {
        if self.state == Some(CoverageState::Observed) {
            return Ok(());
        }
        self.transition(ts, CoverageState::Observed, Cause::Start, detail, log)
    }

    /// Notes a version that a stream sent; one lower than before begins an epoch.
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

    fn object(
        &mut self,
        ts: Timestamp,
        source: &Arc<str>,
        object: Object,
        report: &mut LossReport,
        log: &mut impl Log,
    ) -> Result<(), Error> {
        let identity = identity(&object.key);
        if object.is_listed != self.in_list {
            self.in_list = object.is_listed;
            self.listed = (object.is_listed && !self.live.is_empty()).then(HashSet::new);
        }
        if let Some(listed) = &mut self.listed {
            listed.insert(identity.clone());
        }
        let known = self.live.get(&identity);
        let is_repeat = match object.event_type {
            EventType::Deleted => self
                .last_deleted
                .as_ref()
                .is_some_and(|(deleted, rv)| *deleted == identity && *rv == object.rv),
            _ => known.is_some_and(|live| live.rv == object.rv),
        };
        let is_stale = object.is_listed
            && known.is_some_and(|live| match (&live.rv, &object.rv) {
                (Some(live), Some(listed)) => live.is_newer_than(listed),
                _ => false,
            });
        if is_repeat || is_stale {
            report.count(&self.label).duplicates += 1;
            return Ok(());
        }
        self.observe(ts, None, log)?;
        if let Some(rv) = object.rv.as_ref().filter(|_| !object.is_listed) {
            let rv = rv.clone();
            self.version(ts, source, &rv, report, log)?;
        }
        let is_known = self.live.contains_key(&identity);
        if !is_known && object.event_type != EventType::Added {
            let (from, _, count) = self.starts_inside.unwrap_or((ts, ts, 0));
            self.starts_inside = Some((from, ts, count + 1));
            report.count(&self.label).starts_inside += 1;
        }
        let (event_type, certainty) = match (object.is_listed, is_known) {
            (false, _) => (object.event_type, Certainty::Seen),
            (true, false) => (object.event_type, Certainty::Listed),
            (true, true) => (EventType::Modified, Certainty::Coalesced),
        };
        let count = report.count(&self.label);
        count.count(event_type);
        count.listed += u64::from(object.is_listed);
        report.redacted_objects += u64::from(object.is_redacted);
        if event_type == EventType::Deleted {
            self.live.remove(&identity);
            self.last_deleted = Some((identity, object.rv.clone()));
        } else {
            let live = Live {
                key: object.key.clone(),
                rv: object.rv.clone(),
            };
            self.live.insert(identity, live);
        }
        let body = Arc::from(object.body.into_boxed_bytes());
        log.append(LogRecord::Event(Event {
            feed: self.id,
            ts,
            not_before: (certainty == Certainty::Coalesced).then_some(self.followed_until),
            event_type,
            certainty,
            epoch: self.epoch,
            key: object.key,
            rv: object.rv,
            body: Some(body),
            request: None,
        }))
    }

    fn list_end(
        &mut self,
        ts: Timestamp,
        source: &Arc<str>,
        rv: Option<Rv>,
        is_complete: bool,
        report: &mut LossReport,
        log: &mut impl Log,
    ) -> Result<(), Error> {
        report.count(&self.label).lists += 1;
        self.observe(ts, None, log)?;
        // A list without items shows that all objects are gone.
        let is_empty = !std::mem::take(&mut self.in_list);
        let listed = self.listed.take().or_else(|| is_empty.then(HashSet::new));
        if let Some(listed) = listed.filter(|_| is_complete) {
            let mut gone: Vec<String> = self
                .live
                .keys()
                .filter(|identity| !listed.contains(*identity))
                .cloned()
                .collect();
            gone.sort();
            for identity in gone {
                let Some(live) = self.live.remove(&identity) else {
                    continue;
                };
                let count = report.count(&self.label);
                count.deleted += 1;
                count.inferred += 1;
                log.append(LogRecord::Event(Event {
                    feed: self.id,
                    ts,
                    not_before: Some(self.followed_until),
                    event_type: EventType::Deleted,
                    certainty: Certainty::Inferred,
                    epoch: self.epoch,
                    key: live.key,
                    rv: None,
                    body: None,
                    request: None,
                }))?;
            }
        }
        let Some(rv) = rv else { return Ok(()) };
        self.version(ts, source, &rv, report, log)?;
        if is_complete {
            log.append(LogRecord::Mark {
                feed: self.id,
                rv,
                ts,
            })?;
        }
        Ok(())
    }
}

/// Two objects are one if their uids say so; where there are none, their names.
fn identity(key: &ObjectKey) -> String {
    if key.uid.is_empty() {
        format!("{}/{}", key.namespace, key.name)
    } else {
        key.uid.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;

    #[derive(Default)]
    struct Records(Vec<Feed>, Vec<String>);

    impl Log for Records {
        fn feed(&mut self, feed: &Feed) -> Result<FeedId, Error> {
            self.0.push(feed.clone());
            Ok(FeedId(self.0.len() as u32))
        }

        fn append(&mut self, record: LogRecord) -> Result<(), Error> {
            self.1.push(match record {
                LogRecord::Event(event) => {
                    format!(
                        "{} {} {} rv={} epoch={}",
                        event.ts.0,
                        event.certainty,
                        event.event_type,
                        event.rv.map_or_else(|| "-".to_owned(), |rv| rv.to_string()),
                        event.epoch,
                    ) + &event
                        .not_before
                        .map(|ts| format!(" after {}", ts.0))
                        .unwrap_or_default()
                }
                LogRecord::Mark { rv, .. } => format!("mark {rv}"),
                LogRecord::Transition {
                    state,
                    cause,
                    epoch,
                    ..
                } => {
                    format!("{state} {cause} epoch={epoch}")
                }
                LogRecord::Gap(gap) => {
                    format!("gap {} {}", gap.cause, gap.detail.unwrap_or_default())
                }
                other => format!("{other:?}"),
            });
            Ok(())
        }
    }

    fn pods() -> Arc<Named> {
        let resource = kinds::from_file_stem("core_v1_pods").unwrap();
        Arc::new(Named {
            resource,
            is_guessed: false,
        })
    }

    fn object(event_type: EventType, uid: &str, rv: &str, is_listed: bool) -> What {
        What::Object(Object {
            event_type,
            is_listed,
            key: ObjectKey {
                namespace: "a".into(),
                name: uid.into(),
                uid: uid.into(),
            },
            rv: Some(rv.into()),
            body: "{}".into(),
            is_redacted: false,
        })
    }

    fn fold(items: Vec<What>) -> (Vec<String>, LossReport) {
        let (mut records, mut fold) = (Records::default(), Fold::new(1, LossReport::default()));
        for (index, what) in items.into_iter().enumerate() {
            let ts = Timestamp(index as i64 + 1);
            let item = Item {
                recv: Some(ts),
                line: index as u64 + 1,
                named: Some(pods()),
                what,
            };
            let timed = Timed {
                ts,
                is_time_missing: false,
                source: "f".into(),
                item,
            };
            fold.take(timed, &mut records).unwrap();
        }
        let report = fold.finish(&mut records).unwrap();
        (records.1, report)
    }

    use EventType::{Added, Deleted, Modified};

    #[test]
    fn list_and_watch_become_listed_and_seen_events_with_marks() {
        let (records, _) = fold(vec![
            object(Added, "u1", "5", true),
            What::ListEnd {
                rv: Some("9".into()),
                is_complete: true,
            },
            object(Modified, "u1", "10", false),
            What::Bookmark { rv: "12".into() },
            object(Deleted, "u1", "13", false),
        ]);
        assert_eq!(
            records,
            [
                "observed start epoch=0",
                "1 listed ADDED rv=5 epoch=0",
                "mark 9",
                "3 seen MODIFIED rv=10 epoch=0",
                "mark 12",
                "5 seen DELETED rv=13 epoch=0",
                "unobserved stop epoch=0",
            ],
        );
    }

    #[test]
    fn repeats_are_left_out_and_counted() {
        let (records, report) = fold(vec![
            object(Added, "u1", "5", true),
            object(Added, "u1", "5", false),
            object(Deleted, "u1", "6", false),
            object(Deleted, "u1", "6", false),
        ]);
        assert_eq!(records.len(), 4, "{records:?}");
        assert_eq!(report.resources["pods"].duplicates, 2);
    }

    #[test]
    fn the_first_list_infers_nothing_and_an_empty_later_one_everything() {
        let (records, report) = fold(vec![
            object(Added, "u1", "5", true),
            object(Added, "u2", "6", true),
            What::ListEnd {
                rv: Some("9".into()),
                is_complete: true,
            },
        ]);
        assert_eq!(records.len(), 5, "{records:?}");
        assert_eq!(report.resources["pods"].inferred, 0);
        let (_, report) = fold(vec![
            object(Added, "u1", "5", false),
            What::ListEnd {
                rv: Some("9".into()),
                is_complete: true,
            },
        ]);
        assert_eq!(report.resources["pods"].inferred, 1);
    }

    #[test]
    fn a_later_list_infers_deletes_and_coalesces_versions_only_if_it_is_complete() {
        let list = |is_complete| {
            vec![
                object(Added, "u1", "5", false),
                object(Added, "u2", "6", false),
                What::Error {
                    code: 410,
                    message: "too old".into(),
                },
                object(Added, "u2", "20", true),
                What::ListEnd {
                    rv: Some("30".into()),
                    is_complete,
                },
            ]
        };
        let (records, report) = fold(list(true));
        assert_eq!(
            records[3..],
            [
                "unobserved history_expired epoch=0",
                "observed start epoch=0",
                "4 coalesced MODIFIED rv=20 epoch=0 after 3",
                "5 inferred DELETED rv=- epoch=0 after 3",
                "mark 30",
                "unobserved stop epoch=0",
            ],
        );
        assert_eq!(report.resources["pods"].inferred, 1);
        let (records, report) = fold(list(false));
        assert!(
            !records
                .iter()
                .any(|record| record.contains("inferred") || record == "mark 30")
        );
        assert_eq!(report.resources["pods"].errors, 1);
    }

    #[test]
    fn a_version_that_goes_back_begins_an_epoch() {
        let (records, report) = fold(vec![
            object(Added, "u1", "50", false),
            object(Modified, "u1", "7", false),
        ]);
        assert_eq!(
            records[2..4],
            [
                "observed history_rewound epoch=1",
                "2 seen MODIFIED rv=7 epoch=1"
            ],
        );
        assert_eq!(report.resources["pods"].rewinds, 1);
    }

    #[test]
    fn a_stream_that_starts_inside_and_lines_that_cannot_be_read_leave_gaps() {
        let (records, report) = fold(vec![
            object(Modified, "u1", "5", false),
            What::Unreadable {
                reason: "not JSON".into(),
            },
        ]);
        assert_eq!(
            records[2..4],
            [
                "gap unreadable_line f:2: not JSON",
                "gap source 1 objects start with MODIFIED or DELETED",
            ],
        );
        assert_eq!(
            (report.unreadable, report.resources["pods"].starts_inside),
            (1, 1)
        );
    }
}
