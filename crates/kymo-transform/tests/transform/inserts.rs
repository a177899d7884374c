//! Rows of a query that become events.

use kymo_transform::Error;

use crate::workbench::{ask, ask_all, make, rollout, rows, try_make, violations};

/// A node that is never there, as `node-0` is.
const NODE: &str = "INSERT INTO events (ts, type, object)
    SELECT ts, type, json_remove(json_set(object, '/metadata/name', 'node-x'), '/metadata/uid')
    FROM events WHERE kind = 'Node' AND name = 'node-0'";

fn refusal(script: &str) -> String {
    match try_make(&rollout(), script, 0) {
        Ok(_) => panic!("{script} was run"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_query_makes_an_object_with_a_uid_and_versions_of_its_own() {
    let made = make(&rollout(), NODE);
    let answer = ask_all(
        &[("a", &rollout()), ("b", &made.path)],
        "SELECT
           (SELECT count(*) FROM b.events WHERE name = 'node-x' AND kind = 'Node')
             = (SELECT count(*) FROM a.events WHERE name = 'node-0' AND kind = 'Node') AS all_of_it,
           (SELECT count(DISTINCT uid) FROM b.events WHERE name = 'node-x') AS uids,
           (SELECT count(*) FROM b.events WHERE kind = 'Node' AND uid IN
             (SELECT uid FROM b.events WHERE name <> 'node-x')
             AND name = 'node-x') AS shared,
           (SELECT count(DISTINCT (resource_version)) = count(*) FROM b.events WHERE name = 'node-x') AS versions",
    );
    assert_eq!(answer, ["true | 1 | 0 | true"]);
    assert_eq!(violations(&made.path), [""; 0]);
    assert_eq!(made.report.new, made.report.named[0].unwrap());
}

#[test]
fn other_resources_stay_byte_for_byte_but_for_their_numbers() {
    let made = make(&rollout(), NODE);
    let pods = |path: &std::path::Path| -> Vec<_> {
        let of_pods = rows(path).into_iter().filter(|row| {
            row.event
                .body
                .as_deref()
                .is_some_and(|body| body.windows(12).any(|part| part == b"\"kind\":\"Pod\""))
        });
        of_pods.map(|row| row.event).collect()
    };
    assert_eq!(pods(&made.path), pods(&rollout()));
}

#[test]
fn an_event_of_an_object_that_is_there_is_one_of_its_versions() {
    let script = "INSERT INTO events
        SELECT ts + INTERVAL '1 millisecond' AS ts, json_set(object, '/metadata/labels/late', 'yes') AS object
        FROM events WHERE kind = 'Deployment' ORDER BY seq LIMIT 1";
    let made = make(&rollout(), script);
    let answer = ask(
        &made.path,
        "SELECT type, certainty, (SELECT count(DISTINCT uid) FROM events WHERE kind = 'Deployment') FROM events
         WHERE matches(labels, 'late=yes')",
    );
    assert_eq!(answer, ["MODIFIED | inferred | 1"]);
    assert_eq!(violations(&made.path), [""; 0]);
}

#[test]
fn rows_that_would_break_a_rule_are_refused_with_its_name() {
    let text =
        refusal("INSERT INTO events SELECT * FROM events WHERE kind = 'Node' AND name = 'node-0'");
    assert!(
        text.contains("row 1 of the query, `node-0`: it is ADDED while"),
        "{text}"
    );
    assert!(text.contains("rule `life-cycle`"), "{text}");
    let text = refusal(
        "INSERT INTO events SELECT ts, json_set(object, '/metadata/name', 'x') AS object FROM events WHERE kind = 'Node'",
    );
    assert!(text.contains("(rule `unique-"), "{text}");
    let text = refusal(
        "INSERT INTO events SELECT ts, json_remove(object, '/metadata/uid') AS object, 'DELETED' AS type
         FROM (SELECT ts, json_set(object, '/metadata/name', 'x') AS object FROM events WHERE kind = 'Node' LIMIT 1)",
    );
    assert!(
        text.contains("the object is not there then (rule `life-cycle`)"),
        "{text}"
    );
    let text = refusal(
        "INSERT INTO events SELECT at('0s') - INTERVAL '1 year' AS ts, json_remove(json_set(object, '/metadata/name', 'x'), '/metadata/uid') AS object
         FROM events WHERE kind = 'Job'",
    );
    assert!(text.contains("rule `times`"), "{text}");
}

#[test]
fn columns_must_be_those_of_events() {
    let text = refusal("INSERT INTO events SELECT ts FROM events");
    assert_eq!(text, "the query has no column `object`");
    let text = refusal("INSERT INTO events SELECT ts, object, kind AS knd FROM events");
    assert_eq!(text, "events have no column `knd`; did you mean `kind`?");
    let text = refusal("INSERT INTO events SELECT seq AS ts, object FROM events");
    assert_eq!(text, "`ts` is a time, not Int64");
    let text = refusal("INSERT INTO events (ts, object) SELECT ts, object, kind FROM events");
    assert_eq!(text, "2 columns are named, and the query has 3");
    let text = refusal(
        "INSERT INTO events SELECT ts, object, 'Pod' AS kind FROM events WHERE kind = 'Job'",
    );
    assert!(
        text.contains("the column `kind` says `Pod` and the object `Job`"),
        "{text}"
    );
    let text = refusal(
        r#"INSERT INTO events SELECT at('1s') AS ts, '{"apiVersion":"a/v1","kind":"B","metadata":{"name":"c"}}' AS object"#,
    );
    assert!(text.contains("the trace has no feed of a/v1 B"), "{text}");
}

#[test]
fn what_is_wrong_in_the_query_is_told_with_its_place() {
    let script = "INSERT INTO events\nSELECT ts, objct FROM events";
    match try_make(&rollout(), script, 0).err() {
        Some(Error::Condition { source, place, .. }) => {
            assert_eq!(
                source.to_string(),
                "no column `objct`; did you mean `object`?"
            );
            assert!(script[place.start..place.end].starts_with("SELECT ts"));
        }
        other => panic!("{other:?}"),
    }
}
