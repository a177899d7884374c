//! What `kymo synth` makes up is what a real API server takes.

use std::collections::BTreeMap;
use std::process::Command;

use kymo_model::EventType;
use kymo_testkit::api::Api;
use serde_json::{Value, json};

use crate::plane::on_shared_plane;
use crate::recording::Recording;

/// One of each kind.
const SCRIPT: &str = r"
SYNTHESIZE TIME '2m';
SYNTHESIZE NODES 3 NAMED 'synth-{i}' LABELS {'topology.kubernetes.io/zone': cycle('a', 'b')} LEASES;
SYNTHESIZE Deployment 'synth/web' AS $$
kind: Deployment
apiVersion: apps/v1
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      initContainers: [{name: init, image: 'init:1'}]
      containers:
      - name: app
        image: 'web:1'
        ports: [{containerPort: 8080}]
        resources: {requests: {cpu: 100m}, limits: {memory: 64Mi}}
        readinessProbe: {httpGet: {port: 8080}}
---
kind: Service
apiVersion: v1
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
$$ EVENTS ENDPOINTSLICES;
SYNTHESIZE StatefulSet 'synth/db' AS $$
kind: StatefulSet
apiVersion: apps/v1
metadata: {name: db}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: 'db:1', volumeMounts: [{name: data, mountPath: /data}]}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
$$;
SYNTHESIZE DaemonSet 'synth/agent' AS $$
kind: DaemonSet
apiVersion: apps/v1
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: agent, image: 'agent:1'}]}
$$;
SYNTHESIZE CronJob 'synth/tick' AS $$
kind: CronJob
apiVersion: batch/v1
metadata: {name: tick}
spec:
  schedule: '* * * * *'
  jobTemplate: {spec: {template: {spec: {containers: [{name: tick, image: 'tick:1'}]}}}}
$$ RUNTIME constant('5s');
SYNTHESIZE Job 'synth/train' AS $$
kind: Job
apiVersion: batch/v1
metadata: {name: train}
spec: {completions: 2, parallelism: 2, completionMode: Indexed, template: {spec: {containers: [{name: t, image: 't:1'}]}}}
$$ RUNTIME constant('5s');
SYNTHESIZE Pod 'synth/probe' AS '{kind: Pod, apiVersion: v1, spec: {containers: [{name: p, image: p}]}}';
";

/// Takes away what a server gives an object itself: whoever creates one leaves it out.
fn as_a_user_has_it(mut object: Value) -> Value {
    let kind = object["kind"].clone();
    let members = object.as_object_mut().expect("an object");
    members.remove("status");
    let metadata = members["metadata"].as_object_mut().expect("metadata");
    for name in ["uid", "resourceVersion", "creationTimestamp", "generation"] {
        metadata.remove(name);
    }
    if kind == "Job" {
        // The selector of a Job names the uid that the server gave it.
        let spec = members["spec"].as_object_mut().expect("a spec");
        spec.remove("selector");
        let labels = spec["template"]["metadata"]["labels"].as_object_mut();
        labels
            .expect("labels")
            .retain(|label, _| !label.contains("controller-uid") && !label.contains("job-name"));
    }
    if kind == "Service" {
        let spec = members["spec"].as_object_mut().expect("a spec");
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
    }
    object
}

/// Makes what a script says, and has the server take some of each kind; returns what it answers.
async fn taken(api: &Api, script: &str) -> BTreeMap<String, Vec<Value>> {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("made.parquet");
    let status = Command::new(env!("CARGO_BIN_EXE_kymo"))
        .args(["synth", "--quiet", "-e", script, "-o"])
        .arg(&out)
        .status()
        .expect("kymo runs");
    assert!(status.success());
    let made = Recording::read(&out);
    for (path, object) in [
        (
            "/api/v1/namespaces",
            json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "synth"}}),
        ),
        (
            "/api/v1/namespaces/synth/serviceaccounts",
            json!({"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}),
        ),
    ] {
        // A controller may have been faster.
        api.create(path, &object).await.ok();
    }
    let mut taken: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for row in &made.rows {
        let resource = &made.feeds[&row.event.feed].resource;
        let is_sample = taken
            .get(&resource.kind)
            .is_none_or(|answers| answers.len() < 5);
        let is_there = ["synth", "kube-node-lease"].contains(&row.event.key.name.as_str());
        if row.event.event_type != EventType::Added || !is_sample || is_there {
            continue;
        }
        let version = resource.api_version();
        let root = if resource.group.is_empty() {
            "api"
        } else {
            "apis"
        };
        let namespace = &row.event.key.namespace;
        let scope = if namespace.is_empty() {
            String::new()
        } else {
            format!("/namespaces/{namespace}")
        };
        let path = format!("/{root}/{version}{scope}/{}?dryRun=All", resource.resource);
        let body = row.event.body.as_ref().expect("a body");
        let object = as_a_user_has_it(serde_json::from_slice(body).expect("JSON"));
        let answer = api.create(&path, &object).await;
        let Ok(answer) = answer else {
            panic!("{path}: {answer:?}\n{object}");
        };
        taken.entry(resource.kind.clone()).or_default().push(answer);
    }
    taken
}

#[test]
fn an_api_server_takes_an_object_of_each_kind_that_is_made_up() {
    on_shared_plane("synthesized_objects", async |shared| {
        let taken = taken(shared.plane.api(), SCRIPT).await;
        for kind in [
            "ControllerRevision",
            "CronJob",
            "DaemonSet",
            "Deployment",
            "EndpointSlice",
            "Event",
            "Job",
            "Lease",
            "Node",
            "PersistentVolume",
            "PersistentVolumeClaim",
            "Pod",
            "ReplicaSet",
            "Service",
            "StatefulSet",
        ] {
            assert!(
                taken.contains_key(kind),
                "no {kind} in {:?}",
                taken.keys().collect::<Vec<_>>()
            );
        }
    });
}

#[test]
fn an_api_server_understands_who_wrote_which_field_of_what_is_made_up() {
    on_shared_plane("synthesized_managed_fields", async |shared| {
        let script = format!("SYNTHESIZE MANAGEDFIELDS;\n{SCRIPT}");
        let taken = taken(shared.plane.api(), &script).await;
        let entries = taken["Deployment"].iter().flat_map(|answer| {
            let entries = answer["metadata"]["managedFields"].as_array();
            entries.cloned().unwrap_or_default()
        });
        let managers: Vec<Value> = entries.map(|entry| entry["manager"].clone()).collect();
        // Whoever creates an object takes its spec over; who wrote the status stays. A server drops
        // entries that it cannot read.
        assert!(
            managers.contains(&json!("kube-controller-manager")),
            "{managers:?}"
        );
    });
}
