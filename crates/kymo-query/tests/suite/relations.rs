//! Tables that are queries: each can be read whole, over every kind of trace.

use std::path::PathBuf;

use kymo_model::{Certainty, EventType, FeedId};
use kymo_query::{Limits, QuerySession};
use kymo_store::LogRecord;
use serde_json::json;

use crate::rows::{RUNTIME, run};
use crate::{story, traces};

fn fixture() -> (String, PathBuf) {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fixtures/rollout.parquet"
    );
    ("rollout".to_owned(), path.into())
}

fn views(session: &QuerySession) -> Vec<String> {
    run(
        session,
        "SELECT table_name FROM information_schema.tables
         WHERE table_type = 'VIEW' AND table_schema <> 'information_schema' ORDER BY 1",
    )
    .unwrap()
}

#[test]
fn every_relation_can_be_read_whole() {
    let (story, audited) = (traces::half_sealed("story"), traces::audited("audit"));
    for trace in [story.named(), audited.named(), fixture()] {
        let session = QuerySession::open(&[trace], Limits::default()).unwrap();
        let views = views(&session);
        assert!(views.len() > 50, "{views:?}");
        for view in views {
            let text = format!("SELECT * FROM \"{view}\"");
            run(&session, &text).unwrap_or_else(|error| panic!("{view}: {error}"));
        }
    }
}

#[test]
fn a_view_of_a_kind_has_a_row_for_each_of_its_versions() {
    let session = QuerySession::open(&[fixture()], Limits::default()).unwrap();
    for (view, resource) in [
        ("pods", "pods"),
        ("nodes", "nodes"),
        ("deployments", "deployments"),
        ("replicasets", "replicasets"),
        ("k8s_events", "events"),
        ("endpointslices", "endpointslices"),
    ] {
        let count = |text: &str| run(&session, text).unwrap();
        let seen = count(&format!("SELECT count(*) FROM {view}"));
        assert_ne!(seen, ["0"], "{view}");
        let events = format!(
            "SELECT count(*) FROM events WHERE resource = '{resource}' AND type <> 'DELETED'"
        );
        assert_eq!(seen, count(&events), "{view}");
    }
}

/// Returns what the plan reads of the trace.
fn reads(session: &QuerySession, text: &str) -> String {
    let plan = run(session, &format!("EXPLAIN {text}")).unwrap().join("\n");
    let reads: Vec<&str> = plan
        .lines()
        .filter_map(|line| line.trim().strip_prefix("EventsExec: "))
        .collect();
    reads.join("\n")
}

#[test]
fn a_relation_reads_only_what_is_asked_of_it() {
    let trace = traces::half_sealed("story");
    let session = QuerySession::open(&[trace.named()], Limits::default()).unwrap();
    for (text, expected) in [
        (
            "SELECT valid_to FROM versions WHERE kind = 'Pod' AND name = 'web-0'",
            "columns=[seq, ts, type, api_group, kind, resource, namespace, name, uid], \
             pushed=[kind in (Pod), name in (web-0)]",
        ),
        (
            "SELECT name, deleted_at FROM objects WHERE resource = 'pods'",
            "columns=[seq, ts, type, api_group, kind, resource, namespace, name, uid], \
             pushed=[resource in (pods)]",
        ),
        (
            "SELECT name, labels['app'] FROM pods WHERE namespace = 'shop' AND valid_to IS NULL",
            "columns=[seq, ts, type, api_group, namespace, name, uid, labels], \
             pushed=[api_group in (), resource in (pods), namespace in (shop)]",
        ),
    ] {
        let found = reads(&session, text);
        assert!(found.contains(expected), "{text}: {found}");
    }
}

#[test]
fn relations_of_several_traces_are_told_apart() {
    let (one, two) = (traces::sealed("a"), traces::audited("b"));
    let session = QuerySession::open(&[one.named(), two.named()], Limits::default()).unwrap();
    assert_eq!(
        run(
            &session,
            "SELECT (SELECT count(*) FROM a.objects) AS a, (SELECT count(*) FROM b.objects) AS b,
                    (SELECT count(*) FROM b.pods) AS c,
                    (SELECT count(*) FROM a.pods AS OF '3s') AS d"
        )
        .unwrap(),
        ["5|3|0|1"]
    );
    RUNTIME.block_on(async {
        let error = session.sql("SELECT * FROM objects").await.unwrap_err();
        assert!(error.to_string().contains("objects"), "{error}");
    });
}

/// A trace with two custom resources, and the definition of one of them.
fn custom() -> traces::Story {
    const DEFINITIONS: FeedId = FeedId(0);
    const BACKUPS: FeedId = FeedId(1);
    const MIRRORS: FeedId = FeedId(2);
    let group = "storage.example.com";
    let feeds = vec![
        (
            DEFINITIONS,
            story::feed(
                "apiextensions.k8s.io",
                "customresourcedefinitions",
                "CustomResourceDefinition",
                false,
            ),
        ),
        (BACKUPS, story::feed(group, "backups", "Backup", true)),
        (MIRRORS, story::feed(group, "mirrors", "Mirror", false)),
    ];
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "backups.storage.example.com", "uid": "c1", "resourceVersion": "1"},
        "spec": {"group": group, "versions": [{"name": "v1", "storage": true,
            "additionalPrinterColumns": [
                {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
                {"name": "Ready", "type": "string",
                    "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"}],
            "schema": {"openAPIV3Schema": {"properties": {"spec": {"properties": {
                "retries": {"type": "integer"}, "target": {"type": "object"}}}}}}}]}});
    let backup = |rv: &str, phase: &str| {
        json!({"apiVersion": "storage.example.com/v1", "kind": "Backup",
            "metadata": {"name": "night", "namespace": "shop", "uid": "b1", "resourceVersion": rv},
            "spec": {"retries": 3, "target": {"bucket": "a"}},
            "status": {"phase": phase, "conditions": [{"type": "Ready", "status": "False"}]}})
    };
    let mirror = json!({"apiVersion": "storage.example.com/v1", "kind": "Mirror",
        "metadata": {"name": "far", "uid": "m1", "resourceVersion": "4"}});
    let seen = |feed, milliseconds, of, body| {
        LogRecord::Event(story::event(feed, milliseconds, of, Certainty::Seen, body))
    };
    let records = vec![
        seen(DEFINITIONS, 0, EventType::Added, &definition),
        seen(BACKUPS, 1_000, EventType::Added, &backup("2", "New")),
        seen(BACKUPS, 2_000, EventType::Modified, &backup("3", "Done")),
        seen(MIRRORS, 3_000, EventType::Added, &mirror),
    ];
    traces::write("custom", &feeds, records, Some(2))
}

#[test]
fn a_custom_resource_has_the_columns_of_its_definition() {
    let trace = custom();
    let session = QuerySession::open(&[trace.named()], Limits::default()).unwrap();
    assert_eq!(
        run(
            &session,
            "SELECT namespace, name, phase, ready, spec_retries, spec_target, ended_by
             FROM \"backups.storage.example.com\" ORDER BY valid_from"
        )
        .unwrap(),
        [
            r#"shop|night|New|False|3|{"bucket":"a"}|MODIFIED"#,
            r#"shop|night|Done|False|3|{"bucket":"a"}|NULL"#,
        ]
    );
    let columns = run(
        &session,
        "SELECT column_name FROM information_schema.columns
         WHERE table_name = 'mirrors.storage.example.com' ORDER BY ordinal_position LIMIT 2",
    );
    assert_eq!(columns.unwrap(), ["name", "valid_from"]);
}
