//! Recordings of KWOK come over: two clocks, patches, and what its recorders mix up.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kymo_interop::{Error, Format, ImportOptions, Loss, LossReport, MissingTimes};
use kymo_model::{Certainty, EventType, Timestamp};
use kymo_store::Trace;
use serde_json::{Value, json};

use crate::support::{import_as, lost, run, told};

const START: &str = "2026-03-01T10:00:00Z";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/kwok")
        .join(name)
}

fn fixture_text(name: &str) -> String {
    let file = fs::File::open(fixture(name)).unwrap();
    let mut text = String::new();
    let mut decoder = zstd::stream::read::Decoder::new(file).unwrap();
    decoder.read_to_string(&mut text).unwrap();
    text
}

/// Imports a file that does not tell when it was begun.
fn import_from(start: &str, text: &str) -> Result<(LossReport, Trace), Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recording.yaml");
    fs::write(&path, text).unwrap();
    let output = folder.path().join("out.kymo");
    let mut options = ImportOptions::new(None, vec![path], output.clone());
    if !start.is_empty() {
        options.missing_times = MissingTimes::Counted {
            start: start.parse().unwrap(),
            interval: Duration::ZERO,
        };
    }
    let report = run(&options)?;
    assert_eq!(kymo_store::check(&output).unwrap().findings, []);
    Ok((report, Trace::open(&output).unwrap()))
}

/// An event of a trace.
struct Told {
    ts: Timestamp,
    resource: String,
    event_type: EventType,
    certainty: Certainty,
    name: String,
    namespace: String,
    uid: String,
    body: Option<Value>,
}

fn events(trace: &Trace) -> Vec<Told> {
    let feeds = trace.feeds();
    let mut rows: Vec<_> = trace.rows().unwrap().map(Result::unwrap).collect();
    rows.sort_by_key(|row| row.seq);
    rows.into_iter()
        .map(|row| Told {
            ts: row.event.ts,
            resource: feeds[&row.event.feed].resource.group_resource().to_string(),
            event_type: row.event.event_type,
            certainty: row.event.certainty,
            name: row.event.key.name,
            namespace: row.event.key.namespace,
            uid: row.event.key.uid,
            body: row
                .event
                .body
                .map(|body| serde_json::from_slice(&body).unwrap()),
        })
        .collect()
}

/// What a recording holds, counted line by line: (kind, verb) of its documents.
fn counted(text: &str) -> BTreeMap<(String, String), u64> {
    let mut counts = BTreeMap::new();
    for document in text.split("\n---\n") {
        let line = |start: &str| {
            let mut lines = document.lines();
            lines
                .find_map(|line| line.strip_prefix(start))
                .map(str::to_owned)
        };
        let key = match line("method: ") {
            Some(method) => (line("  resource: ").unwrap(), method),
            None => (line("kind: ").unwrap(), "listed".to_owned()),
        };
        *counts.entry(key).or_default() += 1;
    }
    counts
}

fn import_fixture(name: &str) -> (LossReport, Vec<Told>) {
    let folder = tempfile::tempdir().unwrap();
    let (report, trace) = import_as(Format::Kwok, folder.path(), vec![fixture(name)]);
    (report, events(&trace))
}

/// The last body of each live object, by resource, namespace and name.
fn state(events: &[Told]) -> BTreeMap<(String, String, String), Value> {
    let mut state = BTreeMap::new();
    for event in events {
        let key = (
            event.resource.clone(),
            event.namespace.clone(),
            event.name.clone(),
        );
        if event.event_type == EventType::Deleted {
            state.remove(&key);
        } else {
            state.insert(key, event.body.clone().unwrap());
        }
    }
    state
}

#[test]
fn a_recording_of_watches_has_all_its_changes_and_ends_as_the_cluster_did() {
    let text = fixture_text("watches.yaml.zst");
    let (report, events) = import_fixture("watches.yaml.zst");
    assert_eq!((report.unreadable, report.backward_times), (0, 0));

    let mut counts: BTreeMap<_, u64> = BTreeMap::new();
    for ((of, verb), count) in counted(&text) {
        let verb = match verb.as_str() {
            "create" => (EventType::Added, Certainty::Seen),
            "patch" => (EventType::Modified, Certainty::Seen),
            "delete" => (EventType::Deleted, Certainty::Seen),
            _ => (EventType::Added, Certainty::Listed),
        };
        // `pods` and `Pod` alike.
        let of = of.to_lowercase().trim_end_matches('s').to_owned();
        *counts.entry((of, verb)).or_default() += count;
    }
    let mut ours: BTreeMap<_, u64> = BTreeMap::new();
    for event in &events {
        let of = event
            .resource
            .split('.')
            .next()
            .unwrap()
            .trim_end_matches('s');
        let key = (of.to_owned(), (event.event_type, event.certainty));
        *ours.entry(key).or_default() += 1;
    }
    assert_eq!(ours, counts);
    assert_eq!(events.len(), 178);

    // What `kubectl get` showed afterwards, but for what is never stored.
    let list: Value = serde_json::from_str(&fixture_text("final.json.zst")).unwrap();
    let mut last = BTreeMap::new();
    for mut item in list["items"].as_array().unwrap().clone() {
        item["metadata"]
            .as_object_mut()
            .unwrap()
            .remove("resourceVersion");
        if let Some(notes) = item.pointer_mut("/data/begin") {
            // The digits behind a second are not in the recording.
            *notes = json!(notes.as_str().unwrap().replace("09.5Z", "09.500000Z"));
        }
        let text = |name: &str| {
            item["metadata"][name]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let kind = item["kind"].as_str().unwrap().to_lowercase() + "s";
        last.insert((kind, text("namespace"), text("name")), item);
    }
    let state = state(&events);
    assert_eq!(state.len(), last.len());
    for ((resource, namespace, name), mut body) in state {
        let mut item = last[&(resource.clone(), namespace, name.clone())].clone();
        if resource == "secrets" {
            assert!(item["data"].is_object() && body["data"].is_null());
            for object in [&mut item, &mut body] {
                object.as_object_mut().unwrap().remove("data");
            }
        }
        // `kubectl get` does not show them.
        body["metadata"]
            .as_object_mut()
            .unwrap()
            .remove("managedFields");
        if let Some(annotations) = item.pointer_mut("/metadata/annotations") {
            let annotations = annotations.as_object_mut().unwrap();
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
            let is_empty = body.pointer("/metadata/annotations") == Some(&json!({}));
            if annotations.is_empty() && !is_empty {
                item["metadata"]
                    .as_object_mut()
                    .unwrap()
                    .remove("annotations");
            }
        }
        assert_eq!(body, item, "{resource} {name}");
    }
    assert!(!events.iter().any(|event| {
        event
            .body
            .as_ref()
            .is_some_and(|body| body.to_string().contains("TEFCU0VDUkVU"))
    }));
}

#[test]
fn names_tell_when_a_recording_began_and_no_change_comes_before_what_it_shows() {
    // As the recorder's own log and its program said.
    for (name, start, first) in [
        (
            "watches.yaml.zst",
            "2026-11-21T08:55:58.977595305Z",
            5_942_474_360,
        ),
        ("etcd.yaml.zst", "2026-11-21T08:55:58.951382990Z", 0),
    ] {
        let (report, events) = import_fixture(name);
        assert_eq!(
            report.time_span.unwrap().0,
            start.parse().unwrap(),
            "{name}"
        );
        let lost = lost(&report, Loss::ReceiveTimes);
        assert!(lost[0].0.contains("names of Jobs or Events"), "{lost:?}");
        let changes = events
            .iter()
            .filter(|event| event.certainty != Certainty::Listed);
        let zero = Timestamp(changes.clone().next().unwrap().ts.0 - first);
        let lead = zero.since(start.parse().unwrap());
        // The recorder of watches listed for 47 ms, as it said; that of etcd said nothing.
        let most = if first == 0 { 1500 } else { 47 };
        assert!(lead.as_millis() < most, "{name}: {lead:?}");
        for event in changes {
            let created = event
                .body
                .as_ref()
                .map(|body| &body["metadata"]["creationTimestamp"]);
            if let Some(created) = created.and_then(Value::as_str) {
                let created: Timestamp = created.parse().unwrap();
                assert!(created <= event.ts, "{} {}", event.resource, event.name);
                assert_eq!(created.0 % 1_000_000_000, 0);
            }
        }
    }
}

#[test]
fn a_recording_of_etcd_has_every_object_though_it_mixes_those_of_one_name() {
    let text = fixture_text("etcd.yaml.zst");
    let (report, events) = import_fixture("etcd.yaml.zst");
    assert_eq!(report.unreadable, 0);
    assert_eq!(events.len() as u64, counted(&text).values().sum::<u64>());
    assert!(lost(&report, Loss::Bodies).is_empty());
    let crossed: Vec<&Told> = events
        .iter()
        .filter(|event| event.certainty == Certainty::Inferred)
        .collect();
    let of = |resource: &str| {
        crossed
            .iter()
            .filter(|event| event.resource == resource)
            .count()
    };
    assert_eq!(
        crossed.len() as u64,
        report
            .notes
            .iter()
            .find(|note| note.0.contains("another kind"))
            .unwrap()
            .1
            .to_owned()
    );
    assert!(of("services") > 0 && of("deployments.apps") > 0 && of("endpoints") > 0);
    assert!(crossed.iter().all(|event| event.name == "web"));

    // The recorder of watches saw the same objects of the same run; all that it saw of `web` is
    // also here, in the same order. Labels of Jobs come from the API server only, not from etcd.
    let (_, watched) = import_fixture("watches.yaml.zst");
    for resource in [
        "deployments.apps",
        "services",
        "pods",
        "configmaps",
        "jobs.batch",
    ] {
        let versions = |events: &[Told]| -> Vec<(String, EventType, Value)> {
            let mut versions: Vec<(String, EventType, Value)> = events
                .iter()
                .filter(|event| event.resource == resource && event.namespace == "shop")
                .map(|event| {
                    let body = event.body.clone().unwrap_or_default();
                    let labels = match resource {
                        "jobs.batch" => &Value::Null,
                        _ => &body["metadata"]["labels"],
                    };
                    let parts = json!([body["spec"], labels, body["data"]]);
                    let event_type = match event.event_type {
                        EventType::Deleted => EventType::Deleted,
                        _ => EventType::Modified,
                    };
                    (event.uid.clone(), event_type, parts)
                })
                .collect();
            // Objects of one resource may come in any order; versions of one may not.
            versions.sort_by(|a, b| a.0.cmp(&b.0));
            versions
        };
        assert_eq!(versions(&events), versions(&watched), "{resource}");
    }
}

#[test]
fn plurals_made_from_the_kind_and_custom_kinds_are_put_right() {
    let text = fs::read_to_string(fixture("kectl.yaml")).unwrap();
    let (report, trace) = import_from(START, &text).unwrap();
    let events = events(&trace);
    let told: Vec<String> = events
        .iter()
        .map(|event| {
            format!(
                "{} {} {} {}",
                event.certainty, event.event_type, event.resource, event.name
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "listed ADDED ingresses.networking.k8s.io shop",
            "listed ADDED meshes.example.com east",
            "seen MODIFIED ingresses.networking.k8s.io shop",
            "seen MODIFIED meshes.example.com east",
            "seen ADDED endpoints web",
            "reported MODIFIED networkpolicies.networking.k8s.io nobody",
            "seen DELETED ingresses.networking.k8s.io shop",
        ],
    );
    let ingress = events[2].body.as_ref().unwrap();
    assert_eq!(
        ingress["spec"],
        json!({ "ingressClassName": "fast", "rules": [{ "host": "shop.example.com" }] })
    );
    let mesh = events[3].body.as_ref().unwrap();
    assert_eq!(
        mesh["spec"],
        json!({ "hops": [3], "limits": { "burst": 9, "rate": 5 } })
    );
    assert_eq!(mesh["metadata"]["finalizers"], json!(["example.com/wait"]));
    assert_eq!(events[6].uid, "u-ingress");
    assert_eq!(lost(&report, Loss::Kinds)[0].1, 5);
    assert_eq!(
        lost(&report, Loss::Bodies),
        [("a patch without the object that it changes", 1)]
    );
}

#[test]
fn two_clocks_are_brought_together_and_times_before_the_start_stay_there() {
    let text = fs::read_to_string(fixture("kectl.yaml")).unwrap();
    let (report, trace) = import_from("2026-03-01T10:00:00.6Z", &text).unwrap();
    let events = events(&trace);
    // Objects are made at whole seconds, so the start was at a quarter past one.
    let (first, _) = report.time_span.unwrap();
    assert_eq!(first.to_string(), "2026-03-01T10:00:00.250000000Z");
    let created =
        |at: usize| events[at].body.as_ref().unwrap()["metadata"]["creationTimestamp"].clone();
    assert_eq!(created(0), "2026-03-01T09:59:00Z");
    // The Endpoints were made 3.75 s after the start, and came 2 s after the first change.
    assert_eq!(created(4), "2026-03-01T10:00:04Z");
    assert_eq!(events[4].ts.to_string(), "2026-03-01T10:00:04.000000000Z");
    assert_eq!(events[2].ts.to_string(), "2026-03-01T10:00:02.000000000Z");
}

#[test]
fn a_recording_that_does_not_tell_when_it_began_needs_the_start() {
    let text = fs::read_to_string(fixture("kectl.yaml")).unwrap();
    let error = import_from("", &text).unwrap_err();
    assert!(matches!(error, Error::NoTime { .. }), "{error}");
    assert!(error.is_bad_request());
}

fn change(duration: i64, method: &str, name: &str, template: &str) -> String {
    let template = template.replace('\n', "\n  ");
    let template = if template.is_empty() {
        template
    } else {
        format!("template:\n  {template}\n")
    };
    format!(
        "apiVersion: action.kwok.x-k8s.io/v1alpha1\ndurationNanosecond: {duration}\nkind: ResourcePatch\nmethod: {method}\nresource:\n  resource: configmaps\n  version: v1\ntarget:\n  name: {name}\n  namespace: a\n{template}",
    )
}

fn config_map(name: &str, data: &str) -> String {
    format!(
        "apiVersion: v1\ndata:\n  value: {data}\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: a\n  uid: u-{name}\n"
    )
}

#[test]
fn changes_that_are_nearly_in_order_come_in_order_and_others_are_counted() {
    let mut documents = vec![change(10, "create", "a", &config_map("a", "\"0\""))];
    for value in 1..1500 {
        let patch = format!("data:\n  value: \"{value}\"");
        documents.push(change(10 + value, "patch", "a", &patch));
    }
    let early = documents.remove(400);
    documents.insert(1400, early);
    let (report, trace) = import_from(START, &documents.join("---\n")).unwrap();
    let values: Vec<String> = events(&trace)
        .iter()
        .map(|event| {
            event.body.as_ref().unwrap()["data"]["value"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    let expected: Vec<String> = (0..1500).map(|value| value.to_string()).collect();
    assert_eq!(values, expected);
    assert!(lost(&report, Loss::Order).is_empty());

    let early = documents.remove(100);
    documents.push(early);
    let (report, _) = import_from(START, &documents.join("---\n")).unwrap();
    assert_eq!(lost(&report, Loss::Order)[0].1, 1);
    assert_eq!(report.backward_times, 1);
}

#[test]
fn times_inside_of_texts_come_back_wherever_they_are_in_a_line() {
    // KWOK's own reader does not see a time on the border of its buffer of 4096 bytes.
    for before in 4060..4100 {
        let text = format!(
            "{} $(time-offset-nanosecond 1500000000) y",
            "x".repeat(before)
        );
        let object = config_map("a", &format!("'{{\"at\": \"{text}\"}}'"));
        let (report, trace) = import_from(START, &object).unwrap();
        let value = events(&trace)[0].body.as_ref().unwrap()["data"]["value"].clone();
        let expected = format!(
            "{{\"at\": \"{} 2026-03-01T10:00:01.500000Z y\"}}",
            "x".repeat(before)
        );
        assert_eq!(value, expected);
        assert_eq!(report.notes.values().sum::<u64>(), 1);
    }
}

#[test]
fn a_snapshot_without_changes_is_what_was_there() {
    let text = [
        config_map("a", "1"),
        config_map("b", "\"$(time-offset-nanosecond -1000000000)\""),
    ];
    let (report, trace) = import_from(START, &text.join("---\n")).unwrap();
    assert_eq!(told(&trace), ["listed ADDED a -", "listed ADDED b -"]);
    assert_eq!(report.resources["configmaps"].lists, 1);
    assert_eq!(
        events(&trace)[1].body.as_ref().unwrap()["data"]["value"],
        "2026-03-01T09:59:59Z"
    );
}

#[test]
fn a_patch_after_one_that_does_not_fit_is_reported_until_the_object_is_known_again() {
    let documents = [
        change(1, "create", "a", &config_map("a", "1")),
        change(2, "patch", "a", "metadata:\n  $patch: leap"),
        change(3, "patch", "a", "data:\n  value: \"3\""),
        change(4, "delete", "a", ""),
        change(5, "create", "a", &config_map("a", "5")),
        change(6, "create", "a", &config_map("a", "6")),
        change(7, "create", "b", &config_map("other", "7")),
        change(8, "leap", "a", ""),
        "kind: {\n".to_owned(),
        change(9, "create", "a", ""),
        // Cut off inside of a value.
        change(9, "create", "c", &config_map("c", "5"))
            .trim_end_matches("-c\n  \n")
            .to_owned(),
    ];
    let lines = |at: usize| documents[..at].join("---\n").lines().count() as u64;
    let starts: Vec<u64> = (0..documents.len()).map(|at| lines(at) + 2).collect();
    let (report, trace) = import_from(START, &documents.join("---\n")).unwrap();
    assert_eq!(
        told(&trace),
        [
            "seen ADDED a -",
            "reported MODIFIED a -",
            "reported MODIFIED a -",
            "seen DELETED a -",
            "seen ADDED a -",
            "seen MODIFIED a -",
        ],
    );
    let unreadable: Vec<(u64, &str)> = report
        .unreadable_lines
        .iter()
        .map(|told| {
            assert!(told.path.ends_with("recording.yaml"), "{}", told.path);
            (told.line, told.reason.as_str())
        })
        .collect();
    assert_eq!(report.unreadable, 5);
    // A document that does not fit is told when its turn comes, one that cannot be read at once.
    for (at, (document, reason)) in [
        (7, "unknown variant `leap`"),
        (8, "not YAML"),
        (9, "a change without its template"),
        (10, "the file ends inside of this document"),
        (6, "the object is not the one that the change names"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(unreadable[at].0, starts[document]);
        assert!(unreadable[at].1.contains(reason), "{unreadable:?}");
    }
    let bodies = lost(&report, Loss::Bodies);
    assert_eq!(bodies.iter().map(|loss| loss.1).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn a_second_recording_tells_deletes_only_if_its_snapshot_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let first = [config_map("a", "1"), config_map("b", "1")].join("---\n");
    for (number, (last, expected)) in [
        ("", vec!["coalesced MODIFIED a -", "inferred DELETED b -"]),
        ("---\nkind: {\n", vec!["coalesced MODIFIED a -"]),
    ]
    .into_iter()
    .enumerate()
    {
        let second = config_map("a", "2") + last;
        let paths: Vec<PathBuf> = [("first", &first), ("second", &second)]
            .into_iter()
            .map(|(name, text)| {
                let path = folder.path().join(format!("{name}-{number}.yaml"));
                fs::write(&path, text).unwrap();
                path
            })
            .collect();
        let output = folder.path().join(format!("{number}.kymo"));
        let mut options = ImportOptions::new(Some(Format::Kwok), paths, output.clone());
        options.missing_times = MissingTimes::Counted {
            start: START.parse().unwrap(),
            interval: Duration::ZERO,
        };
        run(&options).unwrap();
        let told = told(&Trace::open(&output).unwrap());
        assert_eq!(told[2..], expected, "{told:?}");
    }
}

#[test]
fn a_recording_that_comes_through_a_pipe_is_looked_through_first_all_the_same() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let bytes = fs::read(fixture("watches.yaml.zst")).unwrap();
    // It fits into the buffer of a pipe.
    writer.write_all(&bytes).unwrap();
    drop(writer);
    let folder = tempfile::tempdir().unwrap();
    let pipe = PathBuf::from(format!("/dev/fd/{}", reader.as_raw_fd()));
    let (report, _) = import_as(Format::Kwok, folder.path(), vec![pipe]);
    let (known, _) = import_fixture("watches.yaml.zst");
    assert_eq!(report.resources, known.resources);
    assert_eq!(report.time_span, known.time_span);
    assert_eq!(report.losses, known.losses);
}

#[test]
fn a_later_version_of_the_format_is_refused() {
    let text = change(1, "delete", "a", "").replace("v1alpha1", "v1");
    let error = import_from(START, &text).unwrap_err();
    assert!(matches!(error, Error::Version { .. }), "{error}");
}

#[test]
fn a_recording_that_is_cut_off_is_taken_up_to_there() {
    let bytes = fs::read(fixture("watches.yaml.zst")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.yaml.zst");
    fs::write(&path, &bytes[..bytes.len() - 400]).unwrap();
    let mut options = ImportOptions::new(
        Some(Format::Kwok),
        vec![path],
        folder.path().join("out.kymo"),
    );
    options.missing_times = MissingTimes::Counted {
        start: START.parse().unwrap(),
        interval: Duration::ZERO,
    };
    let report = run(&options).unwrap();
    assert_eq!(report.damaged.len(), 1);
    assert!(
        report.events() > 0 && report.events() < 178,
        "{}",
        report.events()
    );
}
