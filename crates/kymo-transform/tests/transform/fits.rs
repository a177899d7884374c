//! A script that is fitted to a trace makes its like.

use std::path::Path;

use kymo_transform::{Distance, Fitted, fit};

use crate::synthesize::run;
use crate::workbench::{ask, make, rollout, runtime, violations};

#[test]
fn a_fitted_script_makes_the_workloads_of_a_trace_again() {
    let fitted = runtime().block_on(fit(&rollout(), 3, "like")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let made = run(folder.path(), "a.parquet", &fitted.text, 3).unwrap();
    assert_eq!(violations(&made), Vec::<String>::new());
    let workloads = "SELECT kind, namespace, name FROM events
        WHERE kind IN ('Deployment', 'Job') AND type = 'ADDED' ORDER BY kind";
    let expected = [
        "Deployment | shop | checkout",
        "Job | shop | settle-accounts",
    ];
    assert_eq!(ask(&made, workloads), expected);
    let nodes = "SELECT count(DISTINCT uid) FROM events WHERE kind = 'Node'";
    assert_eq!(ask(&made, nodes), ask(&rollout(), nodes));
}

#[test]
fn a_fitted_script_makes_as_much_of_each_kind_and_pods_that_live_as_long() {
    let fitted = runtime().block_on(fit(&rollout(), 3, "like")).unwrap();
    let Distance {
        counts,
        startup,
        lifetime,
        ..
    } = fitted.distance;
    assert_eq!(counts.len(), 24, "{counts:?}");
    for (kind, recorded, made) in counts {
        let off = recorded.abs_diff(made) as f64 / recorded as f64;
        assert!(off <= 0.02, "{kind}: {recorded} recorded, {made} made");
    }
    assert!(startup.unwrap() < 0.05, "{startup:?}");
    assert!(lifetime.unwrap() < 0.05, "{lifetime:?}");
    // What it says is what comes of the script.
    let folder = tempfile::tempdir().unwrap();
    let made = run(folder.path(), "a.parquet", &fitted.text, 3).unwrap();
    for kind in ["Pod", "Deployment", "Lease"] {
        let events = format!("SELECT count(*) FROM events WHERE kind = '{kind}'");
        let (recorded, made) = (ask(&rollout(), &events), ask(&made, &events));
        let count = |answer: &[String]| answer[0].parse::<f64>().unwrap();
        assert!(
            (count(&made) / count(&recorded) - 1.0).abs() <= 0.02,
            "{kind}"
        );
    }
}

fn fitted(trace: &Path) -> Fitted {
    runtime().block_on(fit(trace, 3, "like")).unwrap()
}

/// Fits a script, runs it and asks both traces.
fn ask_both(trace: &Path, sql: &str) -> (Vec<String>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let made = run(folder.path(), "like.parquet", &fitted(trace).text, 3).unwrap();
    (ask(trace, sql), ask(&made, sql))
}

const PODS: &str = "
SYNTHESIZE TIME '2m' FROM '2027-01-01T00:00:00Z';
SYNTHESIZE NODES 4 NAMED 'sim-{i}';
SYNTHESIZE Pod 'load/probe-{i}' AS $$
  {kind: Pod, apiVersion: v1, spec: {restartPolicy: Never, containers: [{name: p, image: 'p:1'}]}}
  $$ REPLICAS 15 AT '5s' ARRIVAL poisson(rate => 1) RUNTIME exponential(mean => '20s')
  LIFETIME uniform(min => '30s', max => '2m');
SYNTHESIZE Pod 'load/server-{i}' AS '{kind: Pod, apiVersion: v1, spec: {containers: [{name: s, image: s:1}]}}'
  REPLICAS 5 AT '5s' ARRIVAL poisson(rate => 1) LIFETIME exponential(mean => '1m');
";

#[test]
fn pods_that_nothing_owns_come_run_and_go_as_they_did() {
    let folder = tempfile::tempdir().unwrap();
    let trace = run(folder.path(), "a.parquet", PODS, 5).unwrap();
    let distance = fitted(&trace).distance;
    assert!(distance.startup.unwrap() < 0.05);
    assert!(distance.lifetime.unwrap() < 0.05);
    let (recorded, made) = ask_both(
        &trace,
        "SELECT image, phase, count(DISTINCT uid), count(*) FILTER (WHERE type = 'DELETED') FROM (
           SELECT uid, type, object->'status'->>'phase' AS phase,
             object->'spec'->'containers'->0->>'image' AS image FROM events WHERE kind = 'Pod')
         GROUP BY 1, 2 ORDER BY 1, 2",
    );
    assert_eq!(recorded, made);
    assert!(recorded.len() >= 5, "{recorded:?}");
}

const CRASHES: &str = "
SYNTHESIZE TIME '3m' FROM '2027-01-01T00:00:00Z';
SYNTHESIZE NODES 4 NAMED 'sim-{i}';
SYNTHESIZE Deployment 'load/web' FROM 'web.yaml' REPLICAS 12 AT '10s'
  RESTARTS dealt('20s', 'never', 'never', '45s') REASON OOMKILLED LIFETIME exponential(mean => '2m') EVICTIONS 0.5;
SYNTHESIZE Job 'load/train-{i}' AS $$
  {kind: Job, apiVersion: batch/v1, spec: {template: {spec: {containers: [{name: a, image: 'a:1'}]}}}}
  $$ REPLICAS 20 RUNTIME constant('5s') FAILURES 0.3;
";

#[test]
fn as_much_goes_wrong_as_did() {
    let folder = tempfile::tempdir().unwrap();
    let trace = run(folder.path(), "a.parquet", CRASHES, 5).unwrap();
    let text = fitted(&trace).text;
    assert!(text.contains(" REASON OOMKILLED"), "{text}");
    assert!(text.contains("  EVICTIONS 0.4"), "{text}");
    assert!(text.contains("  FAILURES 0."), "{text}");
    let count = |answers: &[String], column: usize| -> f64 {
        let field = answers[0].split(" | ").nth(column);
        field.unwrap().parse().unwrap()
    };
    let (recorded, made) = ask_both(
        &trace,
        "SELECT count(DISTINCT uid) FILTER (WHERE conditions LIKE '%DisruptionTarget%'),
           count(*) FILTER (WHERE state LIKE '%OOMKilled%'), count(*) FROM (
           SELECT uid, json_as_text(object->'status', 'conditions') AS conditions,
             object->'status'->'containerStatuses'->0->>'state' AS state
           FROM events WHERE kind = 'Pod' AND owner_kind = 'ReplicaSet')",
    );
    for (column, most) in [(0, 1.0), (1, 2.0), (2, 6.0)] {
        let off = (count(&recorded, column) - count(&made, column)).abs();
        assert!(off <= most, "{column}: {recorded:?} {made:?}");
    }
    assert!(count(&recorded, 0) > 2.0 && count(&recorded, 1) > 4.0);
}

#[test]
fn what_was_there_when_the_recording_began_is_there_again() {
    let late = make(&rollout(), "SLICE FROM '20s'");
    let text = fitted(&late.path).text;
    assert!(text.contains(" AFTER '60s';"), "{text}");
    let (recorded, made) = ask_both(
        &late.path,
        "SELECT kind, CASE WHEN kind = 'Pod' THEN object->'status'->>'phase' END, count(*) FROM events
         WHERE certainty = 'listed' AND kind IN ('Node', 'Deployment', 'Pod') GROUP BY 1, 2 ORDER BY 1, 2",
    );
    assert_eq!(recorded, made);
    assert!(
        recorded
            .iter()
            .any(|row| row.starts_with("Pod | Running | ")),
        "{recorded:?}"
    );
    let folder = tempfile::tempdir().unwrap();
    let made = run(folder.path(), "like.parquet", &text, 3).unwrap();
    assert_eq!(violations(&made), Vec::<String>::new());
}

const CHANGES: &str = "
SYNTHESIZE TIME '9m' FROM '2027-01-01T00:00:00Z';
SYNTHESIZE NODES 9 NAMED 'sim-{i}';
SYNTHESIZE FAILURE OF NODES 'sim-3' AT '1m' FOR '2m';
SYNTHESIZE DRAIN OF NODES 'sim-5' AT '70s' FOR '1m';
SYNTHESIZE REMOVAL OF NODES 'sim-7' AT '80s';
SYNTHESIZE UPDATES {'StatefulSet': 1, 'DaemonSet': 1, 'ReplicaSet': 1, 'Deployment': 1};
SYNTHESIZE Namespace 'default/growth' AS '{kind: Namespace, apiVersion: v1}' UNTIL '5m';
SYNTHESIZE PersistentVolume 'default/disk-{i}' AS $$
  {kind: PersistentVolume, apiVersion: v1, spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce],
    persistentVolumeReclaimPolicy: Retain, hostPath: {path: /disk}}}
  $$ REPLICAS 6;
SYNTHESIZE StatefulSet 'data/pg' AS $$
  {kind: StatefulSet, apiVersion: apps/v1, spec: {serviceName: pg, selector: {matchLabels: {app: pg}},
    persistentVolumeClaimRetentionPolicy: {whenDeleted: Retain, whenScaled: Delete},
    template: {metadata: {labels: {app: pg}}, spec: {containers: [{name: pg, image: 'pg:17'}]}},
    volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]}}
  $$ REPLICAS 3 AT '5s' SCALE TO 5 AT '3m' SCALE TO 2 AT '4m'
  ROLLOUT AT '6m' WITH '{\"spec\": {\"containers\": [{\"name\": \"pg\", \"image\": \"pg:18\"}]}}';
SYNTHESIZE DaemonSet 'kube-system/agent' AS $$
  {kind: DaemonSet, apiVersion: apps/v1, spec: {selector: {matchLabels: {app: agent}},
    template: {metadata: {labels: {app: agent}}, spec: {containers: [{name: a, image: 'agent:1'}]}}}}
  $$ AT '5s' ROLLOUT AT '6m';
SYNTHESIZE Deployment 'load/web' FROM 'web.yaml' REPLICAS 30 AT '5s';
SYNTHESIZE Deployment 'growth/web' FROM 'web.yaml' REPLICAS 3 AT '5s';
";

#[test]
fn nodes_fail_and_workloads_are_rolled_out_as_they_did() {
    let folder = tempfile::tempdir().unwrap();
    let trace = run(folder.path(), "a.parquet", CHANGES, 5).unwrap();
    assert_eq!(violations(&trace), Vec::<String>::new());
    let Fitted { text, distance, .. } = fitted(&trace);
    for (what, count) in [
        ("SYNTHESIZE FAILURE OF NODES", 1),
        ("SYNTHESIZE DRAIN OF NODES", 2),
        ("ROLLOUT AT '360", 2),
        ("SYNTHESIZE NODES 1 NAMED", 3),
        ("SYNTHESIZE \"PersistentVolumeClaim", 0),
    ] {
        assert_eq!(text.matches(what).count(), count, "{what} in {text}");
    }
    for (kind, recorded, made) in distance.counts {
        // Other pods were on the nodes that failed, and start sooner or later.
        let most = recorded / if kind == "Pod" { 20 } else { 50 };
        let off = recorded.abs_diff(made);
        assert!(
            off <= most.max(3),
            "{kind}: {recorded} recorded, {made} made"
        );
    }
    let made = run(folder.path(), "like.parquet", &text, 3).unwrap();
    assert_eq!(violations(&made), Vec::<String>::new());
    let images = "SELECT DISTINCT owner_kind, object->'spec'->'containers'->0->>'image'
        FROM events WHERE kind = 'Pod' AND owner_kind IN ('StatefulSet', 'DaemonSet') ORDER BY 1, 2";
    assert_eq!(ask(&trace, images), ask(&made, images));
    let lost = "SELECT count(DISTINCT uid) FROM events WHERE kind = 'Node'
        AND condition(object, 'Ready')['status'] = 'Unknown'";
    assert_eq!(ask(&made, lost), ["1"]);
}

#[test]
fn as_few_updates_as_were_seen_break_no_rule() {
    let folder = tempfile::tempdir().unwrap();
    let all = run(folder.path(), "a.parquet", CHANGES, 5).unwrap();
    let few = CHANGES
        .replace("Set': 1", "Set': 0.4")
        .replace("ment': 1", "ment': 0.4");
    let few = run(folder.path(), "b.parquet", &few, 5).unwrap();
    let sets = "SELECT count(*) FROM events WHERE kind IN ('ReplicaSet', 'StatefulSet')";
    let count = |trace: &Path| ask(trace, sets)[0].parse::<f64>().unwrap();
    assert!(count(&few) < 0.6 * count(&all));
    assert_eq!(violations(&few), Vec::<String>::new());
}

const LARGE: &str = "
SYNTHESIZE Deployment 'load/web-NUMBER' AS '{kind: Deployment, apiVersion: apps/v1, spec: {selector: {matchLabels: {app: web}},
  template: {metadata: {labels: {app: web}, annotations: {note: NOTE}}, spec: {containers: [{name: app, image: app:1}]}}}}' REPLICAS 2;
";

#[test]
fn the_manifests_of_a_large_script_are_files_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut script = String::from(
        "SYNTHESIZE TIME '1m'; SYNTHESIZE NODES 2 NAMED 'sim-{i}'; SYNTHESIZE MANAGEDFIELDS;\n",
    );
    for number in 0..3 {
        let note = "x".repeat(200_000);
        let named = LARGE.replace("NUMBER", &number.to_string());
        script.push_str(&named.replace("NOTE", &note));
    }
    let trace = run(folder.path(), "a.parquet", &script, 5).unwrap();
    let fitted = fitted(&trace);
    assert!(fitted.text.len() < 10_000, "{}", fitted.text.len());
    let mut paths: Vec<&str> = Vec::new();
    for (path, text) in &fitted.files {
        paths.push(path);
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let expected = [0, 1, 2].map(|number| format!("like/deployment-load-web-{number}.yaml"));
    assert_eq!(paths, expected);
    let made = run(folder.path(), "like.parquet", &fitted.text, 3).unwrap();
    let pods = "SELECT count(DISTINCT uid), min(length(object->'metadata'->'annotations'->>'note'))
        FROM events WHERE kind = 'Pod'";
    assert_eq!(ask(&made, pods), ["6 | 200000"]);
}
