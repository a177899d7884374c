//! Redacted text = the parsed object less exactly the dropped paths, and nothing else moved.

use std::borrow::Cow;

use kymo_anonymize::{LAST_APPLIED, Policy, SECRET_FIELDS, redact};
use kymo_model::ResourceType;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z\"\\\\/\u{e9},:{}\\[\\]\n]{0,8}".prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec(("[a-z,\"]{0,3}", inner), 0..3).prop_map(object),
        ]
    })
}

fn object(members: Vec<(String, Value)>) -> Value {
    Value::Object(members.into_iter().collect::<Map<_, _>>())
}

fn member(names: &'static [&'static str]) -> impl Strategy<Value = (String, Value)> {
    (proptest::sample::select(names), value()).prop_map(|(name, value)| (name.to_owned(), value))
}

fn api_object() -> impl Strategy<Value = Value> {
    let annotations = vec(
        member(&[LAST_APPLIED, "a", "b/c", "last-applied-configuration"]),
        0..4,
    )
    .prop_map(object);
    let metadata = (
        vec(
            member(&["name", "labels", "managedFields", "uid", LAST_APPLIED]),
            0..4,
        ),
        proptest::option::of(prop_oneof![3 => annotations, 1 => Just(Value::Null)]),
    )
        .prop_map(|(mut members, annotations)| {
            members.extend(annotations.map(|value| ("annotations".to_owned(), value)));
            object(members)
        });
    (
        vec(
            member(&[
                "kind",
                "data",
                "stringData",
                "spec",
                "type",
                "immutable",
                LAST_APPLIED,
            ]),
            0..6,
        ),
        metadata,
        any::<bool>(),
    )
        .prop_map(|(mut members, metadata, first)| {
            let at = if first { 0 } else { members.len() };
            members.insert(at, ("metadata".to_owned(), metadata));
            object(members)
        })
}

fn expected(policy: Policy, is_secret: bool, object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        if let Some(annotations) = metadata
            .get_mut("annotations")
            .and_then(Value::as_object_mut)
        {
            annotations.shift_remove(LAST_APPLIED);
        }
        if !policy.managed_fields {
            metadata.shift_remove("managedFields");
        }
    }
    if is_secret && let Some(members) = object.as_object_mut() {
        members.retain(|name, _| SECRET_FIELDS.contains(&name.as_str()));
    }
    object
}

proptest! {
    #[test]
    fn exactly_the_dropped_paths_are_missing(
        object in api_object(),
        managed_fields: bool,
        is_secret: bool,
        pretty: bool,
    ) {
        let policy = Policy { managed_fields };
        let resource = ResourceType {
            group: String::new(),
            version: "v1".into(),
            resource: if is_secret { "secrets" } else { "configmaps" }.into(),
            kind: String::new(),
            namespaced: true,
        };
        let text = if pretty {
            serde_json::to_string_pretty(&object).unwrap()
        } else {
            object.to_string()
        };
        let kept = redact(&policy, &resource, &text).unwrap();
        let expected = expected(policy, is_secret, &object);
        prop_assert_eq!(&serde_json::from_str::<Value>(&kept).unwrap(), &expected);
        if expected == object {
            prop_assert!(matches!(kept, Cow::Borrowed(_)), "an untouched object is copied");
        }
        if !pretty {
            // Compact text has one spelling, so equal order and bytes can be compared directly.
            prop_assert_eq!(kept.as_ref(), expected.to_string());
        }
    }
}

#[test]
fn what_is_dropped_is_said_in_words() {
    let all = Policy {
        managed_fields: false,
    }
    .dropped();
    assert_eq!(all.len(), 3);
    assert_eq!(Policy::default().dropped(), all[..2]);
    assert!(json!(all).to_string().contains(LAST_APPLIED));
}
