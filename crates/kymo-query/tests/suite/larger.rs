//! A trace that is larger than the memory of a query.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use kymo_model::{Cause, Certainty, Event, EventType, ManualClock, ObjectKey};
use kymo_query::{Limits, QuerySession};
use kymo_store::fs::RealFs;
use kymo_store::{TraceIdentity, Writer, WriterOptions};
use serde_json::json;

use crate::rows::run;
use crate::story;

const PODS: u64 = 8_000;
const TEXT: usize = 4 << 10;
const MEMORY: usize = 15 << 20;

/// A text of digits that hardly repeat.
fn noise(seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut text = String::with_capacity(TEXT + 16);
    while text.len() < TEXT {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        write!(text, "{state:016x}").unwrap();
    }
    text
}

fn write_trace(path: PathBuf, seal: bool) -> (String, PathBuf) {
    let clock = Arc::new(ManualClock::new(story::START));
    let mut writer = Writer::create(
        Arc::new(RealFs),
        &path,
        TraceIdentity::new(None),
        clock,
        WriterOptions::default(),
    )
    .unwrap();
    writer.begin_session(story::session()).unwrap();
    let feeds = story::feeds();
    let (_, feed) = feeds.iter().find(|(id, _)| *id == story::PODS).unwrap();
    let feed = writer.feed(feed).unwrap();
    for pod in 0..PODS {
        let (name, uid) = (format!("pod-{pod:04}"), format!("uid-{pod}"));
        let body = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "shop", "uid": uid, "resourceVersion": pod.to_string()},
            "spec": {"nodeName": format!("node-{}", pod % 7), "text": noise(pod + 1)}});
        let event = Event {
            feed,
            ts: story::at(pod),
            not_before: None,
            event_type: EventType::Added,
            certainty: Certainty::Seen,
            epoch: 1,
            key: ObjectKey {
                namespace: "shop".into(),
                name,
                uid,
            },
            rv: Some(pod.to_string().as_str().into()),
            body: Some(body.to_string().into_bytes().into()),
            request: None,
        };
        writer.append_event(event).unwrap();
    }
    writer.commit().unwrap();
    if seal {
        writer.seal_now().unwrap();
    }
    writer.close(Cause::Stop).unwrap();
    ("large".to_owned(), path)
}

#[test]
fn whole_objects_are_sorted_in_a_few_megabytes() {
    let folder = tempfile::tempdir().unwrap();
    let trace = write_trace(folder.path().join("trace"), true);
    let limits = Limits {
        memory_bytes: 4 << 20,
        threads: Some(2),
        ..Limits::default()
    };
    let session = QuerySession::open(&[trace], limits).unwrap();
    for (sql, rows) in [
        ("SELECT object FROM events ORDER BY object DESC", PODS),
        (
            "SELECT object FROM events ORDER BY object DESC LIMIT 3000",
            3_000,
        ),
        (
            "SELECT object FROM events ORDER BY object DESC LIMIT 10",
            10,
        ),
    ] {
        let sorted = run(&session, sql).unwrap();
        assert_eq!(sorted.len() as u64, rows, "{sql}");
        assert!(sorted.is_sorted_by(|before, after| before >= after));
    }
}

#[test]
fn a_trace_larger_than_memory_is_read_and_sorted() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        memory_bytes: MEMORY,
        threads: Some(2),
        ..Limits::default()
    };
    for (name, seal) in [("sealed", true), ("log", false)] {
        let trace = write_trace(folder.path().join(name), seal);
        let session = QuerySession::open(&[trace], limits.clone()).unwrap();
        let one = |sql: &str| run(&session, sql).unwrap().remove(0);
        let bytes = one("SELECT sum(length(object)) FROM events");
        assert!(bytes.parse::<usize>().unwrap() > 2 * MEMORY, "{bytes}");
        assert_eq!(
            one(
                "SELECT object -> 'spec' ->> 'nodeName' AS n, count(*) FROM events GROUP BY n ORDER BY n"
            ),
            format!("node-0|{}", PODS.div_ceil(7))
        );
        let sorted = run(&session, "SELECT object FROM events ORDER BY object DESC").unwrap();
        assert_eq!(sorted.len() as u64, PODS);
        assert!(sorted.is_sorted_by(|before, after| before >= after));
    }
}
