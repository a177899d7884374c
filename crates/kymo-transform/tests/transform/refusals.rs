//! Scripts that cannot be run leave nothing behind.

use kymo_transform::Error;

use crate::workbench::{rollout, try_make};

fn refusal(script: &str) -> String {
    match try_make(&rollout(), script, 0) {
        Ok(_) => panic!("{script} was run"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn windows_that_miss_the_trace_are_refused() {
    let text = refusal("SLICE FROM '1h' TO '2h'");
    assert!(text.contains("after the end of the trace"), "{text}");
    let text = refusal("SLICE FROM '2020-01-01T00:00:00Z' TO '2021-01-01T00:00:00Z'");
    assert!(text.contains("before the trace begins"), "{text}");
    let text = refusal("SLICE FROM '-5s' TO '10s'");
    assert!(text.contains("not before its end"), "{text}");
}

#[test]
fn a_wrong_column_is_told_with_its_place() {
    let script = "DELETE FROM events WHERE kind = 'Pod';\nKEEP events WHERE knd = 'Pod'";
    match try_make(&rollout(), script, 0).err() {
        Some(Error::Condition { source, place, .. }) => {
            assert_eq!(source.to_string(), "no column `knd`; did you mean `kind`?");
            assert_eq!(&script[place.start..place.end], "knd = 'Pod'");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_output_that_exists_is_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out.parquet");
    std::fs::write(&out, "mine").unwrap();
    let script = kymo_transform::language::Script::parse("STRETCH TIME BY 2").unwrap();
    let transform = kymo_transform::Transform::new(&rollout(), script);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let error = runtime.block_on(transform.run(&out)).err().unwrap();
    assert!(error.to_string().contains("exists already"), "{error}");
    assert_eq!(std::fs::read(&out).unwrap(), b"mine");
}

#[test]
fn times_that_cannot_be_held_are_refused_with_the_statement() {
    let script = "DELETE FROM EVENTS WHERE kind = 'Lease'; SHIFT TIME TO '2262-04-11T23:47:00Z'";
    match try_make(&rollout(), script, 0).err() {
        Some(error @ Error::TimeOutOfRange { place, .. }) => {
            assert!(error.to_string().contains("1677 to 2262"), "{error}");
            assert_eq!(
                &script[place.start..place.end],
                "SHIFT TIME TO '2262-04-11T23:47:00Z'"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_script_with_explain_makes_no_trace() {
    let text = refusal("DELETE FROM EVENTS WHERE 1 / 0 = 1; EXPLAIN STRETCH TIME BY 2");
    assert_eq!(text, "a script with `EXPLAIN` in it makes no trace");
}
