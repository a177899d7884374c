//! Objects at rest: held, or made each time they are asked for.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::resource::ScriptedResource;

/// Where an object lives: namespace (empty when cluster-scoped) and name. Lists are in this order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    /// Reads `namespace/name`, or `name` alone.
    pub(crate) fn parse(text: &str, namespaced: bool) -> Self {
        let (namespace, name) = text
            .split_once('/')
            .unwrap_or((if namespaced { "default" } else { "" }, text));
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    pub(crate) fn text(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// Makes the fields of the nth object, all but its metadata.
pub(crate) type Maker = Arc<dyn Fn(u64) -> Value + Send + Sync>;

/// One version of an object.
#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) key: Arc<Key>,
    pub(crate) rv: u64,
    pub(crate) uid: u64,
    content: Content,
}

#[derive(Clone)]
enum Content {
    Held(Arc<Value>),
    Made(Maker, u64),
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.key.text(), self.rv)
    }
}

impl Stored {
    pub(crate) fn held(key: Arc<Key>, rv: u64, uid: u64, object: Value) -> Self {
        Self {
            key,
            rv,
            uid,
            content: Content::Held(Arc::new(object)),
        }
    }

    pub(crate) fn made(key: Arc<Key>, rv: u64, uid: u64, maker: &Maker, number: u64) -> Self {
        Self {
            key,
            rv,
            uid,
            content: Content::Made(Arc::clone(maker), number),
        }
    }

    /// Returns the same object as of a later revision: what a DELETED event shows.
    pub(crate) fn at(&self, rv: u64) -> Self {
        Self { rv, ..self.clone() }
    }

    /// Builds the object, with its metadata and without apiVersion and kind.
    pub(crate) fn fields(&self) -> Map<String, Value> {
        let value = match &self.content {
            Content::Held(value) => Value::clone(value),
            Content::Made(maker, number) => maker(*number),
        };
        let Value::Object(mut given) = value else {
            return Map::new();
        };
        let mut metadata = match given.shift_remove("metadata") {
            Some(Value::Object(metadata)) => metadata,
            _ => Map::new(),
        };
        metadata.insert("name".into(), self.key.name.clone().into());
        if !self.key.namespace.is_empty() {
            metadata.insert("namespace".into(), self.key.namespace.clone().into());
        }
        metadata
            .entry("uid")
            .or_insert_with(|| format!("00000000-0000-4000-8000-{:012x}", self.uid).into());
        metadata.insert("resourceVersion".into(), self.rv.to_string().into());
        metadata
            .entry("creationTimestamp")
            .or_insert_with(|| "2026-01-01T00:00:00Z".into());
        let mut fields = Map::new();
        fields.insert("metadata".into(), Value::Object(metadata));
        given.shift_remove("apiVersion");
        given.shift_remove("kind");
        fields.extend(given);
        fields
    }
}

/// How a request wants its objects.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) resource: ScriptedResource,
    pub(crate) version: String,
    pub(crate) metadata_only: bool,
}

impl Form {
    pub(crate) fn api_version(&self) -> String {
        if self.metadata_only {
            "meta.k8s.io/v1".to_owned()
        } else {
            self.resource.api_version(&self.version)
        }
    }

    pub(crate) fn kind(&self) -> &str {
        if self.metadata_only {
            "PartialObjectMetadata"
        } else {
            &self.resource.kind
        }
    }

    /// Builds an object as a watch or a get shows it.
    pub(crate) fn object(&self, stored: &Stored) -> Value {
        let mut object = Map::new();
        object.insert("kind".into(), self.kind().into());
        object.insert("apiVersion".into(), self.api_version().into());
        object.extend(self.fields(stored));
        Value::Object(object)
    }

    /// Builds an object as a list shows it: built-in types leave out apiVersion and kind.
    pub(crate) fn item(&self, stored: &Stored) -> Value {
        if self.resource.custom || self.metadata_only {
            self.object(stored)
        } else {
            Value::Object(self.fields(stored))
        }
    }

    /// Builds what a bookmark shows.
    pub(crate) fn bookmark(&self, rv: u64, ends_initial_events: bool) -> Value {
        let mut metadata = json!({"resourceVersion": rv.to_string()});
        if ends_initial_events && let Some(fields) = metadata.as_object_mut() {
            let mark = json!({"k8s.io/initial-events-end": "true"});
            fields.insert("annotations".into(), mark);
        }
        json!({"kind": self.kind(), "apiVersion": self.api_version(), "metadata": metadata})
    }

    fn fields(&self, stored: &Stored) -> Map<String, Value> {
        let mut fields = stored.fields();
        if self.metadata_only {
            fields.retain(|name, _| name == "metadata");
        }
        fields
    }
}

/// Writes one line of a watch.
pub(crate) fn event_line(event_type: &str, object: &Value) -> String {
    let mut line = json!({"type": event_type, "object": object}).to_string();
    line.push('\n');
    line
}
