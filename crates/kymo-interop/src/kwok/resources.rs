//! Which resource a document is of.

use std::collections::HashMap;
use std::sync::Arc;

use kymo_model::{ObjectHead, ResourceType, Scope};

use super::document::ResourceName;
use crate::import::Named;
use crate::kinds;
use crate::naming::Naming;

/// The resources of a recording.
#[derive(Debug)]
pub(super) struct Resources {
    naming: Naming,
    /// Custom kinds that objects showed, by group and kind.
    kinds: HashMap<(String, String), Arc<Named>>,
    patched: HashMap<(ResourceName, String), Arc<Named>>,
    /// How many changes had a plural that no API server serves.
    pub(super) mended: u64,
}

impl Resources {
    pub(super) fn new() -> Self {
        Self {
            naming: Naming::new(""),
            kinds: HashMap::new(),
            patched: HashMap::new(),
            mended: 0,
        }
    }

    /// Finds the resource of an object; `None` if it does not tell its kind.
    pub(super) fn of_object(&mut self, head: &ObjectHead) -> Option<Arc<Named>> {
        let named = self.naming.of(head)?;
        self.learn(&named);
        Some(named)
    }

    /// Finds the resource of a change; `kind` is what its template says, empty if it does not.
    pub(super) fn of_change(
        &mut self,
        name: &ResourceName,
        kind: &str,
        is_namespaced: bool,
    ) -> Arc<Named> {
        let key = (name.clone(), kind.to_owned());
        let named = match self.patched.get(&key) {
            Some(named) => Arc::clone(named),
            None => Arc::new(self.name(name, kind, is_namespaced)),
        };
        self.mended += u64::from(named.resource.resource != name.resource);
        self.patched.insert(key, Arc::clone(&named));
        self.learn(&named);
        named
    }

    fn learn(&mut self, named: &Arc<Named>) {
        let resource = &named.resource;
        if resource.kind.is_empty() || kinds::by_kind(&resource.group, &resource.kind).is_some() {
            return;
        }
        let key = (resource.group.clone(), resource.kind.clone());
        self.kinds.entry(key).or_insert_with(|| Arc::clone(named));
    }

    fn name(&self, name: &ResourceName, kind: &str, is_namespaced: bool) -> Named {
        let ResourceName {
            group,
            version,
            resource,
        } = name;
        let built_in = kinds::by_resource(group, resource)
            .map(|(kind, namespaced)| (resource.as_str(), kind, namespaced))
            .or_else(|| kinds::by_lower_kind(group, resource.strip_suffix('s')?));
        let of = |resource: &str, kind: &str, namespaced, is_guessed| Named {
            resource: ResourceType {
                group: group.clone(),
                version: version.clone(),
                resource: resource.to_owned(),
                kind: kind.to_owned(),
                namespaced,
            },
            is_guessed,
            scope: Scope::default(),
        };
        if let Some((resource, kind, namespaced)) = built_in {
            return of(resource, kind, namespaced, false);
        }
        let is_of = |known: &&Arc<Named>| {
            let known = &known.resource;
            known.group == *group
                && if kind.is_empty() {
                    known.resource == *resource || lower_plural(&known.kind) == *resource
                } else {
                    known.kind == kind
                }
        };
        if let Some(known) = self.kinds.values().find(is_of) {
            let ResourceType {
                resource,
                kind,
                namespaced,
                ..
            } = &known.resource;
            return of(resource, kind, *namespaced, known.is_guessed);
        }
        let plural = kinds::guess_plural(kind);
        if !kind.is_empty() && *resource == lower_plural(kind) && *resource != plural {
            return of(&plural, kind, is_namespaced, true);
        }
        of(resource, kind, is_namespaced, false)
    }
}

/// Makes the plural as kectl does.
fn lower_plural(kind: &str) -> String {
    kind.to_lowercase() + "s"
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn name(group: &str, resource: &str) -> ResourceName {
        ResourceName {
            group: group.into(),
            version: "v1".into(),
            resource: resource.into(),
        }
    }

    #[rstest]
    #[case("", "pods", "pods", "Pod")]
    #[case("", "endpoints", "endpoints", "Endpoints")]
    #[case("", "endpointss", "endpoints", "Endpoints")]
    #[case("networking.k8s.io", "ingresss", "ingresses", "Ingress")]
    #[case(
        "networking.k8s.io",
        "networkpolicys",
        "networkpolicies",
        "NetworkPolicy"
    )]
    #[case("storage.k8s.io", "storageclasss", "storageclasses", "StorageClass")]
    #[case(
        "discovery.k8s.io",
        "endpointslices",
        "endpointslices",
        "EndpointSlice"
    )]
    fn plurals_of_built_in_kinds_are_mended(
        #[case] group: &str,
        #[case] written: &str,
        #[case] plural: &str,
        #[case] kind: &str,
    ) {
        let mut resources = Resources::new();
        for _ in 0..2 {
            let named = resources.of_change(&name(group, written), "", true);
            assert_eq!(
                (
                    named.resource.resource.as_str(),
                    named.resource.kind.as_str(),
                    named.is_guessed
                ),
                (plural, kind, false),
            );
        }
        assert_eq!(resources.mended, if written == plural { 0 } else { 2 });
    }

    #[test]
    fn changes_of_a_custom_kind_are_of_the_resource_that_its_objects_have() {
        let mut resources = Resources::new();
        let mesh = ObjectHead {
            api_version: "example.com/v1".into(),
            kind: "Mesh".into(),
            ..ObjectHead::default()
        };
        let listed = resources.of_object(&mesh).unwrap();
        assert_eq!(listed.resource.resource, "meshes");
        for (written, kind) in [("meshes", ""), ("meshs", ""), ("meshs", "Mesh")] {
            let named = resources.of_change(&name("example.com", written), kind, true);
            assert_eq!(named.resource.resource, "meshes", "{written} {kind}");
            assert_eq!(named.resource.kind, "Mesh");
        }
        let data = resources.of_change(&name("example.com", "data"), "Datum", true);
        assert_eq!(
            (data.resource.resource.as_str(), data.is_guessed),
            ("data", false)
        );
        let later = resources.of_change(&name("example.com", "data"), "", true);
        assert_eq!(later.resource.kind, "Datum");
        let unknown = resources.of_change(&name("example.com", "things"), "", true);
        assert_eq!(
            (
                unknown.resource.resource.as_str(),
                unknown.resource.kind.as_str()
            ),
            ("things", "")
        );
        let kectl = resources.of_change(&name("example.com", "policys"), "Policy", true);
        assert_eq!(
            (kectl.resource.resource.as_str(), kectl.is_guessed),
            ("policies", true)
        );
    }
}
