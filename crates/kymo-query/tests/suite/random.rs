//! Random questions over random traces: what is pushed into the scan changes no answer.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kymo_model::{
    Cause, Certainty, Event, EventType, Feed, FeedId, ManualClock, ObjectKey, ResourceType, Scope,
};
use kymo_query::{Limits, QuerySession};
use kymo_store::fs::RealFs;
use kymo_store::segment::SegmentOptions;
use kymo_store::{TraceIdentity, Writer, WriterOptions};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::rows::run;
use crate::story;

/// An event in the making.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    resource: usize,
    name: usize,
    body: usize,
    node: usize,
    number: i64,
    odd: usize,
}

/// Group, resource, kind (empty: not known), and whether it is namespaced.
const RESOURCES: [(&str, &str, &str, bool); 4] = [
    ("", "nodes", "Node", false),
    ("", "pods", "Pod", true),
    ("apps", "deployments", "Deployment", true),
    ("example.com", "things", "", true),
];

fn feeds() -> Vec<Feed> {
    RESOURCES
        .iter()
        .map(|(group, resource, kind, namespaced)| Feed {
            resource: ResourceType {
                group: (*group).into(),
                version: "v1".into(),
                resource: (*resource).into(),
                kind: (*kind).into(),
                namespaced: *namespaced,
            },
            scope: Scope::default(),
        })
        .collect()
}

pub(crate) fn change() -> impl Strategy<Value = Change> {
    (
        0..RESOURCES.len(),
        0usize..4,
        0usize..6,
        0usize..3,
        0i64..4,
        0usize..16,
    )
        .prop_map(|(resource, name, body, node, number, odd)| Change {
            resource,
            name,
            body,
            node,
            number,
            odd,
        })
}

fn event(feed: FeedId, seq: u64, change: &Change) -> Event {
    let (group, resource, kind, namespaced) = RESOURCES[change.resource];
    let name = format!("{resource}-{}", change.name);
    // Some uids are UUIDs, some are other texts, some are not told.
    let uid = match change.name {
        0 => format!("0e8a4c4e-1a2b-4c3d-8e4f-5a6b7c8d9e{:02}", change.resource),
        1 => String::new(),
        other => format!("uid {resource} {other}"),
    };
    let namespace = if namespaced {
        ["a", "b"][change.name % 2]
    } else {
        ""
    };
    let api_version = if group.is_empty() {
        "v1".to_owned()
    } else {
        format!("{group}/v1")
    };
    let phase = ["Pending", "Running"][change.node % 2];
    let mut body = json!({
        "kind": if kind.is_empty() { "Thing" } else { kind },
        "apiVersion": api_version,
        "metadata": {"name": name, "namespace": namespace, "uid": uid, "resourceVersion": seq.to_string(),
            "creationTimestamp": "2026-11-21T02:00:01Z", "labels": {"app": format!("app-{}", change.node)},
            "ownerReferences": [{"kind": "Set", "name": "set", "uid": "s", "controller": change.number > 0}]},
        "spec": {"filler": "x".repeat(300), "node": format!("node-{}", change.node), "n": change.number,
            "items": (0..change.number).collect::<Vec<_>>()},
        "status": {"phase": phase, "conditions": [{"type": "Ready", "status": change.number.to_string()}]},
    });
    for (place, is_there) in [("namespace", namespaced), ("uid", !uid.is_empty())] {
        if !is_there {
            body["metadata"].as_object_mut().unwrap().remove(place);
        }
    }
    match change.body {
        1 => body["metadata"]["generation"] = json!(change.number),
        2 => body["status"] = Value::Null,
        3 => body["spec"] = json!([1, {"node": "node-1"}]),
        4 => body["metadata"]["creationTimestamp"] = Value::Null,
        _ => {}
    }
    let mut event = Event {
        feed,
        ts: story::at(seq * 700),
        not_before: None,
        event_type: [EventType::Added, EventType::Modified][change.number.min(1) as usize],
        certainty: Certainty::Seen,
        epoch: 1,
        key: ObjectKey {
            namespace: namespace.into(),
            name,
            uid,
        },
        rv: Some(seq.to_string().as_str().into()),
        body: Some(Arc::from(body.to_string().as_bytes())),
        request: None,
    };
    match change.odd {
        0 => {
            event.event_type = EventType::Unreadable;
            event.body = Some(Arc::from(
                &b"{\"kind\":\"Pod\",\"spec\":{\"node\":\"node-1\",\"n\":\xff"[..],
            ));
        }
        1 => {
            let twice = body
                .to_string()
                .replacen('{', "{\"spec\":{\"node\":\"node-0\"},", 1);
            event.body = Some(Arc::from(twice.as_bytes()));
        }
        2 => {
            (event.event_type, event.certainty) = (EventType::Deleted, Certainty::Inferred);
            (event.body, event.rv) = (None, None);
        }
        3 => event.certainty = Certainty::Listed,
        // Imports know of events that come too late.
        4 => event.ts = story::at((seq * 700).saturating_sub(4_000)),
        _ => {}
    }
    event
}

/// How a trace lies on the disk.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Layout {
    /// In a log.
    Log,
    /// In segments, and the end in a log.
    Mixed,
    /// In several segments.
    Segments,
    /// In one file.
    File,
}

impl Layout {
    pub(crate) const ALL: [Self; 4] = [Self::Log, Self::Mixed, Self::Segments, Self::File];
}

pub(crate) fn write(folder: &TempDir, layout: Layout, changes: &[Change]) -> PathBuf {
    let path = folder.path().join(format!("{layout:?}"));
    let clock = Arc::new(ManualClock::new(story::START));
    let options = WriterOptions {
        compact_at: 100,
        segment: SegmentOptions {
            row_group_rows: 7,
            keyframe_interval: 3,
            sibling_interval: 3,
            ..SegmentOptions::default()
        },
        ..WriterOptions::default()
    };
    let identity = TraceIdentity::new(Some("c0ffee".into()));
    let fs = Arc::new(RealFs);
    let mut writer =
        Writer::create(fs.clone(), &path, identity, clock.clone(), options.clone()).unwrap();
    writer.begin_session(story::session()).unwrap();
    let ids: Vec<FeedId> = feeds()
        .iter()
        .map(|feed| writer.feed(feed).unwrap())
        .collect();
    let seals: &[usize] = match layout {
        Layout::Log => &[],
        Layout::Mixed => &[10, 25],
        Layout::Segments | Layout::File => &[10, 25, usize::MAX],
    };
    for (index, change) in changes.iter().enumerate() {
        if seals.contains(&index) {
            writer.commit().unwrap();
            writer.seal_now().unwrap();
        }
        clock.advance(Duration::from_millis(700));
        let event = event(ids[change.resource], index as u64 + 1, change);
        writer.append_event(event).unwrap();
    }
    writer.commit().unwrap();
    if seals.contains(&usize::MAX) {
        writer.seal_now().unwrap();
    }
    writer.close(Cause::Stop).unwrap();
    if !matches!(layout, Layout::File) {
        return path;
    }
    let file = folder.path().join("packed.parquet");
    let trace = kymo_store::Trace::open(&path).unwrap();
    trace.write_single(fs, &file, &options.segment).unwrap();
    file
}

/// Columns and expressions; `OBJECT` stands for the object.
const SHOWN: [&str; 41] = [
    "ts",
    "type",
    "certainty",
    "api_group",
    "api_version",
    "kind",
    "resource",
    "namespace",
    "name",
    "uid",
    "resource_version",
    "generation",
    "created",
    "deleted",
    "owner_name",
    "labels",
    "annotations",
    "session",
    "epoch",
    "cluster",
    "username",
    "groups",
    "OBJECT",
    "OBJECT ->> 'kind'",
    "OBJECT -> 'spec' ->> 'node'",
    "OBJECT -> 'spec' -> 'items' -> 0",
    "OBJECT -> 'spec' -> 'items' ->> -1",
    "OBJECT #>> array['status', 'conditions', '0', 'type']",
    "json_get_int(OBJECT, 'spec', 'n')",
    "json_length(OBJECT, 'spec', 'items')",
    "json_as_text(OBJECT, 'metadata', 'labels')",
    "OBJECT -> 'metadata' ->> 'uid'",
    "json_object_keys(OBJECT, 'status')",
    "OBJECT ? 'status'",
    "CASE WHEN type <> 'UNREADABLE' THEN condition(OBJECT, 'Ready')['status'] END",
    "CASE WHEN type <> 'UNREADABLE' THEN cpu(OBJECT) END",
    "CASE WHEN type <> 'UNREADABLE' THEN json_path(OBJECT, '$.spec.items[?@ > 0]') END",
    "CASE WHEN type <> 'UNREADABLE' THEN json_path(OBJECT, '$.spec[*].node') END",
    "pod_status(OBJECT)['status']",
    "CASE WHEN type <> 'UNREADABLE' THEN json_pointer(OBJECT, '/spec/items/1') END",
    "CASE WHEN type <> 'UNREADABLE' THEN json_pointer(OBJECT, '/status') END",
];

const TESTS: [&str; 30] = [
    "kind = 'Pod'",
    "kind IN ('Node', 'Thing')",
    "resource <> 'pods'",
    "resource > 'nodes'",
    "api_group = 'apps'",
    "namespace = 'a'",
    "namespace = ''",
    "name = 'pods-1'",
    "name LIKE 'pods-%'",
    "upper(name) = 'NODES-0'",
    "uid = ''",
    "uid = '0e8a4c4e-1a2b-4c3d-8e4f-5a6b7c8d9e01'",
    "uid = '0E8A4C4E-1A2B-4C3D-8E4F-5A6B7C8D9E01'",
    "uid IN ('uid pods 2', 'uid nodes 3')",
    "type = 'DELETED'",
    "ts < '2026-11-21T02:00:10Z'",
    "ts BETWEEN '2026-11-21T02:00:05Z' AND '2026-11-21T02:00:15Z'",
    "seq > 20",
    "seq % 3 = 0",
    "created IS NULL",
    "generation > 1",
    "labels['app'] = 'app-1'",
    "owner_name = 'set'",
    "OBJECT -> 'spec' ->> 'node' = 'node-1'",
    "json_get_int(OBJECT, 'spec', 'n') > 1",
    "OBJECT ? 'status'",
    "OBJECT -> 'status' ->> 'phase' IS NULL",
    "OBJECT -> 'metadata' ->> 'name' = name",
    "OBJECT IS NULL",
    "OBJECT LIKE '%node-2%'",
];

fn filter() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(TESTS.to_vec()).prop_map(str::to_owned);
    leaf.prop_recursive(2, 5, 3, |inner| {
        let operator = prop::sample::select(vec![" AND ", " OR ", " AND "]);
        let parts = prop::collection::vec((inner, any::<bool>()), 2..4);
        (parts, operator).prop_map(|(parts, operator)| {
            let parts = parts.into_iter().map(|(part, negated)| {
                let not = if negated { "NOT " } else { "" };
                format!("{not}({part})")
            });
            parts.collect::<Vec<_>>().join(operator)
        })
    })
}

#[derive(Clone, Debug)]
struct Question {
    shown: Vec<&'static str>,
    filter: Option<String>,
}

fn question() -> impl Strategy<Value = Question> {
    let shown = prop::sample::subsequence(SHOWN.to_vec(), 0..5);
    let filter = prop::option::weighted(0.9, filter());
    (shown, filter).prop_map(|(shown, filter)| Question { shown, filter })
}

impl Question {
    /// Asks about a table of events.
    fn over(&self, table: &str, object: &str) -> String {
        let shown = [&["seq"], self.shown.as_slice()].concat().join(", ");
        let filter = self
            .filter
            .as_ref()
            .map(|filter| format!(" WHERE {filter}"));
        let sql = format!(
            "SELECT {shown} FROM {table}{} ORDER BY seq",
            filter.unwrap_or_default()
        );
        sql.replace("OBJECT", object)
    }
}

/// All rows with everything that columns show, out of which no filter and no path goes down.
const NAIVE: &str = "(SELECT *, object || '' AS whole FROM events LIMIT 1000000)";

#[test]
fn random_questions_have_the_answers_that_a_full_scan_gives() {
    let (asked, answered, pruned) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let config = ProptestConfig {
        cases: 10,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let questions = prop::collection::vec(question(), 5);
    let cases = (prop::collection::vec(change(), 30..50), questions);
    TestRunner::new(config)
        .run(&cases, |(changes, questions)| {
            let folder = tempfile::tempdir().unwrap();
            for layout in Layout::ALL {
                let path = write(&folder, layout, &changes);
                let limits = Limits {
                    threads: Some(2),
                    ..Limits::default()
                };
                let session = QuerySession::open(&[("t".into(), path)], limits).unwrap();
                for question in &questions {
                    let sql = question.over("events", "object");
                    let found = run(&session, &sql).map_err(|error| {
                        TestCaseError::fail(format!("{layout:?}: {sql}: {error}"))
                    })?;
                    let expected = run(&session, &question.over(NAIVE, "whole")).unwrap();
                    asked.set(asked.get() + 1);
                    answered.set(answered.get() + u32::from(!expected.is_empty()));
                    let plan = run(&session, &format!("EXPLAIN {sql}")).unwrap().join("\n");
                    pruned.set(pruned.get() + u32::from(plan.contains("pushed=[")));
                    prop_assert_eq!(found, expected, "{:?}: {}", layout, sql);
                }
            }
            Ok(())
        })
        .unwrap();
    assert!(
        answered.get() * 8 > asked.get(),
        "{answered:?} of {asked:?} have rows"
    );
    assert!(
        pruned.get() * 2 > asked.get(),
        "{pruned:?} of {asked:?} are pushed"
    );
}

/// Questions whose plans make use of the order in which rows come; `EVENTS` stands for the table.
const IN_ORDER: [&str; 5] = [
    "SELECT resource, namespace, name, count(*), max(seq) FROM EVENTS GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    "SELECT resource, namespace, count(*) FROM EVENTS WHERE resource = 'pods' GROUP BY 1, 2 ORDER BY 1, 2",
    "SELECT seq, lead(seq) OVER (PARTITION BY resource, namespace, name, uid, api_group ORDER BY seq) FROM EVENTS ORDER BY seq",
    "SELECT seq, row_number() OVER (PARTITION BY api_group, resource, uid ORDER BY seq) FROM EVENTS ORDER BY seq",
    "SELECT resource, namespace, name, uid, api_group, seq FROM EVENTS ORDER BY 1, 2, 3, 4, 5, 6",
];

#[test]
fn the_order_in_which_rows_come_is_the_one_that_plans_count_on() {
    let config = ProptestConfig {
        cases: 4,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    TestRunner::new(config)
        .run(&prop::collection::vec(change(), 40..80), |changes| {
            let folder = tempfile::tempdir().unwrap();
            for layout in Layout::ALL {
                let path = write(&folder, layout, &changes);
                for threads in [1, 4] {
                    let limits = Limits {
                        threads: Some(threads),
                        ..Limits::default()
                    };
                    let traces = [("t".into(), path.clone())];
                    let session = QuerySession::open(&traces, limits).unwrap();
                    for question in IN_ORDER {
                        let found = run(&session, &question.replace("EVENTS", "events")).unwrap();
                        let whole = "(SELECT * FROM events ORDER BY seq DESC LIMIT 1000000)";
                        let expected = run(&session, &question.replace("EVENTS", whole)).unwrap();
                        prop_assert_eq!(found, expected, "{:?}: {}", layout, question);
                    }
                }
            }
            Ok(())
        })
        .unwrap();
}

/// Everything that does not depend on how the text of an object is written.
const SAME: &str = "SELECT seq, ts, type, certainty, not_before, api_group, api_version, kind, resource, \
    namespace, name, uid, resource_version, generation, created, deleted, owner_kind, owner_name, owner_uid, \
    labels, annotations, session, epoch, cluster, object IS NULL, object ->> 'kind', object -> 'spec' ->> 'node', \
    object -> 'spec' -> 'items' ->> -1, object -> 'metadata' ->> 'uid', object ? 'status', \
    json_length(object, 'spec'), patch IS NULL FROM events ORDER BY seq";

#[test]
fn the_way_a_trace_lies_on_the_disk_changes_no_answer() {
    let config = ProptestConfig {
        cases: 12,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    TestRunner::new(config)
        .run(&prop::collection::vec(change(), 30..60), |changes| {
            let folder = tempfile::tempdir().unwrap();
            let mut answers = Vec::new();
            for layout in Layout::ALL {
                let path = write(&folder, layout, &changes);
                let session = QuerySession::open(&[("t".into(), path)], Limits::default()).unwrap();
                answers.push((layout, run(&session, SAME).unwrap()));
            }
            let (_, expected) = &answers[0];
            prop_assert_eq!(expected.len(), changes.len());
            for (layout, found) in &answers {
                for (found, expected) in found.iter().zip(expected) {
                    prop_assert_eq!(found, expected, "{:?}", layout);
                }
                prop_assert_eq!(found.len(), expected.len());
            }
            Ok(())
        })
        .unwrap();
}
