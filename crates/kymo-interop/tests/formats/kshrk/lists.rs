//! What lists and watches become, and where nothing is known.

use std::fs;

use kymo_interop::{ImportOptions, Loss};
use kymo_model::{Certainty, CoverageState, EventType};
use kymo_store::Trace;
use serde_json::{Value, json};

use super::capture::{Capture, pod};
use super::{PODS, import};
use crate::support::{holes, lost, run, told};
use crate::timeline::time;

#[test]
fn lists_become_listed_coalesced_and_inferred_events_and_watches_seen_ones() {
    let mut capture = Capture::default();
    capture
        .list(PODS, 1, 10, &[pod("a", 5), pod("b", 6)])
        .event(PODS, 3, "ADDED", pod("c", 11))
        .event(PODS, 4, "MODIFIED", pod("a", 12))
        .event(PODS, 5, "DELETED", pod("b", 13))
        .list(PODS, 10, 13, &[pod("a", 12), pod("c", 11)]);
    let polled = "/api/v1/namespaces/back/pods";
    capture
        .list(polled, 2, 10, &[pod("x", 4), pod("y", 5)])
        .list(polled, 12, 14, &[pod("y", 9)]);
    for version in [0, 1, 2] {
        let folder = tempfile::tempdir().unwrap();
        let (report, trace) = import(folder.path(), &capture.archive(folder.path(), version));
        assert_eq!(
            told(&trace),
            [
                "listed ADDED a 5",
                "listed ADDED b 6",
                "listed ADDED x 4",
                "listed ADDED y 5",
                "seen ADDED c 11",
                "seen MODIFIED a 12",
                "seen DELETED b 13",
                "coalesced MODIFIED y 9",
                "inferred DELETED x -",
            ],
            "version {version}",
        );
        assert_eq!(holes(&trace), []);
        let deleted = trace.rows().unwrap().map(|row| row.unwrap().event);
        let mut deleted = deleted.filter(|event| event.event_type == EventType::Deleted);
        let body: Value = serde_json::from_slice(&deleted.next().unwrap().body.unwrap()).unwrap();
        assert_eq!(body["spec"]["n"], 13, "the last state is kept");
        let scopes: Vec<String> = trace
            .feeds()
            .values()
            .map(|feed| feed.scope.to_string())
            .collect();
        assert_eq!(scopes, ["shop", "back"]);
        assert_eq!(lost(&report, Loss::Changes)[0].1, 1, "one path was polled");
        assert_eq!(lost(&report, Loss::Gaps)[0].1, 1, "one path was watched");
        let all = format!("{:?} {:?}", trace.lineage(), trace.sessions().next());
        assert!(!all.contains("192.0.2.7"), "the server's address leaks");
    }
}

#[test]
fn a_watch_that_was_reopened_later_leaves_a_hole_where_a_list_shows_it() {
    let mut capture = Capture::default();
    capture
        .list(PODS, 1, 10, &[pod("a", 5), pod("b", 6), pod("c", 7)])
        .event(PODS, 2, "MODIFIED", pod("a", 11))
        // Between 2 s and 9 s the watch was closed: a changed, b went away, d came.
        .list(PODS, 9, 20, &[pod("a", 15), pod("c", 7), pod("d", 16)])
        .event(PODS, 11, "MODIFIED", pod("c", 21))
        .list(PODS, 20, 21, &[pod("a", 15), pod("c", 21), pod("d", 16)])
        // And once more before 25 s: e came and is first seen when it changes.
        .event(PODS, 25, "MODIFIED", pod("e", 30));
    let folder = tempfile::tempdir().unwrap();
    let (report, trace) = import(folder.path(), &capture.archive(folder.path(), 2));
    assert_eq!(
        told(&trace),
        [
            "listed ADDED a 5",
            "listed ADDED b 6",
            "listed ADDED c 7",
            "seen MODIFIED a 11",
            "coalesced MODIFIED a 15",
            "listed ADDED d 16",
            "inferred DELETED b -",
            "seen MODIFIED c 21",
            "seen MODIFIED e 30",
        ],
    );
    let mut holes = holes(&trace);
    holes.sort();
    let at = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    // The last one is the object that starts with MODIFIED.
    assert_eq!(
        holes,
        [
            at("00:01", "00:09"),
            at("00:20", "00:25"),
            at("00:25", "00:25")
        ]
    );
    assert_eq!(lost(&report, Loss::Gaps)[0].1, 2);
    assert_eq!(report.backward_times, 0);
}

#[test]
fn a_watch_that_starts_with_modified_says_so() {
    let mut capture = Capture::default();
    capture
        .event(PODS, 1, "MODIFIED", pod("a", 11))
        .event(PODS, 2, "DELETED", pod("a", 12));
    let folder = tempfile::tempdir().unwrap();
    let (report, trace) = import(folder.path(), &capture.archive(folder.path(), 2));
    assert_eq!(told(&trace), ["seen MODIFIED a 11", "seen DELETED a 12"]);
    assert_eq!(report.resources["pods"].starts_inside, 1);
    assert_eq!(holes(&trace).len(), 1);
}

#[test]
fn a_list_that_is_stored_behind_the_events_of_its_moment_undoes_nothing() {
    let mut capture = Capture::default();
    capture
        .list(PODS, 1, 10, &[pod("a", 5), pod("b", 6)])
        .event(PODS, 3, "ADDED", pod("c", 21))
        .event(PODS, 3, "DELETED", pod("b", 22))
        .event(PODS, 3, "MODIFIED", pod("a", 23))
        .list(PODS, 4, 20, &[pod("a", 5), pod("b", 6)])
        .event(PODS, 5, "MODIFIED", pod("c", 24));
    let folder = tempfile::tempdir().unwrap();
    let (report, trace) = import(folder.path(), &capture.archive(folder.path(), 2));
    assert_eq!(
        told(&trace)[2..],
        [
            "seen ADDED c 21",
            "seen DELETED b 22",
            "seen MODIFIED a 23",
            "seen MODIFIED c 24"
        ]
    );
    assert_eq!(holes(&trace), []);
    assert_eq!(report.resources["pods"].rewinds, 0);
}

#[test]
fn a_poll_that_fails_is_counted_and_ends_what_is_known() {
    let mut capture = Capture::default();
    let status = || json!({"kind": "Status", "apiVersion": "v1", "code": 403});
    capture
        .answer("/api/v1/namespaces/shop/bindings", 1, 405, status())
        .list(PODS, 1, 10, &[pod("a", 5)])
        .answer(PODS, 5, 403, status())
        .list(PODS, 9, 20, &[pod("a", 5)])
        .answer("/api/v1/namespaces/shop/services", 9, 200, json!("text"));
    let folder = tempfile::tempdir().unwrap();
    let (report, trace) = import(folder.path(), &capture.archive(folder.path(), 2));
    assert_eq!(told(&trace), ["listed ADDED a 5"]);
    assert_eq!(report.notes["answers with HTTP 403 left out"], 1);
    assert_eq!(report.notes["answers with HTTP 405 left out"], 1);
    assert_eq!(report.resources["pods"].errors, 1);
    assert_eq!(report.unreadable, 1);
    assert!(
        report.unreadable_lines[0]
            .path
            .ends_with("capture.kshrk!/api/v1/namespaces/shop/services")
    );
    let is_open = |row: &&kymo_model::Coverage| row.state == CoverageState::Unobserved;
    assert!(trace.coverage().iter().filter(is_open).count() >= 1);
}

#[test]
fn a_stream_of_records_gives_what_the_archive_gives() {
    let mut capture = Capture::default();
    let served = json!({"kind": "APIResourceList", "resources": [{"name": "pods", "kind": "Pod", "namespaced": true}]});
    capture
        .answer("/api/v1", 0, 200, served)
        .answer("/openapi/v2", 0, 200, json!({"swagger": "2.0"}))
        .list(PODS, 1, 10, &[pod("a", 5), pod("b", 6)])
        .event(PODS, 3, "ADDED", pod("c", 11))
        .list(PODS, 10, 13, &[pod("a", 12), pod("c", 11)])
        .event(PODS, 12, "MODIFIED", pod("c", 20));
    let folder = tempfile::tempdir().unwrap();
    let records = capture.records.iter().map(Value::to_string);
    let lines = records.collect::<Vec<_>>().join("\n");
    let path = folder.path().join("records.ndjson");
    fs::write(
        &path,
        format!("{lines}\n\nnot a record\n{{\"id\":\"x\",\"capt"),
    )
    .unwrap();
    let output = folder.path().join("auto.kymo");
    let report = run(&ImportOptions::new(None, vec![path], output.clone())).unwrap();
    let trace = Trace::open(&output).unwrap();
    assert_eq!(report.unreadable, 2, "{}", report.summary());
    assert_eq!(report.unreadable_lines[0].line, 8);
    assert_eq!(report.notes["OpenAPI documents left out"], 1);
    let (_, of_archive) = import(folder.path(), &capture.archive(folder.path(), 2));
    assert_eq!(told(&trace), told(&of_archive));
    assert_eq!(holes(&trace), holes(&of_archive));
}

#[test]
fn the_oldest_captures_are_tar_archives_of_named_records() {
    let mut capture = Capture::default();
    capture
        .list(PODS, 1, 10, &[pod("a", 5)])
        .list(PODS, 9, 20, &[pod("a", 15)]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture.tar.gz");
    let gzip = flate2::write::GzEncoder::new(
        fs::File::create(&path).unwrap(),
        flate2::Compression::fast(),
    );
    let mut tar = tar::Builder::new(gzip);
    let mut add = |name: &str, value: &Value| {
        let text = value.to_string();
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        let name = format!("k8shark-capture/{name}");
        tar.append_data(&mut header, name, text.as_bytes()).unwrap();
    };
    add("metadata.json", &json!({"capture_id": "x"}));
    add(
        "index.json",
        &json!({PODS: {"record_ids": ["r1", "r2"], "times": [time(1000), time(9000)]}}),
    );
    add("records/r1.json", &capture.records[0]);
    add("records/r2.json", &capture.records[1]);
    tar.into_inner().unwrap().finish().unwrap();
    let (_, trace) = import(folder.path(), &path);
    assert_eq!(
        told(&trace),
        ["listed ADDED a 5", "coalesced MODIFIED a 15"]
    );
}

#[test]
fn secrets_in_lists_and_watches_lose_their_payload() {
    let path = "/api/v1/namespaces/shop/secrets";
    let mut secret = pod("s", 5);
    secret["data"] = json!({"password": "TEFCU0VDUkVU"});
    let mut capture = Capture::default();
    let body = json!({"kind": "SecretList", "apiVersion": "v1", "metadata": {"resourceVersion": "9"}, "items": [secret]});
    capture.answer(path, 1, 200, body);
    secret["metadata"]["resourceVersion"] = "12".into();
    capture.event(path, 2, "MODIFIED", secret);
    capture.records[1]["response_body"]["kind"] = "Secret".into();
    let folder = tempfile::tempdir().unwrap();
    let (report, trace) = import(folder.path(), &capture.archive(folder.path(), 2));
    assert_eq!(report.redacted_objects, 2);
    for row in trace.rows().unwrap() {
        let event = row.unwrap().event;
        assert_eq!(
            event.certainty == Certainty::Seen,
            event.event_type == EventType::Modified
        );
        let body = String::from_utf8(event.body.unwrap().to_vec()).unwrap();
        assert!(!body.contains("TEFCU0VDUkVU"), "{body}");
    }
}
