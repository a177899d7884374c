//! Strategic merge patches one by one.

use kymo_patch::{Error, schema, strategic_merge};
use rstest::rstest;
use serde_json::{Value, json};

fn merged(kind: (&str, &str), before: &Value, patch: &Value) -> Result<Value, Error> {
    let mut object = before.clone();
    strategic_merge(&mut object, patch, schema(kind.0, kind.1)).map(|()| object)
}

const POD: (&str, &str) = ("v1", "Pod");
const DEPLOYMENT: (&str, &str) = ("apps/v1", "Deployment");
const NODE: (&str, &str) = ("v1", "Node");
const SERVICE: (&str, &str) = ("v1", "Service");

#[rstest]
#[case::elements_meet_by_their_key_and_new_ones_come_first(
    POD,
    json!({"spec":{"containers":[{"name":"a","image":"a:1"},{"name":"b","image":"b:1"}]}}),
    json!({"spec":{"containers":[{"name":"c","image":"c:1"},{"name":"b","image":"b:2"}]}}),
    json!({"spec":{"containers":[
        {"name":"c","image":"c:1"},{"name":"a","image":"a:1"},{"name":"b","image":"b:2"}]}}),
)]
#[case::an_element_is_deleted_by_its_key(
    DEPLOYMENT,
    json!({"spec":{"template":{"spec":{"volumes":[{"name":"a","emptyDir":{}},{"name":"b"}]}}}}),
    json!({"spec":{"template":{"spec":{"volumes":[{"name":"a","$patch":"delete"}]}}}}),
    json!({"spec":{"template":{"spec":{"volumes":[{"name":"b"}]}}}}),
)]
#[case::a_list_is_replaced_when_an_element_says_so(
    POD,
    json!({"spec":{"imagePullSecrets":[{"name":"a"},{"name":"b"}]}}),
    json!({"spec":{"imagePullSecrets":[{"name":"c"},{"$patch":"replace"}]}}),
    json!({"spec":{"imagePullSecrets":[{"name":"c"}]}}),
)]
#[case::an_object_is_replaced_when_it_says_so(
    DEPLOYMENT,
    json!({"spec":{"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":1}}}}),
    json!({"spec":{"strategy":{"$patch":"replace","type":"Recreate"}}}),
    json!({"spec":{"strategy":{"type":"Recreate"}}}),
)]
#[case::an_object_that_is_deleted_stays_empty(
    POD,
    json!({"spec":{"securityContext":{"runAsUser":1}}}),
    json!({"spec":{"securityContext":{"$patch":"delete"}}}),
    json!({"spec":{"securityContext":{}}}),
)]
#[case::only_the_retained_keys_stay(
    DEPLOYMENT,
    json!({"spec":{"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":1}}}}),
    json!({"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"}}}),
    json!({"spec":{"strategy":{"type":"Recreate"}}}),
)]
#[case::a_volume_changes_its_source(
    POD,
    json!({"spec":{"volumes":[{"name":"a","emptyDir":{}}]}}),
    json!({"spec":{"volumes":[{"$retainKeys":["name","secret"],"name":"a","secret":{"secretName":"s"}}]}}),
    json!({"spec":{"volumes":[{"name":"a","secret":{"secretName":"s"}}]}}),
)]
#[case::the_order_is_set(
    POD,
    json!({"spec":{"containers":[{"name":"a"},{"name":"b"},{"name":"side"}]}}),
    json!({"spec":{
        "$setElementOrder/containers":[{"name":"b"},{"name":"c"},{"name":"a"}],
        "containers":[{"name":"c"}]}}),
    json!({"spec":{"containers":[{"name":"b"},{"name":"c"},{"name":"a"},{"name":"side"}]}}),
)]
#[case::the_order_alone_is_set(
    NODE,
    json!({"status":{"conditions":[{"type":"Ready","status":"True"},{"type":"DiskPressure"}]}}),
    json!({"status":{"$setElementOrder/conditions":[{"type":"DiskPressure"},{"type":"Ready"}]}}),
    json!({"status":{"conditions":[{"type":"DiskPressure"},{"type":"Ready","status":"True"}]}}),
)]
#[case::plain_values_are_joined_and_come_once(
    POD,
    json!({"metadata":{"finalizers":["a","b"]}}),
    json!({"metadata":{"finalizers":["c","b"]}}),
    json!({"metadata":{"finalizers":["c","a","b"]}}),
)]
#[case::plain_values_are_deleted(
    POD,
    json!({"metadata":{"finalizers":["a","b","c"]}}),
    json!({"metadata":{
        "$deleteFromPrimitiveList/finalizers":["b"],
        "$setElementOrder/finalizers":["c","d","a"],
        "finalizers":["d"]}}),
    json!({"metadata":{"finalizers":["c","d","a"]}}),
)]
#[case::a_list_that_becomes_empty_is_left_out(
    POD,
    json!({"metadata":{"name":"a","finalizers":["a"],"labels":{"a":"1"}}}),
    json!({"metadata":{"$deleteFromPrimitiveList/finalizers":["a"],"labels":{"a":null}}}),
    json!({"metadata":{"name":"a"}}),
)]
#[case::false_and_zero_are_left_out_where_the_server_does(
    NODE,
    json!({"spec":{"unschedulable":true,"podCIDR":"10.0.0.0/24"}}),
    json!({"spec":{"unschedulable":false}}),
    json!({"spec":{"podCIDR":"10.0.0.0/24"}}),
)]
#[case::zero_stays_where_it_means_something(
    DEPLOYMENT,
    json!({"spec":{"replicas":3}}),
    json!({"spec":{"replicas":0}}),
    json!({"spec":{"replicas":0}}),
)]
#[case::lists_without_a_key_are_replaced(
    POD,
    json!({"spec":{"tolerations":[{"key":"a"},{"key":"b"}]}}),
    json!({"spec":{"tolerations":[{"key":"c"}]}}),
    json!({"spec":{"tolerations":[{"key":"c"}]}}),
)]
#[case::lists_in_elements_of_lists_are_merged(
    POD,
    json!({"spec":{"containers":[{"name":"a",
        "ports":[{"containerPort":80,"protocol":"TCP"}],
        "env":[{"name":"X","value":"1"},{"name":"Y","value":"2"}]}]}}),
    json!({"spec":{"containers":[{"name":"a",
        "ports":[{"containerPort":81,"protocol":"TCP"}],
        "env":[{"name":"X","$patch":"delete"},{"name":"Y","value":"3"}]}]}}),
    json!({"spec":{"containers":[{"name":"a",
        "ports":[{"containerPort":81,"protocol":"TCP"},{"containerPort":80,"protocol":"TCP"}],
        "env":[{"name":"Y","value":"3"}]}]}}),
)]
#[case::of_two_ports_with_one_number_the_first_is_changed(
    SERVICE,
    json!({"spec":{"ports":[{"name":"t","port":53,"protocol":"TCP"},{"name":"u","port":53,"protocol":"UDP"}]}}),
    json!({"spec":{"ports":[{"port":53,"nodePort":30053}]}}),
    json!({"spec":{"ports":[
        {"name":"t","port":53,"protocol":"TCP","nodePort":30053},{"name":"u","port":53,"protocol":"UDP"}]}}),
)]
#[case::nulls_remove_and_nulls_in_new_objects_are_ignored(
    POD,
    json!({"spec":{"nodeName":"a","hostname":"h"}}),
    json!({"spec":{"nodeName":null,"subdomain":null,"affinity":{"nodeAffinity":null}}}),
    json!({"spec":{"hostname":"h","affinity":{}}}),
)]
#[case::directives_in_new_fields_have_nothing_to_do(
    POD,
    json!({"metadata":{"name":"a"}}),
    json!({"spec":{
        "volumes":[{"name":"a","$patch":"delete"},{"name":"b","$retainKeys":["name"]}],
        "securityContext":{"$patch":"delete"}}}),
    json!({"metadata":{"name":"a"},"spec":{"volumes":[{"name":"b"}]}}),
)]
#[case::a_selector_is_replaced_as_a_whole(
    ("policy/v1", "PodDisruptionBudget"),
    json!({"spec":{"selector":{"matchLabels":{"a":"1"}}}}),
    json!({"spec":{"selector":{"matchLabels":{"b":"1"}}}}),
    json!({"spec":{"selector":{"matchLabels":{"b":"1"}}}}),
)]
fn a_patch_gives(
    #[case] kind: (&str, &str),
    #[case] before: Value,
    #[case] patch: Value,
    #[case] after: Value,
) {
    assert_eq!(merged(kind, &before, &patch).unwrap(), after);
}

#[rstest]
#[case::no_key(json!({"spec":{"containers":[{"image":"x"}]}}), "spec.containers: an element has no `name`")]
#[case::delete_without_key(json!({"spec":{"containers":[{"$patch":"delete"}]}}), "spec.containers: an element has no `name`")]
#[case::key_of_wrong_type(json!({"spec":{"containers":[{"name":{}}]}}), "spec.containers: the `name` of an element is neither")]
#[case::mixed(json!({"spec":{"containers":["a"]}}), "spec.containers: the elements are not all of one type")]
#[case::merge_directive(json!({"spec":{"containers":[{"name":"a","$patch":"merge"}]}}), "spec.containers: the directive `\"merge\"`")]
#[case::unknown_directive(json!({"spec":{"$patch":"leap"}}), "spec: the directive `\"leap\"`")]
#[case::order_of_others(json!({"spec":{"$setElementOrder/containers":[{"name":"b"}],"containers":[{"name":"a"}]}}), "spec.containers: the patch's own elements")]
#[case::order_without_field(json!({"spec":{"$setElementOrder":[]}}), "spec: the directive `$setElementOrder`")]
#[case::order_that_is_none(json!({"spec":{"$setElementOrder/containers":{}}}), "spec.containers: an object where a list")]
#[case::not_retained(json!({"spec":{"$retainKeys":["a"],"b":1}}), "spec: `$retainKeys` does not name")]
#[case::delete_without_field(json!({"metadata":{"$deleteFromPrimitiveListfinalizers":[]}}), "metadata: the directive")]
#[case::unknown_field(json!({"extra":{"b":1}}), "extra: not a field of the kind")]
#[case::nested_in_a_map(json!({"metadata":{"annotations":{"odd":{"b":1}}}}), "metadata.annotations.odd: not a field")]
fn what_the_server_refuses_is_an_error_with_its_place(#[case] patch: Value, #[case] error: &str) {
    let pod = json!({
        "extra": { "a": 1 },
        "metadata": { "finalizers": ["a"], "annotations": { "odd": { "a": 1 } } },
        "spec": { "containers": [{ "name": "a" }] },
    });
    let refused = merged(POD, &pod, &patch).unwrap_err().to_string();
    assert!(refused.starts_with(error), "{refused}");
}

#[test]
fn an_order_for_an_empty_list_is_refused() {
    let patch = json!({ "spec": { "$setElementOrder/containers": [], "containers": [] } });
    let error = merged(POD, &json!({ "spec": {} }), &patch).unwrap_err();
    assert!(matches!(error, Error::EmptyOrder { .. }), "{error}");
}

#[test]
fn custom_resources_have_no_strategic_merge() {
    let error = merged(("example.com/v1", "Widget"), &json!({}), &json!({})).unwrap_err();
    assert!(matches!(error, Error::NoSchema), "{error}");
}

#[test]
fn what_clients_diff_of_custom_resources_merges_their_metadata_alone() {
    let mut object = json!({
        "metadata": { "name": "a", "finalizers": ["x"], "labels": { "a": "1" } },
        "spec": { "list": [1, 2], "deep": { "list": [{ "name": "a" }], "kept": 1 } },
    });
    let patch = json!({
        "metadata": { "finalizers": ["y"], "labels": { "a": null } },
        "spec": { "list": [], "deep": { "list": [{ "name": "b" }], "more": {} } },
    });
    strategic_merge(&mut object, &patch, Some(kymo_patch::custom_resource())).unwrap();
    let after = json!({
        "metadata": { "name": "a", "finalizers": ["y", "x"] },
        "spec": { "list": [], "deep": { "list": [{ "name": "b" }], "kept": 1, "more": {} } },
    });
    assert_eq!(object, after);
}

#[test]
fn a_patch_of_long_lists_takes_no_time_that_grows_with_their_product() {
    let list = |from: usize| -> Vec<Value> {
        (from..from + 20_000)
            .map(|i| json!({ "name": i.to_string() }))
            .collect()
    };
    let before = json!({ "spec": { "containers": list(0) } });
    let patch = json!({ "spec": {
        "containers": list(10_000), "$setElementOrder/containers": list(10_000),
    } });
    let after = merged(POD, &before, &patch).unwrap();
    assert_eq!(
        after["spec"]["containers"].as_array().unwrap().len(),
        30_000
    );
}
