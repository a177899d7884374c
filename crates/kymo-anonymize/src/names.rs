//! What is known of the names of a trace, from a first reading of all of it.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::failure::Failure;

/// What a known name takes beside its letters, in bytes, about.
const NAME_BYTES: usize = 96;

/// What a text is known to be. A text may be several things; the smallest one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Known {
    /// A name of an object or of a part of one.
    Name,
    /// A namespace.
    Namespace,
    /// An image reference.
    Image,
    /// A user or a group.
    Actor,
    /// A host.
    Host,
    /// The key of a label.
    LabelKey,
    /// A group, driver or other name of an extension.
    Api,
}

/// How a name was made, if that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    known: Known,
    /// The length of the name at its beginning that it was derived from; 0: none.
    stem: u16,
    /// The length of the name at its end, of the node of a mirror pod; 0: none.
    tail: u16,
    /// Whether it is the name of a `StatefulSet`.
    is_stateful_set: bool,
    /// Whether it is, among other things, a namespace.
    is_namespace: bool,
}

/// The dictionary of a trace.
#[derive(Debug)]
pub(crate) struct Names {
    entries: HashMap<Box<str>, Entry>,
    claim_templates: HashSet<Box<str>>,
    bytes: usize,
    limit: usize,
    /// Whether nothing is ever learned.
    is_by_letters: bool,
}

/// How a name is put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parts<'a> {
    /// From another name, a dash and a rest.
    Derived(&'a str, &'a str),
    /// From a rest, a dash and another name.
    Mirrored(&'a str, &'a str),
    /// From two names with a dash between them.
    Joined(&'a str, &'a str),
    /// It is its own.
    Whole,
}

impl Names {
    /// `limit` bounds its memory, in bytes, about.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            entries: HashMap::new(),
            claim_templates: HashSet::new(),
            bytes: 0,
            limit,
            is_by_letters: false,
        }
    }

    /// From now on how a name is put together is told by its letters alone.
    pub(crate) fn learns_nothing(&mut self) {
        self.is_by_letters = true;
    }

    /// Learns that a text is something.
    pub(crate) fn learn(&mut self, known: Known, text: &str) -> Result<(), Failure> {
        self.entry(known, text).map(|_| ())
    }

    /// Learns how an object got its name.
    pub(crate) fn learn_object(&mut self, kind: &str, object: &Value) -> Result<(), Failure> {
        let Some(metadata) = object.get("metadata") else {
            return Ok(());
        };
        let text = |field: &str| metadata.get(field).and_then(Value::as_str);
        let Some(name) = text("name") else {
            return Ok(());
        };
        if let Some(stem) = text("generateName") {
            self.learn_stem(name, stem.trim_end_matches('-'))?;
        }
        for owner in metadata
            .get("ownerReferences")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            if let Some(owner) = owner.get("name").and_then(Value::as_str) {
                self.learn_stem(name, owner)?;
            }
        }
        let annotation = |key: &str| metadata.get("annotations")?.get(key)?.as_str();
        if let Some(account) = annotation("kubernetes.io/service-account.name") {
            self.learn_stem(name, account)?;
        }
        if annotation("kubernetes.io/config.mirror").is_some()
            && let Some(node) = object.get("spec").and_then(|spec| spec.get("nodeName"))
            && let Some(node) = node.as_str()
            && is_joined(name, name.len().saturating_sub(node.len() + 1), node)
        {
            self.learn(Known::Name, node)?;
            let tail = node.len() as u16;
            self.entry(Known::Name, name)?.tail = tail;
        }
        self.learn_hash(name, metadata)?;
        if kind == "StatefulSet" {
            self.entry(Known::Name, name)?.is_stateful_set = true;
            let templates = object
                .get("spec")
                .and_then(|spec| spec.get("volumeClaimTemplates"));
            for template in templates.and_then(Value::as_array).into_iter().flatten() {
                if let Some(name) = template["metadata"]["name"].as_str()
                    && !self.claim_templates.contains(name)
                {
                    self.grow(name)?;
                    self.claim_templates.insert(name.into());
                }
            }
        }
        Ok(())
    }

    /// Returns what a text is known to be.
    pub(crate) fn known(&self, text: &str) -> Option<Known> {
        self.entries.get(text).map(|entry| entry.known)
    }

    /// Tells whether a text is a name, or may be one where nothing is learned.
    pub(crate) fn is_name(&self, text: &str) -> bool {
        let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if self.is_by_letters {
            return text
                .bytes()
                .all(|byte| is_letter(byte) || matches!(byte, b'-' | b'.'))
                && !text.ends_with(".svc")
                && !text.ends_with(".local");
        }
        self.known(text) == Some(Known::Name)
    }

    /// Tells whether a text is a namespace, whatever else it is.
    pub(crate) fn is_namespace(&self, text: &str) -> bool {
        self.entries
            .get(text)
            .is_some_and(|entry| entry.is_namespace)
    }

    /// Tells how a name is put together.
    pub(crate) fn parts<'a>(&self, name: &'a str) -> Parts<'a> {
        if self.is_by_letters {
            return by_letters(name);
        }
        let entry = self.entries.get(name);
        let cut = |at: usize| Some((name.get(..at)?, name.get(at + 1..)?));
        if let Some(entry) = entry {
            if entry.stem > 0
                && let Some((stem, rest)) = cut(usize::from(entry.stem))
            {
                return Parts::Derived(stem, rest);
            }
            if entry.tail > 0
                && let Some((rest, node)) =
                    cut(name.len().saturating_sub(usize::from(entry.tail) + 1))
            {
                return Parts::Mirrored(rest, node);
            }
        }
        // `data-web-0`: the claim that a template made for a pod.
        for (at, _) in name.match_indices('-') {
            if let Some((template, pod)) = cut(at)
                && self.claim_templates.contains(template)
                && let Some((set, ordinal)) = pod.rsplit_once('-')
                && is_ordinal(ordinal)
                && self
                    .entries
                    .get(set)
                    .is_some_and(|entry| entry.is_stateful_set)
            {
                return Parts::Joined(template, pod);
            }
        }
        if entry.is_some() {
            return Parts::Whole;
        }
        // A name that nothing in the trace has, such as that of a pod that only an Event tells of.
        for (at, _) in name.rmatch_indices('-').take(3) {
            if let Some((stem, rest)) = cut(at)
                && rest
                    .split('-')
                    .all(|part| is_ordinal(part) || is_random(part))
                && self.known(stem) == Some(Known::Name)
            {
                return Parts::Derived(stem, rest);
            }
        }
        Parts::Whole
    }

    /// A `ReplicaSet` is its Deployment and the hash of the template, and so are its pods.
    fn learn_hash(&mut self, name: &str, metadata: &Value) -> Result<(), Failure> {
        let Some(hash) = metadata["labels"]["pod-template-hash"].as_str() else {
            return Ok(());
        };
        let Some(at) = name.find(&format!("-{hash}")).filter(|_| !hash.is_empty()) else {
            return Ok(());
        };
        let (Some(stem), Some(set)) = (name.get(..at), name.get(..at + 1 + hash.len())) else {
            return Ok(());
        };
        self.learn_stem(set, stem)?;
        if set != name {
            self.learn_stem(name, set)?;
        }
        Ok(())
    }

    /// Learns that a name begins with another one and a dash; the longest one counts.
    fn learn_stem(&mut self, name: &str, stem: &str) -> Result<(), Failure> {
        if stem.is_empty()
            || stem.len() + 1 >= name.len()
            || !name.starts_with(stem)
            || name.as_bytes().get(stem.len()) != Some(&b'-')
        {
            return Ok(());
        }
        self.learn(Known::Name, stem)?;
        let entry = self.entry(Known::Name, name)?;
        entry.stem = entry.stem.max(stem.len() as u16);
        Ok(())
    }

    fn entry(&mut self, known: Known, text: &str) -> Result<&mut Entry, Failure> {
        if !self.entries.contains_key(text) {
            self.grow(text)?;
        }
        let entry = self.entries.entry(text.into()).or_insert(Entry {
            known,
            stem: 0,
            tail: 0,
            is_stateful_set: false,
            is_namespace: false,
        });
        entry.known = entry.known.min(known);
        entry.is_namespace |= known == Known::Namespace;
        Ok(entry)
    }

    fn grow(&mut self, text: &str) -> Result<(), Failure> {
        self.bytes += NAME_BYTES + text.len();
        if self.bytes > self.limit {
            return Err(Failure::TooManyNames {
                known: self.entries.len(),
            });
        }
        Ok(())
    }
}

/// Takes off what Kubernetes puts behind names: the five letters of a pod, the hash of a template,
/// the minutes of a Job. Numbers are no such thing: `rack-7` is a name of its own.
fn by_letters(name: &str) -> Parts<'_> {
    let Some((stem, rest)) = name.rsplit_once('-') else {
        return Parts::Whole;
    };
    let is_minutes = rest.len() == 8 && rest.bytes().all(|byte| byte.is_ascii_digit());
    let is_hash = is_random(rest)
        && (rest.len() == 5 || (8..=10).contains(&rest.len()))
        && !rest.bytes().all(|byte| byte.is_ascii_digit());
    if stem.is_empty() || name.contains('.') || !(is_minutes || is_hash) {
        return Parts::Whole;
    }
    Parts::Derived(stem, rest)
}

fn is_joined(name: &str, at: usize, tail: &str) -> bool {
    at > 0 && name.as_bytes().get(at) == Some(&b'-') && name.get(at + 1..) == Some(tail)
}

/// Tells whether a part of a name counts.
pub(crate) fn is_ordinal(part: &str) -> bool {
    (1..=5).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
}

/// Tells whether a part of a name was drawn or is a hash: it has no vowel, as Kubernetes writes
/// them, or is hexadecimal.
pub(crate) fn is_random(part: &str) -> bool {
    let is_safe = |byte: u8| b"bcdfghjklmnpqrstvwxz2456789".contains(&byte);
    let is_hex = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    (4..=10).contains(&part.len())
        && (part.bytes().all(is_safe)
            || (part.len() >= 8
                && part.bytes().all(is_hex)
                && part.bytes().any(|byte| byte.is_ascii_digit())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names() -> Names {
        let mut names = Names::new(1 << 20);
        for (kind, object) in [
            (
                "ReplicaSet",
                json!({"metadata": {"name": "web-7d4b9c6f5", "labels": {"pod-template-hash": "7d4b9c6f5"},
                    "ownerReferences": [{"kind": "Deployment", "name": "web"}]}}),
            ),
            (
                "Pod",
                json!({"metadata": {"name": "web-7d4b9c6f5-x2x9z", "generateName": "web-7d4b9c6f5-",
                    "ownerReferences": [{"kind": "ReplicaSet", "name": "web-7d4b9c6f5"}]}}),
            ),
            (
                "StatefulSet",
                json!({"metadata": {"name": "my-db"},
                    "spec": {"volumeClaimTemplates": [{"metadata": {"name": "data"}}]}}),
            ),
            (
                "Pod",
                json!({"metadata": {"name": "etcd-node-1", "annotations": {"kubernetes.io/config.mirror": "x"}},
                    "spec": {"nodeName": "node-1"}}),
            ),
        ] {
            names.learn_object(kind, &object).unwrap();
        }
        names
    }

    #[test]
    fn names_are_taken_apart_as_they_were_put_together() {
        let names = names();
        for (name, parts) in [
            (
                "web-7d4b9c6f5-x2x9z",
                Parts::Derived("web-7d4b9c6f5", "x2x9z"),
            ),
            ("web-7d4b9c6f5", Parts::Derived("web", "7d4b9c6f5")),
            ("web", Parts::Whole),
            ("data-my-db-3", Parts::Joined("data", "my-db-3")),
            ("etcd-node-1", Parts::Mirrored("etcd", "node-1")),
            // Never seen, but made as others are.
            ("web-5f6c9d8b7-abcde", Parts::Whole),
            (
                "web-5f6c9d8b7-bcdfg",
                Parts::Derived("web", "5f6c9d8b7-bcdfg"),
            ),
            ("my-db-3", Parts::Derived("my-db", "3")),
            ("data-other-3", Parts::Whole),
        ] {
            assert_eq!(names.parts(name), parts, "{name}");
        }
    }

    #[test]
    fn what_a_text_is_does_not_depend_on_the_order_of_reading() {
        let mut names = Names::new(1 << 20);
        names.learn(Known::Actor, "x").unwrap();
        names.learn(Known::Name, "x").unwrap();
        names.learn(Known::Image, "x").unwrap();
        assert_eq!(names.known("x"), Some(Known::Name));
    }

    #[test]
    fn a_dictionary_that_is_too_large_is_told() {
        let mut names = Names::new(NAME_BYTES * 2);
        names.learn(Known::Name, "a").unwrap();
        names.learn(Known::Name, "a").unwrap();
        assert!(matches!(
            names.learn(Known::Name, "b"),
            Err(Failure::TooManyNames { known: 1 })
        ));
    }
}
