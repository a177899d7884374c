use serde_json::{Map, Value};

use super::pod::PodLife;
use super::template::change;
use super::text;

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

impl Workload {
    /// Pods that are made one by one.
    pub(super) fn bare(pod: &PodLife, manifest: Value) -> Self {
        Self {
            kind: "Pod".to_owned(),
            namespace: pod.namespace(),
            name: pod.name(),
            object: manifest,
            ..Self::default()
        }
    }

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
            let patch = change(&self.template, &template);
            self.rollouts.push((ts, patch));
        }
        self.template = template;
    }

    /// Finds out which of its pods its controller deletes again without being told.
    pub(super) fn explain_pods(&mut self) {
        if !matches!(self.kind.as_str(), "StatefulSet" | "DaemonSet") {
            return;
        }
        let rollouts: Vec<i64> = self.rollouts.iter().map(|(at, _)| *at).collect();
        for pod in &mut self.pods {
            let is_last = self
                .end
                .is_some_and(|end| pod.left().is_some_and(|left| end <= left));
            pod.is_explained |= is_last || pod.is_replaced(&rollouts, &self.replicas);
        }
    }

    /// Returns the namespace and how the names of the claims begin that it makes for its pods.
    pub(super) fn claims(&self) -> Vec<(String, String)> {
        let templates = self.object.pointer("/spec/volumeClaimTemplates");
        let templates = templates.and_then(Value::as_array).into_iter().flatten();
        templates
            .map(|template| {
                let claim = text(template, "/metadata/name");
                (self.namespace.clone(), format!("{claim}-{}-", self.name))
            })
            .collect()
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
