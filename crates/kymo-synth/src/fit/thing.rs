//! Objects of which kymo knows nothing but when they come, change and go.

use std::collections::{BTreeMap, BTreeSet};

use chrono::DateTime;
use serde_json::{Map, Value};

use super::text;

/// How many of its changes a group shows.
const PATCHES: usize = 8;

/// The longest change that is shown, in bytes.
const LONGEST: usize = 800;

/// One object, as far as it was read.
#[derive(Debug)]
pub(super) struct Thing {
    first: Value,
    last: Value,
    begin: Option<i64>,
    end: Option<i64>,
    changes: Vec<i64>,
    patches: Vec<Value>,
}

impl Thing {
    pub(super) fn new(object: &Value) -> Self {
        Self {
            first: object.clone(),
            last: Value::Null,
            begin: None,
            end: None,
            changes: Vec::new(),
            patches: Vec::new(),
        }
    }

    pub(super) fn take(&mut self, object: Value, ts: i64, is_gone: bool) {
        let is_leaving = object.pointer("/metadata/deletionTimestamp").is_some();
        if self.begin.is_none() {
            self.begin = Some(ts);
        } else if is_gone {
            self.end.get_or_insert(ts);
            return;
        } else if is_leaving && self.text("/kind") == "Namespace" {
            // What follows is what comes of that.
            self.end.get_or_insert(ts);
            return;
        } else {
            self.changes.push(ts);
            if self.patches.len() < PATCHES {
                let patch = change(&self.last, &object);
                if !self.patches.contains(&patch) && patch.to_string().len() <= LONGEST {
                    self.patches.push(patch);
                }
            }
        }
        self.last = object;
    }

    pub(super) fn text(&self, pointer: &str) -> String {
        text(&self.first, pointer)
    }

    /// Returns namespace and name of the claim that it is, or to which the volume is bound that it is.
    pub(super) fn claim(&self) -> Option<(String, String)> {
        let (namespace, name) = match self.text("/kind").as_str() {
            "PersistentVolumeClaim" => ("/metadata/namespace", "/metadata/name"),
            "PersistentVolume" => ("/spec/claimRef/namespace", "/spec/claimRef/name"),
            _ => return None,
        };
        let name = self.text(name);
        (!name.is_empty()).then(|| (self.text(namespace), name))
    }

    /// Tells whether it is a volume that nobody had when it was first seen.
    pub(super) fn is_offered(&self) -> bool {
        let phase = self.text("/status/phase");
        self.text("/kind") == "PersistentVolume"
            && self.claim().is_none()
            && matches!(phase.as_str(), "Pending" | "Available")
    }

    /// Returns namespace and name of the claim that has got the volume, if one has.
    pub(super) fn taker(&self) -> Option<(String, String)> {
        let name = text(&self.last, "/spec/claimRef/name");
        (!name.is_empty()).then(|| (text(&self.last, "/spec/claimRef/namespace"), name))
    }

    /// Forgets changes that come again by themselves.
    pub(super) fn forget_changes(&mut self) {
        self.changes.clear();
        self.patches.clear();
    }

    pub(super) fn is_event(&self) -> bool {
        self.text("/kind") == "Event"
    }

    /// The object without what the API server gives it.
    fn manifest(&self) -> Value {
        let mut object = self.first.as_object().cloned().unwrap_or_default();
        let mut metadata = Map::new();
        for name in ["labels", "annotations", "finalizers"] {
            if let Some(value) = self.first.pointer(&format!("/metadata/{name}")) {
                metadata.insert(name.to_owned(), value.clone());
            }
        }
        if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
            annotations.shift_remove("kubectl.kubernetes.io/last-applied-configuration");
        }
        object.insert("metadata".to_owned(), Value::Object(metadata));
        let mut object = Value::Object(object);
        blank_times(&mut object);
        unlink(&mut object);
        object
    }

    /// What things have in common that are told of together.
    fn group(&self) -> [String; 4] {
        let name = match self.text("/kind").as_str() {
            "Namespace" => self.text("/metadata/name"),
            "PersistentVolume" if self.changes.is_empty() => "unchanged".to_owned(),
            _ => String::new(),
        };
        let about = self.text("/involvedObject/kind") + &self.text("/reason");
        [self.text("/apiVersion"), self.text("/kind"), name, about]
    }
}

/// Objects of one kind.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) kind: String,
    /// The name of the first.
    pub(super) name: String,
    pub(super) manifest: Value,
    /// When they came, when they went, and in which namespace they were.
    pub(super) lives: Vec<(i64, Option<i64>, String)>,
    /// When one of them changed, and the number of its namespace.
    pub(super) changes: Vec<(i64, usize)>,
    /// How they changed.
    pub(super) patches: Vec<Value>,
}

/// Groups of things.
#[derive(Debug, Default)]
pub(super) struct Things {
    groups: BTreeMap<[String; 4], Group>,
    /// Numbers of namespaces.
    namespaces: BTreeMap<String, usize>,
}

impl Things {
    pub(super) fn add(&mut self, thing: Thing) {
        let Some(begin) = thing.begin else {
            return;
        };
        let group = self.groups.entry(thing.group()).or_insert_with(|| Group {
            kind: thing.text("/kind"),
            name: thing.text("/metadata/name"),
            manifest: thing.manifest(),
            lives: Vec::new(),
            changes: Vec::new(),
            patches: Vec::new(),
        });
        let namespace = thing.text("/metadata/namespace");
        let next = self.namespaces.len();
        let number = *self.namespaces.entry(namespace.clone()).or_insert(next);
        group.lives.push((begin, thing.end, namespace));
        let changes = thing.changes.into_iter();
        group.changes.extend(changes.map(|at| (at, number)));
        for patch in thing.patches {
            if group.patches.len() < PATCHES && !group.patches.contains(&patch) {
                group.patches.push(patch);
            }
        }
    }

    /// The groups, each in the order of time. What was in a namespace that went is a group of its own.
    pub(super) fn groups(&self, gone: &BTreeSet<String>) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for group in self.groups.values() {
            let mut rest = group.clone();
            for namespace in gone {
                let number = self.namespaces.get(namespace).copied();
                let lives = rest.lives.extract_if(.., |(.., own)| own == namespace);
                let lives: Vec<_> = lives.collect();
                if lives.is_empty() {
                    continue;
                }
                let changes = rest.changes.extract_if(.., |(_, own)| Some(*own) == number);
                let changes = changes.collect();
                groups.push(Group {
                    lives,
                    changes,
                    ..group.clone()
                });
            }
            if !rest.lives.is_empty() {
                groups.push(rest);
            }
        }
        for group in &mut groups {
            group.lives.sort_unstable();
            group.changes.sort_unstable();
        }
        groups
    }

    /// Names of objects of a kind that went, each of which is a group of its own.
    pub(super) fn gone(&self, kind: &str) -> BTreeSet<String> {
        let groups = self.groups.values().filter(|group| group.kind == kind);
        let gone = groups.filter(|group| group.lives.iter().any(|(_, end, _)| end.is_some()));
        gone.map(|group| group.name.clone()).collect()
    }
}

/// What has to be merged into an object so that it becomes another version of it, without what the
/// API server changes itself.
fn change(from: &Value, to: &Value) -> Value {
    let mut patch = difference(from, to);
    if let Some(metadata) = patch.get_mut("metadata").and_then(Value::as_object_mut) {
        for name in [
            "resourceVersion",
            "generation",
            "managedFields",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        ] {
            metadata.shift_remove(name);
        }
        if metadata.is_empty()
            && let Some(patch) = patch.as_object_mut()
        {
            patch.shift_remove("metadata");
        }
    }
    blank_times(&mut patch);
    unlink(&mut patch);
    patch
}

/// What has to be merged into a value so that it becomes another one (RFC 7386).
pub(super) fn difference(from: &Value, to: &Value) -> Value {
    let (Value::Object(from), Value::Object(to)) = (from, to) else {
        return to.clone();
    };
    let mut patch = Map::new();
    for name in from.keys().filter(|name| !to.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    for (name, value) in to {
        match from.get(name) {
            Some(known) if known == value => {}
            Some(known) => {
                patch.insert(name.clone(), difference(known, value));
            }
            None => {
                patch.insert(name.clone(), value.clone());
            }
        }
    }
    Value::Object(patch)
}

/// Takes out which objects of the recording it is about: an Event gets another one, and an endpoint has
/// none.
fn unlink(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(unlink),
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                if let ("involvedObject" | "regarding", Some(subject)) =
                    (name.as_str(), value.as_object_mut())
                    // Kubelets say the name of their node.
                    && subject.get("uid") != subject.get("name")
                {
                    subject.shift_remove("uid");
                    subject.shift_remove("resourceVersion");
                }
            }
            members.retain(|name, value| name != "targetRef" || !value.is_object());
            members.values_mut().for_each(unlink);
        }
        _ => {}
    }
}

/// Has times be those at which something is written.
fn blank_times(value: &mut Value) {
    match value {
        Value::String(text)
            if text.len() >= 20
                && text.ends_with('Z')
                && DateTime::parse_from_rfc3339(text).is_ok() =>
        {
            let mark = if text.contains('.') {
                "{now:6}"
            } else {
                "{now}"
            };
            mark.clone_into(text);
        }
        Value::Array(values) => values.iter_mut().for_each(blank_times),
        Value::Object(members) => members.values_mut().for_each(blank_times),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use kymo_patch::merge_patch;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_merged_in_gives_the_other_value() {
        let from = json!({"a": {"b": 1, "c": [1]}, "d": "x", "e": 1});
        let to = json!({"a": {"b": 1, "c": [2]}, "e": {"f": 1}, "g": null});
        let patch = difference(&from, &to);
        let mut merged = from;
        merge_patch(&mut merged, &patch);
        assert_eq!(merged, json!({"a": {"b": 1, "c": [2]}, "e": {"f": 1}}));
    }

    #[test]
    fn uids_of_the_recording_are_left_out() {
        let subject = json!({"kind": "Pod", "name": "a", "uid": "1", "resourceVersion": "2"});
        let node = json!({"kind": "Node", "name": "a", "uid": "a"});
        let targets =
            json!([{"addresses": ["10.0.0.1"], "targetRef": {"kind": "Pod", "uid": "1"}}]);
        let mut object = json!({
            "involvedObject": subject,
            "related": {"regarding": node},
            "subsets": [{"addresses": targets}],
        });
        unlink(&mut object);
        let expected = json!({
            "involvedObject": {"kind": "Pod", "name": "a"},
            "related": {"regarding": node},
            "subsets": [{"addresses": [{"addresses": ["10.0.0.1"]}]}],
        });
        assert_eq!(object, expected);
    }

    #[test]
    fn of_a_namespace_that_is_deleted_it_is_kept_when_that_was_asked_for() {
        let of = |deleted: Option<&str>| json!({"kind": "Namespace", "metadata": {"name": "a", "deletionTimestamp": deleted}});
        let mut first = of(None);
        first["metadata"] = json!({"name": "a"});
        let mut thing = Thing::new(&first);
        thing.take(first, 1, false);
        let leaving = of(Some("2026-11-21T05:44:39Z"));
        thing.take(leaving.clone(), 5, false);
        thing.take(leaving.clone(), 7, false);
        thing.take(leaving, 9, true);
        assert_eq!((thing.begin, thing.end), (Some(1), Some(5)));
        assert!(thing.changes.is_empty() && thing.patches.is_empty());
    }

    #[test]
    fn a_change_has_no_times_and_nothing_of_the_server() {
        let from = json!({"metadata": {"resourceVersion": "1"}, "spec": {"renewTime": "a"}});
        let to = json!({
            "metadata": {"resourceVersion": "2"},
            "spec": {"renewTime": "2026-11-21T05:44:39.869841Z"},
        });
        assert_eq!(
            change(&from, &to),
            json!({"spec": {"renewTime": "{now:6}"}})
        );
    }
}
