//! `StatefulSets` and `DaemonSets` are rolled out as their controllers do it.

use kymo_model::EventType;
use kymo_synth::{Plan, WorkloadOrder};
use serde_json::{Value, json};

use crate::workbench::{DEPLOYMENT, Made, SECOND, make, nodes, workload};

const SET: &str = "
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
";

fn plan(mut order: WorkloadOrder, rollouts: &[i64]) -> Plan {
    let image = |number: usize| {
        let name = if order.kind == "StatefulSet" {
            "pg"
        } else {
            "app"
        };
        json!({"spec": {"containers": [{"name": name, "image": format!("new:{}", number % 2)}]}})
    };
    let rollouts = rollouts.iter().enumerate();
    order.rollouts = rollouts
        .map(|(number, at)| (at * SECOND, Some(image(number))))
        .collect();
    Plan {
        nodes: vec![nodes(6)],
        workloads: vec![order],
        updates: [("StatefulSet".to_owned(), 1.0)].into(),
        span: Some(120 * SECOND),
        ..Plan::default()
    }
}

/// The images of the pods that are there at the end.
fn images(made: &Made) -> Vec<String> {
    let lives = made.lives("Pod").into_values();
    lives
        .filter_map(|life| {
            let (what, last) = life.last()?;
            let image = &last["spec"]["containers"][0]["image"];
            (*what != EventType::Deleted).then(|| image.as_str().unwrap().to_owned())
        })
        .collect()
}

fn number(of: &Value, name: &str) -> u64 {
    of["status"][name].as_u64().unwrap_or_default()
}

fn version(of: &Value) -> u64 {
    let version = of["metadata"]["resourceVersion"].as_str();
    version.unwrap().parse().unwrap()
}

#[test]
fn a_stateful_set_is_rolled_out_from_its_last_pod_to_its_first_one_by_one() {
    let made = make(&plan(workload("StatefulSet", "pg", SET), &[30]));
    assert_eq!(images(&made), ["new:0", "new:0", "new:0"]);
    let pods = made.lives("Pod");
    assert_eq!(pods.len(), 6);
    let mut leaves: Vec<(u64, &str)> = Vec::new();
    for (name, life) in &pods {
        let leaving = life
            .iter()
            .find(|(_, pod)| pod["metadata"].get("deletionTimestamp").is_some());
        if let Some((_, pod)) = leaving {
            leaves.push((version(pod), &name[..4]));
        }
    }
    leaves.sort_unstable();
    let order: Vec<&str> = leaves.into_iter().map(|(_, name)| name).collect();
    assert_eq!(order, ["pg-2", "pg-1", "pg-0"]);
    let set = made.life("StatefulSet");
    // No more than one is missing, and pods count until they are gone.
    let rolled = set.iter().map(|(_, set)| set);
    let rolled: Vec<&Value> = rolled
        .filter(|set| set["metadata"]["generation"] == 2)
        .collect();
    assert!(rolled.iter().all(|set| number(set, "readyReplicas") >= 2));
    let counts: Vec<[u64; 4]> = rolled[1..5]
        .iter()
        .map(|set| {
            [
                "replicas",
                "readyReplicas",
                "currentReplicas",
                "updatedReplicas",
            ]
            .map(|name| number(set, name))
        })
        .collect();
    assert_eq!(
        counts,
        [[3, 3, 2, 0], [3, 2, 2, 0], [2, 2, 2, 0], [3, 2, 2, 1]]
    );
    let last = rolled.last().unwrap();
    assert_eq!(
        last["status"]["currentRevision"],
        last["status"]["updateRevision"]
    );
    assert_eq!(number(last, "updatedReplicas"), 3);
    assert_ne!(
        set[2].1["status"]["updateRevision"],
        last["status"]["updateRevision"]
    );
}

#[test]
fn a_template_that_was_there_before_takes_its_revision_back() {
    let made = make(&plan(workload("StatefulSet", "pg", SET), &[20, 50, 80]));
    let revisions = made.lives("ControllerRevision").into_values();
    let mut told: Vec<Vec<u64>> = revisions
        .map(|life| {
            let numbers = life
                .iter()
                .map(|(_, each)| each["revision"].as_u64().unwrap());
            numbers.collect()
        })
        .collect();
    told.sort_unstable();
    assert_eq!(told, [vec![1], vec![2, 4], vec![3]]);
    assert_eq!(images(&made), ["new:0", "new:0", "new:0"]);
}

#[test]
fn pods_below_the_partition_keep_their_template() {
    let manifest = SET.replace(
        "  serviceName",
        "  updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 2}}\n  serviceName",
    );
    let made = make(&plan(workload("StatefulSet", "pg", &manifest), &[30]));
    assert_eq!(images(&made), ["pg:17", "pg:17", "new:0"]);
    let set = made.life("StatefulSet");
    let (_, last) = set.last().unwrap();
    assert_eq!(
        (
            number(last, "currentReplicas"),
            number(last, "updatedReplicas")
        ),
        (2, 1)
    );
}

#[test]
fn a_set_that_waits_for_a_user_is_not_rolled_out() {
    let strategy = "  updateStrategy: {type: OnDelete}\n  serviceName";
    let manifest = SET.replace("  serviceName", strategy);
    let made = make(&plan(workload("StatefulSet", "pg", &manifest), &[30]));
    assert_eq!(images(&made), ["pg:17", "pg:17", "pg:17"]);
    assert_eq!(made.lives("ControllerRevision").len(), 2);
}

#[test]
fn of_a_daemon_set_no_more_pods_are_missing_than_may() {
    let manifest = DEPLOYMENT.replace("Deployment", "DaemonSet").replace(
        "spec:\n  selector",
        "spec:\n  updateStrategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 30%}}\n  selector",
    );
    let made = make(&plan(workload("DaemonSet", "agent", &manifest), &[30]));
    assert_eq!(images(&made), vec!["new:0"; 6]);
    assert_eq!(made.lives("Pod").len(), 12);
    let set = made.life("DaemonSet");
    let rolled = set
        .iter()
        .filter(|(_, set)| set["metadata"]["generation"] == 2);
    let rolled: Vec<&Value> = rolled.map(|(_, set)| set).collect();
    let ready = rolled.iter().map(|set| number(set, "numberReady"));
    assert_eq!(ready.min(), Some(4));
    let mut updated: Vec<u64> = rolled[1..]
        .iter()
        .map(|set| number(set, "updatedNumberScheduled"))
        .collect();
    assert!(updated.is_sorted(), "{updated:?}");
    assert_eq!(updated.pop(), Some(6));
    // A node has no second pod while the first is on its way out.
    let hosts = made.lives("Pod").into_values().map(|life| {
        let name = life.last().unwrap().1["spec"]["nodeName"].clone();
        (
            name.as_str().unwrap().to_owned(),
            version(&life[0].1),
            version(&life.last().unwrap().1),
        )
    });
    let mut hosts: Vec<_> = hosts.collect();
    hosts.sort_unstable();
    for pair in hosts.windows(2) {
        assert!(pair[0].0 != pair[1].0 || pair[0].2 < pair[1].1, "{pair:?}");
    }
    assert_eq!(made.lives("ControllerRevision").len(), 2);
}
