//! Laws of statements, tried with any of them over recorded and made-up traces.
//!
//! The cases are the same in every run. `KYMO_SEQUENCES=500` tries that many of each.

use std::cell::RefCell;
use std::path::Path;

use kymo_transform::Error;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::synthesize;
use crate::workbench::{object, rollout, rows, try_make, try_make_in, violations};

/// What a trace has that statements can name.
struct World {
    namespace: &'static str,
    workloads: &'static [&'static str],
    node: &'static str,
}

const ROLLOUT: World = World {
    namespace: "shop",
    workloads: &["Deployment 'shop/checkout'", "Job 'shop/settle-accounts'"],
    node: "node-0",
};

const LOAD: World = World {
    namespace: "load",
    workloads: &[
        "Deployment 'load/web'",
        "StatefulSet 'load/db'",
        "Job 'load/train'",
    ],
    node: "sim-0",
};

const ANNOTATED: &str = r#"{"metadata":{"annotations":{"kymo":"tried"}}}"#;
const SMALLER: &str =
    r#"{"spec":{"containers":[{"name":"app","resources":{"requests":{"cpu":"90m"}}}]}}"#;

/// Tries so many cases, or as many as are asked for.
fn runner(cases: u32) -> TestRunner {
    let asked = std::env::var("KYMO_SEQUENCES");
    let cases = asked.map_or(cases, |text| text.parse().unwrap());
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 40,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(config, rng)
}

fn factor() -> impl Strategy<Value = &'static str> {
    select(vec!["1", "2", "3", "1/2", "1/3", "0.7", "1.5"])
}

fn condition(world: &'static World) -> impl Strategy<Value = String> {
    let namespace = world.namespace;
    let node = world.node;
    select(vec![
        "kind = 'Pod'".to_owned(),
        "kind = 'ReplicaSet'".to_owned(),
        "kind IN ('Event', 'Lease')".to_owned(),
        format!("kind = 'Node' AND name = '{node}'"),
        format!("namespace = '{namespace}'"),
        format!("namespace = '{namespace}' AND name LIKE '%2%'"),
        format!("kind = 'Pod' AND json_get_str(object, 'spec', 'nodeName') = '{node}'"),
        "namespace <> 'kube-system'".to_owned(),
    ])
}

fn statement(world: &'static World) -> impl Strategy<Value = String> {
    let workload = || select(world.workloads);
    let namespace = world.namespace;
    let condition = || condition(world);
    let (of_events, of_objects) = ("ts > at('8s')", condition());
    prop_oneof![
        2 => (of_objects, select(vec!["", " CASCADE"]))
            .prop_map(|(condition, rest)| format!("DELETE FROM OBJECTS WHERE {condition}{rest}")),
        1 => condition()
            .prop_map(move |condition| format!("DELETE FROM EVENTS WHERE {condition} AND {of_events}")),
        1 => (condition(), select(vec!["", " WITH OWNERS", " WITH OWNED", " WITH OWNERS AND OWNED"]))
            .prop_map(|(condition, rest)| format!("KEEP OBJECTS WHERE {condition}{rest}")),
        1 => (0..12_u32, 0..8_u32).prop_map(|(from, to)| format!("SLICE FROM '{from}s' TO '-{to}s'")),
        1 => condition()
            .prop_map(|condition| format!("PATCH OBJECTS WITH MERGE '{ANNOTATED}' WHERE {condition}")),
        1 => (2..14_u32).prop_map(move |from| {
            format!("PATCH OBJECTS WITH STRATEGIC '{SMALLER}' WHERE kind = 'Pod' AND namespace = '{namespace}' FROM '{from}s'")
        }),
        1 => condition().prop_map(|condition| {
            format!("UPDATE EVENTS SET object = json_set(object, '/metadata/annotations', '{{}}') WHERE {condition}")
        }),
        4 => (workload(), factor()).prop_map(|(workload, factor)| format!("SCALE {workload} BY {factor}")),
        3 => (workload(), 0..30_u32, select(vec!["", " RAMP '3s'"]), select(vec!["", " PLACEMENT SPREAD", " PLACEMENT BINPACK"]))
            .prop_map(|(workload, count, ramp, placement)| {
                format!("SCALE {workload} TO {count} REPLICAS{ramp}{placement}")
            }),
        2 => (1..4_u32).prop_map(move |count| format!("SCALE NAMESPACE '{namespace}' BY {count}")),
        2 => factor().prop_map(|factor| format!("SCALE NODES BY {factor}")),
        1 => factor().prop_map(|factor| format!("SCALE EVERYTHING BY {factor}")),
        2 => factor().prop_map(|factor| format!("STRETCH TIME BY {factor}")),
        2 => (factor(), condition())
            .prop_map(|(factor, condition)| format!("STRETCH ARRIVALS BY {factor} WHERE {condition}")),
        2 => (factor(), condition())
            .prop_map(|(factor, condition)| format!("STRETCH LIFETIMES BY {factor} WHERE {condition}")),
        1 => (1..3_u32).prop_map(|times| format!("REPEAT {times} TIMES")),
        1 => Just("SHIFT TIME BY '36h'".to_owned()),
        1 => Just("MERGE TRACE 'fixtures/rollout.parquet' AT '3s' PREFIX NAMESPACES 'b-'".to_owned()),
    ]
}

fn script(world: &'static World) -> impl Strategy<Value = String> {
    prop::collection::vec(statement(world), 1..5).prop_map(|statements| statements.join(";\n"))
}

#[derive(Clone, Debug)]
enum Trace {
    Recorded,
    /// What a script makes.
    MadeUp(String),
}

impl Trace {
    fn with(
        &self,
        test: impl FnOnce(&Path) -> Result<(), TestCaseError>,
    ) -> Result<(), TestCaseError> {
        let Self::MadeUp(script) = self else {
            return test(&rollout());
        };
        let folder = tempfile::tempdir().unwrap();
        let made = synthesize::run(folder.path(), "made.parquet", script, 3);
        test(&made.map_err(|error| TestCaseError::fail(format!("{script}\n{error}")))?)
    }
}

fn trace() -> impl Strategy<Value = Trace> {
    prop_oneof![Just(Trace::Recorded), made_up()]
}

/// A trace that statements make, with other numbers each time.
fn made_up() -> impl Strategy<Value = Trace> {
    let numbers = (1..5_u32, 1..9_u32, 1..4_u32, 1..4_u32);
    let choices = (
        select(vec!["", " ROLLOUT AT '9s'", " SCALE TO 3 AT '9s'"]),
        select(vec!["", " LIFETIME exponential(mean => '10s')"]),
        select(vec!["NONE", "SPREAD", "BINPACK"]),
        select(vec![
            "",
            "SYNTHESIZE DRAIN OF NODES 'sim-0' AT '12s' FOR '5s';",
        ]),
    );
    (numbers, choices).prop_map(|((nodes, web, db, train), (rollout, lifetime, placement, drain))| {
        let train = TRAIN.replace("PODS", &train.to_string());
        Trace::MadeUp(format!(
            "SYNTHESIZE TIME '25s' FROM '2027-01-01T00:00:00Z';
             SYNTHESIZE NODES {nodes} NAMED 'sim-{{i}}' LEASES;
             SYNTHESIZE Deployment 'load/web' FROM 'web.yaml' REPLICAS {web} AT '1s' STARTUP constant('2s')
               PLACEMENT {placement} EVENTS ENDPOINTSLICES{lifetime}{rollout};
             SYNTHESIZE StatefulSet 'load/db' AS $${DB}$$ REPLICAS {db} AT '1s' STARTUP constant('1s');
             SYNTHESIZE DaemonSet 'load/agent' AS $${AGENT}$$ AT '1s';
             SYNTHESIZE Job 'load/train' AS $${train}$$ AT '2s' RUNTIME constant('4s') FAILURES 0.2 EVENTS;
             {drain}"
        ))
    })
}

const DB: &str = "{kind: StatefulSet, apiVersion: apps/v1, spec: {serviceName: db,
  selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}},
  spec: {containers: [{name: app, image: 'db:1'}]}},
  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]}}";
const AGENT: &str = "{kind: DaemonSet, apiVersion: apps/v1, spec: {selector: {matchLabels: {app: agent}},
  template: {metadata: {labels: {app: agent}}, spec: {containers: [{name: app, image: 'agent:1'}]}}}}";
const TRAIN: &str = "{kind: Job, apiVersion: batch/v1, spec: {completions: PODS, parallelism: PODS,
  template: {spec: {restartPolicy: Never,
  containers: [{name: app, image: 'train:1'}]}}}}";

/// Runs a script: what it makes is legal, or it is refused with a place in it.
fn is_legal(
    input: &Path,
    script: &str,
    refused: &RefCell<Vec<String>>,
) -> Result<(), TestCaseError> {
    match try_make(input, script, 7) {
        Ok(made) => {
            let broken = violations(&made.path);
            prop_assert!(broken.is_empty(), "{}", broken.join("\n"));
        }
        Err(error) => {
            prop_assert!(matches!(error, Error::Statement { .. }), "{error:?}");
            refused.borrow_mut().push(format!("{script}\n  {error}"));
        }
    }
    Ok(())
}

/// Tries scripts on traces; most of them can be run.
fn try_all(traces: impl Strategy<Value = Trace>, scripts: impl Strategy<Value = String>) {
    let refused = RefCell::default();
    let mut runner = runner(20);
    let ended = runner.run(&(traces, scripts), |(trace, script)| {
        trace.with(|trace| is_legal(trace, &script, &refused))
    });
    ended.unwrap_or_else(|error| panic!("{error}"));
    let (refused, cases) = (refused.into_inner(), runner.config().cases);
    let few = refused.len() * 2 < usize::try_from(cases).unwrap();
    assert!(few, "refused:\n{}", refused.join("\n"));
}

#[test]
fn a_recorded_trace_is_legal_after_any_statements() {
    try_all(Just(Trace::Recorded), script(&ROLLOUT));
}

#[test]
fn a_made_up_trace_is_legal_after_any_statements() {
    try_all(made_up(), script(&LOAD));
}

/// A part of a whole: a factor as it is written, and as numbers.
fn fraction() -> impl Strategy<Value = (u64, u64)> {
    (1..7_u64, 1..7_u64)
}

fn filter() -> impl Strategy<Value = String> {
    let condition = select(vec![
        "kind = 'Pod'",
        "kind IN ('Event', 'Lease')",
        "namespace = 'kube-system'",
        "name LIKE '%2%'",
    ]);
    let event = select(vec!["type = 'DELETED'", "ts > at('9s')", "ts < at('4s')"]);
    prop_oneof![
        condition
            .clone()
            .prop_map(|condition| format!("DELETE FROM OBJECTS WHERE {condition}")),
        condition
            .clone()
            .prop_map(|condition| format!("KEEP OBJECTS WHERE NOT ({condition})")),
        (condition, event.clone()).prop_map(|(condition, event)| format!(
            "DELETE FROM EVENTS WHERE {condition} AND {event}"
        )),
        event.prop_map(|event| format!("KEEP EVENTS WHERE NOT ({event})")),
    ]
}

/// Two scripts make the same of a trace.
fn are_same(trace: &Path, one: &str, other: &str) -> Result<(), TestCaseError> {
    let refused = |error: Error| TestCaseError::fail(format!("{error:?}"));
    let one = try_make(trace, one, 7).map_err(refused)?;
    let other = try_make(trace, other, 7).map_err(refused)?;
    same_rows(&one.path, &other.path)
}

/// Two traces have the same rows; objects may be written with members in another order.
fn same_rows(one: &Path, other: &Path) -> Result<(), TestCaseError> {
    let (one, other) = (rows(one), rows(other));
    prop_assert_eq!(one.len(), other.len());
    for (mut one, other) in one.into_iter().zip(other) {
        if one.event.body != other.event.body {
            prop_assert_eq!(object(&one), object(&other));
            one.event.body.clone_from(&other.event.body);
        }
        prop_assert_eq!(one, other);
    }
    Ok(())
}

/// Tries a law on recorded and made-up traces.
fn holds<T: std::fmt::Debug>(
    choices: impl Strategy<Value = T>,
    law: impl Fn(&Path, T) -> Result<(), TestCaseError>,
) {
    let ended = runner(6).run(&(trace(), choices), |(trace, choice)| {
        trace.with(|trace| law(trace, choice))
    });
    ended.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn stretching_twice_is_stretching_by_the_product() {
    holds((fraction(), fraction()), |trace, ((a, b), (c, d))| {
        let twice = format!("STRETCH TIME BY {a}/{b}; STRETCH TIME BY {c}/{d}");
        are_same(
            trace,
            &twice,
            &format!("STRETCH TIME BY {}/{}", a * c, b * d),
        )
    });
}

#[test]
fn filters_can_change_places() {
    holds((filter(), filter()), |trace, (one, other)| {
        are_same(
            trace,
            &format!("{one}; {other}"),
            &format!("{other}; {one}"),
        )
    });
}

#[test]
fn a_filter_takes_all_at_once() {
    holds(filter(), |trace, filter| {
        are_same(trace, &format!("{filter}; {filter}"), &filter)
    });
}

#[test]
fn slices_merged_are_the_whole() {
    holds(1..14_u32, |trace, cut| {
        let slice = |window: String| {
            try_make(trace, &format!("SLICE {window}"), 7)
                .map_err(|error| TestCaseError::fail(format!("{error:?}")))
        };
        let (first, rest) = (
            slice(format!("TO '{cut}s'"))?,
            slice(format!("FROM '{cut}s'"))?,
        );
        let directory = rest.path.parent().unwrap();
        std::fs::copy(&first.path, directory.join("first.parquet")).unwrap();
        let whole = try_make_in(directory, &rest.path, "MERGE TRACE 'first.parquet'", 7)
            .map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
        same_rows(&whole.path, trace)
    });
}

#[test]
fn what_is_patched_and_patched_back_is_unchanged() {
    let kind = select(vec!["Pod", "Deployment", "ReplicaSet", "Job", "Node"]);
    let value = select(vec!["1", "[null, {}]", r#"{"a": {"b": "c"}}"#, r#""text""#]);
    holds((kind, value), |trace, (kind, value)| {
        let patch = |operation: &str| {
            format!(
                r#"PATCH OBJECTS WITH JSON '[{{"op":{operation},"path":"/spec/kymo"}}]' WHERE kind = '{kind}'"#
            )
        };
        let there = patch(&format!(r#""add","value":{value}"#));
        let made = try_make(trace, &format!("{there}; {}", patch(r#""remove""#)), 7)
            .map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
        same_rows(&made.path, trace)
    });
}

#[test]
fn factors_of_one_change_nothing() {
    let statement = select(vec![
        "SCALE NODES BY 1",
        "SCALE EVERYTHING BY 1",
        "STRETCH TIME BY 1",
        "STRETCH ARRIVALS BY 1",
        "STRETCH LIFETIMES BY 1",
    ]);
    holds(statement, |trace, statement| {
        let made = try_make(trace, statement, 7)
            .map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
        same_rows(&made.path, trace)
    });
}
