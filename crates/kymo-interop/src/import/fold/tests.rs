//! Items become the records that a recorder would have written.

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
