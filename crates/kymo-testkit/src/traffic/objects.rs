//! The objects that tests make.

use anyhow::Result;
use serde_json::{Value, json};

use super::Written;
use crate::api::{Api, refusal};

/// Gives a namespace.
pub fn namespace(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })
}

/// Gives a fake node, in one of three zones by its name.
pub fn node(name: &str) -> Value {
    let zone = name
        .bytes()
        .fold(0u32, |sum, byte| sum.wrapping_add(u32::from(byte)))
        % 3;
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "topology.kubernetes.io/zone": format!("zone-{zone}"),
            },
        },
    })
}

/// Gives a Deployment whose pods have one container.
pub fn deployment(namespace: &str, name: &str, replicas: u32, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name, "namespace": namespace, "labels": { "app": name } },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "containers": [{
                        "name": "main",
                        "image": image,
                        "resources": { "requests": { "cpu": "10m", "memory": "16Mi" } },
                    }],
                },
            },
        },
    })
}

/// Gives a pod that no controller owns.
pub fn pod(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "namespace": namespace },
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [{ "name": "main", "image": "example.org/main:1" }],
        },
    })
}

/// Gives a `ConfigMap` with one value.
pub fn config_map(namespace: &str, name: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": name, "namespace": namespace },
        "data": { "value": value },
    })
}

/// Gives a definition of a namespaced custom resource `{plural}.{group}`, version v1, that takes any
/// members.
pub fn definition(group: &str, plural: &str, kind: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.{group}") },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": { "plural": plural, "singular": plural, "kind": kind },
            "versions": [{
                "name": "v1",
                "served": true,
                "storage": true,
                "schema": { "openAPIV3Schema": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                } },
            }],
        },
    })
}

/// Makes a namespace, unless it is there.
pub async fn ensure_namespace(api: &Api, name: &str) -> Result<Written> {
    ensure(api, "/api/v1/namespaces", &namespace(name)).await
}

/// Makes a fake node, unless it is there.
pub async fn ensure_node(api: &Api, name: &str) -> Result<Written> {
    ensure(api, "/api/v1/nodes", &node(name)).await
}

async fn ensure(api: &Api, path: &str, object: &Value) -> Result<Written> {
    match api.create(path, object).await {
        Ok(_) => Ok(Written {
            created: 1,
            ..Written::default()
        }),
        Err(error) if refusal(&error) == Some(409) => Ok(Written::default()),
        Err(error) => Err(error),
    }
}
