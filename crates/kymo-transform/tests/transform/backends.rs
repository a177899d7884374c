//! What lists the pods behind Services when there are more of them, or fewer.

use std::path::PathBuf;

use kymo_model::EventType;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::story::{Story, second, uid};
use crate::workbench::{ask, make, object, rollout, rows, violations};

/// Pods that are ready in one list only, at a time at which the rollout stands still.
pub(crate) const AT_REST: &str = "WITH ready AS (
    SELECT uid, json_get_str(object, 'status', 'podIP') AS ip, node
    FROM pods AS OF '2026-11-21T05:44:52Z'
    WHERE name LIKE 'checkout-%' AND condition(object, 'Ready')['status'] = 'True'),
  in_slices AS (
    SELECT json_get_str(e, 'targetRef', 'uid') AS uid, json_get_str(e, 'addresses', 0) AS ip,
      json_get_str(e, 'nodeName') AS node
    FROM (SELECT unnest(json_path(object, '$.endpoints[*]')) AS e
      FROM endpointslices AS OF '2026-11-21T05:44:52Z' WHERE name LIKE 'checkout-%')),
  in_endpoints AS (
    SELECT json_get_str(e, 'targetRef', 'uid') AS uid, json_get_str(e, 'ip') AS ip,
      json_get_str(e, 'nodeName') AS node
    FROM (SELECT unnest(json_path(object, '$.subsets[*].addresses[*]')) AS e
      FROM endpoints AS OF '2026-11-21T05:44:52Z' WHERE name = 'checkout'))
  SELECT (SELECT count(*) FROM ready) AS ready,
    (SELECT count(*) FROM in_slices) AS in_slices,
    (SELECT count(*) FROM (SELECT * FROM ready EXCEPT SELECT * FROM in_slices)) AS missing,
    (SELECT count(*) FROM in_endpoints) AS in_endpoints,
    (SELECT count(*) FROM (SELECT * FROM ready EXCEPT SELECT * FROM in_endpoints)) AS missing_too";

#[test]
fn at_rest_slices_and_endpoints_list_the_pods_that_are_ready() {
    let script = "SCALE Deployment 'shop/checkout' TO 240 REPLICAS";
    let made = make(&rollout(), script);
    assert_eq!(violations(&made.path), [""; 0]);
    assert_eq!(ask(&made.path, AT_REST), ["240 | 240 | 0 | 240 | 0"]);
    let slices = ask(
        &made.path,
        "SELECT name LIKE 'checkout-_____', array_length(json_path(object, '$.endpoints[*].addresses'))
         FROM endpointslices AS OF '2026-11-21T05:44:52Z' WHERE name LIKE 'checkout-%' ORDER BY created, name",
    );
    assert_eq!(slices, ["true | 100", "true | 100", "true | 40"]);
    assert_eq!(
        generations(&made.path),
        [""; 0],
        "each version has the next one"
    );
}

#[test]
fn what_leaves_is_in_no_list_and_leaves_no_version_behind() {
    let made = make(&rollout(), "SCALE Deployment 'shop/checkout' BY 1/2");
    assert_eq!(violations(&made.path), [""; 0]);
    assert_eq!(ask(&made.path, AT_REST), ["4 | 4 | 0 | 4 | 0"]);
    assert_eq!(generations(&made.path), [""; 0]);
    let slices = |path| rows(path).into_iter().filter(is_slice).count();
    let (before, after) = (slices(&rollout()), slices(&made.path));
    assert!(after > 10 && after < before, "{after} of {before}");
}

fn is_slice(row: &kymo_store::segment::Row) -> bool {
    row.event.body.is_some() && object(row)["kind"] == "EndpointSlice"
}

/// Returns the versions of slices that do not have the generation behind that of the one before
/// though something else is in them, or have another though nothing is.
fn generations(path: &std::path::Path) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut last: Option<Value> = None;
    for row in rows(path).iter().filter(|row| is_slice(row)) {
        let slice = object(row);
        let number = |slice: &Value| slice["metadata"]["generation"].as_i64().unwrap();
        if let Some(last) = last.filter(|last| last["metadata"]["uid"] == slice["metadata"]["uid"])
            && row.event.event_type == EventType::Modified
            && number(&slice) - number(&last) != i64::from(slice["endpoints"] != last["endpoints"])
        {
            let name = &row.event.key.name;
            wrong.push(format!(
                "{name}: {} after {}",
                number(&slice),
                number(&last)
            ));
        }
        last = Some(slice);
    }
    wrong
}

/// A `StatefulSet` of one pod behind a Service that is deleted in the end.
fn behind_a_service() -> (PathBuf, TempDir) {
    let mut story = Story::default();
    let ready = |is_ready: bool| if is_ready { "True" } else { "False" };
    let set = |count: i64| {
        json!({"metadata": {"generation": 1},
               "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "db"}}},
               "status": {"observedGeneration": 1, "replicas": count, "readyReplicas": count,
                          "availableReplicas": count, "currentReplicas": count, "updatedReplicas": count,
                          "currentRevision": "db-1", "updateRevision": "db-1"}})
    };
    let pod = |is_ready: bool| {
        json!({"metadata": {"labels": {"app": "db", "apps.kubernetes.io/pod-index": "0"}, "creationTimestamp": second(10),
                 "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db",
                   "controller": true, "uid": uid("StatefulSet/shop/db")}]},
               "spec": {"nodeName": "n1", "hostname": "db-0"},
               "status": {"phase": "Running", "podIP": "10.0.0.5",
                          "conditions": [{"type": "Ready", "status": ready(is_ready), "lastTransitionTime": second(10)}]}})
    };
    let target =
        json!({"kind": "Pod", "namespace": "shop", "name": "db-0", "uid": uid("Pod/shop/db-0")});
    let slice = |endpoints: Value| {
        json!({"metadata": {"generation": if endpoints.is_null() { 1 } else { 2 },
                 "labels": {"kubernetes.io/service-name": "db"},
                 "ownerReferences": [{"apiVersion": "v1", "kind": "Service", "name": "db", "uid": uid("Service/shop/db"),
                   "controller": true}]},
               "addressType": "IPv4", "ports": if endpoints.is_null() { json!(null) } else { json!([{"port": 80}]) },
               "endpoints": endpoints})
    };
    let in_slice = json!([{"addresses": ["10.0.0.5"], "conditions": {"ready": true}, "hostname": "db-0",
                           "nodeName": "n1", "targetRef": target}]);
    let subsets = json!([{"addresses": [{"ip": "10.0.0.5", "hostname": "db-0", "targetRef": target}], "ports": [{"port": 80}]}]);
    let seen = EventType::Modified;
    story.listed("Namespace", "shop", json!({}));
    story.listed("Node", "n1", json!({}));
    story.listed("Service", "shop/db", json!({}));
    story.listed("EndpointSlice", "shop/db-abcde", slice(json!(null)));
    story.listed("Endpoints", "shop/db", json!({}));
    story.listed("StatefulSet", "shop/db", set(0));
    story.seen(10, EventType::Added, "Pod", "shop/db-0", pod(false));
    story.seen(12, seen, "Pod", "shop/db-0", pod(true));
    story.seen(
        13,
        seen,
        "EndpointSlice",
        "shop/db-abcde",
        slice(in_slice.clone()),
    );
    story.seen(
        13,
        seen,
        "Endpoints",
        "shop/db",
        json!({"subsets": subsets}),
    );
    story.seen(13, seen, "StatefulSet", "shop/db", set(1));
    let deleted = EventType::Deleted;
    story.seen(300, deleted, "Service", "shop/db", json!({}));
    story.seen(
        301,
        deleted,
        "EndpointSlice",
        "shop/db-abcde",
        slice(in_slice),
    );
    story.seen(
        301,
        deleted,
        "Endpoints",
        "shop/db",
        json!({"subsets": subsets}),
    );
    story.trace()
}

#[test]
fn many_clones_have_slices_of_a_hundred_and_endpoints_show_a_thousand() {
    let (input, _directory) = behind_a_service();
    assert_eq!(violations(&input), [""; 0]);
    let made = make(&input, "SCALE StatefulSet 'shop/db' TO 1250 REPLICAS");
    assert_eq!(violations(&made.path), [""; 0]);
    let slices = ask(
        &made.path,
        "SELECT most, count(*) FROM (
           SELECT name, max(array_length(json_path(object, '$.endpoints[*].addresses'))) AS most
           FROM events WHERE kind = 'EndpointSlice' GROUP BY name) GROUP BY most ORDER BY most",
    );
    assert_eq!(slices, ["50 | 1", "100 | 12"]);
    let versions = ask(
        &made.path,
        "SELECT count(*) < 80, count(*) FILTER (WHERE type = 'DELETED') FROM events WHERE kind = 'EndpointSlice'",
    );
    assert_eq!(versions, ["true | 13"], "changes are written together");
    let names = ask(
        &made.path,
        "SELECT count(DISTINCT h), min(h = n) FROM (SELECT json_get_str(e, 'hostname') AS h, json_get_str(e, 'targetRef', 'name') AS n
           FROM (SELECT unnest(json_path(object, '$.endpoints[*]')) AS e FROM events WHERE kind = 'EndpointSlice'))",
    );
    assert_eq!(names, ["1250 | true"]);
    let shown = ask(
        &made.path,
        "SELECT array_length(json_path(object, '$.subsets[*].addresses[*].ip')),
           json_get_str(object, 'metadata', 'annotations', 'endpoints.kubernetes.io/over-capacity')
         FROM events WHERE kind = 'Endpoints' AND type = 'MODIFIED' ORDER BY seq DESC LIMIT 1",
    );
    assert_eq!(shown, ["1000 | truncated"]);
}
