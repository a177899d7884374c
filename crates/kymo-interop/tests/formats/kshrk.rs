//! Captures of k8shark come over list for list and event for event, and holes in them are marked.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use kymo_interop::{Error, Format, ImportOptions, Loss, LossReport};
use kymo_model::{Certainty, CoverageState, EventType};
use kymo_store::Trace;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{holes, import_as, lost, run, shared_data, told};
use crate::timeline::{FIRST_RV, Timeline, time, timelines};

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
const PODS: &str = "/api/v1/namespaces/shop/pods";

fn import(folder: &Path, path: &Path) -> (LossReport, Trace) {
    import_as(Format::Kshrk, folder, vec![path.to_owned()])
}

fn folder_of(path: &str) -> String {
    let digest = Sha256::digest(path.as_bytes());
    let first = u64::from_be_bytes(digest[..8].try_into().unwrap());
    format!("{first:016x}")
}

/// Writes captures as k8shark does.
#[derive(Clone, Default)]
struct Capture {
    records: Vec<Value>,
    lists: BTreeMap<String, Vec<(u64, String)>>,
    watches: BTreeMap<String, Vec<(u64, String, String)>>,
}

impl Capture {
    fn next(&self, path: &str) -> u64 {
        let of_path = |record: &&Value| record["api_path"] == path;
        self.records.iter().filter(of_path).count() as u64
    }

    fn record(&mut self, path: &str, time: &str, event_type: &str, code: u16, body: Value) {
        let mut record = json!({"id": format!("{:032x}", self.records.len()), "captured_at": time, "api_path": path});
        if !event_type.is_empty() {
            record["event_type"] = event_type.into();
        }
        record["http_method"] = "GET".into();
        record["response_code"] = code.into();
        record["response_body"] = body;
        self.records.push(record);
    }

    fn answer(&mut self, path: &str, second: u64, code: u16, body: Value) -> &mut Self {
        self.answer_at(path, &time(second * 1000), code, body)
    }

    fn answer_at(&mut self, path: &str, time: &str, code: u16, body: Value) -> &mut Self {
        let seq = self.next(path);
        let lists = self.lists.entry(path.to_owned()).or_default();
        lists.push((seq, time.to_owned()));
        self.record(path, time, "", code, body);
        self
    }

    fn list(&mut self, path: &str, second: u64, rv: u64, items: &[Value]) -> &mut Self {
        self.answer(path, second, 200, pod_list(rv, items))
    }

    fn event(&mut self, path: &str, second: u64, event_type: &str, object: Value) -> &mut Self {
        self.event_at(path, &time(second * 1000), event_type, object)
    }

    fn event_at(&mut self, path: &str, time: &str, event_type: &str, object: Value) -> &mut Self {
        let mut object = object;
        object["kind"] = "Pod".into();
        object["apiVersion"] = "v1".into();
        self.watch_at(path, time, event_type, object)
    }

    fn watch_at(&mut self, path: &str, time: &str, event_type: &str, object: Value) -> &mut Self {
        let seq = self.next(path);
        let events = self.watches.entry(path.to_owned()).or_default();
        events.push((seq, time.to_owned(), event_type.to_owned()));
        self.record(path, time, event_type, 200, object);
        self
    }

    /// The files of the archive, by name.
    fn files(&self, version: u32) -> BTreeMap<String, Vec<u8>> {
        let mut lists = serde_json::Map::new();
        for (path, records) in &self.lists {
            let (seqs, times): (Vec<_>, Vec<_>) = records.iter().cloned().unzip();
            lists.insert(
                path.clone(),
                json!({"api_path": path, "seqs": seqs, "times": times}),
            );
        }
        let mut watches = serde_json::Map::new();
        for (path, records) in &self.watches {
            let column = |of: &dyn Fn(&(u64, String, String)) -> Value| -> Vec<Value> {
                records.iter().map(of).collect()
            };
            let entry = json!({"api_path": path, "seqs": column(&|r| r.0.into()), "times": column(&|r| r.1.clone().into()), "event_types": column(&|r| r.2.clone().into())});
            watches.insert(path.clone(), entry);
        }
        let (lists, watches) = match version {
            0 | 1 => (Value::Object(lists), Value::Object(watches)),
            _ => (json!({"entries": lists}), json!({"entries": watches})),
        };
        let mut metadata = json!({"capture_id": "x", "captured_at": time(0), "captured_until": time(60_000), "kubernetes_version": "v1.36.1", "server_address": "https://192.0.2.7:6443", "record_count": self.records.len()});
        if version > 0 {
            metadata["format_version"] = version.into();
        }
        let mut files = BTreeMap::from([
            (
                "metadata.json".to_owned(),
                metadata.to_string().into_bytes(),
            ),
            ("index.json.zst".to_owned(), packed(&lists)),
            ("watch-index.json.zst".to_owned(), packed(&watches)),
        ]);
        let mut numbers: BTreeMap<String, u64> = BTreeMap::new();
        for record in &self.records {
            let path = record["api_path"].as_str().unwrap();
            let number = numbers.entry(path.to_owned()).or_default();
            let name = format!("records/{}/{number}.json.zst", folder_of(path));
            files.insert(name, packed(record));
            *number += 1;
        }
        files
    }

    fn archive(&self, folder: &Path, version: u32) -> PathBuf {
        zipped(folder, &self.files(version))
    }
}

fn pod_list(rv: u64, items: &[Value]) -> Value {
    let bare = items.iter().map(|item| {
        let mut item = item.as_object().unwrap().clone();
        item.retain(|name, _| name != "kind" && name != "apiVersion");
        Value::Object(item)
    });
    let items: Vec<Value> = bare.collect();
    json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": rv.to_string()}, "items": items})
}

fn packed(value: &Value) -> Vec<u8> {
    zstd::bulk::compress(value.to_string().as_bytes(), 1).unwrap()
}

fn zipped(folder: &Path, files: &BTreeMap<String, Vec<u8>>) -> PathBuf {
    let path = folder.join("capture.kshrk");
    let mut zip = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in files {
        zip.start_file(format!("k8shark-capture/{name}"), stored)
            .unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    path
}

fn pod(name: &str, rv: u64) -> Value {
    json!({"metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}"), "resourceVersion": rv.to_string(), "creationTimestamp": time(0)}, "spec": {"n": rv}})
}

/// What an archive holds, read without any code of the import.
#[derive(Default)]
struct Expected {
    counts: BTreeMap<(String, String), u64>,
    objects: BTreeMap<(String, String, String), Value>,
    left_out: BTreeMap<&'static str, u64>,
}

impl Expected {
    fn of(path: &Path) -> Self {
        let mut this = Self::default();
        let mut zip = zip::ZipArchive::new(fs::File::open(path).unwrap()).unwrap();
        let mut read = |name: &str| -> Value {
            let mut bytes = Vec::new();
            let mut file = zip.by_name(&format!("k8shark-capture/{name}")).unwrap();
            file.read_to_end(&mut bytes).unwrap();
            let decoder = zstd::stream::read::Decoder::new(bytes.as_slice()).unwrap();
            serde_json::from_reader(decoder).unwrap()
        };
        let index = read("index.json.zst");
        for (path, entry) in index.as_object().unwrap() {
            let mut live: BTreeMap<String, String> = BTreeMap::new();
            for seq in entry["seqs"].as_array().unwrap() {
                if path.starts_with("/openapi") {
                    *this
                        .left_out
                        .entry("OpenAPI documents left out")
                        .or_default() += 1;
                    continue;
                }
                let record = read(&format!("records/{}/{seq}.json.zst", folder_of(path)));
                let body = &record["response_body"];
                let is_twin = path.starts_with("/apis/autoscaling/v1/namespaces/")
                    || path.starts_with("/apis/events.k8s.io/v1/namespaces/");
                let what = if path.contains("?as=Table") {
                    Some("tables of lists left out")
                } else if path.contains("/log?") {
                    Some("container logs left out")
                } else if record["response_code"] != 200 {
                    Some("answers with HTTP 405 left out")
                } else if is_twin {
                    Some("records of objects that another version or group shows too")
                } else if body["items"].is_null() {
                    Some("discovery documents left out")
                } else {
                    None
                };
                match what {
                    Some(what) => *this.left_out.entry(what).or_default() += 1,
                    None => this.list(path, body, &mut live),
                }
            }
        }
        this
    }

    fn list(&mut self, path: &str, list: &Value, live: &mut BTreeMap<String, String>) {
        let parts: Vec<&str> = path.split('/').collect();
        let plural = *parts.last().unwrap();
        let resource = match parts[1] {
            "api" => plural.to_owned(),
            _ => format!("{plural}.{}", parts[2]),
        };
        let mut before = std::mem::take(live);
        for item in list["items"].as_array().unwrap() {
            let uid = item["metadata"]["uid"].as_str().unwrap().to_owned();
            let rv = item["metadata"]["resourceVersion"]
                .as_str()
                .unwrap()
                .to_owned();
            let event_type = match before.remove(&uid) {
                Some(known) if known == rv => None,
                Some(_) => Some("MODIFIED"),
                None => Some("ADDED"),
            };
            if let Some(event_type) = event_type {
                let mut object = item.clone();
                object["apiVersion"] = list["apiVersion"].clone();
                object["kind"] = list["kind"].as_str().unwrap().strip_suffix("List").into();
                if let Some(annotations) = object["metadata"].get_mut("annotations") {
                    annotations.as_object_mut().unwrap().remove(LAST_APPLIED);
                }
                *self
                    .counts
                    .entry((resource.clone(), event_type.to_owned()))
                    .or_default() += 1;
                self.objects
                    .insert((resource.clone(), uid.clone(), rv.clone()), object);
            }
            live.insert(uid, rv);
        }
        for _ in before {
            *self
                .counts
                .entry((resource.clone(), "DELETED".to_owned()))
                .or_default() += 1;
        }
    }
}

#[test]
fn the_published_captures_come_over_version_for_version() {
    for name in ["auto-discovery", "basic-workloads", "crash-loop"] {
        let Some(path) = shared_data(&format!("public/k8shark/{name}/capture.kshrk")) else {
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let (report, trace) = import(folder.path(), &path);
        assert_eq!(report.unreadable, 0, "{}", report.summary());
        let expected = Expected::of(&path);
        let stats = trace.stats();
        let counts: BTreeMap<(String, String), u64> = stats
            .counts
            .iter()
            .map(|count| {
                let key = (count.resource.to_string(), count.event_type.to_string());
                (key, count.events)
            })
            .collect();
        assert_eq!(counts, expected.counts, "{name}");
        let notes: BTreeMap<&str, u64> = report
            .notes
            .iter()
            .filter(|(what, _)| !what.contains("did not store"))
            .map(|(what, count)| (what.as_str(), *count))
            .collect();
        assert_eq!(notes, expected.left_out, "{name}");
        let feeds = trace.feeds().clone();
        let mut objects = expected.objects;
        for row in trace.rows().unwrap() {
            let event = row.unwrap().event;
            let feed = &feeds[&event.feed];
            assert_eq!(
                feed.scope.namespace.as_deref().unwrap_or_default(),
                event.key.namespace
            );
            let resource = feed.resource.group_resource().to_string();
            let key = (resource, event.key.uid, event.rv.unwrap().to_string());
            let object: Value = serde_json::from_slice(&event.body.unwrap()).unwrap();
            assert_eq!(objects.remove(&key), Some(object), "{key:?}");
        }
        assert!(objects.is_empty(), "{:?}", objects.keys());
        let session = trace.sessions().next().unwrap();
        assert_eq!(session.server_version.as_deref(), Some("v1.36.1"));
    }
}

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

fn refused(files: &BTreeMap<String, Vec<u8>>) -> Error {
    let folder = tempfile::tempdir().unwrap();
    let path = zipped(folder.path(), files);
    refused_file(folder.path(), &path)
}

fn refused_file(folder: &Path, path: &Path) -> Error {
    let output = folder.join("out.kymo");
    let options = ImportOptions::new(Some(Format::Kshrk), vec![path.to_owned()], output.clone());
    let error = run(&options).unwrap_err();
    assert!(error.is_bad_input(), "{error}");
    assert!(!output.exists());
    error
}

#[test]
fn newer_encrypted_and_broken_archives_are_refused_with_the_reason() {
    let mut capture = Capture::default();
    capture.list(PODS, 1, 10, &[pod("a", 5)]);
    let with = |name: &str, bytes: &[u8]| {
        let mut files = capture.files(2);
        files.insert(name.to_owned(), bytes.to_vec());
        refused(&files).to_string()
    };
    let without = |name: &str| {
        let mut files = capture.files(2);
        files.remove(name);
        refused(&files).to_string()
    };
    for (error, reason) in [
        (
            with("metadata.json", br#"{"format_version":3}"#),
            "version 3",
        ),
        (
            with("metadata.json", br#"{"format_version":-1}"#),
            "version -1",
        ),
        (with("metadata.json", b"{"), "metadata.json: EOF"),
        (without("metadata.json"), "metadata.json: missing"),
        (without("index.json.zst"), "index.json: missing"),
        (
            with("index.json.zst", &packed(&json!({"/api/v1/pods": 7}))),
            "index.json: invalid type",
        ),
        (
            with("watch-index.json.zst", &packed(&Value::Null)),
            "watch-index.json: invalid type",
        ),
        (
            with("index.json.zst", b"no zstd, no JSON"),
            "index.json: expected",
        ),
        (
            with(
                "index.json.zst",
                &zstd::bulk::compress(&vec![b' '; 200_000], 1).unwrap(),
            ),
            "more than its records need",
        ),
    ] {
        assert!(error.contains(reason), "{reason}: {error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let age = folder.path().join("secret.kshrk");
    fs::write(&age, "age-encryption.org/v1\n-> scrypt x 18\n\u{1}\u{2}").unwrap();
    let error = refused_file(folder.path(), &age).to_string();
    assert!(error.contains("encrypted with age"), "{error}");
    let whole = fs::read(capture.archive(folder.path(), 2)).unwrap();
    let cut = folder.path().join("cut.kshrk");
    fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let error = refused_file(folder.path(), &cut).to_string();
    let reason = "the directory of the archive cannot be read";
    assert!(error.contains(reason), "{error}");
}

#[test]
fn an_index_that_lies_costs_only_the_records_it_lies_about() {
    let mut capture = Capture::default();
    capture
        .list(PODS, 1, 10, &[pod("a", 5)])
        .event(PODS, 5, "MODIFIED", pod("a", 15));
    let other = "/api/v1/namespaces/back/pods";
    let mut files = capture.files(2);
    let lists = json!({"entries": {
        PODS: {"seqs": [0, 7, 8], "times": [time(1000), time(2000)]},
        other: {"seqs": [0], "times": [time(3000)]},
    }});
    files.insert("index.json.zst".to_owned(), packed(&lists));
    let stranger = files[&format!("records/{}/0.json.zst", folder_of(PODS))].clone();
    files.insert(format!("records/{}/0.json.zst", folder_of(other)), stranger);
    files.insert("records/ff/0.json.zst".to_owned(), b"x".to_vec());
    let bad = format!("records/{}/1.json.zst", folder_of(PODS));
    let folder = tempfile::tempdir().unwrap();
    let (report, trace) = import(folder.path(), &zipped(folder.path(), &files));
    assert_eq!(told(&trace), ["listed ADDED a 5", "seen MODIFIED a 15"]);
    let reasons: Vec<&str> = report
        .unreadable_lines
        .iter()
        .map(|line| line.reason.as_str())
        .collect();
    assert_eq!(
        reasons,
        [
            "the index has no time for the record",
            "the index names a record that is not in the archive",
            "the record is of another path",
        ]
    );
    assert_eq!(report.unreadable_lines[1].line, 8);
    // A record that is damaged or cut is counted, and the next one is read.
    for bytes in [&b"\x28\xb5\x2f\xfd\x04"[..], &files[&bad][..20]] {
        let mut files = files.clone();
        files.insert(bad.clone(), bytes.to_vec());
        let folder = tempfile::tempdir().unwrap();
        let (report, trace) = import(folder.path(), &zipped(folder.path(), &files));
        assert_eq!(report.unreadable, 4, "{}", report.summary());
        assert_eq!(told(&trace), ["listed ADDED a 5"]);
    }
}

#[test]
fn a_record_that_is_a_bomb_is_stopped_and_told() {
    let mut capture = Capture::default();
    capture
        .list(PODS, 1, 10, &[pod("a", 5)])
        .list(PODS, 5, 20, &[pod("a", 15)]);
    let mut files = capture.files(2);
    let mut bomb = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    let record = capture.records[1].to_string();
    let (start, _) = record.split_once("\"items\":[").unwrap();
    bomb.write_all(format!("{start}\"items\":[").as_bytes())
        .unwrap();
    let blank = vec![b' '; 1 << 20];
    for _ in 0..70 {
        bomb.write_all(&blank).unwrap();
    }
    let name = format!("records/{}/1.json.zst", folder_of(PODS));
    files.insert(name, bomb.finish().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let (report, trace) = import(folder.path(), &zipped(folder.path(), &files));
    assert_eq!(told(&trace), ["listed ADDED a 5"]);
    let reason = &report.unreadable_lines[0].reason;
    assert!(reason.contains("times its size"), "{reason}");
}

#[test]
fn an_entry_that_leads_out_of_the_archive_is_refused() {
    let mut capture = Capture::default();
    capture.list(PODS, 1, 10, &[pod("a", 5)]);
    let mut files = capture.files(2);
    files.insert("../../../evil.json".to_owned(), b"{}".to_vec());
    assert!(matches!(refused(&files), Error::UnsafeEntry { .. }));
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

/// The versions of a trace: type, name, uid, version and body, in their order.
fn versions(trace: &Trace) -> Vec<(EventType, String, String, Value)> {
    let mut rows: Vec<_> = trace.rows().unwrap().map(Result::unwrap).collect();
    rows.sort_by_key(|row| row.seq);
    rows.into_iter()
        .map(|row| {
            let event = row.event;
            let body = serde_json::from_slice(&event.body.unwrap()).unwrap();
            (event.event_type, event.key.name, event.key.uid, body)
        })
        .collect()
}

fn version(event_type: EventType, pod: &Value) -> (EventType, String, String, Value) {
    let of = |member: &str| pod["metadata"][member].as_str().unwrap().to_owned();
    (event_type, of("name"), of("uid"), pod.clone())
}

/// A capture with a watch, and with a list at the beginning and after some changes.
fn capture_of(timeline: &Timeline, polls: &[usize], missed: std::ops::Range<usize>) -> Capture {
    let mut capture = Capture::default();
    let first = pod_list(FIRST_RV, &timeline.first);
    capture.answer_at(PODS, &time(0), 200, first);
    for (index, change) in timeline.changes.iter().enumerate() {
        if !missed.contains(&index) {
            capture.event_at(
                PODS,
                &time(change.at),
                change.event_type.as_str(),
                change.pod.clone(),
            );
        }
        if polls.contains(&index) {
            let body = pod_list(timeline.rv(index + 1), &timeline.after(index + 1));
            capture.answer_at(PODS, &time(change.at), 200, body);
        }
    }
    capture
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 16, ..Default::default() })]

    #[test]
    fn a_made_history_comes_back_version_for_version(
        timeline in timelines(),
        polls in proptest::collection::vec(0usize..25, 0..5),
        version_of_format in 1u32..3,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let capture = capture_of(&timeline, &polls, 0..0);
        let (report, trace) = import(folder.path(), &capture.archive(folder.path(), version_of_format));
        let of_list = timeline.first.iter().map(|pod| version(EventType::Added, pod));
        let of_watch = timeline.changes.iter().map(|change| {
            version(change.event_type, &change.pod)
        });
        let expected: Vec<_> = of_list.chain(of_watch).collect();
        proptest::prop_assert_eq!(versions(&trace), expected);
        proptest::prop_assert_eq!(holes(&trace), []);
        proptest::prop_assert_eq!(report.unreadable + report.backward_times, 0);
        // The only loss is the one that every watch of k8shark may have.
        proptest::prop_assert!(report.losses.iter().all(|loss| loss.why.starts_with("watched paths")));
    }

    #[test]
    fn whatever_a_watch_misses_the_state_after_the_next_list_is_right_and_the_hole_is_marked(
        timeline in timelines(),
        start in 0usize..20,
        length in 1usize..10,
    ) {
        let count = timeline.changes.len();
        let missed = start.min(count - 1)..(start + length).min(count);
        // A list right behind the hole, and one at the end.
        let polls = [missed.end - 1, count - 1];
        let folder = tempfile::tempdir().unwrap();
        let capture = capture_of(&timeline, &polls, missed.clone());
        let (_, trace) = import(folder.path(), &capture.archive(folder.path(), 2));
        let mut live = BTreeMap::new();
        for (event_type, _, uid, body) in versions(&trace) {
            match event_type {
                EventType::Deleted => live.remove(&uid),
                _ => live.insert(uid, body),
            };
        }
        let expected = timeline.after(count).into_iter().map(|pod| {
            let (_, _, uid, body) = version(EventType::Added, &pod);
            (uid, body)
        });
        proptest::prop_assert_eq!(live, expected.collect());
        let state = |count: usize| {
            let mut pods: Vec<String> = timeline.after(count).iter().map(Value::to_string).collect();
            pods.sort();
            pods
        };
        // Where no event is left, nothing shows that there was a watch.
        let is_visible = state(missed.start) != state(missed.end) && missed.len() < count;
        proptest::prop_assert_eq!(!holes(&trace).is_empty(), is_visible);
    }
}
