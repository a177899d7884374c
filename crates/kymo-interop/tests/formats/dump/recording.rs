//! A recording that is told as dumps at a few times gives what it held at these times.

use std::collections::BTreeSet;
use std::io::Read as _;

use kymo_model::Certainty::{Coalesced, Inferred};
use kymo_model::EventType::Deleted;
use serde::Deserialize;

use super::*;
use crate::support::shared_data;

#[derive(Deserialize)]
struct Line {
    recv: String,
    event: Option<Change>,
    list: Option<Value>,
}

#[derive(Deserialize)]
struct Change {
    r#type: String,
    object: Value,
}

/// The objects of a resource by uid.
type State = BTreeMap<String, Value>;

/// What one resource held at each of some seconds, read without any code of the import.
fn states(text: &str, seconds: &[u64]) -> Vec<State> {
    let mut lines: Vec<(Timestamp, &str)> = text
        .lines()
        .map(|line| {
            let time = line.strip_prefix("{\"recv\":\"").unwrap();
            (time.split('"').next().unwrap().parse().unwrap(), line)
        })
        .collect();
    lines.sort_by_key(|(time, _)| *time);
    let mut lines = lines.into_iter().peekable();
    let (mut state, mut states) = (State::new(), Vec::new());
    for second in seconds {
        while let Some((_, line)) = lines.next_if(|(time, _)| *time <= at(*second)) {
            take(&mut state, serde_json::from_str(line).unwrap());
        }
        states.push(state.clone());
    }
    states
}

fn take(state: &mut State, line: Line) {
    assert!(!line.recv.is_empty());
    if let Some(list) = line.list {
        let kind = list["kind"].as_str().unwrap().strip_suffix("List").unwrap();
        for item in list["items"].as_array().unwrap() {
            let mut item = item.clone();
            item["kind"] = json!(kind);
            item["apiVersion"] = list["apiVersion"].clone();
            state.insert(uid(&item), item);
        }
    }
    match line.event {
        Some(change) if change.r#type == "DELETED" => {
            state.remove(&uid(&change.object));
        }
        Some(change) if change.r#type != "BOOKMARK" => {
            state.insert(uid(&change.object), change.object);
        }
        _ => {}
    }
}

fn uid(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap().to_owned()
}

/// Takes out what is never stored.
fn redacted(mut object: Value) -> Value {
    if object["kind"] == "Secret" {
        object.as_object_mut().unwrap().remove("data");
    }
    if let Some(annotations) = object["metadata"].get_mut("annotations") {
        let annotations = annotations.as_object_mut().unwrap();
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
    object
}

fn rv(object: &Value) -> &str {
    object["metadata"]["resourceVersion"].as_str().unwrap()
}

/// Writes what `kubectl get -A` prints of each resource at each second, imports all of it and
/// compares with the recording.
fn compare(texts: &BTreeMap<String, String>, seconds: &[u64]) -> (u64, u64) {
    let folder = tempfile::tempdir().unwrap();
    let mut recorded: BTreeMap<String, Vec<State>> = BTreeMap::new();
    for (index, (stem, text)) in texts.iter().enumerate() {
        let states = states(text, seconds);
        for (round, state) in states.iter().enumerate() {
            let objects: Vec<Value> = state.values().cloned().collect();
            if objects.is_empty() {
                continue;
            }
            // Half of them in JSON, half in YAML, and each once in both.
            let (name, text) = if (index + round) % 2 == 0 {
                (
                    format!("{stem}-{round}.json"),
                    format!("{:#}", list(&objects)),
                )
            } else {
                (format!("{stem}-{round}.yaml"), yaml(&list(&objects)))
            };
            write(folder.path(), &name, text, seconds[round]);
        }
        let mut parts = stem.splitn(3, '_');
        let (group, _, plural) = (parts.next().unwrap(), parts.next(), parts.next().unwrap());
        let resource = match group {
            "core" => plural.to_owned(),
            group => format!("{plural}.{group}"),
        };
        recorded.insert(resource, states);
    }
    let dumped = import(&[folder.path().to_owned()]);
    assert_eq!(dumped.report.unreadable, 0, "{}", dumped.report.summary());
    assert!(
        dumped
            .report
            .guessed_plurals
            .iter()
            .all(|name| name.ends_with(".example.com"))
    );

    let (mut inferred, mut coalesced) = (0, 0);
    let mut known: BTreeMap<&str, State> = BTreeMap::new();
    for (resource, event) in dumped.events() {
        let (resource, states) = recorded.get_key_value(&resource).unwrap();
        let round = seconds
            .iter()
            .position(|second| at(*second) == event.ts)
            .unwrap();
        let there = states[round].get(&event.key.uid);
        let known = known.entry(resource).or_default();
        if event.event_type == Deleted {
            assert_eq!(
                (event.certainty, there),
                (Inferred, None),
                "{resource} {:?}",
                event.key
            );
            let shown = seconds.iter().rev().find(|second| at(**second) < event.ts);
            assert_eq!(event.not_before, shown.map(|second| at(*second)));
            assert!(known.remove(&event.key.uid).is_some());
            inferred += 1;
            continue;
        }
        let there = there.unwrap_or_else(|| panic!("invented {resource} {:?}", event.key));
        let body: Value = serde_json::from_slice(&event.body.unwrap()).unwrap();
        assert_eq!(body, redacted(there.clone()), "{resource} {:?}", event.key);
        let before = known.insert(event.key.uid, there.clone());
        assert_eq!(event.certainty == Coalesced, before.is_some());
        assert!(before.is_none_or(|before| rv(&before) != rv(there)));
        coalesced += u64::from(event.certainty == Coalesced);
    }
    // What is left is what was there at the end, but for what no list shows to be gone.
    for (resource, states) in &recorded {
        let last = states.last().unwrap();
        let left = known.remove(resource.as_str()).unwrap_or_default();
        for (uid, object) in last {
            let found = left
                .get(uid)
                .unwrap_or_else(|| panic!("{resource} {uid} is missing"));
            assert_eq!(rv(found), rv(object), "{resource} {uid}");
        }
        let namespaces: BTreeSet<&str> = last
            .values()
            .filter_map(|object| object["metadata"]["namespace"].as_str())
            .collect();
        for (uid, object) in left.iter().filter(|(uid, _)| !last.contains_key(*uid)) {
            let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
            let is_shown = namespaces.len() > 1 || namespaces.contains(namespace);
            assert!(!is_shown, "{resource} {uid} is gone and still there");
        }
    }
    (inferred, coalesced)
}

/// The files of a recording put together by resource.
fn read_folder(folder: &Path) -> BTreeMap<String, String> {
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        add(
            &mut texts,
            path.to_str().unwrap(),
            &fs::read_to_string(&path).unwrap(),
        );
    }
    texts
}

fn add(texts: &mut BTreeMap<String, String>, path: &str, text: &str) {
    let name = path.rsplit('/').next().unwrap();
    let stem = name
        .strip_suffix(".list.json")
        .or_else(|| name.strip_suffix(".ndjson"));
    if let Some(stem) = stem.filter(|stem| !stem.starts_with('_')) {
        texts.entry(stem.to_owned()).or_default().push_str(text);
    }
}

/// Seconds after midnight of a minute and a second past two.
fn past_two(minute: u64, second: u64) -> u64 {
    2 * 3600 + minute * 60 + second
}

#[test]
fn the_recorded_rollout_is_what_its_dumps_tell() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/streams/edge-auth");
    // The last lists are empty or have one namespace: nothing shows that the backups are gone.
    let seconds = [
        past_two(8, 30),
        past_two(9, 20),
        past_two(12, 0),
        past_two(20, 0),
    ];
    let (inferred, coalesced) = compare(&read_folder(&folder), &seconds);
    assert!(inferred == 0 && coalesced > 3, "{inferred} {coalesced}");
}

/// Resources of the whole recording that have objects in several namespaces, or none.
const RESOURCES: [&str; 8] = [
    "apps_v1_deployments",
    "apps_v1_replicasets",
    "batch_v1_jobs",
    "core_v1_nodes",
    "core_v1_pods",
    "core_v1_secrets",
    "discovery.k8s.io_v1_endpointslices",
    "storage.example.com_v1alpha1_backups",
];

#[test]
fn the_whole_recording_is_what_its_dumps_tell() {
    let Some(archive) = shared_data("recorded/control-plane-2100-pods.tar.zst") else {
        return;
    };
    let decoder = zstd::stream::read::Decoder::new(fs::File::open(&archive).unwrap()).unwrap();
    let mut texts = BTreeMap::new();
    for entry in tar::Archive::new(decoder).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        if RESOURCES
            .iter()
            .any(|resource| path.contains(&format!("{resource}.")))
        {
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            add(&mut texts, &path, &text);
        }
    }
    assert_eq!(texts.len(), RESOURCES.len());
    let seconds = [past_two(10, 0), past_two(14, 0)];
    let (inferred, coalesced) = compare(&texts, &seconds);
    assert!(inferred > 100 && coalesced > 100, "{inferred} {coalesced}");
}
