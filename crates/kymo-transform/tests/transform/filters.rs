//! What stays of a trace, and what does not.

use crate::workbench::{ask, ask_all, make, rollout, rows};

#[test]
fn a_deleted_kind_is_gone_and_everything_else_is_as_it_was() {
    let made = make(&rollout(), "DELETE FROM events WHERE kind = 'Lease'");
    let before = rows(&rollout());
    let leases = ask(&rollout(), "SELECT seq FROM events WHERE kind = 'Lease'");
    assert_eq!(made.report.named, [Some(leases.len() as u64)]);
    let kept: Vec<_> = before
        .into_iter()
        .filter(|row| !leases.contains(&row.seq.to_string()))
        .collect();
    assert_eq!(rows(&made.path), kept);
}

#[test]
fn objects_are_deleted_with_all_that_they_own() {
    let made = make(
        &rollout(),
        "DELETE FROM objects WHERE kind = 'Deployment' AND name = 'checkout' CASCADE",
    );
    let left = ask(
        &made.path,
        "SELECT DISTINCT kind FROM objects WHERE name LIKE 'checkout-%' AND kind <> 'Event' ORDER BY 1",
    );
    // The ConfigMap has no owner, and the EndpointSlice belongs to the Service.
    assert_eq!(left, ["ConfigMap", "EndpointSlice"]);
    let pods = ask(
        &made.path,
        "SELECT count(*) FROM objects WHERE kind = 'Pod'",
    );
    assert_eq!(pods, ["2"], "those of the Job");
}

#[test]
fn what_is_kept_can_bring_its_owners() {
    let script = "KEEP objects WHERE kind = 'Pod' AND name LIKE 'checkout-%' WITH OWNERS";
    let made = make(&rollout(), script);
    let kinds = ask(
        &made.path,
        "SELECT kind, count(*) FROM objects GROUP BY kind ORDER BY kind",
    );
    assert_eq!(kinds, ["Deployment | 1", "Pod | 20", "ReplicaSet | 3"]);
}

#[test]
fn what_is_kept_can_bring_what_it_owns() {
    let made = make(&rollout(), "KEEP objects WHERE kind = 'Job' WITH OWNED");
    let kinds = ask(
        &made.path,
        "SELECT kind, count(*) FROM objects GROUP BY kind ORDER BY kind",
    );
    assert_eq!(kinds, ["Job | 1", "Pod | 2"]);
}

#[test]
fn the_output_says_which_resources_are_partial() {
    let made = make(
        &rollout(),
        "DELETE FROM events WHERE kind IN ('Lease', 'Endpoints')",
    );
    let steps = ask(
        &made.path,
        "SELECT json_get_json(details, 'partial') FROM lineage WHERE command = 'transform'",
    );
    assert_eq!(
        steps,
        [concat!(
            r#"[{"api_group":"","resource":"endpoints"},"#,
            r#"{"api_group":"coordination.k8s.io","resource":"leases"}]"#,
        )]
    );
}

#[test]
fn a_later_statement_sees_what_an_earlier_one_left() {
    let script = "
        DELETE FROM events WHERE kind = 'Pod' AND type = 'DELETED';
        -- The objects end otherwise now.
        KEEP objects WHERE kind = 'Pod' AND last_seen > at('30s');
    ";
    let made = make(&rollout(), script);
    let same = ask_all(
        &[("a", &rollout()), ("b", &made.path)],
        "SELECT
           (SELECT count(*) FROM a.events WHERE kind = 'Pod' AND type <> 'DELETED' AND uid IN (
              SELECT uid FROM (
                SELECT uid, max(ts) AS last FROM a.events
                WHERE kind = 'Pod' AND type <> 'DELETED' GROUP BY uid)
              WHERE last > at('30s', 'a')))
           = (SELECT count(*) FROM b.events),
           (SELECT count(*) FROM b.events) > 0",
    );
    assert_eq!(same, ["true | true"]);
}

#[test]
fn a_slice_begins_with_what_was_alive() {
    let made = make(&rollout(), "SLICE FROM '10s' TO '20s'");
    let same = ask_all(
        &[("a", &rollout()), ("b", &made.path)],
        "SELECT
           (SELECT count(*) FROM a.events WHERE ts >= at('10s', 'a') AND ts < at('20s', 'a'))
           = (SELECT count(*) FROM b.events WHERE certainty <> 'listed') AS inside,
           (SELECT count(*) FROM a.versions
            WHERE valid_from < at('10s', 'a') AND (valid_to IS NULL OR valid_to >= at('10s', 'a')))
           = (SELECT count(*) FROM b.events WHERE certainty = 'listed') AS alive,
           (SELECT min(ts) FROM b.events) = at('10s', 'a') AS begin,
           (SELECT max(ts) FROM b.events) < at('20s', 'a') AS end",
    );
    assert_eq!(same, ["true | true | true | true"]);
    let unordered = ask(
        &made.path,
        "SELECT count(*) FILTER (WHERE ts < before) FROM
         (SELECT ts, lag(ts) OVER (PARTITION BY resource ORDER BY seq) AS before FROM events)",
    );
    assert_eq!(unordered, ["0"], "numbers grow with time");
}

#[test]
fn the_coverage_of_a_slice_is_that_of_its_stretch() {
    let made = make(&rollout(), "SLICE FROM '10s' TO '20s'");
    let outside = ask_all(
        &[("a", &rollout()), ("b", &made.path)],
        "SELECT count(*) FILTER (WHERE from_ts < at('10s', 'a') OR to_ts > at('20s', 'a')),
                count(*) FILTER (WHERE state = 'observed' AND from_ts = at('10s', 'a')
                                 AND to_ts = at('20s', 'a')) > 50
         FROM b.coverage",
    );
    assert_eq!(outside, ["0 | true"]);
}
