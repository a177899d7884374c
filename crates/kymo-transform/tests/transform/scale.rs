//! Workloads with more pods, or fewer.

use crate::workbench::{ask, ask_all, assert_same_rows, make, object, rollout, rows, try_make};

const MORE: &str = "SCALE Deployment 'shop/checkout' TO 40 REPLICAS RAMP '2s'";

#[test]
fn the_highest_number_of_replicas_becomes_what_was_asked_for() {
    let made = make(&rollout(), MORE);
    let replicas = ask_all(
        &[("a", &rollout()), ("b", &made.path)],
        "SELECT a.replicas, min(b.replicas), max(b.replicas) FROM
           (SELECT seq, ts, json_get_int(object, 'spec', 'replicas') AS replicas FROM a.events WHERE kind = 'Deployment') AS a
         JOIN (SELECT ts, json_get_int(object, 'spec', 'replicas') AS replicas FROM b.events WHERE kind = 'Deployment') AS b
         ON a.ts = b.ts GROUP BY a.replicas ORDER BY 1",
    );
    assert_eq!(replicas, ["5 | 25 | 25", "8 | 40 | 40"]);
}

#[test]
fn every_recorded_pod_becomes_five_with_whole_lives() {
    let made = make(&rollout(), MORE);
    let answer = ask_all(
        &[("a", &rollout()), ("b", &made.path)],
        "SELECT
           (SELECT count(DISTINCT uid) FROM a.events WHERE kind = 'Pod' AND name LIKE 'checkout-%') * 5
             = (SELECT count(DISTINCT uid) FROM b.events WHERE kind = 'Pod' AND name LIKE 'checkout-%') AS pods,
           (SELECT count(*) FROM a.events WHERE kind = 'Pod' AND name LIKE 'checkout-%') * 5
             = (SELECT count(*) FROM b.events WHERE kind = 'Pod' AND name LIKE 'checkout-%') AS events,
           (SELECT count(DISTINCT name) = count(DISTINCT uid) FROM b.events WHERE kind = 'Pod') AS names,
           (SELECT count(DISTINCT uid) FROM b.events WHERE kind = 'Pod' AND name LIKE 'settle%') AS others",
    );
    assert_eq!(answer, ["true | true | true | 2"]);
}

#[test]
fn clones_have_addresses_and_containers_of_their_own() {
    let made = make(&rollout(), MORE);
    let shared = ask(
        &made.path,
        "SELECT count(*) FROM (
           SELECT json_get_str(object, 'status', 'podIP') AS ip, count(DISTINCT uid) AS pods
           FROM events WHERE kind = 'Pod' AND name LIKE 'checkout-%' GROUP BY 1)
         WHERE ip IS NOT NULL AND pods > 1",
    );
    let recorded = ask(
        &rollout(),
        "SELECT count(*) FROM (
           SELECT json_get_str(object, 'status', 'podIP') AS ip, count(DISTINCT uid) AS pods
           FROM events WHERE kind = 'Pod' AND name LIKE 'checkout-%' GROUP BY 1)
         WHERE ip IS NOT NULL AND pods > 1",
    );
    assert_eq!(shared, recorded);
}

#[test]
fn what_is_not_of_the_workload_is_unchanged() {
    let made = make(&rollout(), MORE);
    let other = |row: &kymo_store::segment::Row| {
        let name = &row.event.key.name;
        !name.starts_with("checkout") && row.event.body.is_some()
    };
    let before: Vec<_> = rows(&rollout()).into_iter().filter(other).collect();
    let after: Vec<_> = rows(&made.path).into_iter().filter(other).collect();
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before.event.key, after.event.key);
        if before.event.body == after.event.body {
            continue;
        }
        let (mut old, mut new) = (object(before), object(after));
        let kind = old["kind"].as_str().unwrap().to_owned();
        assert!(["Event", "Pod"].contains(&kind.as_str()), "{kind}");
        for value in [&mut old, &mut new] {
            value["metadata"]
                .as_object_mut()
                .unwrap()
                .remove("resourceVersion");
        }
        assert_eq!(old, new, "all but the version, which others came between");
    }
}

#[test]
fn a_scaled_trace_is_legal() {
    let made = make(&rollout(), MORE);
    assert_eq!(crate::workbench::violations(&made.path), [""; 0]);
}

#[test]
fn a_smaller_workload_is_legal_and_keeps_recorded_pods() {
    let made = make(&rollout(), "SCALE Deployment 'shop/checkout' BY 1/2");
    assert_eq!(crate::workbench::violations(&made.path), [""; 0]);
    let kept = ask_all(
        &[("a", &rollout()), ("b", &made.path)],
        "SELECT count(DISTINCT b.uid) BETWEEN 5 AND 15, count(DISTINCT b.uid) = count(DISTINCT a.uid)
         FROM b.events AS b LEFT JOIN a.events AS a ON a.uid = b.uid AND a.kind = 'Pod'
         WHERE b.kind = 'Pod' AND b.name LIKE 'checkout-%'",
    );
    assert_eq!(kept, ["true | true"]);
}

#[test]
fn scaling_by_one_changes_no_row() {
    let made = make(&rollout(), "SCALE Deployment 'shop/checkout' BY 1");
    assert_same_rows(&made.path, &rollout());
}

#[test]
fn scaling_what_has_no_pods_by_one_changes_no_row() {
    let none = "DELETE FROM OBJECTS WHERE kind = 'Pod'";
    let scaled = format!("{none}; SCALE Deployment 'shop/checkout' BY 1");
    let rows_of = |script: &str| rows(&make(&rollout(), script).path);
    assert_eq!(rows_of(none), rows_of(&scaled));
}

#[test]
fn another_seed_draws_other_names() {
    let script = "SCALE Deployment 'shop/checkout' BY 2";
    let pods = |seed| -> Vec<String> {
        let made = try_make(&rollout(), script, seed).unwrap();
        ask(
            &made.path,
            "SELECT DISTINCT name FROM events WHERE kind = 'Pod' ORDER BY 1",
        )
    };
    let (one, other) = (pods(1), pods(2));
    assert_eq!(one, pods(1));
    assert_eq!(one.len(), other.len());
    assert_ne!(one, other);
}

#[test]
fn clones_start_as_siblings_did() {
    let made = make(&rollout(), MORE);
    let ready = "SELECT min(took), max(took) FROM (
        SELECT min(CASE WHEN condition(object, 'Ready')['status'] = 'True' THEN ts END) - min(ts) AS took
        FROM {}.events WHERE kind = 'Pod' AND name LIKE 'checkout-%' GROUP BY uid)";
    let bounds = |trace: &str| {
        ask_all(
            &[("a", &rollout()), ("b", &made.path)],
            &ready.replace("{}", trace),
        )
    };
    assert_eq!(bounds("a").len(), 1);
    let inside = ask_all(
        &[("a", &rollout()), ("b", &made.path)],
        &format!(
            "SELECT b.lowest >= a.lowest AND b.highest <= a.highest FROM
             ({}) AS a(lowest, highest) CROSS JOIN ({}) AS b(lowest, highest)",
            ready.replace("{}", "a"),
            ready.replace("{}", "b")
        ),
    );
    assert_eq!(inside, ["true"]);
}

#[test]
fn a_workload_that_is_not_there_is_told_with_the_nearest() {
    let error = try_make(
        &rollout(),
        "SCALE Deployment 'shop/chekout' TO 3 REPLICAS",
        0,
    );
    match error.err() {
        Some(kymo_transform::Error::Statement { message, hint, .. }) => {
            assert_eq!(message, "no Deployment `shop/chekout` in the trace");
            assert_eq!(hint.as_deref(), Some("did you mean `shop/checkout`?"));
        }
        other => panic!("{other:?}"),
    }
}
