//! The objects that are patched.

use kymo_testkit::api::Api;
use serde_json::{Value, json};

use crate::patches::{
    Dice, join, metadata, node_conditions, node_spec, node_status, pod_changes, pod_conditions,
    pod_status, ports, rollout, selector, template,
};

/// An object on the server, and how patches of it are made.
pub(crate) struct Subject {
    pub(crate) path: String,
    /// Random patches are made of these.
    pub(crate) changes: Vec<fn(&mut Dice) -> Value>,
}

fn full_container(name: &str) -> Value {
    json!({
        "name": name, "image": "x:1", "imagePullPolicy": "IfNotPresent",
        "ports": [{ "containerPort": 80 }, { "containerPort": 81, "protocol": "UDP" }],
        "env": [{ "name": "A", "value": "1" }, { "name": "B", "value": "2" }, { "name": "C", "value": "3" }],
        "volumeMounts": [{ "mountPath": "/m", "name": "v1" }],
    })
}

fn pod_template() -> Value {
    json!({
        "metadata": { "labels": { "app": "it" } },
        "spec": {
            "containers": [full_container("a"), full_container("b"), full_container("c")],
            "initContainers": [full_container("i"), full_container("j")],
            "volumes": [{ "name": "v1", "emptyDir": {} }, { "name": "v2", "configMap": { "name": "c" } }],
            "tolerations": [{ "key": "t", "operator": "Exists" }],
            "imagePullSecrets": [{ "name": "s1" }, { "name": "s2" }],
            "hostAliases": [{ "ip": "10.0.0.1", "hostnames": ["h1"] }],
            "nodeSelector": { "a": "1" },
            "securityContext": { "runAsUser": 7, "fsGroup": 7 },
        },
    })
}

pub(crate) async fn subjects(api: &Api) -> Vec<Subject> {
    let meta = json!({
        "name": "it", "labels": { "a": "1", "b": "2" }, "annotations": { "a": "1" },
        "finalizers": ["f.io/a", "f.io/b"],
        "ownerReferences": [{ "uid": "u1", "apiVersion": "v1", "kind": "ConfigMap", "name": "u1" }],
    });
    let mut pod = pod_template();
    join(
        &mut pod,
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": meta }),
    );
    let objects = [
        (
            "/apis/apps/v1/namespaces/default/deployments",
            json!({
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta,
                "spec": { "selector": { "matchLabels": { "app": "it" } }, "template": pod_template() },
            }),
        ),
        ("/api/v1/namespaces/default/pods", pod),
        (
            "/api/v1/namespaces/default/services",
            json!({
                "apiVersion": "v1", "kind": "Service", "metadata": meta,
                "spec": { "selector": { "a": "1" }, "ports": [
                    { "name": "p80", "port": 80 }, { "name": "p81", "port": 81 }, { "name": "u80", "port": 80, "protocol": "UDP" },
                ] },
            }),
        ),
        (
            "/api/v1/nodes",
            json!({
                "apiVersion": "v1", "kind": "Node", "metadata": meta,
                "spec": { "taints": [{ "key": "t", "effect": "NoSchedule" }] },
            }),
        ),
    ];
    for (collection, object) in objects {
        api.create(collection, &object).await.expect("create");
    }
    let condition = |r#type: &str| {
        json!({
            "type": r#type, "status": "True", "lastTransitionTime": "2024-01-01T00:00:00Z",
            "lastProbeTime": "2024-01-01T00:00:00Z", "lastHeartbeatTime": "2024-01-01T00:00:00Z",
        })
    };
    for path in ["/api/v1/nodes/it", "/api/v1/namespaces/default/pods/it"] {
        let mut object = api.get(path).await.expect("get");
        join(
            &mut object,
            json!({ "status": {
            "conditions": [condition("Ready"), condition("DiskPressure")],
            "addresses": [{ "type": "InternalIP", "address": "10.2.0.1" }],
            "capacity": { "cpu": "1" },
        } }),
        );
        api.replace(&format!("{path}/status"), &object)
            .await
            .expect("status");
    }
    let subject = |path: &str, changes: &[fn(&mut Dice) -> Value]| Subject {
        path: path.to_owned(),
        changes: changes.to_vec(),
    };
    vec![
        subject(
            "/apis/apps/v1/namespaces/default/deployments/it",
            &[metadata, template, template, template, template, rollout],
        ),
        subject(
            "/api/v1/namespaces/default/pods/it",
            &[metadata, pod_changes],
        ),
        subject(
            "/api/v1/namespaces/default/pods/it/status",
            &[pod_conditions, pod_status],
        ),
        subject(
            "/api/v1/namespaces/default/services/it",
            &[metadata, ports, selector],
        ),
        subject("/api/v1/nodes/it", &[metadata, node_spec]),
        subject("/api/v1/nodes/it/status", &[node_conditions, node_status]),
    ]
}
