//! Claims of `StatefulSets` take the volumes that are there.

use kymo_model::EventType;
use kymo_synth::{Plan, WorkloadOrder};
use serde_json::Value;

use crate::workbench::{Life, SECOND, make, nodes, workload};

const SET: &str = "
kind: StatefulSet
apiVersion: apps/v1
metadata: {name: pg}
spec:
  replicas: 3
  serviceName: pg
  selector: {matchLabels: {app: pg}}
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Retain, whenScaled: Delete}
  template:
    metadata: {labels: {app: pg}}
    spec: {containers: [{name: pg, image: 'pg:17'}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {storageClassName: fast, accessModes: [ReadWriteOnce], resources: {requests: {storage: 2Gi}}}
";

fn volume(name: &str, size: &str, class: &str) -> WorkloadOrder {
    let manifest = format!(
        "
kind: PersistentVolume
apiVersion: v1
spec:
  capacity: {{storage: {size}}}
  storageClassName: {class}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
"
    );
    let mut order = workload("PersistentVolume", name, &manifest);
    order.at = 0;
    order
}

fn plan(set: WorkloadOrder) -> Plan {
    Plan {
        nodes: vec![nodes(4)],
        workloads: vec![
            volume("large", "8Gi", "fast"),
            volume("right", "2Gi", "fast"),
            volume("small", "1Gi", "fast"),
            volume("slow", "2Gi", "slow"),
            set,
        ],
        ..Plan::default()
    }
}

/// What happened, the phase, and whether the object is bound and leaves.
fn told(life: &Life) -> Vec<String> {
    life.iter()
        .map(|(what, each)| {
            let has = |pointer: &str| each.pointer(pointer).is_some_and(|value| !value.is_null());
            let mut text = format!("{what:?} {}", each["status"]["phase"].as_str().unwrap());
            for (pointer, word) in [
                ("/spec/claimRef", " taken"),
                ("/spec/volumeName", " bound"),
                ("/metadata/ownerReferences", " owned"),
                ("/metadata/deletionTimestamp", " leaving"),
            ] {
                if has(pointer) {
                    text.push_str(word);
                }
            }
            text
        })
        .collect()
}

fn named<'a>(lives: &'a std::collections::BTreeMap<String, Life>, name: &str) -> &'a Life {
    let found = lives.iter().find(|(key, _)| key.starts_with(name));
    found.unwrap().1
}

#[test]
fn a_claim_takes_the_smallest_volume_that_does_and_gets_a_new_one_where_none_does() {
    let made = make(&plan(workload("StatefulSet", "pg", SET)));
    let claims = made.lives("PersistentVolumeClaim");
    let bound_to = |ordinal: u32| {
        let (_, last) = named(&claims, &format!("data-pg-{ordinal} "))
            .last()
            .unwrap();
        last["spec"]["volumeName"].as_str().unwrap().to_owned()
    };
    assert_eq!((bound_to(0), bound_to(1)), ("right".into(), "large".into()));
    assert!(bound_to(2).starts_with("pvc-"));
    let volumes = made.lives("PersistentVolume");
    assert_eq!(
        told(named(&volumes, "right ")),
        [
            "Added Pending",
            "Modified Available",
            "Modified Available taken",
            "Modified Bound taken",
        ]
    );
    for name in ["small ", "slow "] {
        assert_eq!(
            told(named(&volumes, name)),
            ["Added Pending", "Modified Available"]
        );
    }
    let refers = |of: &Value| of["spec"]["claimRef"]["uid"].clone();
    let (_, volume) = named(&volumes, "right ").last().unwrap();
    let (_, claim) = named(&claims, "data-pg-0 ").last().unwrap();
    assert_eq!(refers(volume), claim["metadata"]["uid"]);
    assert_eq!(
        told(named(&claims, "data-pg-0 ")),
        [
            "Added Pending",
            "Modified Pending bound",
            "Modified Bound bound"
        ]
    );
}

#[test]
fn claims_go_with_pods_that_are_too_many_if_the_set_says_so() {
    let mut order = workload("StatefulSet", "pg", SET);
    order.scale = [(30 * SECOND, 1)].into();
    let made = make(&plan(order));
    let claims = made.lives("PersistentVolumeClaim");
    assert_eq!(
        told(named(&claims, "data-pg-1 "))[3..],
        [
            "Modified Bound bound owned",
            "Modified Bound bound owned leaving",
            "Deleted Bound bound owned leaving",
        ]
    );
    assert_eq!(named(&claims, "data-pg-0 ").len(), 3);
    let volumes = made.lives("PersistentVolume");
    let last = |name: &str| told(named(&volumes, name)).pop().unwrap();
    assert_eq!(last("large "), "Modified Released taken");
    // What was made for a claim goes with it.
    assert_eq!(last("pvc-"), "Deleted Released taken");
    assert!(claims.values().all(|life| life[0].0 == EventType::Added));
}

#[test]
fn claims_stay_if_nothing_is_said() {
    let manifest = SET.replace("whenScaled: Delete", "whenScaled: Retain");
    let mut order = workload("StatefulSet", "pg", &manifest);
    order.scale = [(30 * SECOND, 1)].into();
    let made = make(&plan(order));
    assert!(
        made.lives("PersistentVolumeClaim")
            .values()
            .all(|life| life.len() == 3)
    );
}
