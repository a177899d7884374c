//! What is made has the fields that a real API server, its controllers and kubelets write.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kymo_model::EventType;
use kymo_store::Trace;
use kymo_synth::{LabelValue, Manifest, Plan, With};
use serde_json::Value;

use crate::workbench::{Made, SECOND, make, nodes, workload};

/// A recorded rollout; see `fixtures/README.md`.
fn recorded() -> Made {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/rollout.parquet");
    let trace = Trace::open(&path).unwrap();
    Made {
        rows: trace.rows().unwrap().map(Result::unwrap).collect(),
        feeds: trace.feeds().clone(),
    }
}

/// Collects the paths of all fields; items of lists are told apart by their type or name.
fn paths(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let is_free = path.ends_with("/labels")
                    || path.ends_with("/annotations")
                    || path.ends_with("/matchLabels")
                    || name == "managedFields";
                if is_free {
                    continue;
                }
                paths(member, &format!("{path}/{name}"), found);
            }
            if members.is_empty() {
                found.insert(path.to_owned());
            }
        }
        Value::Array(items) => {
            for item in items {
                let key = item.get("type").and_then(Value::as_str).unwrap_or("*");
                paths(item, &format!("{path}[{key}]"), found);
            }
        }
        _ => {
            found.insert(path.to_owned());
        }
    }
}

/// What stage of its life a pod is in.
fn stage(event: EventType, pod: &Value) -> String {
    let phase = pod["status"]["phase"].as_str().unwrap_or_default();
    let is = |pointer: &str| pod.pointer(pointer).is_some();
    let conditions = pod["status"]["conditions"].as_array();
    let ready = conditions
        .into_iter()
        .flatten()
        .any(|each| each["type"] == "Ready" && each["status"] == "True");
    format!(
        "{event} {phase} bound:{} accepted:{} ready:{ready} leaves:{}",
        is("/spec/nodeName"),
        is("/status/startTime"),
        is("/metadata/deletionTimestamp"),
    )
}

fn stages(
    made: &Made,
    kind: &str,
    stage: impl Fn(EventType, &Value) -> String,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut stages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, life) in made.lives(kind) {
        if kind == "Pod" && !name.starts_with("checkout-") {
            continue;
        }
        for (event, object) in life {
            let found = stages.entry(stage(event, &object)).or_default();
            paths(&object, "", found);
        }
    }
    stages
}

/// The Deployment of the recording, made again.
fn remade(recorded: &Made) -> Made {
    let (_, life) = recorded
        .lives("Deployment")
        .into_iter()
        .find(|(name, _)| name.starts_with("checkout "))
        .unwrap();
    let mut object = life[0].1.clone();
    object["metadata"]
        .as_object_mut()
        .unwrap()
        .retain(|name, _| name == "labels");
    let node = recorded.lives("Node").into_values().next().unwrap();
    let labels = node[0].1["metadata"]["labels"].as_object().unwrap();
    let mut order = workload(
        "Deployment",
        "checkout",
        "{kind: Deployment, apiVersion: apps/v1}",
    );
    order.manifests = vec![Manifest {
        object,
        file: "recorded".to_owned(),
        line: 1,
    }];
    order.until = Some(40 * SECOND);
    order.with = With {
        events: true,
        ..With::default()
    };
    let mut fleet = nodes(3);
    for label in [
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
    ] {
        if let Some(value) = labels.get(label).and_then(Value::as_str) {
            fleet
                .labels
                .push((label.to_owned(), LabelValue::Fixed(value.to_owned())));
        }
    }
    make(&Plan {
        nodes: vec![fleet],
        workloads: vec![order],
        ..Plan::default()
    })
}

#[test]
fn pods_have_the_fields_of_recorded_pods_at_each_stage_of_their_lives() {
    let recorded = recorded();
    let made = remade(&recorded);
    let (expected, found) = (stages(&recorded, "Pod", stage), stages(&made, "Pod", stage));
    let mut shared = 0;
    for (stage, found) in &found {
        let Some(expected) = expected.get(stage) else {
            continue;
        };
        shared += 1;
        let missing: Vec<_> = expected
            .difference(found)
            .filter(|path| !is_of_one_run(path))
            .collect();
        let more: Vec<_> = found
            .difference(expected)
            .filter(|path| !is_of_one_run(path) && !is_of_kubelet(path))
            .collect();
        assert!(
            missing.is_empty() && more.is_empty(),
            "{stage}: missing {missing:#?}, more {more:#?}"
        );
    }
    assert!(shared >= 5, "{:#?} {:#?}", expected.keys(), found.keys());
}

/// Fields that tell of what happened to happen in the recording.
fn is_of_one_run(path: &str) -> bool {
    path.contains("[DisruptionTarget]")
        || path.contains("/lastState/")
        || path.ends_with("/waiting/message")
}

/// Fields of the status that kubelets write, and the fake ones of the recording do not.
fn is_of_kubelet(path: &str) -> bool {
    const FIELDS: [&str; 10] = [
        "/containerID",
        "observedGeneration",
        "/message",
        "/volumeMounts",
        "/hostIPs",
        "/podIPs",
        "/allocatedResources",
        "/resources",
        "/user",
        "/reason",
    ];
    path.starts_with("/status/") && FIELDS.iter().any(|field| path.contains(field))
}

#[test]
fn replica_sets_and_deployments_have_the_fields_of_recorded_ones() {
    let recorded = recorded();
    let made = remade(&recorded);
    for kind in ["ReplicaSet", "Deployment"] {
        let all = |made: &Made| {
            let mut found = BTreeSet::new();
            for (name, life) in made.lives(kind) {
                if name.starts_with("checkout") {
                    for (_, object) in life {
                        paths(&object, "", &mut found);
                    }
                }
            }
            found
        };
        let (expected, found) = (all(&recorded), all(&made));
        let more: Vec<_> = found.difference(&expected).collect();
        assert!(more.is_empty(), "{kind}: {more:#?}");
        let missing: Vec<_> = expected.difference(&found).collect();
        assert!(
            missing
                .iter()
                .all(|path| path.contains("/template/") || path.contains("deletion")),
            "{kind}: {missing:#?}"
        );
    }
}

#[test]
fn nodes_have_the_fields_of_recorded_nodes() {
    let recorded = recorded();
    let made = remade(&recorded);
    let first = |made: &Made| {
        let mut found = BTreeSet::new();
        let node = made.lives("Node").into_values().next().unwrap();
        paths(&node[0].1, "", &mut found);
        found
    };
    let (expected, found) = (first(&recorded), first(&made));
    let missing: Vec<_> = expected.difference(&found).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}
