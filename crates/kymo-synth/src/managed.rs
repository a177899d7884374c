//! `metadata.managedFields`: who wrote which fields of an object.

use serde_json::{Map, Value, json};

use crate::clock::seconds;

/// Lists of which the API server tells elements by some of their members, and these members.
const LISTS: [(&str, &[&str]); 11] = [
    ("conditions", &["type"]),
    ("containers", &["name"]),
    ("env", &["name"]),
    ("ephemeralContainers", &["name"]),
    ("hostIPs", &["ip"]),
    ("imagePullSecrets", &["name"]),
    ("initContainers", &["name"]),
    ("ownerReferences", &["uid"]),
    ("podIPs", &["ip"]),
    ("volumeMounts", &["mountPath"]),
    ("volumes", &["name"]),
];

/// Members of the metadata that the API server itself writes.
const OWN: [&str; 9] = [
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
];

/// Who writes objects of a kind, and who writes their status.
fn managers(object: &Value) -> (&'static str, &'static str) {
    let kind = object.get("kind").and_then(Value::as_str);
    let is_owned = object.pointer("/metadata/ownerReferences").is_some();
    match kind.unwrap_or_default() {
        "Node" => ("kubelet", "kubelet"),
        "Lease" => ("kubelet", ""),
        "Pod" if is_owned => ("kube-controller-manager", "kubelet"),
        "Pod" => ("kubectl-create", "kubelet"),
        "Event" => {
            let reporter = object.get("reportingComponent").and_then(Value::as_str);
            match reporter.unwrap_or_default() {
                "default-scheduler" => ("kube-scheduler", ""),
                "kubelet" => ("kubelet", ""),
                _ => ("kube-controller-manager", ""),
            }
        }
        "EndpointSlice" | "ControllerRevision" | "PersistentVolume" => {
            ("kube-controller-manager", "kube-controller-manager")
        }
        "Namespace" => ("kubectl-create", ""),
        _ if is_owned => ("kube-controller-manager", "kube-controller-manager"),
        _ => ("kubectl-create", "kube-controller-manager"),
    }
}

/// Adds what the API server keeps of who wrote which field, as of a time: one entry for what users and
/// controllers wrote, and one for the status.
pub(crate) fn add(object: &mut Value, ts: i64) {
    let (writer, reporter) = managers(object);
    let version = object.get("apiVersion").cloned().unwrap_or_default();
    let created = object.pointer("/metadata/creationTimestamp").cloned();
    let generation = object.pointer("/metadata/generation");
    let is_changed = generation.and_then(Value::as_u64).unwrap_or(1) > 1;
    let deleted = object.pointer("/metadata/deletionTimestamp").is_some();
    // Of an object that is being deleted the generation grew for that alone.
    let time = match created.filter(|_| !is_changed || deleted) {
        Some(created) => created,
        None => json!(seconds(ts)),
    };
    let mut written = Map::new();
    let mut status = None;
    for (name, value) in object.as_object().into_iter().flatten() {
        match name.as_str() {
            "kind" | "apiVersion" => {}
            "metadata" => {
                let mut metadata = value.as_object().cloned().unwrap_or_default();
                metadata.retain(|name, _| !OWN.contains(&name.as_str()));
                if !metadata.is_empty() {
                    let fields = fields("metadata", &Value::Object(metadata));
                    written.insert("f:metadata".to_owned(), fields);
                }
            }
            "status" if !reporter.is_empty() => status = Some(fields("status", value)),
            _ => {
                written.insert(format!("f:{name}"), fields(name, value));
            }
        }
    }
    let mut entries = Vec::new();
    let mut entry = |manager: &str, time: Value, fields: Value, subresource: Option<&str>| {
        let mut entry = json!({
            "manager": manager,
            "operation": "Update",
            "apiVersion": version,
            "time": time,
            "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        });
        if let Some(subresource) = subresource {
            entry["subresource"] = json!(subresource);
        }
        entries.push(entry);
    };
    if !written.is_empty() {
        entry(writer, time, Value::Object(written), None);
    }
    if let Some(status) = status {
        let fields = json!({"f:status": status});
        entry(reporter, json!(seconds(ts)), fields, Some("status"));
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("managedFields".to_owned(), Value::Array(entries));
    }
}

/// Returns the fields of a value, as `fieldsV1` writes them; `name` is what it is called.
fn fields(name: &str, value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.iter();
            let members = members.map(|(name, value)| (format!("f:{name}"), fields(name, value)));
            Value::Object(members.collect())
        }
        Value::Array(elements) => match keys_of(name, elements) {
            Some(keys) => Value::Object(
                elements
                    .iter()
                    .map(|element| keyed(keys, element))
                    .collect(),
            ),
            None => json!({}),
        },
        _ => json!({}),
    }
}

/// The members by which the elements of a list are told apart, if they all have them.
fn keys_of(name: &str, elements: &[Value]) -> Option<&'static [&'static str]> {
    let known = LISTS.iter().find(|(list, _)| *list == name);
    let keys = match known {
        Some((_, keys)) => *keys,
        None if name == "ports" => match elements.first()?.get("containerPort") {
            Some(_) => &["containerPort", "protocol"],
            None => &["port", "protocol"],
        },
        None => return None,
    };
    let has_all = |element: &Value| keys.iter().all(|key| element.get(*key).is_some());
    elements.iter().all(has_all).then_some(keys)
}

fn keyed(keys: &[&str], element: &Value) -> (String, Value) {
    let key: Map<String, Value> = keys
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), element.get(*key)?.clone())))
        .collect();
    let mut own = Map::new();
    own.insert(".".to_owned(), json!({}));
    if let Value::Object(members) = fields("", element) {
        own.extend(members);
    }
    (format!("k:{}", Value::Object(key)), Value::Object(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_told_by_who_wrote_them() {
        let mut pod = json!({
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": {
                "name": "a",
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "labels": {"app": "web"},
                "ownerReferences": [{"uid": "u", "kind": "ReplicaSet"}],
            },
            "spec": {"containers": [{
                "name": "main",
                "args": ["x"],
                "ports": [{"containerPort": 80, "protocol": "TCP"}],
            }]},
            "status": {"phase": "Running"},
        });
        add(&mut pod, 1_767_225_601_000_000_000);
        let entries = pod["metadata"]["managedFields"].as_array().unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0]["manager"], "kube-controller-manager");
        assert_eq!(entries[0]["time"], "2026-01-01T00:00:00Z");
        assert_eq!(
            entries[0]["fieldsV1"],
            json!({
                "f:metadata": {
                    "f:labels": {"f:app": {}},
                    "f:ownerReferences": {
                        "k:{\"uid\":\"u\"}": {".": {}, "f:uid": {}, "f:kind": {}},
                    },
                },
                "f:spec": {"f:containers": {"k:{\"name\":\"main\"}": {
                    ".": {},
                    "f:name": {},
                    "f:args": {},
                    "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {
                        ".": {}, "f:containerPort": {}, "f:protocol": {},
                    }},
                }}},
            })
        );
        assert_eq!(entries[1]["manager"], "kubelet");
        assert_eq!(entries[1]["subresource"], "status");
        assert_eq!(entries[1]["time"], "2026-01-01T00:00:01Z");
    }

    #[test]
    fn what_was_changed_says_when() {
        let mut set = json!({
            "kind": "Deployment",
            "apiVersion": "apps/v1",
            "metadata": {"generation": 2, "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"replicas": 2},
        });
        add(&mut set, 1_767_225_601_000_000_000);
        let entry = &set["metadata"]["managedFields"][0];
        assert_eq!(entry["manager"], "kubectl-create");
        assert_eq!(entry["time"], "2026-01-01T00:00:01Z");
    }
}
