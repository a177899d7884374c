//! Importing real streams gives what their files hold: nothing more, nothing less.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kymo_interop::{Error, Format, ImportOptions, LossReport, MissingTimes, import};
use kymo_model::{Certainty, Clock, EventType, ManualClock, Timestamp};
use kymo_store::Trace;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::support::{import_as, run, shared_data};

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/streams/edge-auth")
}

fn watch(paths: Vec<PathBuf>, output: PathBuf) -> ImportOptions {
    ImportOptions::new(Some(Format::Watch), paths, output)
}

fn import_into(folder: &Path, paths: Vec<PathBuf>) -> (LossReport, Trace) {
    import_as(Format::Watch, folder, paths)
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    event: Option<Event<'a>>,
    list: Option<Value>,
}

#[derive(Deserialize)]
struct Event<'a> {
    r#type: String,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize)]
struct Head {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    uid: String,
    #[serde(rename = "resourceVersion")]
    rv: String,
}

/// What the files of a recording say, read without any code of the import.
#[derive(Default)]
struct Expected {
    /// Events by resource and type.
    counts: BTreeMap<(String, String), u64>,
    /// The text of the object of each (resource, uid, version, type).
    objects: BTreeMap<(String, String, String, String), String>,
}

impl Expected {
    fn of(folder: &Path) -> Self {
        let mut this = Self::default();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let Some(stem) = name
                .strip_suffix(".ndjson")
                .or_else(|| name.strip_suffix(".list.json"))
            else {
                continue;
            };
            if stem.starts_with('_') {
                continue;
            }
            let mut parts = stem.splitn(3, '_');
            let (group, _, plural) = (parts.next().unwrap(), parts.next(), parts.next().unwrap());
            let resource = match group {
                "core" => plural.to_owned(),
                group => format!("{plural}.{group}"),
            };
            for line in fs::read_to_string(&path).unwrap().lines() {
                this.line(&resource, serde_json::from_str(line).unwrap());
            }
        }
        this
    }

    fn line(&mut self, resource: &str, line: Line<'_>) {
        if let Some(list) = line.list {
            let kind = list["kind"].as_str().unwrap().strip_suffix("List").unwrap();
            for item in list["items"].as_array().unwrap() {
                let mut item = item.clone();
                let fields = item.as_object_mut().unwrap();
                fields.entry("kind").or_insert(kind.into());
                fields
                    .entry("apiVersion")
                    .or_insert(list["apiVersion"].clone());
                self.object(resource, "ADDED", &item.to_string());
            }
        }
        if let Some(event) = line.event.filter(|event| event.r#type != "BOOKMARK") {
            self.object(resource, &event.r#type, event.object.get());
        }
    }

    /// Takes out exactly what is dropped by default.
    fn object(&mut self, resource: &str, event_type: &str, text: &str) {
        let head: Head = serde_json::from_str(text).unwrap();
        let mut text = text.to_owned();
        if resource == "secrets" || text.contains(LAST_APPLIED) {
            let mut object: Value = serde_json::from_str(&text).unwrap();
            let fields = object.as_object_mut().unwrap();
            if resource == "secrets" {
                fields.remove("data");
                fields.remove("stringData");
            }
            if let Some(annotations) = fields["metadata"].get_mut("annotations") {
                annotations.as_object_mut().unwrap().remove(LAST_APPLIED);
            }
            text = object.to_string();
        }
        let (resource, event_type) = (resource.to_owned(), event_type.to_owned());
        let Metadata { uid, rv } = head.metadata;
        *self
            .counts
            .entry((resource.clone(), event_type.clone()))
            .or_default() += 1;
        let repeated = self.objects.insert((resource, uid, rv, event_type), text);
        assert!(repeated.is_none(), "the recording repeats an event");
    }

    fn assert_is(mut self, report: &LossReport, trace: &Trace) {
        let counts: BTreeMap<(String, String), u64> = trace
            .stats()
            .counts
            .iter()
            .map(|count| {
                (
                    (count.resource.to_string(), count.event_type.to_string()),
                    count.events,
                )
            })
            .collect();
        assert_eq!(counts, self.counts);
        assert_eq!(report.events(), self.counts.values().sum::<u64>());
        let feeds = trace.feeds().clone();
        for row in trace.rows().unwrap() {
            let event = row.unwrap().event;
            let resource = feeds[&event.feed].resource.group_resource().to_string();
            let rv = event.rv.unwrap().to_string();
            let key = (resource, event.key.uid, rv, event.event_type.to_string());
            let expected = self
                .objects
                .remove(&key)
                .unwrap_or_else(|| panic!("invented {key:?}"));
            let found = event.body.unwrap();
            // The same text is the same object; another may still be equal as JSON.
            if *found != *expected.as_bytes() {
                let found: Value = serde_json::from_slice(&found).unwrap();
                let expected: Value = serde_json::from_str(&expected).unwrap();
                assert_eq!(found, expected, "{key:?}");
            }
        }
        assert!(
            self.objects.is_empty(),
            "{} events are missing",
            self.objects.len()
        );
    }
}

#[test]
fn the_recorded_rollout_comes_over_event_for_event_and_object_for_object() {
    let folder = tempfile::tempdir().unwrap();
    let (report, trace) = import_into(folder.path(), vec![fixture()]);
    assert_eq!((report.unreadable, report.missing_times), (0, 0));
    assert_eq!(report.resources["secrets"].bookmarks, 1);
    Expected::of(&fixture()).assert_is(&report, &trace);
}

#[test]
fn the_whole_recording_comes_over_event_for_event_and_object_for_object() {
    let Some(archive) = shared_data("recorded/control-plane-2100-pods.tar.zst") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let unpacked = folder.path().join("streams");
    let decoder = zstd::stream::read::Decoder::new(fs::File::open(&archive).unwrap()).unwrap();
    let mut tar = tar::Archive::new(decoder);
    tar.unpack(&unpacked).unwrap();
    // The archive itself is what is imported: it can only be read front to back.
    let (report, trace) = import_into(folder.path(), vec![archive]);
    assert_eq!(report.unreadable, 0, "{}", report.summary());
    assert!(report.events() > 79_000);
    Expected::of(&unpacked).assert_is(&report, &trace);
}

#[test]
fn events_of_several_files_come_in_the_order_of_their_receive_times() {
    let folder = tempfile::tempdir().unwrap();
    let (_, trace) = import_into(folder.path(), vec![fixture()]);
    let mut rows: Vec<_> = trace.rows().unwrap().map(Result::unwrap).collect();
    rows.sort_by_key(|row| row.seq);
    assert!(rows.is_sorted_by_key(|row| row.event.ts));
    let seqs: Vec<u64> = rows.iter().map(|row| row.seq).collect();
    assert_eq!(seqs, (1..=rows.len() as u64).collect::<Vec<_>>());
}

#[test]
fn no_credential_of_a_secret_reaches_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (report, trace) = import_into(folder.path(), vec![fixture()]);
    assert!(report.redacted_objects > 0);
    for row in trace.rows().unwrap() {
        let event = row.unwrap().event;
        let body = String::from_utf8(event.body.unwrap().to_vec()).unwrap();
        if body.contains("\"kind\":\"Secret\"") {
            assert!(
                !body.contains("LABSECRET") && !body.contains("TEFCU0VDUkVU"),
                "{body}"
            );
        }
        let object: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(object["metadata"]["annotations"].get(LAST_APPLIED), None);
    }
}

#[test]
fn archives_and_compressed_files_give_the_same_as_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let plain = import_into(folder.path(), vec![fixture()]).0;
    let mut files: Vec<PathBuf> = fs::read_dir(fixture())
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    let base = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();

    let tar = |out: Box<dyn std::io::Write>| {
        let mut tar = tar::Builder::new(out);
        for file in &files {
            tar.append_path_with_name(file, format!("streams/{}", base(file)))
                .unwrap();
        }
        tar.into_inner().unwrap().flush().unwrap();
    };
    let at = |name: &str| folder.path().join(name);
    tar(Box::new(fs::File::create(at("plain.tar")).unwrap()));
    tar(Box::new(flate2::write::GzEncoder::new(
        fs::File::create(at("all.tgz")).unwrap(),
        flate2::Compression::fast(),
    )));
    let mut zip = zip::ZipWriter::new(fs::File::create(at("all.zip")).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    let gz = at("gz");
    fs::create_dir(&gz).unwrap();
    for (index, file) in files.iter().enumerate() {
        let bytes = fs::read(file).unwrap();
        zip.start_file(base(file), options).unwrap();
        zip.write_all(&bytes).unwrap();
        // Every second one with gzip in two members, the others with zstd.
        let compressed = if index % 2 == 0 {
            let (a, b) = bytes.split_at(bytes.len() / 2);
            let member = |part: &[u8]| {
                let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                gz.write_all(part).unwrap();
                gz.finish().unwrap()
            };
            (
                format!("{}.gz", base(file)),
                [member(a), member(b)].concat(),
            )
        } else {
            (
                format!("{}.zst", base(file)),
                zstd::bulk::compress(&bytes, 1).unwrap(),
            )
        };
        fs::write(gz.join(compressed.0), compressed.1).unwrap();
    }
    zip.finish().unwrap();

    for name in ["plain.tar", "all.tgz", "all.zip", "gz"] {
        let output = at(&format!("{name}.kymo"));
        let report = run(&watch(vec![at(name)], output.clone())).unwrap();
        assert_eq!(report.resources, plain.resources, "{name}");
        Expected::of(&fixture()).assert_is(&report, &Trace::open(&output).unwrap());
    }
}

#[test]
fn what_kubectl_prints_is_imported_with_the_times_that_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let kubectl = folder.path().join("kubectl.json");
    let mut text = String::new();
    for line in fs::read_to_string(fixture().join("core_v1_pods.ndjson"))
        .unwrap()
        .lines()
    {
        let line: Value = serde_json::from_str(line).unwrap();
        text = format!("{text}{:#}\n", line["event"]);
    }
    fs::write(&kubectl, text).unwrap();
    let mut options = watch(vec![kubectl], folder.path().join("out.kymo"));
    assert!(matches!(run(&options), Err(Error::NoTime { .. })));
    let start: Timestamp = "2026-11-21T02:00:00Z".parse().unwrap();
    let interval = std::time::Duration::from_secs(1);
    options.missing_times = MissingTimes::Counted { start, interval };
    let report = run(&options).unwrap();
    assert_eq!(report.missing_times, 11);
    let trace = Trace::open(&options.output).unwrap();
    let mut rows: Vec<_> = trace.rows().unwrap().map(Result::unwrap).collect();
    rows.sort_by_key(|row| row.seq);
    assert_eq!(rows[0].event.ts, start);
    assert_eq!(rows[1].event.ts.since(start), interval);
    assert_eq!(rows[0].event.certainty, Certainty::Listed);
    assert_eq!(rows[9].event.certainty, Certainty::Seen);
    assert_eq!(rows[9].event.event_type, EventType::Modified);
}

#[test]
fn damaged_lines_are_reported_become_gaps_and_cost_no_other_line() {
    let folder = tempfile::tempdir().unwrap();
    let good = fs::read_to_string(fixture().join("core_v1_services.ndjson")).unwrap();
    let (first, second) = good.split_once('\n').unwrap();
    let cut = &first[..first.len() - 40];
    let broken = folder.path().join("core_v1_services.ndjson");
    fs::write(
        &broken,
        format!("{cut}\n{first}\n\u{0}\u{1}\n{second}{{\"recv\":\"20"),
    )
    .unwrap();
    let (report, trace) = import_into(folder.path(), vec![broken]);
    assert_eq!(report.unreadable, 3);
    let lines: Vec<u64> = report
        .unreadable_lines
        .iter()
        .map(|line| line.line)
        .collect();
    assert_eq!(lines, [1, 3, 5]);
    assert_eq!(report.resources["services"].added, 1);
    let gaps = trace.coverage();
    let gaps = gaps
        .iter()
        .filter(|row| row.cause == kymo_model::Cause::UnreadableLine);
    assert_eq!(gaps.count(), 3);
}

#[test]
fn a_failed_import_leaves_nothing_and_an_output_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = folder.path().join("notes.txt");
    fs::write(&nothing, "hello\n").unwrap();
    let output = folder.path().join("out.kymo");
    let error = run(&watch(vec![nothing.clone()], output.clone())).unwrap_err();
    assert!(matches!(error, Error::NoEvent { .. }), "{error}");
    assert!(
        error.to_string().contains("notes.txt:1: not a JSON object"),
        "{error}"
    );

    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp(0)));
    let options = watch(vec![fixture()], output.clone());
    let stopped = import(&options, &clock, &mut |_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(Error::Cancelled)));
    let left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["notes.txt"]);

    fs::create_dir(&output).unwrap();
    let error = run(&watch(vec![fixture()], output)).unwrap_err();
    assert!(matches!(error, Error::OutputExists { .. }));
}

#[test]
fn an_entry_that_leads_out_of_the_archive_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("evil.tar");
    let mut header = tar::Header::new_gnu();
    let name = b"../core_v1_pods.ndjson";
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.set_size(3);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    let mut tar = tar::Builder::new(fs::File::create(&path).unwrap());
    tar.append(&header, &b"{}\n"[..]).unwrap();
    tar.finish().unwrap();
    let mut compressed = folder.path().join("evil.tar.zst");
    fs::write(
        &compressed,
        zstd::bulk::compress(&fs::read(&path).unwrap(), 1).unwrap(),
    )
    .unwrap();
    for archive in [path, std::mem::take(&mut compressed)] {
        let error = run(&watch(vec![archive], folder.path().join("o"))).unwrap_err();
        assert!(matches!(error, Error::UnsafeEntry { .. }), "{error}");
        assert!(error.is_bad_input());
    }
}

#[test]
fn a_bomb_is_stopped_by_its_ratio() {
    let folder = tempfile::tempdir().unwrap();
    let bomb = folder.path().join("core_v1_pods.ndjson.zst");
    let mut encoder =
        zstd::stream::write::Encoder::new(fs::File::create(&bomb).unwrap(), 1).unwrap();
    let blank = vec![b'\n'; 1 << 20];
    for _ in 0..80 {
        encoder.write_all(&blank).unwrap();
    }
    encoder.finish().unwrap();
    let mut options = watch(vec![bomb], folder.path().join("out.kymo"));
    let error = run(&options).unwrap_err();
    assert!(
        error.to_string().contains("more than 2000 times its size"),
        "{error}"
    );
    options.limits.decoded_bytes = 1 << 20;
    let error = run(&options).unwrap_err();
    assert!(
        error.to_string().contains("more than 1048576 bytes"),
        "{error}"
    );
}

#[test]
fn the_same_input_and_seed_give_one_file_that_is_a_trace() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = watch(vec![fixture()], folder.path().join("a.parquet"));
    options.seed = Some(7);
    let report = run(&options).unwrap();
    let trace = Trace::open(&options.output).unwrap();
    Expected::of(&fixture()).assert_is(&report, &trace);
    let lineage = trace.lineage().first().unwrap();
    assert_eq!(lineage["command"], "import watch");
    assert_eq!(lineage["report"]["resources"]["pods"]["modified"], 8);
    let again = options.clone();
    let again = ImportOptions {
        output: folder.path().join("b.parquet"),
        ..again
    };
    run(&again).unwrap();
    assert!(fs::read(&options.output).unwrap() == fs::read(&again.output).unwrap());
}

/// The events of the fixture's pods, in their order.
fn pod_events() -> Vec<Value> {
    let text = fs::read_to_string(fixture().join("core_v1_pods.ndjson")).unwrap();
    let lines = text
        .lines()
        .map(|line| -> Value { serde_json::from_str(line).unwrap() });
    let events = lines.map(|mut line| line["event"].take());
    events.filter(|event| event["type"] != "BOOKMARK").collect()
}

fn import_text(name: &str, text: &str) -> (LossReport, Vec<(String, Value)>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    let output = folder.path().join("out.kymo");
    let mut options = watch(vec![path], output.clone());
    options.missing_times = MissingTimes::Counted {
        start: Timestamp(1_000_000_000),
        interval: std::time::Duration::from_millis(1),
    };
    let report = run(&options).unwrap();
    let trace = Trace::open(&output).unwrap();
    let mut rows: Vec<_> = trace.rows().unwrap().map(Result::unwrap).collect();
    rows.sort_by_key(|row| row.seq);
    let told = rows.into_iter().map(|row| {
        let event = row.event;
        let word = format!("{} {}", event.certainty, event.event_type);
        let body = serde_json::from_slice(&event.body.unwrap()).unwrap();
        (word, body)
    });
    (report, told.collect())
}

#[test]
fn events_are_the_same_as_json_lines_as_pretty_json_and_as_yaml_documents() {
    let events = pod_events();
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    let pretty: Vec<String> = events.iter().map(|event| format!("{event:#}")).collect();
    let yaml: Vec<String> = events
        .iter()
        .map(|event| {
            let (object, kind) = (&event["object"], &event["type"]);
            serde_saphyr::to_string(&json!({"object": object, "type": kind})).unwrap()
        })
        .collect();
    let (report, expected) = import_text("events.json", &lines.join("\n"));
    assert_eq!((report.unreadable, expected.len()), (0, events.len()));
    assert!(report.losses.is_empty());
    for (name, text) in [
        ("events.json", pretty.join("\n")),
        ("events.yaml", yaml.join("---\n")),
    ] {
        let (report, told) = import_text(name, &text);
        assert_eq!(report.unreadable, 0, "{}", report.summary());
        assert!(told == expected, "{name}");
    }
}

#[test]
fn bare_objects_give_the_versions_but_no_deletion() {
    let events = pod_events();
    let objects: Vec<Value> = events.iter().map(|event| event["object"].clone()).collect();
    let json: Vec<String> = objects
        .iter()
        .map(|object| format!("{object:#}\n"))
        .collect();
    let yaml: Vec<String> = objects
        .iter()
        .map(|object| serde_saphyr::to_string(object).unwrap())
        .collect();
    for (name, text) in [
        ("pods.json", json.concat()),
        ("pods.yaml", yaml.join("---\n")),
    ] {
        let (report, told) = import_text(name, &text);
        assert_eq!(report.unreadable, 0, "{}", report.summary());
        let mut seen = std::collections::BTreeSet::new();
        let expected: Vec<(String, Value)> = objects
            .iter()
            .map(|object| {
                let uid = object["metadata"]["uid"].to_string();
                let word = if seen.insert(uid) {
                    "listed ADDED"
                } else {
                    "seen MODIFIED"
                };
                (word.to_owned(), object.clone())
            })
            .collect();
        assert_eq!(told.len(), expected.len());
        assert!(told == expected, "{name}");
        let lost: Vec<u64> = report.losses.iter().map(|loss| loss.count).collect();
        assert_eq!(lost, [objects.len() as u64]);
    }
}

#[test]
fn records_of_k8shark_are_read_as_their_own_format_reads_them() {
    let lines: Vec<String> = pod_events()
        .iter()
        .enumerate()
        .map(|(index, event)| {
            let time = format!("2026-11-21T02:08:{:02}Z", index + 10);
            let path = "/api/v1/namespaces/edge-gateway/pods";
            json!({"id": "x", "captured_at": time, "api_path": path, "event_type": event["type"], "http_method": "GET", "response_code": 200, "response_body": event["object"]}).to_string()
        })
        .collect();
    let (report, told) = import_text("records.ndjson", &lines.join("\n"));
    assert_eq!((report.unreadable, report.missing_times), (0, 0));
    assert_eq!(told.len(), lines.len());
    assert!(told.iter().all(|(word, _)| word.starts_with("seen ")));
}
