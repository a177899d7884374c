//! Namespaces come before what is in them, and go behind it.

use kymo_model::EventType;
use kymo_synth::{Distribution, Plan};

use crate::workbench::{DEPLOYMENT, Made, SECOND, make, nodes, workload};

const NAMESPACE: &str = "
kind: Namespace
apiVersion: v1
metadata: {labels: {team: growth}}
";

fn plan(lifetime: Option<Distribution>) -> Plan {
    let mut namespace = workload("Namespace", "load", NAMESPACE);
    "default".clone_into(&mut namespace.namespace);
    namespace.at = 5 * SECOND;
    namespace.lifetime = lifetime;
    let mut web = workload("Deployment", "web", DEPLOYMENT);
    web.replicas = Some(3);
    let mut settings = workload("ConfigMap", "settings", "{kind: ConfigMap, apiVersion: v1}");
    settings.at = 8 * SECOND;
    Plan {
        nodes: vec![nodes(2)],
        workloads: vec![namespace, web, settings],
        span: Some(60 * SECOND),
        ..Plan::default()
    }
}

/// The number of the last event of each object of a kind.
fn ends(made: &Made, kind: &str) -> Vec<u64> {
    let lives = made.lives(kind).into_values();
    let ends = lives.map(|life| {
        let (what, last) = life.last().unwrap();
        assert_eq!(*what, EventType::Deleted, "{last}");
        let version = last["metadata"]["resourceVersion"].as_str();
        version.unwrap().parse().unwrap()
    });
    ends.collect()
}

#[test]
fn a_namespace_that_is_deleted_is_terminating_until_nothing_is_left_in_it() {
    let made = make(&plan(Some(Distribution::Constant(20e9))));
    let life = made.life("Namespace");
    let told: Vec<_> = life
        .iter()
        .map(|(what, each)| {
            let phase = each["status"]["phase"].as_str().unwrap();
            let conditions = each["status"]["conditions"].as_array();
            (*what, phase, conditions.map_or(0, Vec::len))
        })
        .collect();
    assert_eq!(
        told,
        [
            (EventType::Added, "Active", 0),
            (EventType::Modified, "Terminating", 0),
            (EventType::Modified, "Terminating", 5),
            (EventType::Deleted, "Terminating", 5),
        ]
    );
    assert_eq!(life[0].1["metadata"]["labels"]["team"], "growth");
    let end = ends(&made, "Namespace")[0];
    for kind in ["Deployment", "ReplicaSet", "Pod", "ConfigMap"] {
        assert!(ends(&made, kind).iter().all(|own| *own < end), "{kind}");
    }
    assert_eq!(made.lives("Pod").len(), 3);
}

#[test]
fn a_namespace_in_which_something_is_made_before_is_made_with_it_once() {
    let made = make(&plan(None));
    let life = made.life("Namespace");
    assert_eq!(life.len(), 1);
    let version = |of: &serde_json::Value| {
        let version = of["metadata"]["resourceVersion"].as_str();
        version.unwrap().parse::<u64>().unwrap()
    };
    let deployment = made.life("Deployment");
    assert!(version(&life[0].1) < version(&deployment[0].1));
    assert_eq!(life[0].1["spec"]["finalizers"][0], "kubernetes");
}
