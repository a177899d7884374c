//! What follows a workload without owning its pods.

use kymo_model::EventType;
use serde_json::{Value, json};

use crate::story::{Story, second, uid};
use crate::workbench::{ask, make, rollout, rows, violations};

/// The last version of the budget before a time at which the rollout stands still.
const BUDGET: &str = "SELECT json_get_int(object, 'status', 'expectedPods') AS pods,
    json_get_int(object, 'status', 'currentHealthy') AS healthy,
    json_get_int(object, 'status', 'desiredHealthy') AS desired,
    json_get_int(object, 'status', 'disruptionsAllowed') AS allowed,
    condition(object, 'DisruptionAllowed')['status'] AS status
  FROM poddisruptionbudgets AS OF '2026-11-21T05:44:52Z' WHERE name = 'checkout'";

#[test]
fn a_budget_counts_clones() {
    assert_eq!(ask(&rollout(), BUDGET), ["8 | 8 | 4 | 4 | True"]);
    let made = make(
        &rollout(),
        "SCALE Deployment 'shop/checkout' TO 40 REPLICAS",
    );
    assert_eq!(ask(&made.path, BUDGET), ["40 | 40 | 4 | 36 | True"]);
    let made = make(&rollout(), "SCALE Deployment 'shop/checkout' TO 3 REPLICAS");
    assert_eq!(ask(&made.path, BUDGET), ["3 | 3 | 4 | 0 | False"]);
    let flips = ask(
        &made.path,
        "SELECT count(DISTINCT condition(object, 'DisruptionAllowed')['last_transition_time'])
         FROM events WHERE kind = 'PodDisruptionBudget'",
    );
    assert_eq!(flips, ["1"], "it never changes");
}

#[test]
fn an_autoscaler_follows_inside_of_wider_limits() {
    let mut story = Story::default();
    let ready = |is_ready: bool| if is_ready { "True" } else { "False" };
    let set = |count: i64, ready: i64| {
        json!({"metadata": {"generation": 1},
               "spec": {"replicas": count, "selector": {"matchLabels": {"app": "db"}}},
               "status": {"observedGeneration": 1, "replicas": ready, "readyReplicas": ready,
                          "availableReplicas": ready, "currentReplicas": ready, "updatedReplicas": ready,
                          "currentRevision": "db-1", "updateRevision": "db-1"}})
    };
    let autoscaler = |count: i64| {
        json!({"spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db"},
                        "minReplicas": 1, "maxReplicas": 4},
               "status": {"currentReplicas": count, "desiredReplicas": count}})
    };
    let pod = |ordinal: i64, is_ready: bool| -> Value {
        json!({"metadata": {"labels": {"app": "db"}, "creationTimestamp": second(10),
                 "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db",
                   "controller": true, "uid": uid("StatefulSet/shop/db")}]},
               "spec": {"nodeName": "n1"},
               "status": {"phase": "Running", "podIP": format!("10.0.0.{ordinal}"),
                          "conditions": [{"type": "Ready", "status": ready(is_ready), "lastTransitionTime": second(10)}]}})
    };
    story.listed("Namespace", "shop", json!({}));
    story.listed("Node", "n1", json!({}));
    story.listed("StatefulSet", "shop/db", set(2, 0));
    story.listed("HorizontalPodAutoscaler", "shop/db", autoscaler(0));
    for ordinal in 0..2 {
        let name = format!("shop/db-{ordinal}");
        story.seen(10, EventType::Added, "Pod", &name, pod(ordinal, false));
        story.seen(12, EventType::Modified, "Pod", &name, pod(ordinal, true));
    }
    let changed = EventType::Modified;
    story.seen(13, changed, "StatefulSet", "shop/db", set(2, 2));
    story.seen(
        30,
        changed,
        "HorizontalPodAutoscaler",
        "shop/db",
        autoscaler(2),
    );
    let (input, _directory) = story.trace();
    let last = "SELECT json_get_int(object, 'spec', 'minReplicas') AS a, json_get_int(object, 'spec', 'maxReplicas') AS b,
        json_get_int(object, 'status', 'currentReplicas') AS c, json_get_int(object, 'status', 'desiredReplicas') AS d
        FROM events WHERE kind = 'HorizontalPodAutoscaler' ORDER BY seq DESC LIMIT 1";
    for (count, expected) in [(9, "5 | 18 | 9 | 9"), (1, "1 | 2 | 1 | 1")] {
        let script = format!("SCALE StatefulSet 'shop/db' TO {count} REPLICAS");
        let made = make(&input, &script);
        assert_eq!(violations(&made.path), [""; 0]);
        assert_eq!(ask(&made.path, last), [expected]);
    }
    let made = make(&input, "SCALE StatefulSet 'shop/db' BY 1");
    assert_eq!(rows(&made.path).len(), rows(&input).len());
    assert_eq!(ask(&made.path, last), ["1 | 4 | 2 | 2"]);
}
