//! What holds for every script.

use crate::workbench::{make, rollout, rows};

fn bytes(path: &std::path::Path) -> Vec<u8> {
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
fn stretching_by_one_changes_no_row() {
    let made = make(&rollout(), "STRETCH TIME BY 1");
    assert_eq!(rows(&made.path), rows(&rollout()));
}

#[test]
fn stretching_twice_is_stretching_by_the_product() {
    let twice = make(&rollout(), "STRETCH TIME BY 0.3; STRETCH TIME BY 7");
    let once = make(&rollout(), "STRETCH TIME BY 2.1");
    assert_eq!(rows(&twice.path), rows(&once.path));
    let back = make(&rollout(), "STRETCH TIME BY 0.125; STRETCH TIME BY 8");
    assert_eq!(rows(&back.path), rows(&rollout()));
}

#[test]
fn filters_are_idempotent_and_commute() {
    let a = "DELETE FROM objects WHERE namespace = 'kube-system'";
    let b = "KEEP events WHERE kind IN ('Pod', 'Lease', 'Node') AND type <> 'DELETED'";
    let c = "DELETE FROM events WHERE ts > at('25s')";
    let once = make(&rollout(), &format!("{a}; {b}; {c}"));
    let twice = make(&once.path, &format!("{a}; {b}; {c}"));
    let other = make(&rollout(), &format!("{c}; {b}; {a}"));
    let rows_of_one = rows(&once.path);
    assert!(!rows_of_one.is_empty());
    assert_eq!(rows_of_one, rows(&twice.path));
    assert_eq!(rows_of_one, rows(&other.path));
}

#[test]
fn a_patch_and_its_inverse_are_nothing() {
    let made = make(
        &rollout(),
        r#"PATCH objects WITH JSON '[{"op":"add","path":"/spec/added","value":[1,{"a":null}]}]' WHERE kind = 'Pod';
           PATCH objects WITH JSON '[{"op":"remove","path":"/spec/added"}]' WHERE kind = 'Pod'"#,
    );
    for (before, after) in rows(&rollout()).iter().zip(rows(&made.path)) {
        assert_eq!(before.event.key, after.event.key);
        let object = |row: &kymo_store::segment::Row| -> Option<serde_json::Value> {
            row.event
                .body
                .as_deref()
                .map(|body| serde_json::from_slice(body).unwrap())
        };
        assert_eq!(object(before), object(&after));
    }
}
