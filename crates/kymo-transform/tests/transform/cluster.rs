//! More nodes, fewer nodes, and everything several times.

use std::path::PathBuf;

use kymo_model::EventType;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::story::{Story, second, uid};
use crate::workbench::{ask, ask_all, make, rollout, rows, violations};

const NODES: &str = "SELECT count(DISTINCT name) FROM events WHERE kind = 'Node'";

#[test]
fn there_are_twice_the_nodes_with_names_and_leases_of_their_own() {
    let made = make(&rollout(), "SCALE NODES BY 2");
    assert_eq!(violations(&made.path), [""; 0]);
    let counts = ask_all(
        &[("a", &rollout()), ("b", &made.path)],
        "SELECT a.kind, a.objects * 2 = b.objects AS objects, a.events * 2 = b.events AS events FROM
           (SELECT kind, count(DISTINCT uid) AS objects, count(*) AS events FROM a.events
            WHERE kind = 'Node' OR namespace = 'kube-node-lease' AND kind = 'Lease' GROUP BY kind) AS a
         JOIN (SELECT kind, count(DISTINCT uid) AS objects, count(*) AS events FROM b.events
            WHERE kind = 'Node' OR namespace = 'kube-node-lease' AND kind = 'Lease' GROUP BY kind) AS b
         ON a.kind = b.kind ORDER BY a.kind",
    );
    assert_eq!(counts, ["Lease | true | true", "Node | true | true"]);
    let lease = ask(
        &made.path,
        "SELECT count(*) FROM (SELECT DISTINCT name FROM events WHERE kind = 'Lease' AND namespace = 'kube-node-lease') AS l
         LEFT ANTI JOIN (SELECT name FROM events WHERE kind = 'Node') AS n ON n.name = l.name",
    );
    assert_eq!(lease, ["0"]);
}

#[test]
fn nodes_become_as_many_as_was_asked_for() {
    let recorded: u64 = ask(&rollout(), NODES)[0].parse().unwrap();
    let made = make(&rollout(), &format!("SCALE NODES TO {}", recorded + 3));
    assert_eq!(ask(&made.path, NODES), [(recorded + 3).to_string()]);
    let made = make(&rollout(), "SCALE NODES BY 3 WHERE name = 'node-0'");
    assert_eq!(ask(&made.path, NODES), [(recorded + 2).to_string()]);
}

#[test]
fn fewer_nodes_have_all_the_pods() {
    let made = make(&rollout(), "SCALE NODES TO 4");
    assert_eq!(violations(&made.path), [""; 0]);
    let left: u64 = ask(&made.path, NODES)[0].parse().unwrap();
    assert!((4..=5).contains(&left), "{left}");
    let pods = "SELECT count(DISTINCT uid), count(*) FROM events WHERE kind = 'Pod'";
    assert_eq!(ask(&made.path, pods), ask(&rollout(), pods));
    let homeless = ask(
        &made.path,
        "SELECT count(*) FROM (SELECT json_get_str(object, 'spec', 'nodeName') AS node FROM events WHERE kind = 'Pod') AS p
         LEFT ANTI JOIN (SELECT name FROM events WHERE kind = 'Node') AS n ON n.name = p.node WHERE p.node IS NOT NULL",
    );
    assert_eq!(homeless, ["0"]);
}

#[test]
fn everything_is_there_twice_each_on_nodes_of_its_own() {
    let made = make(&rollout(), "SCALE EVERYTHING BY 2");
    assert_eq!(violations(&made.path), [""; 0]);
    let namespaces = ask(
        &made.path,
        "SELECT DISTINCT name FROM events WHERE kind = 'Namespace' ORDER BY name",
    );
    assert_eq!(
        namespaces,
        [
            "default",
            "default-2",
            "kube-node-lease",
            "kube-public",
            "kube-system",
            "shop",
            "shop-2"
        ]
    );
    let nodes = ask(
        &made.path,
        "SELECT DISTINCT namespace, json_get_str(object, 'spec', 'nodeName') LIKE 'node-%-2' FROM events
         WHERE kind = 'Pod' AND namespace LIKE 'shop%' AND json_get_str(object, 'spec', 'nodeName') IS NOT NULL ORDER BY 1",
    );
    assert_eq!(nodes, ["shop | false", "shop-2 | true"]);
}

#[test]
fn half_of_everything_is_legal() {
    let made = make(&rollout(), "SCALE EVERYTHING BY 1/2");
    assert_eq!(violations(&made.path), [""; 0]);
    let recorded: u64 = ask(&rollout(), NODES)[0].parse().unwrap();
    let left: u64 = ask(&made.path, NODES)[0].parse().unwrap();
    assert!(left.abs_diff(recorded / 2) <= 1, "{left} of {recorded}");
}

#[test]
fn one_of_everything_is_the_trace() {
    for script in ["SCALE EVERYTHING BY 1", "SCALE NODES BY 1"] {
        assert_eq!(
            rows(&make(&rollout(), script).path),
            rows(&rollout()),
            "{script}"
        );
    }
}

/// Two nodes, each with a pod of a `DaemonSet` and a static pod.
fn daemons() -> (PathBuf, TempDir) {
    let mut story = Story::default();
    let status = |count: i64| {
        json!({"desiredNumberScheduled": 2, "currentNumberScheduled": count, "numberReady": count,
               "numberAvailable": count, "updatedNumberScheduled": count, "observedGeneration": 1})
    };
    let set = |count| {
        json!({"metadata": {"generation": 1}, "spec": {"selector": {"matchLabels": {"app": "agent"}}},
               "status": status(count)})
    };
    story.listed("Namespace", "kube-system", json!({}));
    for node in ["n1", "n2"] {
        story.listed(
            "Node",
            node,
            json!({"spec": {"providerID": format!("kwok://{node}")}}),
        );
        story.listed(
            "Lease",
            &format!("kube-node-lease/{node}"),
            json!({"spec": {"holderIdentity": node}}),
        );
        let owner = json!([{"apiVersion": "v1", "kind": "Node", "name": node, "controller": true,
                            "uid": uid(&format!("Node/{node}"))}]);
        let ready = json!([{"type": "Ready", "status": "True", "lastTransitionTime": second(0)}]);
        story.listed(
            "Pod",
            &format!("kube-system/proxy-{node}"),
            json!({"metadata": {"ownerReferences": owner}, "spec": {"nodeName": node},
                   "status": {"phase": "Running", "conditions": ready}}),
        );
    }
    story.listed("DaemonSet", "kube-system/agent", set(0));
    story.listed("Service", "kube-system/agent", json!({}));
    let mut listed: Vec<(Value, Value)> = Vec::new();
    for (at, (node, suffix)) in [(10, ("n1", "bbbbb")), (20, ("n2", "ccccc"))] {
        let pod = |ready: bool| -> Value {
            let conditions = json!([{"type": "Ready", "status": if ready { "True" } else { "False" },
                                     "lastTransitionTime": second(at)}]);
            json!({"metadata": {"labels": {"app": "agent"}, "creationTimestamp": second(at),
                     "ownerReferences": [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "agent",
                       "controller": true, "uid": uid("DaemonSet/kube-system/agent")}]},
                   "spec": {"nodeName": node},
                   "status": {"phase": "Running", "podIP": format!("10.0.0.{at}"), "hostIP": "192.168.0.1",
                              "conditions": conditions}})
        };
        let name = format!("kube-system/agent-{suffix}");
        story.seen(at, EventType::Added, "Pod", &name, pod(false));
        story.seen(at + 1, EventType::Modified, "Pod", &name, pod(true));
        story.seen(
            at + 2,
            EventType::Modified,
            "DaemonSet",
            "kube-system/agent",
            set(at / 10),
        );
        story.seen(
            at + 2,
            EventType::Added,
            "Event",
            &format!("kube-system/agent-{suffix}.17a"),
            json!({"metadata": {"creationTimestamp": second(at + 2)},
                   "involvedObject": {"kind": "Pod", "namespace": "kube-system", "name": format!("agent-{suffix}"),
                                      "uid": uid(&format!("Pod/kube-system/agent-{suffix}"))},
                   "message": format!("Started on {node}")}),
        );
        let ip = format!("10.0.0.{at}");
        let target = json!({"kind": "Pod", "namespace": "kube-system", "name": format!("agent-{suffix}"),
                            "uid": uid(&format!("Pod/{name}"))});
        listed.push((
            json!({"addresses": [ip], "conditions": {"ready": true}, "nodeName": node, "targetRef": target}),
            json!({"ip": ip, "nodeName": node, "targetRef": target}),
        ));
        let (in_slice, in_endpoints): (Vec<Value>, Vec<Value>) = listed.iter().cloned().unzip();
        let event_type = if at == 10 {
            EventType::Added
        } else {
            EventType::Modified
        };
        let owner = json!([{"apiVersion": "v1", "kind": "Service", "name": "agent", "controller": true,
                            "uid": uid("Service/kube-system/agent")}]);
        let metadata = json!({"generation": at / 10, "creationTimestamp": second(12), "ownerReferences": owner,
                              "labels": {"kubernetes.io/service-name": "agent"}});
        let slice = json!({"metadata": metadata, "addressType": "IPv4", "endpoints": in_slice, "ports": [{"port": 80}]});
        let subsets = json!([{"addresses": in_endpoints, "ports": [{"port": 80}]}]);
        let endpoints = json!({"metadata": {"creationTimestamp": second(12)}, "subsets": subsets});
        let slice_name = "kube-system/agent-zzzzz";
        story.seen(at + 2, event_type, "EndpointSlice", slice_name, slice);
        story.seen(
            at + 2,
            event_type,
            "Endpoints",
            "kube-system/agent",
            endpoints,
        );
    }
    story.trace()
}

/// Addresses that are listed in the end, with whether they are those of a pod on that node.
fn backends(path: &std::path::Path) -> Vec<String> {
    ask(
        path,
        "WITH pods AS (
           SELECT DISTINCT uid, json_get_str(object, 'status', 'podIP') AS ip, json_get_str(object, 'spec', 'nodeName') AS node
           FROM events WHERE kind = 'Pod'),
         listed AS (
           SELECT kind, coalesce(json_get_str(e, 'ip'), json_get_str(e, 'addresses', 0)) AS ip, json_get_str(e, 'nodeName') AS node,
             json_get_str(e, 'targetRef', 'uid') AS uid
           FROM (SELECT kind, unnest(array_concat(json_path(object, '$.endpoints[*]'), json_path(object, '$.subsets[*].addresses[*]'))) AS e
             FROM objects WHERE kind IN ('EndpointSlice', 'Endpoints')))
         SELECT l.kind, count(*) AS listed, count(DISTINCT l.ip) AS addresses, count(p.uid) AS pods FROM listed AS l
         LEFT JOIN pods AS p ON p.uid = l.uid AND p.ip = l.ip AND p.node = l.node GROUP BY l.kind ORDER BY l.kind",
    )
}

const COUNTED: &str = "SELECT json_get_int(object, 'status', 'numberReady') FROM events
    WHERE kind = 'DaemonSet' ORDER BY seq";

#[test]
fn a_copy_of_a_node_has_its_daemons_and_they_are_counted() {
    let (input, _directory) = daemons();
    assert_eq!(violations(&input), [""; 0]);
    let made = make(&input, "SCALE NODES TO 5");
    assert_eq!(violations(&made.path), [""; 0]);
    let pods = ask(
        &made.path,
        "SELECT json_get_str(object, 'spec', 'nodeName') AS node, count(DISTINCT uid), count(DISTINCT name)
         FROM events WHERE kind = 'Pod' GROUP BY 1 ORDER BY 1",
    );
    assert_eq!(pods.len(), 5, "{pods:?}");
    assert!(pods.iter().all(|pod| pod.ends_with("| 2 | 2")), "{pods:?}");
    assert_eq!(
        ask(&made.path, COUNTED).last().map(String::as_str),
        Some("5")
    );
    let events = ask(
        &made.path,
        "SELECT count(DISTINCT e.message) FROM
           (SELECT json_get_str(object, 'involvedObject', 'uid') AS uid, json_get_str(object, 'message') AS message
            FROM events WHERE kind = 'Event') AS e
         JOIN (SELECT DISTINCT uid, json_get_str(object, 'spec', 'nodeName') AS node FROM events WHERE kind = 'Pod') AS p
         ON p.uid = e.uid AND e.message = 'Started on ' || p.node",
    );
    assert_eq!(events, ["5"]);
    let static_pods = ask(
        &made.path,
        "SELECT count(DISTINCT name) FROM events WHERE kind = 'Pod' AND owner_kind = 'Node'
         AND name = 'proxy-' || json_get_str(object, 'spec', 'nodeName')",
    );
    assert_eq!(static_pods, ["5"]);
    let leases = ask(
        &made.path,
        "SELECT count(DISTINCT name) FROM events WHERE kind = 'Lease' AND namespace = 'kube-node-lease'
         AND json_get_str(object, 'spec', 'holderIdentity') = name",
    );
    assert_eq!(leases, ["5"]);
    assert_eq!(
        backends(&made.path),
        ["EndpointSlice | 5 | 5 | 5", "Endpoints | 5 | 5 | 5"]
    );
    let slices = ask(
        &made.path,
        "SELECT DISTINCT name LIKE 'agent-_____', owner_name FROM objects WHERE kind = 'EndpointSlice'",
    );
    assert_eq!(slices, ["true | agent"]);
}

#[test]
fn with_a_node_its_daemons_leave() {
    let (input, _directory) = daemons();
    let made = make(&input, "SCALE NODES TO 1");
    assert_eq!(violations(&made.path), [""; 0]);
    let pods = ask(
        &made.path,
        "SELECT count(DISTINCT uid), count(DISTINCT json_get_str(object, 'spec', 'nodeName')) FROM events WHERE kind = 'Pod'",
    );
    assert_eq!(pods, ["2 | 1"]);
    assert_eq!(
        ask(&made.path, COUNTED).last().map(String::as_str),
        Some("1")
    );
    assert_eq!(
        backends(&made.path),
        ["EndpointSlice | 1 | 1 | 1", "Endpoints | 1 | 1 | 1"]
    );
}
