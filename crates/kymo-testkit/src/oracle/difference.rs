//! Where two bodies differ.

use serde_json::Value;

use super::identity::Resource;
use super::observed::Allowances;

/// How many places of one body are told.
const PLACES: usize = 8;

/// Removes from a body what may differ.
pub(super) fn prepare(body: &mut Value, resource: &Resource, allowances: &Allowances) {
    let Some(object) = body.as_object_mut() else {
        return;
    };
    for (of, members) in &allowances.members {
        if of == resource {
            for member in members {
                object.shift_remove(member);
            }
        }
    }
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    if allowances.managed_fields {
        metadata.shift_remove("managedFields");
    }
    if let Some(annotations) = metadata
        .get_mut("annotations")
        .and_then(Value::as_object_mut)
    {
        for annotation in &allowances.annotations {
            annotations.shift_remove(annotation);
        }
        if annotations.is_empty() {
            metadata.shift_remove("annotations");
        }
    }
}

/// Puts into a stored body what the API server puts in when it reads it.
pub(super) fn complete(body: &mut Value, resource: &Resource, allowances: &Allowances) {
    for default in &allowances.defaults {
        if default.resource != *resource {
            continue;
        }
        if let Some(parent) = body
            .pointer_mut(&default.parent)
            .and_then(Value::as_object_mut)
        {
            parent
                .entry(default.member.clone())
                .or_insert_with(|| default.value.clone());
        }
    }
}

/// Lists the places, as JSON pointers, where two values differ; the order of members does not
/// count.
pub(super) fn differences(expected: &Value, found: &Value) -> Vec<String> {
    let mut places = Vec::new();
    walk(expected, found, &mut String::new(), &mut places);
    places
}

fn walk(expected: &Value, found: &Value, at: &mut String, places: &mut Vec<String>) {
    if expected == found || places.len() == PLACES {
        return;
    }
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            let both = expected
                .keys()
                .chain(found.keys().filter(|key| !expected.contains_key(*key)));
            for key in both {
                let token = key.replace('~', "~0").replace('/', "~1");
                step(expected.get(key), found.get(key), &token, at, places);
            }
        }
        (Value::Array(expected), Value::Array(found)) => {
            for index in 0..expected.len().max(found.len()) {
                step(
                    expected.get(index),
                    found.get(index),
                    &index.to_string(),
                    at,
                    places,
                );
            }
        }
        _ => places.push(at.clone()),
    }
}

fn step(
    expected: Option<&Value>,
    found: Option<&Value>,
    token: &str,
    at: &mut String,
    places: &mut Vec<String>,
) {
    let length = at.len();
    at.push('/');
    at.push_str(token);
    match (expected, found) {
        (Some(expected), Some(found)) => walk(expected, found, at, places),
        _ if places.len() < PLACES => places.push(at.clone()),
        _ => {}
    }
    at.truncate(length);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn places_are_pointers_and_the_order_of_members_does_not_count() {
        let left = json!({ "a": 1, "b": { "c/d": [1, 2] }, "e": null });
        let right = json!({ "b": { "c/d": [1, 3, 4] }, "a": 1 });
        assert_eq!(differences(&left, &right), ["/b/c~1d/1", "/b/c~1d/2", "/e"]);
        assert!(differences(&json!({ "a": 1, "b": 2 }), &json!({ "b": 2, "a": 1 })).is_empty());
    }

    #[test]
    fn a_value_that_differs_at_its_root_is_told_as_the_empty_pointer() {
        assert_eq!(differences(&json!(1), &json!({})), [""]);
    }
}
