//! A script that makes the like of a recorded trace.

mod distance;
mod script;
mod thing;
mod workload;

pub use distance::Distance;
pub use script::Tuning;

use std::collections::BTreeMap;

use kymo_model::{Certainty, EventType};
use kymo_store::Trace;
use serde_json::{Map, Value};

use self::thing::{Thing, Things};
use self::workload::{PodLife, Workload};
use crate::Error;
use crate::story::Reason;

/// Kinds that are made again with all that they own.
const ROOTS: [&str; 6] = [
    "Deployment",
    "ReplicaSet",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
];

/// What was seen of a trace, to be written as a script.
#[derive(Debug, Default)]
pub struct Fit {
    start: i64,
    end: i64,
    /// Events of each kind.
    counts: BTreeMap<String, u64>,
    workloads: BTreeMap<String, Workload>,
    /// The owner of each object that has one, by uid.
    owners: BTreeMap<String, String>,
    nodes: BTreeMap<String, NodeShape>,
    /// Gaps between renewals of the Leases of nodes.
    renewals: Vec<i64>,
    /// How often an Event about a workload or a pod was seen, by its reason.
    reasons: BTreeMap<String, u64>,
    /// Those of a reason that is known, in case there are more of them than are made.
    events: Things,
    things: Things,
}

/// Nodes that are alike.
#[derive(Debug, Default)]
struct NodeShape {
    /// One of them, without what differs.
    shape: Value,
    /// When they came, and how long it took until they were ready.
    births: Vec<(i64, i64)>,
    end: Option<i64>,
    /// When they changed.
    changes: Vec<i64>,
}

/// One node, as far as it was read.
#[derive(Debug, Default)]
struct NodeLife {
    name: String,
    shape: Value,
    begin: i64,
    ready: Option<i64>,
    end: Option<i64>,
    changes: Vec<i64>,
}

/// What is read of an object at a time.
enum Reading {
    Pod(PodLife),
    Node(NodeLife),
    Lease(i64),
    Thing(Box<Thing>),
    Workload,
}

impl Fit {
    /// Reads a trace.
    ///
    /// # Errors
    ///
    /// A trace that cannot be read, or that has no event.
    pub fn of(trace: &Trace) -> Result<Self, Error> {
        let mut fit = Self {
            start: i64::MAX,
            end: i64::MIN,
            ..Self::default()
        };
        let feeds = trace.feeds().clone();
        let mut pods: Vec<PodLife> = Vec::new();
        let mut reading: Option<(String, Reading)> = None;
        for row in trace.rows()? {
            let row = row?;
            let Some(feed) = feeds.get(&row.event.feed) else {
                continue;
            };
            let kind = feed.resource.kind.as_str();
            let (ts, key) = (row.event.ts.0, &row.event.key);
            fit.start = fit.start.min(ts);
            fit.end = fit.end.max(ts);
            *fit.counts.entry(kind.to_owned()).or_default() += 1;
            let object = row.event.body.as_ref();
            let object = object.and_then(|body| serde_json::from_slice::<Value>(body).ok());
            let Some(mut object) = object else {
                continue;
            };
            // Objects of lists may not say what they are.
            object["kind"] = Value::from(kind);
            object["apiVersion"] = Value::from(feed.resource.api_version());
            let id = format!("{}/{}", row.event.feed.0, key.uid);
            if reading.as_ref().is_none_or(|(known, _)| *known != id) {
                fit.finish(reading.take(), &mut pods);
                reading = Some((id, Self::begin(kind, &object, ts)));
            }
            let is_new =
                row.event.event_type == EventType::Added && row.event.certainty == Certainty::Seen;
            let is_gone = row.event.event_type == EventType::Deleted;
            match reading.as_mut().map(|(_, reading)| reading) {
                Some(Reading::Pod(life)) => life.take(&object, ts, is_new, is_gone),
                Some(Reading::Node(life)) => life.take(&object, ts, is_gone),
                Some(Reading::Lease(last)) => {
                    fit.renewals.push(ts - *last);
                    *last = ts;
                }
                Some(Reading::Thing(thing)) => thing.take(object, ts, is_gone),
                Some(Reading::Workload) => fit.workload(object, ts, is_gone),
                None => {}
            }
        }
        fit.finish(reading, &mut pods);
        if fit.start > fit.end {
            return Err(Error::Order {
                message: "the trace has no event".to_owned(),
                order: None,
            });
        }
        fit.count_pods(pods);
        Ok(fit)
    }

    /// Returns how many events of a kind the trace has.
    pub fn count(&self, kind: &str) -> u64 {
        self.counts.get(kind).copied().unwrap_or(0)
    }

    /// Finds out what an object is of which the first version was read.
    fn begin(kind: &str, object: &Value, ts: i64) -> Reading {
        let group = text(object, "/apiVersion");
        let group = group.split_once('/').map_or("", |(group, _)| group);
        let owner = text(object, "/metadata/ownerReferences/0/kind");
        match (group, kind) {
            ("", "Pod") => Reading::Pod(PodLife::default()),
            ("", "Node") => Reading::Node(NodeLife {
                begin: ts,
                ..NodeLife::default()
            }),
            ("coordination.k8s.io", "Lease")
                if text(object, "/metadata/namespace") == "kube-node-lease" =>
            {
                Reading::Lease(ts)
            }
            ("apps" | "batch", kind) if ROOTS.contains(&kind) => Reading::Workload,
            ("apps", "ControllerRevision") if !owner.is_empty() => Reading::Workload,
            _ => Reading::Thing(Box::new(Thing::new(object))),
        }
    }

    fn finish(&mut self, reading: Option<(String, Reading)>, pods: &mut Vec<PodLife>) {
        match reading.map(|(_, reading)| reading) {
            Some(Reading::Pod(life)) => pods.push(life),
            Some(Reading::Node(life)) => self.node(life),
            Some(Reading::Thing(thing)) => {
                let about = thing.text("/involvedObject/kind");
                let reason = thing.text("/reason");
                let is_known = thing.is_event()
                    && (ROOTS.contains(&about.as_str()) || about == "Pod")
                    && Reason::ALL.iter().any(|known| known.word() == reason);
                if is_known {
                    *self.reasons.entry(reason).or_default() += 1;
                    self.events.add(*thing);
                } else {
                    self.things.add(*thing);
                }
            }
            Some(Reading::Lease(_) | Reading::Workload) | None => {}
        }
    }

    fn node(&mut self, life: NodeLife) {
        let end = life.end;
        let key = match end {
            // One that went is alone with its time.
            Some(_) => format!("{} {}", life.shape, life.name),
            None => life.shape.to_string(),
        };
        let shape = self.nodes.entry(key).or_default();
        let ready = life.ready.unwrap_or(life.begin);
        shape.births.push((life.begin, ready - life.begin));
        shape.end = end;
        shape.changes.extend(life.changes);
        shape.shape = life.shape;
    }

    fn workload(&mut self, object: Value, ts: i64, is_gone: bool) {
        let uid = text(&object, "/metadata/uid");
        let owner = text(&object, "/metadata/ownerReferences/0/uid");
        let is_root = owner.is_empty();
        if !is_root {
            self.owners.insert(uid.clone(), owner);
        }
        let is_kept = is_root && ROOTS.contains(&text(&object, "/kind").as_str());
        if is_kept {
            let own = self.workloads.entry(uid).or_default();
            own.take(object, ts, is_gone);
        }
    }

    /// Counts the lives of pods with the workload at the root of their owners; the others are things.
    fn count_pods(&mut self, pods: Vec<PodLife>) {
        for pod in pods {
            let mut root = pod.owner.clone();
            for _ in 0..8 {
                match self.owners.get(&root) {
                    Some(owner) => root.clone_from(owner),
                    None => break,
                }
            }
            if let Some(own) = self.workloads.get_mut(&root) {
                own.pods.push(pod);
            }
        }
        for own in self.workloads.values_mut() {
            own.pods.sort_by_key(|pod| pod.begin);
        }
    }
}

impl NodeLife {
    fn take(&mut self, node: &Value, ts: i64, is_gone: bool) {
        if self.name.is_empty() {
            self.name = text(node, "/metadata/name");
        } else if is_gone {
            self.end = Some(ts);
        } else {
            self.changes.push(ts);
        }
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

fn text(value: &Value, pointer: &str) -> String {
    let text = value.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

/// The order in which values are taken where there are too many to write them all: so many of
/// them, evenly spread over their order.
fn spread<T: Copy>(values: &[T], most: usize) -> Vec<T> {
    if values.len() <= most {
        return values.to_vec();
    }
    let at = |step: usize| values.get(step * values.len() / most).copied();
    (0..most).filter_map(at).collect()
}
