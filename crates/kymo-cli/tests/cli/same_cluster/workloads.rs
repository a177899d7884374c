//! Accounts, configuration, images, traffic, quantities, and who tells of whom.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Graph;
use super::cluster::{Cluster, Object, items, texts};
use super::selectors::is_in;

pub(super) fn relate(cluster: &Cluster, graph: &mut Graph) {
    let mut images = Images::default();
    for object in &cluster.objects {
        quantities(object, graph);
        match object.kind.as_str() {
            "Pod" => pod(cluster, object, &mut images, graph),
            "Node" => node_images(cluster, object, graph),
            "Event" => {
                let about = object.at("/involvedObject");
                let text = |field: &str| about[field].as_str().unwrap_or_default();
                if let Some(whom) = cluster.with_uid(text("uid")) {
                    let named = cluster.named(text("kind"), text("namespace"), text("name"));
                    let node = cluster
                        .node(object.text("/source/host"))
                        .map(|node| node.id);
                    let is_named = named == Some(whom);
                    graph.add("about", format!("{} {whom} {is_named} {node:?}", object.id));
                }
            }
            "HorizontalPodAutoscaler" => {
                let target = |field: &str| object.text(&format!("/spec/scaleTargetRef/{field}"));
                let found = cluster.named(target("kind"), object.namespace(), target("name"));
                if let Some(found) = found {
                    graph.add("scales", format!("{} {found}", object.id));
                }
            }
            "ResourceQuota" => quota(cluster, object, graph),
            "RoleBinding" | "ClusterRoleBinding" => binding(cluster, object, graph),
            "EndpointSlice" => slice(cluster, object, graph),
            "Ingress" => ingress(cluster, object, graph),
            "Service" => service(cluster, object, graph),
            _ => {}
        }
    }
}

/// Texts that are alike, by the place at which the first of them stands.
#[derive(Default)]
struct Images {
    whole: BTreeMap<String, usize>,
    repository: BTreeMap<String, usize>,
}

fn class_of(known: &mut BTreeMap<String, usize>, text: &str) -> usize {
    let next = known.len();
    *known.entry(text.to_owned()).or_insert(next)
}

fn repository(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or_default();
    match name.rfind(':') {
        Some(at) if !name[at..].contains('/') => &name[..at],
        _ => name,
    }
}

fn pod(cluster: &Cluster, pod: &Object, images: &mut Images, graph: &mut Graph) {
    let id = pod.id;
    let named = |kind, name: &str| cluster.named(kind, pod.namespace(), name);
    if let Some(account) = named("ServiceAccount", pod.text("/spec/serviceAccountName")) {
        graph.add("service-account", format!("{id} {account}"));
    }
    for list in [
        "/spec/containers",
        "/spec/initContainers",
        "/status/containerStatuses",
    ] {
        for (place, container) in items(pod.at(list)).iter().enumerate() {
            for field in ["image", "imageID"] {
                let Some(image) = container[field].as_str().filter(|image| !image.is_empty())
                else {
                    continue;
                };
                let at = format!("{id} {list} {place} {field}");
                let whole = class_of(&mut images.whole, image);
                graph.add("image", format!("{at} {whole}"));
                let repository = class_of(&mut images.repository, repository(image));
                graph.add("image-repository", format!("{at} {repository}"));
            }
            let mut specs = items(pod.at("/spec/containers")).iter();
            let of = specs.position(|spec| spec["name"] == container["name"]);
            graph.add("image", format!("{id} {list} {place} is {of:?}"));
            configuration(
                pod,
                cluster,
                container,
                &format!("{id} {list} {place}"),
                graph,
            );
        }
    }
    for (place, volume) in items(pod.at("/spec/volumes")).iter().enumerate() {
        let mut sources: Vec<&Value> = vec![volume];
        sources.extend(items(&volume["projected"]["sources"]));
        for source in sources {
            let config = source["configMap"]["name"].as_str();
            if let Some(config) = config.and_then(|name| named("ConfigMap", name)) {
                graph.add("config", format!("{id} {place} {config}"));
            }
            let secret = source["secret"]["secretName"]
                .as_str()
                .or(source["secret"]["name"].as_str());
            if let Some(secret) = secret.and_then(|name| named("Secret", name)) {
                graph.add("secret", format!("{id} {place} {secret}"));
            }
        }
        for item in items(&volume["configMap"]["items"]) {
            key(
                cluster,
                pod,
                &volume["configMap"]["name"],
                &item["key"],
                &format!("{id} {place}"),
                graph,
            );
        }
    }
    for (place, secret) in items(pod.at("/spec/imagePullSecrets")).iter().enumerate() {
        if let Some(secret) = secret["name"]
            .as_str()
            .and_then(|name| named("Secret", name))
        {
            graph.add("secret", format!("{id} pull {place} {secret}"));
        }
    }
}

/// What a container takes from configuration and Secrets into its environment.
fn configuration(pod: &Object, cluster: &Cluster, container: &Value, at: &str, graph: &mut Graph) {
    for (place, variable) in items(&container["env"]).iter().enumerate() {
        let source = &variable["valueFrom"]["configMapKeyRef"];
        key(
            cluster,
            pod,
            &source["name"],
            &source["key"],
            &format!("{at} {place}"),
            graph,
        );
        let secret = variable["valueFrom"]["secretKeyRef"]["name"].as_str();
        let secret = secret.and_then(|name| cluster.named("Secret", pod.namespace(), name));
        if let Some(secret) = secret {
            graph.add("secret", format!("{at} env {place} {secret}"));
        }
    }
    for (place, from) in items(&container["envFrom"]).iter().enumerate() {
        for (kind, field) in [("ConfigMap", "configMapRef"), ("Secret", "secretRef")] {
            let found = from[field]["name"]
                .as_str()
                .and_then(|name| cluster.named(kind, pod.namespace(), name));
            if let Some(found) = found {
                graph.add("config", format!("{at} from {place} {found}"));
            }
        }
    }
}

/// Whether what is configured has a key.
fn key(cluster: &Cluster, pod: &Object, name: &Value, key: &Value, at: &str, graph: &mut Graph) {
    let (Some(name), Some(key)) = (name.as_str(), key.as_str()) else {
        return;
    };
    let mut maps = cluster.of_kind("ConfigMap");
    let found = maps.find(|map| map.name() == name && map.namespace() == pod.namespace());
    if let Some(map) = found {
        let has = map.at("/data").get(key).is_some();
        graph.add("config-key", format!("{at} {} {has}", map.id));
    }
}

/// Which nodes have the image of a container already.
fn node_images(cluster: &Cluster, node: &Object, graph: &mut Graph) {
    for pod in cluster.of_kind("Pod") {
        for (place, container) in items(pod.at("/spec/containers")).iter().enumerate() {
            let image = container["image"].as_str().unwrap_or_default();
            for stored in items(node.at("/status/images")) {
                if texts(&stored["names"]).any(|name| name == image) {
                    let edge = format!("{} {} {place} {}", node.id, pod.id, stored["sizeBytes"]);
                    graph.add("has-image", edge);
                }
            }
        }
    }
}

/// Fields of the numbers of users, which are replaced.
const ACCOUNTS: [&str; 4] = ["runAsUser", "runAsGroup", "fsGroup", "supplementalGroups"];
/// Fields of quantities.
const QUANTITIES: [&str; 14] = [
    "requests",
    "limits",
    "capacity",
    "allocatable",
    "hard",
    "used",
    "overhead",
    "podFixed",
    "default",
    "max",
    "min",
    "sizeLimit",
    "maxSurge",
    "maxUnavailable",
];

/// All numbers of an object, and all quantities, without their places.
fn quantities(object: &Object, graph: &mut Graph) {
    let (mut numbers, mut amounts) = (Vec::new(), Vec::new());
    collect(&object.body, false, &mut numbers, &mut amounts);
    numbers.sort();
    amounts.sort();
    graph.add("numbers", format!("{} {numbers:?}", object.id));
    if !amounts.is_empty() {
        graph.add("quantities", format!("{} {amounts:?}", object.id));
    }
}

fn collect(value: &Value, is_amount: bool, numbers: &mut Vec<String>, amounts: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (field, value) in members {
                let left_out = ["annotations", "managedFields", "data"].contains(&field.as_str());
                if !left_out && !ACCOUNTS.contains(&field.as_str()) {
                    let is_amount = is_amount || QUANTITIES.contains(&field.as_str());
                    collect(value, is_amount, numbers, amounts);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                collect(item, is_amount, numbers, amounts);
            }
        }
        Value::Number(number) => numbers.push(number.to_string()),
        Value::String(text)
            if is_amount && text.starts_with(|first: char| first.is_ascii_digit()) =>
        {
            amounts.push(text.clone());
        }
        _ => {}
    }
}

fn quota(cluster: &Cluster, quota: &Object, graph: &mut Graph) {
    for scope in items(quota.at("/spec/scopeSelector/matchExpressions")) {
        for name in texts(&scope["values"]) {
            if let Some(class) = cluster.named("PriorityClass", "", name) {
                graph.add("quota-scope", format!("{} {class}", quota.id));
            }
        }
    }
    for class in cluster.of_kind("StorageClass") {
        let counted = format!(
            "{}.storageclass.storage.k8s.io/requests.storage",
            class.name()
        );
        if let Some(amount) = quota.at("/spec/hard").get(&counted) {
            graph.add("quota-scope", format!("{} {} {amount}", quota.id, class.id));
        }
    }
    for node in cluster.of_kind("Node") {
        for (resource, amount) in node
            .at("/status/allocatable")
            .as_object()
            .into_iter()
            .flatten()
        {
            if let Some(hard) = quota.at("/spec/hard").get(format!("requests.{resource}")) {
                graph.add(
                    "quota-scope",
                    format!("{} {} {amount} {hard}", quota.id, node.id),
                );
            }
        }
    }
}

fn binding(cluster: &Cluster, binding: &Object, graph: &mut Graph) {
    let (kind, name) = (binding.text("/roleRef/kind"), binding.text("/roleRef/name"));
    let namespace = if kind == "Role" {
        binding.namespace()
    } else {
        ""
    };
    if let Some(role) = cluster.named(kind, namespace, name) {
        graph.add("role", format!("{} {role}", binding.id));
    }
    for (place, subject) in items(binding.at("/subjects")).iter().enumerate() {
        let text = |field: &str| subject[field].as_str().unwrap_or_default();
        if let Some(account) = cluster.named(text("kind"), text("namespace"), text("name")) {
            graph.add(
                "account-is-subject",
                format!("{} {place} {account}", binding.id),
            );
        }
    }
}

fn slice(cluster: &Cluster, slice: &Object, graph: &mut Graph) {
    let id = slice.id;
    let service = slice.labels()["kubernetes.io/service-name"]
        .as_str()
        .unwrap_or_default();
    if let Some(service) = cluster.named("Service", slice.namespace(), service) {
        graph.add("service-of-slice", format!("{id} {service}"));
    }
    for (place, endpoint) in items(slice.at("/endpoints")).iter().enumerate() {
        let target = |field: &str| endpoint["targetRef"][field].as_str().unwrap_or_default();
        let pod = cluster.named(target("kind"), target("namespace"), target("name"));
        if let Some(pod) = pod {
            let is_same = cluster.with_uid(target("uid")) == Some(pod);
            graph.add("endpoint", format!("{id} {place} {pod} {is_same}"));
        }
        for pod in cluster.of_kind("Pod") {
            let address = pod.text("/status/podIP");
            if !address.is_empty() && texts(&endpoint["addresses"]).any(|one| one == address) {
                graph.add("address-of-pod", format!("{id} {place} {}", pod.id));
            }
        }
        for node in cluster.of_kind("Node") {
            let zone = &node.labels()["topology.kubernetes.io/zone"];
            let is_on = endpoint["nodeName"] == *node.name();
            let mut hints = items(&endpoint["hints"]["forZones"]).iter();
            let is_hinted = hints.any(|hint| hint["name"] == *zone);
            let edge = format!("{id} {place} {} {is_on} {is_hinted}", node.id);
            graph.add("zone-hint", format!("{edge} {}", endpoint["zone"] == *zone));
        }
    }
}

fn ingress(cluster: &Cluster, ingress: &Object, graph: &mut Graph) {
    let id = ingress.id;
    let class = ingress.text("/spec/ingressClassName");
    if let Some(class) = cluster.named("IngressClass", "", class) {
        graph.add("ingress-class", format!("{id} {class}"));
    }
    for rule in items(ingress.at("/spec/rules")) {
        for path in items(&rule["http"]["paths"]) {
            let backend = &path["backend"]["service"];
            let name = backend["name"].as_str().unwrap_or_default();
            let services = cluster.of_kind("Service");
            let mut own = services.filter(|service| service.namespace() == ingress.namespace());
            if let Some(service) = own.find(|service| service.name() == name) {
                let mut ports = items(service.at("/spec/ports")).iter();
                let port = ports.position(|port| port["name"] == backend["port"]["name"]);
                graph.add("backend", format!("{id} {} {port:?}", service.id));
            }
        }
        let mut tls = items(ingress.at("/spec/tls")).iter();
        let is_secured = tls.any(|tls| items(&tls["hosts"]).contains(&rule["host"]));
        graph.add("backend", format!("{id} tls {is_secured}"));
    }
}

fn service(cluster: &Cluster, service: &Object, graph: &mut Graph) {
    let id = service.id;
    let address = service.text("/spec/clusterIP");
    for range in cluster.of_kind("ServiceCIDR") {
        let is_within = texts(range.at("/spec/cidrs")).any(|network| is_in(network, address));
        graph.add("service-range", format!("{id} {} {is_within}", range.id));
    }
    for own in cluster
        .of_kind("IPAddress")
        .filter(|own| own.name() == address)
    {
        graph.add("service-range", format!("{id} named {}", own.id));
    }
    for (place, port) in items(service.at("/spec/ports")).iter().enumerate() {
        let Some(target) = port["targetPort"].as_str() else {
            continue;
        };
        for pod in cluster.of_kind("Pod") {
            for (at, container) in items(pod.at("/spec/containers")).iter().enumerate() {
                for (number, own) in items(&container["ports"]).iter().enumerate() {
                    if own["name"] == target {
                        graph.add("port", format!("{id} {place} {} {at} {number}", pod.id));
                    }
                }
            }
        }
    }
}
