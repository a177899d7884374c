//! What statements would do.

use kymo_transform::language::Script;
use kymo_transform::{Kept, Preview, Transform};

use crate::workbench::{ask, make, rollout, runtime};

fn preview(script: &str) -> Preview {
    let script = Script::parse(script).unwrap();
    let transform = Transform::new(&rollout(), script).seed(7);
    runtime().block_on(transform.preview()).unwrap()
}

fn count(sql: &str) -> u64 {
    ask(&rollout(), sql)[0].parse().unwrap()
}

#[test]
fn each_statement_is_counted_on_what_those_before_it_made() {
    let preview = preview(
        r#"DELETE FROM objects WHERE kind = 'Lease';
           DELETE FROM events WHERE kind = 'Lease';
           PATCH objects WITH MERGE '{"spec":{"schedulerName":"volcano"}}' WHERE kind = 'Pod';
           KEEP events WHERE object->'spec'->>'schedulerName' = 'volcano'"#,
    );
    let counted: Vec<_> = preview
        .statements
        .iter()
        .map(|told| {
            (
                told.counted.removed,
                told.counted.changed,
                told.counted.touched,
            )
        })
        .collect();
    let all = count("SELECT count(*) FROM events");
    let leases = count("SELECT count(*) FROM events WHERE kind = 'Lease'");
    let pods = count("SELECT count(*) FROM events WHERE kind = 'Pod'");
    assert_eq!(
        counted[0],
        (
            leases,
            0,
            count("SELECT count(*) FROM objects WHERE kind = 'Lease'")
        )
    );
    assert_eq!(counted[1], (0, 0, 0), "they are gone");
    assert_eq!(preview.statements[1].named, Some(0));
    assert_eq!(
        counted[2],
        (
            0,
            pods,
            count("SELECT count(*) FROM objects WHERE kind = 'Pod'")
        )
    );
    assert_eq!(counted[3].0, all - leases - pods);
}

#[test]
fn a_sample_shows_what_changes_in_an_object() {
    let preview = preview(
        r#"PATCH objects WITH JSON '[{"op":"replace","path":"/spec/replicas","value":50}]' WHERE kind = 'Deployment'"#,
    );
    let sample = &preview.statements[0].sample;
    assert_eq!(sample.len(), 1);
    assert_eq!(
        (sample[0].kind.as_str(), sample[0].kept),
        ("Deployment", Kept::Changed)
    );
    assert_eq!(sample[0].object.name, "checkout");
    let change = &sample[0].changes[0];
    assert_eq!(change.path, "/spec/replicas");
    assert_eq!(
        (change.before.as_deref(), change.after.as_deref()),
        (Some("5"), Some("50"))
    );
}

#[test]
fn what_comes_to_be_is_counted() {
    let script = "SCALE Deployment 'shop/checkout' TO 40 REPLICAS";
    let preview = preview(script);
    let made = make(&rollout(), script);
    assert_eq!(preview.statements[0].counted.added, made.report.new);
    let before = count("SELECT count(DISTINCT (resource, namespace, name, uid)) FROM events");
    let after = ask(
        &made.path,
        "SELECT count(DISTINCT (resource, namespace, name, uid)) FROM events",
    );
    assert_eq!(
        preview.statements[0].counted.made,
        after[0].parse::<u64>().unwrap() - before
    );
}

#[test]
fn an_explained_statement_has_a_plan_and_no_effect() {
    let preview = preview(
        "EXPLAIN DELETE FROM objects WHERE kind = 'Pod' CASCADE; KEEP events WHERE kind = 'Pod'",
    );
    let [explained, kept] = preview.statements.as_slice() else {
        panic!("{preview:?}");
    };
    let plan = explained.plan.as_ref().unwrap();
    assert!(
        plan.iter().any(|line| line.contains("EventsExec")),
        "{plan:?}"
    );
    let pods = count("SELECT count(*) FROM events WHERE kind = 'Pod'");
    assert_eq!(explained.counted.removed, pods);
    assert_eq!(kept.named, Some(pods));
    assert_eq!(kept.plan, None);
}
