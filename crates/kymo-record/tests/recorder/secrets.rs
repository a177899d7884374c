//! Nothing secret reaches the disk.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kymo_store::fs::{Filesystem, RealFs};
use kymo_store::{Writer, WriterOptions};
use kymo_testkit::scripted::{Reply, RequestMatch};
use serde_json::json;

use crate::rig::{Recorded, Rig, Running};

/// Random, so it does not compress and stands in a file as it is.
const CANARY: &str = "q7Zt0vXw2Lk9RbYpN4sD8hGfJ3mC6aEu";
/// What may be kept, to show that the search finds what is there.
const DECOY: &str = "B5nV1xQz7KcT3jWy9PdLs2RgHf8MaU4e";

fn secret(number: u64) -> serde_json::Value {
    json!({
        "metadata": {
            "name": "s",
            "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration":
                    format!("{{\"stringData\":{{\"p\":\"{CANARY}\"}}}}"),
                "decoy": DECOY,
            },
        },
        "type": "Opaque",
        "data": {"password": CANARY, "number": number.to_string()},
        "stringData": {"password": CANARY},
    })
}

fn config_map(number: u64) -> serde_json::Value {
    json!({
        "metadata": {
            "name": "c",
            "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration":
                    format!("{{\"data\":{{\"p\":\"{CANARY}\"}}}}"),
            },
        },
        "data": {"number": number.to_string(), "decoy": DECOY},
    })
}

/// Promise P7: planted secrets are in no file of the trace, whatever happened to it.
#[tokio::test(flavor = "multi_thread")]
async fn a_planted_secret_is_in_no_file_after_crash_and_seal() {
    let rig = Rig::new().await;
    let path = rig.directory().join("trace");
    let mut config = rig.config(&["secrets", "configmaps"]);
    config.trace.clone_from(&path);
    let fs: Arc<dyn Filesystem> = Arc::new(RealFs);

    rig.server.put("secrets", secret(0));
    rig.server.put("configmaps", config_map(0));
    let recorder = rig
        .connect_to(config.clone(), Arc::clone(&fs))
        .await
        .unwrap();
    let mut running = Running::start(recorder);
    running.until_durable(2).await;
    rig.server.put("secrets", secret(1));
    rig.server.put("configmaps", config_map(1));
    running.until_durable(4).await;
    // Lines that cannot be read, one of them on the feed of Secrets.
    for resource in ["secrets", "configmaps"] {
        let line = format!(
            "{{\"type\":\"ADDED\",\"object\":{{\"kind\":\"Secret\",\"data\":\"{CANARY}\u{1}\n"
        );
        // The first time it is asked for again, the second time it is kept, later it is known.
        let before = running.status.borrow().events;
        while running.status.borrow().events == before {
            rig.server.send_raw(resource, line.clone());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    running.until_durable(6).await;
    running.until(|status| status.feeds.observed == 2).await;
    rig.server.put("secrets", secret(2));
    running.until_durable(7).await;
    let recorded = Recorded::open(Arc::clone(&fs), &path);
    assert_eq!(
        recorded.events_of("secrets").len(),
        4,
        "{:?}",
        recorded.events_of("secrets")
    );
    let before = files(&path);
    running.kill().await;
    search(&recorded, &path);

    // What a kill leaves, with a torn tail, which the next writer sets aside.
    let path = rig.directory().join("left");
    for (name, bytes) in before {
        let file = path.join(&name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let torn = if name.contains(".wal") { 7 } else { 0 };
        std::fs::write(file, &bytes[..bytes.len() - torn]).unwrap();
    }
    let mut sealed = config;
    sealed.trace.clone_from(&path);
    sealed.writer.rotate_events = 1;
    let recorder = rig.connect_to(sealed, Arc::clone(&fs)).await.unwrap();
    let mut running = Running::start(recorder);
    running.until(|status| status.ready).await;
    rig.server.put("secrets", secret(3));
    rig.server.delete("secrets", "s");
    running.until_durable(2).await;
    running.stop().await;
    seal(&fs, &path);

    assert!(
        files(&path)
            .iter()
            .any(|(name, _)| name.contains(".parquet")),
        "sealed"
    );
    assert!(
        files(&path)
            .iter()
            .any(|(name, _)| name.starts_with("quarantine/")),
        "{:?}",
        files(&path)
            .iter()
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
    );
    search(&Recorded::open(fs, &path), &path);
}

/// The recorder asks for metadata, so that the payload never leaves the server.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_asked_for_as_metadata_and_kept_as_such_from_a_server_that_sends_more() {
    let rig = Rig::new().await;
    let mut whole = secret(0);
    whole["metadata"]["uid"] = json!("u");
    whole["metadata"]["resourceVersion"] = json!("50");
    let disobedient = rig.server.script(
        RequestMatch::watches("secrets"),
        Reply::status(200)
            .line(json!({"type": "ADDED", "object": whole}))
            .line(
                json!({"type": "BOOKMARK", "object": {"kind": "Secret", "apiVersion": "v1",
                "metadata": {"resourceVersion": "100",
                    "annotations": {"k8s.io/initial-events-end": "true"}}}}),
            )
            .hang(),
    );
    let mut running = rig.record(&["secrets"]).await;
    running.until_durable(1).await;
    running.stop().await;
    assert_eq!(disobedient.used(), 1, "the fault has fired");
    for request in rig.server.requests_of(&RequestMatch::watches("secrets")) {
        let accept = request.header("accept").unwrap_or_default().to_owned();
        assert!(accept.contains("PartialObjectMetadata"), "{accept}");
    }
    let recorded = rig.read();
    let body = recorded.events[0].1.body.clone().unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    assert!(!body.contains(CANARY), "{body}");
    assert!(
        body.contains(DECOY) && body.contains("\"name\":\"s\""),
        "{body}"
    );
}

/// Looks through every byte of every file and through everything that a reader can decode.
fn search(recorded: &Recorded, path: &Path) {
    let mut decoys = 0;
    for (of, event) in &recorded.events {
        let body = event.body.as_deref().unwrap_or_default();
        assert!(
            !contains(body, CANARY),
            "{of}: {}",
            String::from_utf8_lossy(body)
        );
        decoys += usize::from(contains(body, DECOY));
    }
    assert!(decoys >= 3, "the search finds what is there");
    assert!(!format!("{:?}", recorded.coverage).contains(CANARY));
    for (name, bytes) in files(path) {
        assert!(!contains(&bytes, CANARY), "{name}");
    }
}

pub(crate) fn contains(bytes: &[u8], needle: &str) -> bool {
    memchr::memmem::find(bytes, needle.as_bytes()).is_some()
}

pub(crate) fn files(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut directories = vec![path.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap().path();
            if entry.is_dir() {
                directories.push(entry);
            } else {
                let name = entry
                    .strip_prefix(path)
                    .unwrap()
                    .to_string_lossy()
                    .into_owned();
                found.push((name, std::fs::read(&entry).unwrap()));
            }
        }
    }
    found.sort();
    found
}

pub(crate) fn seal(fs: &Arc<dyn Filesystem>, path: &Path) {
    let clock = Arc::new(kymo_model::SystemClock::new());
    let writer = Writer::open(Arc::clone(fs), path, clock, WriterOptions::default()).unwrap();
    writer.maintenance().run_once().unwrap();
}
