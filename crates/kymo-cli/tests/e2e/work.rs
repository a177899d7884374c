//! What the tests write while they record.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use kymo_testkit::api::{Api, Patch};
use kymo_testkit::traffic::objects;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Makes a namespace for a test and names its `ConfigMap`s' collection.
pub(crate) async fn config_maps(api: &Api, namespace: &str) -> String {
    objects::ensure_namespace(api, namespace)
        .await
        .expect("a namespace");
    format!("/api/v1/namespaces/{namespace}/configmaps")
}

/// Makes a `ConfigMap`.
pub(crate) async fn create_map(api: &Api, collection: &str, name: &str) -> Value {
    let namespace = collection.split('/').nth(4).expect("a namespace");
    let map = objects::config_map(namespace, name, "new");
    api.create(collection, &map).await.expect("create")
}

/// Changes a `ConfigMap`; returns its new version.
pub(crate) async fn change_map(api: &Api, collection: &str, name: &str, value: u64) -> u64 {
    let patch = json!({ "data": { "value": format!("{value:016}") } });
    let path = format!("{collection}/{name}");
    version(&api.patch(&path, Patch::Merge, &patch).await.expect("patch"))
}

/// Reads the version of an object.
pub(crate) fn version(object: &Value) -> u64 {
    let text = object["metadata"]["resourceVersion"].as_str();
    text.and_then(|text| text.parse().ok())
        .expect("a resourceVersion")
}

/// Steady changes: some `ConfigMap`s that are changed again and again, deleted and made anew.
pub(crate) struct Churn {
    ends: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    newest: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Churn {
    /// Starts to write, about `rate` times a second; what the server refuses is tried again.
    pub(crate) fn start(api: &Api, collection: &str, rate: u32) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let written = Arc::new(AtomicU64::new(0));
        let newest = Arc::new(AtomicU64::new(0));
        let (api, collection) = (api.clone(), collection.to_owned());
        let task = tokio::spawn({
            let (ends, written, newest) =
                (Arc::clone(&ends), Arc::clone(&written), Arc::clone(&newest));
            async move {
                let mut number = 0u64;
                while !ends.load(Ordering::Acquire) {
                    let name = format!("churn-{}", number % 5);
                    if let Ok(object) = write(&api, &collection, &name, number).await {
                        let rv = object["metadata"]["resourceVersion"].as_str();
                        let rv = rv.and_then(|rv| rv.parse().ok()).unwrap_or(0);
                        newest.fetch_max(rv, Ordering::AcqRel);
                        written.fetch_add(1, Ordering::AcqRel);
                        number += 1;
                    }
                    sleep(Duration::from_secs(1) / rate).await;
                }
            }
        });
        Self {
            ends,
            written,
            newest,
            task,
        }
    }

    /// Tells how many writes the server has acknowledged.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Tells the newest version that the server has acknowledged.
    pub(crate) fn newest(&self) -> u64 {
        self.newest.load(Ordering::Acquire)
    }

    /// Waits for so many more writes.
    pub(crate) async fn more(&self, writes: u64) {
        let enough = self.written() + writes;
        while self.written() < enough {
            assert!(!self.task.is_finished(), "the churn ended");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends it; returns the number of writes.
    pub(crate) async fn stop(self) -> u64 {
        self.ends.store(true, Ordering::Release);
        self.task.await.expect("the churn");
        self.written.load(Ordering::Acquire)
    }
}

async fn write(api: &Api, collection: &str, name: &str, number: u64) -> anyhow::Result<Value> {
    let path = format!("{collection}/{name}");
    // Each object in turn is deleted, and made anew when it is met next.
    if number % 23 == 22 {
        api.delete(&path).await?;
        return Ok(Value::Null);
    }
    let patch = json!({ "data": { "value": format!("{number:016}") } });
    match api.patch(&path, Patch::Merge, &patch).await {
        Err(error) if kymo_testkit::api::refusal(&error) == Some(404) => {
            let namespace = collection.split('/').nth(4).unwrap_or_default();
            api.create(collection, &objects::config_map(namespace, name, "new"))
                .await
        }
        other => other,
    }
}
