use std::fmt;

use serde::{Deserialize, Serialize};

/// The identity of a resource: its group and its plural name. Versions of it come and go.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroupResource {
    /// The API group; empty for the core group.
    pub group: String,
    /// The plural name in lower case, as in the URL.
    pub resource: String,
}

impl GroupResource {
    /// Names a resource; `group` is empty for the core group.
    pub fn new(group: impl Into<String>, resource: impl Into<String>) -> Self {
        Self {
            group: group.into(),
            resource: resource.into(),
        }
    }
}

/// Writes the form that kubectl takes: `pods`, `deployments.apps`.
impl fmt::Display for GroupResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        Ok(())
    }
}

/// A resource as one API server serves it: identity, chosen version, kind and reach.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ResourceType {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version that is read, such as `v1`.
    pub version: String,
    /// The plural name in lower case, as in the URL.
    pub resource: String,
    /// The kind of its objects, such as `Pod`; empty where the source did not tell it.
    pub kind: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

impl ResourceType {
    /// Returns the identity that does not change with the version.
    pub fn group_resource(&self) -> GroupResource {
        GroupResource::new(self.group.clone(), self.resource.clone())
    }

    /// Returns the `apiVersion` of its objects: `v1`, `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Tells whether this is the core `secrets` resource, whose payloads are never stored.
    pub fn is_secret(&self) -> bool {
        self.group.is_empty() && self.resource == "secrets"
    }
}

/// Which objects of a resource a feed observes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Scope {
    /// One namespace, or all of them.
    pub namespace: Option<String>,
    /// A label selector. Under one, DELETED also means "left the selection".
    pub label_selector: Option<String>,
}

impl Scope {
    /// Tells whether a DELETED event can only mean that the object is gone.
    pub fn is_unselective(&self) -> bool {
        self.label_selector.is_none()
    }
}

/// Writes `*`, `ns`, `*{app=web}` or `ns{app=web}`.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.namespace.as_deref().unwrap_or("*"))?;
        match &self.label_selector {
            Some(selector) => write!(f, "{{{selector}}}"),
            None => Ok(()),
        }
    }
}

/// The list and watch of one resource in one scope.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Feed {
    /// What is watched.
    pub resource: ResourceType,
    /// Where.
    pub scope: Scope,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_kubectl_takes_them() {
        assert_eq!(GroupResource::new("", "pods").to_string(), "pods");
        assert_eq!(
            GroupResource::new("apps", "deployments").to_string(),
            "deployments.apps"
        );
        let scope = Scope {
            namespace: Some("a".into()),
            label_selector: Some("x=y".into()),
        };
        assert_eq!(scope.to_string(), "a{x=y}");
        assert_eq!(Scope::default().to_string(), "*");
    }
}
