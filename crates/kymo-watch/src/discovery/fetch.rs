use kube::Client;
use kube::client::{APIGroupDiscovery, APIGroupDiscoveryList, APIResourceDiscovery};
use kymo_model::ResourceType;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Catalogue, DiscoveryFailure, ServedResource};
use crate::Error;
use crate::client::get;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
    application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

const JSON: &str = "application/json";

/// Asks the server what it serves: aggregated discovery, or group by group where it has none.
///
/// # Errors
/// When the server cannot be reached or refuses; a part that fails is in
/// [`Catalogue::failures`] instead.
pub async fn discover(client: &Client) -> Result<Catalogue, Error> {
    let mut catalogue = Catalogue::default();
    for root in ["/api", "/apis"] {
        let answer = get(client, root, AGGREGATED).await?;
        let kind: Kind = parse(root, "a document of discovery", &answer)?;
        if kind.kind == "APIGroupDiscoveryList" {
            let list: APIGroupDiscoveryList =
                parse(root, "the list of aggregated discovery", &answer)?;
            for group in list.items {
                add_group(&mut catalogue, group);
            }
        } else {
            let groups = if root == "/api" {
                let core: CoreVersions = parse(root, "the versions of the core group", &answer)?;
                vec![core.into_group()]
            } else {
                parse::<GroupList>(root, "the list of groups", &answer)?.groups
            };
            for group in groups {
                fetch_group(client, &mut catalogue, group).await;
            }
        }
    }
    Ok(catalogue)
}

fn parse<T: DeserializeOwned>(
    path: &str,
    expected: &'static str,
    answer: &[u8],
) -> Result<T, Error> {
    serde_json::from_slice(answer).map_err(|source| Error::Malformed {
        path: path.to_owned(),
        expected,
        source,
    })
}

/// The versions of a group come in the server's order of preference.
fn add_group(catalogue: &mut Catalogue, group: APIGroupDiscovery) {
    let name = group
        .metadata
        .and_then(|metadata| metadata.name)
        .unwrap_or_default();
    for version in group.versions {
        let version_name = version.version.unwrap_or_default();
        if version.freshness.as_deref() == Some("Stale") {
            catalogue.failures.push(DiscoveryFailure {
                group_version: group_version(&name, &version_name),
                message: "its server does not answer discovery".to_owned(),
            });
        }
        for resource in version.resources {
            if let Some(served) = from_aggregated(&name, &version_name, resource) {
                catalogue.add(served);
            }
        }
    }
}

fn from_aggregated(
    group: &str,
    version: &str,
    resource: APIResourceDiscovery,
) -> Option<ServedResource> {
    let kind = resource.response_kind.unwrap_or_default();
    Some(ServedResource {
        watchable: is_watchable(&resource.verbs),
        resource: ResourceType {
            group: group.to_owned(),
            version: version.to_owned(),
            resource: resource.resource?,
            kind: kind.kind.unwrap_or_default(),
            namespaced: resource.scope.as_deref() == Some("Namespaced"),
        },
        singular: resource.singular_resource.unwrap_or_default(),
        short_names: resource.short_names,
    })
}

/// Adds the resources of a group as servers before 1.26 tell them, version by version.
async fn fetch_group(client: &Client, catalogue: &mut Catalogue, group: Group) {
    for version in group.versions_by_preference() {
        let path = if group.name.is_empty() {
            format!("/api/{version}")
        } else {
            format!("/apis/{}/{version}", group.name)
        };
        let list = match get(client, &path, JSON).await {
            Ok(answer) => parse::<ResourceList>(&path, "a list of resources", &answer),
            Err(error) => Err(error),
        };
        let resources = match list {
            Ok(list) => list.resources,
            Err(error) => {
                catalogue.failures.push(DiscoveryFailure {
                    group_version: group_version(&group.name, &version),
                    message: error.to_string(),
                });
                continue;
            }
        };
        for resource in resources {
            // `pods/status` and the like.
            if !resource.name.contains('/') {
                catalogue.add(ServedResource {
                    watchable: is_watchable(&resource.verbs),
                    resource: ResourceType {
                        group: group.name.clone(),
                        version: version.clone(),
                        resource: resource.name,
                        kind: resource.kind,
                        namespaced: resource.namespaced,
                    },
                    singular: resource.singular_name,
                    short_names: resource.short_names,
                });
            }
        }
    }
}

fn is_watchable(verbs: &[String]) -> bool {
    ["list", "watch"]
        .iter()
        .all(|verb| verbs.iter().any(|served| served == verb))
}

fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

#[derive(Deserialize)]
struct Kind {
    #[serde(default)]
    kind: String,
}

#[derive(Deserialize)]
struct CoreVersions {
    versions: Vec<String>,
}

impl CoreVersions {
    fn into_group(self) -> Group {
        Group {
            name: String::new(),
            versions: self
                .versions
                .into_iter()
                .map(|version| GroupVersion { version })
                .collect(),
            preferred_version: None,
        }
    }
}

#[derive(Deserialize)]
struct GroupList {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    name: String,
    versions: Vec<GroupVersion>,
    preferred_version: Option<GroupVersion>,
}

#[derive(Clone, Deserialize)]
struct GroupVersion {
    version: String,
}

impl Group {
    fn versions_by_preference(&self) -> Vec<String> {
        let mut versions: Vec<String> = Vec::with_capacity(self.versions.len());
        for version in self.preferred_version.iter().chain(&self.versions) {
            if !versions.contains(&version.version) {
                versions.push(version.version.clone());
            }
        }
        versions
    }
}

#[derive(Deserialize)]
struct ResourceList {
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    name: String,
    #[serde(default)]
    singular_name: String,
    #[serde(default)]
    namespaced: bool,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    short_names: Vec<String>,
}
