//! A cluster that is anonymized while it is recorded.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kymo_anonymize::{AnonymizationPolicy, Key};
use kymo_model::EventType;
use kymo_record::{Anonymize, Config, Error};
use kymo_store::fs::{Fault, Filesystem, RealFs};
use kymo_testkit::scripted::{Reply, RequestMatch, ScriptedResource};
use serde_json::{Value, json};

use crate::rig::{Recorded, Rig, Running};
use crate::secrets::{contains, files, seal};

/// Stands in everything that identifies.
const CANARY: &str = "acmezulu";
const CLUSTER: &str = "c1f0aa17-9b1d-4d4c-8a86-ac3e2b100001";

fn anonymized(rig: &Rig, resources: &[&str]) -> Config {
    let mut config = rig.config(resources);
    config.anonymize = Some(Anonymize {
        key: Key::new([3; 32]),
        policy: AnonymizationPolicy::share(),
    });
    config
}

fn pod(number: u64) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": format!("{CANARY}-api-7c9f8b6d5-x2x9z"),
            "generateName": format!("{CANARY}-api-7c9f8b6d5-"),
            "labels": {"app": CANARY, format!("{CANARY}.io/team"): "payments", "pod-template-hash": "7c9f8b6d5"},
            "annotations": {"note": format!("written by {CANARY}"), "number": number.to_string()},
            "managedFields": [{"manager": CANARY}],
        },
        "spec": {
            "nodeName": format!("{CANARY}-rack-7"),
            "containers": [{"name": CANARY, "image": format!("registry.{CANARY}.io/x:{CANARY}"),
                "args": [format!("--token={CANARY}")], "env": [{"name": "X", "value": CANARY}],
                "resources": {"requests": {"cpu": "250m"}}}],
            "serviceAccountName": CANARY,
        },
        "status": {"podIP": "10.77.88.99", "conditions": [{"type": "Ready", "status": "False",
            "reason": "Unready", "message": format!("{CANARY} is not there, says {CANARY}-rack-7")}]},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_original_is_in_any_file_while_recording_or_later() {
    let rig = Rig::new().await;
    rig.server.set_cluster_uid(CLUSTER);
    let group = format!("{CANARY}.io");
    rig.server.add_resource(ScriptedResource::new(
        &group,
        "v1",
        "zuluthings",
        "ZuluThing",
    ));
    let path = rig.directory().join("trace");
    let mut config = anonymized(&rig, &["pods", "configmaps", "zuluthings"]);
    config.trace.clone_from(&path);
    config.writer.rotate_events = 4;
    let fs: Arc<dyn Filesystem> = Arc::new(RealFs);

    rig.server.put("pods", pod(0));
    rig.server.put(
        "configmaps",
        json!({"metadata": {"name": CANARY}, "data": {CANARY: CANARY}}),
    );
    rig.server.put(
        &format!("zuluthings.{group}"),
        json!({"metadata": {"name": CANARY}, "spec": {"zulufield": format!("{CANARY} x")}}),
    );
    let recorder = rig
        .connect_to(config.clone(), Arc::clone(&fs))
        .await
        .unwrap();
    let mut running = Running::start(recorder);
    running.until_durable(3).await;
    look(&path);
    // An error of the server that quotes, a line that cannot be read, and a watch that is cut.
    rig.server.script(
        RequestMatch::watches("pods"),
        Reply::status(500).chunk(format!("{{\"message\":\"{CANARY}\"}}")),
    );
    rig.server.end_watches("pods");
    let line = format!("{{\"type\":\"ADDED\",\"object\":{{\"kind\":\"{CANARY}\u{1}\n");
    let before = running.status.borrow().events;
    while running.status.borrow().events == before {
        rig.server.send_raw("configmaps", line.clone());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    running.until(|status| status.feeds.observed == 3).await;
    for number in 1..6 {
        rig.server.put("pods", pod(number));
    }
    rig.server.delete("configmaps", CANARY);
    let recorded_deletion = |fs: &Arc<dyn Filesystem>| {
        let recorded = Recorded::open(Arc::clone(fs), &path);
        let mut events = recorded.events.iter();
        events.any(|(_, event)| event.event_type == EventType::Deleted)
    };
    while !recorded_deletion(&fs) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    look(&path);
    running.stop().await;
    look(&path);

    let recorded = Recorded::open(Arc::clone(&fs), &path);
    let pods: Vec<_> = recorded
        .events
        .iter()
        .filter(|(of, _)| of == "pods")
        .collect();
    assert!(pods.len() >= 6, "{}", pods.len());
    for (of, event) in &recorded.events {
        let text = format!("{of} {:?} {:?}", event.key, event.rv);
        let body = event.body.as_deref().unwrap_or_default();
        assert!(!text.contains(CANARY) && !contains(body, CANARY), "{text}");
    }
    let told = format!("{:?} {:?}", recorded.coverage, recorded.trace.meta());
    assert!(!told.contains(CANARY) && !told.contains(CLUSTER), "{told}");
    let object: Value = serde_json::from_slice(pods[0].1.body.as_deref().unwrap()).unwrap();
    assert_eq!(
        object["spec"]["containers"][0]["resources"]["requests"]["cpu"],
        "250m"
    );
    let name = object["metadata"]["name"].as_str().unwrap();
    let stem = object["metadata"]["generateName"].as_str().unwrap();
    assert!(name.starts_with(stem), "{name} is generated from {stem}");
    assert_eq!(recorded.trace.lineage().len(), 1);

    seal(&fs, &path);
    assert!(
        files(&path)
            .iter()
            .any(|(name, _)| name.contains(".parquet"))
    );
    look(&path);
    // What its objects are called in the cluster is known to nobody any more.
    let again = rig.connect_to(config, fs).await.unwrap_err();
    assert!(matches!(again, Error::Continued { .. }), "{again}");
}

/// Looks through every byte of every file, and of every name of one.
fn look(path: &Path) {
    let found = files(path);
    assert!(!found.is_empty());
    for (name, bytes) in found {
        for original in [CANARY, CLUSTER, "payments", "zulu", "10.77.88.99"] {
            assert!(!contains(&bytes, original), "{original} is in {name}");
            assert!(!name.contains(original), "{name}");
        }
    }
}

/// What a feed needs to go on is turned back: after a list nothing is there twice, and what is gone
/// is deleted.
#[tokio::test(flavor = "multi_thread")]
async fn feeds_go_on_behind_pseudonyms_after_a_disk_failed() {
    let rig = Rig::new().await;
    let recorder = rig
        .connect(anonymized(&rig, &["configmaps"]))
        .await
        .unwrap();
    let mut running = Running::start(recorder);
    running.until(|status| status.ready).await;
    for name in ["a", "b", "c"] {
        rig.put("configmaps", name, 0);
    }
    running.until_durable(3).await;
    // The next change is an append and a sync; the sync fails, and the server forgot what was.
    rig.fs.fail_at(rig.fs.operations() + 2, Fault::Io);
    rig.server.delete("configmaps", "a");
    let newest = rig.put("configmaps", "b", 1);
    rig.server.forget_watch_history(newest);
    let durable = |kind: &str| {
        let events = rig.read().events_of("configmaps");
        events
            .iter()
            .filter(|event| event.starts_with(kind))
            .count()
    };
    while durable("DELETED") + durable("MODIFIED") < 2 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    rig.put("configmaps", "d", 0);
    while durable("ADDED") < 4 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    running.stop().await;
    assert_eq!(rig.fs.fired(), 1, "the fault has fired");
    let counts = ["ADDED", "MODIFIED", "DELETED"].map(durable);
    assert_eq!(
        counts,
        [4, 1, 1],
        "{:#?}",
        rig.read().events_of("configmaps")
    );
    let versions = rig.read().versions_of("configmaps");
    assert!(
        versions.iter().all(|version| *version > 1_000_000),
        "moved: {versions:?}"
    );
}
