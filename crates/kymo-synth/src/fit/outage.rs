//! Nodes that failed, were drained or went.

use super::pod::PodLife;
use super::text;
use crate::clock::SECOND;
use crate::story::{SILENCE, TOLERATION};

/// What happened to a node.
#[derive(Clone, Debug, Default)]
pub(super) struct Outages {
    /// From when on it did not answer, and until when.
    pub(super) failures: Vec<(i64, Option<i64>)>,
    /// From when on no pods were put on it, and until when.
    cordons: Vec<(i64, Option<i64>)>,
    /// When it went.
    pub(super) end: Option<i64>,
    /// Those of the times it was cordoned at which pods were evicted.
    pub(super) drains: Vec<(i64, Option<i64>)>,
}

impl Outages {
    /// Takes what a node was like at a time.
    pub(super) fn take(&mut self, node: &serde_json::Value, ts: i64) {
        let conditions = node.pointer("/status/conditions");
        let conditions = conditions.and_then(serde_json::Value::as_array);
        let is_lost = conditions.into_iter().flatten().any(|condition| {
            text(condition, "/type") == "Ready" && text(condition, "/status") == "Unknown"
        });
        let unschedulable = node.pointer("/spec/unschedulable");
        let is_cordoned = unschedulable.is_some_and(|value| *value == true);
        note(&mut self.failures, is_lost, ts);
        note(&mut self.cordons, is_cordoned, ts);
    }

    /// Tells whether nothing happened to it.
    pub(super) fn is_empty(&self) -> bool {
        self.failures.is_empty() && self.cordons.is_empty() && self.end.is_none()
    }

    /// Takes a pod that was on it.
    pub(super) fn drain(&mut self, pod: &PodLife) {
        let Some(left) = pod.left().filter(|_| pod.is_drained) else {
            return;
        };
        let cordon = self.cordons.iter().find(|cordon| is_in(cordon, left));
        if let Some(cordon) = cordon
            && !self.drains.contains(cordon)
        {
            self.drains.push(*cordon);
        }
    }

    /// Tells whether a pod that was on it is deleted again when the same happens to a node.
    pub(super) fn takes(&self, pod: &PodLife) -> bool {
        let Some(left) = pod.left() else {
            return false;
        };
        let is_drained = pod.is_drained && self.drains.iter().any(|drain| is_in(drain, left));
        let is_evicted = self.failures.iter().any(|failure| {
            let (from, until) = *failure;
            is_in(failure, left) && until.is_none_or(|until| until - from > TOLERATION)
        });
        // What was on it when it went, though it was told before that this would be its end.
        let stays = |(_, until): &&(i64, Option<i64>)| until.is_none();
        let last = self.failures.iter().chain(&self.drains).filter(stays);
        let last = last.map(|(from, _)| *from).min().or(self.end);
        let has_gone = self.end.is_some() && last.is_some_and(|last| last <= left);
        is_drained || is_evicted || has_gone
    }
}

/// Returns when a node failed that is said not to answer since a time, both counted from the
/// beginning, and that came at another one.
pub(super) fn began(lost: i64, came: i64) -> i64 {
    (lost - SILENCE).max(came + SECOND)
}

fn note(spans: &mut Vec<(i64, Option<i64>)>, is_so: bool, ts: i64) {
    let open = spans.last_mut().filter(|(_, until)| until.is_none());
    match open {
        Some((_, until)) if !is_so => *until = Some(ts),
        None if is_so => spans.push((ts, None)),
        _ => {}
    }
}

fn is_in((from, until): &(i64, Option<i64>), ts: i64) -> bool {
    *from <= ts && until.is_none_or(|until| ts <= until)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fit::clock::LISTED;

    fn node(ready: &str, is_cordoned: bool) -> serde_json::Value {
        json!({
            "spec": {"unschedulable": is_cordoned},
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        })
    }

    #[test]
    fn failures_and_cordons_last_until_they_are_over() {
        let mut outages = Outages::default();
        for (ready, is_cordoned, ts) in [
            ("True", false, LISTED),
            ("Unknown", false, 10),
            ("Unknown", true, 12),
            ("True", true, 20),
            ("False", false, 25),
            ("Unknown", false, 30),
        ] {
            outages.take(&node(ready, is_cordoned), ts);
        }
        assert_eq!(outages.failures, [(10, Some(20)), (30, None)]);
        assert_eq!(outages.cordons, [(12, Some(25))]);
        assert!(!outages.is_empty() && outages.drains.is_empty());
    }
}
