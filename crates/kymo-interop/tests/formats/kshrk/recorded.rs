//! Fixtures: a piece of a published capture, and a recorded rollout as it would have been captured.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use kymo_model::EventType;
use serde_json::{Value, json};

use super::capture::{Capture, folder_of, packed, zipped};
use super::import;
use crate::support::{shared_data, told};

fn fixture(name: &str) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    fixtures.join(name)
}

/// Writes the fixtures where `KYMO_WRITE_FIXTURES` asks for them.
fn write_fixture(name: &str, make: impl FnOnce(&Path) -> Option<PathBuf>) {
    if std::env::var_os("KYMO_WRITE_FIXTURES").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let made = make(folder.path()).unwrap();
    fs::create_dir_all(fixture("k8shark")).unwrap();
    fs::copy(made, fixture(name)).unwrap();
}

/// A few records of a published capture, as they are.
fn piece_of_crash_loop(folder: &Path) -> Option<PathBuf> {
    let whole = shared_data("public/k8shark/crash-loop/capture.kshrk")?;
    let mut zip = zip::ZipArchive::new(fs::File::open(whole).unwrap()).unwrap();
    let mut read = |name: &str| {
        let mut bytes = Vec::new();
        let mut file = zip.by_name(&format!("k8shark-capture/{name}")).unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    };
    let mut metadata: Value = serde_json::from_slice(&read("metadata.json")).unwrap();
    metadata["server_address"] = "https://192.0.2.7:6443".into();
    let index = read("index.json.zst");
    let decoder = zstd::stream::read::Decoder::new(index.as_slice()).unwrap();
    let mut index: serde_json::Map<String, Value> = serde_json::from_reader(decoder).unwrap();
    let kept = |path: &str| {
        ["/api/v1", "/api/v1/nodes?as=TableSchema"].contains(&path)
            || (path.contains("/namespaces/") && path != "/api/v1/namespaces/crash-demo/events")
    };
    index.retain(|path, _| kept(path));
    let mut files = BTreeMap::from([
        (
            "metadata.json".to_owned(),
            format!("{metadata:#}").into_bytes(),
        ),
        ("watch-index.json.zst".to_owned(), packed(&json!({}))),
    ]);
    for (path, entry) in &index {
        for seq in entry["seqs"].as_array().unwrap() {
            let name = format!("records/{}/{seq}.json.zst", folder_of(path));
            files.insert(name.clone(), read(&name));
        }
    }
    files.insert("index.json.zst".to_owned(), packed(&Value::Object(index)));
    Some(zipped(folder, &files))
}

#[test]
fn a_piece_of_a_published_capture_is_in_the_first_version() {
    write_fixture("k8shark/polled-v1.kshrk", piece_of_crash_loop);
    let folder = tempfile::tempdir().unwrap();
    let (report, trace) = import(folder.path(), &fixture("k8shark/polled-v1.kshrk"));
    assert_eq!(report.unreadable, 0, "{}", report.summary());
    let mut counts: Vec<(String, EventType, u64)> = trace
        .stats()
        .counts
        .iter()
        .map(|count| (count.resource.to_string(), count.event_type, count.events))
        .collect();
    counts.sort();
    assert_eq!(
        counts,
        [
            ("deployments.apps".to_owned(), EventType::Added, 1),
            ("pods".to_owned(), EventType::Added, 1)
        ]
    );
    assert_eq!(report.resources["pods"].lists, 4);
    assert_eq!(report.notes["container logs left out"], 2);
    assert_eq!(report.notes["discovery documents left out"], 1);
    assert!(report.notes["tables of lists left out"] > 1);
    let all = format!("{:?} {:?}", trace.lineage(), trace.sessions().next());
    assert!(!all.contains("192.0.2.7"), "the server's address leaks");
}

/// The recorded rollout as k8shark would have captured it: the pods were listed too late for the
/// first events of the watch, and `ReplicaSets` were never listed.
fn recorded_rollout(folder: &Path) -> PathBuf {
    let streams = fixture("streams/edge-auth");
    let mut capture = Capture::default();
    for (resource, path, is_listed) in [
        ("core_v1_namespaces", "/api/v1/namespaces", true),
        (
            "core_v1_pods",
            "/api/v1/namespaces/edge-gateway/pods",
            false,
        ),
        (
            "apps_v1_replicasets",
            "/apis/apps/v1/namespaces/edge-gateway/replicasets",
            false,
        ),
    ] {
        let read = |suffix: &str| {
            let text = fs::read_to_string(streams.join(format!("{resource}{suffix}")));
            let text = text.unwrap_or_default();
            let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
            lines.collect::<Vec<Value>>()
        };
        for line in read(".list.json").iter().filter(|_| is_listed) {
            let time = line["recv"].as_str().unwrap();
            capture.answer_at(path, time, 200, line["list"].clone());
        }
        // The watch was opened after the first event.
        for line in read(".ndjson").iter().skip(1) {
            let event = &line["event"];
            let event_type = event["type"].as_str().unwrap();
            if event_type != "BOOKMARK" {
                let time = line["recv"].as_str().unwrap();
                capture.watch_at(path, time, event_type, event["object"].clone());
            }
        }
    }
    capture.archive(folder, 2)
}

#[test]
fn a_recorded_rollout_with_watches_is_in_the_second_version_and_starts_with_modified() {
    write_fixture("k8shark/watched-v2.kshrk", |folder| {
        Some(recorded_rollout(folder))
    });
    let folder = tempfile::tempdir().unwrap();
    let (report, trace) = import(folder.path(), &fixture("k8shark/watched-v2.kshrk"));
    assert_eq!(report.unreadable, 0, "{}", report.summary());
    assert!(report.resources["pods"].starts_inside > 0);
    assert!(report.resources["pods"].modified > 0);
    assert!(report.resources["namespaces"].listed > 0);
    let streams = fixture("streams/edge-auth");
    let watched = [
        "core_v1_namespaces.ndjson",
        "core_v1_pods.ndjson",
        "apps_v1_replicasets.ndjson",
    ];
    let mut expected = Vec::new();
    for name in watched {
        let text = fs::read_to_string(streams.join(name)).unwrap();
        for line in text.lines().skip(1) {
            let line: Value = serde_json::from_str(line).unwrap();
            let metadata = &line["event"]["object"]["metadata"];
            if line["event"]["type"] != "BOOKMARK" {
                let (event_type, name) = (&line["event"]["type"], &metadata["name"]);
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                let version = text(&metadata["resourceVersion"]);
                expected.push(format!(
                    "seen {} {} {version}",
                    text(event_type),
                    text(name)
                ));
            }
        }
    }
    let mut found = told(&trace);
    found.retain(|event| event.starts_with("seen "));
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}
