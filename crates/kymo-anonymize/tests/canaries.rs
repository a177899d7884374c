//! Nothing of what stands in an object may be found in what comes out, wherever it stood.

#![expect(clippy::unwrap_used, reason = "helpers of a test may fail it")]

use std::collections::BTreeSet;
use std::io::Read as _;

use kymo_anonymize::{AnonymizationPolicy, Anonymizer, Key, Settings};
use kymo_model::{ObjectKey, ResourceType};
use serde_json::Value;

/// Objects of every kind of the API with every field set, from github.com/kubernetes/api.
const OBJECTS: &[u8] = include_bytes!("../../../fixtures/api/objects.ndjson.gz");

fn objects() -> Vec<Value> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(OBJECTS)
        .read_to_string(&mut text)
        .unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn anonymizer(policy: &str) -> Anonymizer {
    let policy = AnonymizationPolicy::profile(policy).unwrap();
    Anonymizer::new(&Key::new([7; 32]), policy, Settings::default())
}

fn resource(object: &Value) -> ResourceType {
    let text = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
    let api_version = text("apiVersion");
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    ResourceType {
        group: group.to_owned(),
        version: version.to_owned(),
        resource: text("kind").to_ascii_lowercase() + "s",
        kind: text("kind"),
        namespaced: true,
    }
}

/// Shows an object to the anonymizer and returns what becomes of it.
fn anonymize(anonymizer: &mut Anonymizer, object: &Value) -> Value {
    let resource = resource(object);
    let metadata = |field: &str| {
        object["metadata"][field]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let key = ObjectKey {
        namespace: metadata("namespace"),
        name: metadata("name"),
        uid: metadata("uid"),
    };
    anonymizer
        .learn(&resource, &key, Some(object), None)
        .unwrap();
    let mut replaced = object.clone();
    anonymizer
        .object(&resource, &mut replaced, Some("1"))
        .unwrap();
    replaced
}

/// Puts a canary in place of every text and of every key that is not a field of the API.
fn plant(value: &mut Value, path: &str, form: &dyn Fn(usize) -> String, planted: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            if path == ".kind" || path == ".apiVersion" {
                return;
            }
            *text = form(planted.len());
            planted.push(text.clone());
        }
        Value::Array(items) => {
            for item in items {
                plant(item, path, form, planted);
            }
        }
        Value::Object(members) => {
            for (key, mut member) in std::mem::take(members) {
                plant(&mut member, &format!("{path}.{key}"), form, planted);
                // The fixture calls the entries of its maps by the name of the field and `Key`.
                let key = if key.ends_with("Key") && !key.ends_with("ologyKey") {
                    let key = form(planted.len());
                    planted.push(key.clone());
                    key
                } else {
                    key
                };
                members.insert(key, member);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Looks for the word that every canary holds, as it is and in base64.
fn assert_none_survives(object: &Value, found: &Value) {
    let text = found.to_string();
    let kind = &object["kind"];
    assert!(
        !text.to_ascii_lowercase().contains("canary"),
        "{kind}: {text}"
    );
    for encoded in ["Y2FuYXJ5", "NhbmFye", "jYW5hcn", "Q2FuYXJ5", "NDYW5hcn"] {
        assert!(!text.contains(encoded), "{kind}: {text}");
    }
}

#[test]
fn no_text_of_any_field_of_any_kind_survives() {
    let forms: [&dyn Fn(usize) -> String; 7] = [
        &|number| format!("canary-{number:05}-web"),
        &|number| format!("Canary{number:05}Reason"),
        &|number| format!("https://canary:canary@canary{number:05}.example.com/canary?q=canary"),
        &|number| {
            format!("registry.canary.example:5000/canary/app{number:05}:canary@sha256:canary")
        },
        &|number| format!("canary{number:05}@canary.example.com"),
        &|number| format!("canary.example.com/canary{number:05}"),
        &|number| format!("The pod canary{number:05} of \"team-canary\" failed: {{\"canary\":1}}"),
    ];
    let objects = objects();
    assert!(objects.len() > 150);
    for form in forms {
        let mut anonymizer = anonymizer("share");
        let mut count = 0;
        for mut object in objects.clone() {
            let mut planted = Vec::new();
            plant(&mut object, "", form, &mut planted);
            count += planted.len();
            let found = anonymize(&mut anonymizer, &object);
            assert_none_survives(&object, &found);
        }
        assert!(count > 10_000, "{count}");
    }
}

#[test]
fn ids_addresses_and_hashes_do_not_survive_anywhere() {
    let forms: [&dyn Fn(usize) -> String; 5] = [
        &|number| {
            format!(
                "3c9f{:04x}-7b1e-4d55-9a0c-{:012x}",
                number % 65_536,
                0xca0_0000 + number
            )
        },
        &|number| format!("10.{}.{}.7", 1 + number % 200, number / 200 % 200),
        &|number| format!("2001:db8:{:x}::ca", number % 65_535 + 1),
        &|number| format!("{:064x}", 0xdead_beef_u64 * (number as u64 + 1)),
        &|number| format!("9184{number:08}"),
    ];
    for form in forms {
        let mut anonymizer = anonymizer("share");
        for mut object in objects() {
            let mut planted = Vec::new();
            plant(&mut object, "", form, &mut planted);
            let found = anonymize(&mut anonymizer, &object);
            let mut texts = BTreeSet::new();
            leaves(&found, &mut texts);
            for canary in &planted {
                let is_number = canary.bytes().all(|byte| byte.is_ascii_digit());
                // A long number is kept where a quantity stands, and only there.
                if !is_number {
                    assert!(!texts.contains(canary.as_str()), "{canary} in {found}");
                }
            }
        }
    }
}

fn leaves<'a>(value: &'a Value, texts: &mut BTreeSet<&'a str>) {
    match value {
        Value::String(text) => {
            texts.insert(text);
        }
        Value::Array(items) => items.iter().for_each(|item| leaves(item, texts)),
        Value::Object(members) => {
            for (key, member) in members {
                texts.insert(key);
                leaves(member, texts);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn custom_objects_keep_numbers_and_nothing_else() {
    let object: Value = serde_json::from_str(
        r#"{"apiVersion": "canary.example/v1", "kind": "Canary",
            "metadata": {"name": "canary", "namespace": "canary"},
            "spec": {"replicas": 3, "canarySize": 7, "owner": "canary team", "mode": "canary",
                "settings": "{\"canary\": \"canary\"}", "list": ["canary", {"canary": true}],
                "timeout": "30s", "memory": "2Gi", "enabled": true},
            "status": {"conditions": [{"type": "CanaryReady", "status": "True", "message": "canary is up"}]}}"#,
    )
    .unwrap();
    let found = anonymize(&mut anonymizer("share"), &object);
    assert!(
        !found.to_string().to_ascii_lowercase().contains("canary"),
        "{found}"
    );
    assert_eq!(found["spec"]["replicas"], 3);
    assert_eq!(found["status"]["conditions"][0]["status"], "True");
    // Under keys that no public API has, which are replaced too.
    let values: Vec<&Value> = found["spec"].as_object().unwrap().values().collect();
    for kept in [Value::from(7), "30s".into(), "2Gi".into(), true.into()] {
        assert!(values.contains(&&kept), "{kept} in {found}");
    }
}

#[test]
fn numbers_of_users_that_a_cluster_assigned_are_replaced_alike() {
    let object: Value = serde_json::from_str(
        r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"securityContext":
            {"runAsUser": 1000660000, "fsGroup": 1000660000, "runAsGroup": 1001, "supplementalGroups": [1000660000]}}}"#,
    )
    .unwrap();
    let found = anonymize(&mut anonymizer("share"), &object);
    let context = &found["spec"]["securityContext"];
    assert_ne!(context["runAsUser"], 1_000_660_000);
    assert_eq!(context["runAsUser"], context["fsGroup"]);
    assert_eq!(context["runAsUser"], context["supplementalGroups"][0]);
    assert_eq!(context["runAsGroup"], 1001);
}

#[test]
fn payloads_environments_and_commands_go_under_every_policy() {
    let objects = [
        r#"{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "canary"}},
            "type": "Opaque", "data": {"password": "canary"}, "stringData": {"x": "canary"}, "canary": 1}"#,
        r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"},
            "data": {"a": "canary"}, "binaryData": {"b": "canary"}}"#,
        r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [
            {"name": "c", "image": "i", "command": ["canary"], "args": ["canary", "canary"],
             "env": [{"name": "TOKEN", "value": "canary"}],
             "livenessProbe": {"exec": {"command": ["canary"]},
                "httpGet": {"port": 80, "httpHeaders": [{"name": "X", "value": "canary"}]}}}]}}"#,
    ];
    for policy in AnonymizationPolicy::PROFILES {
        let mut anonymizer = anonymizer(policy);
        for object in objects {
            let object: Value = serde_json::from_str(object).unwrap();
            let found = anonymize(&mut anonymizer, &object);
            assert!(!found.to_string().contains("canary"), "{policy}: {found}");
            if found["kind"] == "Pod" {
                let container = &found["spec"]["containers"][0];
                assert_eq!(container["args"].as_array().unwrap().len(), 2);
            }
        }
    }
}
