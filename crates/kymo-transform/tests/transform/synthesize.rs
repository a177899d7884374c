use std::path::Path;

use kymo_query::Parameter;
use kymo_transform::language::Script;
use kymo_transform::{Error, Synth, Transform};

use crate::workbench::{ask, rollout, runtime, violations};

const SCRIPT: &str = "
SYNTHESIZE TIME '3m' FROM '2027-01-01T00:00:00Z';
SYNTHESIZE NODES 4 NAMED 'sim-{i}' LEASES;
SYNTHESIZE Deployment 'load/web' FROM 'web.yaml' REPLICAS 12 AT '10s' ARRIVAL poisson(rate => 4)
  STARTUP constant('2s') LIFETIME exponential(mean => '1m') ROLLOUT AT '1m' EVENTS;
SYNTHESIZE Job 'load/train' AS $$
  {kind: Job, apiVersion: batch/v1, spec: {template: {spec: {containers: [{name: a, image: 'a:1'}]}}}}
  $$ REPLICAS 3 RUNTIME constant('5s') FAILURES 0.2;
SYNTHESIZE DRAIN OF NODES 'sim-0' AT '90s' FOR '30s';
";

const WEB: &str = "
kind: Deployment
apiVersion: apps/v1
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: 'app:1'}]}
";

pub(crate) fn run(
    folder: &Path,
    name: &str,
    script: &str,
    seed: u64,
) -> Result<std::path::PathBuf, Error> {
    std::fs::write(folder.join("web.yaml"), WEB).unwrap();
    let out = folder.join(name);
    let synth = Synth::new(Script::parse(script).unwrap(), folder).seed(seed);
    runtime().block_on(synth.run(&out))?;
    Ok(out)
}

#[test]
fn a_script_without_a_trace_makes_a_legal_one_and_the_same_one_again() {
    let folder = tempfile::tempdir().unwrap();
    let made = run(folder.path(), "a.parquet", SCRIPT, 5).unwrap();
    assert_eq!(violations(&made), Vec::<String>::new());
    let again = run(folder.path(), "b.parquet", SCRIPT, 5).unwrap();
    let bytes = |path: &Path| std::fs::read(path).unwrap();
    assert_eq!(bytes(&made), bytes(&again));
    let other = run(folder.path(), "c.parquet", SCRIPT, 6).unwrap();
    assert_ne!(bytes(&made), bytes(&other));
    let startup = "SELECT count(*) > 12, round(min(s), 1), round(max(s), 1) FROM (
        SELECT (CAST(min(ts) FILTER (WHERE object->'status'->>'phase' = 'Running') AS BIGINT)
          - CAST(min(ts) AS BIGINT)) / 1e9 AS s
        FROM events WHERE kind = 'Pod' AND owner_kind = 'ReplicaSet' GROUP BY uid)";
    assert_eq!(ask(&made, startup), ["true | 2.0 | 2.0"]);
}

#[test]
fn other_statements_change_what_was_made() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!("{SCRIPT} DELETE FROM EVENTS WHERE kind IN ('Lease', 'Event')");
    let made = run(folder.path(), "a.parquet", &script, 5).unwrap();
    let kinds = "SELECT count(*) FILTER (WHERE kind = 'Lease'), count(*) > 0 FROM events";
    assert_eq!(ask(&made, kinds), ["0 | true"]);
}

#[test]
fn what_is_made_is_added_to_a_trace_on_its_nodes() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("web.yaml"), WEB).unwrap();
    let script = "SYNTHESIZE Deployment 'load/web' FROM 'web.yaml' REPLICAS 4 AT '2s' STARTUP constant('1s');
        SYNTHESIZE Pod 'shop/probe' AS '{kind: Pod, apiVersion: v1, spec: {containers: [{name: a, image: a}]}}'";
    let out = folder.path().join("out.parquet");
    let transform = Transform::new(&rollout(), Script::parse(script).unwrap())
        .seed(3)
        .relative_to(folder.path());
    runtime().block_on(transform.run(&out)).unwrap();
    assert_eq!(violations(&out), Vec::<String>::new());
    let pods = "SELECT count(DISTINCT uid), count(DISTINCT uid) FILTER (WHERE object->'status'->>'phase' = 'Running')
        FROM events WHERE kind = 'Pod' AND (namespace = 'load' OR name = 'probe')";
    assert_eq!(ask(&out, pods), ["5 | 5"]);
    let nodes = "SELECT count(*) FROM (SELECT DISTINCT object->'spec'->>'nodeName' AS node FROM events
        WHERE kind = 'Pod' AND namespace = 'load') WHERE node NOT IN (SELECT name FROM events WHERE kind = 'Node')";
    assert_eq!(ask(&out, nodes), ["0"]);
}

#[test]
fn what_is_added_takes_the_room_that_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let large = "kind: Pod, apiVersion: v1, spec: {restartPolicy: Never, containers: [{name: a, image: a, resources: {requests: {cpu: CPU}}}]}";
    let nodes = "SYNTHESIZE TIME '1m'; SYNTHESIZE NODES 1 NAMED 'sim-{i}';";
    // 24 of 32 cores are taken from second 2 on, for 20 s.
    let script = format!(
        "{nodes} SYNTHESIZE Pod 'a/first' AS '{{{}}}' REPLICAS 2 AT '2s' STARTUP constant('1s') RUNTIME constant('20s')",
        large.replace("CPU", "12")
    );
    let made = run(folder.path(), "a.parquet", &script, 5).unwrap();
    let script = format!(
        "SYNTHESIZE Pod 'a/second' AS '{{{}}}' AT '5s' STARTUP constant('1s')",
        large.replace("CPU", "16")
    );
    let out = folder.path().join("out.parquet");
    let transform = Transform::new(&made, Script::parse(&script).unwrap());
    runtime().block_on(transform.run(&out)).unwrap();
    assert_eq!(violations(&out), Vec::<String>::new());
    let waits = "SELECT bool_or(object->'status'->'conditions'->0->>'reason' = 'Unschedulable'),
        round((CAST(min(ts) FILTER (WHERE object->'spec'->>'nodeName' = 'sim-0') AS BIGINT) - CAST(min(ts) AS BIGINT)) / 1e9)
        FROM events WHERE kind = 'Pod' AND name = 'second'";
    assert_eq!(ask(&out, waits), ["true | 18.0"]);
}

#[test]
fn pods_are_put_on_nodes_as_those_of_another_trace_were() {
    let folder = tempfile::tempdir().unwrap();
    let script = |placement: &str| {
        format!(
            "SYNTHESIZE NODES 4 NAMED 'sim-{{i}}'; SYNTHESIZE Deployment 'load/web' FROM 'web.yaml' REPLICAS 16
             AT '5s' STARTUP constant('1s') PLACEMENT {placement}"
        )
    };
    let nodes = "SELECT count(DISTINCT object->'spec'->>'nodeName') FROM events WHERE kind = 'Pod'";
    for (placement, used) in [("spread", "4"), ("binpack", "1")] {
        let name = format!("{placement}.parquet");
        let recorded = run(folder.path(), &name, &script(placement), 5).unwrap();
        let like = script(&format!("LIKE '{name}'"));
        let made = run(folder.path(), &format!("like-{name}"), &like, 5).unwrap();
        assert_eq!(ask(&recorded, nodes), [used], "{placement}");
        assert_eq!(ask(&made, nodes), [used], "{placement}");
    }
    let nothing = run(folder.path(), "none.parquet", &script("LIKE 'web.yaml'"), 5).unwrap_err();
    assert!(matches!(nothing, Error::Statement { .. }), "{nothing}");
}

#[test]
fn managed_fields_and_endpoint_slices_are_made_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let service = "
---
kind: Service
apiVersion: v1
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
";
    let script = format!(
        "SYNTHESIZE TIME '1m'; SYNTHESIZE NODES 3; SYNTHESIZE MANAGEDFIELDS;
         SYNTHESIZE Deployment 'load/web' AS $${WEB}{service}$$ REPLICAS 120 AT '2s' STARTUP constant('1s') SCALE TO 2 AT '20s'
         ENDPOINTSLICES"
    );
    let made = run(folder.path(), "a.parquet", &script, 5).unwrap();
    assert_eq!(violations(&made), Vec::<String>::new());
    // Two slices, since one has at most 100 endpoints.
    let slices = "SELECT count(DISTINCT uid), max(json_length(object, 'endpoints')) FROM events WHERE kind = 'EndpointSlice'";
    assert_eq!(ask(&made, slices), ["2 | 100"]);
    let left = "SELECT sum(json_length(object, 'endpoints')), bool_and(object->'metadata'->'managedFields'->0->>'manager' = 'kube-controller-manager')
        FROM versions AS OF '-0s' WHERE kind = 'EndpointSlice'";
    assert_eq!(ask(&made, left), ["2 | true"]);
    let without = "SELECT count(*) FROM events WHERE object->'metadata'->'managedFields' IS NULL";
    assert_eq!(ask(&made, without), ["0"]);
}

#[test]
fn the_scenarios_run_at_a_reduced_size() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../queries/scenarios");
    let scenarios = [
        ("big-deployment", "nodes=5 pods=40 rate=20 until=20s"),
        ("mid-size-day", "nodes=4 span=20m low=4 high=8 jobs=3"),
        ("pool-outage", "nodes=2 pods=12"),
        ("gpu-batch", "nodes=3 small=8 large=2"),
    ];
    for (name, parameters) in scenarios {
        let text = std::fs::read_to_string(folder.join(format!("{name}.sql"))).unwrap();
        let pairs = parameters
            .split(' ')
            .filter_map(|pair| pair.split_once('='));
        let values = pairs.map(|(name, value)| (name.to_owned(), Parameter::read(value)));
        let (bound, _) = Script::bind(&text, &values.collect()).unwrap();
        let script = Script::parse(&bound).unwrap_or_else(|error| panic!("{name}: {error}"));
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("out.parquet");
        runtime()
            .block_on(Synth::new(script, &folder).run(&out))
            .unwrap();
        assert_eq!(violations(&out), Vec::<String>::new(), "{name}");
        let pods = ask(
            &out,
            "SELECT count(DISTINCT uid) >= 10 FROM events WHERE kind = 'Pod'",
        );
        assert_eq!(pods, ["true"], "{name}");
    }
    let shipped = std::fs::read_dir(&folder).unwrap();
    let scripts = shipped.filter(|entry| {
        let path = entry.as_ref().unwrap().path();
        path.extension().is_some_and(|extension| extension == "sql")
    });
    assert_eq!(scripts.count(), scenarios.len());
}

#[test]
fn what_cannot_be_made_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    for (script, expected, marked) in [
        (
            "SYNTHESIZE NODES 1; SYNTHESIZE Deployment 'a/b' FROM 'none.yaml'",
            "cannot read",
            "'none.yaml'",
        ),
        (
            "SYNTHESIZE NODES 1; SYNTHESIZE Pod 'a/b' AS '{kind: Pod}'",
            "manifest:1: `apiVersion` is missing",
            "'{kind: Pod}'",
        ),
        (
            "SYNTHESIZE Deployment 'a/b' FROM 'web.yaml'",
            "there are no nodes",
            "SYNTHESIZE Deployment 'a/b' FROM 'web.yaml'",
        ),
        (
            "SYNTHESIZE NODES 1 AT '5m' UNTIL '1m'",
            "it ends before it begins",
            "'1m'",
        ),
        (
            "DELETE FROM EVENTS",
            "there is no trace yet",
            "DELETE FROM EVENTS",
        ),
    ] {
        let Err(Error::Statement { message, place, .. }) =
            run(folder.path(), "x.parquet", script, 0)
        else {
            panic!("{script}");
        };
        assert!(message.contains(expected), "{message}");
        assert_eq!(&script[place.start..place.end], marked);
        assert!(!folder.path().join("x.parquet").exists());
    }
}
