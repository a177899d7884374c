use kymo_model::{GroupResource, ResourceType};

/// A resource that the scripted API serves.
#[derive(Clone, Debug)]
pub struct ScriptedResource {
    pub(crate) group: String,
    pub(crate) versions: Vec<String>,
    pub(crate) plural: String,
    pub(crate) kind: String,
    pub(crate) namespaced: bool,
    pub(crate) custom: bool,
    pub(crate) verbs: Vec<String>,
}

impl ScriptedResource {
    /// Makes a namespaced resource that can be listed and watched: `new("apps", "v1", "deployments", "Deployment")`.
    pub fn new(group: &str, version: &str, plural: &str, kind: &str) -> Self {
        Self {
            group: group.to_owned(),
            versions: vec![version.to_owned()],
            plural: plural.to_owned(),
            kind: kind.to_owned(),
            namespaced: true,
            custom: false,
            verbs: [
                "create", "delete", "get", "list", "patch", "update", "watch",
            ]
            .map(str::to_owned)
            .into(),
        }
    }

    /// Makes it cluster-scoped.
    #[must_use]
    pub fn cluster_scoped(mut self) -> Self {
        self.namespaced = false;
        self
    }

    /// Serves it as a custom resource: list items name their kind, and `metadata` follows `items`.
    #[must_use]
    pub fn custom(mut self) -> Self {
        self.custom = true;
        self
    }

    /// Serves further versions, in the order of preference after the first.
    #[must_use]
    pub fn also_version(mut self, version: &str) -> Self {
        self.versions.push(version.to_owned());
        self
    }

    /// Sets the verbs that discovery tells.
    #[must_use]
    pub fn verbs(mut self, verbs: &[&str]) -> Self {
        self.verbs = verbs.iter().map(|&verb| verb.to_owned()).collect();
        self
    }

    /// Returns what the model calls it, in its preferred version.
    pub fn resource_type(&self) -> ResourceType {
        ResourceType {
            group: self.group.clone(),
            version: self.versions.first().cloned().unwrap_or_default(),
            resource: self.plural.clone(),
            kind: self.kind.clone(),
            namespaced: self.namespaced,
        }
    }

    pub(crate) fn identity(&self) -> GroupResource {
        GroupResource::new(self.group.clone(), self.plural.clone())
    }

    pub(crate) fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() {
            version.to_owned()
        } else {
            format!("{}/{version}", self.group)
        }
    }

    /// The resources that a server starts with: the ones most tests need.
    pub(crate) fn usual() -> Vec<Self> {
        vec![
            Self::new("", "v1", "configmaps", "ConfigMap"),
            Self::new("", "v1", "namespaces", "Namespace").cluster_scoped(),
            Self::new("", "v1", "nodes", "Node").cluster_scoped(),
            Self::new("", "v1", "pods", "Pod"),
            Self::new("", "v1", "secrets", "Secret"),
            Self::new("apps", "v1", "deployments", "Deployment"),
            Self::new(
                "apiextensions.k8s.io",
                "v1",
                "customresourcedefinitions",
                "CustomResourceDefinition",
            )
            .cluster_scoped(),
            Self::new("apiregistration.k8s.io", "v1", "apiservices", "APIService").cluster_scoped(),
        ]
    }
}
