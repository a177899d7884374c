//! What was recorded keeps every rule.

use std::path::{Path, PathBuf};

use kymo_query::rules::{Violation, check};

fn assert_legal(trace: &Path) {
    let violations = check(trace).unwrap();
    let told: Vec<String> = violations
        .iter()
        .map(|violation: &Violation| format!("{}: {violation}", violation.rule))
        .collect();
    assert!(told.is_empty(), "{}:\n{}", trace.display(), told.join("\n"));
}

#[test]
fn the_shipped_recording_keeps_every_rule() {
    let fixtures = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures"));
    assert_legal(&fixtures.join("rollout.parquet"));
}
