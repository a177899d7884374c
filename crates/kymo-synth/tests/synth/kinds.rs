//! Each kind lives as its controller has it.

use std::collections::BTreeSet;

use kymo_model::EventType;
use kymo_synth::{
    Arrival, Distribution, Error, Manifest, OutageKind, OutageOrder, Placement, Plan, Synthesis,
    Unwatched, With, WorkloadOrder,
};

use crate::workbench::{DEPLOYMENT, Life, SECOND, make, nodes, workload};

fn plan(workload: WorkloadOrder) -> Plan {
    Plan {
        nodes: vec![nodes(4)],
        workloads: vec![workload],
        ..Plan::default()
    }
}

fn refusal(plan: &Plan) -> String {
    Synthesis::new(plan, &Unwatched).err().unwrap().to_string()
}

/// Returns phases, with `+` for an object that is being deleted.
fn phases(life: &Life) -> Vec<String> {
    life.iter()
        .map(|(_, pod)| {
            let phase = pod["status"]["phase"].as_str().unwrap();
            let leaves = pod["metadata"].get("deletionTimestamp").is_some();
            format!("{phase}{}", if leaves { "+" } else { "" })
        })
        .collect()
}

#[test]
fn the_same_plan_gives_the_same_rows_and_another_seed_others() {
    let mut order = workload("Deployment", "web", DEPLOYMENT);
    order.replicas = Some(20);
    order.arrival = Some(Arrival::Poisson { rate: 5.0 });
    order.lifetime = Some(Distribution::Exponential { mean: 5e9 });
    order.with = With {
        events: true,
        ..With::default()
    };
    let first = plan(order);
    let second = Plan {
        seed: 1,
        ..first.clone()
    };
    assert_eq!(make(&first).rows, make(&first).rows);
    assert_ne!(make(&first).rows, make(&second).rows);
}

#[test]
fn a_deployment_has_a_replica_set_and_pods_that_live_to_their_end() {
    let mut order = workload("Deployment", "web", DEPLOYMENT);
    order.replicas = Some(3);
    order.until = Some(20 * SECOND);
    let made = make(&plan(order));
    let pods = made.lives("Pod");
    assert_eq!(pods.len(), 3);
    let set = made.life("ReplicaSet");
    let hash = set[0].1["metadata"]["labels"]["pod-template-hash"]
        .as_str()
        .unwrap();
    for (name, life) in &pods {
        assert!(name.starts_with(&format!("web-{hash}-")), "{name}");
        let expected = [
            "Pending",
            "Pending",
            "Pending",
            "Running",
            "Running+",
            "Succeeded+",
            "Succeeded+",
            "Succeeded+",
        ];
        assert_eq!(phases(life), expected);
        assert_eq!(
            life[0].1["metadata"]["ownerReferences"][0]["uid"],
            set[0].1["metadata"]["uid"]
        );
    }
    let deployment = made.life("Deployment");
    let most = deployment
        .iter()
        .filter_map(|(_, each)| each["status"]["readyReplicas"].as_u64());
    assert_eq!(most.max(), Some(3));
    let (last, gone) = deployment.last().unwrap();
    assert_eq!(*last, EventType::Deleted);
    let conditions = gone["status"]["conditions"].as_array().unwrap();
    assert!(
        conditions
            .iter()
            .all(|condition| condition["status"] == "True")
    );
}

#[test]
fn pods_whose_life_is_over_are_replaced() {
    let mut order = workload("Deployment", "web", DEPLOYMENT);
    order.replicas = Some(5);
    order.lifetime = Some(Distribution::Constant(10e9));
    let made = make(&Plan {
        span: Some(60 * SECOND),
        ..plan(order)
    });
    let pods = made.lives("Pod").len();
    assert!((20..=30).contains(&pods), "{pods}");
    let set = made.life("ReplicaSet");
    assert!(
        set.iter()
            .all(|(_, set)| set["status"]["replicas"].as_u64().unwrap() <= 5)
    );
}

#[test]
fn a_rollout_keeps_to_surge_and_unavailability() {
    let mut order = workload("Deployment", "web", DEPLOYMENT);
    order.replicas = Some(8);
    order.rollouts = [(10 * SECOND, None)].into();
    let made = make(&plan(order));
    assert_eq!(made.lives("ReplicaSet").len(), 2);
    let deployment = made.life("Deployment");
    for (_, each) in &deployment {
        let count = |name: &str| each["status"][name].as_u64().unwrap_or_default();
        assert!(count("replicas") <= 10, "{each}");
    }
    let is_rolled = |each: &serde_json::Value| each["metadata"]["generation"] == 2;
    let least = deployment
        .iter()
        .filter(|(_, each)| is_rolled(each))
        .filter_map(|(_, each)| each["status"]["readyReplicas"].as_u64());
    assert_eq!(least.min(), Some(6));
    let (_, last) = deployment.last().unwrap();
    assert_eq!(last["status"]["updatedReplicas"], 8);
    assert_eq!(last["status"]["replicas"], 8);
    let alive = made.lives("Pod").into_values();
    let alive = alive.filter(|life| life.last().unwrap().0 != EventType::Deleted);
    assert_eq!(alive.count(), 8);
}

#[test]
fn a_workload_is_scaled_up_and_down() {
    let mut order = workload("Deployment", "web", DEPLOYMENT);
    order.replicas = Some(2);
    order.scale = [(10 * SECOND, 6), (20 * SECOND, 1)].into();
    let made = make(&plan(order));
    let deployment = made.life("Deployment");
    let wanted: BTreeSet<u64> = deployment
        .iter()
        .filter_map(|(_, each)| each["status"]["replicas"].as_u64())
        .collect();
    assert!(wanted.contains(&6), "{wanted:?}");
    assert_eq!(deployment.last().unwrap().1["status"]["replicas"], 1);
    assert_eq!(made.lives("Pod").len(), 6);
}

#[test]
fn a_stateful_set_makes_its_pods_in_order_with_claims() {
    let manifest = "
kind: StatefulSet
apiVersion: apps/v1
metadata: {name: pg}
spec:
  replicas: 3
  serviceName: pg
  selector: {matchLabels: {app: pg}}
  template:
    metadata: {labels: {app: pg}}
    spec: {containers: [{name: pg, image: 'pg:17'}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
";
    let made = make(&plan(workload("StatefulSet", "pg", manifest)));
    let pods = made.lives("Pod");
    let names: Vec<&str> = pods
        .keys()
        .map(|name| name.split(' ').next().unwrap())
        .collect();
    assert_eq!(names, ["pg-0", "pg-1", "pg-2"]);
    let created = |life: &Life| {
        life[0].1["metadata"]["resourceVersion"]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    let ready = |life: &Life| {
        let ready = life
            .iter()
            .find(|(_, pod)| pod["status"]["phase"] == "Running")
            .unwrap();
        ready.1["metadata"]["resourceVersion"]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    let lives: Vec<&Life> = pods.values().collect();
    assert!(ready(lives[0]) < created(lives[1]) && ready(lives[1]) < created(lives[2]));
    let volumes = &lives[1][0].1["spec"]["volumes"];
    assert_eq!(
        volumes[0]["persistentVolumeClaim"]["claimName"],
        "data-pg-1"
    );
    assert_eq!(lives[1][0].1["spec"]["hostname"], "pg-1");
    let claims = made.lives("PersistentVolumeClaim");
    assert_eq!(claims.len(), 3);
    assert!(
        claims
            .values()
            .all(|claim| claim.last().unwrap().1["status"]["phase"] == "Bound")
    );
}

#[test]
fn a_daemon_set_has_a_pod_on_each_node() {
    let manifest = DEPLOYMENT.replace("Deployment", "DaemonSet");
    let made = make(&plan(workload("DaemonSet", "agent", &manifest)));
    let hosts: BTreeSet<String> = made
        .lives("Pod")
        .values()
        .map(|life| {
            life.last().unwrap().1["spec"]["nodeName"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(hosts.len(), 4);
    assert_eq!(
        made.life("DaemonSet").last().unwrap().1["status"]["numberReady"],
        4
    );
}

const JOB: &str = "
kind: Job
apiVersion: batch/v1
metadata: {name: train}
spec:
  parallelism: 2
  completions: 4
  backoffLimit: 1
  ttlSecondsAfterFinished: 5
  template: {spec: {containers: [{name: t, image: 't:1'}]}}
";

#[test]
fn a_job_lists_pods_that_ended_before_it_counts_them_and_goes_after_its_time() {
    let mut order = workload("Job", "train", JOB);
    order.runtime = Some(Distribution::Constant(3e9));
    let made = make(&plan(order));
    let job = made.life("Job");
    assert_eq!(job[0].1["status"], serde_json::json!({}));
    let listed = |each: &serde_json::Value| {
        each["status"]["uncountedTerminatedPods"]["succeeded"]
            .as_array()
            .map_or(0, Vec::len)
    };
    assert!(job.iter().any(|(_, each)| listed(each) == 2));
    let (last, gone) = job.last().unwrap();
    assert_eq!(*last, EventType::Deleted);
    assert_eq!(gone["status"]["succeeded"], 4);
    assert_eq!(gone["status"]["conditions"][1]["type"], "Complete");
    let pods = made.lives("Pod");
    assert_eq!(pods.len(), 4);
    for life in pods.values() {
        assert_eq!(phases(life).last().unwrap(), "Succeeded+");
        assert_eq!(
            life[0].1["metadata"]["finalizers"][0],
            "batch.kubernetes.io/job-tracking"
        );
    }
}

#[test]
fn a_job_gives_up_behind_its_backoff_limit() {
    let mut order = workload("Job", "train", JOB);
    order.runtime = Some(Distribution::Constant(1e9));
    order.failures = 1.0;
    let made = make(&plan(order));
    let job = made.life("Job");
    let failed = &job.last().unwrap().1["status"];
    assert_eq!(failed["conditions"][1]["type"], "Failed");
    assert!(failed["failed"].as_u64().unwrap() >= 2);
}

#[test]
fn a_cron_job_makes_a_job_each_minute_and_keeps_its_history() {
    let manifest = "
kind: CronJob
apiVersion: batch/v1
metadata: {name: tick}
spec:
  schedule: '* * * * *'
  successfulJobsHistoryLimit: 2
  jobTemplate: {spec: {template: {spec: {containers: [{name: t, image: 't:1'}]}}}}
";
    let mut order = workload("CronJob", "tick", manifest);
    order.runtime = Some(Distribution::Constant(5e9));
    let endless = plan(order);
    assert!(refusal(&endless).contains("goes on for ever"));
    let made = make(&Plan {
        span: Some(290 * SECOND),
        ..endless
    });
    let jobs = made.lives("Job");
    assert_eq!(jobs.len(), 4);
    let deleted = jobs
        .values()
        .filter(|life| life.last().unwrap().0 == EventType::Deleted);
    assert_eq!(deleted.count(), 2);
    let cron = made.life("CronJob");
    assert!(cron.iter().any(
        |(_, each)| each["status"]["active"][0]["name"] == "tick-29453760"
            || each["status"]["active"][0].get("name").is_some()
    ));
}

#[test]
fn pods_wait_while_no_node_has_room_for_them() {
    let mut order = workload("Deployment", "web", &DEPLOYMENT.replace("500m", "20"));
    order.replicas = Some(6);
    order.lifetime = Some(Distribution::Constant(20e9));
    let made = make(&Plan {
        span: Some(60 * SECOND),
        ..plan(order)
    });
    let waited = made
        .lives("Pod")
        .into_values()
        .filter(|life| life[1].1["status"]["conditions"][0]["reason"] == "Unschedulable");
    assert!(waited.count() >= 2);
    let mut nowhere = workload("Deployment", "web", DEPLOYMENT);
    nowhere.placement = Placement::None;
    let made = make(&Plan {
        nodes: Vec::new(),
        ..plan(nowhere)
    });
    assert_eq!(
        phases(&made.lives("Pod").into_values().next().unwrap()),
        ["Pending"]
    );
    let mut lost = plan(workload("Deployment", "web", DEPLOYMENT));
    lost.nodes.clear();
    assert!(refusal(&lost).starts_with("there are no nodes"));
}

#[test]
fn pods_of_a_node_that_fails_are_evicted_and_replaced() {
    let mut order = workload("Deployment", "web", DEPLOYMENT);
    order.replicas = Some(8);
    let mut plan = plan(order);
    plan.outages.push(OutageOrder {
        kind: OutageKind::Failure,
        nodes: "sim-1".to_owned(),
        at: 10 * SECOND,
        lasts: None,
    });
    plan.span = Some(500 * SECOND);
    let made = make(&plan);
    let node = made
        .lives("Node")
        .into_iter()
        .find(|(name, _)| name.starts_with("sim-1 "))
        .unwrap();
    let (_, last) = node.1.last().unwrap();
    assert_eq!(last["status"]["conditions"][3]["status"], "Unknown");
    assert_eq!(made.lives("Pod").len(), 10);
    let deployment = made.life("Deployment");
    assert_eq!(deployment.last().unwrap().1["status"]["readyReplicas"], 8);
}

#[test]
fn a_node_is_drained_and_removed() {
    let mut order = workload("Deployment", "web", DEPLOYMENT);
    order.replicas = Some(8);
    let mut plan = plan(order);
    plan.outages.push(OutageOrder {
        kind: OutageKind::Removal,
        nodes: "sim-2".to_owned(),
        at: 10 * SECOND,
        lasts: None,
    });
    let made = make(&plan);
    let nodes = made.lives("Node");
    let gone = nodes
        .values()
        .filter(|life| life.last().unwrap().0 == EventType::Deleted);
    assert_eq!(gone.count(), 1);
    let evicted = made.lives("Pod").into_values().filter(|life| {
        let conditions = life.last().unwrap().1["status"]["conditions"]
            .as_array()
            .unwrap()
            .clone();
        conditions
            .iter()
            .any(|each| each["reason"] == "EvictionByEvictionAPI")
    });
    assert_eq!(evicted.count(), 2);
    assert_eq!(
        made.life("Deployment").last().unwrap().1["status"]["readyReplicas"],
        8
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    let refused = |order: WorkloadOrder| refusal(&plan(order));
    let none = workload("Deployment", "web", "{kind: Service, apiVersion: v1}");
    assert_eq!(
        refused(none),
        "the manifest has no object of kind Deployment"
    );
    let unselected = workload(
        "Deployment",
        "web",
        &DEPLOYMENT.replace("labels: {app: web}", "labels: {app: x}"),
    );
    assert!(
        refused(unselected).starts_with("test.yaml:2: the selector wants"),
        "no"
    );
    let empty = workload(
        "Pod",
        "p",
        "{kind: Pod, apiVersion: v1, spec: {containers: []}}",
    );
    assert_eq!(refused(empty), "test.yaml:1: a pod needs a container");
    let unnamed = workload("Deployment", "Web", DEPLOYMENT);
    assert_eq!(refused(unnamed), "`Web` cannot be a name");
    let broken = Manifest::parse("kind: [", "x.yaml").unwrap_err();
    assert!(matches!(broken, Error::Manifest { .. }));
}

#[test]
fn an_event_of_a_manifest_is_about_an_object_that_is_there() {
    let about = |kind: &str, name: &str| {
        let manifest = format!(
            "{{kind: Event, apiVersion: v1, reason: Odd, involvedObject: {{kind: {kind}, name: x}}}}"
        );
        let mut order = workload("Event", name, &manifest);
        order.at = 10 * SECOND;
        order
    };
    let orders = ["Pod", "Deployment", "CronJob"].map(|kind| about(kind, &kind.to_lowercase()));
    let mut workloads = vec![workload("Deployment", "web", DEPLOYMENT)];
    workloads.extend(orders);
    let made = make(&Plan {
        workloads,
        ..plan(about("Pod", "first"))
    });
    let events = made.lives("Event");
    let subject = |name: &str| {
        let found = events.iter().find(|(key, _)| key.starts_with(name));
        found.unwrap().1[0].1["involvedObject"].clone()
    };
    for kind in ["Pod", "Deployment"] {
        let own = &made.life(kind)[0].1["metadata"];
        let told = subject(&format!("{} ", kind.to_lowercase()));
        assert_eq!((&told["name"], &told["uid"]), (&own["name"], &own["uid"]));
    }
    let told = subject("cronjob ");
    assert_eq!((told["name"].as_str(), told.get("uid")), (Some("x"), None));
}
