//! The kinds that Kubernetes itself serves, and how the plural of others is guessed.

use kymo_model::ResourceType;

/// Group, kind, plural and whether it lives in namespaces; sorted by group and kind. Kinds that are
/// only sent or answered (reviews, scales, evictions) are among them: they are written to files too.
const BUILT_IN: &[(&str, &str, &str, bool)] = &[
    ("", "Binding", "bindings", true),
    ("", "ComponentStatus", "componentstatuses", false),
    ("", "ConfigMap", "configmaps", true),
    ("", "Endpoints", "endpoints", true),
    ("", "Event", "events", true),
    ("", "LimitRange", "limitranges", true),
    ("", "Namespace", "namespaces", false),
    ("", "Node", "nodes", false),
    ("", "PersistentVolume", "persistentvolumes", false),
    ("", "PersistentVolumeClaim", "persistentvolumeclaims", true),
    ("", "Pod", "pods", true),
    ("", "PodTemplate", "podtemplates", true),
    ("", "RangeAllocation", "rangeallocations", false),
    ("", "ReplicationController", "replicationcontrollers", true),
    ("", "ResourceQuota", "resourcequotas", true),
    ("", "Secret", "secrets", true),
    ("", "Service", "services", true),
    ("", "ServiceAccount", "serviceaccounts", true),
    (
        "admissionregistration.k8s.io",
        "MutatingAdmissionPolicy",
        "mutatingadmissionpolicies",
        false,
    ),
    (
        "admissionregistration.k8s.io",
        "MutatingAdmissionPolicyBinding",
        "mutatingadmissionpolicybindings",
        false,
    ),
    (
        "admissionregistration.k8s.io",
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        false,
    ),
    (
        "admissionregistration.k8s.io",
        "ValidatingAdmissionPolicy",
        "validatingadmissionpolicies",
        false,
    ),
    (
        "admissionregistration.k8s.io",
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
        false,
    ),
    (
        "admissionregistration.k8s.io",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        false,
    ),
    (
        "apidiscovery.k8s.io",
        "APIGroupDiscovery",
        "apigroupdiscoveries",
        false,
    ),
    (
        "apiextensions.k8s.io",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        false,
    ),
    ("apiregistration.k8s.io", "APIService", "apiservices", false),
    ("apps", "ControllerRevision", "controllerrevisions", true),
    ("apps", "DaemonSet", "daemonsets", true),
    ("apps", "Deployment", "deployments", true),
    ("apps", "ReplicaSet", "replicasets", true),
    ("apps", "Scale", "scales", true),
    ("apps", "StatefulSet", "statefulsets", true),
    (
        "authentication.k8s.io",
        "SelfSubjectReview",
        "selfsubjectreviews",
        false,
    ),
    (
        "authentication.k8s.io",
        "TokenRequest",
        "tokenrequests",
        true,
    ),
    (
        "authentication.k8s.io",
        "TokenReview",
        "tokenreviews",
        false,
    ),
    (
        "authorization.k8s.io",
        "LocalSubjectAccessReview",
        "localsubjectaccessreviews",
        true,
    ),
    (
        "authorization.k8s.io",
        "SelfSubjectAccessReview",
        "selfsubjectaccessreviews",
        false,
    ),
    (
        "authorization.k8s.io",
        "SelfSubjectRulesReview",
        "selfsubjectrulesreviews",
        false,
    ),
    (
        "authorization.k8s.io",
        "SubjectAccessReview",
        "subjectaccessreviews",
        false,
    ),
    (
        "autoscaling",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        true,
    ),
    ("autoscaling", "Scale", "scales", true),
    ("batch", "CronJob", "cronjobs", true),
    ("batch", "Job", "jobs", true),
    (
        "certificates.k8s.io",
        "CertificateSigningRequest",
        "certificatesigningrequests",
        false,
    ),
    (
        "certificates.k8s.io",
        "ClusterTrustBundle",
        "clustertrustbundles",
        false,
    ),
    (
        "certificates.k8s.io",
        "PodCertificateRequest",
        "podcertificaterequests",
        true,
    ),
    ("coordination.k8s.io", "Lease", "leases", true),
    (
        "coordination.k8s.io",
        "LeaseCandidate",
        "leasecandidates",
        true,
    ),
    ("discovery.k8s.io", "EndpointSlice", "endpointslices", true),
    ("events.k8s.io", "Event", "events", true),
    ("extensions", "DaemonSet", "daemonsets", true),
    ("extensions", "Deployment", "deployments", true),
    ("extensions", "Ingress", "ingresses", true),
    ("extensions", "NetworkPolicy", "networkpolicies", true),
    ("extensions", "ReplicaSet", "replicasets", true),
    ("extensions", "Scale", "scales", true),
    (
        "flowcontrol.apiserver.k8s.io",
        "FlowSchema",
        "flowschemas",
        false,
    ),
    (
        "flowcontrol.apiserver.k8s.io",
        "PriorityLevelConfiguration",
        "prioritylevelconfigurations",
        false,
    ),
    ("imagepolicy.k8s.io", "ImageReview", "imagereviews", false),
    (
        "internal.apiserver.k8s.io",
        "StorageVersion",
        "storageversions",
        false,
    ),
    ("lifecycle.k8s.io", "Eviction", "evictions", true),
    (
        "lifecycle.k8s.io",
        "EvictionRequest",
        "evictionrequests",
        true,
    ),
    ("metrics.k8s.io", "NodeMetrics", "nodes", false),
    ("metrics.k8s.io", "PodMetrics", "pods", true),
    ("networking.k8s.io", "IPAddress", "ipaddresses", false),
    ("networking.k8s.io", "Ingress", "ingresses", true),
    ("networking.k8s.io", "IngressClass", "ingressclasses", false),
    (
        "networking.k8s.io",
        "NetworkPolicy",
        "networkpolicies",
        true,
    ),
    ("networking.k8s.io", "ServiceCIDR", "servicecidrs", false),
    ("node.k8s.io", "RuntimeClass", "runtimeclasses", false),
    ("policy", "Eviction", "evictions", true),
    (
        "policy",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        true,
    ),
    ("policy", "PodSecurityPolicy", "podsecuritypolicies", false),
    (
        "rbac.authorization.k8s.io",
        "ClusterRole",
        "clusterroles",
        false,
    ),
    (
        "rbac.authorization.k8s.io",
        "ClusterRoleBinding",
        "clusterrolebindings",
        false,
    ),
    ("rbac.authorization.k8s.io", "Role", "roles", true),
    (
        "rbac.authorization.k8s.io",
        "RoleBinding",
        "rolebindings",
        true,
    ),
    ("resource.k8s.io", "DeviceClass", "deviceclasses", false),
    (
        "resource.k8s.io",
        "DeviceTaintRule",
        "devicetaintrules",
        false,
    ),
    ("resource.k8s.io", "ResourceClaim", "resourceclaims", true),
    (
        "resource.k8s.io",
        "ResourceClaimTemplate",
        "resourceclaimtemplates",
        true,
    ),
    (
        "resource.k8s.io",
        "ResourcePoolStatusRequest",
        "resourcepoolstatusrequests",
        false,
    ),
    ("resource.k8s.io", "ResourceSlice", "resourceslices", false),
    (
        "scheduling.k8s.io",
        "CompositePodGroup",
        "compositepodgroups",
        true,
    ),
    ("scheduling.k8s.io", "PodGroup", "podgroups", true),
    (
        "scheduling.k8s.io",
        "PriorityClass",
        "priorityclasses",
        false,
    ),
    ("scheduling.k8s.io", "Workload", "workloads", true),
    ("storage.k8s.io", "CSIDriver", "csidrivers", false),
    ("storage.k8s.io", "CSINode", "csinodes", false),
    (
        "storage.k8s.io",
        "CSIStorageCapacity",
        "csistoragecapacities",
        true,
    ),
    ("storage.k8s.io", "StorageClass", "storageclasses", false),
    (
        "storage.k8s.io",
        "VolumeAttachment",
        "volumeattachments",
        false,
    ),
    (
        "storage.k8s.io",
        "VolumeAttributesClass",
        "volumeattributesclasses",
        false,
    ),
    (
        "storagemigration.k8s.io",
        "StorageVersionMigration",
        "storageversionmigrations",
        false,
    ),
];

/// Finds a built-in resource by the group and kind of its objects.
pub(crate) fn by_kind(group: &str, kind: &str) -> Option<(&'static str, bool)> {
    BUILT_IN
        .binary_search_by(|row| (row.0, row.1).cmp(&(group, kind)))
        .ok()
        .and_then(|index| BUILT_IN.get(index))
        .map(|row| (row.2, row.3))
}

/// Finds a built-in resource by its group and plural: its kind, and whether it lives in namespaces.
pub(crate) fn by_resource(group: &str, resource: &str) -> Option<(&'static str, bool)> {
    BUILT_IN
        .iter()
        .find(|row| row.0 == group && row.2 == resource)
        .map(|row| (row.1, row.3))
}

/// Finds a built-in resource by its plural alone: its group and kind. Groups that only show
/// what another one holds are left aside.
pub(crate) fn by_plural(plural: &str) -> Option<(&'static str, &'static str)> {
    BUILT_IN
        .iter()
        .filter(|row| !["extensions", "metrics.k8s.io"].contains(&row.0))
        .find(|row| row.2 == plural)
        .map(|row| (row.0, row.1))
}

/// Finds a built-in resource by its kind in lower case: its plural, its kind, and whether it lives in
/// namespaces.
pub(crate) fn by_lower_kind(group: &str, kind: &str) -> Option<(&'static str, &'static str, bool)> {
    BUILT_IN
        .iter()
        .find(|row| row.0 == group && row.1.eq_ignore_ascii_case(kind))
        .map(|row| (row.2, row.1, row.3))
}

/// Guesses the plural of a custom kind as most tools do: lower case with an English ending.
pub(crate) fn guess_plural(kind: &str) -> String {
    let mut plural = kind.to_lowercase();
    let before_last = plural.chars().rev().nth(1);
    if plural.ends_with('y') && before_last.is_some_and(|c| !"aeiou".contains(c)) {
        plural.pop();
        plural.push_str("ies");
    } else if ["s", "x", "ch", "sh"]
        .iter()
        .any(|end| plural.ends_with(end))
    {
        plural.push_str("es");
    } else {
        plural.push('s');
    }
    plural
}

/// Splits `apps/v1` into group and version.
pub(crate) fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.rsplit_once('/').unwrap_or(("", api_version))
}

/// Reads the resource out of a name such as `apps_v1_deployments`; the core group is `core`.
pub(crate) fn from_file_stem(stem: &str) -> Option<ResourceType> {
    let mut parts = stem.splitn(3, '_');
    let (group, version, resource) = (parts.next()?, parts.next()?, parts.next()?);
    let is_version = version.strip_prefix('v').is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_digit())
            && rest.chars().all(|c| c.is_ascii_alphanumeric())
    });
    let is_resource = !resource.is_empty()
        && resource
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    let is_group = !group.is_empty()
        && group
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c));
    if !(is_version && is_resource && is_group) {
        return None;
    }
    let group = if group == "core" { "" } else { group };
    let (kind, namespaced) = by_resource(group, resource).unwrap_or(("", true));
    Some(ResourceType {
        group: group.to_owned(),
        version: version.to_owned(),
        resource: resource.to_owned(),
        kind: kind.to_owned(),
        namespaced,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn the_table_is_sorted_so_that_searching_finds_every_row() {
        assert!(BUILT_IN.is_sorted_by(|a, b| (a.0, a.1) < (b.0, b.1)));
        for row in BUILT_IN {
            assert_eq!(by_kind(row.0, row.1), Some((row.2, row.3)));
        }
    }

    #[rstest]
    #[case("Backup", "backups")]
    #[case("TrafficPolicy", "trafficpolicies")]
    #[case("Gateway", "gateways")]
    #[case("Mesh", "meshes")]
    #[case("Y", "ys")]
    fn plurals_of_custom_kinds_are_guessed(#[case] kind: &str, #[case] plural: &str) {
        assert_eq!(guess_plural(kind), plural);
    }

    #[test]
    fn file_names_tell_the_resource() {
        let pods = from_file_stem("core_v1_pods").unwrap();
        assert_eq!(
            (pods.group.as_str(), pods.kind.as_str(), pods.namespaced),
            ("", "Pod", true),
        );
        let custom = from_file_stem("platform.example.com_v1alpha1_trafficpolicies").unwrap();
        assert_eq!(custom.api_version(), "platform.example.com/v1alpha1");
        for stem in [
            "pods",
            "my_file_name",
            "core_v1_",
            "core_vx_pods",
            "a_v1_../x",
        ] {
            assert_eq!(from_file_stem(stem), None, "{stem}");
        }
    }
}
