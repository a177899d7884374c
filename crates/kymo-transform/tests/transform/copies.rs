//! Copies of namespaces, and the trace several times.

use kymo_store::segment::Row;
use kymo_transform::Error;

use crate::workbench::{ask, ask_all, make, object, rollout, rows, try_make, violations};

const THREE: &str = "SCALE NAMESPACE 'shop' BY 3";

/// Compares rows without their numbers and versions.
fn without_numbers(mut row: Row) -> (Row, serde_json::Value) {
    row.seq = 0;
    let version = row.event.rv.take();
    let mut object = match row.event.body.take() {
        Some(body) => serde_json::from_slice(&body).unwrap_or(serde_json::Value::Null),
        None => serde_json::Value::Null,
    };
    if version.is_some()
        && let Some(metadata) = object.get_mut("metadata")
    {
        metadata["resourceVersion"] = serde_json::Value::Null;
    }
    (row, object)
}

/// Fails unless two traces have the same rows, whatever their numbers and versions.
pub(crate) fn same_but_for_numbers(one: &std::path::Path, other: &std::path::Path) {
    let (one, other) = (rows(one), rows(other));
    assert_eq!(one.len(), other.len());
    for (one, other) in one.into_iter().zip(other) {
        assert_eq!(without_numbers(one), without_numbers(other));
    }
}

#[test]
fn a_namespace_is_there_three_times_with_all_that_is_in_it() {
    let made = make(&rollout(), THREE);
    let counts = ask(
        &made.path,
        "SELECT namespace, count(*) = (SELECT count(*) FROM events WHERE namespace = 'shop') AS events,
                count(DISTINCT uid) = (SELECT count(DISTINCT uid) FROM events WHERE namespace = 'shop') AS objects
         FROM events WHERE namespace LIKE 'shop%' GROUP BY namespace ORDER BY namespace",
    );
    assert_eq!(
        counts,
        [
            "shop | true | true",
            "shop-2 | true | true",
            "shop-3 | true | true"
        ]
    );
    let namespaces = ask(
        &made.path,
        "SELECT DISTINCT name FROM events WHERE kind = 'Namespace' AND name LIKE 'shop%' ORDER BY 1",
    );
    assert_eq!(namespaces, ["shop", "shop-2", "shop-3"]);
}

#[test]
fn a_trace_with_copies_of_a_namespace_is_legal() {
    assert_eq!(violations(&make(&rollout(), THREE).path), [""; 0]);
}

#[test]
fn copies_refer_to_copies_and_share_no_address() {
    let made = make(&rollout(), THREE);
    let wrong = ask(
        &made.path,
        "SELECT c.kind, c.name, c.owner_uid FROM events AS c
         LEFT JOIN events AS o ON o.uid = c.owner_uid AND o.namespace = c.namespace
         WHERE c.namespace LIKE 'shop-_' AND c.owner_uid IS NOT NULL AND o.uid IS NULL",
    );
    assert_eq!(wrong, [""; 0]);
    let wrong = ask(
        &made.path,
        "SELECT object FROM events WHERE namespace LIKE 'shop-_' AND
         (contains(CAST(object AS VARCHAR), '\"namespace\":\"shop\"') OR contains(CAST(object AS VARCHAR), 'shop/checkout'))",
    );
    assert_eq!(wrong, [""; 0]);
    let shared = "SELECT count(*) FROM (
        SELECT json_get_str(object, 'status', 'podIP') AS ip, count(DISTINCT namespace) AS owners
        FROM events WHERE kind = 'Pod' AND namespace LIKE 'shop%' GROUP BY 1)
        WHERE ip IS NOT NULL AND owners > 1";
    assert_eq!(ask(&made.path, shared), ["0"]);
    let behind = ask(
        &made.path,
        "SELECT count(*) > 0, count(*) = count(p.uid) FROM
           (SELECT DISTINCT namespace, unnest(json_path(object, '$.endpoints[*].targetRef.uid')) AS uid
            FROM events WHERE kind = 'EndpointSlice' AND namespace LIKE 'shop-_') AS t
         LEFT JOIN (SELECT DISTINCT namespace, uid FROM events WHERE kind = 'Pod') AS p
         ON p.uid = t.uid AND p.namespace = t.namespace",
    );
    assert_eq!(behind, ["true | true"]);
}

#[test]
fn one_of_a_namespace_and_a_trace_seen_once_change_nothing() {
    for script in [
        "SCALE NAMESPACE 'shop' BY 1",
        "SCALE NAMESPACE 'shop' TO 1",
        "REPEAT 1 TIMES",
        "REPEAT 1 TIMES EVERY '1h'",
    ] {
        assert_eq!(
            rows(&make(&rollout(), script).path),
            rows(&rollout()),
            "{script}"
        );
    }
}

#[test]
fn namespaces_that_cannot_be_copied_are_refused_with_their_place() {
    let refused = |script: &str| match try_make(&rollout(), script, 0).err() {
        Some(Error::Statement {
            message,
            place,
            hint,
        }) => (
            message,
            script[place.start..place.end].to_owned(),
            hint.unwrap_or_default(),
        ),
        other => panic!("{script}: {other:?}"),
    };
    let (message, place, hint) = refused("SCALE NAMESPACE 'shopp' BY 2");
    assert_eq!(message, "no namespace `shopp` in the trace");
    assert_eq!(place, "'shopp'");
    assert_eq!(hint, "did you mean `shop`?");
    let (message, place, _) = refused("SCALE NAMESPACE 'shop' BY 1/2");
    assert_eq!(message, "a namespace cannot be less than one");
    assert_eq!(place, "1/2");
    let (message, ..) = refused("SCALE NAMESPACE 'shop' BY 2.5");
    assert!(message.contains("a whole number"), "{message}");
    let (message, ..) = refused("SCALE NAMESPACE 'shop' TO 1000000");
    assert!(message.contains("100000"), "{message}");
    let (message, place, _) = refused("REPEAT 2 TIMES EVERY '5s'");
    assert!(message.contains("overlap"), "{message}");
    assert_eq!(place, "REPEAT 2 TIMES EVERY '5s'");
}

#[test]
fn copies_of_copies_have_names_and_uids_of_their_own() {
    let made = make(
        &rollout(),
        "SCALE NAMESPACE 'shop' BY 2; SCALE NAMESPACE 'shop' BY 2; SCALE NAMESPACE 'shop-2' BY 2;
         SCALE Deployment 'shop-2/checkout' BY 2",
    );
    assert_eq!(violations(&made.path), [""; 0]);
    let namespaces = ask(
        &made.path,
        "SELECT namespace, count(DISTINCT name) FROM events
         WHERE kind = 'Pod' AND namespace LIKE 'shop%' GROUP BY 1 ORDER BY 1",
    );
    let names: Vec<_> = namespaces
        .iter()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(names, ["shop", "shop-2", "shop-2-2", "shop-3"]);
}

#[test]
fn the_same_seed_makes_the_same_copies() {
    let bytes = |seed| std::fs::read(try_make(&rollout(), THREE, seed).unwrap().path).unwrap();
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}

#[test]
fn a_trace_is_seen_again_with_new_objects_behind_a_gap() {
    let made = make(&rollout(), "REPEAT 3 TIMES EVERY '1m'");
    assert_eq!(violations(&made.path), [""; 0]);
    let times = ask_all(
        &[("a", &rollout()), ("b", &made.path)],
        "SELECT date_part('minute', b.ts - s.ts) AS minute, count(*) = s.events, count(DISTINCT b.uid) = s.objects
         FROM b.events AS b CROSS JOIN
           (SELECT min(ts) AS ts, count(*) AS events, count(DISTINCT uid) AS objects FROM a.events) AS s
         WHERE b.certainty <> 'inferred' GROUP BY minute, s.events, s.objects ORDER BY minute",
    );
    assert_eq!(
        times,
        ["0 | true | true", "1 | true | true", "2 | true | true"]
    );
    let left = "SELECT count(DISTINCT uid) - count(DISTINCT uid) FILTER (WHERE type = 'DELETED')
                FROM events WHERE uid <> ''";
    assert_eq!(
        ask(&rollout(), left),
        ask(&made.path, left),
        "what was alive at the end of a time is gone in the next"
    );
    let gaps = ask(
        &made.path,
        "SELECT count(*) FROM coverage WHERE state = 'unobserved' AND detail = 'between two repetitions'",
    );
    assert_eq!(gaps, ["2"]);
    let first = rows(&made.path)
        .into_iter()
        .filter(|row| row.session == 1 && row.seq <= 2000)
        .count();
    assert_eq!(first, rows(&rollout()).len());
}

#[test]
fn objects_of_a_copy_read_like_recorded_ones() {
    let made = make(&rollout(), THREE);
    let copy = rows(&made.path).into_iter().find(|row| {
        row.event.key.namespace == "shop-2"
            && row.event.key.name.starts_with("checkout-")
            && row.event.body.is_some()
            && object(row)["kind"] == "Pod"
    });
    let pod = object(&copy.unwrap());
    assert_eq!(pod["metadata"]["namespace"], "shop-2");
    let managed = pod["metadata"]["managedFields"].to_string();
    let owner = pod["metadata"]["ownerReferences"][0]["uid"]
        .as_str()
        .unwrap();
    assert!(
        managed.is_empty() || managed == "null" || managed.contains(owner),
        "{managed}"
    );
}
