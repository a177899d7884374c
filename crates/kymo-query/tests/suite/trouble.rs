//! A short history in which things go wrong: a pod that does not fit, one that flaps, one that
//! crashes, and a node that is lost for a while.

use kymo_model::{Certainty, EventType, FeedId};
use kymo_store::LogRecord;
use serde_json::{Value, json};

use crate::story::{event, feed};
use crate::traces;

const PODS: FeedId = FeedId(0);
const NODES: FeedId = FeedId(1);

/// Writes the trace.
pub(crate) fn trace() -> traces::Story {
    let feeds = vec![
        (PODS, feed("", "pods", "Pod", true)),
        (NODES, feed("", "nodes", "Node", false)),
    ];
    let mut times = vec![
        (0, NODES, node("True", "KubeletReady")),
        (0, PODS, pending()),
        (1_000, PODS, ready("flappy", true)),
        (1_000, PODS, crashing(0, None)),
        (5_000, PODS, ready("flappy", false)),
        (7_000, PODS, ready("flappy", true)),
        (8_000, PODS, crashing(1, Some("CrashLoopBackOff"))),
        (10_000, NODES, node("Unknown", "NodeStatusUnknown")),
        (11_000, PODS, ready("flappy", false)),
        (12_000, PODS, crashing(2, None)),
        (12_000, PODS, ready("big", true)),
        (14_000, NODES, node("True", "KubeletReady")),
    ];
    let mut known: Vec<String> = Vec::new();
    let mut records = Vec::new();
    for (rv, (milliseconds, feed, body)) in (1..).zip(&mut times) {
        body["metadata"]["resourceVersion"] = json!(rv.to_string());
        let name = body["metadata"]["name"].to_string();
        let of = if known.contains(&name) {
            EventType::Modified
        } else {
            known.push(name);
            EventType::Added
        };
        let event = event(*feed, *milliseconds, of, Certainty::Seen, body);
        records.push(LogRecord::Event(event));
    }
    traces::write("trouble", &feeds, records, Some(6))
}

fn node(ready: &str, reason: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": "node-a", "uid": "n"},
        "status": {"conditions": [{"type": "Ready", "status": ready, "reason": reason}]}})
}

fn pod(name: &str, status: &Value) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "uid": name},
        "spec": {"containers": [{"name": "c", "image": "web:1"}]}});
    pod["status"] = status.clone();
    pod
}

fn pending() -> Value {
    let message = "0/1 nodes are available: 1 Insufficient cpu.";
    pod(
        "big",
        &json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
            "reason": "Unschedulable", "message": message}]}),
    )
}

fn ready(name: &str, ready: bool) -> Value {
    let status = if ready { "True" } else { "False" };
    let mut pod = pod(
        name,
        &json!({"phase": "Running", "conditions": [{"type": "Ready", "status": status}]}),
    );
    pod["spec"]["nodeName"] = json!("node-a");
    pod
}

fn crashing(restarts: u64, waiting: Option<&str>) -> Value {
    let state = match waiting {
        Some(reason) => json!({"waiting": {"reason": reason}}),
        None => json!({"running": {}}),
    };
    let mut pod = pod(
        "crashy",
        &json!({"phase": "Running",
            "containerStatuses": [{"name": "c", "restartCount": restarts, "state": state}]}),
    );
    pod["spec"]["nodeName"] = json!("node-b");
    pod
}
