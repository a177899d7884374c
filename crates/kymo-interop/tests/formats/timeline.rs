//! Made histories of a few pods, to be written in one format or another.

use kymo_model::EventType;
use proptest::prelude::*;
use serde_json::{Value, json};

/// One change.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// When, in milliseconds from the beginning.
    pub(crate) at: u64,
    pub(crate) event_type: EventType,
    /// The object after it, or the last one before it was deleted, with the version of the change.
    pub(crate) pod: Value,
}

/// What is there at the beginning, and what happens then.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    pub(crate) first: Vec<Value>,
    pub(crate) changes: Vec<Change>,
}

/// The version of the list at the beginning.
pub(crate) const FIRST_RV: u64 = 100;

impl Timeline {
    /// The objects after the first `count` changes.
    pub(crate) fn after(&self, count: usize) -> Vec<Value> {
        let mut pods = self.first.clone();
        for change in &self.changes[..count] {
            pods.retain(|pod| pod["metadata"]["uid"] != change.pod["metadata"]["uid"]);
            if change.event_type != EventType::Deleted {
                pods.push(change.pod.clone());
            }
        }
        pods
    }

    /// The version after the first `count` changes.
    pub(crate) fn rv(&self, count: usize) -> u64 {
        match self.changes[..count].last() {
            Some(change) => {
                let rv = change.pod["metadata"]["resourceVersion"].as_str();
                rv.unwrap().parse().unwrap()
            }
            None => FIRST_RV,
        }
    }
}

/// The time that is so many milliseconds after the beginning.
pub(crate) fn time(at: u64) -> String {
    let (minutes, seconds) = (at / 60_000, at / 1000 % 60);
    format!("2026-04-09T10:{minutes:02}:{seconds:02}.{:03}Z", at % 1000)
}

fn pod(name: usize, life: u64, rv: u64) -> Value {
    let born = if life == 0 {
        "2026-04-09T09:00:00Z".to_owned()
    } else {
        time(60_000)
    };
    json!({
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": format!("pod-{name}"), "namespace": "shop", "uid": format!("uid-{name}-{life}"),
            "resourceVersion": rv.to_string(), "creationTimestamp": born,
        },
        "spec": {"made": life, "version": rv},
    })
}

/// Histories of up to four names, whose pods come, change, go and come again.
pub(crate) fn timelines() -> impl Strategy<Value = Timeline> {
    let steps = prop::collection::vec((0usize..4, 0u8..4, 1u64..20_000), 1..25);
    (0usize..4, steps).prop_map(|(known, steps)| {
        let first: Vec<Value> = (0..known)
            .map(|name| pod(name, 0, 10 + name as u64))
            .collect();
        let mut live: Vec<bool> = (0..4).map(|name| name < known).collect();
        let mut lives = [0u64; 4];
        let (mut at, mut rv) = (0, FIRST_RV);
        let mut changes: Vec<Change> = Vec::new();
        for (name, act, after) in steps {
            at += after;
            rv += 1 + after % 3;
            let event_type = match (live[name], act) {
                (false, _) => EventType::Added,
                (true, 0) => EventType::Deleted,
                (true, _) => EventType::Modified,
            };
            if event_type == EventType::Added {
                lives[name] += 1;
            }
            live[name] = event_type != EventType::Deleted;
            let pod = pod(name, lives[name], rv);
            changes.push(Change {
                at,
                event_type,
                pod,
            });
        }
        Timeline { first, changes }
    })
}
