use kymo_model::{GroupResource, ResourceType};

/// Resources served under two groups, and the group under which they are recorded.
///
/// They are the same objects with the same uids.
const TWICE_SERVED: &[(&str, &str, &str)] = &[("events.k8s.io", "events", "")];

/// The group of before 2019, whose resources live on in other groups.
const EXTENSIONS: &str = "extensions";

/// Resources whose objects hold credentials and are not recorded.
const DENIED: &[(&str, &str)] = &[
    ("", "secrets"),
    ("certificates.k8s.io", "certificatesigningrequests"),
];

/// One resource in the version in which it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedResource {
    /// Its identity, version, kind and reach.
    pub resource: ResourceType,
    /// The singular name; empty where the server did not tell it.
    pub singular: String,
    /// The short names, such as `po`.
    pub short_names: Vec<String>,
    /// Whether it can be listed and watched.
    pub watchable: bool,
}

/// A group version that could not be discovered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveryFailure {
    /// Such as `metrics.k8s.io/v1beta1`.
    pub group_version: String,
    /// What happened.
    pub message: String,
}

/// What a server serves: each group-resource once, in the version that the server prefers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// The resources, in the server's order.
    pub resources: Vec<ServedResource>,
    /// What could not be discovered, such as an aggregated API that is down.
    pub failures: Vec<DiscoveryFailure>,
}

impl Catalogue {
    /// Adds a resource unless a version of it that the server prefers is there already.
    pub(crate) fn add(&mut self, served: ServedResource) {
        let identity = served.resource.group_resource();
        if !self
            .resources
            .iter()
            .any(|known| known.resource.group_resource() == identity)
        {
            self.resources.push(served);
        }
    }

    /// Returns the resources to record when none are named: those that can be listed and watched,
    /// each once though served under two groups, less those whose objects hold credentials.
    pub fn recordable(&self) -> Vec<ResourceType> {
        self.resources
            .iter()
            .filter(|served| served.watchable)
            .map(|served| &served.resource)
            .filter(|resource| !is_denied(resource) && !self.is_served_elsewhere(resource))
            .cloned()
            .collect()
    }

    fn is_served_elsewhere(&self, resource: &ResourceType) -> bool {
        self.resources.iter().any(|other| {
            let other = &other.resource;
            other.resource == resource.resource
                && other.group != resource.group
                && (resource.group == EXTENSIONS
                    || TWICE_SERVED.contains(&(&resource.group, &resource.resource, &other.group)))
        })
    }

    /// Returns a resource by its identity.
    pub fn find(&self, identity: &GroupResource) -> Option<&ServedResource> {
        self.resources
            .iter()
            .find(|served| served.resource.group_resource() == *identity)
    }
}

/// Tells whether the objects of a resource hold credentials, so that recording them in full must
/// be refused. `secrets` may be recorded with
/// [`FeedOptions::metadata_only`](crate::FeedOptions::metadata_only).
pub fn is_denied(resource: &ResourceType) -> bool {
    DENIED.contains(&(&resource.group, &resource.resource))
}
