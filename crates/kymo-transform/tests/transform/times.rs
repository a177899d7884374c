//! Time that is stretched and shifted.

use crate::workbench::{ask, ask_all, make, object, rollout, rows};

#[test]
fn a_shifted_trace_begins_when_it_should_and_keeps_every_distance() {
    let made = make(&rollout(), "SHIFT TIME TO '2027-01-01T00:00:00Z'");
    let answer = ask_all(
        &[("a", &rollout()), ("b", &made.path)],
        "SELECT count(DISTINCT b.ts - a.ts), count(*),
                count(DISTINCT b.created - a.created) <= 2
         FROM a.events AS a JOIN b.events AS b ON a.seq = b.seq",
    );
    assert_eq!(answer, ["1 | 866 | true"]);
    let begin = ask(
        &made.path,
        "SELECT at('0s') = TIMESTAMP '2027-01-01T00:00:00Z'",
    );
    assert_eq!(begin, ["true"]);
}

#[test]
fn half_the_time_moves_events_conditions_and_containers_together() {
    let made = make(&rollout(), "STRETCH TIME BY 0.5");
    let answer = ask_all(
        &[("a", &rollout()), ("b", &made.path)],
        "SELECT count(*) FILTER (WHERE abs(CAST(b.ts - at('0s', 'b') AS BIGINT) * 2
                 - CAST(a.ts - at('0s', 'a') AS BIGINT)) > 1),
                count(*) FILTER (WHERE b.created > b.ts)
         FROM a.events AS a JOIN b.events AS b ON a.seq = b.seq",
    );
    assert_eq!(answer, ["0 | 0"]);
    let late = ask(
        &made.path,
        "SELECT count(*) FROM events WHERE kind = 'Pod'
         AND CAST(json_get_str(object, 'status', 'containerStatuses', 0, 'state', 'running', 'startedAt') AS TIMESTAMP) > ts",
    );
    assert_eq!(late, ["0"]);
    let span = ask_all(
        &[("a", &rollout()), ("b", &made.path)],
        "SELECT abs(CAST(at('-0s', 'a') - at('0s', 'a') AS BIGINT)
                    - 2 * CAST(at('-0s', 'b') - at('0s', 'b') AS BIGINT)) <= 2",
    );
    assert_eq!(span, ["true"]);
}

#[test]
fn durations_inside_specs_stay() {
    let made = make(&rollout(), "STRETCH TIME BY 3");
    let specs = |path: &std::path::Path| -> Vec<serde_json::Value> {
        rows(path)
            .iter()
            .filter(|row| row.event.body.is_some())
            .map(|row| object(row)["spec"]["terminationGracePeriodSeconds"].clone())
            .collect()
    };
    assert_eq!(specs(&made.path), specs(&rollout()));
}
