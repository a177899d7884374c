//! Records and snapshots of the kube-scheduler-simulator come over, and what its recorder hides is
//! found out where that can be done.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use kymo_interop::{Format, ImportOptions, Loss, LossReport, MissingTimes};
use kymo_model::{EventType, Timestamp};
use kymo_store::Trace;
use serde_json::{Value, json};

use crate::support::{holes, import_as, lost, run, told};
use crate::timeline::{self, timelines};

fn time(second: u64) -> String {
    format!("2024-05-01T10:{:02}:{:02}+09:00", second / 60, second % 60)
}

/// A pod that is as old as its uid says.
fn pod(name: &str, uid: &str, rv: u64, born: u64) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop", "uid": uid, "resourceVersion": rv.to_string(), "creationTimestamp": time(born)}, "spec": {"n": rv}})
}

fn record(second: u64, event: &str, resource: &Value) -> String {
    json!({"time": time(second), "event": event, "resource": resource}).to_string()
}

/// What the recorder leaves of a deleted object.
fn stub(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop"}})
}

fn import(lines: &[String]) -> (LossReport, Trace) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.jsonl");
    fs::write(&path, lines.join("\n")).unwrap();
    import_as(Format::Kss, folder.path(), vec![path])
}

#[test]
fn records_become_events_and_a_delete_gets_the_uid_of_the_last_record() {
    let (report, trace) = import(&[
        record(60, "Add", &pod("old", "u0", 5, 1)),
        record(61, "Add", &pod("new", "u1", 20, 60)),
        record(62, "Update", &pod("new", "u1", 21, 60)),
        record(63, "Delete", &stub("new")),
        record(64, "Delete", &stub("never")),
    ]);
    assert_eq!(
        told(&trace),
        [
            "listed ADDED old 5",
            "seen ADDED new 20",
            "seen MODIFIED new 21",
            "seen DELETED new -",
            "seen DELETED never -",
        ],
    );
    let uids = trace.rows().unwrap().map(|row| row.unwrap().event);
    let deleted = uids.filter(|event| event.event_type == EventType::Deleted);
    let deleted: Vec<_> = deleted
        .map(|event| {
            let last = event
                .body
                .map(|body| -> Value { serde_json::from_slice(&body).unwrap() });
            (event.key.uid, last.map(|last| last["spec"]["n"].clone()))
        })
        .collect();
    assert_eq!(
        deleted,
        [(String::new(), None), ("u1".to_owned(), Some(json!(21))),]
    );
    assert_eq!(lost(&report, Loss::Bodies)[0].1, 2);
    assert_eq!(lost(&report, Loss::Uids)[0].1, 1);
    let (first, last) = report.time_span.unwrap();
    assert_eq!(first.to_string(), "2024-05-01T01:01:00.000000000Z");
    assert_eq!(last.since(first).as_secs(), 4);
}

#[test]
fn a_last_line_that_is_cut_is_told_and_one_without_its_end_is_taken() {
    let whole = record(60, "Add", &pod("a", "u1", 5, 59));
    let last = record(61, "Update", &pod("a", "u1", 6, 59));
    let (report, trace) = import(&[whole.clone(), last.clone()]);
    assert_eq!((report.unreadable, told(&trace).len()), (0, 2));
    let cut = last[..last.len() - 30].to_owned();
    let (report, trace) = import(&[whole, cut]);
    assert_eq!(told(&trace), ["seen ADDED a 5"]);
    let line = &report.unreadable_lines[0];
    assert_eq!((report.unreadable, line.line), (1, 2));
    assert!(line.reason.contains("not a record: EOF"), "{}", line.reason);
}

#[test]
fn zero_times_are_no_times() {
    let zero = |event: &str, resource: &Value| {
        json!({"time": "0001-01-01T00:00:00Z", "event": event, "resource": resource}).to_string()
    };
    let lines = [
        zero("Add", &pod("a", "u1", 5, 1)),
        zero("Update", &pod("a", "u1", 6, 1)),
        zero("Add", &pod("b", "u2", 7, 1)),
        zero("Delete", &stub("a")),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.jsonl");
    fs::write(&path, lines.join("\n")).unwrap();
    let output = folder.path().join("out.kymo");
    let mut options = ImportOptions::new(Some(Format::Kss), vec![path], output.clone());
    let error = run(&options).unwrap_err();
    assert!(error.to_string().contains("no receive times"), "{error}");
    options.missing_times = MissingTimes::Counted {
        start: Timestamp(1_000_000_000),
        interval: std::time::Duration::from_secs(1),
    };
    let report = run(&options).unwrap();
    let trace = Trace::open(&output).unwrap();
    assert_eq!(
        told(&trace),
        [
            "listed ADDED a 5",
            "seen MODIFIED a 6",
            "seen ADDED b 7",
            "seen DELETED a -"
        ]
    );
    assert_eq!(lost(&report, Loss::ReceiveTimes)[0].1, 4);
    // One record without a time among others keeps its place.
    let mut lines = vec![
        record(10, "Add", &pod("a", "u1", 5, 9)),
        zero("Update", &pod("a", "u1", 6, 9)),
        record(20, "Update", &pod("a", "u1", 7, 9)),
    ];
    let (report, trace) = import(&lines);
    assert_eq!(told(&trace)[1], "seen MODIFIED a 6");
    assert_eq!(report.missing_times, 1);
    lines[1] = lines[1].replace("0001-01-01", "1066-10-14");
    let (report, _) = import(&lines);
    assert!(
        report.unreadable_lines[0]
            .reason
            .contains("outside the years")
    );
}

#[test]
fn a_list_after_a_broken_watch_is_no_change_and_shows_what_is_gone() {
    let (report, trace) = import(&[
        record(10, "Add", &pod("a", "u1", 5, 1)),
        record(10, "Add", &pod("b", "u2", 6, 1)),
        record(10, "Add", &pod("c", "u3", 7, 1)),
        record(20, "Update", &pod("a", "u1", 11, 1)),
        // The watch broke here. The list: a as it was, c changed, d new, b not named.
        record(50, "Update", &pod("a", "u1", 11, 1)),
        record(50, "Update", &pod("c", "u3", 30, 1)),
        record(50, "Add", &pod("d", "u4", 31, 40)),
        record(70, "Update", &pod("a", "u1", 41, 1)),
    ]);
    assert_eq!(
        told(&trace),
        [
            "listed ADDED a 5",
            "listed ADDED b 6",
            "listed ADDED c 7",
            "seen MODIFIED a 11",
            "coalesced MODIFIED c 30",
            "listed ADDED d 31",
            "inferred DELETED b -",
            "seen MODIFIED a 41",
        ],
    );
    assert_eq!(report.resources["pods"].duplicates, 1);
    assert_eq!(holes(&trace), [("00:20".to_owned(), "00:50".to_owned())]);
    assert_eq!(lost(&report, Loss::Gaps)[0].1, 1);
    assert_eq!(lost(&report, Loss::Deletes)[0].1, 1);
    assert_eq!(report.backward_times, 0);
}

#[test]
fn a_name_that_comes_back_with_another_uid_was_deleted_in_between() {
    let (report, trace) = import(&[
        record(10, "Add", &pod("a", "u1", 5, 9)),
        record(30, "Add", &pod("a", "u2", 20, 29)),
        record(50, "Update", &pod("a", "u3", 30, 40)),
        record(55, "Delete", &stub("a")),
    ]);
    assert_eq!(
        told(&trace),
        [
            "seen ADDED a 5",
            "inferred DELETED a -",
            "seen ADDED a 20",
            "inferred DELETED a -",
            "listed ADDED a 30",
            "seen DELETED a -",
        ],
    );
    assert_eq!(lost(&report, Loss::Deletes)[0].1, 2);
}

#[test]
fn what_is_no_record_is_told_with_its_line_and_costs_no_other() {
    let good = record(10, "Add", &pod("a", "u1", 5, 9));
    let (report, trace) = import(&[
        "hello".to_owned(),
        record(10, "Rename", &pod("a", "u1", 5, 9)),
        r#"{"time":"2024-05-01T10:00:00Z","event":"Add","resource":{"kind":"Pod"}}"#.to_owned(),
        r#"{"time":"2024-05-01T10:00:00Z","event":"Add","resource":{"metadata":{"name":"x"}}}"#
            .to_owned(),
        r#"{"time":"yesterday","event":"Add","resource":{}}"#.to_owned(),
        good,
    ]);
    assert_eq!(told(&trace), ["seen ADDED a 5"]);
    let told: Vec<(u64, &str)> = report
        .unreadable_lines
        .iter()
        .map(|line| (line.line, line.reason.as_str()))
        .collect();
    for ((line, reason), (expected, part)) in told.iter().zip([
        (1, "not a JSON object"),
        (2, "`Rename` is no event"),
        (3, "no `metadata`"),
        (4, "without kind or apiVersion"),
        (5, "not an RFC 3339"),
    ]) {
        assert!(*line == expected && reason.contains(part), "{told:?}");
    }
    assert_eq!(told.len(), 5);
}

#[test]
fn a_snapshot_is_a_list_of_everything_at_the_time_of_its_file() {
    let bare = |name: &str, namespace: &str, rv: u64| {
        let mut metadata =
            json!({"name": name, "uid": format!("uid-{name}"), "resourceVersion": rv.to_string()});
        if !namespace.is_empty() {
            metadata["namespace"] = namespace.into();
        }
        json!({"metadata": metadata})
    };
    let snapshot = json!({
        "pods": [bare("p", "shop", 5), bare("q", "shop", 6)],
        "nodes": [bare("n", "", 7)],
        "pvs": null,
        "pvcs": [bare("claim", "shop", 8)],
        "storageClasses": [bare("fast", "", 9)],
        "priorityClasses": [bare("high", "", 10)],
        "schedulerConfig": {"kind": "KubeSchedulerConfiguration"},
        "namespaces": [bare("shop", "", 4)],
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("snapshot.json");
    for text in [snapshot.to_string(), format!("{snapshot:#}\n")] {
        fs::write(&path, &text).unwrap();
        let output = folder.path().join("out.kymo");
        let options = ImportOptions::new(None, vec![path.clone()], output.clone());
        let report = run(&options).unwrap();
        let trace = Trace::open(&output).unwrap();
        assert_eq!(told(&trace).len(), 7);
        assert_eq!(report.notes["configurations of schedulers left out"], 1);
        assert_eq!(lost(&report, Loss::ReceiveTimes)[0].1, 7);
        for row in trace.rows().unwrap() {
            let event = row.unwrap().event;
            let body: Value = serde_json::from_slice(&event.body.unwrap()).unwrap();
            let feed = &trace.feeds()[&event.feed].resource;
            assert_eq!(body["kind"], feed.kind.as_str());
            assert_eq!(body["apiVersion"], feed.api_version().as_str());
        }
        fs::remove_dir_all(&output).unwrap();
        // Cut short, it gives what is whole.
        fs::write(&path, &text[..text.len() / 2]).unwrap();
        let report = run(&options).unwrap();
        assert_eq!(report.unreadable, 1);
        assert!(
            report.unreadable_lines[0]
                .reason
                .contains("the snapshot ends")
        );
        fs::remove_dir_all(&output).unwrap();
    }
}

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures")
        .join(path)
}

/// Writes recorded lists and streams as the recorder of the simulator would have.
fn as_records(resources: &[&str]) -> Vec<String> {
    let mut records = Vec::new();
    for resource in resources {
        let read = |suffix: &str| {
            let path = fixture(&format!("streams/edge-auth/{resource}{suffix}"));
            let text = fs::read_to_string(path).unwrap_or_default();
            let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
            lines.collect::<Vec<Value>>()
        };
        for line in read(".list.json") {
            let list = &line["list"];
            let kind = list["kind"].as_str().unwrap().strip_suffix("List").unwrap();
            for item in list["items"].as_array().unwrap() {
                let mut item = item.clone();
                item["kind"] = kind.into();
                item["apiVersion"] = list["apiVersion"].clone();
                records.push((line["recv"].clone(), "Add", item));
            }
        }
        for line in read(".ndjson") {
            let object = line["event"]["object"].clone();
            let (word, resource) = match line["event"]["type"].as_str().unwrap() {
                "ADDED" => ("Add", object),
                "MODIFIED" => ("Update", object),
                "DELETED" => {
                    let metadata = &object["metadata"];
                    let metadata =
                        json!({"name": metadata["name"], "namespace": metadata["namespace"]});
                    let (version, kind) = (&object["apiVersion"], &object["kind"]);
                    let stub = json!({"apiVersion": version, "kind": kind, "metadata": metadata});
                    ("Delete", stub)
                }
                _ => continue,
            };
            records.push((line["recv"].clone(), word, resource));
        }
    }
    records.sort_by_key(|record| record.0.as_str().unwrap().to_owned());
    let records = records.into_iter().map(|(time, event, resource)| {
        json!({"time": time, "event": event, "resource": resource}).to_string()
    });
    records.collect()
}

/// Writes the fixture where `KYMO_WRITE_FIXTURES` asks for it.
fn write_fixture(name: &str, text: &str) {
    if std::env::var_os("KYMO_WRITE_FIXTURES").is_some() {
        fs::create_dir_all(fixture("kss")).unwrap();
        let packed = zstd::bulk::compress(text.as_bytes(), 19).unwrap();
        fs::write(fixture(name), packed).unwrap();
    }
}

#[test]
fn a_recorder_that_was_killed_leaves_a_cut_line_and_deletes_by_name() {
    let mut records = as_records(&["core_v1_namespaces", "core_v1_pods"]);
    // Its pods go away after the end of the recording.
    for line in records.clone() {
        let record: Value = serde_json::from_str(&line).unwrap();
        let object = &record["resource"];
        if record["event"] == "Add" && object["kind"] == "Pod" {
            let metadata = &object["metadata"];
            let metadata = json!({"name": metadata["name"], "namespace": metadata["namespace"]});
            let stub = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata});
            let time = "2026-11-21T02:30:00Z";
            records.push(json!({"time": time, "event": "Delete", "resource": stub}).to_string());
        }
    }
    let last = records.pop().unwrap();
    let text = format!("{}\n{}", records.join("\n"), &last[..last.len() - 40]);
    write_fixture("kss/record.jsonl.zst", &text);
    let folder = tempfile::tempdir().unwrap();
    let (report, trace) = import_as(
        Format::Kss,
        folder.path(),
        vec![fixture("kss/record.jsonl.zst")],
    );
    assert_eq!(report.unreadable, 1);
    assert_eq!(report.unreadable_lines[0].line, records.len() as u64 + 1);
    let pods = &report.resources["pods"];
    assert_eq!((pods.added, pods.deleted), (2, 1));
    let rows = trace.rows().unwrap().map(|row| row.unwrap().event);
    let deleted: Vec<_> = rows
        .filter(|event| {
            event.event_type == EventType::Deleted && event.key.name.starts_with("edge-auth-")
        })
        .collect();
    assert!(
        deleted
            .iter()
            .all(|event| !event.key.uid.is_empty() && event.rv.is_none())
    );
}

#[test]
fn a_recorded_rollout_comes_over_as_records_but_for_what_a_delete_leaves_out() {
    let resources = [
        "core_v1_namespaces",
        "core_v1_pods",
        "apps_v1_replicasets",
        "storage.example.com_v1alpha1_backups",
    ];
    let streams = resources.iter().flat_map(|resource| {
        [".ndjson", ".list.json"]
            .map(|suffix| fixture(&format!("streams/edge-auth/{resource}{suffix}")))
    });
    let streams = streams.filter(|path| path.exists()).collect();
    let folder = tempfile::tempdir().unwrap();
    let (_, of_watch) = import_as(Format::Watch, folder.path(), streams);
    let (report, trace) = import(&as_records(&resources));
    let versions = |trace: &Trace| {
        let mut versions = BTreeMap::new();
        for row in trace.rows().unwrap() {
            let event = row.unwrap().event;
            let is_deleted = event.event_type == EventType::Deleted;
            let rest = (!is_deleted).then(|| {
                let body: Value = serde_json::from_slice(&event.body.unwrap()).unwrap();
                (event.rv.unwrap().to_string(), body)
            });
            let key = (event.ts, event.key.name, event.event_type, event.certainty);
            let known = versions.insert(key, (event.key.namespace, event.key.uid, rest));
            assert!(known.is_none());
        }
        versions
    };
    let (found, expected) = (versions(&trace), versions(&of_watch));
    assert!(found.keys().eq(expected.keys()));
    for (key, version) in &found {
        assert!(version == &expected[key], "{key:?}");
    }
    // Nothing else is lost than what the report says.
    let deleted: u64 = report.resources.values().map(|count| count.deleted).sum();
    assert!(deleted > 0);
    assert_eq!(report.losses.len(), 1, "{}", report.summary());
    assert_eq!(lost(&report, Loss::Bodies)[0].1, deleted);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 16, ..Default::default() })]

    #[test]
    fn a_made_history_comes_back_but_for_what_a_delete_leaves_out(timeline in timelines()) {
        let line = |at: u64, event: &str, resource: &Value| {
            json!({"time": timeline::time(at), "event": event, "resource": resource}).to_string()
        };
        let mut lines: Vec<String> = timeline.first.iter().map(|pod| line(0, "Add", pod)).collect();
        let mut expected: Vec<(String, Value)> = Vec::new();
        for pod in &timeline.first {
            expected.push(("listed ADDED".to_owned(), pod.clone()));
        }
        for change in &timeline.changes {
            let name = change.pod["metadata"]["name"].as_str().unwrap();
            lines.push(match change.event_type {
                EventType::Added => line(change.at, "Add", &change.pod),
                EventType::Modified => line(change.at, "Update", &change.pod),
                _ => line(change.at, "Delete", &stub(name)),
            });
            let mut pod = change.pod.clone();
            if change.event_type == EventType::Deleted {
                // The last state that was recorded stands for it.
                let uid = &pod["metadata"]["uid"];
                let of_uid = expected.iter().rev();
                let last = of_uid.map(|(_, pod)| pod).find(|pod| pod["metadata"]["uid"] == *uid);
                pod = last.unwrap().clone();
            }
            expected.push((format!("seen {}", change.event_type), pod));
        }
        let (report, trace) = import(&lines);
        let mut rows: Vec<_> = trace.rows().unwrap().map(Result::unwrap).collect();
        rows.sort_by_key(|row| row.seq);
        let found: Vec<(String, Value)> = rows
            .into_iter()
            .map(|row| {
                let event = row.event;
                let body = serde_json::from_slice(&event.body.unwrap()).unwrap();
                (format!("{} {}", event.certainty, event.event_type), body)
            })
            .collect();
        proptest::prop_assert_eq!(found, expected);
        let deletes = timeline.changes.iter().filter(|change| change.event_type == EventType::Deleted);
        let lost: u64 = report.losses.iter().map(|loss| loss.count).sum();
        proptest::prop_assert_eq!(lost, deletes.count() as u64);
    }
}
