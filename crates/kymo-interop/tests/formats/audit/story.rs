//! A real API server's log against what etcd says happened: one story, logged at three levels.

use std::collections::BTreeMap;

use kymo_model::{Certainty, Event, EventType};
use serde_json::Value;

use super::{body, events, fixture, import, unpacked};

type Id = (String, String, String);

/// The versions of each object in one namespace, as etcd has them.
fn history(namespace: &str) -> BTreeMap<Id, Vec<Value>> {
    let mut history: BTreeMap<Id, Vec<Value>> = BTreeMap::new();
    for line in unpacked(&fixture("history.ndjson.gz")).lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |path: &str| line.pointer(path).and_then(Value::as_str).unwrap_or("");
        let (own, name) = (
            text("/object/metadata/namespace"),
            text("/object/metadata/name"),
        );
        if own == namespace || (own.is_empty() && name == namespace) {
            let id = (
                text("/resource").to_owned(),
                own.to_owned(),
                name.to_owned(),
            );
            history.entry(id).or_default().push(line.clone());
        }
    }
    history
}

fn told(namespace: &str) -> BTreeMap<Id, Vec<Event>> {
    let folder = tempfile::tempdir().unwrap();
    let (_, trace) = import(folder.path(), vec![fixture("audit.jsonl.gz")]);
    let mut told: BTreeMap<Id, Vec<Event>> = BTreeMap::new();
    for (resource, event) in events(&trace) {
        let key = &event.key;
        if key.namespace == namespace || (key.namespace.is_empty() && key.name == namespace) {
            let id = (resource, key.namespace.clone(), key.name.clone());
            told.entry(id).or_default().push(event);
        }
    }
    told
}

/// Whether the log can tell of a version. It has no request of its own for the step in which a pod
/// loses its grace period before it goes.
fn is_last_step(versions: &[Value], index: usize) -> bool {
    let next = versions.get(index + 1);
    versions[index]["resource"] == "pods"
        && versions[index]["type"] == "MODIFIED"
        && versions[index]["object"]["metadata"]["deletionGracePeriodSeconds"] == 0
        && next.is_some_and(|next| next["type"] == "DELETED")
}

#[test]
fn at_level_request_response_every_version_is_told_in_order() {
    let (history, told) = (history("full"), told("full"));
    assert_eq!(
        history.keys().collect::<Vec<_>>(),
        told.keys().collect::<Vec<_>>()
    );
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (id, versions) in &history {
        let expected: Vec<&Value> = (0..versions.len())
            .filter(|index| !is_last_step(versions, *index))
            .map(|index| &versions[index])
            .collect();
        let told = &told[id];
        assert_eq!(told.len(), expected.len(), "{id:?}");
        for (event, version) in told.iter().zip(expected) {
            assert_eq!(event.event_type.as_str(), version["type"], "{id:?}");
            assert_eq!(event.key.uid, version["uid"].as_str().unwrap(), "{id:?}");
            if let Some(rv) = &event.rv {
                assert_eq!(rv.as_str(), version["rv"], "{id:?}");
            }
            *counts.entry(event.certainty.as_str()).or_default() += 1;
            same_object(id, event, version);
        }
    }
    // Bindings, replicas, deletes of collections, and metadata that controllers ask for alone;
    // a collection's pods that go later, and an eviction.
    assert_eq!(counts["reported"], 3);
    assert!(
        counts["inferred"] >= 15 && counts["seen"] > 100,
        "{counts:?}"
    );
}

/// An object that was seen is the one in etcd; one that was inferred differs in what only the
/// server knows.
fn same_object(id: &Id, event: &Event, version: &Value) {
    let Some(mut found) = body(event) else { return };
    let mut expected = version["object"].clone();
    if event.event_type == EventType::Deleted {
        // The answer to a delete is older or newer than what etcd had last.
        assert_eq!(found["metadata"]["uid"], expected["metadata"]["uid"]);
        return;
    }
    for object in [&mut found, &mut expected] {
        let fields = object.as_object_mut().unwrap();
        if id.0 == "secrets" {
            for name in ["data", "stringData"] {
                fields.remove(name);
            }
        }
        let metadata = fields["metadata"].as_object_mut().unwrap();
        metadata.remove("annotations");
        if event.certainty == Certainty::Inferred {
            for name in ["resourceVersion", "generation", "managedFields"] {
                metadata.remove(name);
            }
            // The server notes when a pod was scheduled.
            fields
                .get_mut("status")
                .map(|status| status["conditions"].take());
        }
    }
    assert_eq!(spec(&found), spec(&expected), "{id:?} {}", version["rv"]);
    if event.certainty == Certainty::Seen {
        assert_eq!(found["metadata"], expected["metadata"], "{id:?}");
    }
}

fn spec(object: &Value) -> Vec<&Value> {
    ["spec", "data", "status"]
        .iter()
        .map(|name| &object[name])
        .collect()
}

#[test]
fn at_level_request_bodies_are_worked_out_and_none_is_wrong() {
    let (history, told) = (history("request"), told("request"));
    let mut worked_out = 0;
    for (id, told) in &told {
        // The server fills in defaults of these when it creates them.
        let has_defaults =
            ["pods", "deployments.apps", "replicasets.apps"].contains(&id.0.as_str());
        for event in told {
            let is_namespace = id.0 == "namespaces";
            assert!(is_namespace || event.rv.is_none(), "{id:?}");
            let Some(body) = body(event) else { continue };
            worked_out += 1;
            // What is gone has the object that was known last.
            let is_gone = event.event_type == EventType::Deleted;
            if is_namespace || is_gone || has_defaults || id.0 == "secrets" {
                continue;
            }
            assert_eq!(event.certainty, Certainty::Inferred, "{id:?}");
            assert_eq!(body["metadata"].get("resourceVersion"), None, "{id:?}");
            let mut versions = history[id].iter().map(|version| &version["object"]);
            let is_true = versions.any(|version| spec(version) == spec(&body));
            assert!(is_true, "{id:?} was never {body}");
        }
    }
    assert!(worked_out > 60, "{worked_out}");
    let types = |resource: &str, name: &str| -> Vec<String> {
        let id = (resource.to_owned(), "request".to_owned(), name.to_owned());
        told[&id]
            .iter()
            .map(|event| event.event_type.to_string())
            .collect()
    };
    // Its last finalizer is taken off after it was asked to go.
    assert_eq!(
        types("configmaps", "kept"),
        ["ADDED", "MODIFIED", "DELETED"]
    );
    assert_eq!(types("pods", "unscheduled"), ["ADDED", "DELETED"]);
    assert_eq!(types("pods", "fast").last().unwrap(), "DELETED");
    let id = ("namespaces".to_owned(), String::new(), "request".to_owned());
    assert_eq!(told[&id].last().unwrap().event_type, EventType::Deleted);
    let id = (
        "widgets.example.org".to_owned(),
        "request".to_owned(),
        "gear".to_owned(),
    );
    let scaled = body(&told[&id][3]).unwrap();
    assert_eq!(
        (&scaled["spec"]["replicas"], &scaled["spec"]["teeth"]),
        (&4.into(), &serde_json::json!([3]))
    );
}

#[test]
fn at_level_metadata_changes_are_told_without_objects() {
    let told = told("metadata");
    let types = |resource: &str, name: &str| -> Vec<String> {
        let id = (resource.to_owned(), "metadata".to_owned(), name.to_owned());
        told[&id]
            .iter()
            .map(|event| event.event_type.to_string())
            .collect()
    };
    for (id, events) in &told {
        for event in events.iter().filter(|_| id.0 != "namespaces") {
            assert_eq!(event.body, None, "{id:?}");
            assert_eq!(event.rv, None, "{id:?}");
        }
    }
    assert_eq!(
        types("widgets.example.org", "gear"),
        ["ADDED", "MODIFIED", "MODIFIED", "MODIFIED", "DELETED"]
    );
    // Whether the delete of an object with finalizers ended it is seen from the answer's status.
    assert_eq!(
        types("configmaps", "kept"),
        ["ADDED", "MODIFIED", "MODIFIED"]
    );
    let id = (
        "namespaces".to_owned(),
        String::new(),
        "metadata".to_owned(),
    );
    let last = told[&id].last().unwrap();
    assert_eq!(
        (last.event_type, last.certainty),
        (EventType::Deleted, Certainty::Reported)
    );
}

#[test]
fn who_did_it_is_told_and_in_whose_name() {
    let told = told("full");
    let id = ("configmaps".to_owned(), "full".to_owned(), "one".to_owned());
    let patch = told[&id][2].request.as_ref().unwrap();
    assert_eq!(patch.verb, "patch");
    assert_eq!(patch.username, "kymo-test-admin");
    assert_eq!(patch.groups, ["system:masters", "system:authenticated"]);
    assert_eq!(
        patch.impersonated_username.as_deref(),
        Some("alice@example.org")
    );
    assert_eq!(patch.source_ips, ["127.0.0.1"]);
    assert_eq!(patch.audit_id.len(), 36);
    let id = ("pods".to_owned(), "full".to_owned(), "slow".to_owned());
    let bound = told[&id][1].request.as_ref().unwrap();
    assert_eq!(bound.subresource.as_deref(), Some("binding"));
    assert!(
        bound
            .user_agent
            .as_deref()
            .unwrap()
            .starts_with("kube-scheduler/")
    );
    for event in told.values().flatten() {
        assert!(event.not_before.is_some_and(|before| before <= event.ts));
    }
}

#[test]
fn no_credential_of_a_secret_comes_over_at_any_level() {
    let folder = tempfile::tempdir().unwrap();
    let (report, trace) = import(folder.path(), vec![fixture("audit.jsonl.gz")]);
    assert!(report.redacted_objects >= 6);
    let log = unpacked(&fixture("audit.jsonl.gz"));
    assert!(log.contains("LABSECRET-patched") && log.contains("TEFCU0VDUkVU"));
    let mut secrets = 0;
    for (resource, event) in events(&trace) {
        let Some(body) = event.body else { continue };
        let text = std::str::from_utf8(&body).unwrap();
        secrets += u64::from(resource == "secrets");
        assert!(
            !text.contains("LABSECRET") && !text.contains("TEFCU0VDUkVU"),
            "{text}"
        );
    }
    assert!(secrets >= 6, "{secrets}");
}

#[test]
fn requests_that_changed_nothing_are_left_out_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let (report, _) = import(folder.path(), vec![fixture("audit.jsonl.gz")]);
    // A create and a patch, and a delete where its body is logged.
    assert_eq!(report.notes["left out: dry runs"], 8);
    assert!(report.notes["left out: refused requests (409)"] >= 6);
    assert_eq!(report.notes["left out: requests to token"], 3);
    // A patch that changes nothing gives the version that was there.
    assert!(report.resources["configmaps"].duplicates >= 1);
    assert_eq!(report.unreadable, 0);
}
