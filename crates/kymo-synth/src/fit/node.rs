use serde_json::{Map, Value};

use super::clock::LISTED;
use super::outage::Outages;
use super::text;

/// Nodes that are alike.
#[derive(Debug, Default)]
pub(super) struct NodeShape {
    /// One of them, without what differs.
    pub(super) shape: Value,
    /// When they came, and how long it took until they were ready.
    pub(super) births: Vec<(i64, i64)>,
    pub(super) end: Option<i64>,
    /// When they changed.
    pub(super) changes: Vec<i64>,
    /// The name of the only one, if something happened to it.
    pub(super) name: Option<String>,
}

/// One node, as far as it was read.
#[derive(Debug, Default)]
pub(super) struct NodeLife {
    pub(super) name: String,
    pub(super) shape: Value,
    pub(super) begin: i64,
    pub(super) ready: Option<i64>,
    pub(super) end: Option<i64>,
    pub(super) changes: Vec<i64>,
    pub(super) outages: Outages,
}

impl NodeLife {
    /// From when it came until it was ready.
    pub(super) fn startup(&self) -> i64 {
        match (self.begin, self.ready) {
            (LISTED, _) | (_, None) => 0,
            (begin, Some(ready)) => ready.saturating_sub(begin).max(0),
        }
    }

    pub(super) fn take(&mut self, node: &Value, ts: i64, is_gone: bool) {
        if self.name.is_empty() {
            self.name = text(node, "/metadata/name");
            self.begin = ts;
        } else if is_gone {
            self.end = Some(ts);
            self.outages.end = Some(ts);
            return;
        } else {
            self.changes.push(ts);
        }
        self.outages.take(node, ts);
        let conditions = node.pointer("/status/conditions").and_then(Value::as_array);
        let is_ready = conditions.into_iter().flatten().any(|condition| {
            text(condition, "/type") == "Ready" && text(condition, "/status") == "True"
        });
        if !is_ready || self.ready.is_some() {
            return;
        }
        self.ready = Some(ts);
        let labels = node.pointer("/metadata/labels").and_then(Value::as_object);
        let mut labels = labels.cloned().unwrap_or_default();
        labels.shift_remove("kubernetes.io/hostname");
        let mut status = Map::new();
        for name in ["capacity", "allocatable"] {
            if let Some(amounts) = node.pointer(&format!("/status/{name}")) {
                status.insert(name.to_owned(), amounts.clone());
            }
        }
        let taints = node.pointer("/spec/taints").and_then(Value::as_array);
        let taints: Vec<&Value> = taints
            .into_iter()
            .flatten()
            .filter(|taint| !text(taint, "/key").starts_with("node.kubernetes.io/"))
            .collect();
        self.shape = serde_json::json!({
            "kind": "Node",
            "apiVersion": "v1",
            "metadata": {"labels": labels},
            "spec": {"taints": taints},
            "status": status,
        });
    }
}
