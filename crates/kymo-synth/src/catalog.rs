//! The resources of what is made.

use kymo_model::{Feed, FeedId, ResourceType, Scope};

/// Resources that the API serves itself: group, version, plural, kind, whether in namespaces.
const KNOWN: [(&str, &str, &str, &str, bool); 49] = [
    ("", "v1", "configmaps", "ConfigMap", true),
    ("", "v1", "endpoints", "Endpoints", true),
    ("", "v1", "events", "Event", true),
    ("", "v1", "limitranges", "LimitRange", true),
    ("", "v1", "namespaces", "Namespace", false),
    ("", "v1", "nodes", "Node", false),
    (
        "",
        "v1",
        "persistentvolumeclaims",
        "PersistentVolumeClaim",
        true,
    ),
    ("", "v1", "persistentvolumes", "PersistentVolume", false),
    ("", "v1", "pods", "Pod", true),
    ("", "v1", "resourcequotas", "ResourceQuota", true),
    ("", "v1", "secrets", "Secret", true),
    ("", "v1", "serviceaccounts", "ServiceAccount", true),
    ("", "v1", "services", "Service", true),
    (
        "apps",
        "v1",
        "controllerrevisions",
        "ControllerRevision",
        true,
    ),
    ("apps", "v1", "daemonsets", "DaemonSet", true),
    ("apps", "v1", "deployments", "Deployment", true),
    ("apps", "v1", "replicasets", "ReplicaSet", true),
    ("apps", "v1", "statefulsets", "StatefulSet", true),
    (
        "autoscaling",
        "v2",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        true,
    ),
    ("batch", "v1", "cronjobs", "CronJob", true),
    ("batch", "v1", "jobs", "Job", true),
    ("coordination.k8s.io", "v1", "leases", "Lease", true),
    (
        "discovery.k8s.io",
        "v1",
        "endpointslices",
        "EndpointSlice",
        true,
    ),
    (
        "networking.k8s.io",
        "v1",
        "ingressclasses",
        "IngressClass",
        false,
    ),
    ("networking.k8s.io", "v1", "ingresses", "Ingress", true),
    (
        "networking.k8s.io",
        "v1",
        "networkpolicies",
        "NetworkPolicy",
        true,
    ),
    (
        "policy",
        "v1",
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        true,
    ),
    (
        "rbac.authorization.k8s.io",
        "v1",
        "clusterrolebindings",
        "ClusterRoleBinding",
        false,
    ),
    (
        "rbac.authorization.k8s.io",
        "v1",
        "clusterroles",
        "ClusterRole",
        false,
    ),
    (
        "rbac.authorization.k8s.io",
        "v1",
        "rolebindings",
        "RoleBinding",
        true,
    ),
    ("rbac.authorization.k8s.io", "v1", "roles", "Role", true),
    (
        "scheduling.k8s.io",
        "v1",
        "priorityclasses",
        "PriorityClass",
        false,
    ),
    (
        "storage.k8s.io",
        "v1",
        "storageclasses",
        "StorageClass",
        false,
    ),
    (
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        false,
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
        false,
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "validatingadmissionpolicies",
        "ValidatingAdmissionPolicy",
        false,
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "validatingadmissionpolicybindings",
        "ValidatingAdmissionPolicyBinding",
        false,
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        false,
    ),
    (
        "apiregistration.k8s.io",
        "v1",
        "apiservices",
        "APIService",
        false,
    ),
    (
        "certificates.k8s.io",
        "v1",
        "certificatesigningrequests",
        "CertificateSigningRequest",
        false,
    ),
    (
        "flowcontrol.apiserver.k8s.io",
        "v1",
        "flowschemas",
        "FlowSchema",
        false,
    ),
    (
        "flowcontrol.apiserver.k8s.io",
        "v1",
        "prioritylevelconfigurations",
        "PriorityLevelConfiguration",
        false,
    ),
    ("networking.k8s.io", "v1", "ipaddresses", "IPAddress", false),
    (
        "networking.k8s.io",
        "v1",
        "servicecidrs",
        "ServiceCIDR",
        false,
    ),
    ("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", false),
    (
        "resource.k8s.io",
        "v1",
        "deviceclasses",
        "DeviceClass",
        false,
    ),
    ("storage.k8s.io", "v1", "csidrivers", "CSIDriver", false),
    ("storage.k8s.io", "v1", "csinodes", "CSINode", false),
    (
        "storage.k8s.io",
        "v1",
        "volumeattachments",
        "VolumeAttachment",
        false,
    ),
];

/// The resources that are in use, with their numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalog {
    feeds: Vec<Feed>,
}

impl Catalog {
    /// Returns the number of the resource of a kind.
    pub(crate) fn feed(&mut self, api_version: &str, kind: &str) -> FeedId {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let known = KNOWN
            .iter()
            .find(|(own, _, _, name, _)| *own == group && *name == kind);
        let resource = match known {
            Some((_, _, plural, _, namespaced)) => ((*plural).to_owned(), *namespaced),
            None => (plural(kind), true),
        };
        let resource = ResourceType {
            group: group.to_owned(),
            version: version.to_owned(),
            resource: resource.0,
            kind: kind.to_owned(),
            namespaced: resource.1,
        };
        let place = self.feeds.iter().position(|feed| feed.resource == resource);
        let place = place.unwrap_or_else(|| {
            self.feeds.push(Feed {
                resource,
                scope: Scope::default(),
            });
            self.feeds.len() - 1
        });
        FeedId(place as u32)
    }

    /// Returns the kind of a resource.
    pub(crate) fn kind(&self, feed: FeedId) -> &str {
        let feed = self.feeds.get(feed.0 as usize);
        feed.map_or("", |feed| &feed.resource.kind)
    }

    /// Returns whether objects of the resource live in namespaces.
    pub(crate) fn is_namespaced(&self, feed: FeedId) -> bool {
        self.feeds
            .get(feed.0 as usize)
            .is_none_or(|feed| feed.resource.namespaced)
    }

    /// Returns the feeds with their numbers.
    pub(crate) fn feeds(&self) -> Vec<(FeedId, Feed)> {
        let numbered = self.feeds.iter().enumerate();
        numbered
            .map(|(number, feed)| (FeedId(number as u32), feed.clone()))
            .collect()
    }
}

/// The plural of a kind of its own, as tools make it that have no API server to ask.
fn plural(kind: &str) -> String {
    let lower = kind.to_lowercase();
    if lower.ends_with(['s', 'x']) || lower.ends_with("ch") || lower.ends_with("sh") {
        return format!("{lower}es");
    }
    match lower.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{lower}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_its_plural_and_its_reach() {
        let mut catalog = Catalog::default();
        let mut named = |api_version: &str, kind: &str| {
            let id = catalog.feed(api_version, kind);
            let feed = &catalog.feeds[id.0 as usize].resource;
            (id.0, feed.group_resource().to_string(), feed.namespaced)
        };
        assert_eq!(named("v1", "Node"), (0, "nodes".to_owned(), false));
        assert_eq!(
            named("ray.io/v1", "RayCluster"),
            (1, "rayclusters.ray.io".to_owned(), true)
        );
        assert_eq!(
            named("x.io/v1", "TrafficPolicy"),
            (2, "trafficpolicies.x.io".to_owned(), true)
        );
        assert_eq!(named("v1", "Node").0, 0);
    }
}
