//! Nodes for pods that come.

use std::path::Path;

use crate::backends::AT_REST;
use crate::workbench::{ask, ask_all, make, rollout, try_make, violations};

/// What pods and those who tell of them say of nodes, besides what is right.
const TOLD: &str = "WITH hosts AS (
    SELECT name AS node, json_path(object, '$.status.addresses[?@.type == ''InternalIP''].address')[1] AS ip
    FROM nodes AS OF '-1s'),
  pods AS (
    SELECT uid, name, json_get_str(object, 'spec', 'nodeName') AS node,
      json_get_str(object, 'status', 'hostIP') AS ip,
      json_get_str(object, 'status', 'hostIPs', 0, 'ip') AS first_ip
    FROM events WHERE kind = 'Pod' AND namespace = 'shop'),
  seats AS (SELECT uid, name, max(node) AS node FROM pods GROUP BY uid, name)
  SELECT (SELECT count(*) FROM (SELECT uid FROM pods GROUP BY uid HAVING count(DISTINCT node) > 1)) AS moved,
    (SELECT count(*) FROM pods JOIN hosts USING (node) WHERE pods.ip <> hosts.ip OR first_ip <> hosts.ip) AS addresses,
    (SELECT count(*) FROM (
      SELECT json_get_str(object, 'involvedObject', 'uid') AS uid,
        coalesce(nullif(json_get_str(object, 'source', 'host'), ''),
          regexp_match(json_get_str(object, 'message'), 'Successfully assigned .* to (.*)')[1]) AS node
      FROM events WHERE kind = 'Event' AND namespace = 'shop') AS told
      JOIN seats ON seats.uid = told.uid WHERE told.node <> seats.node) AS told";

const NODES: &str = "SELECT node, count(*) FROM (
    SELECT json_get_str(object, 'spec', 'nodeName') AS node FROM pods AS OF '2026-11-21T05:44:52Z')
  WHERE node IS NOT NULL GROUP BY node ORDER BY node";

/// On which nodes the pods are that were not recorded.
const NEW: &str = "SELECT DISTINCT json_get_str(b.object, 'spec', 'nodeName') AS node FROM b.events AS b
  LEFT JOIN a.objects AS a ON a.uid = b.uid AND a.kind = 'Pod'
  WHERE b.kind = 'Pod' AND a.uid IS NULL AND json_get_str(b.object, 'spec', 'nodeName') <> '' ORDER BY node";

fn new_pods_are_on(made: &Path) -> Vec<String> {
    ask_all(&[("a", &rollout()), ("b", made)], NEW)
}

#[test]
fn spread_pods_are_where_the_fewest_are() {
    let script = "SCALE Deployment 'shop/checkout' TO 100 REPLICAS PLACEMENT SPREAD";
    let made = make(&rollout(), script);
    assert_eq!(violations(&made.path), [""; 0]);
    let nodes: Vec<String> = (0..10).map(|node| format!("node-{node} | 10")).collect();
    assert_eq!(ask(&made.path, NODES), nodes);
    assert_eq!(ask(&made.path, TOLD), ["0 | 0 | 0"]);
    assert_eq!(ask(&made.path, AT_REST), ["100 | 100 | 0 | 100 | 0"]);
}

#[test]
fn packed_pods_fill_one_node_after_the_other() {
    let script = "PATCH OBJECTS WITH MERGE '{\"status\":{\"allocatable\":{\"pods\":\"20\"}}}' WHERE kind = 'Node';
        SCALE Deployment 'shop/checkout' TO 100 REPLICAS PLACEMENT BINPACK";
    let made = make(&rollout(), script);
    assert_eq!(violations(&made.path), [""; 0]);
    let full = "SELECT max(pods), min(pods) < 10 FROM (
        SELECT count(*) AS pods FROM pods AS OF '2026-11-21T05:44:52Z' WHERE node <> '' GROUP BY node)";
    assert_eq!(ask(&made.path, full), ["20 | true"]);
    assert_eq!(ask(&made.path, TOLD), ["0 | 0 | 0"]);
}

#[test]
fn nodes_that_take_no_pods_get_none() {
    let script = "PATCH OBJECTS WITH MERGE '{\"spec\":{\"unschedulable\":true}}' WHERE kind = 'Node' AND name = 'node-3';
        PATCH OBJECTS WITH MERGE '{\"spec\":{\"taints\":[{\"key\":\"own\",\"effect\":\"NoSchedule\"}]}}'
          WHERE kind = 'Node' AND name = 'node-5';
        SCALE Deployment 'shop/checkout' TO 40 REPLICAS PLACEMENT SPREAD";
    let made = make(&rollout(), script);
    let others = (0..10).filter(|node| ![3, 5].contains(node));
    let others: Vec<String> = others.map(|node| format!("node-{node}")).collect();
    assert_eq!(new_pods_are_on(&made.path), others);
    let before = make(
        &rollout(),
        "SCALE Deployment 'shop/checkout' TO 40 REPLICAS",
    );
    assert!(new_pods_are_on(&before.path).contains(&"node-3".to_owned()));
}

#[test]
fn a_node_that_opens_later_takes_what_comes_later() {
    let script = "PATCH OBJECTS WITH MERGE '{\"spec\":{\"unschedulable\":true}}' WHERE kind = 'Node' AND name = 'node-7' TO '10s';
        SCALE Deployment 'shop/checkout' TO 40 REPLICAS PLACEMENT SPREAD";
    let made = make(&rollout(), script);
    // Uids of new pods are of version 5.
    let first =
        "SELECT min(ts) > at('10s') FROM events WHERE kind = 'Pod' AND uid LIKE '________-____-5%'
        AND json_get_str(object, 'spec', 'nodeName') = 'node-7'";
    assert_eq!(ask(&made.path, first), ["true"]);
}

#[test]
fn without_room_nothing_is_made() {
    let refused = |script: &str| match try_make(&rollout(), script, 0).err() {
        Some(kymo_transform::Error::Statement { message, hint, .. }) => {
            (message, hint.unwrap_or_default())
        }
        other => panic!("{other:?}"),
    };
    let (message, hint) = refused(
        "PATCH OBJECTS WITH MERGE '{\"status\":{\"allocatable\":{\"cpu\":\"100m\"}}}' WHERE kind = 'Node';
         SCALE Deployment 'shop/checkout' TO 400 REPLICAS PLACEMENT SPREAD",
    );
    assert_eq!(message, "764 of 980 new pods fit on no node when they come");
    assert!(hint.starts_with("SCALE NODES makes room"), "{hint}");
    let (message, _) = refused(
        "DELETE FROM OBJECTS WHERE kind = 'Node';
         SCALE Deployment 'shop/checkout' TO 400 REPLICAS PLACEMENT SPREAD",
    );
    assert_eq!(
        message,
        "there are no nodes in the trace on which pods could be put"
    );
    let (message, hint) = refused(
        "PATCH OBJECTS WITH MERGE '{\"status\":{\"allocatable\":{\"cpu\":\"many\"}}}' WHERE name = 'node-3';
         SCALE Deployment 'shop/checkout' BY 2 PLACEMENT SPREAD",
    );
    assert!(
        message
            .starts_with("node `node-3`: the allocatable cpu of a node: `many` is not a quantity"),
        "{message}"
    );
    assert!(hint.starts_with("without PLACEMENT"), "{hint}");
}
