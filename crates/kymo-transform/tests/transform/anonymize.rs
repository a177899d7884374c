//! `ANONYMIZE` at the end of a script.

use std::path::Path;

use kymo_anonymize::{AnonymizationPolicy, Key};
use kymo_store::Trace;
use kymo_transform::language::Script;
use kymo_transform::{Anonymization, Error, Report, Transform};
use tempfile::TempDir;

use crate::workbench::{ask, rollout, runtime};

pub(crate) fn key() -> Key {
    Key::new([9; 32])
}

fn transform(script: &str) -> Transform {
    Transform::new(&rollout(), Script::parse(script).unwrap())
        .anonymize_with(key(), AnonymizationPolicy::share())
}

fn make(directory: &TempDir, name: &str, transform: &Transform) -> Result<Report, Error> {
    runtime().block_on(transform.run(&directory.path().join(name)))
}

/// Returns the message of a refusal and what it marks.
fn refusal(script: &str, transform: &Transform) -> (String, String) {
    let directory = tempfile::tempdir().unwrap();
    let refused = make(&directory, "out.parquet", transform).unwrap_err();
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);
    let Error::Statement { message, place, .. } = refused else {
        panic!("{refused:?}");
    };
    (message, script[place.start..place.end].to_owned())
}

#[test]
fn a_script_that_does_nothing_else_gives_the_bytes_of_the_command() {
    let directory = tempfile::tempdir().unwrap();
    let report = make(&directory, "script.parquet", &transform("ANONYMIZE")).unwrap();
    let command = directory.path().join("command.parquet");
    let done = Anonymization::new(&rollout(), key(), AnonymizationPolicy::share())
        .run(&command)
        .unwrap();
    assert_eq!((report.read, report.summary.rows), (done.read, done.read));
    let script = std::fs::read(directory.path().join("script.parquet")).unwrap();
    assert!(script == std::fs::read(command).unwrap());
}

#[test]
fn what_other_statements_leave_is_replaced_and_they_are_not_told() {
    let directory = tempfile::tempdir().unwrap();
    let script = "KEEP objects WHERE namespace = 'shop' WITH OWNERS;
        PATCH objects WITH MERGE '{\"metadata\":{\"labels\":{\"from\":\"checkout-lab\"}}}';
        ANONYMIZE";
    let report = make(&directory, "part.parquet", &transform(script)).unwrap();
    make(&directory, "whole.parquet", &transform("ANONYMIZE")).unwrap();
    let names: Vec<_> = directory.path().read_dir().unwrap().collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let (part, whole) = (
        directory.path().join("part.parquet"),
        directory.path().join("whole.parquet"),
    );
    let kept = ask(
        &rollout(),
        "SELECT count(*) FROM events WHERE namespace = 'shop'",
    );
    assert!(report.summary.rows >= kept[0].parse().unwrap());
    assert!(report.summary.rows < report.read);
    // The same names have the same pseudonyms, and the two traces are told apart.
    let pods = "SELECT DISTINCT name FROM events WHERE kind = 'Pod' AND namespace NOT LIKE 'kube-%' ORDER BY 1";
    assert_eq!(ask(&part, pods), ask(&whole, pods));
    let identity = |path: &Path| Trace::open(path).unwrap().identity().trace_id;
    assert_ne!(identity(&part), identity(&whole));
    assert_ne!(identity(&whole), identity(&rollout()));
    let trace = Trace::open(&part).unwrap();
    let [step] = trace.lineage() else {
        panic!("{:?}", trace.lineage());
    };
    assert_eq!(step["command"], "anonymize");
    assert!(step.get("script").is_none());
    assert!(
        step["partial"]
            .as_array()
            .is_some_and(|partial| !partial.is_empty())
    );
    for row in trace.rows().unwrap() {
        let event = format!(
            "{:?}",
            row.unwrap()
                .event
                .body
                .map(|body| String::from_utf8_lossy(&body).into_owned())
        );
        assert!(!event.contains("checkout"), "{event}");
    }
}

#[test]
fn what_would_not_be_replaced_may_not_follow() {
    let script = "ANONYMIZE; KEEP EVENTS WHERE kind = 'Pod'";
    let (message, marked) = refusal(script, &transform(script));
    assert_eq!(
        message,
        "nothing that stands behind `ANONYMIZE` would be anonymized"
    );
    assert_eq!(marked, "KEEP EVENTS WHERE kind = 'Pod'");
}

#[test]
fn a_key_and_a_policy_that_is_known_are_asked_for_before_anything_is_done() {
    let script = "DELETE FROM events WHERE knd = 1; ANONYMIZE";
    let without = Transform::new(&rollout(), Script::parse(script).unwrap());
    let (message, marked) = refusal(script, &without);
    assert_eq!(message, "there is no key for the pseudonyms");
    assert_eq!(marked, "ANONYMIZE");
    let script = "ANONYMIZE WITH POLICY 'sahre'";
    let (message, marked) = refusal(script, &transform(script));
    assert!(message.contains("share, vendor and internal"), "{message}");
    assert_eq!(marked, "'sahre'");
}

#[test]
fn a_file_with_a_policy_is_found_from_where_the_script_is() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("ours.yaml"), "times: keep\n").unwrap();
    let there = transform("ANONYMIZE WITH POLICY 'ours.yaml'").relative_to(directory.path());
    make(&directory, "out.parquet", &there).unwrap();
    let first = "SELECT min(ts) FROM events";
    assert_eq!(
        ask(&directory.path().join("out.parquet"), first),
        ask(&rollout(), first)
    );
}

#[test]
fn what_would_be_replaced_is_counted_without_an_output() {
    let script = "KEEP events WHERE kind IN ('Pod', 'Namespace'); EXPLAIN ANONYMIZE";
    let preview = runtime().block_on(transform(script).preview()).unwrap();
    let [_, told] = preview.statements.as_slice() else {
        panic!("{preview:?}");
    };
    let count = |sql: &str| ask(&rollout(), sql)[0].parse::<u64>().unwrap();
    let events = "SELECT count(*) FROM events WHERE kind IN ('Pod', 'Namespace')";
    assert_eq!(told.counted.changed, count(events), "every time moves");
    assert!(told.counted.touched > 0 && told.sample.is_empty());
    let plan = told.plan.as_ref().unwrap().join("\n");
    assert!(plan.contains("pseudonyms under the policy share"), "{plan}");
    assert!(plan.contains("metadata.labels "), "{plan}");
    assert!(!plan.contains("checkout"), "{plan}");
}
