//! Events as an audit log tells of them: with the request, often without a body or a version.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use kymo_model::{Certainty, Event, EventType, FeedId, ObjectKey, Request, Rv, Timestamp};
use kymo_store::fs::ModelFs;
use kymo_store::segment::SegmentOptions;
use kymo_store::{Trace, WriterOptions, check_with, repair_with};
use proptest::prelude::*;

use crate::support::{
    self, START, Said, body, clock, path, pods, resource, rows, said, session, trace,
};

/// One event, and what the writer does behind it.
#[derive(Clone, Debug)]
struct Step {
    event: Event,
    runs_maintenance: bool,
}

fn request() -> impl Strategy<Value = Request> {
    let users = [
        "kubernetes-admin",
        "system:serviceaccount:kube-system:deployment-controller",
    ];
    (0usize..2, any::<bool>(), any::<u16>()).prop_map(move |(user, by_hand, id)| Request {
        audit_id: format!("6f1b0c2e-0000-4000-8000-{id:012}"),
        verb: if by_hand { "update" } else { "patch" }.into(),
        subresource: (!by_hand).then(|| "status".into()),
        username: users[user].into(),
        groups: vec!["system:authenticated".into()],
        impersonated_username: by_hand.then(|| "jane".into()),
        user_agent: Some("kubectl/v1.36.2".into()),
        source_ips: vec!["10.0.0.7".into(), "192.168.1.1".into()],
    })
}

fn step() -> impl Strategy<Value = Step> {
    let object = (0u32..2, 0usize..3, any::<bool>());
    let words = (0usize..3, 0..Certainty::ALL.len());
    let parts = (
        prop::option::of(1u64..50),
        prop::option::of(1u64..50),
        prop::option::weighted(0.3, 0i64..9),
        prop::option::of(request()),
    );
    (object, words, parts, prop::bool::weighted(0.1)).prop_map(
        |((feed, name, has_uid), words, parts, runs_maintenance)| {
            let name = ["a", "b", "c"][name];
            // Objects with and without a uid are different ones of the same name.
            let uid = if has_uid {
                format!("uid-{name}")
            } else {
                String::new()
            };
            let (version, rv, not_before, request) = parts;
            let text = version.map(|version| {
                let text = body(name, version);
                if has_uid {
                    text
                } else {
                    text.replace(&format!("\"uid\":\"uid-{name}\","), "")
                }
            });
            Step {
                event: Event {
                    feed: FeedId(feed),
                    ts: START,
                    not_before: not_before.map(Timestamp),
                    event_type: EventType::ALL[words.0],
                    certainty: Certainty::ALL[words.1],
                    epoch: 0,
                    key: ObjectKey {
                        namespace: "shop".into(),
                        name: name.into(),
                        uid,
                    },
                    rv: rv.map(|rv| Rv::new(rv.to_string())),
                    body: text.map(|text| text.into_bytes().into()),
                    request: request.map(Arc::new),
                },
                runs_maintenance,
            }
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..40).prop_map(|mut steps| {
        for (step, second) in steps.iter_mut().zip(1..) {
            step.event.ts = Timestamp(START.0 + second * 1_000_000_000);
        }
        steps
    })
}

/// What a reader is to see: as written, and the last known body of a deleted object.
fn expected(steps: &[Step]) -> BTreeMap<u64, Said> {
    let mut known: HashMap<(FeedId, ObjectKey), serde_json::Value> = HashMap::new();
    let mut expected = BTreeMap::new();
    for (seq, Step { event, .. }) in (1u64..).zip(steps) {
        let mut row = said(event);
        let object = (event.feed, event.key.clone());
        if let Some(body) = &row.body {
            known.insert(object.clone(), body.clone());
        } else if event.event_type == EventType::Deleted {
            row.body = known.get(&object).cloned();
        }
        if event.event_type == EventType::Deleted && event.key.uid.is_empty() {
            known.remove(&object);
        }
        expected.insert(seq, row);
    }
    expected
}

fn record(fs: &ModelFs, options: WriterOptions, steps: &[Step]) {
    let mut writer = support::create_with(fs, options).unwrap();
    writer.begin_session(session()).unwrap();
    assert_eq!(writer.feed(&pods()).unwrap(), FeedId(0));
    assert_eq!(writer.feed(&resource("nodes", "Pod")).unwrap(), FeedId(1));
    for step in steps {
        writer.append_event(step.event.clone()).unwrap();
        writer.commit().unwrap();
        if step.runs_maintenance {
            writer.maintenance().run_once().unwrap();
        }
    }
}

fn assert_reads(fs: &ModelFs, expected: &BTreeMap<u64, Said>) {
    assert_eq!(&rows(&trace(fs).unwrap()).unwrap(), expected);
    support::assert_whole(fs);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn events_read_the_same_from_logs_segments_one_file_and_a_repaired_copy(steps in steps()) {
        let expected = expected(&steps);
        let fs = ModelFs::new();
        let in_one_log = WriterOptions { rotate_events: u64::MAX, ..support::small() };
        record(&fs, in_one_log, &steps);
        assert_reads(&fs, &expected);

        let fs = ModelFs::new();
        record(&fs, support::small(), &steps);
        assert_reads(&fs, &expected);
        // The last log is still open: its writer was dropped as by a crash.
        let mut writer = support::open(&fs).unwrap();
        writer.seal_now().unwrap();
        drop(writer);
        let sealed = trace(&fs).unwrap();
        prop_assert_eq!(sealed.stats().logs, 0);
        assert_reads(&fs, &expected);

        let shared = Arc::new(fs.clone());
        let one = Path::new("/one.parquet");
        sealed.write_single(shared.clone(), one, &SegmentOptions::default()).unwrap();
        let single = Trace::open_with(shared.clone(), one).unwrap();
        prop_assert_eq!(&rows(&single).unwrap(), &expected);
        prop_assert!(!check_with(shared.clone(), one).unwrap().is_damaged());

        let copy = Path::new("/copy.kymo");
        repair_with(shared.clone(), &path(), copy, clock()).unwrap();
        let copy = Trace::open_with(shared, copy).unwrap();
        prop_assert_eq!(&rows(&copy).unwrap(), &expected);
    }
}

#[test]
fn an_object_without_a_uid_ends_when_it_is_deleted() {
    let told = |event_type, version: Option<u64>| {
        let mut event = support::event(FeedId(0), event_type, "a", version.unwrap_or(1));
        event.key.uid.clear();
        event.body = version.map(|version| body("a", version).into_bytes().into());
        Step {
            event,
            runs_maintenance: true,
        }
    };
    let steps = [
        told(EventType::Added, Some(1)),
        told(EventType::Deleted, None),
        told(EventType::Added, None),
        told(EventType::Deleted, None),
    ];
    let fs = ModelFs::new();
    record(&fs, support::small(), &steps);
    let found = rows(&trace(&fs).unwrap()).unwrap();
    let bodies: Vec<_> = found.values().map(|row| row.body.is_some()).collect();
    assert_eq!(bodies, [true, true, false, false]);
}

#[test]
fn objects_of_different_resources_with_one_key_are_not_mixed_up() {
    let mut added = support::event(FeedId(0), EventType::Added, "a", 1);
    let mut deleted = support::event(FeedId(1), EventType::Deleted, "a", 2);
    added.key.uid.clear();
    deleted.key.uid.clear();
    deleted.body = None;
    let steps = [added, deleted].map(|event| Step {
        event,
        runs_maintenance: false,
    });
    let fs = ModelFs::new();
    record(&fs, support::small(), &steps);
    for _ in 0..2 {
        let found = rows(&trace(&fs).unwrap()).unwrap();
        assert_eq!(found[&2].body, None);
        support::open(&fs).unwrap().seal_now().unwrap();
    }
}

#[test]
fn objects_without_a_version_are_live_too() {
    let mut added = support::event(FeedId(0), EventType::Added, "a", 1);
    let mut changed = support::event(FeedId(0), EventType::Modified, "a", 2);
    (added.rv, changed.rv, changed.body) = (None, None, None);
    let steps = [added, changed].map(|event| Step {
        event,
        runs_maintenance: false,
    });
    let fs = ModelFs::new();
    record(&fs, support::small(), &steps);
    for _ in 0..2 {
        let mut writer = support::open(&fs).unwrap();
        let live = writer.resume(FeedId(0)).unwrap().live;
        assert_eq!(live.len(), 1);
        assert_eq!((live[0].key.name.as_str(), &live[0].rv), ("a", &None));
        writer.seal_now().unwrap();
    }
}
