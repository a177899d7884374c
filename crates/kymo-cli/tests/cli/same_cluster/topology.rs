//! Where pods may be and where they are.

use serde_json::{Value, json};

use super::Graph;
use super::cluster::{Cluster, Object, items, texts};
use super::selectors::{has_all, holds, in_selected, is_in, selects};

pub(super) fn relate(cluster: &Cluster, graph: &mut Graph) {
    for pod in cluster.of_kind("Pod") {
        node_choice(cluster, pod, graph);
        affinity(cluster, pod, graph);
        spread(cluster, pod, graph);
        place(cluster, pod, graph);
    }
    for node in cluster.of_kind("Node") {
        let id = node.id;
        let has_name = |text: &str| text == node.name();
        let hostname = node.labels()["kubernetes.io/hostname"].as_str();
        graph.add(
            "names-itself",
            format!("{id} label {}", hostname.is_some_and(has_name)),
        );
        for (place, address) in items(node.at("/status/addresses")).iter().enumerate() {
            let is_own = address["address"].as_str().is_some_and(has_name);
            graph.add("names-itself", format!("{id} {place} {is_own}"));
        }
        for kind in ["Lease", "CSINode"] {
            for other in cluster.of_kind(kind).filter(|other| has_name(other.name())) {
                graph.add("leases", format!("{id} {}", other.id));
            }
        }
        for lease in cluster.of_kind("Lease") {
            if has_name(lease.text("/spec/holderIdentity")) {
                graph.add("leases", format!("{id} holds {}", lease.id));
            }
        }
    }
}

/// Tells whether a node is chosen by a term of a node selector.
pub(crate) fn term_holds(term: &Value, node: &Object) -> bool {
    let expressions = items(&term["matchExpressions"]);
    let fields = items(&term["matchFields"]);
    let names = json!({"metadata.name": node.name()});
    !(expressions.is_empty() && fields.is_empty())
        && expressions.iter().all(|one| holds(one, node.labels()))
        && fields.iter().all(|one| holds(one, &names))
}

fn node_choice(cluster: &Cluster, pod: &Object, graph: &mut Graph) {
    let required = pod.at("/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms");
    let preferred =
        pod.at("/spec/affinity/nodeAffinity/preferredDuringSchedulingIgnoredDuringExecution");
    for node in cluster.of_kind("Node") {
        let edge = format!("{} {}", pod.id, node.id);
        let selector = pod.at("/spec/nodeSelector");
        if selector.is_object() && has_all(selector, node.labels()) {
            graph.add("node-selector", &edge);
        }
        for (place, term) in items(required).iter().enumerate() {
            if term_holds(term, node) {
                graph.add("node-required", format!("{edge} {place}"));
            }
        }
        for (place, term) in items(preferred).iter().enumerate() {
            if term_holds(&term["preference"], node) {
                graph.add(
                    "node-preferred",
                    format!("{edge} {place} {}", term["weight"]),
                );
            }
        }
        for (place, taint) in items(node.at("/spec/taints")).iter().enumerate() {
            let mut tolerations = items(pod.at("/spec/tolerations")).iter();
            if tolerations.any(|toleration| tolerates(toleration, taint)) {
                graph.add("tolerates", format!("{edge} {place} {}", taint["effect"]));
            }
        }
        fits(pod, node, &edge, graph);
    }
}

fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let text = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
    let (key, effect) = (text(toleration, "key"), text(toleration, "effect"));
    let exists = toleration["operator"] == "Exists";
    (effect.is_empty() || effect == text(taint, "effect"))
        && (if key.is_empty() {
            exists
        } else {
            key == text(taint, "key")
        })
        && (exists || text(toleration, "value") == text(taint, "value"))
}

/// What each container asks for, and what the node has of the same.
fn fits(pod: &Object, node: &Object, edge: &str, graph: &mut Graph) {
    for (place, container) in items(pod.at("/spec/containers")).iter().enumerate() {
        let requests = container["resources"]["requests"].as_object();
        let mut pairs: Vec<String> = requests
            .into_iter()
            .flatten()
            .filter_map(|(resource, asked)| {
                let has = node.at("/status/allocatable").get(resource)?;
                Some(format!("{asked}/{has}"))
            })
            .collect();
        pairs.sort();
        graph.add("fits", format!("{edge} {place} {pairs:?}"));
    }
}

/// Tells whether two pods stand in one domain; none if one of them stands nowhere.
fn is_near(cluster: &Cluster, one: &Object, other: &Object, key: &str) -> Option<bool> {
    let domain = |pod: &Object| {
        let node = cluster.node(pod.text("/spec/nodeName"))?;
        Some(node.labels()[key].as_str()?.to_owned())
    };
    Some(domain(one)? == domain(other)?)
}

/// Returns a selector with what `matchLabelKeys` adds to it.
fn with_keys(selector: &Value, keys: &Value, pod: &Object) -> Value {
    let mut selector = selector.clone();
    for key in texts(keys) {
        if let Some(value) = pod.labels().get(key) {
            selector["matchLabels"][key] = value.clone();
        }
    }
    selector
}

fn affinity(cluster: &Cluster, pod: &Object, graph: &mut Graph) {
    for side in ["podAffinity", "podAntiAffinity"] {
        let terms = &pod.at("/spec/affinity")[side];
        let required = items(&terms["requiredDuringSchedulingIgnoredDuringExecution"]).iter();
        let preferred = items(&terms["preferredDuringSchedulingIgnoredDuringExecution"]).iter();
        let all = required
            .map(|term| (term, Value::Null))
            .chain(preferred.map(|term| (&term["podAffinityTerm"], term["weight"].clone())));
        for (place, (term, weight)) in all.enumerate() {
            let selector = with_keys(&term["labelSelector"], &term["matchLabelKeys"], pod);
            let (namespaces, chosen) = (&term["namespaces"], &term["namespaceSelector"]);
            for other in cluster.of_kind("Pod") {
                let is_there = if items(namespaces).is_empty() && chosen.is_null() {
                    other.namespace() == pod.namespace()
                } else {
                    texts(namespaces).any(|one| one == other.namespace())
                        || in_selected(cluster, chosen, other.namespace())
                };
                if is_there && selects(&selector, other.labels()) {
                    let edge = format!("{side} {} {place} {weight} {}", pod.id, other.id);
                    graph.add("affinity", &edge);
                    let key = term["topologyKey"].as_str().unwrap_or_default();
                    if let Some(near) = is_near(cluster, pod, other, key) {
                        graph.add("affinity-domain", format!("{edge} {near}"));
                    }
                }
            }
        }
    }
}

fn spread(cluster: &Cluster, pod: &Object, graph: &mut Graph) {
    let constraints = items(pod.at("/spec/topologySpreadConstraints"));
    for (place, constraint) in constraints.iter().enumerate() {
        let keys = &constraint["matchLabelKeys"];
        let selector = with_keys(&constraint["labelSelector"], keys, pod);
        for other in cluster.of_kind("Pod") {
            if other.namespace() == pod.namespace() && selects(&selector, other.labels()) {
                graph.add("spread", format!("{} {place} {}", pod.id, other.id));
            }
        }
        let key = constraint["topologyKey"].as_str().unwrap_or_default();
        for one in cluster.of_kind("Node") {
            for other in cluster.of_kind("Node") {
                let domain = one.labels().get(key);
                if domain.is_some() && domain == other.labels().get(key) {
                    let edge = format!("{} {place} {} {}", pod.id, one.id, other.id);
                    graph.add("spread-domain", edge);
                }
            }
        }
    }
}

fn place(cluster: &Cluster, pod: &Object, graph: &mut Graph) {
    let id = pod.id;
    for field in ["/spec/nodeName", "/status/nominatedNodeName"] {
        if let Some(node) = cluster.node(pod.text(field)) {
            graph.add("bound-to", format!("{id} {field} {}", node.id));
        }
    }
    for node in cluster.of_kind("Node") {
        if is_in(node.text("/spec/podCIDR"), pod.text("/status/podIP")) {
            graph.add("in-pod-range", format!("{id} {}", node.id));
        }
        let mut addresses = items(node.at("/status/addresses")).iter();
        let host = pod.text("/status/hostIP");
        if !host.is_empty() && addresses.any(|address| address["address"] == *host) {
            graph.add("in-pod-range", format!("{id} host {}", node.id));
        }
    }
    if let Some(class) = cluster.named("PriorityClass", "", pod.text("/spec/priorityClassName")) {
        let value = pod.at("/spec/priority");
        graph.add(
            "priority",
            format!("{id} {class} {value} {}", pod.at("/spec/preemptionPolicy")),
        );
    }
    if let Some(class) = cluster.named("RuntimeClass", "", pod.text("/spec/runtimeClassName")) {
        graph.add("runtime-class", format!("{id} {class}"));
    }
    for other in cluster.of_kind("Pod") {
        if pod.text("/spec/schedulerName") == other.text("/spec/schedulerName") {
            graph.add("scheduler", format!("{id} {}", other.id));
        }
    }
}
