//! Workloads whose pods have numbers, claims or an end.

use std::path::PathBuf;

use kymo_model::EventType;
use kymo_transform::Error;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::story::{Story, second, uid};
use crate::workbench::{ask, make, rollout, rows, try_make, violations};

/// A `StatefulSet` of two pods, each with a claim and its volume.
fn numbered() -> (PathBuf, TempDir) {
    let mut story = Story::default();
    let set = |count: i64| {
        json!({"metadata": {"generation": 1},
               "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "db"}},
                        "volumeClaimTemplates": [{"metadata": {"name": "data"}}]},
               "status": {"observedGeneration": 1, "replicas": count, "readyReplicas": count,
                          "availableReplicas": count, "currentReplicas": count, "updatedReplicas": count,
                          "currentRevision": "db-1", "updateRevision": "db-1"}})
    };
    story.listed("Namespace", "shop", json!({}));
    story.listed("Node", "n1", json!({}));
    story.listed("StatefulSet", "shop/db", set(0));
    for (at, ordinal) in [(10, 0), (20, 1)] {
        let claim = format!("data-db-{ordinal}");
        let claim_uid = uid(&format!("PersistentVolumeClaim/shop/{claim}"));
        let volume = format!("pvc-{claim_uid}");
        story.seen(
            at,
            EventType::Added,
            "PersistentVolumeClaim",
            &format!("shop/{claim}"),
            json!({"metadata": {"creationTimestamp": second(at)}, "spec": {"volumeName": volume}, "status": {"phase": "Bound"}}),
        );
        story.seen(
            at,
            EventType::Added,
            "PersistentVolume",
            &volume,
            json!({"metadata": {"creationTimestamp": second(at)},
                   "spec": {"claimRef": {"kind": "PersistentVolumeClaim", "namespace": "shop", "name": claim, "uid": claim_uid},
                            "csi": {"driver": "d", "volumeHandle": format!("vol-{ordinal}")}}}),
        );
        let pod = |ready: bool| -> Value {
            let status = if ready { "True" } else { "False" };
            json!({"metadata": {"labels": {"app": "db", "statefulset.kubernetes.io/pod-name": format!("db-{ordinal}"),
                                           "apps.kubernetes.io/pod-index": format!("{ordinal}")},
                     "creationTimestamp": second(at),
                     "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db",
                       "controller": true, "uid": uid("StatefulSet/shop/db")}]},
                   "spec": {"nodeName": "n1", "hostname": format!("db-{ordinal}"),
                            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]},
                   "status": {"phase": "Running", "podIP": format!("10.0.0.{at}"),
                              "conditions": [{"type": "Ready", "status": status, "lastTransitionTime": second(at)}]}})
        };
        let name = format!("shop/db-{ordinal}");
        story.seen(at + 1, EventType::Added, "Pod", &name, pod(false));
        story.seen(at + 3, EventType::Modified, "Pod", &name, pod(true));
        story.seen(
            at + 4,
            EventType::Modified,
            "StatefulSet",
            "shop/db",
            set(at / 10),
        );
    }
    story.trace()
}

#[test]
fn pods_of_a_stateful_set_have_numbers_and_claims_of_their_own() {
    let (input, _directory) = numbered();
    assert_eq!(violations(&input), [""; 0]);
    let made = make(&input, "SCALE StatefulSet 'shop/db' TO 5 REPLICAS");
    assert_eq!(violations(&made.path), [""; 0]);
    let pods = ask(
        &made.path,
        "SELECT DISTINCT name, json_get_str(object, 'metadata', 'labels', 'apps.kubernetes.io/pod-index'),
           json_get_str(object, 'metadata', 'labels', 'statefulset.kubernetes.io/pod-name'),
           json_get_str(object, 'spec', 'hostname'),
           json_get_str(object, 'spec', 'volumes', 0, 'persistentVolumeClaim', 'claimName')
         FROM events WHERE kind = 'Pod' ORDER BY name",
    );
    let expected: Vec<String> = (0..5)
        .map(|number| {
            format!("db-{number} | {number} | db-{number} | db-{number} | data-db-{number}")
        })
        .collect();
    assert_eq!(pods, expected);
    let bound = ask(
        &made.path,
        "SELECT count(DISTINCT c.uid), count(DISTINCT v.uid), count(DISTINCT v.handle) FROM
           (SELECT uid, json_get_str(object, 'spec', 'volumeName') AS volume FROM events WHERE kind = 'PersistentVolumeClaim') AS c
         JOIN (SELECT uid, name, json_get_str(object, 'spec', 'claimRef', 'uid') AS claim,
                 json_get_str(object, 'spec', 'csi', 'volumeHandle') AS handle FROM events WHERE kind = 'PersistentVolume') AS v
         ON v.name = c.volume AND v.claim = c.uid",
    );
    assert_eq!(bound, ["5 | 5 | 5"]);
    let counts = ask(
        &made.path,
        "SELECT json_get_int(object, 'spec', 'replicas'), json_get_int(object, 'status', 'readyReplicas'),
           json_get_int(object, 'status', 'currentReplicas'), object ? 'status' AND NOT json_contains(object, 'status', 'fullyLabeledReplicas')
         FROM events WHERE kind = 'StatefulSet' ORDER BY seq DESC LIMIT 1",
    );
    assert_eq!(counts, ["5 | 5 | 5 | true"]);
}

#[test]
fn a_smaller_stateful_set_keeps_its_first_numbers() {
    let (input, _directory) = numbered();
    let made = make(&input, "SCALE StatefulSet 'shop/db' TO 1 REPLICAS");
    assert_eq!(violations(&made.path), [""; 0]);
    let pods = ask(
        &made.path,
        "SELECT DISTINCT name FROM events WHERE kind = 'Pod'",
    );
    assert_eq!(pods, ["db-0"]);
    let made = make(&input, "SCALE StatefulSet 'shop/db' BY 1");
    assert_eq!(rows(&made.path).len(), rows(&input).len());
}

#[test]
fn a_number_that_no_pod_has_is_refused() {
    let mut story = Story::default();
    let set = json!({"spec": {"replicas": 1}, "status": {"replicas": 1}});
    let owner = json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db",
                        "controller": true, "uid": uid("StatefulSet/shop/db")}]);
    let pod = json!({"metadata": {"ownerReferences": owner}});
    story.listed("StatefulSet", "shop/db", set);
    story.listed("Pod", "shop/db-18446744073709551615", pod);
    let (input, _directory) = story.trace();
    let error = try_make(&input, "SCALE StatefulSet 'shop/db' BY 2", 0).err();
    assert_eq!(
        error.map(|error| error.to_string()).as_deref(),
        Some("the number of the pod `db-18446744073709551615` is above 100000")
    );
}

#[test]
fn a_job_has_more_pods_that_are_all_counted() {
    let job = "SELECT json_get_int(object, 'spec', 'completions'), json_get_int(object, 'spec', 'parallelism'),
        max(coalesce(json_get_int(object, 'status', 'succeeded'), 0))
        FROM events WHERE kind = 'Job' AND name = 'settle-accounts' GROUP BY 1, 2";
    let pods = "SELECT count(DISTINCT uid) FROM events WHERE kind = 'Pod' AND name LIKE 'settle-accounts-%'";
    let number = |text: &str| -> Vec<u64> {
        text.split(" | ")
            .filter_map(|part| part.parse().ok())
            .collect()
    };
    let (before, pods_before) = (ask(&rollout(), job), ask(&rollout(), pods));
    let made = make(&rollout(), "SCALE Job 'shop/settle-accounts' BY 3");
    assert_eq!(violations(&made.path), [""; 0]);
    let (after, pods_after) = (ask(&made.path, job), ask(&made.path, pods));
    let thrice: Vec<u64> = number(&before[0]).iter().map(|count| count * 3).collect();
    assert_eq!(number(&after[0]), thrice);
    assert_eq!(number(&pods_after[0]), [number(&pods_before[0])[0] * 3]);
}

/// A Job of three parts, of which the second fails once.
fn indexed() -> (PathBuf, TempDir) {
    let mut story = Story::default();
    let index = "batch.kubernetes.io/job-completion-index";
    let job = |active: i64, failed: i64, done: &str, succeeded: i64| {
        let mut job = json!({"metadata": {"generation": 1},
               "spec": {"completions": 3, "parallelism": 3, "completionMode": "Indexed"},
               "status": {"ready": 0}});
        for (field, count) in [
            ("active", active),
            ("failed", failed),
            ("succeeded", succeeded),
        ] {
            if count > 0 {
                job["status"][field] = json!(count);
            }
        }
        if !done.is_empty() {
            job["status"]["completedIndexes"] = json!(done);
        }
        job
    };
    let pod = |number: &str, phase: &str| {
        json!({"metadata": {"labels": {index: number}, "annotations": {index: number}, "creationTimestamp": second(10),
                 "generateName": format!("render-{number}-"),
                 "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "render",
                   "controller": true, "uid": uid("Job/shop/render")}]},
               "spec": {"nodeName": "n1", "hostname": format!("render-{number}"), "hostNetwork": true},
               "status": {"phase": phase, "hostIP": "192.0.2.1", "podIP": "192.0.2.1"}})
    };
    story.listed("Namespace", "shop", json!({}));
    story.listed("Node", "n1", json!({}));
    story.listed("Job", "shop/render", job(0, 0, "", 0));
    let (added, changed) = (EventType::Added, EventType::Modified);
    for (name, number) in [("0-aaaaa", "0"), ("1-bbbbb", "1"), ("2-ccccc", "2")] {
        let name = format!("shop/render-{name}");
        story.seen(10, added, "Pod", &name, pod(number, "Running"));
    }
    story.seen(11, changed, "Job", "shop/render", job(3, 0, "", 0));
    story.seen(
        20,
        changed,
        "Pod",
        "shop/render-1-bbbbb",
        pod("1", "Failed"),
    );
    story.seen(21, added, "Pod", "shop/render-1-ddddd", pod("1", "Running"));
    story.seen(22, changed, "Job", "shop/render", job(3, 1, "", 0));
    for (at, name, number, active, done, succeeded) in [
        (30, "0-aaaaa", "0", 2, "0", 1),
        (32, "2-ccccc", "2", 1, "0,2", 2),
        (40, "1-ddddd", "1", 0, "0-2", 3),
    ] {
        let name = format!("shop/render-{name}");
        story.seen(at, changed, "Pod", &name, pod(number, "Succeeded"));
        let job = job(active, 1, done, succeeded);
        story.seen(at + 1, changed, "Job", "shop/render", job);
    }
    story.trace()
}

const DONE: &str = "SELECT json_get_int(object, 'spec', 'completions') AS a, json_get_int(object, 'spec', 'parallelism') AS b,
    json_get_int(object, 'status', 'failed') AS c, json_get_int(object, 'status', 'succeeded') AS d,
    json_get_str(object, 'status', 'completedIndexes') AS e, json_contains(object, 'status', 'active') AS f
  FROM events WHERE kind = 'Job' ORDER BY seq DESC LIMIT 1";

#[test]
fn pods_of_an_indexed_job_do_parts_of_their_own() {
    let (input, _directory) = indexed();
    assert_eq!(violations(&input), [""; 0]);
    let made = make(&input, "SCALE Job 'shop/render' TO 8 REPLICAS");
    assert_eq!(violations(&made.path), [""; 0]);
    assert_eq!(ask(&made.path, DONE), ["8 | 8 | 3 | 8 | 0-7 | false"]);
    let pods = ask(
        &made.path,
        "SELECT h, count(*), bool_and(starts_with(name, h || '-') AND length(name) = length(h) + 6
             AND 'render-' || label = h AND label = annotation AND generate = h || '-')
         FROM (SELECT DISTINCT name, json_get_str(object, 'spec', 'hostname') AS h,
             json_get_str(object, 'metadata', 'labels', 'batch.kubernetes.io/job-completion-index') AS label,
             json_get_str(object, 'metadata', 'annotations', 'batch.kubernetes.io/job-completion-index') AS annotation,
             json_get_str(object, 'metadata', 'generateName') AS generate
           FROM events WHERE kind = 'Pod') GROUP BY h ORDER BY h",
    );
    let expected: Vec<String> = (0..8)
        .map(|index| {
            // Those that are made of the part that failed fail as well.
            let pods = if [1, 5, 6].contains(&index) { 2 } else { 1 };
            format!("render-{index} | {pods} | true")
        })
        .collect();
    assert_eq!(pods, expected);
    let counted = ask(
        &made.path,
        "SELECT DISTINCT json_get_int(object, 'status', 'succeeded') AS n, json_get_str(object, 'status', 'completedIndexes') AS done
         FROM events WHERE kind = 'Job' AND ts > at('31s') AND ts < at('32s')",
    );
    assert_eq!(counted, ["3 | 0,3,4"]);
    let addresses = ask(
        &made.path,
        "SELECT DISTINCT json_get_str(object, 'status', 'podIP') AS ip FROM events WHERE kind = 'Pod'",
    );
    assert_eq!(
        addresses,
        ["192.0.2.1"],
        "that of the node is not the pod's own"
    );
}

#[test]
fn a_smaller_indexed_job_keeps_the_first_parts() {
    let (input, _directory) = indexed();
    let made = make(&input, "SCALE Job 'shop/render' TO 2 REPLICAS");
    assert_eq!(violations(&made.path), [""; 0]);
    assert_eq!(ask(&made.path, DONE), ["2 | 2 | 1 | 2 | 0,1 | false"]);
    let pods =
        "SELECT count(DISTINCT name) AS pods, max(name) AS last FROM events WHERE kind = 'Pod'";
    assert_eq!(ask(&made.path, pods), ["3 | render-1-ddddd"]);
    let made = make(&input, "SCALE Job 'shop/render' BY 1");
    let bodies = |path| -> Vec<Value> {
        let rows = rows(path);
        rows.iter().map(crate::workbench::object).collect()
    };
    assert_eq!(bodies(&made.path), bodies(&input));
}

#[test]
fn scaling_twice_makes_other_pods_each_time() {
    let made = make(
        &rollout(),
        "SCALE Deployment 'shop/checkout' BY 2; SCALE Deployment 'shop/checkout' BY 2",
    );
    assert_eq!(violations(&made.path), [""; 0]);
    let about = ask(
        &made.path,
        "SELECT count(*) > 0, count(*) FILTER (WHERE p.uid <> e.uid) FROM
           (SELECT json_get_str(object, 'involvedObject', 'uid') AS uid, json_get_str(object, 'involvedObject', 'name') AS name
            FROM events WHERE kind = 'Event') AS e
         JOIN (SELECT DISTINCT uid, name FROM events WHERE kind = 'Pod') AS p ON p.name = e.name",
    );
    assert_eq!(
        about,
        ["true | 0"],
        "Events are about the pod that they name"
    );
}

#[test]
fn a_daemon_set_is_scaled_by_its_nodes() {
    let script = "SCALE DaemonSet 'kube-system/agent' BY 2";
    match try_make(&rollout(), script, 0).err() {
        Some(Error::Statement {
            message,
            place,
            hint,
        }) => {
            assert!(
                message.contains("as many pods as there are nodes"),
                "{message}"
            );
            assert_eq!(&script[place.start..place.end], "'kube-system/agent'");
            assert!(hint.unwrap().contains("SCALE NODES"));
        }
        other => panic!("{other:?}"),
    }
}
