//! Importing SimKube traces gives what they hold; pods are made of lifecycles and marked so.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use kymo_interop::{Error, Format, ImportOptions, Loss, LossReport};
use kymo_model::{Certainty, CoverageState, Event, Timestamp};
use kymo_store::Trace;
use serde_json::{Map, Value, json};

use crate::support::{import_as, run, shared_data};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/simkube")
        .join(name)
}

fn import_into(folder: &Path, path: PathBuf) -> (LossReport, Trace) {
    import_as(Format::Simkube, folder, vec![path])
}

fn seconds(ts: i64) -> Timestamp {
    Timestamp(ts * 1_000_000_000)
}

fn lost(report: &LossReport, what: Loss, why: &str) -> u64 {
    let found = report.losses.iter();
    found
        .filter(|loss| loss.what == what && loss.why.contains(why))
        .map(|loss| loss.count)
        .sum()
}

/// The events of a trace in their order, with the resource.
fn events(trace: &Trace) -> Vec<(String, Event)> {
    let feeds = trace.feeds().clone();
    let mut rows: Vec<_> = trace.rows().unwrap().map(Result::unwrap).collect();
    rows.sort_by_key(|row| row.seq);
    rows.into_iter()
        .map(|row| {
            let resource = feeds[&row.event.feed].resource.group_resource().to_string();
            (resource, row.event)
        })
        .collect()
}

fn body(event: &Event) -> Value {
    serde_json::from_slice(event.body.as_ref().unwrap()).unwrap()
}

/// Reads `MessagePack` without any code of the import.
fn decode(value: rmpv::Value) -> Value {
    match value {
        rmpv::Value::Nil => Value::Null,
        rmpv::Value::Boolean(value) => value.into(),
        rmpv::Value::Integer(number) => match number.as_u64() {
            Some(number) => number.into(),
            None => number.as_i64().unwrap().into(),
        },
        rmpv::Value::F32(number) => number.into(),
        rmpv::Value::F64(number) => number.into(),
        rmpv::Value::String(text) => text.into_str().unwrap().into(),
        rmpv::Value::Array(items) => items.into_iter().map(decode).collect(),
        rmpv::Value::Map(fields) => {
            let mut map = Map::new();
            for (key, field) in fields {
                let key = match decode(key) {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                assert!(map.insert(key, decode(field)).is_none());
            }
            Value::Object(map)
        }
        other => panic!("{other}"),
    }
}

fn read(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap();
    if bytes.starts_with(b"{") {
        return serde_json::from_slice(&bytes).unwrap();
    }
    decode(rmpv::decode::read_value(&mut bytes.as_slice()).unwrap())
}

/// What a trace says, told without any code of the import.
#[derive(Default)]
struct Expected {
    /// ADDED, MODIFIED and DELETED of each kind.
    counts: BTreeMap<(String, &'static str), u64>,
    /// Time, type, kind, name and the object, in order, of what is in the events.
    events: Vec<(i64, &'static str, String, String, Option<Value>)>,
    repeats: u64,
    /// Hash, start and end of each lifecycle.
    lifecycles: Vec<(String, i64, Option<i64>)>,
}

impl Expected {
    fn of(trace: &Value) -> Self {
        let mut this = Self::default();
        let mut live: BTreeMap<(String, String), Value> = BTreeMap::new();
        for event in trace["events"].as_array().unwrap() {
            let ts = event["ts"].as_i64().unwrap();
            for object in event["applied_objs"].as_array().unwrap() {
                let key = key(object);
                match live.insert(key.clone(), object.clone()) {
                    Some(before) if before == *object => this.repeats += 1,
                    Some(_) => this.push(ts, "MODIFIED", key, Some(object)),
                    None => this.push(ts, "ADDED", key, Some(object)),
                }
            }
            for object in event["deleted_objs"].as_array().unwrap() {
                let key = key(object);
                let last = live.remove(&key);
                // Of a stub the last object that was known is what was deleted.
                let is_whole = object.get("spec").is_some_and(|spec| *spec != json!({}));
                let deleted = if is_whole {
                    Some(object)
                } else {
                    last.as_ref()
                };
                this.push(ts, "DELETED", key, deleted);
            }
        }
        for by_hash in trace["pod_lifecycles"].as_object().unwrap().values() {
            for (hash, lifecycles) in by_hash.as_object().unwrap() {
                for lifecycle in lifecycles.as_array().unwrap() {
                    let (start, end) = match lifecycle.as_object().unwrap().iter().next().unwrap() {
                        (name, value) if name == "Running" => (value, None),
                        (_, value) => (&value[0], value[1].as_i64()),
                    };
                    let start = start.as_i64().unwrap();
                    this.lifecycles.push((hash.clone(), start, end));
                }
            }
        }
        this.lifecycles.sort();
        this
    }

    fn push(
        &mut self,
        ts: i64,
        event: &'static str,
        key: (String, String),
        object: Option<&Value>,
    ) {
        let (kind, name) = key;
        *self.counts.entry((kind.clone(), event)).or_default() += 1;
        self.events.push((ts, event, kind, name, object.cloned()));
    }

    /// Compares the events that a trace has of its own, which are all but the inferred pods.
    fn assert_is(&self, report: &LossReport, trace: &Trace) {
        let found = events(trace);
        let own: Vec<_> = found
            .iter()
            .filter(|(resource, event)| {
                event.certainty != Certainty::Inferred || resource != "pods"
            })
            .collect();
        let mut counts: BTreeMap<(String, &'static str), u64> = BTreeMap::new();
        assert_eq!(own.len(), self.events.len());
        for ((resource, event), (ts, event_type, kind, name, object)) in
            own.iter().zip(&self.events)
        {
            assert_eq!(event.ts, seconds(*ts));
            assert_eq!(event.event_type.as_str(), *event_type);
            assert_eq!(format!("{}/{}", event.key.namespace, event.key.name), *name);
            let plural = match kind.as_str() {
                "Pod" => "pods",
                "Deployment" => "deployments.apps",
                "CronJob" => "cronjobs.batch",
                "Job" => "jobs.batch.example.com",
                other => panic!("{other}"),
            };
            assert_eq!(resource, plural);
            *counts.entry((kind.clone(), event_type)).or_default() += 1;
            assert_eq!(event.body.is_some(), object.is_some());
            if let Some(object) = object {
                let mut expected = object.clone();
                expected["metadata"]["uid"] = event.key.uid.as_str().into();
                assert_eq!(body(event), expected);
            }
        }
        assert_eq!(counts, self.counts);
        let repeats = "objects applied again without a change";
        assert_eq!(
            report.notes.get(repeats).copied().unwrap_or(0),
            self.repeats
        );
    }
}

fn key(object: &Value) -> (String, String) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &object["metadata"];
    (
        text(&object["kind"]),
        format!(
            "{}/{}",
            text(&metadata["namespace"]),
            text(&metadata["name"])
        ),
    )
}

#[test]
fn every_public_trace_comes_over_event_for_event() {
    let Some(folder) = shared_data("public/simkube") else {
        return;
    };
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let out = tempfile::tempdir().unwrap();
        let (report, trace) = import_into(out.path(), path.clone());
        assert_eq!(report.unreadable, 0, "{}", path.display());
        Expected::of(&read(&path)).assert_is(&report, &trace);
        files += 1;
    }
    assert_eq!(files, 6);
}

#[test]
fn the_fixtures_come_over_event_for_event() {
    for name in [
        "cronjob.sktrace",
        "bare-pods.sktrace",
        "trace.json",
        "relist.json",
    ] {
        let out = tempfile::tempdir().unwrap();
        let (report, trace) = import_into(out.path(), fixture(name));
        assert_eq!(report.unreadable, 0, "{name}");
        Expected::of(&read(&fixture(name))).assert_is(&report, &trace);
    }
}

#[test]
fn what_is_there_at_the_beginning_is_listed_and_the_rest_is_seen() {
    let out = tempfile::tempdir().unwrap();
    let (_, trace) = import_into(out.path(), fixture("relist.json"));
    let found: Vec<_> = events(&trace)
        .into_iter()
        .map(|(resource, event)| {
            format!(
                "{} {} {} {resource}/{}",
                event.ts.0 / 1_000_000_000,
                event.certainty,
                event.event_type,
                event.key.name
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            "1000 listed ADDED deployments.apps/web",
            "1000 listed ADDED deployments.apps/api",
            "1060 seen MODIFIED deployments.apps/web",
            "1120 seen ADDED jobs.batch.example.com/sums",
            "1120 inferred DELETED deployments.apps/api",
            "1120 seen ADDED deployments.apps/api",
        ]
    );
}

#[test]
fn an_object_applied_again_without_a_change_is_counted_and_no_change() {
    let out = tempfile::tempdir().unwrap();
    let (report, trace) = import_into(out.path(), fixture("relist.json"));
    assert_eq!(report.notes["objects applied again without a change"], 1);
    let uids: Vec<String> = events(&trace)
        .into_iter()
        .filter(|(_, event)| event.key.name == "api")
        .map(|(_, event)| event.key.uid)
        .collect();
    assert_eq!(uids[0], uids[1], "the same object is deleted");
    assert_ne!(uids[1], uids[2], "another one of the name comes");
}

#[test]
fn the_report_says_what_the_trace_does_not_tell() {
    let out = tempfile::tempdir().unwrap();
    let (report, _) = import_into(out.path(), fixture("relist.json"));
    assert_eq!(lost(&report, Loss::ReceiveTimes, "whole seconds"), 6);
    assert_eq!(lost(&report, Loss::ResourceVersions, ""), 6);
    assert_eq!(lost(&report, Loss::Uids, "made"), 4);
    assert_eq!(lost(&report, Loss::Deletes, "no longer showed"), 1);
    assert_eq!(lost(&report, Loss::Fields, ""), 5);
    assert_eq!(
        report.notes["index entries with another hash than the object"],
        1
    );
    assert_eq!(report.notes["index entries without an object"], 1);
    assert_eq!(report.guessed_plurals.len(), 1);
    let config = report.settings.values().next().unwrap();
    let job = &config["trackedObjects"]["batch.example.com/v1alpha1.Job"];
    assert_eq!(
        job["podSpecTemplatePaths"],
        json!(["/spec/tasks/*/template"])
    );
    assert_eq!(job["trackLifecycle"], true);
}

/// Start and end of the pods of a trace, read off the last status of each.
fn pod_lives(trace: &Trace) -> Vec<(String, i64, Option<i64>)> {
    let mut lives = BTreeMap::new();
    for (resource, event) in events(trace) {
        if resource != "pods" || event.certainty != Certainty::Inferred {
            continue;
        }
        let body = body(&event);
        let state = &body["status"]["containerStatuses"][0]["state"];
        let time = |value: &Value| {
            let text = value.as_str()?;
            assert!(text.ends_with('Z') && !text.contains('.'), "{text}");
            Some(text.parse::<Timestamp>().unwrap().0 / 1_000_000_000)
        };
        let start = time(&state["running"]["startedAt"])
            .or_else(|| time(&state["terminated"]["startedAt"]))
            .unwrap();
        let end = time(&state["terminated"]["finishedAt"]);
        lives.insert(event.key.name.clone(), (start, end));
    }
    lives
        .into_iter()
        .map(|(name, (start, end))| (name, start, end))
        .collect()
}

#[test]
fn the_lifecycles_of_a_cron_job_become_pods_of_its_template() {
    let out = tempfile::tempdir().unwrap();
    let path = fixture("cronjob.sktrace");
    let (report, trace) = import_into(out.path(), path.clone());
    let expected = Expected::of(&read(&path)).lifecycles;
    let times = |lives: Vec<(String, i64, Option<i64>)>| -> Vec<_> {
        let mut times: Vec<_> = lives
            .into_iter()
            .map(|(_, start, end)| (start, end))
            .collect();
        times.sort_unstable();
        times
    };
    assert_eq!(times(pod_lives(&trace)), times(expected.clone()));
    let pods = &report.resources["pods"];
    // They have succeeded, as the pods of a Job may, and go when the CronJob goes.
    assert_eq!(
        (pods.added, pods.modified, pods.deleted, pods.inferred),
        (3, 3, 3, 9)
    );
    assert_eq!(
        report.notes["pods whose spec has the hash of their lifecycle"],
        3
    );
    assert_eq!(lost(&report, Loss::Lifecycles, "when a pod was created"), 3);

    let found = events(&trace);
    let owner = &found
        .iter()
        .find(|(name, _)| name == "cronjobs.batch")
        .unwrap()
        .1;
    let (_, first) = found.iter().find(|(name, _)| name == "pods").unwrap();
    let pod = body(first);
    assert_eq!(
        pod["metadata"]["ownerReferences"][0]["uid"],
        owner.key.uid.as_str()
    );
    assert_eq!(pod["metadata"]["uid"], first.key.uid.as_str());
    assert_eq!(pod["status"]["phase"], "Running");
    assert_eq!(
        pod["metadata"]["annotations"]["simkube.io/pod-spec-stable-hash"],
        expected[0].0.as_str(),
    );
    // A `creationTimestamp: null` of the template is no time of the pod.
    let template = &body(owner)["spec"]["jobTemplate"]["spec"]["template"];
    assert_eq!(template["metadata"]["creationTimestamp"], Value::Null);
    assert_eq!(pod["metadata"].get("creationTimestamp"), None);
    // That pods are made up is told as well where one looks for what is missing.
    let feeds = trace.feeds();
    let gap = trace
        .coverage()
        .into_iter()
        .find(|row| row.state == CoverageState::Uncertain)
        .unwrap();
    assert_eq!(feeds[&gap.feed.unwrap()].resource.resource, "pods");
    assert_eq!(gap.from_ts, Some(first.ts));
    // The template does not have it, but the hash says that the pod did.
    assert_eq!(template["spec"].get("enableServiceLinks"), None);
    assert_eq!(pod["spec"]["enableServiceLinks"], true);
}

#[test]
fn the_lifecycle_of_a_bare_pod_becomes_its_own_status() {
    let out = tempfile::tempdir().unwrap();
    let path = fixture("bare-pods.sktrace");
    let (report, trace) = import_into(out.path(), path.clone());
    let mut lives: Vec<_> = pod_lives(&trace)
        .into_iter()
        .map(|(_, start, end)| (start, end))
        .collect();
    lives.sort_unstable();
    let expected: Vec<_> = Expected::of(&read(&path))
        .lifecycles
        .into_iter()
        .map(|(_, start, end)| (start, end))
        .collect();
    assert_eq!(lives, expected);
    let pods = &report.resources["pods"];
    // Three have ended, one still runs.
    assert_eq!((pods.added, pods.modified, pods.deleted), (4, 7, 0));
    assert_eq!(
        report.notes["index entries with another hash than the object"],
        4
    );
    assert_eq!(report.notes["index entries without an object"], 12);
    assert_eq!(
        report.notes["pods whose spec has the hash of their lifecycle"],
        4
    );
}

#[test]
fn a_file_that_is_no_trace_is_refused_with_its_place_and_leaves_nothing() {
    let out = tempfile::tempdir().unwrap();
    let whole = fs::read(fixture("cronjob.sktrace")).unwrap();
    let path = out.path().join("bad.sktrace");
    let output = out.path().join("out.kymo");
    let refuse = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let options = ImportOptions::new(Some(Format::Simkube), vec![path.clone()], output.clone());
        let error = run(&options).unwrap_err();
        assert!(error.is_bad_input(), "{error}");
        let left: Vec<_> = fs::read_dir(out.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
        error
    };
    // Before the first event ends.
    let events = memchr::memmem::find(&whole, b"\xa6events").unwrap();
    for length in (0..events + 100).step_by(13) {
        let error = refuse(&whole[..length]);
        assert!(
            matches!(error, Error::Malformed { .. }),
            "{length}: {error}"
        );
    }
    let mut old = whole.clone();
    old[9] = 1;
    let error = refuse(&old);
    assert!(
        matches!(&error, Error::Version { found, .. } if found == "1"),
        "{error}"
    );
    assert!(error.to_string().contains("version 1"), "{error}");
}

#[test]
fn of_a_trace_that_is_cut_off_the_front_is_imported_and_the_place_told() {
    let out = tempfile::tempdir().unwrap();
    let whole = fs::read(fixture("cronjob.sktrace")).unwrap();
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let index = memchr::memmem::find(&whole, b"\xa5index").unwrap();
    let packed = gzip(&whole);
    for (name, bytes, reason) in [
        ("plain", &whole[..index], "the trace ends early"),
        (
            "packed",
            &packed[..packed.len() - 12],
            "the compressed data ends early",
        ),
    ] {
        let path = out.path().join(name);
        fs::write(&path, bytes).unwrap();
        let folder = out.path().join(format!("{name}-out"));
        fs::create_dir(&folder).unwrap();
        let (report, _) = import_into(&folder, path);
        assert_eq!(report.resources["cronjobs.batch"].events(), 2, "{name}");
        let damaged = &report.damaged[0];
        assert!(damaged.path.ends_with(name), "{damaged}");
        assert!(damaged.reason.contains(reason), "{damaged}");
        assert_eq!(damaged.byte, bytes.len() as u64, "{damaged}");
    }
}

#[test]
fn bytes_behind_the_value_are_ignored_as_simkube_does() {
    let out = tempfile::tempdir().unwrap();
    let mut bytes = fs::read(fixture("cronjob.sktrace")).unwrap();
    bytes.extend_from_slice(b"\xc1\xff more");
    let path = out.path().join("trace");
    fs::write(&path, bytes).unwrap();
    let (report, _) = import_into(out.path(), path);
    assert_eq!(report.resources["cronjobs.batch"].events(), 2);
}

#[test]
fn a_trace_is_known_by_its_beginning() {
    for name in ["cronjob.sktrace", "relist.json"] {
        let out = tempfile::tempdir().unwrap();
        let output = out.path().join("out.kymo");
        let report = run(&ImportOptions::new(None, vec![fixture(name)], output)).unwrap();
        assert!(report.events() > 0);
    }
}

#[test]
fn traces_of_one_cluster_are_told_in_one_order_and_of_the_same_objects() {
    let out = tempfile::tempdir().unwrap();
    let mut later = read(&fixture("relist.json"));
    for event in later["events"].as_array_mut().unwrap() {
        event["ts"] = (event["ts"].as_i64().unwrap() + 500).into();
    }
    let second = out.path().join("second.json");
    fs::write(&second, later.to_string()).unwrap();
    // The later one first: the times decide, not the names.
    let paths = vec![second, fixture("relist.json")];
    let (_, trace) = import_as(Format::Simkube, out.path(), paths);
    let found = events(&trace);
    assert!(found.is_sorted_by_key(|(_, event)| event.ts));
    let web: Vec<_> = found
        .iter()
        .filter(|(_, event)| event.key.name == "web")
        .map(|(_, event)| (event.key.uid.clone(), event.event_type.as_str()))
        .collect();
    assert!(web.iter().all(|(uid, _)| *uid == web[0].0));
    let types: Vec<_> = web.iter().map(|(_, event_type)| *event_type).collect();
    assert_eq!(types, ["ADDED", "MODIFIED", "MODIFIED", "MODIFIED"]);
}
