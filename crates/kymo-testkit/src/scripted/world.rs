//! What the scripted API knows: its resources, revisions, rules and what was asked of it.

use std::collections::{BTreeMap, BTreeSet};

use http::HeaderValue;
use kymo_model::GroupResource;
use serde_json::Value;

use crate::proxy::SeenRequest;

use super::collection::{Base, Collection, Signal};
use super::object::{Key, Maker, Stored};
use super::reply::Waiting;
use super::resource::ScriptedResource;

pub(crate) struct World {
    pub(crate) revision: u64,
    /// Lists at an exact revision before this, and continue tokens of it, have expired.
    pub(crate) compacted: u64,
    /// Watches opened before this number changed are over.
    pub(crate) incarnation: u64,
    pub(crate) collections: BTreeMap<GroupResource, Collection>,
    pub(crate) forbidden: BTreeSet<GroupResource>,
    pub(crate) token: Option<String>,
    /// The revision at which lists with resourceVersion=0 are answered.
    pub(crate) stale: Option<u64>,
    pub(crate) streaming_lists: bool,
    pub(crate) aggregated_discovery: bool,
    /// Whether watches end after their `timeoutSeconds`.
    pub(crate) timeouts: bool,
    /// The `Date` header of answers, where the test sets it.
    pub(crate) date: Option<HeaderValue>,
    pub(crate) git_version: String,
    pub(crate) requests: Vec<SeenRequest>,
    pub(crate) waiting: Vec<Waiting>,
    next_uid: u64,
}

impl World {
    pub(crate) fn new(resources: Vec<ScriptedResource>) -> Self {
        let mut world = Self {
            revision: 100,
            compacted: 0,
            incarnation: 0,
            collections: BTreeMap::new(),
            forbidden: BTreeSet::new(),
            token: None,
            stale: None,
            streaming_lists: true,
            aggregated_discovery: true,
            timeouts: false,
            date: None,
            git_version: "v1.36.2".to_owned(),
            requests: Vec::new(),
            waiting: Vec::new(),
            next_uid: 1,
        };
        for resource in resources {
            world.add(resource);
        }
        world
    }

    pub(crate) fn add(&mut self, resource: ScriptedResource) {
        let mut collection = Collection::new(resource);
        collection.window = self.revision;
        let identity = collection.resource.identity();
        self.collections.insert(identity, collection);
    }

    /// Finds a resource by the name that kubectl takes: `pods`, `deployments.apps`.
    #[expect(clippy::panic, reason = "a test names a resource that it did not add")]
    pub(crate) fn collection(&mut self, name: &str) -> &mut Collection {
        let (resource, group) = name.split_once('.').unwrap_or((name, ""));
        let identity = GroupResource::new(group, resource);
        let Some(collection) = self.collections.get_mut(&identity) else {
            panic!("the scripted API serves no {name}: add_resource() it first");
        };
        collection
    }

    pub(crate) fn put(&mut self, name: &str, object: Value) -> u64 {
        let rv = self.revision + 1;
        let uid = self.next_uid;
        let collection = self.collection(name);
        let namespaced = collection.resource.namespaced;
        let text = |field: &str| {
            let value = object.get("metadata").and_then(|it| it.get(field));
            value.and_then(Value::as_str).map(str::to_owned)
        };
        let namespace = match text("namespace") {
            Some(namespace) if namespaced => namespace,
            None if namespaced => "default".to_owned(),
            _ => String::new(),
        };
        let key = Key {
            namespace,
            name: text("name").unwrap_or_else(|| "unnamed".to_owned()),
        };
        let old = collection.get(&key);
        let uid = old.map_or(uid, |old| old.uid);
        collection.put(Stored::held(key.into(), rv, uid, object));
        self.revision = rv;
        self.next_uid += 1;
        rv
    }

    pub(crate) fn delete(&mut self, name: &str, key: &str) -> u64 {
        let rv = self.revision + 1;
        let collection = self.collection(name);
        let key = Key::parse(key, collection.resource.namespaced);
        let deleted = collection.delete(&key, rv);
        assert!(deleted, "the scripted API holds no {name} {}", key.text());
        self.revision = rv;
        rv
    }

    pub(crate) fn generate(&mut self, name: &str, count: u64, maker: Maker) {
        let (first_rv, first_uid) = (self.revision + 1, self.next_uid);
        let collection = self.collection(name);
        let namespace = if collection.resource.namespaced {
            "generated"
        } else {
            ""
        };
        collection.window = first_rv + count - u64::from(count > 0);
        collection.base = Some(Base {
            namespace: namespace.to_owned(),
            count,
            first_rv,
            first_uid,
            maker,
        });
        self.revision += count;
        self.next_uid += count;
    }

    pub(crate) fn churn(&mut self, name: &str, objects: u64, changes: u64, maker: &Maker) -> u64 {
        let mut uid = self.next_uid;
        self.next_uid += objects;
        let mut rv = self.revision;
        let collection = self.collection(name);
        let namespace = if collection.resource.namespaced {
            "churn"
        } else {
            ""
        };
        let keys: Vec<_> = (0..objects.max(1))
            .map(|number| {
                let name = format!("churn-{number}");
                let namespace = namespace.to_owned();
                std::sync::Arc::new(Key { namespace, name })
            })
            .collect();
        for (number, key) in (0..changes).zip(keys.iter().cycle()) {
            rv += 1;
            let old = collection.get(key);
            let id = old.map_or(uid, |old| old.uid);
            uid += u64::from(id == uid);
            collection.put(Stored::made(key.clone(), rv, id, maker, number));
        }
        self.revision = rv;
        rv
    }

    /// Does something to the watches of a resource that are open now.
    pub(crate) fn signal(&mut self, name: &str, signal: Signal) {
        let rv = self.revision;
        self.collection(name).signal(rv, signal);
    }

    pub(crate) fn forget_watch_history(&mut self, rv: u64) {
        for collection in self.collections.values_mut() {
            collection.window = collection.window.max(rv);
        }
    }

    pub(crate) fn rewind(&mut self, rv: u64) {
        for collection in self.collections.values_mut() {
            collection.rewind(rv);
        }
        self.revision = rv;
        self.incarnation += 1;
    }
}
