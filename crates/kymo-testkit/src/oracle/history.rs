//! All versions of all objects.

use anyhow::{Context, Result};
use bytes::Bytes;
use serde_json::Value;

use super::etcd::Change;
use super::identity::{ObjectId, Resource, identify};

/// What happened to an object, in the words of a watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// The object came into being.
    Added,
    /// The object was written again.
    Modified,
    /// The object ended.
    Deleted,
}

/// One version of one object.
#[derive(Debug, Clone)]
pub struct Revision {
    /// Which object.
    pub id: ObjectId,
    /// The object's uid.
    pub uid: String,
    /// The resource version: the etcd revision that wrote or deleted it.
    pub rv: u64,
    /// What happened.
    pub op: Op,
    /// The stored value; for a deletion the last one.
    stored: Bytes,
}

impl Revision {
    /// Makes a version from the JSON that etcd stores.
    pub fn new(id: ObjectId, uid: impl Into<String>, rv: u64, op: Op, stored: &Value) -> Self {
        Self {
            id,
            uid: uid.into(),
            rv,
            op,
            stored: Bytes::from(stored.to_string()),
        }
    }

    pub(super) fn from_change(change: &Change) -> Result<Option<Self>> {
        let (op, with_value) = match (&change.prev_kv, change.deleted) {
            (Some(before), true) => (Op::Deleted, before),
            // A key deleted that nobody had written: nothing happened.
            (None, true) => return Ok(None),
            (_, false) if change.kv.version == 1 => (Op::Added, &change.kv),
            (_, false) => (Op::Modified, &change.kv),
        };
        let Some((id, uid)) = identify(&change.kv.key, &with_value.value)? else {
            return Ok(None);
        };
        let (rv, stored) = (change.kv.mod_revision, with_value.value.clone());
        Ok(Some(Self {
            id,
            uid,
            rv,
            op,
            stored,
        }))
    }

    /// Gives the object as a watch shows it: as stored, with the resource version put in.
    pub fn body(&self) -> Result<Value> {
        let mut body: Value = serde_json::from_slice(&self.stored)
            .with_context(|| format!("{} at {}: not JSON", self.id, self.rv))?;
        if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert(
                "resourceVersion".to_owned(),
                Value::from(self.rv.to_string()),
            );
        }
        Ok(body)
    }
}

/// All versions between two revisions of etcd, in order.
#[derive(Debug, Clone, Default)]
pub struct History {
    revisions: Vec<Revision>,
    to: u64,
}

impl History {
    /// Makes a history that ends at revision `to` from versions in order.
    pub fn new(revisions: Vec<Revision>, to: u64) -> Self {
        Self { revisions, to }
    }

    /// Gives the versions of all resources, in order.
    pub fn revisions(&self) -> &[Revision] {
        &self.revisions
    }

    /// Gives the versions of one resource, in order.
    pub fn of<'a>(&'a self, resource: &'a Resource) -> impl Iterator<Item = &'a Revision> {
        self.revisions
            .iter()
            .filter(move |revision| revision.id.resource == *resource)
    }

    /// Tells the newest revision that is in the history; later ones were not waited for.
    pub fn to(&self) -> u64 {
        self.to
    }
}
