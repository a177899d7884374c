//! Makes `fixtures/rollout.parquet`: records a small real story with `kymo record` and packs it.
//!
//! ```text
//! cargo build -p kymo-cli
//! cargo run -p kymo-testkit --example record_fixture -- target/debug/kymo fixtures/rollout.parquet
//! ```
//!
//! Ten nodes; in the namespace `shop` the Deployment `checkout` with five pods behind a Service and a
//! `PodDisruptionBudget`. It is rolled from 1.0 to 1.1, scaled to eight, rolled to an image that
//! cannot be pulled, rolled back; its settings change; a Job runs; a node fails and its pods are
//! evicted; the Deployment is deleted.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use kymo_testkit::api::{Api, Patch};
use kymo_testkit::control_plane::{ControlPlane, Options};
use kymo_testkit::traffic::objects::{config_map, deployment, ensure_namespace, ensure_node};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::time::sleep;

const PATIENCE: Duration = Duration::from_mins(1);
const CHECKOUT: &str = "/apis/apps/v1/namespaces/shop/deployments/checkout";
const PODS: &str = "/api/v1/namespaces/shop/pods";

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [kymo, fixture] = args.as_slice() else {
        bail!("the arguments are the program kymo and the file to make");
    };
    let plane = ControlPlane::start(Options::with_pods()).await?;
    let folder = tempfile::tempdir()?;
    let trace = folder.path().join("rollout");
    let mut recorder = Command::new(kymo)
        .arg("record")
        .arg("--kubeconfig")
        .arg(plane.admin_kubeconfig())
        .arg("--output")
        .arg(&trace)
        .spawn()
        .with_context(|| format!("cannot start {kymo}"))?;
    // Long enough to be connected; whatever exists by then is listed.
    sleep(Duration::from_secs(4)).await;
    let told = tell(plane.api()).await;
    sleep(Duration::from_secs(1)).await;
    let id = i32::try_from(recorder.id()).ok().and_then(Pid::from_raw);
    kill_process(id.context("no process id")?, Signal::TERM)?;
    let ended = recorder.wait()?;
    told?;
    ensure!(ended.success(), "kymo record ended: {ended}");
    export(kymo, &trace, fixture)
}

fn export(kymo: &str, trace: &Path, fixture: &str) -> Result<()> {
    let status = Command::new(kymo)
        .args(["export", "parquet"])
        .arg(trace)
        .args(["--output", fixture])
        .status()?;
    ensure!(status.success(), "kymo export parquet ended: {status}");
    Ok(())
}

/// Lets the story happen.
async fn tell(api: &Api) -> Result<()> {
    ensure_namespace(api, "shop").await?;
    for node in 0..10 {
        ensure_node(api, &format!("node-{node}")).await?;
    }
    let account = "/api/v1/namespaces/shop/serviceaccounts/default";
    api.wait_for(account, "default service account", PATIENCE, |_| true)
        .await?;
    api.create(
        "/api/v1/namespaces/shop/configmaps",
        &config_map("shop", "checkout-settings", "timeout=2s"),
    )
    .await?;
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": "checkout", "namespace": "shop" },
        "spec": { "selector": { "app": "checkout" }, "ports": [{ "port": 80, "targetPort": 8080 }] },
    });
    api.create("/api/v1/namespaces/shop/services", &service)
        .await?;
    let budget = json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": { "name": "checkout", "namespace": "shop" },
        "spec": { "minAvailable": 4, "selector": { "matchLabels": { "app": "checkout" } } },
    });
    api.create(
        "/apis/policy/v1/namespaces/shop/poddisruptionbudgets",
        &budget,
    )
    .await?;

    let mut checkout = deployment("shop", "checkout", 5, "example.org/checkout:1.0");
    checkout["spec"]["progressDeadlineSeconds"] = json!(8);
    api.create("/apis/apps/v1/namespaces/shop/deployments", &checkout)
        .await?;
    rolled_out(api).await?;
    pause().await;
    image(api, "example.org/checkout:1.1").await?;
    rolled_out(api).await?;
    pause().await;
    api.patch(
        CHECKOUT,
        Patch::Merge,
        &json!({ "spec": { "replicas": 8 } }),
    )
    .await?;
    rolled_out(api).await?;
    pause().await;
    image(api, "example.org/checkout:missing").await?;
    api.wait_for(
        CHECKOUT,
        "rollout that does not progress",
        PATIENCE,
        is_stuck,
    )
    .await?;
    image(api, "example.org/checkout:1.1").await?;
    rolled_out(api).await?;

    let settings = json!({ "data": { "value": "timeout=5s" } });
    let path = "/api/v1/namespaces/shop/configmaps/checkout-settings";
    api.patch(path, Patch::Merge, &settings).await?;
    job(api).await?;
    node_fails(api).await?;
    pause().await;
    api.delete(CHECKOUT).await?;
    let empty = |list: &Value| list["items"].as_array().is_some_and(Vec::is_empty);
    api.wait_for(
        &format!("{PODS}?labelSelector=app%3Dcheckout"),
        "end of the pods",
        PATIENCE,
        empty,
    )
    .await?;
    Ok(())
}

async fn pause() {
    sleep(Duration::from_secs(2)).await;
}

async fn image(api: &Api, image: &str) -> Result<()> {
    let containers = json!([{ "name": "main", "image": image }]);
    let patch = json!({ "spec": { "template": { "spec": { "containers": containers } } } });
    api.patch(CHECKOUT, Patch::Strategic, &patch).await?;
    Ok(())
}

async fn rolled_out(api: &Api) -> Result<()> {
    let done = |deployment: &Value| {
        let status = &deployment["status"];
        let wanted = &deployment["spec"]["replicas"];
        status["observedGeneration"] == deployment["metadata"]["generation"]
            && ["replicas", "updatedReplicas", "availableReplicas"]
                .iter()
                .all(|count| &status[count] == wanted)
    };
    api.wait_for(CHECKOUT, "rolled out Deployment", PATIENCE, done)
        .await?;
    Ok(())
}

fn is_stuck(deployment: &Value) -> bool {
    let conditions = deployment["status"]["conditions"].as_array();
    conditions.is_some_and(|conditions| {
        conditions
            .iter()
            .any(|condition| condition["reason"] == "ProgressDeadlineExceeded")
    })
}

async fn job(api: &Api) -> Result<()> {
    let jobs = "/apis/batch/v1/namespaces/shop/jobs";
    let job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": { "name": "settle-accounts", "namespace": "shop" },
        "spec": { "completions": 2, "parallelism": 2, "template": { "spec": {
            "restartPolicy": "Never",
            "containers": [{ "name": "main", "image": "example.org/accounts:1.0" }],
        } } },
    });
    api.create(jobs, &job).await?;
    let done = |job: &Value| job["status"]["succeeded"] == 2;
    api.wait_for(
        &format!("{jobs}/settle-accounts"),
        "end of the Job",
        PATIENCE,
        done,
    )
    .await?;
    Ok(())
}

/// Taints the node of a pod, so that its pods are evicted, and takes it away when they are gone.
async fn node_fails(api: &Api) -> Result<()> {
    let pods = api
        .get(&format!("{PODS}?labelSelector=app%3Dcheckout"))
        .await?;
    let node = pods["items"][0]["spec"]["nodeName"]
        .as_str()
        .context("a pod on a node")?;
    let path = format!("/api/v1/nodes/{node}");
    let taint = json!({ "spec": { "taints": [
        { "key": "example.org/disk-failure", "effect": "NoExecute" },
    ] } });
    api.patch(&path, Patch::Merge, &taint).await?;
    let on_node =
        format!("{PODS}?labelSelector=app%3Dcheckout&fieldSelector=spec.nodeName%3D{node}");
    let empty = |list: &Value| list["items"].as_array().is_some_and(Vec::is_empty);
    api.wait_for(&on_node, "evictions", PATIENCE, empty).await?;
    rolled_out(api).await?;
    api.delete(&path).await?;
    Ok(())
}
