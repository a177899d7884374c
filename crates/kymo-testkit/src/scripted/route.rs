//! What a path of the API names.

use super::object::Form;
use super::world::World;

/// A request for objects.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) form: Form,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
}

impl Route {
    /// Finds the resource that a path names, if it is served.
    pub(crate) fn find(world: &World, path: &str, metadata_only: bool) -> Option<Self> {
        let parts: Vec<_> = path.trim_matches('/').split('/').collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, plural, name) = match rest {
            ["namespaces", namespace, plural] => (Some(*namespace), *plural, None),
            ["namespaces", namespace, plural, name] => (Some(*namespace), *plural, Some(*name)),
            [plural] => (None, *plural, None),
            [plural, name] => (None, *plural, Some(*name)),
            _ => return None,
        };
        let collection = world.collections.values().find(|it| {
            it.resource.group == group
                && it.resource.plural == plural
                && it.resource.versions.iter().any(|served| served == version)
        })?;
        let resource = collection.resource.clone();
        if namespace.is_some() && !resource.namespaced {
            return None;
        }
        Some(Self {
            form: Form {
                resource,
                version: version.to_owned(),
                metadata_only,
            },
            namespace: namespace.map(str::to_owned),
            name: name.map(str::to_owned),
        })
    }

    /// Tells whether a path is in a group and version of built-in resources, whose 404 is a `Status`.
    pub(crate) fn is_of_built_in(world: &World, path: &str) -> bool {
        let parts: Vec<_> = path.trim_matches('/').split('/').collect();
        let (group, version) = match parts.as_slice() {
            ["api", version, _, ..] => ("", *version),
            ["apis", group, version, _, ..] => (*group, *version),
            _ => return false,
        };
        world.collections.values().any(|it| {
            let resource = &it.resource;
            let mut versions = resource.versions.iter();
            !resource.custom && resource.group == group && versions.any(|served| served == version)
        })
    }
}
