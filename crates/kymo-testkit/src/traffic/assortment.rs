//! One object of many kinds, those that are stored under unusual names among them.

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::Written;
use crate::api::Api;

/// Makes one object of each of sixteen kinds in a namespace (and one without a namespace).
pub async fn create_assortment(api: &Api, namespace: &str) -> Result<Written> {
    let mut written = Written::default();
    for (api_version, plural, kind, content) in assortment() {
        let mut object = json!({
            "apiVersion": api_version, "kind": kind, "metadata": { "name": "assorted" },
        });
        if let (Some(object), Value::Object(content)) = (object.as_object_mut(), content) {
            object.extend(content);
        }
        let root = if api_version.contains('/') {
            "apis"
        } else {
            "api"
        };
        let place = if plural == "ingressclasses" {
            String::new()
        } else {
            format!("namespaces/{namespace}/")
        };
        api.create(&format!("/{root}/{api_version}/{place}{plural}"), &object)
            .await?;
        written.created += 1;
    }
    Ok(written)
}

fn assortment() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let labels = json!({ "app": "assorted" });
    let selector = json!({ "matchLabels": labels });
    let containers = json!([{ "name": "main", "image": "example.org/main:1" }]);
    let template =
        json!({ "metadata": { "labels": labels }, "spec": { "containers": containers } });
    let job = json!({ "spec": { "containers": containers, "restartPolicy": "Never" } });
    let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "assorted" });
    let backend = json!({ "service": { "name": "assorted", "port": { "number": 80 } } });
    let spec = |value: Value| Value::Object(Map::from_iter([("spec".to_owned(), value)]));
    vec![
        (
            "v1",
            "secrets",
            "Secret",
            json!({ "stringData": { "password": "canary" } }),
        ),
        (
            "v1",
            "services",
            "Service",
            spec(json!({ "selector": labels, "ports": [{ "port": 80 }] })),
        ),
        (
            "v1",
            "limitranges",
            "LimitRange",
            spec(json!({ "limits": [{ "type": "Pod" }] })),
        ),
        (
            "v1",
            "resourcequotas",
            "ResourceQuota",
            spec(json!({ "hard": { "secrets": "1k" } })),
        ),
        (
            "v1",
            "podtemplates",
            "PodTemplate",
            json!({ "template": template }),
        ),
        (
            "v1",
            "replicationcontrollers",
            "ReplicationController",
            spec(json!({ "replicas": 0, "selector": labels, "template": template })),
        ),
        (
            "v1",
            "persistentvolumeclaims",
            "PersistentVolumeClaim",
            spec(json!({
                "accessModes": ["ReadWriteOnce"],
                "resources": { "requests": { "storage": "1Gi" } },
            })),
        ),
        (
            "apps/v1",
            "statefulsets",
            "StatefulSet",
            spec(json!({
                "replicas": 0, "serviceName": "assorted", "selector": selector, "template": template,
            })),
        ),
        (
            "batch/v1",
            "jobs",
            "Job",
            spec(json!({ "suspend": true, "template": job })),
        ),
        (
            "batch/v1",
            "cronjobs",
            "CronJob",
            spec(json!({
                "schedule": "0 0 1 1 *", "suspend": true, "jobTemplate": { "spec": { "template": job } },
            })),
        ),
        (
            "autoscaling/v2",
            "horizontalpodautoscalers",
            "HorizontalPodAutoscaler",
            spec(json!({ "maxReplicas": 2, "scaleTargetRef": target })),
        ),
        (
            "policy/v1",
            "poddisruptionbudgets",
            "PodDisruptionBudget",
            spec(json!({ "maxUnavailable": 1, "selector": selector })),
        ),
        (
            "networking.k8s.io/v1",
            "networkpolicies",
            "NetworkPolicy",
            spec(json!({ "podSelector": selector })),
        ),
        (
            "networking.k8s.io/v1",
            "ingresses",
            "Ingress",
            spec(json!({ "defaultBackend": backend })),
        ),
        (
            "networking.k8s.io/v1",
            "ingressclasses",
            "IngressClass",
            spec(json!({ "controller": "example.org/ingress" })),
        ),
        (
            "rbac.authorization.k8s.io/v1",
            "roles",
            "Role",
            json!({ "rules": [{ "apiGroups": [""], "resources": ["pods"], "verbs": ["list"] }] }),
        ),
    ]
}
