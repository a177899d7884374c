//! Laws of statements, tried with any of them over recorded and made-up traces.
//!
//! The cases are the same in every run. `KYMO_LAWS=500` tries that many of each.

use std::cell::RefCell;
use std::path::Path;

use kymo_transform::Error;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::copies::same_but_for_numbers;
use crate::synthesize;
use crate::workbench::{assert_same_rows, make, rollout, try_make, try_make_in, violations};

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

/// Tries so many cases, or as many as are asked for, and says how many it tried.
fn each<S: Strategy>(cases: u32, values: S, test: impl FnMut(S::Value)) -> usize {
    let asked = std::env::var("KYMO_LAWS");
    let config = Config {
        cases: asked.map_or(cases, |text| text.parse().unwrap()),
        failure_persistence: None,
        max_shrink_iters: 40,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let test = RefCell::new(test);
    let ended = runner.run(&values, |value| {
        test.borrow_mut()(value);
        Ok(())
    });
    ended.unwrap_or_else(|error| panic!("{error}"));
    usize::try_from(runner.config().cases).unwrap()
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
    fn with(&self, test: impl FnOnce(&Path)) {
        let Self::MadeUp(script) = self else {
            return test(&rollout());
        };
        let folder = tempfile::tempdir().unwrap();
        test(&synthesize::run(folder.path(), "made.parquet", script, 3).unwrap());
    }

    fn world(&self) -> &'static World {
        match self {
            Self::Recorded => &ROLLOUT,
            Self::MadeUp(_) => &LOAD,
        }
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

/// Tries scripts on traces: what they make is legal, or they are refused with a place in them, which
/// most are not.
fn tried(traces: impl Strategy<Value = Trace>, scripts: impl Strategy<Value = String>) {
    let mut refused = Vec::new();
    let cases = each(20, (traces, scripts), |(trace, script)| {
        trace.with(|input| match try_make(input, &script, 7) {
            Ok(made) => assert_eq!(violations(&made.path), [""; 0]),
            Err(error) => {
                assert!(matches!(error, Error::Statement { .. }), "{error:?}");
                refused.push(format!("{script}\n  {error}"));
            }
        });
    });
    assert!(
        refused.len() * 2 < cases,
        "refused:\n{}",
        refused.join("\n")
    );
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[test]
fn the_same_input_script_and_seed_give_the_same_bytes() {
    let script = r#"
        DELETE FROM objects WHERE namespace = 'kube-system';
        PATCH objects WITH MERGE '{"metadata":{"labels":{"a":"b"}}}' WHERE kind = 'Pod' FROM '5s' TO '9s';
        STRETCH TIME BY 2
    "#;
    assert_eq!(
        bytes(&make(&rollout(), script).path),
        bytes(&make(&rollout(), script).path)
    );
}

#[test]
fn a_recorded_trace_is_legal_after_any_statements() {
    tried(Just(Trace::Recorded), script(&ROLLOUT));
}

#[test]
fn a_made_up_trace_is_legal_after_any_statements() {
    tried(made_up(), script(&LOAD));
}

/// Tries a law on recorded and made-up traces.
fn holds<S: Strategy>(values: S, law: impl Fn(&Path, S::Value)) {
    each(6, (trace(), values), |(trace, value)| {
        trace.with(|input| law(input, value));
    });
}

/// Two scripts make the same of a trace.
fn assert_same(trace: &Path, one: &str, other: &str) {
    assert_same_rows(&make(trace, one).path, &make(trace, other).path);
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

#[test]
fn stretching_twice_is_stretching_by_the_product() {
    let numbers = || (1..7_u64, 1..7_u64);
    holds((numbers(), numbers()), |trace, ((a, b), (c, d))| {
        let twice = format!("STRETCH TIME BY {a}/{b}; STRETCH TIME BY {c}/{d}");
        let once = format!("STRETCH TIME BY {}/{}", a * c, b * d);
        assert_same(trace, &twice, &once);
    });
}

#[test]
fn filters_can_change_places() {
    holds((filter(), filter()), |trace, (one, other)| {
        let (here, there) = (format!("{one}; {other}"), format!("{other}; {one}"));
        assert_same(trace, &here, &there);
    });
}

#[test]
fn a_filter_takes_all_at_once() {
    holds(filter(), |trace, filter| {
        assert_same(trace, &format!("{filter}; {filter}"), &filter);
    });
}

#[test]
fn slices_merged_are_the_whole() {
    holds(1..14_u32, |trace, cut| {
        let first = make(trace, &format!("SLICE TO '{cut}s'"));
        let rest = make(trace, &format!("SLICE FROM '{cut}s'"));
        let directory = rest.path.parent().unwrap();
        std::fs::copy(&first.path, directory.join("first.parquet")).unwrap();
        let whole = try_make_in(directory, &rest.path, "MERGE TRACE 'first.parquet'", 7);
        assert_same_rows(&whole.unwrap().path, trace);
    });
}

#[test]
fn what_is_patched_and_patched_back_is_unchanged() {
    let kind = select(vec!["Pod", "Deployment", "ReplicaSet", "Job", "Node"]);
    let value = select(vec!["1", "[null, {}]", r#"{"a": {"b": "c"}}"#, r#""text""#]);
    holds((kind, value), |trace, (kind, value)| {
        let patch = |operation: &str| {
            let patch = format!(r#"[{{"op":{operation},"path":"/spec/kymo"}}]"#);
            format!("PATCH OBJECTS WITH JSON '{patch}' WHERE kind = '{kind}'")
        };
        let there = patch(&format!(r#""add","value":{value}"#));
        let made = make(trace, &format!("{there}; {}", patch(r#""remove""#)));
        assert_same_rows(&made.path, trace);
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
        assert_same_rows(&make(trace, statement).path, trace);
    });
}

#[test]
fn without_its_copies_a_namespace_is_as_it_was() {
    each(6, (trace(), 1..5_u32), |(trace, count)| {
        let namespace = trace.world().namespace;
        let copies = format!("namespace LIKE '{namespace}-_' OR name LIKE '{namespace}-_'");
        let script = format!(
            "SCALE NAMESPACE '{namespace}' BY {count};
             DELETE FROM OBJECTS WHERE {copies} OR kind = 'PersistentVolume'"
        );
        let volumes = "DELETE FROM OBJECTS WHERE kind = 'PersistentVolume'";
        trace.with(|input| {
            same_but_for_numbers(&make(input, &script).path, &make(input, volumes).path);
        });
    });
}
