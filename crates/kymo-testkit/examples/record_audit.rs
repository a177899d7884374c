//! Makes `fixtures/audit/`: the audit log of a real API server while everything happens to objects
//! that an importer has to understand, and what etcd says happened.
//!
//! ```text
//! cargo run -p kymo-testkit --example record_audit -- fixtures/audit
//! ```
//!
//! The same story is told in three namespaces whose requests are logged at three levels: `full`
//! (`RequestResponse`), `request` and `metadata`. `audit.jsonl.gz` is the log as it was written;
//! `history.ndjson.gz` has one line for each version of each object of these namespaces, of the
//! namespaces themselves and of nodes and custom resource definitions, read from etcd.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::Method;
use kymo_testkit::api::{Api, Patch};
use kymo_testkit::control_plane::{ControlPlane, Options};
use kymo_testkit::oracle::{Op, Oracle, Revision};
use kymo_testkit::traffic::objects::{
    config_map, definition, deployment, ensure_namespace, ensure_node, pod,
};
use serde_json::{Value, json};
use tokio::time::sleep;

const PATIENCE: Duration = Duration::from_mins(1);
/// The namespaces of the story, each logged at another level.
const NAMESPACES: [&str; 3] = ["full", "request", "metadata"];
/// Resources without a namespace whose requests are logged.
const CLUSTER: [&str; 3] = ["namespaces", "nodes", "customresourcedefinitions"];

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [output] = args.as_slice() else {
        bail!("the argument is the folder to write to");
    };
    let output = Path::new(output);
    fs::create_dir_all(output)?;
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("audit.log");
    let policy_file = folder.path().join("policy.json");
    fs::write(&policy_file, policy().to_string())?;
    let plane = ControlPlane::start(Options {
        audit: false,
        api_server_args: vec![
            format!("--audit-policy-file={}", policy_file.display()),
            format!("--audit-log-path={}", log.display()),
        ],
        ..Options::with_pods()
    })
    .await?;
    let oracle = Oracle::start(plane.etcd()).await?;
    let api = plane.api();
    let alice = Api::from_kubeconfig(&impersonating(&plane, folder.path())?).await?;
    for node in 0..2 {
        ensure_node(api, &format!("node-{node}")).await?;
    }
    define(api).await?;
    for namespace in NAMESPACES {
        tell(api, &alice, namespace)
            .await
            .with_context(|| format!("in the namespace {namespace}"))?;
    }
    api.delete("/api/v1/nodes/node-1").await?;
    sleep(Duration::from_secs(2)).await;
    let history = oracle.history().await?;
    pack(&output.join("audit.jsonl.gz"), &fs::read(&log)?)?;
    let mut lines = Vec::new();
    for revision in history.revisions() {
        if is_of_the_story(revision) {
            writeln!(lines, "{}", told(revision)?)?;
        }
    }
    pack(&output.join("history.ndjson.gz"), &lines)?;
    plane.stop().await
}

/// The audit policy: three namespaces at three levels, all stages.
fn policy() -> Value {
    let cluster = json!([
        { "group": "", "resources": ["namespaces", "namespaces/*", "nodes", "nodes/*"] },
        { "group": "apiextensions.k8s.io", "resources": ["customresourcedefinitions", "customresourcedefinitions/*"] },
    ]);
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "rules": [
            { "level": "None", "verbs": ["get", "list", "watch"], "users": ["system:apiserver", "system:kube-scheduler", "kwok"] },
            { "level": "None", "verbs": ["get", "list", "watch"], "userGroups": ["system:serviceaccounts"] },
            { "level": "None", "resources": [
                { "group": "", "resources": ["events"] },
                { "group": "events.k8s.io" },
                { "group": "coordination.k8s.io" },
            ] },
            // The answer to a request for a token is a token.
            { "level": "Metadata", "resources": [{ "group": "", "resources": ["serviceaccounts/token"] }], "namespaces": NAMESPACES },
            { "level": "Metadata", "namespaces": ["metadata"] },
            { "level": "Request", "namespaces": ["request"] },
            { "level": "RequestResponse", "namespaces": ["full"] },
            { "level": "RequestResponse", "verbs": ["create", "update", "patch", "delete"], "resources": cluster },
            { "level": "None" },
        ],
    })
}

/// Writes a kubeconfig whose user acts as another.
fn impersonating(plane: &ControlPlane, folder: &Path) -> Result<std::path::PathBuf> {
    let mut config: Value = serde_json::from_slice(&fs::read(plane.admin_kubeconfig())?)?;
    config["users"][0]["user"]["as"] = json!("alice@example.org");
    config["users"][0]["user"]["as-groups"] = json!(["system:masters"]);
    let path = folder.join("alice.kubeconfig");
    fs::write(&path, config.to_string())?;
    Ok(path)
}

async fn define(api: &Api) -> Result<()> {
    let mut widgets = definition("example.org", "widgets", "Widget");
    let version = &mut widgets["spec"]["versions"][0];
    version["subresources"] = json!({
        "status": {},
        "scale": { "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas" },
    });
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    api.create(path, &widgets).await?;
    api.wait_for(
        "/apis/example.org/v1/widgets",
        "served custom resource",
        PATIENCE,
        |_| true,
    )
    .await?;
    Ok(())
}

/// Lets everything happen once in a namespace.
async fn tell(api: &Api, alice: &Api, namespace: &str) -> Result<()> {
    ensure_namespace(api, namespace).await?;
    let core = format!("/api/v1/namespaces/{namespace}");
    let account = format!("{core}/serviceaccounts/default");
    api.wait_for(&account, "default service account", PATIENCE, |_| true)
        .await?;
    config_maps(api, alice, namespace, &core).await?;
    secrets(api, namespace, &core).await?;
    widgets(api, namespace).await?;
    workload(api, namespace, &core).await?;
    single_pods(api, namespace, &core).await?;
    api.delete(&core).await?;
    api.wait_gone(&core, PATIENCE).await
}

/// Every way to change an object, refused and dry ones too.
async fn config_maps(api: &Api, alice: &Api, namespace: &str, core: &str) -> Result<()> {
    let maps = format!("{core}/configmaps");
    let one = format!("{maps}/one");
    let mut map = api
        .create(&maps, &config_map(namespace, "one", "1"))
        .await?;
    refused(
        api.create(&maps, &config_map(namespace, "one", "1")).await,
        409,
    )?;
    map["data"]["value"] = json!("2");
    api.replace(&one, &map).await?;
    // The version is an old one now.
    map["data"]["value"] = json!("3");
    refused(api.replace(&one, &map).await, 409)?;
    alice
        .patch(&one, Patch::Merge, &json!({ "data": { "merged": "4" } }))
        .await?;
    api.patch(&one, Patch::Merge, &json!({ "data": { "merged": "4" } }))
        .await?;
    let steps = json!([
        { "op": "test", "path": "/data/merged", "value": "4" },
        { "op": "remove", "path": "/data/merged" },
        { "op": "add", "path": "/metadata/labels", "value": { "step": "json-patch" } },
    ]);
    api.patch(&one, Patch::Json, &steps).await?;
    let labels = json!({ "metadata": { "labels": { "step": "strategic" } } });
    api.patch(&one, Patch::Strategic, &labels).await?;
    api.patch(
        &format!("{one}?dryRun=All"),
        Patch::Merge,
        &json!({ "data": { "dry": "1" } }),
    )
    .await?;
    api.create(
        &format!("{maps}?dryRun=All"),
        &config_map(namespace, "dry", "1"),
    )
    .await?;
    let dry = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "dryRun": ["All"] });
    let dry = ("application/json", serde_json::to_vec(&dry)?);
    api.request(Method::DELETE, &one, Some(dry)).await?;
    refused(api.delete(&format!("{maps}/nobody")).await, 404)?;

    let applied = format!("{maps}/applied?fieldManager=kymo-test");
    for value in ["1", "2"] {
        api.patch(
            &applied,
            Patch::Apply,
            &config_map(namespace, "applied", value),
        )
        .await?;
    }
    let mut generated = config_map(namespace, "", "1");
    generated["metadata"] = json!({ "generateName": "generated-" });
    let generated = api.create(&maps, &generated).await?;
    let name = generated["metadata"]["name"]
        .as_str()
        .context("a generated name")?;
    api.delete(&format!("{maps}/{name}")).await?;

    let mut kept = config_map(namespace, "kept", "1");
    kept["metadata"]["finalizers"] = json!(["example.org/keep"]);
    api.create(&maps, &kept).await?;
    api.delete(&format!("{maps}/kept")).await?;
    let released = json!({ "metadata": { "finalizers": null } });
    api.patch(&format!("{maps}/kept"), Patch::Merge, &released)
        .await?;

    for name in ["swept-1", "swept-2", "swept-3"] {
        let mut swept = config_map(namespace, name, "1");
        swept["metadata"]["labels"] = json!({ "swept": "yes" });
        api.create(&maps, &swept).await?;
    }
    api.delete(&format!("{maps}?labelSelector=swept%3Dyes"))
        .await?;
    api.delete(&one).await?;
    Ok(())
}

/// A Secret whose payload must not get into a trace, however it comes.
async fn secrets(api: &Api, namespace: &str, core: &str) -> Result<()> {
    let secrets = format!("{core}/secrets");
    let path = format!("{secrets}/credentials");
    let last_applied = "kubectl.kubernetes.io/last-applied-configuration";
    let repeated = json!({ last_applied: "{\"stringData\":{\"password\":\"LABSECRET-applied\"}}" });
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": "credentials", "namespace": namespace, "annotations": repeated },
        "stringData": { "password": "LABSECRET-created" },
    });
    api.create(&secrets, &secret).await?;
    let patch = json!({ "stringData": { "password": "LABSECRET-patched" } });
    api.patch(&path, Patch::Merge, &patch).await?;
    // TEFCU0VDUkVULWpzb24= is LABSECRET-json.
    let steps = json!([
        { "op": "replace", "path": "/data/password", "value": "TEFCU0VDUkVULWpzb24=" },
        { "op": "add", "path": "/metadata/labels", "value": { "step": "json-patch" } },
    ]);
    api.patch(&path, Patch::Json, &steps).await?;
    api.delete(&path).await?;
    Ok(())
}

async fn widgets(api: &Api, namespace: &str) -> Result<()> {
    let widgets = format!("/apis/example.org/v1/namespaces/{namespace}/widgets");
    let widget = json!({
        "apiVersion": "example.org/v1",
        "kind": "Widget",
        "metadata": { "name": "gear", "namespace": namespace },
        "spec": { "replicas": 1, "teeth": [1, 2] },
    });
    api.create(&widgets, &widget).await?;
    let gear = format!("{widgets}/gear");
    api.patch(&gear, Patch::Merge, &json!({ "spec": { "teeth": [3] } }))
        .await?;
    let status = json!({ "status": { "replicas": 1, "phase": "Turning" } });
    api.patch(&format!("{gear}/status"), Patch::Merge, &status)
        .await?;
    let scale = json!({ "spec": { "replicas": 4 } });
    api.patch(&format!("{gear}/scale"), Patch::Merge, &scale)
        .await?;
    api.delete(&gear).await?;
    Ok(())
}

/// A Deployment with its pods: scaled, restarted, evicted, deleted.
async fn workload(api: &Api, namespace: &str, core: &str) -> Result<()> {
    let deployments = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
    let web = format!("{deployments}/web");
    api.create(
        &deployments,
        &deployment(namespace, "web", 1, "example.org/web:1"),
    )
    .await?;
    rolled_out(api, &web).await?;
    let scale = format!("{web}/scale");
    let mut two = api.get(&scale).await?;
    two["spec"]["replicas"] = json!(2);
    api.replace(&scale, &two).await?;
    rolled_out(api, &web).await?;
    let containers = json!([{ "name": "main", "env": [{ "name": "ROUND", "value": "2" }] }]);
    let patch = json!({ "spec": { "template": { "spec": { "containers": containers } } } });
    api.patch(&web, Patch::Strategic, &patch).await?;
    rolled_out(api, &web).await?;

    let pods = api
        .get(&format!("{core}/pods?labelSelector=app%3Dweb"))
        .await?;
    let name = pods["items"][0]["metadata"]["name"]
        .as_str()
        .context("a pod of the Deployment")?;
    let pod = format!("{core}/pods/{name}");
    let eviction = json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": { "name": name, "namespace": namespace },
    });
    api.create(&format!("{pod}/eviction"), &eviction).await?;
    api.wait_gone(&pod, PATIENCE).await?;
    rolled_out(api, &web).await?;
    let foreground =
        json!({ "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Foreground" });
    let foreground = ("application/json", serde_json::to_vec(&foreground)?);
    api.request(Method::DELETE, &web, Some(foreground)).await?;
    api.wait_gone(&web, PATIENCE).await
}

/// Pods that nobody owns: bound by the scheduler, bound by hand, deleted in each way.
async fn single_pods(api: &Api, namespace: &str, core: &str) -> Result<()> {
    let pods = format!("{core}/pods");
    let running = |pod: &Value| pod["status"]["phase"] == "Running";
    for name in ["slow", "fast", "swept"] {
        let mut object = pod(namespace, name);
        object["metadata"]["labels"] = json!({ "kind": name });
        api.create(&pods, &object).await?;
        api.wait_for(&format!("{pods}/{name}"), "running pod", PATIENCE, running)
            .await?;
    }
    let extra = json!({ "spec": { "ephemeralContainers": [
        { "name": "debug", "image": "example.org/debug:1", "terminationMessagePolicy": "File" },
    ] } });
    api.patch(
        &format!("{pods}/slow/ephemeralcontainers"),
        Patch::Strategic,
        &extra,
    )
    .await?;
    let mut by_hand = pod(namespace, "by-hand");
    by_hand["spec"]["schedulerName"] = json!("nobody");
    api.create(&pods, &by_hand).await?;
    let binding = json!({
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": { "name": "by-hand", "namespace": namespace },
        "target": { "apiVersion": "v1", "kind": "Node", "name": "node-0" },
    });
    api.create(&format!("{pods}/by-hand/binding"), &binding)
        .await?;
    api.wait_for(&format!("{pods}/by-hand"), "running pod", PATIENCE, running)
        .await?;
    let mut waiting = pod(namespace, "unscheduled");
    waiting["spec"]["schedulerName"] = json!("nobody");
    api.create(&pods, &waiting).await?;
    api.delete(&format!("{pods}/unscheduled")).await?;
    let token =
        json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {} });
    api.create(&format!("{core}/serviceaccounts/default/token"), &token)
        .await?;
    api.delete(&format!("{pods}/slow")).await?;
    api.wait_gone(&format!("{pods}/slow"), PATIENCE).await?;
    api.delete_now(&format!("{pods}/fast")).await?;
    api.delete(&format!("{pods}?labelSelector=kind%3Dswept"))
        .await?;
    api.wait_gone(&format!("{pods}/swept"), PATIENCE).await
}

async fn rolled_out(api: &Api, path: &str) -> Result<()> {
    let done = |deployment: &Value| {
        let status = &deployment["status"];
        let wanted = &deployment["spec"]["replicas"];
        status["observedGeneration"] == deployment["metadata"]["generation"]
            && ["replicas", "updatedReplicas", "availableReplicas"]
                .iter()
                .all(|count| &status[count] == wanted)
    };
    api.wait_for(path, "rolled out Deployment", PATIENCE, done)
        .await?;
    Ok(())
}

fn refused<T>(answer: Result<T>, status: u16) -> Result<()> {
    let Err(error) = answer else {
        bail!("accepted, not refused with {status}");
    };
    ensure!(
        kymo_testkit::api::refusal(&error) == Some(status),
        "{error:#}"
    );
    Ok(())
}

fn is_of_the_story(revision: &Revision) -> bool {
    let resource = revision.id.resource.name.as_str();
    let is_logged = !matches!(resource, "events" | "leases");
    let namespace = revision.id.namespace.as_str();
    is_logged
        && (NAMESPACES.contains(&namespace)
            || (namespace.is_empty() && CLUSTER.contains(&resource)))
}

fn told(revision: &Revision) -> Result<Value> {
    let op = match revision.op {
        Op::Added => "ADDED",
        Op::Modified => "MODIFIED",
        Op::Deleted => "DELETED",
    };
    Ok(json!({
        "resource": revision.id.resource.to_string(),
        "type": op,
        "rv": revision.rv.to_string(),
        "uid": revision.uid,
        "object": revision.body()?,
    }))
}

fn pack(path: &Path, bytes: &[u8]) -> Result<()> {
    let file = fs::File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
    let mut encoder = GzEncoder::new(file, Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()?.sync_all()?;
    Ok(())
}
