//! Histories written as KWOK writes them come back as they were, but for what the report names.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use kymo_model::{Certainty, Clock, EventType, ManualClock, Timestamp};
use kymo_store::Trace;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::document::{Method, ResourceName, ResourcePatch, Target};
use super::tokens::TOKEN;
use crate::{Format, ImportOptions, Loss, MissingTimes, import};

/// When the command was started: not at a whole second.
const START: i64 = 1_700_000_000_250_000_000;
/// How much later the clock of changes begins.
const LEAD: i64 = 1_500_000_000;

/// A change of one object, or the object as it was at the start.
#[derive(Clone, Debug)]
struct Step {
    name: usize,
    act: u8,
    after: i64,
    content: Content,
}

/// What differs between versions.
#[derive(Clone, Debug)]
struct Content {
    containers: Vec<(&'static str, u8)>,
    finalizers: Vec<&'static str>,
    labels: Vec<(&'static str, &'static str)>,
    note: i64,
}

fn content() -> impl Strategy<Value = Content> {
    let containers = select(vec![
        vec!["a"],
        vec!["a", "b"],
        vec!["b", "a"],
        vec!["c", "a", "b"],
        vec!["b", "d"],
    ]);
    let versions = vec(0..3u8, 4);
    let finalizers = select(vec![vec![], vec!["x"], vec!["y", "x"], vec!["x", "z"]]);
    let labels = select(vec![vec![], vec![("l", "1")], vec![("l", "2"), ("m", "1")]]);
    (containers, versions, finalizers, labels, 0..5i64).prop_map(
        |(names, versions, finalizers, labels, note)| Content {
            containers: names.into_iter().zip(versions).collect(),
            finalizers,
            labels,
            note,
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..3usize, 0..4u8, 1..3_000_000_000i64, content());
    let step = step.prop_map(|(name, act, after, content)| Step {
        name,
        act,
        after,
        content,
    });
    vec(step, 1..25)
}

fn time(nanos: i64) -> String {
    Timestamp(nanos).to_string().replace(".000000000Z", "Z")
}

/// Makes a pod; it was created in the second of `born`.
fn pod(name: usize, life: u64, born: i64, content: &Content) -> Value {
    let mut metadata = json!({
        "annotations": { "note": format!("until {} or so", time(1_900_000_000_000_000_000 + content.note)) },
        "creationTimestamp": time(born - born.rem_euclid(1_000_000_000)),
        "name": format!("pod-{name}"), "namespace": "shop", "uid": format!("uid-{name}-{life}"),
    });
    if !content.finalizers.is_empty() {
        metadata["finalizers"] = json!(content.finalizers);
    }
    if !content.labels.is_empty() {
        let labels = content
            .labels
            .iter()
            .map(|(key, value)| (key.to_string(), json!(value)));
        metadata["labels"] = Value::Object(labels.collect());
    }
    let containers: Vec<Value> = content
        .containers
        .iter()
        .map(|(name, version)| json!({ "image": format!("{name}:{version}"), "name": name }))
        .collect();
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": { "containers": containers },
    });
    pod.sort_all_objects();
    pod
}

/// Makes the strategic merge patch from one pod to another as KWOK's library does.
fn diff(before: &Value, after: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        unreachable!()
    };
    let mut patch = Map::new();
    for (key, value) in new {
        match (old.get(key), value) {
            (Some(same), _) if same == value => {}
            (Some(Value::Object(_)), Value::Object(_)) => {
                patch.insert(key.clone(), diff(&old[key], value));
            }
            (Some(Value::Array(old)), Value::Array(new)) if key == "containers" => {
                let named = |list: &[Value], name: &Value| {
                    list.iter()
                        .find(|element| element["name"] == *name)
                        .cloned()
                };
                let changed = new
                    .iter()
                    .filter_map(|element| match named(old, &element["name"]) {
                        None => Some(element.clone()),
                        Some(same) if same == *element => None,
                        Some(other) => {
                            let mut patch = diff(&other, element);
                            patch["name"] = element["name"].clone();
                            Some(patch)
                        }
                    });
                let gone = old
                    .iter()
                    .filter(|element| named(new, &element["name"]).is_none());
                let gone =
                    gone.map(|element| json!({ "$patch": "delete", "name": element["name"] }));
                let elements: Vec<Value> = changed.chain(gone).collect();
                let order = new.iter().map(|element| json!({ "name": element["name"] }));
                patch.insert("$setElementOrder/containers".into(), order.collect());
                patch.insert(key.clone(), elements.into());
            }
            (Some(Value::Array(old)), Value::Array(new)) if key == "finalizers" => {
                let only = |these: &[Value], those: &[Value]| -> Vec<Value> {
                    these
                        .iter()
                        .filter(|one| !those.contains(one))
                        .cloned()
                        .collect()
                };
                let lists = [
                    ("$deleteFromPrimitiveList/finalizers", only(old, new)),
                    ("$setElementOrder/finalizers", new.clone()),
                    ("finalizers", only(new, old)),
                ];
                for (key, list) in lists {
                    if !list.is_empty() {
                        patch.insert(key.into(), list.into());
                    }
                }
            }
            _ => {
                patch.insert(key.clone(), value.clone());
            }
        }
    }
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    Value::Object(patch)
}

/// Replaces times as KWOK does, in texts of any member.
fn without_times(text: &str) -> String {
    let mut replaced = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("20") {
        let (before, behind) = rest.split_at(at);
        replaced.push_str(before);
        let end = behind.find('Z').map_or(0, |end| end + 1);
        rest = if let Ok(time) = behind[..end].parse::<Timestamp>() {
            write!(replaced, "{TOKEN}{})", time.0 - START).unwrap();
            &behind[end..]
        } else {
            replaced.push_str("20");
            &behind[2..]
        };
    }
    replaced + rest
}

/// What a trace must have of an event.
type Told = (EventType, i64, String, Option<Value>);

struct Written {
    text: String,
    listed: Vec<Value>,
    changes: Vec<Told>,
}

/// Writes a history.
fn write(known: usize, steps: &[Step]) -> Written {
    let mut live: BTreeMap<usize, Value> = BTreeMap::new();
    let mut lives = [0; 3];
    let mut documents = Vec::new();
    let mut listed = Vec::new();
    for (name, step) in steps.iter().enumerate().take(known.min(3)) {
        let pod = pod(name, 0, START - 90_000_000_000, &step.content);
        live.insert(name, pod.clone());
        documents.push(pod.clone());
        listed.push(pod);
    }
    let mut changes = Vec::new();
    let mut duration = 0;
    for Step {
        name,
        act,
        after,
        content,
    } in steps
    {
        duration += after;
        let at = START + LEAD + duration;
        let before = live.get(name).cloned();
        let (method, template, event_type, body) = match (before, act) {
            (None, _) => {
                lives[*name] += 1;
                let pod = pod(*name, lives[*name], at, content);
                live.insert(*name, pod.clone());
                (
                    Method::Create,
                    Some(pod.clone()),
                    EventType::Added,
                    Some(pod),
                )
            }
            (Some(before), 0) => {
                live.remove(name);
                (Method::Delete, None, EventType::Deleted, Some(before))
            }
            (Some(before), _) => {
                let mut pod = pod(*name, lives[*name], at, content);
                pod["metadata"]["creationTimestamp"] =
                    before["metadata"]["creationTimestamp"].clone();
                let patch = diff(&before, &pod);
                live.insert(*name, pod.clone());
                (Method::Patch, Some(patch), EventType::Modified, Some(pod))
            }
        };
        changes.push((event_type, at, format!("pod-{name}"), body));
        let patch = ResourcePatch {
            duration_nanosecond: duration,
            method,
            resource: ResourceName {
                group: String::new(),
                version: "v1".into(),
                resource: "pods".into(),
            },
            target: Target {
                name: format!("pod-{name}"),
                namespace: "shop".into(),
            },
            template,
        };
        documents.push(patch.to_document());
    }
    // KWOK's files are nearly in order.
    let first = documents.len() - changes.len();
    for pair in documents[first..].chunks_exact_mut(2) {
        pair.swap(0, 1);
    }
    let documents: Vec<String> = documents
        .iter()
        .map(|document| {
            serde_saphyr::to_string(document)
                .unwrap()
                .trim_end()
                .to_owned()
                + "\n"
        })
        .collect();
    Written {
        text: without_times(&documents.join("---\n")),
        listed,
        changes,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_written_as_kwok_writes_it_comes_back(known in 0..4usize, steps in steps()) {
        let written = write(known, &steps);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recording.yaml");
        std::fs::write(&path, &written.text).unwrap();
        let output = folder.path().join("out.kymo");
        let mut options = ImportOptions::new(Some(Format::Kwok), vec![path], output.clone());
        // The user knows the second.
        options.missing_times = MissingTimes::Counted {
            start: Timestamp(START - 200_000_000),
            interval: Duration::ZERO,
        };
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp(START)));
        let report = import(&options, &clock, &mut |_| ControlFlow::Continue(())).unwrap();
        prop_assert_eq!(report.unreadable, 0);

        let trace = Trace::open(&output).unwrap();
        let mut rows: Vec<_> = trace.rows().unwrap().map(Result::unwrap).collect();
        rows.sort_by_key(|row| row.seq);
        let body = |bytes: Option<Arc<[u8]>>| -> Option<Value> {
            bytes.map(|bytes| serde_json::from_slice(&bytes).unwrap())
        };
        let (first, then) = rows.split_at(written.listed.len());
        for (row, pod) in first.iter().zip(&written.listed) {
            prop_assert_eq!(row.event.certainty, Certainty::Listed);
            prop_assert_eq!(body(row.event.body.clone()), Some(pod.clone()));
            prop_assert_eq!(row.event.ts, Timestamp(START));
        }
        prop_assert_eq!(then.len(), written.changes.len());
        // Times are right to within what the file cannot tell: how far its zeros are apart.
        let shift = then.first().map_or(0, |row| row.event.ts.0 - written.changes[0].1);
        prop_assert!((-1_000_000_000 - LEAD..=0).contains(&shift), "{}", shift);
        for (row, (event_type, at, name, pod)) in then.iter().zip(written.changes) {
            let event = &row.event;
            prop_assert_eq!(event.certainty, Certainty::Seen);
            prop_assert_eq!((event.event_type, &event.key.name), (event_type, &name));
            prop_assert_eq!(event.ts.0 - at, shift);
            prop_assert_eq!(&event.key.uid, pod.as_ref().unwrap()["metadata"]["uid"].as_str().unwrap());
            prop_assert_eq!(body(event.body.clone()), pod);
            prop_assert_eq!(&event.rv, &None);
        }
        let named: Vec<Loss> = report.losses.iter().map(|loss| loss.what).collect();
        let allowed = [Loss::Gaps, Loss::ReceiveTimes, Loss::ResourceVersions];
        prop_assert!(named.iter().all(|loss| allowed.contains(loss)), "{:?}", report.losses);
    }
}
