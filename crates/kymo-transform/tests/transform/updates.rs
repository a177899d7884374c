//! Events that are set by expressions.

use kymo_transform::Error;

use crate::workbench::{ask, ask_all, make, object, rollout, rows, try_make, violations};

fn refusal(script: &str) -> String {
    match try_make(&rollout(), script, 0) {
        Ok(_) => panic!("{script} was run"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn an_expression_sets_the_objects_of_the_events_that_match_and_no_others() {
    let script =
        "UPDATE events SET object = json_set(object, '/spec/priority', 1000) WHERE kind = 'Pod'";
    let made = make(&rollout(), script);
    let all = ask(&rollout(), "SELECT count(*) FROM events WHERE kind = 'Pod'");
    assert_eq!(made.report.named, [Some(all[0].parse().unwrap())]);
    for (before, after) in rows(&rollout()).iter().zip(rows(&made.path)) {
        if before.event.body.is_some() && object(before)["kind"] == "Pod" {
            let mut expected = object(before);
            expected["spec"]["priority"] = 1000.into();
            assert_eq!(object(&after), expected);
        } else {
            assert_eq!(*before, after, "byte for byte");
        }
    }
    assert_eq!(violations(&made.path), [""; 0]);
}

#[test]
fn what_typed_columns_tell_follows_from_the_object() {
    let script = r#"UPDATE objects SET object = json_merge(object, '{"metadata":{"labels":{"team":"shop"}}}')
        WHERE kind = 'Deployment' AND versions > 1"#;
    let made = make(&rollout(), script);
    let labels = ask(
        &made.path,
        "SELECT DISTINCT kind, matches(labels, 'team=shop') FROM events WHERE kind IN ('Deployment', 'Job') ORDER BY 1",
    );
    assert_eq!(labels, ["Deployment | true", "Job | false"]);
}

#[test]
fn an_update_sees_what_statements_before_it_made() {
    let script = r#"
        PATCH objects WITH MERGE '{"spec":{"replicas":3}}' WHERE kind = 'Deployment';
        UPDATE events SET object = json_set(object, '/spec/replicas', json_get_int(object, 'spec', 'replicas') * 2)
        WHERE kind = 'Deployment';
        DELETE FROM events WHERE kind = 'Deployment' AND json_get_int(object, 'spec', 'replicas') <> 6"#;
    let made = make(&rollout(), script);
    assert_eq!(made.report.named[2], Some(0));
    let replicas = ask(
        &made.path,
        "SELECT DISTINCT json_get_int(object, 'spec', 'replicas') FROM events WHERE kind = 'Deployment'",
    );
    assert_eq!(replicas, ["6"]);
}

#[test]
fn a_time_that_is_set_moves_events_to_their_places() {
    let script = "UPDATE events SET ts = ts + INTERVAL '3 seconds' WHERE namespace = 'shop'";
    let made = make(&rollout(), script);
    let answer = ask_all(
        &[("a", &rollout()), ("b", &made.path)],
        "SELECT count(*) FILTER (WHERE b.moved = duration('3s')) = (SELECT count(*) FROM a.events WHERE namespace = 'shop'),
                (SELECT count(*) FROM (SELECT ts < lag(ts) OVER (ORDER BY seq) AS back FROM b.events) WHERE back),
                (SELECT count(*) = count(DISTINCT seq) FROM b.events)
         FROM (SELECT b.ts - a.ts AS moved FROM
            (SELECT *, row_number() OVER (PARTITION BY resource, uid, name ORDER BY seq) AS n FROM a.events) AS a
            JOIN (SELECT *, row_number() OVER (PARTITION BY resource, uid, name ORDER BY seq) AS n FROM b.events) AS b
            ON a.resource = b.resource AND a.uid = b.uid AND a.name = b.name AND a.n = b.n) AS b",
    );
    assert_eq!(answer, ["true | 0 | true"]);
    assert_eq!(violations(&made.path), [""; 0]);
}

#[test]
fn what_says_which_object_it_is_cannot_be_set() {
    let text = refusal(
        "UPDATE events SET object = json_set(object, '/metadata/name', 'x') WHERE kind = 'Job'",
    );
    assert!(text.contains("`shop/settle-accounts`"), "{text}");
    assert!(
        text.contains("changes /metadata/name, which says which object"),
        "{text}"
    );
}

#[test]
fn values_that_are_no_objects_or_times_are_refused() {
    let text = refusal("UPDATE events SET object = object -> 'spec'");
    assert!(
        text.contains("`object` is a document as text, not"),
        "{text}"
    );
    let text = refusal("UPDATE events SET ts = 5");
    assert!(text.contains("`ts` is a time, not Int64"), "{text}");
    let text = refusal("UPDATE events SET object = nullif(name, 'x')");
    assert!(
        text.contains("what becomes the object is not JSON"),
        "{text}"
    );
    let text = refusal("UPDATE events SET object = NULL WHERE kind = 'Job'");
    assert!(text.contains("would become null"), "{text}");
    let text = refusal("UPDATE events SET object = '[]' WHERE kind = 'Job'");
    assert!(text.contains("is no object"), "{text}");
}

#[test]
fn the_order_of_an_objects_events_cannot_be_turned() {
    let script = "UPDATE events SET ts = at('20s') - (ts - at('0s')) WHERE kind = 'Deployment'";
    let text = refusal(script);
    assert!(
        text.contains("would come before the event of the object in front"),
        "{text}"
    );
}

#[test]
fn what_is_wrong_in_an_expression_is_told_with_its_place() {
    let script = "UPDATE events SET ts = ts,\n object = json_set(objct, '/a', 1)";
    match try_make(&rollout(), script, 0).err() {
        Some(Error::Condition { source, place, .. }) => {
            assert_eq!(
                source.to_string(),
                "no column `objct`; did you mean `object`?"
            );
            assert!(script[place.start..place.end].starts_with("json_set(objct"));
        }
        other => panic!("{other:?}"),
    }
}
