//! Discovery documents, aggregated and older.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::resource::ScriptedResource;
use super::world::World;

/// The content type of the aggregated documents.
pub(crate) const AGGREGATED: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Versions in order of preference, with what each serves.
type Versions<'a> = Vec<(String, Vec<&'a ScriptedResource>)>;

fn groups(world: &World) -> BTreeMap<&str, Versions<'_>> {
    let mut groups: BTreeMap<&str, Versions<'_>> = BTreeMap::new();
    for collection in world.collections.values() {
        let resource = &collection.resource;
        let versions = groups.entry(resource.group.as_str()).or_default();
        for version in &resource.versions {
            match versions.iter_mut().find(|(name, _)| name == version) {
                Some((_, resources)) => resources.push(resource),
                None => versions.push((version.clone(), vec![resource])),
            }
        }
    }
    groups
}

/// Builds the aggregated document of `/api` or `/apis`.
pub(crate) fn aggregated(world: &World, core: bool) -> Value {
    let resource = |version: &str, it: &ScriptedResource| {
        let scope = if it.namespaced {
            "Namespaced"
        } else {
            "Cluster"
        };
        // The API server leaves out what the place in the document tells, except for custom resources.
        let (group, version) = if it.custom {
            (it.group.as_str(), version)
        } else {
            ("", "")
        };
        let kind = json!({"group": group, "version": version, "kind": it.kind});
        json!({
            "resource": it.plural, "responseKind": kind, "scope": scope,
            "singularResource": it.kind.to_lowercase(), "verbs": it.verbs,
            "subresources": [{
                "subresource": "status", "responseKind": kind, "verbs": ["get", "patch", "update"],
            }],
        })
    };
    let version = |(name, resources): &(String, Vec<&ScriptedResource>)| {
        let resources: Vec<_> = resources.iter().map(|it| resource(name, it)).collect();
        json!({"version": name, "resources": resources, "freshness": "Current"})
    };
    let items: Vec<_> = groups(world)
        .into_iter()
        .filter(|(group, _)| group.is_empty() == core)
        .map(|(group, versions)| {
            let versions: Vec<_> = versions.iter().map(version).collect();
            let metadata = if core {
                json!({})
            } else {
                json!({"name": group})
            };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {}, "items": items,
    })
}

/// Builds the older document of `/api`, `/apis`, `/api/v1` or `/apis/GROUP/VERSION`.
pub(crate) fn legacy(world: &World, path: &str) -> Option<Value> {
    let groups = groups(world);
    let parts: Vec<_> = path.trim_matches('/').split('/').collect();
    match parts.as_slice() {
        ["api"] => {
            let core = groups.get("")?;
            let versions: Vec<_> = core.iter().map(|(version, _)| version).collect();
            Some(json!({
                "kind": "APIVersions", "versions": versions, "serverAddressByClientCIDRs": [],
            }))
        }
        ["apis"] => {
            let named = groups.iter().filter(|(group, _)| !group.is_empty());
            let named: Vec<_> = named
                .map(|(group, versions)| {
                    let versions: Vec<_> = versions
                        .iter()
                        .map(|(version, _)| {
                            json!({"groupVersion": format!("{group}/{version}"), "version": version})
                        })
                        .collect();
                    json!({
                        "name": group, "versions": versions, "preferredVersion": versions.first(),
                    })
                })
                .collect();
            Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": named}))
        }
        ["api", version] => resources(&groups, "", version),
        ["apis", group, version] => resources(&groups, group, version),
        _ => None,
    }
}

fn resources(groups: &BTreeMap<&str, Versions<'_>>, group: &str, version: &str) -> Option<Value> {
    let (_, resources) = groups
        .get(group)?
        .iter()
        .find(|(name, _)| name == version)?;
    let first = resources.first()?;
    let mut all = Vec::new();
    for it in resources {
        all.push(json!({
            "name": it.plural, "singularName": it.kind.to_lowercase(), "kind": it.kind,
            "namespaced": it.namespaced, "verbs": it.verbs,
        }));
        all.push(json!({
            "name": format!("{}/status", it.plural), "singularName": "", "kind": it.kind,
            "namespaced": it.namespaced, "verbs": ["get", "patch", "update"],
        }));
    }
    Some(json!({
        "kind": "APIResourceList", "apiVersion": "v1",
        "groupVersion": first.api_version(version), "resources": all,
    }))
}
