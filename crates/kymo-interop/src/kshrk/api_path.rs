//! What a path of the API stands for.

/// What is behind a path of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ApiPath {
    /// The objects of a resource, all or those of a namespace.
    Resource(ResourcePath),
    /// What a group version serves: `/api/v1`, `/apis/apps/v1`.
    Served {
        /// The group; empty for the core group.
        group: String,
        /// The version.
        version: String,
    },
    /// Anything else, in words for the report.
    Other(&'static str),
}

/// The path of a resource's list and watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ResourcePath {
    /// The group; empty for the core group.
    pub(super) group: String,
    /// The version, such as `v1beta1`.
    pub(super) version: String,
    /// The plural.
    pub(super) resource: String,
    /// The namespace, if only one is listed.
    pub(super) namespace: Option<String>,
}

/// What is said of documents that tell what the server serves.
pub(super) const DISCOVERY: &str = "discovery documents left out";
const OPEN_API: &str = "OpenAPI documents left out";
const TABLES: &str = "tables of lists left out";
const LOGS: &str = "container logs left out";
const OTHER: &str = "answers of other paths left out";

impl ApiPath {
    /// Reads a path as k8shark writes it, with its own suffixes such as `?as=Table`.
    pub(super) fn parse(text: &str) -> Self {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        if parts.first() == Some(&"openapi") {
            return Self::Other(OPEN_API);
        }
        if parts.last() == Some(&"log") {
            return Self::Other(LOGS);
        }
        if query.starts_with("as=Table") {
            return Self::Other(TABLES);
        }
        let (group, rest) = match parts.as_slice() {
            ["api" | "apis" | "version"] | ["apis", _] => return Self::Other(DISCOVERY),
            ["api", rest @ ..] => ("", rest),
            ["apis", group, rest @ ..] => (*group, rest),
            _ => return Self::Other(OTHER),
        };
        if !query.is_empty() || parts.iter().any(|part| part.is_empty()) {
            return Self::Other(OTHER);
        }
        let (version, namespace, resource) = match rest {
            [version] => {
                return Self::Served {
                    group: group.to_owned(),
                    version: (*version).to_owned(),
                };
            }
            [version, resource] => (version, None, resource),
            [version, "namespaces", namespace, resource] => (version, Some(namespace), resource),
            _ => return Self::Other(OTHER),
        };
        Self::Resource(ResourcePath {
            group: group.to_owned(),
            version: (*version).to_owned(),
            resource: (*resource).to_owned(),
            namespace: namespace.map(|namespace| (*namespace).to_owned()),
        })
    }
}

/// Resources that are served under two groups: the old group, the plural, the group that stands
/// for both. The objects are the same, with the same uids.
const TWICE_SERVED: &[(&str, &str, &str)] = &[
    ("events.k8s.io", "events", ""),
    ("extensions", "daemonsets", "apps"),
    ("extensions", "deployments", "apps"),
    ("extensions", "replicasets", "apps"),
    ("extensions", "ingresses", "networking.k8s.io"),
    ("extensions", "networkpolicies", "networking.k8s.io"),
    ("extensions", "podsecuritypolicies", "policy"),
];

impl ResourcePath {
    /// Returns group and plural, the same for all groups that serve the same objects.
    pub(super) fn identity(&self) -> (String, String) {
        let same = TWICE_SERVED
            .iter()
            .find(|row| row.0 == self.group && row.1 == self.resource);
        let group = same.map_or(self.group.as_str(), |row| row.2);
        (group.to_owned(), self.resource.clone())
    }

    /// Returns what sorts the preferred one of several versions and groups first: the group that
    /// stands for both, then stable versions before beta and alpha, higher ones before lower ones.
    pub(super) fn preference(&self) -> impl Ord + use<> {
        let is_other_group = self.identity().0 != self.group;
        (is_other_group, std::cmp::Reverse(rank(&self.version)))
    }
}

/// How stable, how new: `v2` is above `v1`, which is above `v3beta2`. What is no such version is
/// below all.
fn rank(version: &str) -> (u8, u32, u32) {
    let parsed = || {
        let rest = version.strip_prefix('v')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit());
        let (major, stage) = rest.split_at(digits.unwrap_or(rest.len()));
        let major = major.parse().ok()?;
        if stage.is_empty() {
            return Some((3, major, 0));
        }
        let (stability, minor) = match (stage.strip_prefix("beta"), stage.strip_prefix("alpha")) {
            (Some(minor), _) => (2, minor),
            (_, Some(minor)) => (1, minor),
            _ => return None,
        };
        let minor = if minor.is_empty() { "0" } else { minor };
        Some((stability, major, minor.parse().ok()?))
    };
    parsed().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(text: &str) -> ResourcePath {
        match ApiPath::parse(text) {
            ApiPath::Resource(path) => path,
            other => panic!("{text}: {other:?}"),
        }
    }

    impl ResourcePath {
        fn api_version(&self) -> String {
            format!("{}/{}", self.group, self.version)
        }
    }

    #[test]
    fn paths_of_lists_tell_group_version_resource_and_namespace() {
        let pods = resource("/api/v1/namespaces/shop/pods");
        assert_eq!(
            (pods.api_version().as_str(), pods.resource.as_str()),
            ("/v1", "pods")
        );
        assert_eq!(pods.namespace.as_deref(), Some("shop"));
        let deployments = resource("/apis/apps/v1/deployments");
        assert_eq!(deployments.api_version(), "apps/v1");
        assert_eq!(deployments.namespace, None);
        assert_eq!(resource("/api/v1/namespaces").resource, "namespaces");
    }

    #[test]
    fn what_is_no_list_of_objects_is_told_by_its_kind() {
        for (text, expected) in [
            ("/api", DISCOVERY),
            ("/apis", DISCOVERY),
            ("/version", DISCOVERY),
            ("/openapi/v3/apis/apps/v1", OPEN_API),
            ("/api/v1/pods?as=TableSchema", TABLES),
            ("/apis/apps/v1/namespaces/a/deployments?as=Table", TABLES),
            ("/api/v1/namespaces/a/pods/p/log?container=c", LOGS),
            ("/api/v1/namespaces/a", OTHER),
            ("/api/v1/namespaces/a/pods/p", OTHER),
            ("/api/v1/pods?labelSelector=a", OTHER),
            ("/api/v1//pods", OTHER),
            ("/metrics", OTHER),
            ("", OTHER),
        ] {
            assert_eq!(ApiPath::parse(text), ApiPath::Other(expected), "{text}");
        }
        let served = ApiPath::Served {
            group: "apps".into(),
            version: "v1".into(),
        };
        assert_eq!(ApiPath::parse("/apis/apps/v1"), served);
    }

    #[test]
    fn of_two_versions_or_groups_the_one_that_the_server_prefers_comes_first() {
        let sorted = |paths: &[&str]| {
            let mut paths: Vec<ResourcePath> = paths.iter().map(|path| resource(path)).collect();
            paths.sort_by_key(ResourcePath::preference);
            let names: Vec<String> = paths.iter().map(ResourcePath::api_version).collect();
            names
        };
        assert_eq!(
            sorted(&["/apis/autoscaling/v1/hpas", "/apis/autoscaling/v2/hpas"]),
            ["autoscaling/v2", "autoscaling/v1"]
        );
        assert_eq!(
            sorted(&[
                "/apis/a/x/b",
                "/apis/a/v1alpha1/b",
                "/apis/a/v2beta1/b",
                "/apis/a/v1/b"
            ]),
            ["a/v1", "a/v2beta1", "a/v1alpha1", "a/x"]
        );
        assert_eq!(
            sorted(&["/apis/events.k8s.io/v1/events", "/api/v1/events"]),
            ["/v1", "events.k8s.io/v1"]
        );
    }
}
