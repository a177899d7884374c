//! A script that makes the like of a recorded trace.

mod clock;
mod distance;
mod lean;
mod node;
mod outage;
mod pod;
mod script;
mod template;
mod thing;
mod tuning;
mod values;
mod workload;

pub use distance::Distance;
pub use script::FitScript;
pub use tuning::Tuning;

use std::collections::BTreeMap;

use kymo_model::{Certainty, EventType};
use kymo_store::Trace;
use serde_json::Value;

use self::clock::{Clock, LISTED};
use self::node::{NodeLife, NodeShape};
use self::outage::Outages;
use self::pod::PodLife;
use self::thing::{Thing, Things};
use self::workload::Workload;
use crate::Error;
use crate::clock::SECOND;
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

/// How long before the start of the recording things come that were there then.
const LEAD: i64 = 60 * SECOND;

/// What was seen of a trace, to be written as a script.
#[derive(Debug, Default)]
pub struct Fit {
    start: i64,
    end: i64,
    /// How long before the start things come that were there then.
    lead: i64,
    /// Events of each kind.
    counts: BTreeMap<String, u64>,
    workloads: BTreeMap<String, Workload>,
    /// Pods by their owner, or by what they are like, as long as it is not known whose they are.
    bare: BTreeMap<String, Workload>,
    /// The owner of each object that has one, by uid.
    owners: BTreeMap<String, String>,
    nodes: BTreeMap<String, NodeShape>,
    /// What happened to nodes, by their names.
    outages: BTreeMap<String, Outages>,
    /// Gaps between renewals of the Leases of nodes.
    renewals: Vec<i64>,
    /// How often an Event about a workload or a pod was seen, by its reason.
    reasons: BTreeMap<String, u64>,
    /// Those of a reason that is known, in case there are more of them than are made.
    events: Things,
    things: Things,
    /// Claims and volumes, some of which a `StatefulSet` made.
    claims: Vec<Thing>,
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
            let Some(mut object) = object.filter(Value::is_object) else {
                continue;
            };
            // Objects of lists may not say what they are.
            object["kind"] = Value::from(kind);
            object["apiVersion"] = Value::from(feed.resource.api_version());
            let id = format!("{}/{}", row.event.feed.0, key.uid);
            if reading.as_ref().is_none_or(|(known, _)| *known != id) {
                fit.finish(reading.take(), &mut pods);
                reading = Some((id, Self::begin(kind, &object)));
            }
            // What the first list shows was there before.
            let is_listed = row.event.certainty == Certainty::Listed && row.event.epoch == 0;
            let is_first = row.event.event_type == EventType::Added;
            let ts = if is_listed && is_first { LISTED } else { ts };
            let is_gone = row.event.event_type == EventType::Deleted;
            match reading.as_mut().map(|(_, reading)| reading) {
                Some(Reading::Pod(life)) => life.take(&object, ts, is_gone),
                Some(Reading::Node(life)) => life.take(&object, ts, is_gone),
                Some(Reading::Lease(last)) => {
                    if *last != LISTED && ts > *last {
                        fit.renewals.push(ts - *last);
                    }
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
        fit.count_claims();
        Ok(fit)
    }

    /// Returns how many events of a kind the trace has.
    pub fn count(&self, kind: &str) -> u64 {
        self.counts.get(kind).copied().unwrap_or(0)
    }

    /// Finds out what an object is of which the first version was read.
    fn begin(kind: &str, object: &Value) -> Reading {
        let group = text(object, "/apiVersion");
        let group = group.split_once('/').map_or("", |(group, _)| group);
        let owner = text(object, "/metadata/ownerReferences/0/kind");
        match (group, kind) {
            ("", "Pod") => Reading::Pod(PodLife::default()),
            ("", "Node") => Reading::Node(NodeLife::default()),
            ("coordination.k8s.io", "Lease")
                if text(object, "/metadata/namespace") == "kube-node-lease" =>
            {
                Reading::Lease(LISTED)
            }
            ("apps" | "batch", kind) if ROOTS.contains(&kind) => Reading::Workload,
            ("apps", "ControllerRevision") if !owner.is_empty() => Reading::Workload,
            _ => Reading::Thing(Box::new(Thing::new(object))),
        }
    }

    fn finish(&mut self, reading: Option<(String, Reading)>, pods: &mut Vec<PodLife>) {
        match reading.map(|(_, reading)| reading) {
            Some(Reading::Pod(life)) => self.pod(life, pods),
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
                } else if thing.claim().is_some() || thing.is_offered() {
                    self.claims.push(*thing);
                } else {
                    self.things.add(*thing);
                }
            }
            Some(Reading::Lease(_) | Reading::Workload) | None => {}
        }
    }

    fn node(&mut self, life: NodeLife) {
        let end = life.end;
        let is_alone = !life.outages.is_empty();
        let key = if is_alone {
            format!("{} {}", life.shape, life.name)
        } else {
            life.shape.to_string()
        };
        let shape = self.nodes.entry(key).or_default();
        shape.births.push((life.begin, life.startup()));
        if is_alone {
            shape.name = Some(life.name.clone());
            self.outages.insert(life.name, life.outages);
        }
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

    /// Keeps what is needed of a pod: of those of one owner what one of them is like, of those
    /// without an owner that of each that is not like the others.
    fn pod(&mut self, mut life: PodLife, pods: &mut Vec<PodLife>) {
        if life.begin.is_none() {
            return;
        }
        if life.owner.is_empty() {
            let manifest = life.manifest();
            let spec = manifest.get("spec").map(Value::to_string);
            life.owner = format!("{} {}", life.namespace(), spec.unwrap_or_default());
        }
        self.bare
            .entry(life.owner.clone())
            .or_insert_with(|| Workload::bare(&life, life.manifest()));
        life.forget();
        pods.push(life);
    }

    /// Counts the lives of pods with the workload at the root of their owners; those that nothing
    /// owns that is made again are made one by one.
    fn count_pods(&mut self, pods: Vec<PodLife>) {
        for pod in &pods {
            if let Some(outages) = self.outages.get_mut(&pod.node) {
                outages.drain(pod);
            }
        }
        for mut pod in pods {
            let outages = self.outages.get(&pod.node);
            pod.is_explained = outages.is_some_and(|outages| outages.takes(&pod));
            pod.node = String::new();
            let mut root = pod.owner.clone();
            for _ in 0..8 {
                match self.owners.get(&root) {
                    Some(owner) => root.clone_from(owner),
                    None => break,
                }
            }
            let own = match self.workloads.get_mut(&root) {
                Some(own) => Some(own),
                None => self.bare.get_mut(&pod.owner),
            };
            if let Some(own) = own {
                own.pods.push(pod);
            }
        }
        self.bare.retain(|_, own| !own.pods.is_empty());
        self.workloads.append(&mut self.bare);
        let mut has_listed = false;
        for own in self.workloads.values_mut() {
            own.explain_pods();
            own.pods.sort_by_key(|pod| pod.begin);
            let first = own.pods.first().and_then(|pod| pod.begin);
            if own.kind == "Pod" {
                own.begin = first.unwrap_or_default();
            }
            has_listed |= own.begin == LISTED || first == Some(LISTED);
        }
        let nodes = self.nodes.values().flat_map(|shape| &shape.births);
        let has_listed = has_listed || nodes.into_iter().any(|(begin, _)| *begin == LISTED);
        self.lead = if has_listed { LEAD } else { 0 };
    }

    /// Counts the claims and volumes that no `StatefulSet` makes. Volumes that were there for any
    /// claim are taken again by those of `StatefulSets`.
    fn count_claims(&mut self) {
        let sets = self.workloads.values();
        let made: Vec<(String, String)> = sets.flat_map(Workload::claims).collect();
        let is_made = |(namespace, name): (String, String)| {
            let is_like = |(of, prefix): &(String, String)| {
                let ordinal = name.strip_prefix(prefix.as_str());
                *of == namespace && ordinal.is_some_and(|ordinal| ordinal.parse::<u32>().is_ok())
            };
            made.iter().any(is_like)
        };
        for mut thing in std::mem::take(&mut self.claims) {
            if thing.is_offered() && thing.taker().is_none_or(is_made) {
                thing.forget_changes();
            }
            if !thing.claim().is_some_and(is_made) {
                self.things.add(thing);
            }
        }
    }

    /// Counts times from the beginning.
    fn clock(&self) -> Clock {
        Clock {
            start: self.start,
            lead: self.lead,
        }
    }
}

fn text(value: &Value, pointer: &str) -> String {
    let text = value.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}
