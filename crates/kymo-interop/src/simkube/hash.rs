//! SimKube's hashes: SipHash-1-3 with the key (0, 0) over the values of a JSON text.
//!
//! The index of a trace has the hash of each object's `spec`, and a lifecycle that of its pod's
//! stable spec: what is the same in all pods of a template.

use std::hash::Hasher as _;

use serde_json::{Map, Value};
use siphasher::sip::SipHasher13;

/// Volumes of this name are mounted by the server, under another name in each pod.
const TOKEN_VOLUME: &str = "kube-api-access";
/// What a pod does not have of its template alone.
const UNSTABLE: [&str; 3] = ["nodeName", "serviceAccount", "serviceAccountName"];

/// Hashes a value; where there is none, as `null`.
pub(super) fn of(value: Option<&Value>) -> u64 {
    let mut hasher = SipHasher13::new();
    put(value.unwrap_or(&Value::Null), &mut hasher);
    hasher.finish()
}

/// Hashes a text.
pub(super) fn of_text(parts: &[&str]) -> u64 {
    let mut hasher = SipHasher13::new();
    for part in parts {
        put_text(part, &mut hasher);
    }
    hasher.finish()
}

/// Hashes what is the same in all pods that have this spec; `None` for what is no spec.
pub(super) fn of_stable(spec: &Value) -> Option<u64> {
    let mut spec = spec.as_object()?.clone();
    for name in UNSTABLE {
        spec.remove(name);
    }
    keep_own(&mut spec, "volumes");
    for containers in ["initContainers", "containers"] {
        let Some(containers_of) = spec.get_mut(containers).and_then(Value::as_array_mut) else {
            continue;
        };
        for container in containers_of.iter_mut().filter_map(Value::as_object_mut) {
            keep_own(container, "volumeMounts");
            if containers == "containers" {
                container.remove("ports");
            }
        }
    }
    let mut spec = Value::Object(spec);
    drop_null(&mut spec);
    Some(of(Some(&spec)))
}

/// Leaves in a list what the server did not put in; there is a list afterwards, if an empty one.
fn keep_own(object: &mut Map<String, Value>, list: &str) {
    let mut kept = match object.remove(list) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    kept.retain(|item| {
        let name = item.get("name").and_then(Value::as_str);
        !name.is_some_and(|name| name.starts_with(TOKEN_VOLUME))
    });
    object.insert(list.to_owned(), Value::Array(kept));
}

/// A field that is `null` is one that is not there.
fn drop_null(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_null);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_null),
        _ => {}
    }
}

fn put(value: &Value, hasher: &mut SipHasher13) {
    match value {
        Value::Null => hasher.write(&0u64.to_le_bytes()),
        Value::Bool(value) => hasher.write(&[u8::from(*value)]),
        Value::Number(number) => {
            let bits = number
                .as_u64()
                .or_else(|| number.as_i64().map(i64::cast_unsigned))
                // Zero and minus zero are equal.
                .unwrap_or_else(|| (number.as_f64().unwrap_or_default() + 0.0).to_bits());
            hasher.write(&bits.to_le_bytes());
        }
        Value::String(text) => put_text(text, hasher),
        Value::Array(items) => {
            for item in items {
                put(item, hasher);
            }
        }
        Value::Object(fields) => {
            let mut sorted: Vec<(&String, &Value)> = fields.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| *name);
            for (name, field) in sorted {
                put_text(name, hasher);
                put(field, hasher);
            }
        }
    }
}

fn put_text(text: &str, hasher: &mut SipHasher13) {
    hasher.write(text.as_bytes());
    hasher.write(&[0xff]);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_missing_spec_has_the_hash_that_simkube_gives_it() {
        assert_eq!(of(None), 13_646_096_770_106_105_413);
        assert_eq!(of(Some(&Value::Null)), of(None));
    }

    #[test]
    fn the_order_of_fields_does_not_matter_and_that_of_items_does() {
        let hash = |value: Value| of(Some(&value));
        assert_eq!(hash(json!({"a": 1, "b": 2})), hash(json!({"b": 2, "a": 1})));
        assert_ne!(hash(json!([1, 2])), hash(json!([2, 1])));
        assert_eq!(hash(json!(0.0)), hash(json!(-0.0)));
        assert_ne!(hash(json!(-1)), hash(json!(1)));
        // SimKube writes neither lengths nor ends, so this cannot be told apart.
        assert_eq!(hash(json!([[1], 2])), hash(json!([1, [2]])));
    }

    #[test]
    fn what_differs_from_pod_to_pod_does_not_change_the_stable_hash() {
        let template = json!({
            "containers": [{"name": "c", "resources": {}}],
            "restartPolicy": "Always",
        });
        let pod = json!({
            "containers": [{
                "name": "c",
                "resources": {},
                "ports": [{"containerPort": 80}],
                "volumeMounts": [{"name": "kube-api-access-x7", "mountPath": "/var/run"}],
            }],
            "nodeName": "node-1",
            "serviceAccount": "default",
            "serviceAccountName": "default",
            "hostname": null,
            "restartPolicy": "Always",
            "volumes": [{"name": "kube-api-access-x7"}],
        });
        assert_eq!(of_stable(&template), of_stable(&pod));
        let mut other = template.clone();
        other["restartPolicy"] = "Never".into();
        assert_ne!(of_stable(&template), of_stable(&other));
        assert_eq!(of_stable(&json!([])), None);
    }
}
