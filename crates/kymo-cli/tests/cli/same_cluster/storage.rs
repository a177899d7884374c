//! Claims, volumes, their classes, and devices.

use super::Graph;
use super::cluster::{Cluster, Object, items, texts};
use super::selectors::{holds, selects};
use super::topology::term_holds;

pub(super) fn relate(cluster: &Cluster, graph: &mut Graph) {
    for object in &cluster.objects {
        match object.kind.as_str() {
            "Pod" => pod(cluster, object, graph),
            "StatefulSet" => templates(cluster, object, graph),
            "PersistentVolumeClaim" => claim(cluster, object, graph),
            "PersistentVolume" => volume(cluster, object, graph),
            "StorageClass" => class(cluster, object, graph),
            "VolumeAttachment" => attachment(cluster, object, graph),
            "ResourceClaim" | "ResourceClaimTemplate" => devices(cluster, object, graph),
            "ResourceSlice" => {
                if let Some(node) = cluster.node(object.text("/spec/nodeName")) {
                    let of_pool = object.text("/spec/pool/name") == node.name();
                    graph.add(
                        "slice-of-node",
                        format!("{} {} {of_pool}", object.id, node.id),
                    );
                }
            }
            _ => {}
        }
    }
}

fn pod(cluster: &Cluster, pod: &Object, graph: &mut Graph) {
    let id = pod.id;
    let named = |kind, name: &str| cluster.named(kind, pod.namespace(), name);
    for (place, volume) in items(pod.at("/spec/volumes")).iter().enumerate() {
        let own = volume["persistentVolumeClaim"]["claimName"].as_str();
        let name = match (own, volume["name"].as_str()) {
            (Some(own), _) => own.to_owned(),
            (None, Some(name)) if volume["ephemeral"].is_object() => {
                format!("{}-{name}", pod.name())
            }
            _ => continue,
        };
        if let Some(claim) = named("PersistentVolumeClaim", &name) {
            graph.add("claim", format!("{id} {place} {claim}"));
        }
        for (place, container) in items(pod.at("/spec/containers")).iter().enumerate() {
            let mut mounts = items(&container["volumeMounts"]).iter();
            if mounts.any(|mount| mount["name"] == volume["name"]) {
                graph.add("claim", format!("{id} {place} mounts"));
            }
        }
    }
    for (place, claim) in items(pod.at("/spec/resourceClaims")).iter().enumerate() {
        for (kind, field) in [
            ("ResourceClaim", "resourceClaimName"),
            ("ResourceClaimTemplate", "resourceClaimTemplateName"),
        ] {
            if let Some(claim) = claim[field].as_str().and_then(|name| named(kind, name)) {
                graph.add("resource-claim", format!("{id} {place} {claim}"));
            }
        }
        for (number, container) in items(pod.at("/spec/containers")).iter().enumerate() {
            let mut used = items(&container["resources"]["claims"]).iter();
            if used.any(|used| used["name"] == claim["name"]) {
                graph.add("resource-claim", format!("{id} {place} used {number}"));
            }
        }
    }
}

/// The claims that the templates of a `StatefulSet` make for its pods.
fn templates(cluster: &Cluster, set: &Object, graph: &mut Graph) {
    for template in items(set.at("/spec/volumeClaimTemplates")) {
        let template = template["metadata"]["name"].as_str().unwrap_or_default();
        for ordinal in 0..10 {
            let name = format!("{template}-{}-{ordinal}", set.name());
            let claim = cluster.named("PersistentVolumeClaim", set.namespace(), &name);
            if let Some(claim) = claim {
                graph.add("claim-template", format!("{} {ordinal} {claim}", set.id));
            }
        }
    }
}

fn claim(cluster: &Cluster, claim: &Object, graph: &mut Graph) {
    let id = claim.id;
    if let Some(volume) = cluster.named("PersistentVolume", "", claim.text("/spec/volumeName")) {
        graph.add("volume", format!("{id} {volume}"));
    }
    let class = claim.text("/spec/storageClassName");
    if let Some(class) = cluster.named("StorageClass", "", class) {
        graph.add("class-of-claim", format!("{id} {class}"));
    }
    for volume in cluster.of_kind("PersistentVolume") {
        if selects(claim.at("/spec/selector"), volume.labels()) {
            graph.add("selects-volume", format!("{id} {}", volume.id));
        }
    }
}

fn volume(cluster: &Cluster, volume: &Object, graph: &mut Graph) {
    let id = volume.id;
    let claim = |field: &str| volume.text(&format!("/spec/claimRef/{field}"));
    let named = cluster.named("PersistentVolumeClaim", claim("namespace"), claim("name"));
    if let Some(named) = named {
        let is_same = cluster.with_uid(claim("uid")) == Some(named);
        graph.add("claim-bound", format!("{id} {named} {is_same}"));
    }
    let class = volume.text("/spec/storageClassName");
    if let Some(class) = cluster.named("StorageClass", "", class) {
        graph.add("storage-class", format!("{id} {class}"));
    }
    for driver in cluster.of_kind("CSIDriver") {
        if volume.text("/spec/csi/driver") == driver.name() {
            graph.add("csi-driver", format!("{id} {}", driver.id));
        }
    }
    for term in items(volume.at("/spec/nodeAffinity/required/nodeSelectorTerms")) {
        for node in cluster
            .of_kind("Node")
            .filter(|node| term_holds(term, node))
        {
            graph.add("may-use-volume", format!("{id} {}", node.id));
        }
    }
}

fn class(cluster: &Cluster, class: &Object, graph: &mut Graph) {
    let id = class.id;
    for term in items(class.at("/allowedTopologies")) {
        for node in cluster.of_kind("Node") {
            let expressions = items(&term["matchLabelExpressions"]);
            if expressions.iter().all(|one| holds(one, node.labels())) {
                graph.add("allowed-topology", format!("{id} {}", node.id));
            }
        }
    }
    for other in &cluster.objects {
        let names = |name: &str| !name.is_empty() && name == class.text("/provisioner");
        let is_driver = other.kind == "CSIDriver" && names(other.name());
        let drivers = items(other.at("/spec/drivers")).iter();
        let has_driver = other.kind == "CSINode"
            && drivers
                .clone()
                .any(|one| one["name"].as_str().is_some_and(names));
        if is_driver || has_driver {
            graph.add("csi-driver", format!("{id} {}", other.id));
        }
        // A driver tells by which labels of its node volumes can be reached.
        if let (true, Some(node)) = (other.kind == "CSINode", cluster.node(other.name())) {
            for driver in drivers {
                let known =
                    texts(&driver["topologyKeys"]).map(|key| node.labels().get(key).is_some());
                graph.add(
                    "csi-driver",
                    format!("keys {} {:?}", other.id, known.collect::<Vec<_>>()),
                );
            }
        }
    }
}

fn attachment(cluster: &Cluster, attachment: &Object, graph: &mut Graph) {
    let id = attachment.id;
    let name = attachment.text("/spec/source/persistentVolumeName");
    if let Some(volume) = cluster.named("PersistentVolume", "", name) {
        let node = cluster
            .node(attachment.text("/spec/nodeName"))
            .map(|node| node.id);
        graph.add("attached", format!("{id} {volume} {node:?}"));
    }
}

fn devices(cluster: &Cluster, claim: &Object, graph: &mut Graph) {
    let id = claim.id;
    for requests in ["/spec/devices/requests", "/spec/spec/devices/requests"] {
        for (place, request) in items(claim.at(requests)).iter().enumerate() {
            let class = request["exactly"]["deviceClassName"]
                .as_str()
                .unwrap_or_default();
            if let Some(class) = cluster.named("DeviceClass", "", class) {
                graph.add("device-class", format!("{id} {place} {class}"));
            }
        }
    }
    for (place, result) in items(claim.at("/status/allocation/devices/results"))
        .iter()
        .enumerate()
    {
        for (at, request) in items(claim.at("/spec/devices/requests")).iter().enumerate() {
            graph.add(
                "allocated",
                format!("{id} {place} {at} {}", request["name"] == result["request"]),
            );
        }
        for slice in cluster.of_kind("ResourceSlice") {
            let is_pool = result["driver"] == *slice.at("/spec/driver")
                && result["pool"] == *slice.at("/spec/pool/name");
            for (at, device) in items(slice.at("/spec/devices")).iter().enumerate() {
                if is_pool && device["name"] == result["device"] {
                    graph.add("allocated", format!("{id} {place} {} {at}", slice.id));
                }
            }
        }
    }
    for user in items(claim.at("/status/reservedFor")) {
        let text = |field: &str| user[field].as_str().unwrap_or_default();
        let pod = cluster.named("Pod", claim.namespace(), text("name"));
        if let Some(pod) = pod {
            graph.add(
                "reserved",
                format!("{id} {pod} {}", cluster.with_uid(text("uid")) == Some(pod)),
            );
        }
    }
}
