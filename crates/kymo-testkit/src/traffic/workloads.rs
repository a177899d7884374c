//! Deployments and their pods.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::objects::deployment;
use super::{Traffic, Written};
use crate::api::{Api, Patch};

pub(super) async fn run(traffic: &Traffic, api: &Api) -> Result<Written> {
    let mut written = Written::default();
    let namespace = &traffic.namespace;
    if traffic.deployments > 0 {
        // Without it pods are refused, and the controllers wait longer and longer.
        let account = format!("/api/v1/namespaces/{namespace}/serviceaccounts/default");
        api.wait_for(&account, "default service account", traffic.limit, |_| true)
            .await?;
    }
    let collection = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
    for number in 0..traffic.deployments {
        let name = format!("web-{}-{number}", traffic.seed);
        let path = format!("{collection}/{name}");
        api.create(
            &collection,
            &deployment(namespace, &name, traffic.replicas, "example.org/web:0"),
        )
        .await?;
        written.created += 1;
        wait_rolled_out(api, &path, traffic.limit).await?;
        for roll in 1..=traffic.rolls {
            let image = format!("example.org/web:{roll}");
            let patch = json!({ "spec": { "template": { "spec": {
                "containers": [{ "name": "main", "image": image }],
            } } } });
            api.patch(&path, Patch::Strategic, &patch).await?;
            written.changed += 1;
            wait_rolled_out(api, &path, traffic.limit).await?;
        }
        if traffic.delete_deployments {
            api.delete(&path).await?;
            written.deleted += 1;
            let pods = format!("/api/v1/namespaces/{namespace}/pods?labelSelector=app%3D{name}");
            let empty = |list: &Value| list["items"].as_array().is_some_and(Vec::is_empty);
            api.wait_for(&pods, "end of the pods", traffic.limit, empty)
                .await?;
        }
    }
    Ok(written)
}

/// Waits until all pods of a Deployment have its newest template and are available.
async fn wait_rolled_out(api: &Api, path: &str, limit: Duration) -> Result<Value> {
    let done = |deployment: &Value| {
        let wanted = &deployment["spec"]["replicas"];
        let status = &deployment["status"];
        let none = wanted.as_u64() == Some(0);
        let same = |count: &Value| count == wanted || (none && count.is_null());
        status["observedGeneration"] == deployment["metadata"]["generation"]
            && same(&status["replicas"])
            && same(&status["updatedReplicas"])
            && same(&status["availableReplicas"])
    };
    api.wait_for(path, "Deployment with all its pods", limit, done)
        .await
}
