//! What holds for any object and any patch.

use kymo_patch::{json_patch, merge_patch, schema, strategic_merge};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

/// Names that mean something in a pod, directives among them.
fn name() -> impl Strategy<Value = String> {
    select(vec![
        "metadata",
        "labels",
        "finalizers",
        "ownerReferences",
        "uid",
        "spec",
        "containers",
        "name",
        "ports",
        "containerPort",
        "env",
        "volumes",
        "tolerations",
        "nodeName",
        "status",
        "conditions",
        "type",
        "$patch",
        "$retainKeys",
        "$setElementOrder/containers",
        "$setElementOrder/finalizers",
        "$deleteFromPrimitiveList/finalizers",
        "$deleteFromPrimitiveList",
        "$setElementOrder/",
    ])
    .prop_map(str::to_owned)
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..3i64).prop_map(Value::from),
        Just(json!(0.5)),
        Just(json!(u64::MAX)),
        select(vec!["a", "b", "c", "delete", "replace", "merge", ""]).prop_map(Value::from),
    ];
    leaf.prop_recursive(8, 120, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::Array),
            vec((name(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    vec((name(), json()), 0..6)
        .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_strategic_merge_panics_and_one_that_fails_changes_nothing(
        before in object(),
        patch in object(),
    ) {
        let mut after = before.clone();
        if strategic_merge(&mut after, &patch, schema("v1", "Pod")).is_err() {
            prop_assert_eq!(&after, &before);
        }
        if let Ok(mut pod) = serde_json::from_str::<Value>(&after.to_string()) {
            let is_fine = strategic_merge(&mut pod, &json!({}), schema("v1", "Pod")).is_ok();
            prop_assert!(is_fine);
            prop_assert_eq!(pod, after);
        }
    }

    #[test]
    fn the_empty_merge_patch_changes_nothing_and_one_applied_twice_does_no_more(
        before in object(),
        patch in object(),
    ) {
        let mut after = before.clone();
        merge_patch(&mut after, &json!({}));
        prop_assert_eq!(&after, &before);
        merge_patch(&mut after, &patch);
        let once = after.clone();
        merge_patch(&mut after, &patch);
        prop_assert_eq!(after, once);
    }

    #[test]
    fn no_json_patch_panics_and_one_that_fails_changes_nothing(
        before in object(),
        operations in vec((
            select(vec!["add", "remove", "replace", "move", "copy", "test"]),
            vec(name(), 0..3),
            vec(name(), 0..3),
            json(),
        ), 0..5),
    ) {
        let pointer = |names: &[String]| {
            names.iter().fold(String::new(), |path, name| path + "/" + &name.replace('/', "~1"))
        };
        let patch: Vec<Value> = operations
            .iter()
            .map(|(op, path, from, value)| {
                json!({ "op": op, "path": pointer(path), "from": pointer(from), "value": value })
            })
            .collect();
        let mut after = before.clone();
        if json_patch(&mut after, &Value::Array(patch)).is_err() {
            prop_assert_eq!(after, before);
        }
    }

    #[test]
    fn anything_at_all_as_a_patch_is_taken_or_refused(before in json(), patch in json()) {
        let mut after = before.clone();
        merge_patch(&mut after, &patch);
        for try_it in [json_patch, |object: &mut Value, patch: &Value| {
            strategic_merge(object, patch, schema("apps/v1", "Deployment"))
        }] {
            let mut after = before.clone();
            if try_it(&mut after, &patch).is_err() {
                prop_assert_eq!(&after, &before);
            }
        }
    }
}

#[test]
fn a_patch_nested_deeper_than_any_parser_reads_is_refused() {
    // Not by json!, which copies what it is given.
    let deep = (0..100_000).fold(json!({}), |inner, _| {
        Value::Object(Map::from_iter([("spec".to_owned(), inner)]))
    });
    let mut object = json!({ "spec": { "spec": 1 } });
    assert!(strategic_merge(&mut object, &deep, schema("v1", "Pod")).is_err());
    assert!(json_patch(&mut object, &deep).is_err());
    let patch = json!([{ "op": "add", "path": "/a", "value": {} }]);
    json_patch(&mut object, &patch).unwrap();
    assert_eq!(object, json!({ "spec": { "spec": 1 }, "a": {} }));
    // Freed without recursion, which the drop of so deep a value would need.
    let mut rest = deep;
    while let Some(inner) = rest.get_mut("spec").map(Value::take) {
        rest = inner;
    }
}
