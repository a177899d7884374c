//! A script that makes the like of a recorded trace.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kymo_model::{EventType, Timestamp};
use kymo_store::Trace;
use serde_json::{Map, Value};

use crate::clock::SECOND;
use crate::distribution::quantile;
use crate::{Error, Profile};

/// How many values of an empirical distribution are written.
const QUANTILES: usize = 40;

/// What was seen of a workload.
#[derive(Debug, Default)]
struct Workload {
    api_version: String,
    kind: String,
    namespace: String,
    name: String,
    /// The object as it was first seen.
    object: Value,
    begin: i64,
    end: Option<i64>,
    /// Its numbers of replicas, and since when.
    replicas: Vec<(i64, u64)>,
    /// When its template changed.
    rollouts: Vec<i64>,
    template: String,
    startups: Vec<f64>,
    runtimes: Vec<f64>,
    ended: u64,
    failed: u64,
}

/// What was seen of a trace, to be written as a script.
#[derive(Debug, Default)]
struct Fit {
    start: Option<i64>,
    end: i64,
    workloads: BTreeMap<String, Workload>,
    /// The owner of each object that has one, by uid.
    owners: BTreeMap<String, String>,
    /// Shapes of nodes, and how many there are of each.
    nodes: BTreeMap<String, u64>,
    pods: Vec<PodLife>,
    leases: bool,
    events: bool,
}

#[derive(Debug, Default)]
struct PodLife {
    owner: String,
    created: Option<i64>,
    running: Option<i64>,
    ended: Option<(i64, bool)>,
    leaving: Option<i64>,
}

/// Kinds that are made again with all that they own.
const ROOTS: [&str; 5] = ["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"];

/// Reads a trace and writes a script that makes its like: its nodes by their shapes, and its workloads
/// with their manifests, numbers of replicas, rollouts, and with the startup and run times that were
/// measured. What belongs to no workload is not made.
///
/// # Errors
///
/// A trace that cannot be read, or that has no event.
pub fn fit(trace: &Trace) -> Result<String, Error> {
    let mut fit = Fit::default();
    let mut life = PodLife::default();
    let mut uid = String::new();
    let feeds = trace.feeds().clone();
    for row in trace.rows()? {
        let row = row?;
        let Some(feed) = feeds.get(&row.event.feed) else {
            continue;
        };
        let kind = feed.resource.kind.as_str();
        let ts = row.event.ts.0;
        fit.start = Some(fit.start.map_or(ts, |start| start.min(ts)));
        fit.end = fit.end.max(ts);
        fit.leases |= kind == "Lease" && row.event.key.namespace == "kube-node-lease";
        fit.events |= kind == "Event";
        let is_wanted = ROOTS.contains(&kind) || matches!(kind, "Pod" | "Node" | "ReplicaSet");
        let Some(body) = row.event.body.as_ref().filter(|_| is_wanted) else {
            continue;
        };
        let Ok(object) = serde_json::from_slice::<Value>(body) else {
            continue;
        };
        if row.event.key.uid != uid {
            fit.pods.push(std::mem::take(&mut life));
            uid.clone_from(&row.event.key.uid);
        }
        let is_new = row.event.event_type == EventType::Added
            && row.event.certainty == kymo_model::Certainty::Seen;
        match kind {
            "Pod" => life.take(&object, ts, is_new),
            "Node" => fit.node(&object, row.event.event_type),
            _ => fit.workload(&object, ts, row.event.event_type),
        }
    }
    fit.pods.push(life);
    fit.count_pods();
    fit.script()
}

fn text(value: &Value, pointer: &str) -> String {
    let text = value.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

impl PodLife {
    fn take(&mut self, pod: &Value, ts: i64, is_new: bool) {
        if is_new {
            self.created = Some(ts);
        }
        self.owner = text(pod, "/metadata/ownerReferences/0/uid");
        match text(pod, "/status/phase").as_str() {
            "Running" => {
                self.running.get_or_insert(ts);
            }
            phase @ ("Succeeded" | "Failed") if self.leaving.is_none() => {
                self.ended.get_or_insert((ts, phase == "Succeeded"));
            }
            _ => {}
        }
        if pod.pointer("/metadata/deletionTimestamp").is_some() {
            self.leaving.get_or_insert(ts);
        }
    }
}

impl Fit {
    fn node(&mut self, node: &Value, event: EventType) {
        if event != EventType::Added {
            return;
        }
        let mut shape = Map::new();
        let mut labels = node
            .pointer("/metadata/labels")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        labels.shift_remove("kubernetes.io/hostname");
        for name in ["capacity", "allocatable"] {
            if let Some(amounts) = node.pointer(&format!("/status/{name}")) {
                shape.insert(name.to_owned(), amounts.clone());
            }
        }
        let taints = node.pointer("/spec/taints").and_then(Value::as_array);
        let taints: Vec<&Value> = taints
            .into_iter()
            .flatten()
            .filter(|taint| !text(taint, "/key").starts_with("node.kubernetes.io/"))
            .collect();
        let shape = serde_json::json!({
            "kind": "Node",
            "apiVersion": "v1",
            "metadata": {"labels": labels},
            "spec": {"taints": taints},
            "status": shape,
        });
        *self.nodes.entry(shape.to_string()).or_default() += 1;
    }

    fn workload(&mut self, object: &Value, ts: i64, event: EventType) {
        let uid = text(object, "/metadata/uid");
        let owner = text(object, "/metadata/ownerReferences/0/uid");
        if !owner.is_empty() {
            self.owners.insert(uid.clone(), owner);
        }
        let own = self.workloads.entry(uid).or_default();
        let template = object.pointer("/spec/template").map(Value::to_string);
        let template = template.unwrap_or_default();
        if own.kind.is_empty() {
            own.api_version = text(object, "/apiVersion");
            own.kind = text(object, "/kind");
            own.namespace = text(object, "/metadata/namespace");
            own.name = text(object, "/metadata/name");
            own.object = object.clone();
            own.begin = ts;
        } else if own.template != template {
            own.rollouts.push(ts);
        }
        own.template = template;
        if event == EventType::Deleted {
            own.end = Some(ts);
        }
        if let Some(replicas) = object.pointer("/spec/replicas").and_then(Value::as_u64)
            && own
                .replicas
                .last()
                .is_none_or(|(_, last)| *last != replicas)
        {
            own.replicas.push((ts, replicas));
        }
    }

    /// Counts the lives of pods with the workload at the root of their owners.
    fn count_pods(&mut self) {
        for pod in std::mem::take(&mut self.pods) {
            let mut root = pod.owner.clone();
            for _ in 0..8 {
                match self.owners.get(&root) {
                    Some(owner) => root.clone_from(owner),
                    None => break,
                }
            }
            let Some(own) = self.workloads.get_mut(&root) else {
                continue;
            };
            if let (Some(created), Some(running)) = (pod.created, pod.running) {
                own.startups.push((running - created) as f64);
            }
            if let Some((ended, is_success)) = pod.ended {
                own.ended += 1;
                own.failed += u64::from(!is_success);
                if let Some(running) = pod.running {
                    own.runtimes.push((ended - running) as f64);
                }
            }
        }
    }

    fn script(&self) -> Result<String, Error> {
        let Some(start) = self.start else {
            return Err(Error::Order {
                message: "the trace has no event".to_owned(),
                order: None,
            });
        };
        let mut script = String::from("-- Fitted to a recorded trace.\n");
        let span = duration((self.end - start).max(1));
        // Writing to a string does not fail.
        writeln!(
            script,
            "SYNTHESIZE TIME {span} FROM '{}';",
            Timestamp(start)
        )
        .ok();
        for (number, (shape, count)) in self.nodes.iter().enumerate() {
            let leases = if self.leases { " LEASES" } else { "" };
            let shape = quoted(shape);
            writeln!(
                script,
                "SYNTHESIZE NODES {count} NAMED 'node-{number}-{{i}}' AS {shape}{leases};"
            )
            .ok();
        }
        for (uid, own) in &self.workloads {
            let is_root = ROOTS.contains(&own.kind.as_str()) && !self.owners.contains_key(uid);
            if is_root {
                own.write(start, self.events, &mut script);
            }
        }
        Ok(script)
    }
}

impl Workload {
    fn write(&self, start: i64, events: bool, script: &mut String) {
        let manifest = Value::Object(self.manifest()).to_string();
        write!(
            script,
            "SYNTHESIZE \"{}\" {} AS {} AT {}",
            self.kind,
            quoted(&format!("{}/{}", self.namespace, self.name)),
            quoted(&manifest),
            duration(self.begin - start),
        )
        .ok();
        if let (Some((_, first)), "Deployment" | "StatefulSet") =
            (self.replicas.first(), self.kind.as_str())
        {
            write!(script, " REPLICAS {first}").ok();
        }
        if let Some(end) = self.end
            && end > self.begin
        {
            write!(script, " UNTIL {}", duration(end - start)).ok();
        }
        for (word, values) in [("STARTUP", &self.startups), ("RUNTIME", &self.runtimes)] {
            let is_run = word == "RUNTIME";
            if values.is_empty() || (is_run && !matches!(self.kind.as_str(), "Job" | "CronJob")) {
                continue;
            }
            write!(script, " {word} empirical({})", quantiles(values)).ok();
        }
        if self.failed > 0 && matches!(self.kind.as_str(), "Job" | "CronJob") {
            let share = self.failed as f64 / self.ended.max(1) as f64;
            write!(script, " FAILURES {share:.4}").ok();
        }
        for (at, replicas) in self.replicas.iter().skip(1) {
            write!(script, " SCALE TO {replicas} AT {}", duration(at - start)).ok();
        }
        if self.kind == "Deployment" {
            for at in &self.rollouts {
                write!(script, " ROLLOUT AT {}", duration(at - start)).ok();
            }
        }
        script.push_str(if events { " EVENTS;\n" } else { ";\n" });
    }

    /// The object as a user wrote it, about.
    fn manifest(&self) -> Map<String, Value> {
        let mut object = self.object.as_object().cloned().unwrap_or_default();
        object.shift_remove("status");
        let mut metadata = Map::new();
        metadata.insert("name".to_owned(), Value::String(self.name.clone()));
        if let Some(Value::Object(labels)) = self.object.pointer("/metadata/labels") {
            let mut labels = labels.clone();
            labels.retain(|label, _| is_of_user(label));
            metadata.insert("labels".to_owned(), Value::Object(labels));
        }
        object.insert("metadata".to_owned(), Value::Object(metadata));
        if self.kind == "Job"
            && let Some(Value::Object(spec)) = object.get_mut("spec")
        {
            spec.shift_remove("selector");
            let labels = spec
                .get_mut("template")
                .and_then(|template| template.pointer_mut("/metadata/labels"))
                .and_then(Value::as_object_mut);
            if let Some(labels) = labels {
                labels.retain(|label, _| is_of_user(label));
            }
        }
        object
    }
}

/// Tells whether a label is not one that the controller of Jobs sets.
fn is_of_user(label: &str) -> bool {
    !label.ends_with("controller-uid") && !label.ends_with("job-name")
}

/// Writes values as the arguments of an empirical distribution: all of them, or so many quantiles.
fn quantiles(values: &[f64]) -> String {
    let mut values: Vec<f64> = values.iter().map(|value| value.max(0.0)).collect();
    values.sort_by(f64::total_cmp);
    let count = values.len().min(QUANTILES);
    let steps = (0..count).map(|step| step as f64 / (count.max(2) - 1) as f64);
    let texts: Vec<String> = steps
        .map(|share| duration(quantile(&values, share) as i64))
        .collect();
    texts.join(", ")
}

/// Writes a duration in milliseconds, in quotes.
fn duration(ns: i64) -> String {
    format!("'{}ms'", (ns.max(0) * 1000 / SECOND).max(0))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// How far apart two traces are.
#[derive(Clone, Debug, PartialEq)]
pub struct Distance {
    /// For each kind how many events the one and the other has.
    pub counts: Vec<(String, u64, u64)>,
    /// The Kolmogorov-Smirnov distance of the times from a pod's creation until it runs.
    pub startup: Option<f64>,
    /// The same of the times from when a pod runs until it ends or is deleted.
    pub lifetime: Option<f64>,
}

impl Distance {
    /// Compares two traces.
    pub fn between(one: &Profile, other: &Profile) -> Self {
        let kinds = one.counts.keys().chain(other.counts.keys());
        let kinds: std::collections::BTreeSet<&String> = kinds.collect();
        let count = |profile: &Profile, kind: &str| profile.counts.get(kind).copied().unwrap_or(0);
        Self {
            counts: kinds
                .into_iter()
                .map(|kind| (kind.clone(), count(one, kind), count(other, kind)))
                .collect(),
            startup: kolmogorov_smirnov(&one.startups, &other.startups),
            lifetime: kolmogorov_smirnov(&one.lifetimes, &other.lifetimes),
        }
    }
}

/// The largest difference of the shares of values up to any value; `None` without values.
fn kolmogorov_smirnov(one: &[f64], other: &[f64]) -> Option<f64> {
    if one.is_empty() || other.is_empty() {
        return None;
    }
    let sorted = |values: &[f64]| {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        values
    };
    let (one, other) = (sorted(one), sorted(other));
    let share = |values: &[f64], at: f64| {
        values.partition_point(|value| *value <= at) as f64 / values.len() as f64
    };
    one.iter()
        .chain(&other)
        .map(|at| (share(&one, *at) - share(&other, *at)).abs())
        .reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_of_two_samples_is_the_largest_difference_of_their_shares() {
        assert_eq!(kolmogorov_smirnov(&[1.0, 2.0], &[1.0, 2.0]), Some(0.0));
        assert_eq!(kolmogorov_smirnov(&[1.0, 2.0], &[3.0]), Some(1.0));
        assert_eq!(kolmogorov_smirnov(&[1.0, 2.0, 3.0, 4.0], &[2.5]), Some(0.5));
        assert_eq!(kolmogorov_smirnov(&[], &[1.0]), None);
    }

    #[test]
    fn many_values_are_written_as_quantiles() {
        assert_eq!(quantiles(&[3e9, 1e9]), "'1000ms', '3000ms'");
        let many: Vec<f64> = (0..1000).map(f64::from).collect();
        assert_eq!(quantiles(&many).split(", ").count(), QUANTILES);
        assert_eq!(quantiles(&[5e6]), "'5ms'");
    }
}
