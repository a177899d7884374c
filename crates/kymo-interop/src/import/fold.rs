//! Folds items into the records of a log: what the recorder would have written.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use kymo_model::{Cause, Coverage, CoverageState, Feed, FeedId, Timestamp};
use kymo_store::LogRecord;

use super::feed::FeedState;
use super::item::{Item, Named, What};
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

/// What the fold may take for granted of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Whether a lower resourceVersion than the one before says that history went back.
    pub(crate) versions_grow: bool,
    /// Whether objects get uids because the format has none.
    pub(crate) mints_uids: bool,
    /// Whether the source does not tell when the API server drops old Events.
    pub(crate) events_expire: bool,
    /// Whether what happens between two items is told, as in a watch. Where moments are shown,
    /// nothing is known of an object between two of them.
    pub(crate) is_followed: bool,
}

/// The state of all feeds of an import.
#[derive(Debug)]
pub(crate) struct Fold {
    rules: Rules,
    session: u32,
    feeds: HashMap<Feed, FeedState>,
    report: LossReport,
    /// The stretch of the unreadable values that got no gap of their own.
    more_unreadable: Option<(Timestamp, Timestamp)>,
}

impl Fold {
    /// Starts a session.
    pub(crate) fn new(rules: Rules, session: u32, report: LossReport) -> Self {
        Self {
            rules,
            session,
            feeds: HashMap::new(),
            report,
            more_unreadable: None,
        }
    }

    /// Takes one item.
    pub(crate) fn take(&mut self, timed: Timed, log: &mut impl Log) -> Result<(), Error> {
        let Timed {
            ts,
            is_time_missing,
            item,
        } = timed;
        let Item {
            source,
            line,
            named,
            what,
            ..
        } = item;
        if let What::Unreadable { reason } = &what {
            return self.unreadable(ts, &source, line, reason, named.as_deref(), log);
        }
        if let What::Damaged(damage) = &what {
            self.report.note_damage(&source, damage);
            let detail = format!("{source}: {damage}");
            let gap = self.gap(None, 0, Cause::UnreadableLine, ts, ts, detail);
            return log.append(LogRecord::Gap(gap));
        }
        self.report.missing_times += u64::from(is_time_missing);
        self.report.note_time(ts);
        let Some(named) = named else {
            if let What::Gap { from, detail } = what {
                let from = from.unwrap_or(ts);
                let gap = self.gap(None, 0, Cause::Source, from, ts, detail);
                return log.append(LogRecord::Gap(gap));
            }
            // A bookmark or an error in front of everything that tells the resource.
            self.report
                .note_unreadable(&source, line, "nothing tells its resource");
            return Ok(());
        };
        let is_of_list = what.is_of_list();
        let state = feed_state(
            &mut self.feeds,
            &mut self.report,
            self.rules,
            &named,
            is_of_list,
            ts,
            log,
        )?;
        if let What::Gap { from, detail } = what {
            // It speaks of a stretch before the present.
            let from = from.unwrap_or(state.followed_until);
            let (id, epoch) = (Some(state.id), state.epoch);
            let gap = gap(self.session, id, epoch, Cause::Source, from, ts, detail);
            return log.append(LogRecord::Gap(gap));
        }
        self.report.backward_times += u64::from(ts < state.last_ts);
        state.last_ts = state.last_ts.max(ts);
        let report = &mut self.report;
        let taken = match what {
            What::Object(object) => state.object(ts, &source, object, report, log),
            What::ListEnd {
                rv,
                namespace,
                is_complete,
            } => {
                let scope = namespace.as_deref();
                state.list_end(ts, &source, rv, scope, is_complete, report, log)
            }
            What::Bookmark { rv } => state.bookmark(ts, &source, rv, report, log),
            What::Error { code, message } => {
                report.count(&state.label).errors += 1;
                let cause = match code {
                    410 => Cause::HistoryExpired,
                    _ => Cause::Disconnected,
                };
                let detail = Some(format!("ERROR {code}: {message}"));
                state.transition(ts, CoverageState::Unobserved, cause, detail, log)
            }
            What::Gap { .. } | What::Unreadable { .. } | What::Damaged(_) => Ok(()),
        };
        let is_list_item = is_of_list && state.listed.is_some();
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
        gap(self.session, feed, epoch, cause, from, to, detail)
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
                scope: named.scope.clone(),
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

fn gap(
    session: u32,
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
        session,
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

/// Finds the state of a resource's feed, or begins it.
fn feed_state<'a>(
    feeds: &'a mut HashMap<Feed, FeedState>,
    report: &mut LossReport,
    rules: Rules,
    named: &Named,
    has_list: bool,
    ts: Timestamp,
    log: &mut impl Log,
) -> Result<&'a mut FeedState, Error> {
    match feeds.entry(Feed {
        resource: named.resource.clone(),
        scope: named.scope.clone(),
    }) {
        Entry::Occupied(known) => Ok(known.into_mut()),
        Entry::Vacant(place) => {
            let id = log.feed(place.key())?;
            let label = named.resource.group_resource().to_string();
            if named.is_guessed {
                report.guessed_plurals.insert(label.clone());
            }
            let state = place.insert(FeedState::new(id, label, rules, ts));
            let detail = (!has_list).then(|| {
                "the source has no list: objects that did not change are missing".to_owned()
            });
            state.transition(ts, CoverageState::Observed, Cause::Start, detail, log)?;
            Ok(state)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kymo_model::{Certainty, EventType, ObjectKey, Scope};

    use super::super::item::Object;
    use super::super::loss::Loss;
    use super::*;
    use crate::kinds;

    #[derive(Default)]
    struct Records(Vec<Feed>, Vec<String>, Vec<ObjectKey>);

    impl Log for Records {
        fn feed(&mut self, feed: &Feed) -> Result<FeedId, Error> {
            self.0.push(feed.clone());
            Ok(FeedId(self.0.len() as u32))
        }

        fn append(&mut self, record: LogRecord) -> Result<(), Error> {
            self.1.push(match record {
                LogRecord::Event(event) => {
                    self.2.push(event.key.clone());
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
            scope: Scope::default(),
        })
    }

    fn object(event_type: EventType, uid: &str, rv: &str, is_listed: bool) -> What {
        What::Object(Object {
            event_type,
            certainty: if is_listed {
                Certainty::Listed
            } else {
                Certainty::Seen
            },
            not_before: None,
            key: ObjectKey {
                namespace: "a".into(),
                name: uid.into(),
                uid: uid.into(),
            },
            rv: Some(rv.into()),
            body: Some("{}".into()),
            is_redacted: false,
            request: None,
        })
    }

    const RULES: Rules = Rules {
        versions_grow: true,
        mints_uids: false,
        events_expire: false,
        is_followed: true,
    };

    fn item(ts: i64, source: &str, named: Arc<Named>, what: What) -> Timed {
        let ts = Timestamp(ts);
        let item = Item {
            recv: Some(ts),
            source: source.into(),
            line: ts.0.unsigned_abs(),
            named: Some(named),
            what,
        };
        Timed {
            ts,
            is_time_missing: false,
            item,
        }
    }

    fn fold_by(rules: Rules, items: Vec<What>) -> (Vec<String>, LossReport) {
        let (mut records, mut fold) = (
            Records::default(),
            Fold::new(rules, 1, LossReport::default()),
        );
        for (index, what) in items.into_iter().enumerate() {
            let timed = item(index as i64 + 1, "f", pods(), what);
            fold.take(timed, &mut records).unwrap();
        }
        let report = fold.finish(&mut records).unwrap();
        (records.1, report)
    }

    fn fold(items: Vec<What>) -> (Vec<String>, LossReport) {
        fold_by(RULES, items)
    }

    use EventType::{Added, Deleted, Modified};

    #[test]
    fn list_and_watch_become_listed_and_seen_events_with_marks() {
        let (records, _) = fold(vec![
            object(Added, "u1", "5", true),
            What::ListEnd {
                rv: Some("9".into()),
                namespace: None,
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
                namespace: None,
                is_complete: true,
            },
        ]);
        assert_eq!(records.len(), 5, "{records:?}");
        assert_eq!(report.resources["pods"].inferred, 0);
        let (_, report) = fold(vec![
            object(Added, "u1", "5", false),
            What::ListEnd {
                rv: Some("9".into()),
                namespace: None,
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
                    namespace: None,
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
    fn a_list_says_nothing_of_objects_that_came_after_it_and_nothing_outside_its_scope() {
        let scoped = |name: &str| {
            let mut named = Arc::unwrap_or_clone(pods());
            named.scope.namespace = Some(name.to_owned());
            Arc::new(named)
        };
        let end = || What::ListEnd {
            rv: Some("9".into()),
            namespace: None,
            is_complete: true,
        };
        let (mut records, mut fold) = (
            Records::default(),
            Fold::new(RULES, 1, LossReport::default()),
        );
        for (ts, source, named, what) in [
            (1, "watch", scoped("a"), object(Added, "u1", "5", false)),
            (2, "watch", scoped("a"), object(Added, "u2", "12", false)),
            (3, "lists", scoped("b"), end()),
            (4, "lists", scoped("a"), end()),
        ] {
            let item = item(ts, source, named, what);
            fold.take(item, &mut records).unwrap();
        }
        let scopes: Vec<String> = records
            .0
            .iter()
            .map(|feed| feed.scope.to_string())
            .collect();
        assert_eq!(scopes, ["a", "b"]);
        let inferred: Vec<&String> = records
            .1
            .iter()
            .filter(|record| record.contains("inferred"))
            .collect();
        assert_eq!(inferred, ["4 inferred DELETED rv=- epoch=0 after 2"]);
    }

    #[test]
    fn a_gap_of_the_past_is_no_time_that_goes_back() {
        let (mut records, mut fold) = (
            Records::default(),
            Fold::new(RULES, 1, LossReport::default()),
        );
        let gap = What::Gap {
            from: Some(Timestamp(1)),
            detail: "hole".into(),
        };
        fold.take(
            item(9, "f", pods(), object(Added, "u1", "5", false)),
            &mut records,
        )
        .unwrap();
        fold.take(item(4, "f", pods(), gap), &mut records).unwrap();
        let report = fold.finish(&mut records).unwrap();
        assert_eq!(records.1[2], "gap source hole");
        assert_eq!(report.backward_times, 0);
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

    fn unnamed(event_type: EventType, name: &str) -> What {
        let What::Object(mut object) = object(event_type, name, "", false) else {
            unreachable!()
        };
        object.key.uid.clear();
        object.rv = None;
        object.body = Some(r#"{"metadata":{}}"#.into());
        What::Object(object)
    }

    #[test]
    fn an_object_without_a_uid_is_the_live_one_of_its_name() {
        let (records, report) = fold(vec![
            object(Added, "u1", "5", false),
            unnamed(Modified, "u1"),
            unnamed(Deleted, "u1"),
            unnamed(Deleted, "u1"),
        ]);
        assert_eq!(
            records[2..4],
            [
                "2 seen MODIFIED rv=- epoch=0",
                "3 seen DELETED rv=- epoch=0"
            ]
        );
        // The third one deletes something that was never there.
        assert_eq!(report.resources["pods"].starts_inside, 1);
        assert_eq!(report.losses[0].what, Loss::Uids);
        assert_eq!(report.losses[0].count, 1);
    }

    #[test]
    fn made_uids_tell_the_incarnations_of_a_name_apart() {
        let rules = Rules {
            mints_uids: true,
            is_followed: true,
            ..RULES
        };
        let mut records = Records::default();
        let mut fold = Fold::new(rules, 1, LossReport::default());
        for (index, event_type) in [Added, Modified, Deleted, Added].into_iter().enumerate() {
            let item = Item {
                recv: None,
                source: "f".into(),
                line: 1,
                named: Some(pods()),
                what: unnamed(event_type, "web"),
            };
            let timed = Timed {
                ts: Timestamp(index as i64),
                is_time_missing: false,
                item,
            };
            fold.take(timed, &mut records).unwrap();
        }
        let uids: Vec<&str> = records.2.iter().map(|key| key.uid.as_str()).collect();
        assert_eq!((uids[0], uids[0]), (uids[1], uids[2]));
        assert_ne!(uids[0], uids[3]);
    }

    #[test]
    fn versions_that_need_not_grow_begin_no_epoch() {
        let rules = Rules {
            versions_grow: false,
            ..RULES
        };
        let (records, report) = fold_by(
            rules,
            vec![
                object(Added, "u1", "50", false),
                object(Modified, "u1", "7", false),
            ],
        );
        assert_eq!(records[2], "2 seen MODIFIED rv=7 epoch=0");
        assert_eq!(report.resources["pods"].rewinds, 0);
    }

    #[test]
    fn a_list_of_one_namespace_says_nothing_of_the_others() {
        let end = |namespace: &str| What::ListEnd {
            rv: None,
            namespace: Some(namespace.into()),
            is_complete: true,
        };
        let (_, report) = fold(vec![object(Added, "u1", "5", true), end("b")]);
        assert_eq!(report.resources["pods"].inferred, 0);
        let (_, report) = fold(vec![object(Added, "u1", "5", true), end("b"), end("a")]);
        assert_eq!(report.resources["pods"].inferred, 1);
    }

    #[test]
    fn a_gap_that_the_source_shows_becomes_one_of_its_feed() {
        let (records, _) = fold(vec![
            object(Added, "u1", "5", false),
            What::Gap {
                from: None,
                detail: "the watch was opened again".into(),
            },
        ]);
        assert_eq!(records[2], "gap source the watch was opened again");
    }
}
