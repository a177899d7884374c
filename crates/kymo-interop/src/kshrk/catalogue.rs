//! Which resources a capture shows, and under which names.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kymo_model::{ResourceType, Scope};

use super::api_path::ResourcePath;
use super::record::Served;
use crate::import::Named;
use crate::kinds;

/// What is known of the resources of a capture.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    /// Kind and reach by group, version and plural, as discovery tells.
    served: HashMap<(String, String, String), (String, bool)>,
    /// Group and version in which each resource is read.
    chosen: HashMap<(String, String), (String, String)>,
    /// Resources of which all namespaces are listed.
    cluster_wide: HashSet<(String, String, String)>,
}

impl Catalogue {
    /// Learns what a group version serves.
    pub(super) fn learn(&mut self, group: &str, version: &str, served: Served) {
        for resource in served.resources {
            if resource.kind.is_empty() || resource.name.contains('/') {
                continue;
            }
            let key = (group.to_owned(), version.to_owned(), resource.name);
            self.served
                .insert(key, (resource.kind, resource.namespaced));
        }
    }

    /// Takes a path into account. `false` if its objects come in another version or group too,
    /// whose path was there first.
    pub(super) fn admit(&mut self, path: &ResourcePath) -> bool {
        let own = (path.group.clone(), path.version.clone());
        let is_chosen = *self.chosen.entry(path.identity()).or_insert(own.clone()) == own;
        if is_chosen && path.namespace.is_none() {
            self.cluster_wide.insert(key(path));
        }
        is_chosen
    }

    /// Names the resource of a path; `kind` is what an object or a list of it says.
    pub(super) fn name(&self, path: &ResourcePath, kind: &str, has_namespace: bool) -> Arc<Named> {
        let built_in = || {
            kinds::by_resource(&path.group, &path.resource)
                .map(|(kind, namespaced)| (kind.to_owned(), namespaced))
        };
        let (kind, namespaced) = self
            .served
            .get(&key(path))
            .cloned()
            .or_else(built_in)
            .unwrap_or_else(|| (kind.to_owned(), has_namespace || path.namespace.is_some()));
        // Where all namespaces are listed too, the objects of one must not count twice.
        let namespace = path
            .namespace
            .clone()
            .filter(|_| !self.cluster_wide.contains(&key(path)));
        Arc::new(Named {
            resource: ResourceType {
                group: path.group.clone(),
                version: path.version.clone(),
                resource: path.resource.clone(),
                kind,
                namespaced,
            },
            is_guessed: false,
            scope: Scope {
                namespace,
                label_selector: None,
            },
        })
    }
}

fn key(path: &ResourcePath) -> (String, String, String) {
    (
        path.group.clone(),
        path.version.clone(),
        path.resource.clone(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::api_path::ApiPath;
    use super::super::record::ServedResource;
    use super::*;

    fn path(text: &str) -> ResourcePath {
        match ApiPath::parse(text) {
            ApiPath::Resource(path) => path,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn discovery_names_custom_resources_and_the_path_their_scope() {
        let mut catalogue = Catalogue::default();
        let widgets = ServedResource {
            name: "widgets".into(),
            kind: "Widget".into(),
            namespaced: true,
        };
        let status = ServedResource {
            name: "widgets/status".into(),
            kind: "Scale".into(),
            namespaced: true,
        };
        let resources = vec![widgets, status];
        catalogue.learn("demo.io", "v1", Served { resources });
        let in_shop = path("/apis/demo.io/v1/namespaces/shop/widgets");
        assert!(catalogue.admit(&in_shop));
        let named = catalogue.name(&in_shop, "", false);
        assert_eq!(named.resource.kind, "Widget");
        assert_eq!(named.scope.to_string(), "shop");
        assert!(catalogue.admit(&path("/apis/demo.io/v1/widgets")));
        assert_eq!(catalogue.name(&in_shop, "", false).scope.to_string(), "*");
        let unknown = path("/apis/other.io/v1/gears");
        let named = catalogue.name(&unknown, "Gear", true);
        assert!(named.resource.namespaced && named.resource.kind == "Gear");
    }

    #[test]
    fn objects_that_come_in_two_versions_or_groups_are_taken_once() {
        let mut catalogue = Catalogue::default();
        for (text, is_admitted) in [
            ("/apis/autoscaling/v2/horizontalpodautoscalers", true),
            ("/apis/autoscaling/v1/horizontalpodautoscalers", false),
            (
                "/apis/autoscaling/v2/namespaces/a/horizontalpodautoscalers",
                true,
            ),
            ("/api/v1/namespaces/a/events", true),
            ("/apis/events.k8s.io/v1/namespaces/a/events", false),
            ("/apis/example.com/v1/events", true),
        ] {
            assert_eq!(catalogue.admit(&path(text)), is_admitted, "{text}");
        }
    }
}
