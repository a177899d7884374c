//! Owners, and what selectors choose.

use std::net::Ipv4Addr;

use serde_json::Value;

use super::Graph;
use super::cluster::{Cluster, Object, items, texts};

/// Tells whether labels have all pairs of a map.
pub(crate) fn has_all(pairs: &Value, labels: &Value) -> bool {
    let pairs = pairs.as_object().into_iter().flatten();
    pairs
        .into_iter()
        .all(|(key, value)| labels.get(key) == Some(value))
}

/// Tells whether one expression of a selector holds.
pub(crate) fn holds(expression: &Value, labels: &Value) -> bool {
    let value = expression["key"]
        .as_str()
        .and_then(|key| labels.get(key))
        .and_then(Value::as_str);
    let mut values = texts(&expression["values"]);
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<i64>().ok());
    match expression["operator"].as_str().unwrap_or("In") {
        "In" => value.is_some_and(|value| values.any(|one| one == value)),
        "NotIn" => !value.is_some_and(|value| values.any(|one| one == value)),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => number(value)
            .zip(number(values.next()))
            .is_some_and(|(own, bound)| own > bound),
        "Lt" => number(value)
            .zip(number(values.next()))
            .is_some_and(|(own, bound)| own < bound),
        _ => false,
    }
}

/// Tells whether a label selector chooses labels; none chooses nothing.
pub(crate) fn selects(selector: &Value, labels: &Value) -> bool {
    selector.is_object()
        && has_all(&selector["matchLabels"], labels)
        && items(&selector["matchExpressions"])
            .iter()
            .all(|one| holds(one, labels))
}

/// Tells whether an address is in a network.
pub(crate) fn is_in(network: &str, address: &str) -> bool {
    let parsed = || {
        let (network, length) = network.split_once('/')?;
        let (network, address): (Ipv4Addr, Ipv4Addr) =
            (network.parse().ok()?, address.parse().ok()?);
        let mask = u32::MAX
            .checked_shl(32 - length.parse::<u32>().ok()?)
            .unwrap_or(0);
        Some(network.to_bits() & mask == address.to_bits() & mask)
    };
    parsed().unwrap_or(false)
}

pub(super) fn relate(cluster: &Cluster, graph: &mut Graph) {
    for object in &cluster.objects {
        let id = object.id;
        for owner in items(object.at("/metadata/ownerReferences")) {
            let text = |field: &str| owner[field].as_str().unwrap_or_default();
            if let Some(owner) = cluster.with_uid(text("uid")) {
                graph.add("owner", format!("{id} {owner}"));
            }
            for namespace in [object.namespace(), ""] {
                if let Some(owner) = cluster.named(text("kind"), namespace, text("name")) {
                    graph.add("owner-name", format!("{id} {owner}"));
                }
            }
        }
        if let Some(namespace) = cluster.named("Namespace", "", object.namespace()) {
            graph.add("in-namespace", format!("{id} {namespace}"));
        }
        match object.kind.as_str() {
            "Service" | "ReplicationController" => {
                let selector = object.at("/spec/selector");
                let is_one = selector.as_object().is_some_and(|map| !map.is_empty());
                pods(cluster, object, graph, |labels| {
                    is_one && has_all(selector, labels)
                });
            }
            "Deployment"
            | "ReplicaSet"
            | "StatefulSet"
            | "DaemonSet"
            | "Job"
            | "PodDisruptionBudget" => {
                let selector = object.at("/spec/selector");
                pods(cluster, object, graph, |labels| selects(selector, labels));
            }
            "NetworkPolicy" => network_policy(cluster, object, graph),
            "ClusterRole" => {
                for selector in items(object.at("/aggregationRule/clusterRoleSelectors")) {
                    let roles = cluster.of_kind("ClusterRole");
                    for role in roles.filter(|role| selects(selector, role.labels())) {
                        graph.add("aggregates", format!("{id} {}", role.id));
                    }
                }
            }
            "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => {
                for webhook in items(object.at("/webhooks")) {
                    webhooks(cluster, id, webhook, graph);
                }
            }
            _ => {}
        }
    }
}

fn pods(cluster: &Cluster, owner: &Object, graph: &mut Graph, is_chosen: impl Fn(&Value) -> bool) {
    let own = cluster
        .of_kind("Pod")
        .filter(|pod| pod.namespace() == owner.namespace());
    for pod in own.filter(|pod| is_chosen(pod.labels())) {
        graph.add("selects", format!("{} {}", owner.id, pod.id));
    }
}

fn network_policy(cluster: &Cluster, policy: &Object, graph: &mut Graph) {
    let selector = policy.at("/spec/podSelector");
    pods(cluster, policy, graph, |labels| selects(selector, labels));
    let ways = [("/spec/ingress", "from"), ("/spec/egress", "to")];
    for (way, side) in ways {
        for (rule, peers) in items(policy.at(way)).iter().enumerate() {
            for (place, peer) in items(&peers[side]).iter().enumerate() {
                let at = format!("{} {way} {rule} {place}", policy.id);
                for pod in cluster.of_kind("Pod") {
                    if is_peer(cluster, policy, peer, pod) {
                        graph.add("pod-selects-peer", format!("{at} {}", pod.id));
                    }
                    let address = pod.text("/status/podIP");
                    let block = &peer["ipBlock"];
                    let is_within = is_in(block["cidr"].as_str().unwrap_or_default(), address)
                        && !texts(&block["except"]).any(|network| is_in(network, address));
                    if is_within {
                        graph.add("cidr", format!("{at} {}", pod.id));
                    }
                }
            }
        }
    }
}

fn is_peer(cluster: &Cluster, policy: &Object, peer: &Value, pod: &Object) -> bool {
    let (pods, namespaces) = (&peer["podSelector"], &peer["namespaceSelector"]);
    if pods.is_null() && namespaces.is_null() {
        return false;
    }
    let of_namespace = if namespaces.is_null() {
        pod.namespace() == policy.namespace()
    } else {
        in_selected(cluster, namespaces, pod.namespace())
    };
    of_namespace && (pods.is_null() || selects(pods, pod.labels()))
}

/// Tells whether a namespace is chosen by a selector.
pub(crate) fn in_selected(cluster: &Cluster, selector: &Value, namespace: &str) -> bool {
    cluster
        .of_kind("Namespace")
        .any(|one| one.name() == namespace && selects(selector, one.labels()))
}

fn webhooks(cluster: &Cluster, id: usize, webhook: &Value, graph: &mut Graph) {
    for namespace in cluster.of_kind("Namespace") {
        if selects(&webhook["namespaceSelector"], namespace.labels()) {
            graph.add("selects-namespace", format!("{id} {}", namespace.id));
        }
    }
    let service = &webhook["clientConfig"]["service"];
    let text = |field: &str| service[field].as_str().unwrap_or_default();
    if let Some(service) = cluster.named("Service", text("namespace"), text("name")) {
        graph.add("webhook", format!("{id} {service}"));
    }
}
