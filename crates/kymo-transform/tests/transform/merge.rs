//! Two traces that become one.

use std::path::Path;

use kymo_transform::Error;
use tempfile::TempDir;

use crate::workbench::{
    Made, ask, ask_all, assert_same_rows, make, rollout, try_make, try_make_in, violations,
};

/// Cuts the rollout into parts with names, in a directory of their own.
fn parts(scripts: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, script) in scripts {
        let made = make(&rollout(), script);
        std::fs::copy(&made.path, directory.path().join(name)).unwrap();
    }
    directory
}

fn merged(directory: &TempDir, first: &str, script: &str) -> Result<Made, Error> {
    try_make_in(directory.path(), &directory.path().join(first), script, 7)
}

fn is_the_whole(made: &Path) {
    assert_same_rows(made, &rollout());
    let coverage = "SELECT feed, session, state, from_ts, to_ts FROM coverage ORDER BY 1, 2, 3, 4";
    assert_eq!(ask(made, coverage), ask(&rollout(), coverage));
}

#[test]
fn slices_of_a_trace_are_the_whole_again() {
    let directory = parts(&[
        ("a.parquet", "SLICE TO '12s'"),
        ("b.parquet", "SLICE FROM '12s' TO '20s'"),
        ("c.parquet", "SLICE FROM '20s'"),
    ]);
    let made = merged(
        &directory,
        "a.parquet",
        "MERGE TRACE 'b.parquet'; MERGE TRACE 'c.parquet'",
    );
    is_the_whole(&made.unwrap().path);
    let made = merged(
        &directory,
        "c.parquet",
        "MERGE TRACE 'a.parquet'; MERGE TRACE 'b.parquet'",
    );
    is_the_whole(&made.unwrap().path);
}

#[test]
fn slices_that_overlap_are_the_whole_as_well() {
    let directory = parts(&[
        ("a.parquet", "SLICE TO '20s'"),
        ("b.parquet", "SLICE FROM '8s'"),
    ]);
    is_the_whole(
        &merged(&directory, "a.parquet", "MERGE TRACE 'b.parquet'")
            .unwrap()
            .path,
    );
}

#[test]
fn what_was_not_seen_between_slices_is_said() {
    let directory = parts(&[
        ("a.parquet", "SLICE TO '8s'"),
        ("b.parquet", "SLICE FROM '20s'"),
    ]);
    let made = merged(&directory, "a.parquet", "MERGE TRACE 'b.parquet'").unwrap();
    let changed = ask(
        &made.path,
        "SELECT count(*) > 0 FROM events WHERE certainty = 'coalesced' AND type = 'MODIFIED'",
    );
    assert_eq!(changed, ["true"]);
    let twice = ask(
        &made.path,
        "SELECT count(*) FROM (SELECT uid FROM events WHERE type = 'ADDED' AND uid <> ''
         GROUP BY uid, resource, api_group HAVING count(*) > 1)",
    );
    assert_eq!(twice, ["0"]);
    let stretches = ask(
        &made.path,
        "SELECT count(*) FROM coverage AS c JOIN feeds AS f ON f.feed = c.feed
         WHERE f.resource = 'pods' AND c.state = 'observed'",
    );
    assert_eq!(stretches, ["2"]);
    assert_eq!(violations(&made.path), [""; 0]);
}

#[test]
fn a_part_that_was_changed_since_is_refused() {
    let directory = parts(&[
        ("a.parquet", "SLICE TO '20s'"),
        (
            "b.parquet",
            "PATCH OBJECTS WITH MERGE '{\"metadata\":{\"labels\":{\"a\":\"b\"}}}' WHERE kind = 'Pod'",
        ),
        ("c.parquet", "SCALE NAMESPACE 'shop' BY 2"),
    ]);
    let refused = |script: &str| match merged(&directory, "a.parquet", script).err() {
        Some(Error::Statement { message, place, .. }) => {
            (message, script[place.start..place.end].to_owned())
        }
        other => panic!("{other:?}"),
    };
    let (message, place) = refused("MERGE TRACE 'b.parquet'");
    assert!(message.contains("is not the same in both"), "{message}");
    assert_eq!(place, "'b.parquet'");
    let (message, _) = refused("MERGE TRACE 'c.parquet'");
    assert!(message.contains("of one recording"), "{message}");
}

#[test]
fn a_trace_with_a_prefix_is_another_world_beside_the_first() {
    let script = "MERGE TRACE 'fixtures/rollout.parquet' AT '5s' PREFIX NAMESPACES 'b-'";
    let made = make(&rollout(), script);
    assert_eq!(violations(&made.path), [""; 0]);
    let both = ask_all(
        &[("a", &rollout()), ("b", &made.path)],
        "SELECT
           (SELECT count(*) FROM b.events WHERE namespace = 'shop') = s.events AS first,
           (SELECT count(*) FROM b.events WHERE namespace = 'b-shop') = s.events AS second,
           (SELECT min(ts) FROM b.events WHERE namespace = 'b-shop' AND certainty = 'seen') - s.ts AS later,
           (SELECT count(DISTINCT name) FROM b.events WHERE kind = 'Node') = 2 * n.nodes AS nodes,
           (SELECT count(*) FROM b.events WHERE kind = 'Lease' AND namespace = 'kube-node-lease') = 2 * l.leases AS leases
         FROM (SELECT count(*) AS events, min(ts) FILTER (WHERE certainty = 'seen') AS ts FROM a.events WHERE namespace = 'shop') AS s
         CROSS JOIN (SELECT count(DISTINCT name) AS nodes FROM a.events WHERE kind = 'Node') AS n
         CROSS JOIN (SELECT count(*) AS leases FROM a.events WHERE kind = 'Lease' AND namespace = 'kube-node-lease') AS l",
    );
    assert_eq!(both, ["true | true | PT5S | true | true"]);
    let nodes = ask(
        &made.path,
        "SELECT DISTINCT starts_with(json_get_str(object, 'spec', 'nodeName'), 'b-') FROM events
         WHERE kind = 'Pod' AND namespace = 'b-shop' AND json_get_str(object, 'spec', 'nodeName') IS NOT NULL",
    );
    assert_eq!(nodes, ["true"]);
    let feeds = ask(
        &made.path,
        "SELECT count(*), count(DISTINCT c.from_ts) FROM coverage AS c JOIN feeds AS f ON f.feed = c.feed
         WHERE f.resource = 'pods' AND c.state = 'observed'",
    );
    assert_eq!(feeds, ["2 | 2"]);
    let inputs = kymo_store::Trace::open(&made.path)
        .unwrap()
        .lineage()
        .last()
        .cloned();
    let inputs = inputs.unwrap()["inputs"].clone();
    assert_eq!(inputs.as_array().map(Vec::len), Some(2));
    assert_eq!(inputs[0]["digest"], inputs[1]["digest"]);
}

#[test]
fn what_is_made_of_a_merged_trace_is_legal() {
    let made = make(
        &rollout(),
        "MERGE TRACE 'fixtures/rollout.parquet' AT '5s' PREFIX NAMESPACES 'b-';
         PATCH OBJECTS WITH MERGE '{\"metadata\":{\"labels\":{\"a\":\"b\"}}}' WHERE kind = 'Pod' FROM '10s' TO '15s';
         SCALE Deployment 'b-shop/checkout' BY 2",
    );
    assert_eq!(violations(&made.path), [""; 0]);
}

#[test]
fn without_the_other_world_the_first_is_as_it_was() {
    let made = make(
        &rollout(),
        "MERGE TRACE 'fixtures/rollout.parquet' AT '5s' PREFIX NAMESPACES 'b-';
         KEEP OBJECTS WHERE session = 1",
    );
    let plain = |path: &Path| {
        ask(
            path,
            "SELECT ts, type, certainty, api_group, resource, namespace, name, uid, generation
             FROM events ORDER BY seq",
        )
    };
    assert_eq!(plain(&made.path), plain(&rollout()));
}

#[test]
fn traces_that_do_not_go_together_are_refused_with_their_place() {
    let refused = |script: &str| match try_make(&rollout(), script, 0).err() {
        Some(Error::Statement {
            message,
            place,
            hint,
        }) => {
            assert!(script[place.start..place.end].starts_with('\''), "{script}");
            (message, hint.unwrap_or_default())
        }
        other => panic!("{script}: {other:?}"),
    };
    let (message, hint) = refused("MERGE TRACE 'fixtures/rollout.parquet' AT '5s'");
    assert!(message.contains("both traces have"), "{message}");
    assert!(hint.contains("PREFIX NAMESPACES"), "{hint}");
    let (message, _) = refused("MERGE TRACE 'fixtures/none.parquet'");
    assert!(message.contains("cannot open"), "{message}");
    let (message, _) = refused("MERGE TRACE '/etc/passwd'");
    assert!(
        message.contains("does not begin at the script"),
        "{message}"
    );
    let (_, hint) = refused("MERGE TRACE 'Cargo.toml'");
    assert!(hint.contains("traces of kymo only"), "{hint}");
    let (message, _) = refused(
        "MERGE TRACE 'fixtures/rollout.parquet' PREFIX NAMESPACES 'b-';
         MERGE TRACE 'fixtures/rollout.parquet' PREFIX NAMESPACES 'b-'",
    );
    assert!(message.contains("already"), "{message}");
}
