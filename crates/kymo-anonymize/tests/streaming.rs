//! What is replaced while it is recorded has the pseudonyms that it has afterwards.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use kymo_anonymize::{AnonymizationPolicy, Anonymizer, Key, Settings};
use kymo_model::{ObjectKey, ResourceType};
use serde_json::{Value, json};

fn resource(group: &str, plural: &str, kind: &str) -> ResourceType {
    ResourceType {
        group: group.to_owned(),
        version: "v1".to_owned(),
        resource: plural.to_owned(),
        kind: kind.to_owned(),
        namespaced: kind != "Node",
    }
}

fn key_of(object: &Value) -> ObjectKey {
    let text = |field: &str| {
        object["metadata"][field]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    ObjectKey {
        namespace: text("namespace"),
        name: text("name"),
        uid: text("uid"),
    }
}

fn objects() -> Vec<(ResourceType, Value)> {
    let owner = |kind: &str, name: &str| json!([{"kind": kind, "name": name, "uid": "0c1f8a77-9b1d-4d4c-8a86-ac3e2b100001"}]);
    let object = |kind: &str, name: &str, owners: Value, spec: Value| {
        json!({"kind": kind, "metadata": {"name": name, "namespace": "acme-pay", "ownerReferences": owners,
            "uid": "0c1f8a77-9b1d-4d4c-8a86-ac3e2b100001", "creationTimestamp": "2026-03-02T10:00:00Z"}, "spec": spec})
    };
    let mut set = object(
        "ReplicaSet",
        "acme-api-7c9f8b6d5",
        owner("Deployment", "acme-api"),
        json!({}),
    );
    let mut pod = object(
        "Pod",
        "acme-api-7c9f8b6d5-x2x9z",
        owner("ReplicaSet", "acme-api-7c9f8b6d5"),
        json!({"nodeName": "oslo-rack-7", "containers": [{"name": "main", "image": "registry.acme.io/pay:1.2"}],
            "serviceAccountName": "acme-runner"}),
    );
    for object in [&mut set, &mut pod] {
        object["metadata"]["labels"] = json!({"pod-template-hash": "7c9f8b6d5", "app": "acme-api"});
    }
    pod["metadata"]["generateName"] = "acme-api-7c9f8b6d5-".into();
    pod["status"] = json!({"podIP": "10.42.7.9", "hostIP": "192.168.4.4"});
    let event = json!({"kind": "Event", "metadata": {"name": "acme-api-7c9f8b6d5-x2x9z.18a1b2c3d4e5f607",
        "namespace": "acme-pay"}, "involvedObject": {"kind": "Pod", "namespace": "acme-pay",
        "name": "acme-api-7c9f8b6d5-x2x9z"}, "reason": "Scheduled", "source": {"component": "kubelet", "host": "oslo-rack-7"}});
    // The pod that everything else tells of comes last.
    vec![
        (resource("", "events", "Event"), event),
        (resource("apps", "replicasets", "ReplicaSet"), set),
        (
            resource("apps", "deployments", "Deployment"),
            object("Deployment", "acme-api", json!([]), json!({})),
        ),
        (
            resource("batch", "jobs", "Job"),
            object(
                "Job",
                "close-29543284",
                owner("CronJob", "close"),
                json!({}),
            ),
        ),
        (
            resource("", "nodes", "Node"),
            json!({"kind": "Node", "metadata": {"name": "oslo-rack-7"},
            "spec": {"podCIDR": "10.42.7.0/24", "taints": [{"key": "acme.io/gpu", "value": "x", "effect": "NoSchedule"}]}}),
        ),
        (resource("", "pods", "Pod"), pod),
    ]
}

fn replaced(anonymizer: &mut Anonymizer) -> Vec<Value> {
    let each = objects().into_iter().map(|(resource, mut object)| {
        anonymizer
            .object(&resource, &mut object, Some("1"))
            .unwrap();
        object
    });
    each.collect()
}

#[test]
fn an_object_is_the_same_before_and_after_everything_else_is_known() {
    let key = Key::new([5; 32]);
    let policy = AnonymizationPolicy::share();
    let mut learned = Anonymizer::new(&key, policy.clone(), Settings::default());
    for (resource, object) in objects() {
        learned
            .learn(&resource, &key_of(&object), Some(&object), None)
            .unwrap();
    }
    let afterwards = replaced(&mut learned);
    let mut recording = Anonymizer::while_recording(&key, policy, Settings::default());
    let meanwhile = replaced(&mut recording);
    for (one, other) in afterwards.iter().zip(&meanwhile) {
        assert_eq!(one, other);
    }
    let all = serde_json::to_string(&meanwhile).unwrap();
    assert!(!all.contains("acme") && !all.contains("oslo"), "{all}");
}

#[test]
fn free_text_and_public_labels_are_dropped_while_recording_whatever_a_policy_says() {
    let policy = AnonymizationPolicy::profile("vendor").unwrap();
    let mut recording =
        Anonymizer::while_recording(&Key::new([5; 32]), policy, Settings::default());
    let mut object = json!({"kind": "Event", "metadata": {"name": "x", "labels": {"app.kubernetes.io/name": "zulu"}},
        "reason": "Failed", "count": 3, "message": "pod zulu was scheduled"});
    recording
        .object(&resource("", "events", "Event"), &mut object, Some("1"))
        .unwrap();
    assert_eq!(
        (&object["reason"], &object["count"]),
        (&json!("Failed"), &json!(3))
    );
    let text = object.to_string();
    assert!(
        !text.contains("zulu") && !text.contains("scheduled"),
        "{text}"
    );
}

#[test]
fn what_is_remembered_while_recording_is_bounded_and_pseudonyms_stay_the_same() {
    let small = Settings {
        memory: 4_000,
        ..Settings::default()
    };
    let mut recording =
        Anonymizer::while_recording(&Key::new([5; 32]), AnonymizationPolicy::share(), small);
    let mut name = |number: usize| {
        let key = ObjectKey {
            namespace: "a".to_owned(),
            name: format!("n-{number}"),
            uid: String::new(),
        };
        recording
            .key(&resource("", "pods", "Pod"), &key)
            .unwrap()
            .name
    };
    let first = name(0);
    for number in 1..500 {
        name(number);
    }
    assert_eq!(name(0), first);
}
