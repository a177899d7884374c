//! The resources that requests are about.

use std::collections::HashMap;
use std::sync::Arc;

use kymo_model::{ResourceType, Scope};

use super::call::Target;
use crate::import::Named;
use crate::kinds;

/// The number of a resource inside one import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ResourceId(u32);

/// All resources so far. The first request about a resource decides which of its versions the
/// trace names; objects in other versions are kept as they are.
#[derive(Debug, Default)]
pub(super) struct Resources {
    /// By group, then by name.
    ids: HashMap<String, HashMap<String, ResourceId>>,
    known: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    resource: ResourceType,
    /// What the trace calls it; fixed when the first change is given out.
    named: Option<Arc<Named>>,
}

impl Resources {
    /// Finds or adds the resource of a request.
    pub(super) fn id(&mut self, target: &Target<'_>) -> ResourceId {
        let known = self.ids.get(target.group.as_ref());
        if let Some(id) = known.and_then(|group| group.get(target.resource.as_ref())) {
            return *id;
        }
        let id = ResourceId(self.known.len() as u32);
        let (kind, namespaced) = kinds::by_resource(&target.group, &target.resource)
            .unwrap_or(("", target.is_namespaced));
        self.known.push(Known {
            resource: ResourceType {
                group: target.group.to_string(),
                version: target.version.to_string(),
                resource: target.resource.to_string(),
                kind: kind.to_owned(),
                namespaced,
            },
            named: None,
        });
        self.ids
            .entry(target.group.to_string())
            .or_default()
            .insert(target.resource.to_string(), id);
        id
    }

    /// Returns the resource as it is known so far.
    pub(super) fn get(&self, id: ResourceId) -> Option<&ResourceType> {
        self.known.get(id.0 as usize).map(|known| &known.resource)
    }

    /// Learns the kind of a custom resource from one of its objects.
    pub(super) fn learn_kind(&mut self, id: ResourceId, kind: &str) {
        if let Some(known) = self.known.get_mut(id.0 as usize)
            && known.named.is_none()
            && known.resource.kind.is_empty()
        {
            kind.clone_into(&mut known.resource.kind);
        }
    }

    /// Returns what the trace calls the resource, from now on.
    pub(super) fn named(&mut self, id: ResourceId) -> Option<Arc<Named>> {
        let known = self.known.get_mut(id.0 as usize)?;
        let named = known.named.get_or_insert_with(|| {
            Arc::new(Named {
                resource: known.resource.clone(),
                scope: Scope::default(),
                is_guessed: false,
            })
        });
        Some(Arc::clone(named))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(
        group: &'static str,
        version: &'static str,
        resource: &'static str,
    ) -> Target<'static> {
        Target {
            group: group.into(),
            version: version.into(),
            resource: resource.into(),
            ..Target::default()
        }
    }

    #[test]
    fn the_first_version_names_the_resource_and_an_object_the_kind() {
        let mut resources = Resources::default();
        let deployments = resources.id(&target("apps", "v1", "deployments"));
        assert_eq!(
            resources.id(&target("apps", "v1beta1", "deployments")),
            deployments
        );
        let named = resources.named(deployments).unwrap();
        assert_eq!(named.resource.api_version(), "apps/v1");
        assert!(named.resource.namespaced);
        assert_eq!(named.resource.kind, "Deployment");

        let widgets = resources.id(&target("example.org", "v1", "widgets"));
        resources.learn_kind(widgets, "Widget");
        resources.learn_kind(widgets, "Other");
        assert_eq!(resources.named(widgets).unwrap().resource.kind, "Widget");
    }
}
