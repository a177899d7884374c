//! From etcd keys to API objects.

use std::fmt;

use anyhow::{Context, Result};
use serde::Deserialize;

/// A kind of object: group and plural name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource {
    /// The API group; empty for the core group.
    pub group: String,
    /// The plural name, such as `pods`.
    pub name: String,
}

impl Resource {
    /// Names a resource. Events of `events.k8s.io` are the same objects as core Events, and are
    /// named so.
    pub fn new(group: impl Into<String>, name: impl Into<String>) -> Self {
        let (mut group, name) = (group.into(), name.into());
        if group == "events.k8s.io" && name == "events" {
            group.clear();
        }
        Self { group, name }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        Ok(())
    }
}

/// An object's address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// What it is.
    pub resource: Resource,
    /// Its namespace; empty when it has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.resource)?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

/// Where the API server keeps what clients cannot watch as objects.
const INTERNAL: [&str; 3] = ["ranges", "masterleases", "peerserverleases"];

/// Resources that the API server stores under another name.
const RENAMED: [(&str, &str); 3] = [
    ("minions", "nodes"),
    ("controllers", "replicationcontrollers"),
    ("ingress", "ingresses"),
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    api_version: String,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    uid: String,
}

/// Tells which object a key and its value are, and the object's uid. `None` for keys that are no API
/// objects.
pub(super) fn identify(key: &str, value: &[u8]) -> Result<Option<(ObjectId, String)>> {
    let Some(path) = key.strip_prefix("/registry/") else {
        return Ok(None);
    };
    let mut segments = path.split('/');
    let first = segments.next().unwrap_or_default();
    if INTERNAL.contains(&first) {
        return Ok(None);
    }
    let head: Head = serde_json::from_slice(value).with_context(|| {
        format!("{key}: its value is not a JSON object of the API; does the API server store JSON?")
    })?;
    let group = head
        .api_version
        .split_once('/')
        .map_or("", |(group, _)| group);
    // Groups with a dot come first in the key, except those that were there before that rule;
    // Services and Endpoints share a first segment.
    let resource = match first {
        "services" => match segments.next() {
            Some("endpoints") => "endpoints",
            _ => "services",
        },
        dotted if dotted.contains('.') => segments.next().unwrap_or_default(),
        plain => RENAMED
            .iter()
            .find(|(stored, _)| *stored == plain)
            .map_or(plain, |(_, name)| name),
    };
    let id = ObjectId {
        resource: Resource::new(group, resource),
        namespace: head.metadata.namespace,
        name: head.metadata.name,
    };
    Ok(Some((id, head.metadata.uid)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(key: &str, api_version: &str, namespace: &str) -> String {
        let value = serde_json::json!({
            "apiVersion": api_version,
            "metadata": { "name": "x", "namespace": namespace, "uid": "u" },
        });
        identify(key, value.to_string().as_bytes())
            .expect("identify")
            .map_or_else(|| "none".to_owned(), |(id, _)| id.to_string())
    }

    #[test]
    fn keys_become_the_names_that_clients_use() {
        for (key, api_version, namespace, expected) in [
            ("/registry/pods/a/x", "v1", "a", "pods a/x"),
            ("/registry/minions/x", "v1", "", "nodes x"),
            ("/registry/services/specs/a/x", "v1", "a", "services a/x"),
            (
                "/registry/services/endpoints/a/x",
                "v1",
                "a",
                "endpoints a/x",
            ),
            (
                "/registry/controllers/a/x",
                "v1",
                "a",
                "replicationcontrollers a/x",
            ),
            (
                "/registry/ingress/a/x",
                "networking.k8s.io/v1",
                "a",
                "ingresses.networking.k8s.io a/x",
            ),
            (
                "/registry/deployments/a/x",
                "apps/v1",
                "a",
                "deployments.apps a/x",
            ),
            (
                "/registry/leases/a/x",
                "coordination.k8s.io/v1",
                "a",
                "leases.coordination.k8s.io a/x",
            ),
            ("/registry/events/a/x", "v1", "a", "events a/x"),
            (
                "/registry/apiregistration.k8s.io/apiservices/x",
                "apiregistration.k8s.io/v1",
                "",
                "apiservices.apiregistration.k8s.io x",
            ),
            (
                "/registry/example.org/widgets/a/x",
                "example.org/v1",
                "a",
                "widgets.example.org a/x",
            ),
            ("/registry/ranges/serviceips", "v1", "", "none"),
            ("compact_rev_key", "v1", "", "none"),
        ] {
            assert_eq!(named(key, api_version, namespace), expected, "{key}");
        }
    }

    #[test]
    fn events_of_both_groups_are_one_resource() {
        assert_eq!(
            Resource::new("events.k8s.io", "events"),
            Resource::new("", "events")
        );
    }

    #[test]
    fn a_value_that_is_not_json_is_an_error() {
        let error = identify("/registry/pods/a/x", b"k8s\0").expect_err("protobuf");
        assert!(error.to_string().contains("store JSON"), "{error}");
    }
}
