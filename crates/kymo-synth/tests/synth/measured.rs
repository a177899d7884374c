//! What was measured is made again: lives one by one, changes, and how much controllers write.

use std::sync::Arc;

use kymo_model::EventType;
use kymo_synth::{
    Arrival, Distribution, Plan, Stages, Synthesis, Unwatched, Updates, WorkloadOrder,
};
use serde_json::json;

use crate::workbench::{DEPLOYMENT, Life, Made, SECOND, make, nodes, workload};

fn plan(workload: WorkloadOrder) -> Plan {
    Plan {
        nodes: vec![nodes(4)],
        workloads: vec![workload],
        span: Some(60 * SECOND),
        ..Plan::default()
    }
}

fn dealt(seconds: &[f64]) -> Distribution {
    let values = seconds.iter().map(|seconds| seconds * 1e9);
    Distribution::Dealt(values.collect::<Vec<f64>>().into())
}

fn at(seconds: &[i64]) -> Arrival {
    Arrival::Times(
        seconds
            .iter()
            .map(|at| at * SECOND)
            .collect::<Vec<i64>>()
            .into(),
    )
}

/// A Deployment whose pods are told one by one.
fn told() -> WorkloadOrder {
    let mut order = workload("Deployment", "web", DEPLOYMENT);
    order.replicas = Some(2);
    order.pods = Some(4);
    order.arrival = Some(at(&[1, 1, 10, 20]));
    order.startup = Some(dealt(&[2.0, 3.0, f64::INFINITY, 1.5]));
    order.lifetime = Some(dealt(&[8.0, f64::INFINITY, 5.0, f64::INFINITY]));
    order
}

/// For each pod in the order of creation: seconds from its creation until it runs, and until it is
/// deleted.
fn times(made: &Made) -> Vec<(f64, Option<f64>, Option<f64>)> {
    let mut found: Vec<(f64, Option<f64>, Option<f64>)> = Vec::new();
    let mut uid = "";
    for row in &made.rows {
        if made.feeds[&row.event.feed].resource.kind != "Pod" {
            continue;
        }
        let ts = row.event.ts.0 as f64 / 1e9;
        if row.event.key.uid != uid {
            uid = &row.event.key.uid;
            found.push((ts, None, None));
        }
        let body: serde_json::Value =
            serde_json::from_slice(row.event.body.as_ref().unwrap()).unwrap();
        let life = found.last_mut().unwrap();
        if body["status"]["phase"] == "Running" {
            life.1
                .get_or_insert(((ts - life.0) * 1000.0).round() / 1000.0);
        }
        if body["metadata"].get("deletionTimestamp").is_some() {
            life.2
                .get_or_insert(((ts - life.0) * 1000.0).round() / 1000.0);
        }
    }
    found.sort_by(|one, other| one.0.total_cmp(&other.0));
    found
}

#[test]
fn pods_that_are_told_one_by_one_come_run_and_go_then() {
    let made = make(&plan(told()));
    let lives = times(&made);
    let came: Vec<f64> = lives
        .iter()
        .map(|life| (life.0 - lives[0].0).round())
        .collect();
    assert_eq!(came, [0.0, 0.0, 9.0, 19.0]);
    let lived: Vec<_> = lives.iter().map(|life| (life.1, life.2)).collect();
    let expected = [
        (Some(2.0), Some(10.0)),
        (Some(3.0), None),
        (None, Some(5.0)),
        (Some(1.5), None),
    ];
    assert_eq!(lived, expected);
    // The controllers tell of the pods that are there.
    let set = made.life("ReplicaSet");
    let counts = |name: &str| -> Vec<u64> {
        let mut counts: Vec<u64> = set
            .iter()
            .map(|(_, set)| set["status"][name].as_u64().unwrap_or_default())
            .collect();
        counts.dedup();
        counts
    };
    assert_eq!(counts("readyReplicas"), [0, 1, 2, 1, 2]);
    let (_, last) = set.last().unwrap();
    assert_eq!(last["spec"]["replicas"], 2);
}

#[test]
fn a_pod_whose_image_cannot_be_pulled_says_so() {
    let made = make(&plan(told()));
    let stuck: Vec<Life> = made
        .lives("Pod")
        .into_values()
        .filter(|life| {
            life.iter()
                .all(|(_, pod)| pod["status"]["phase"] != "Running")
        })
        .collect();
    let [stuck] = stuck.as_slice() else {
        panic!("{stuck:?}");
    };
    let waiting = |pod: &serde_json::Value| {
        pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"].clone()
    };
    assert!(
        stuck
            .iter()
            .any(|(_, pod)| waiting(pod) == "ImagePullBackOff")
    );
    assert_eq!(stuck.last().unwrap().0, EventType::Deleted);
}

#[test]
fn stages_say_which_updates_pods_have() {
    let updates = |stages: Stages| -> Vec<usize> {
        let mut order = told();
        order.startup = Some(dealt(&[1.0]));
        order.lifetime = Some(dealt(&[5.0]));
        order.stages = stages;
        let made = make(&plan(order));
        made.lives("Pod").values().map(Vec::len).collect()
    };
    // Made, bound, accepted, running, deleted, stopped, released, gone.
    assert_eq!(updates(Stages::default()), [8; 4]);
    let few = Stages {
        accepted: 0.0,
        ready: Some(0.0),
        stopped: 0.0,
        released: 0.0,
    };
    assert_eq!(updates(few), [5; 4]);
    let mut half = updates(Stages {
        ready: Some(0.5),
        ..few
    });
    half.sort_unstable();
    assert_eq!(half, [5, 5, 6, 6]);
}

#[test]
fn so_large_a_share_of_updates_is_seen_as_was_asked_for() {
    let updates = |share: Option<f64>| {
        let mut plan = plan(told());
        for kind in ["ReplicaSet", "Deployment"] {
            plan.updates
                .extend(share.map(|share| (kind.to_owned(), share)));
        }
        let synthesis = Synthesis::new(&plan, &Unwatched).unwrap();
        let tally = synthesis.tally().unwrap()["ReplicaSet"];
        make(&plan);
        (tally.events, tally.updates)
    };
    let (gathered, _) = updates(None);
    let (all, optional) = updates(Some(1.0));
    assert!(all > gathered, "{all} {gathered}");
    let (half, kept) = updates(Some(0.5));
    assert_eq!(kept, (optional as f64 / 2.0).round() as u64);
    assert_eq!(half, all - optional + kept);
    assert_eq!(updates(Some(0.0)).1, 0);
}

#[test]
fn a_rollout_to_a_template_that_was_there_before_takes_its_replica_set_back() {
    let mut order = workload("Deployment", "web", DEPLOYMENT);
    order.replicas = Some(2);
    let image = |image: &str| {
        Some(json!({"spec": {"containers": [{
            "name": "app",
            "image": image,
            "resources": {"requests": {"cpu": "500m"}},
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "imagePullPolicy": "IfNotPresent",
        }]}}))
    };
    order.rollouts = [(10 * SECOND, image("app:2")), (30 * SECOND, image("app:1"))].into();
    let made = make(&plan(order));
    assert_eq!(made.lives("ReplicaSet").len(), 2);
    let deployment = made.life("Deployment");
    let (_, last) = deployment.last().unwrap();
    let revision = &last["metadata"]["annotations"]["deployment.kubernetes.io/revision"];
    assert_eq!(revision, "3");
    assert_eq!(last["status"]["updatedReplicas"], 2);
    let images = made.lives("Pod").into_values();
    let mut images: Vec<_> = images
        .map(|life| life[0].1["spec"]["containers"][0]["image"].clone())
        .collect();
    images.sort_unstable_by_key(ToString::to_string);
    assert_eq!(
        images,
        ["app:1", "app:1", "app:1", "app:1", "app:2", "app:2"]
    );
}

#[test]
fn objects_of_other_kinds_change_in_turn() {
    let manifest = "{kind: Gauge, apiVersion: x.io/v1, spec: {level: 0}, status: {at: '{now}'}}";
    let mut order = workload("Gauge", "g", manifest);
    order.replicas = Some(2);
    order.startup = None;
    order.lifetime = Some(dealt(&[10.0, f64::INFINITY]));
    order.updates = Some(Updates {
        count: 5,
        arrival: at(&[1, 2, 3, 4, 20]),
        patches: Arc::from([
            json!({"spec": {"level": 1}}),
            json!({"status": {"at": "{now}"}}),
        ]),
    });
    let made = make(&plan(order));
    let lives: Vec<Life> = made.lives("Gauge").into_values().collect();
    let levels = |life: &Life| -> Vec<(u64, u64)> {
        let number = |value: &serde_json::Value| value.as_u64().unwrap();
        life.iter()
            .map(|(_, each)| {
                let generation = number(&each["metadata"]["generation"]);
                (number(&each["spec"]["level"]), generation)
            })
            .collect()
    };
    // Each changes twice; the one that is left then does once more.
    assert_eq!(levels(&lives[0]), [(0, 1), (1, 2), (1, 2), (1, 2)]);
    assert_eq!(lives[0].last().unwrap().0, EventType::Deleted);
    assert_eq!(levels(&lives[1]), [(0, 1), (1, 2), (1, 2), (1, 3)]);
    let times: Vec<_> = lives[1]
        .iter()
        .map(|(_, each)| &each["status"]["at"])
        .collect();
    assert_eq!(times[0], "2026-01-01T00:00:02Z");
    assert_eq!(times[2], "2026-01-01T00:00:06Z");
}

#[test]
fn nodes_that_need_no_time_are_ready_when_they_are_first_seen_and_report() {
    let mut order = nodes(2);
    order.startup = Some(dealt(&[0.0]));
    order.updates = Some(Updates {
        count: 3,
        arrival: at(&[1, 2, 3]),
        patches: Arc::from([]),
    });
    order.leases = Some(20 * SECOND);
    let made = make(&Plan {
        nodes: vec![order],
        span: Some(30 * SECOND),
        ..Plan::default()
    });
    let lives: Vec<Life> = made.lives("Node").into_values().collect();
    let mut counts: Vec<usize> = lives.iter().map(Vec::len).collect();
    counts.sort_unstable();
    assert_eq!(counts, [2, 3]);
    assert_eq!(lives[0][0].0, EventType::Added);
    assert_eq!(lives[0][0].1["status"]["conditions"][3]["status"], "True");
    assert!(lives[0][0].1["spec"].get("taints").is_none());
    assert!(made.lives("Lease").values().all(|life| life.len() == 2));
}

#[test]
fn controllers_that_count_their_pods_themselves_are_not_told_them() {
    let mut order = workload(
        "Job",
        "sum",
        "{kind: Job, apiVersion: batch/v1, spec: {template: {spec: {containers: [{name: a, image: a}]}}}}",
    );
    order.pods = Some(1);
    let refused = Synthesis::new(&plan(order), &Unwatched).err().unwrap();
    assert!(refused.to_string().contains("`PODS` is not for a Job"));
    let mut order = told();
    order.updates = Some(Updates {
        count: 1,
        arrival: at(&[1]),
        patches: Arc::from([]),
    });
    let refused = Synthesis::new(&plan(order), &Unwatched).err().unwrap();
    assert!(
        refused
            .to_string()
            .contains("`UPDATES` is not for a Deployment")
    );
}

#[test]
fn a_slice_has_the_endpoints_of_pods_that_run_and_says_which_of_them_end() {
    let manifest = format!(
        "{DEPLOYMENT}---\nkind: Service\napiVersion: v1\nmetadata: {{name: front}}\nspec: {{selector: {{app: web}}, ports: [{{port: 80}}]}}\n"
    );
    let mut order = workload("Deployment", "web", &manifest);
    order.replicas = Some(2);
    order.scale = [(20 * SECOND, 1)].into();
    order.with.slices = true;
    let made = make(&plan(order));
    let life = made.life("EndpointSlice");
    assert!(life[0].1["endpoints"].is_null());
    let shown = |slice: &serde_json::Value| -> Vec<(bool, bool)> {
        let endpoints = slice["endpoints"].as_array().into_iter().flatten();
        endpoints
            .map(|endpoint| {
                let is = |name: &str| endpoint["conditions"][name] == true;
                (is("ready"), is("terminating"))
            })
            .collect()
    };
    let stages: Vec<_> = life.iter().map(|(_, slice)| shown(slice)).collect();
    let (up, ends) = ((true, false), (false, true));
    assert!(stages.contains(&vec![up, up]), "{stages:?}");
    assert!(
        stages.contains(&vec![up, ends]) || stages.contains(&vec![ends, up]),
        "{stages:?}"
    );
    assert_eq!(stages.last(), Some(&vec![up]));
    let (_, last) = life.last().unwrap();
    assert_eq!(
        last["metadata"]["labels"]["kubernetes.io/service-name"],
        "front"
    );
    assert_eq!(
        last["ports"],
        json!([{"name": "", "protocol": "TCP", "port": 80}])
    );
    let pods = made.lives("Pod").into_values();
    let alive = pods.filter(|life| life.last().unwrap().0 != EventType::Deleted);
    let address: Vec<_> = alive
        .map(|life| life.last().unwrap().1["status"]["podIP"].clone())
        .collect();
    assert_eq!(last["endpoints"][0]["addresses"], json!(address));
}
