//! Objects that are changed.

use std::path::Path;

use kymo_store::{Trace, pack};
use rstest::rstest;
use serde_json::json;

use crate::workbench::{ask, ask_all, make, object, rollout, rows, try_make};

#[test]
fn a_merge_patch_changes_the_objects_it_names_and_no_others() {
    let script =
        r#"PATCH objects WITH MERGE '{"spec":{"schedulerName":"volcano"}}' WHERE kind = 'Pod'"#;
    let made = make(&rollout(), script);
    for (before, after) in rows(&rollout()).iter().zip(rows(&made.path)) {
        if before.event.body.as_deref().is_some_and(|body| {
            serde_json::from_slice::<serde_json::Value>(body).unwrap()["kind"] == "Pod"
        }) {
            let mut expected = object(before);
            expected["spec"]["schedulerName"] = "volcano".into();
            assert_eq!(object(&after), expected);
        } else {
            assert_eq!(*before, after, "byte for byte");
        }
    }
}

/// The shipped rollout is of format 1.1, whose rows are walked; of what this kymo writes columns are
/// made anew.
#[rstest]
#[case::whole_labels(
    r#"PATCH objects WITH JSON '[{"op":"add","path":"/metadata/labels","value":{"a":"b"}}]'"#
)]
#[case::what_a_cluster_says(
    r#"PATCH objects WITH MERGE '{"metadata":{"managedFields":null,"generation":null}}';
    PATCH objects WITH MERGE '{"status":null}' WHERE kind = 'Pod';
    PATCH objects WITH MERGE '{"metadata":{"creationTimestamp":null}}' WHERE kind <> 'Pod'"#
)]
#[case::some_objects(
    r#"PATCH objects WITH MERGE '{"spec":{"schedulerName":"a"}}' WHERE name LIKE 'checkout-%'"#
)]
#[case::the_same_place_twice(
    r#"PATCH objects WITH MERGE '{"spec":{"a":1}}' WHERE kind = 'Node';
    PATCH objects WITH MERGE '{"spec":{"a":2}}'"#
)]
fn a_trace_becomes_the_same_whether_by_columns_or_by_rows(#[case] script: &str) {
    let nothing = |_| Ok::<_, kymo_store::Error>(None);
    let is_by_columns = |path: &Path| Trace::open(path).unwrap().revised(nothing).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let packed = folder.path().join("packed.parquet");
    pack(&rollout(), &packed).unwrap();
    assert!(is_by_columns(&packed).is_some());
    assert!(is_by_columns(&rollout()).is_none());
    let (by_rows, by_columns) = (make(&rollout(), script), make(&packed, script));
    assert_eq!(by_columns.report.named, by_rows.report.named);
    assert_eq!(by_columns.report.read, by_rows.report.read);
    let (expected, found) = (rows(&by_rows.path), rows(&by_columns.path));
    assert_eq!(found.len(), expected.len());
    for (mut expected, mut found) in expected.into_iter().zip(found) {
        let [expected_body, found_body] = [&mut expected, &mut found].map(|row| {
            let body = row.event.body.take();
            body.map(|body| serde_json::from_slice::<serde_json::Value>(&body).unwrap())
        });
        assert_eq!(found, expected);
        assert_eq!(found_body, expected_body);
    }
}

#[test]
fn a_patch_that_does_not_fit_is_told_and_leaves_nothing_by_columns_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let packed = folder.path().join("packed.parquet");
    pack(&rollout(), &packed).unwrap();
    let script = r#"PATCH objects WITH JSON '[{"op":"replace","path":"/spec/never","value":1}]'
        WHERE kind = 'Pod'"#;
    let [by_rows, by_columns] = [rollout(), packed].map(|input| {
        let failed = try_make(&input, script, 0).err().unwrap();
        failed.to_string()
    });
    assert!(by_columns.contains("/spec/never"), "{by_columns}");
    assert_eq!(by_columns, by_rows);
}

#[test]
fn a_strategic_merge_patch_knows_the_keys_of_lists() {
    let script = r#"PATCH objects WITH STRATEGIC
        '{"spec":{"containers":[{"name":"web","resources":{"requests":{"cpu":"2"}}}]}}'
        WHERE kind = 'Pod' AND name LIKE 'checkout-%'"#;
    let container = ask(
        &rollout(),
        "SELECT DISTINCT object->'spec'->'containers'->0->>'name' FROM events WHERE name LIKE 'checkout-%' AND kind = 'Pod'",
    );
    let script = script.replace("\"web\"", &format!("{:?}", container[0]));
    let made = make(&rollout(), &script);
    let cpus = ask(
        &made.path,
        "SELECT DISTINCT cpu(object), json_length(object, 'spec', 'containers') FROM events WHERE kind = 'Pod' AND name LIKE 'checkout-%'",
    );
    assert_eq!(cpus, ["2.0 | 1"]);
}

#[test]
fn a_window_has_an_event_at_each_end() {
    let script = r#"PATCH objects WITH JSON '[{"op":"replace","path":"/spec/replicas","value":50}]'
        WHERE kind = 'Deployment' FROM '14s' TO '20s'"#;
    let made = make(&rollout(), script);
    let inside = ask_all(
        &[("a", &rollout()), ("b", &made.path)],
        "SELECT DISTINCT object->'spec'->'replicas' FROM b.versions
         WHERE kind = 'Deployment' AND valid_from < at('20s', 'a') AND valid_to > at('14s', 'a')",
    );
    assert_eq!(inside, ["{int=50}"]);
    let edges = ask_all(
        &[("a", &rollout()), ("b", &made.path)],
        "SELECT ts = at('14s', 'a'), ts = at('20s', 'a'), type, certainty FROM b.events
         WHERE kind = 'Deployment' AND certainty = 'inferred' ORDER BY seq",
    );
    assert_eq!(
        edges,
        [
            "true | false | MODIFIED | inferred",
            "false | true | MODIFIED | inferred"
        ]
    );
    let outside = ask_all(
        &[("a", &rollout()), ("b", &made.path)],
        "SELECT count(*) FROM b.events AS b JOIN a.events AS a ON a.ts = b.ts AND a.uid = b.uid
         WHERE b.kind = 'Deployment' AND (b.ts < at('14s', 'a') OR b.ts >= at('20s', 'a'))
           AND json_get_json(a.object, 'spec') <> json_get_json(b.object, 'spec')",
    );
    assert_eq!(outside, ["0"]);
}

#[test]
fn new_events_get_numbers_and_versions_between_their_neighbours() {
    let script = r#"PATCH objects WITH MERGE '{"metadata":{"labels":{"window":"yes"}}}'
        WHERE kind IN ('Pod', 'ReplicaSet') FROM '14s' TO '20s'"#;
    let made = make(&rollout(), script);
    assert!(made.report.new > 10);
    let unordered = ask(
        &made.path,
        "SELECT count(*) FILTER (WHERE ts < before), count(*) FILTER (WHERE version <= last)
         FROM (SELECT ts, lag(ts) OVER (PARTITION BY resource ORDER BY seq) AS before,
                      CAST(resource_version AS BIGINT) AS version,
                      lag(CAST(resource_version AS BIGINT)) OVER (PARTITION BY resource ORDER BY seq) AS last
               FROM events WHERE kind IN ('Pod', 'ReplicaSet') AND certainty <> 'listed')",
    );
    assert_eq!(unordered, ["0 | 0"]);
    let others = ask_all(
        &[("a", &rollout()), ("b", &made.path)],
        "SELECT count(*) FROM a.events AS a JOIN b.events AS b
         ON a.ts = b.ts AND a.uid = b.uid AND a.resource = b.resource AND a.type = b.type
         WHERE a.object = b.object AND a.kind NOT IN ('Pod', 'ReplicaSet')",
    );
    let all = ask(
        &rollout(),
        "SELECT count(*) FROM events WHERE kind NOT IN ('Pod', 'ReplicaSet')",
    );
    assert_eq!(others, all, "other resources are as they were");
}

#[test]
fn events_of_a_window_are_patched_without_new_ones() {
    let script = r#"PATCH events WITH MERGE '{"metadata":{"labels":{"window":"yes"}}}'
        WHERE kind = 'Pod' FROM '14s' TO '20s'"#;
    let made = make(&rollout(), script);
    assert_eq!(made.report.new, 0);
    let right = ask_all(
        &[("a", &rollout()), ("b", &made.path)],
        "SELECT count(*) FILTER (WHERE is_inside AND is_patched) > 10,
                count(*) FILTER (WHERE is_inside <> is_patched)
         FROM (SELECT kind = 'Pod' AND ts >= at('14s', 'a') AND ts < at('20s', 'a') AS is_inside,
                 coalesce(json_get_str(object, 'metadata', 'labels', 'window') = 'yes', false) AS is_patched
               FROM b.events)",
    );
    assert_eq!(right, ["true | 0"]);
}

#[test]
fn a_patch_that_does_not_fit_names_the_object() {
    let script =
        r#"PATCH objects WITH JSON '[{"op":"remove","path":"/spec/nonsense"}]' WHERE kind = 'Job'"#;
    let error = try_make(&rollout(), script, 0).err().unwrap();
    let text = error.to_string();
    assert!(text.contains("Job `shop/settle-accounts`"), "{text}");
    assert!(text.contains("operation 0"), "{text}");
}

#[test]
fn several_patches_do_to_every_version_what_they_do_to_its_text() {
    let patches = [
        json!({"metadata": {"managedFields": null, "labels": {"replay": "yes"}}}),
        json!({"metadata": {"generation": null, "annotations": null, "creationTimestamp": null}}),
        json!({"status": {"conditions": null, "phase": "Frozen", "extra": {}}}),
        json!({"spec": {"replicas": 7, "template": {"spec": {"nodeName": null}}}}),
    ];
    let statements: Vec<String> = patches
        .iter()
        .map(|patch| format!("PATCH OBJECTS WITH MERGE '{patch}'"))
        .collect();
    let operations = json!([
        {"op": "add", "path": "/metadata/finalizers", "value": ["kept"]},
        {"op": "replace", "path": "/status/phase", "value": "Thawed"},
        {"op": "add", "path": "/metadata/finalizers/0", "value": "first"},
    ]);
    let script = format!(
        "{}; DELETE FROM OBJECTS WHERE namespace = 'kube-system';
         PATCH OBJECTS WITH JSON '{operations}' WHERE kind <> 'Node'",
        statements.join("; ")
    );
    let made = make(&rollout(), &script);
    let left: Vec<_> = rows(&rollout())
        .into_iter()
        .filter(|row| row.event.key.namespace != "kube-system")
        .collect();
    let after = rows(&made.path);
    assert_eq!(after.len(), left.len());
    for (before, after) in left.iter().zip(&after) {
        let mut expected = object(before);
        for patch in &patches {
            kymo_patch::merge_patch(&mut expected, patch);
        }
        if expected["kind"] != "Node" {
            kymo_patch::json_patch(&mut expected, &operations).unwrap();
        }
        assert_eq!(object(after), expected, "event {}", before.seq);
    }
}
