//! Arrivals that move and lifetimes that stretch.

use std::path::Path;

use crate::workbench::{ask, ask_all, make, rollout, rows, violations};

/// How events of two traces are joined: by the place in their objects' timelines.
fn moved(other: &Path, columns: &str, condition: &str) -> Vec<String> {
    let numbered = |trace: &str| {
        format!(
            "(SELECT *, row_number() OVER (PARTITION BY resource, uid, name ORDER BY seq) AS n,
                first_value(ts) OVER (PARTITION BY resource, uid, name ORDER BY seq) AS first
              FROM {trace}.events)"
        )
    };
    ask_all(
        &[("a", &rollout()), ("b", other)],
        &format!(
            "SELECT {columns} FROM {} AS a JOIN {} AS b
             ON a.resource = b.resource AND a.uid = b.uid AND a.name = b.name AND a.n = b.n
             WHERE {condition}",
            numbered("a"),
            numbered("b"),
        ),
    )
}

#[test]
fn a_factor_of_one_changes_no_row() {
    for script in [
        "STRETCH ARRIVALS BY 1",
        "STRETCH LIFETIMES BY 1 WHERE kind = 'Pod'",
    ] {
        let made = make(&rollout(), script);
        assert_eq!(rows(&made.path), rows(&rollout()), "{script}");
    }
}

#[test]
fn the_gaps_between_arrivals_shrink_and_timelines_stay() {
    let made = make(&rollout(), "STRETCH ARRIVALS BY 0.25");
    // The Job was made in the recording; its pods and Events move with it.
    let job = moved(
        &made.path,
        "count(DISTINCT b.ts - a.ts),
         bool_and(CAST(b.first - at('0s', 'b') AS BIGINT) = CAST(a.first - at('0s', 'a') AS BIGINT) / 4)
           FILTER (WHERE a.kind = 'Job')",
        "a.namespace = 'shop' AND a.name LIKE 'settle-accounts%' AND a.kind <> 'Event'",
    );
    assert_eq!(job, ["1 | true"]);
    let answer = ask(
        &made.path,
        "SELECT count(*) FILTER (WHERE ts < before), count(*) = count(DISTINCT seq) FROM
         (SELECT seq, ts, lag(ts) OVER (ORDER BY seq) AS before FROM events)",
    );
    assert_eq!(answer, ["0 | true"]);
    assert_eq!(violations(&made.path), [""; 0]);
}

#[test]
fn arrivals_can_be_spread_out_too() {
    let made = make(&rollout(), "STRETCH ARRIVALS BY 3");
    assert_eq!(violations(&made.path), [""; 0]);
    let later = ask_all(
        &[("a", &rollout()), ("b", &made.path)],
        "SELECT at('-0s', 'b') > at('-0s', 'a')",
    );
    assert_eq!(later, ["true"]);
}

#[test]
fn a_condition_moves_the_trees_in_which_something_matches() {
    let made = make(&rollout(), "STRETCH ARRIVALS BY 0.5 WHERE kind = 'Job'");
    let answer = moved(
        &made.path,
        "DISTINCT a.kind, a.ts = b.ts",
        "a.namespace = 'shop' AND a.kind IN ('Job', 'ConfigMap', 'Deployment', 'ReplicaSet')
         OR a.kind = 'Pod' ORDER BY 1, 2",
    );
    assert_eq!(
        answer,
        [
            "ConfigMap | true",
            "Deployment | true",
            "Job | false",
            "Pod | false",
            "Pod | true",
            "ReplicaSet | true"
        ]
    );
    assert_eq!(violations(&made.path), [""; 0]);
}

#[test]
fn lifetimes_stretch_around_the_first_event_of_a_tree() {
    let made = make(&rollout(), "STRETCH LIFETIMES BY 2 WHERE kind = 'Pod'");
    let answer = moved(
        &made.path,
        "max(CAST(b.ts - b.first AS BIGINT)) = 2 * max(CAST(a.ts - a.first AS BIGINT)), bool_and(a.first = b.first)",
        "a.kind = 'Job'",
    );
    assert_eq!(answer, ["true | true"]);
    assert_eq!(violations(&made.path), [""; 0]);
    let halved = make(&rollout(), "STRETCH LIFETIMES BY 1/2");
    assert_eq!(violations(&halved.path), [""; 0]);
}

#[test]
fn stretching_twice_is_stretching_by_the_product() {
    for what in ["ARRIVALS", "LIFETIMES"] {
        let twice = make(
            &rollout(),
            &format!("STRETCH {what} BY 2; STRETCH {what} BY 3"),
        );
        let once = make(&rollout(), &format!("STRETCH {what} BY 6"));
        let times = |path: &Path| -> Vec<_> {
            let mut times: Vec<_> = rows(path)
                .iter()
                .map(|row| (row.event.key.clone(), row.event.ts.0))
                .collect();
            times.sort();
            times
        };
        let pairs = times(&twice.path).into_iter().zip(times(&once.path));
        // Times are rounded to nanoseconds each time.
        let apart = pairs.map(|((a, at), (b, bt))| {
            assert_eq!(a, b);
            (at - bt).abs()
        });
        assert!(apart.max().unwrap() < 10, "{what}");
    }
}

#[test]
fn times_inside_objects_move_with_their_events() {
    let made = make(&rollout(), "STRETCH ARRIVALS BY 0.5 WHERE kind = 'Job'");
    let apart = moved(
        &made.path,
        "count(*) > 0, max(abs(CAST((b.ts - a.ts) AS BIGINT) / 1000000000 - extract(epoch FROM b.created - a.created))) <= 1",
        "a.kind IN ('Job', 'Pod') AND a.name LIKE 'settle-accounts%'",
    );
    assert_eq!(apart, ["true | true"]);
}

#[test]
fn a_deletion_stays_as_far_behind_its_request_as_its_grace_period() {
    for script in ["STRETCH TIME BY 5", "STRETCH LIFETIMES BY 5"] {
        let made = make(&rollout(), script);
        assert_eq!(violations(&made.path), [""; 0], "{script}");
        let deletions = "SELECT count(*) > 0 FROM events WHERE deleted IS NOT NULL";
        assert_eq!(ask(&made.path, deletions), ["true"]);
    }
}
