use kymo_model::FeedId;
use serde_json::{Map, Value, json};

use super::{GONE, Sort, Story};
use crate::Error;
use crate::clock::seconds;
use crate::defaults::{as_object, object};
use crate::text::{Place, Text};

/// An object of which each version is kept as a text.
#[derive(Clone, Debug)]
pub(crate) struct Plain {
    pub(crate) feed: FeedId,
    pub(crate) namespace: Box<str>,
    pub(crate) name: Box<str>,
    pub(crate) uid: Box<str>,
    /// Its number among all objects.
    pub(crate) object: u32,
    /// The number of its last event.
    pub(crate) last: u32,
    pub(super) created: i64,
    pub(super) is_gone: bool,
}

/// A version of an object: what it has in common with others, and its status.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) base: u32,
    pub(crate) status: Box<str>,
}

/// What is said of an object when it is made.
pub(super) struct Draft<'a> {
    pub(super) api_version: &'a str,
    pub(super) kind: &'a str,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    /// The manifest or what a controller makes: `metadata` may have labels, annotations and so on.
    pub(super) body: Value,
    /// Whether it counts changes of its spec.
    pub(super) generation: Option<u32>,
    /// Whether it has a status.
    pub(super) has_status: bool,
}

impl Story<'_> {
    /// Makes an object; returns its number among the plain ones.
    pub(super) fn create(&mut self, draft: &Draft<'_>, status: &str) -> Result<u32, Error> {
        let feed = self.catalog.feed(draft.api_version, draft.kind);
        let is_namespaced = self.catalog.is_namespaced(feed);
        let namespace = if is_namespaced { draft.namespace } else { "" };
        if !namespace.is_empty() {
            self.ensure_namespace(namespace)?;
        }
        let index = self.plains.len() as u32;
        let object = self.object(Sort::Plain, index)?;
        let uid = self.seed.uid(u64::from(object)).to_string();
        let base = self.base(draft, namespace, &uid);
        self.plains.push(Plain {
            feed,
            namespace: namespace.into(),
            name: draft.name.into(),
            uid: uid.into(),
            object,
            last: 0,
            created: self.now,
            is_gone: false,
        });
        self.write_version(index, base, status)?;
        Ok(index)
    }

    /// Makes what the versions of an object have in common.
    pub(super) fn base(&mut self, draft: &Draft<'_>, namespace: &str, uid: &str) -> u32 {
        let body = whole(draft, namespace, uid, self.now);
        self.bases.push(Text::of(&body));
        (self.bases.len() - 1) as u32
    }

    /// Makes the base of an object that is there already, created at `created`.
    pub(super) fn rebase(&mut self, plain: u32, draft: &Draft<'_>, created: i64) -> u32 {
        let (namespace, uid) = self
            .plains
            .get(plain as usize)
            .map(|plain| (plain.namespace.clone(), plain.uid.clone()))
            .unwrap_or_default();
        let body = whole(draft, &namespace, &uid, created);
        self.bases.push(Text::of(&body));
        (self.bases.len() - 1) as u32
    }

    /// Writes a version of an object down.
    pub(super) fn write_version(
        &mut self,
        plain: u32,
        base: u32,
        status: &str,
    ) -> Result<(), Error> {
        let version = self.versions.len() as u32;
        self.versions.push(Version {
            base,
            status: status.into(),
        });
        let object = self.object_of(plain);
        let number = self.note(object, version)?;
        if let Some(plain) = self.plains.get_mut(plain as usize) {
            plain.last = number;
        }
        Ok(())
    }

    /// Deletes an object.
    pub(super) fn remove(&mut self, plain: u32) -> Result<(), Error> {
        let Some(found) = self.plains.get_mut(plain as usize) else {
            return Ok(());
        };
        if std::mem::replace(&mut found.is_gone, true) {
            return Ok(());
        }
        let object = found.object;
        self.note(object, GONE).map(|_| ())
    }

    pub(super) fn object_of(&self, plain: u32) -> u32 {
        self.plains
            .get(plain as usize)
            .map_or(super::NONE, |plain| plain.object)
    }

    pub(super) fn created_of(&self, plain: u32) -> i64 {
        self.plains
            .get(plain as usize)
            .map_or(self.now, |plain| plain.created)
    }

    pub(super) fn uid_of(&self, plain: u32) -> String {
        self.plains
            .get(plain as usize)
            .map(|plain| plain.uid.to_string())
            .unwrap_or_default()
    }

    pub(super) fn name_of(&self, plain: u32) -> String {
        self.plains
            .get(plain as usize)
            .map(|plain| plain.name.to_string())
            .unwrap_or_default()
    }
}

/// Puts an object together, with places for its version and its status.
fn whole(draft: &Draft<'_>, namespace: &str, uid: &str, created: i64) -> Value {
    let mut body = draft.body.clone();
    let members = as_object(&mut body);
    let given = std::mem::take(object(members, "metadata"));
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), json!(draft.name));
    if !namespace.is_empty() {
        metadata.insert("namespace".to_owned(), json!(namespace));
    }
    metadata.insert("uid".to_owned(), json!(uid));
    metadata.insert("resourceVersion".to_owned(), json!(Place::Version.mark()));
    if let Some(generation) = draft.generation {
        metadata.insert("generation".to_owned(), json!(generation));
    }
    metadata.insert("creationTimestamp".to_owned(), json!(seconds(created)));
    for (name, value) in given {
        let is_empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
        if !metadata.contains_key(&name) && !is_empty && name != "managedFields" {
            metadata.insert(name, value);
        }
    }
    let mut out = Map::new();
    out.insert("kind".to_owned(), json!(draft.kind));
    out.insert("apiVersion".to_owned(), json!(draft.api_version));
    out.insert("metadata".to_owned(), Value::Object(metadata));
    for (name, value) in std::mem::take(members) {
        let is_set = out.contains_key(&name) || (draft.has_status && name == "status");
        if !is_set {
            out.insert(name, value);
        }
    }
    if draft.has_status {
        out.insert(Place::Status.mark(), Value::Null);
    }
    Value::Object(out)
}
