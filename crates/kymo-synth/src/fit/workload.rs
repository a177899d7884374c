use serde_json::{Map, Value};

use super::text;
use super::thing::difference;

/// What was seen of a workload.
#[derive(Debug, Default)]
pub(super) struct Workload {
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
    /// The object as it was first seen.
    object: Value,
    pub(super) begin: i64,
    pub(super) end: Option<i64>,
    /// Its numbers of replicas, and since when.
    pub(super) replicas: Vec<(i64, u64)>,
    /// When its template changed, and how.
    pub(super) rollouts: Vec<(i64, Value)>,
    template: Value,
    /// Its pods, in the order in which they came.
    pub(super) pods: Vec<PodLife>,
}

/// What was seen of a pod.
#[derive(Debug, Default)]
pub(super) struct PodLife {
    pub(super) owner: String,
    /// When it was first seen.
    pub(super) begin: Option<i64>,
    /// Whether that was when it was made.
    is_new: bool,
    running: Option<i64>,
    ended: Option<(i64, bool)>,
    leaving: Option<i64>,
    is_ready: bool,
    is_bound: bool,
    /// Updates of its own for what a pod goes through.
    pub(super) stages: Seen,
    grace: i64,
}

/// Which updates of its own a pod had, and which it could have had.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) accepted: Option<bool>,
    pub(super) ready: Option<bool>,
    pub(super) stopped: Option<bool>,
    pub(super) released: Option<bool>,
}

impl PodLife {
    pub(super) fn take(&mut self, pod: &Value, ts: i64, is_new: bool, is_gone: bool) {
        let is_first = self.begin.is_none();
        self.begin.get_or_insert(ts);
        self.is_new |= is_new && is_first;
        self.owner = text(pod, "/metadata/ownerReferences/0/uid");
        if is_gone {
            return;
        }
        let phase = text(pod, "/status/phase");
        let is_bound = !text(pod, "/spec/nodeName").is_empty();
        let is_accepted = pod.pointer("/status/startTime").is_some();
        if is_bound && self.is_bound && is_accepted && self.stages.accepted.is_none() {
            self.stages.accepted = Some(phase == "Pending");
        }
        self.is_bound |= is_bound;
        let was_leaving = self.leaving.is_some();
        match phase.as_str() {
            "Running" => {
                let is_first = self.running.is_none();
                self.running.get_or_insert(ts);
                let is_ready = condition(pod, "Ready");
                if is_ready && !self.is_ready {
                    self.is_ready = true;
                    self.stages.ready = Some(!is_first);
                }
            }
            phase @ ("Succeeded" | "Failed") if !was_leaving => {
                self.ended.get_or_insert((ts, phase == "Succeeded"));
            }
            _ => {}
        }
        let Some(grace) = pod.pointer("/metadata/deletionGracePeriodSeconds") else {
            return;
        };
        let grace = grace.as_i64().unwrap_or_default();
        self.leaving.get_or_insert(ts);
        let could_stop = self.is_bound && self.ended.is_none();
        if !was_leaving && could_stop {
            self.stages.stopped = Some(false);
            self.stages.released = Some(false);
        }
        if was_leaving && could_stop {
            if grace == 0 && self.grace > 0 {
                self.stages.released = Some(true);
            } else if grace == self.grace {
                self.stages.stopped = Some(true);
            }
        }
        self.grace = grace;
    }

    /// From its creation until it runs; `None` where it was not seen to be made.
    pub(super) fn startup(&self) -> Option<i64> {
        let begin = self.begin.filter(|_| self.is_new)?;
        Some(self.running.map_or(i64::MAX, |running| running - begin))
    }

    /// From when it runs, or is made if it never does, until it ends or is deleted.
    pub(super) fn life(&self) -> i64 {
        let end = match (self.ended, self.leaving) {
            (Some((ended, _)), Some(leaving)) => Some(ended.min(leaving)),
            (ended, leaving) => ended.map(|(ended, _)| ended).or(leaving),
        };
        match (self.running.or(self.begin), end) {
            (Some(begin), Some(end)) => (end - begin).max(0),
            _ => i64::MAX,
        }
    }

    /// How it ended by itself, if it did.
    pub(super) fn success(&self) -> Option<bool> {
        self.ended.map(|(_, is_success)| is_success)
    }
}

fn condition(object: &Value, kind: &str) -> bool {
    let conditions = object
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    conditions
        .into_iter()
        .flatten()
        .any(|condition| text(condition, "/type") == kind && text(condition, "/status") == "True")
}

impl Workload {
    pub(super) fn take(&mut self, object: Value, ts: i64, is_gone: bool) {
        let template = object.pointer("/spec/template").cloned();
        let template = template.unwrap_or_default();
        if let Some(replicas) = object.pointer("/spec/replicas").and_then(Value::as_u64)
            && self
                .replicas
                .last()
                .is_none_or(|(_, last)| *last != replicas)
        {
            self.replicas.push((ts, replicas));
        }
        if is_gone {
            self.end = Some(ts);
        }
        if self.kind.is_empty() {
            self.kind = text(&object, "/kind");
            self.namespace = text(&object, "/metadata/namespace");
            self.name = text(&object, "/metadata/name");
            self.object = object;
            self.begin = ts;
        } else if self.template != template {
            let patch = difference(&self.template, &template);
            self.rollouts.push((ts, patch));
        }
        self.template = template;
    }

    /// The object as a user wrote it, about.
    pub(super) fn manifest(&self) -> Value {
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
        Value::Object(object)
    }
}

/// Tells whether a label is not one that the controller of Jobs sets.
fn is_of_user(label: &str) -> bool {
    !label.ends_with("controller-uid") && !label.ends_with("job-name")
}
