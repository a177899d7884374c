//! A pod that a lifecycle tells of, and its text.

use std::sync::Arc;

use kymo_model::ObjectKey;
use serde_json::{Map, Value, json};

use super::hash;
use super::shelf::{PodLife, timestamp};
use super::templates::Fit;
use super::trace::Who;
use crate::import::minted;

/// What SimKube notes in the pods that it makes: the stable hash of the spec.
const HASH_NOTE: &str = "simkube.io/pod-spec-stable-hash";
/// And their place among the pods of that hash.
const SEQUENCE_NOTE: &str = "simkube.io/pod-sequence-number";
/// The longest part of an owner's name that goes into the name of a pod.
const OWNER_IN_NAME: usize = 200;

/// A pod that a lifecycle tells of.
#[derive(Clone, Debug)]
pub(super) struct Pod {
    pub(super) key: ObjectKey,
    pub(super) body: Body,
    /// When its first container started, in seconds since the Unix epoch.
    start: i64,
    /// When it ended, once it has.
    pub(super) end: Option<i64>,
}

/// Where the text of a pod comes from.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// It is made of a template.
    Made {
        fit: Fit,
        owner: Arc<Who>,
        owner_uid: Arc<str>,
        hash: u64,
        sequence: u64,
    },
    /// The trace has it.
    Own(Arc<Value>),
}

impl Pod {
    /// Makes the pod of a lifecycle from the template of its owner.
    pub(super) fn made(life: &PodLife, fit: Fit, owner_uid: Arc<str>, import: u32) -> Self {
        let kind = life.owner.gvk.to_string();
        let tag = hash::of_text(&[&kind, &life.hash.to_string()]) & 0xff_ffff_ffff;
        let stem = beginning(&life.owner.name, OWNER_IN_NAME);
        let mut key = ObjectKey {
            namespace: life.owner.namespace.clone(),
            name: format!("{stem}-{tag:010x}-{}", life.sequence),
            uid: String::new(),
        };
        key.uid = minted::uid("pods", &key, import);
        Self {
            key,
            body: Body::Made {
                fit,
                owner: Arc::new(life.owner.clone()),
                owner_uid,
                hash: life.hash,
                sequence: life.sequence,
            },
            start: life.start,
            end: None,
        }
    }

    /// Takes the pod that the trace has, with the lifecycle that the trace says it has.
    pub(super) fn own(life: &PodLife, uid: &str, body: &Arc<Value>) -> Self {
        Self {
            key: ObjectKey {
                namespace: life.owner.namespace.clone(),
                name: life.owner.name.clone(),
                uid: uid.to_owned(),
            },
            body: Body::Own(Arc::clone(body)),
            start: life.start,
            end: None,
        }
    }

    fn spec(&self) -> Option<&Value> {
        match &self.body {
            Body::Made { fit, .. } => Some(fit.spec()),
            Body::Own(body) => body.get("spec"),
        }
    }

    fn status(&self) -> Value {
        let started = second(self.start);
        let (phase, state) = match self.end {
            None => ("Running", json!({"running": {"startedAt": started}})),
            Some(end) => (
                "Succeeded",
                json!({"terminated": {"startedAt": started, "finishedAt": second(end)}}),
            ),
        };
        let containers = self
            .spec()
            .and_then(|spec| spec.get("containers"))
            .and_then(Value::as_array);
        let statuses: Vec<Value> = containers
            .into_iter()
            .flatten()
            .filter_map(|container| container.get("name"))
            .map(|name| json!({"name": name, "state": state}))
            .collect();
        json!({"phase": phase, "containerStatuses": statuses})
    }

    /// Writes the pod with its status.
    pub(super) fn text(&self) -> String {
        let mut body = match &self.body {
            Body::Own(body) => body.as_ref().clone(),
            Body::Made {
                fit,
                owner,
                owner_uid,
                hash,
                sequence,
            } => {
                let mut metadata = fit.metadata().clone();
                let notes = metadata
                    .entry("annotations")
                    .or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(notes) = notes {
                    notes.insert(HASH_NOTE.to_owned(), hash.to_string().into());
                    notes.insert(SEQUENCE_NOTE.to_owned(), sequence.to_string().into());
                }
                metadata.insert("name".to_owned(), self.key.name.as_str().into());
                if !self.key.namespace.is_empty() {
                    metadata.insert("namespace".to_owned(), self.key.namespace.as_str().into());
                }
                metadata.insert("uid".to_owned(), self.key.uid.as_str().into());
                let owner = json!([{
                    "apiVersion": owner.gvk.api_version,
                    "kind": owner.gvk.kind,
                    "name": owner.name,
                    "uid": **owner_uid,
                    "controller": true,
                }]);
                metadata.insert("ownerReferences".to_owned(), owner);
                json!({
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": metadata,
                    "spec": fit.spec(),
                })
            }
        };
        if let Some(fields) = body.as_object_mut() {
            fields.insert("status".to_owned(), self.status());
        }
        body.to_string()
    }
}

/// Cuts a name at the end.
fn beginning(name: &str, length: usize) -> &str {
    let mut length = name.len().min(length);
    while !name.is_char_boundary(length) {
        length -= 1;
    }
    name.get(..length).unwrap_or_default()
}

/// Writes a time as Kubernetes does, in whole seconds.
fn second(seconds: i64) -> String {
    let text = timestamp(seconds).unwrap_or_default().to_string();
    text.replace(".000000000Z", "Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_between_characters() {
        assert_eq!(beginning("web", 200), "web");
        assert_eq!(beginning(&"é".repeat(101), 201), "é".repeat(100));
    }
}
