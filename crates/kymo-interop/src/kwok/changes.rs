//! What objects are after a change.
//!
//! A recorder of watches compares each object with the one before of its kind. A recorder of etcd
//! compares it with the last object of its namespace and name, of whatever kind: the Service `web`
//! that comes after the Deployment `web` is written as a patch of that Deployment, and the next
//! change of the Deployment as a patch of the Service. Such a patch sets `kind`, which a patch of
//! an object of its own kind never does.

use std::collections::HashMap;
use std::sync::Arc;

use kymo_model::GroupResource;
use kymo_patch::{custom_resource, schema, strategic_merge};
use serde_json::Value;

use super::document::Target;
use crate::Error;
use crate::import::bodies::{Bodies, BodyKey};
use crate::import::{Context, Named};
use crate::kinds;

/// The objects as they are.
#[derive(Debug)]
pub(super) struct Objects {
    bodies: Bodies,
    /// The resource of the last object of each namespace and name.
    latest: HashMap<Target, Arc<Named>>,
}

/// What came of a patch.
pub(super) enum Patched {
    /// The object after it.
    Object {
        /// Its JSON text, not redacted.
        text: String,
        /// Whether the object before is of another kind.
        is_crossed: bool,
    },
    /// There is no object that it changes, or it does not fit; why.
    Unknown(&'static str),
}

impl Objects {
    pub(super) fn new(context: &Context) -> Self {
        Self {
            bodies: Bodies::new(context),
            latest: HashMap::new(),
        }
    }

    /// Returns an object.
    pub(super) fn get(&self, named: &Named, target: &Target) -> Result<Option<String>, Error> {
        self.bodies.get(&key(named, target))
    }

    /// Keeps an object as it is now.
    pub(super) fn put(
        &mut self,
        named: &Arc<Named>,
        target: Target,
        text: &str,
    ) -> Result<(), Error> {
        self.bodies.put(key(named, &target), text)?;
        self.latest.insert(target, Arc::clone(named));
        Ok(())
    }

    /// Forgets an object. A recorder of etcd forgets whatever has the name.
    pub(super) fn remove(&mut self, named: &Named, target: &Target) -> Result<(), Error> {
        self.latest.remove(target);
        self.bodies.remove(&key(named, target))
    }

    /// Forgets the body of an object that changed in a way that is not known.
    pub(super) fn forget(&mut self, named: &Named, target: &Target) -> Result<(), Error> {
        self.bodies.remove(&key(named, target))
    }

    /// Applies a patch to the object that it was made against.
    pub(super) fn patched(
        &self,
        named: &Named,
        target: &Target,
        patch: &Value,
    ) -> Result<Patched, Error> {
        let kind = patch.get("kind").and_then(Value::as_str);
        let other = self.latest.get(target).filter(|latest| {
            let is_other = latest.resource.group_resource() != named.resource.group_resource();
            is_other && kind.is_some()
        });
        let before = match other {
            Some(other) => self.get(other, target)?,
            None => self.get(named, target)?,
        };
        Ok(match before {
            Some(before) => match apply(&before, named, target, patch) {
                Some(text) => Patched::Object {
                    text,
                    is_crossed: other.is_some(),
                },
                None => Patched::Unknown("a patch that does not fit the object before"),
            },
            None => Patched::Unknown("a patch without the object that it changes"),
        })
    }
}

fn key(named: &Named, target: &Target) -> BodyKey {
    let resource: GroupResource = named.resource.group_resource();
    BodyKey::new(&resource, &target.namespace, &target.name)
}

/// Merges a patch into the text of an object; `None` if that does not give an object of that kind
/// and name.
fn apply(before: &str, named: &Named, target: &Target, patch: &Value) -> Option<String> {
    let mut object: Value = serde_json::from_str(before).ok()?;
    let kind = patch.get("kind").and_then(Value::as_str);
    let kind = kind.unwrap_or(&named.resource.kind);
    let known = schema(&named.resource.api_version(), kind).or_else(|| {
        // A kind of Kubernetes itself has keys, even if they are not known.
        let is_custom = kinds::by_kind(&named.resource.group, kind).is_none();
        is_custom.then(custom_resource)
    });
    strategic_merge(&mut object, patch, known).ok()?;
    let text = |of: Option<&Value>, name: &str| {
        let value = of.and_then(|of| of.get(name)?.as_str());
        value.unwrap_or_default().to_owned()
    };
    let metadata = object.get("metadata");
    let is_target = text(metadata, "name") == target.name
        && text(metadata, "namespace") == target.namespace
        && text(Some(&object), "kind") == kind;
    // As KWOK writes its documents.
    object.sort_all_objects();
    is_target.then(|| object.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kwok::document::ResourceName;
    use crate::kwok::resources::Resources;
    use serde_json::json;

    fn named(group: &str, resource: &str) -> Arc<Named> {
        let name = ResourceName {
            group: group.into(),
            version: "v1".into(),
            resource: resource.into(),
        };
        Resources::new().of_change(&name, "", true)
    }

    fn after(before: &Value, named: &Named, patch: &Value) -> Option<Value> {
        let target = Target {
            name: "web".into(),
            namespace: "a".into(),
        };
        let text = apply(&before.to_string(), named, &target, patch)?;
        Some(serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn a_patch_against_an_object_of_another_kind_gives_the_object_of_its_kind() {
        let metadata = json!({ "name": "web", "namespace": "a", "uid": "1" });
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
            "spec": { "replicas": 1, "selector": { "matchLabels": { "a": "b" } } },
        });
        let patch = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "uid": "2" },
            "spec": { "replicas": null, "ports": [{ "port": 80 }], "selector": { "matchLabels": null, "a": "b" } },
        });
        let service = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": { "name": "web", "namespace": "a", "uid": "2" },
            "spec": { "ports": [{ "port": 80 }], "selector": { "a": "b" } },
        });
        assert_eq!(
            after(&deployment, &named("", "services"), &patch),
            Some(service)
        );
    }

    #[test]
    fn a_patch_that_does_not_give_the_object_that_it_names_does_not_fit() {
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web", "namespace": "a" },
        });
        let services = named("", "services");
        assert_eq!(
            after(&service, &services, &json!({})),
            Some(service.clone())
        );
        for patch in [
            json!({ "metadata": { "name": "other" } }),
            json!({ "kind": 5 }),
            json!({ "metadata": { "$patch": "leap" } }),
            json!([]),
        ] {
            assert_eq!(after(&service, &services, &patch), None, "{patch}");
        }
        assert_eq!(
            after(&service, &named("apps", "deployments"), &json!({})),
            None
        );
    }
}
