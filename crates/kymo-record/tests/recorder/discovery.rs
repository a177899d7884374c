//! Types that come and go while recording.

use std::time::Duration;

use kymo_model::{Cause, CoverageState};
use kymo_testkit::scripted::{RequestMatch, ScriptedResource};
use serde_json::json;

use crate::rig::{Rig, Running, assert_versions};

fn widgets() -> ScriptedResource {
    ScriptedResource::new("acme.com", "v1", "widgets", "Widget").custom()
}

fn define(rig: &Rig, version: &str) {
    rig.server.put(
        "customresourcedefinitions.apiextensions.k8s.io",
        json!({"metadata": {"name": "widgets.acme.com"}, "spec": {"version": version}}),
    );
}

/// Fault table row 21.
#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_comes_changes_its_version_and_goes_is_followed() {
    let rig = Rig::new().await;
    let mut config = rig.config(&[]);
    // Only the feeds of types can tell in time.
    config.discovery_interval = Duration::from_mins(10);
    let mut running = Running::start(rig.connect(config).await.unwrap());
    running.until(|status| status.ready).await;
    let feeds = running.status.borrow().feeds.total();

    rig.server.add_resource(widgets());
    define(&rig, "v1");
    let first = rig.put("widgets.acme.com", "w", 1);
    running
        .until(|status| status.feeds.observed == feeds + 1)
        .await;

    rig.server.set_versions("widgets.acme.com", &["v2", "v1"]);
    define(&rig, "v2");
    let new_version = RequestMatch::any().path("/apis/acme.com/v2/widgets");
    tokio::time::timeout(
        Duration::from_mins(2),
        rig.server.until_requested(&new_version, 1),
    )
    .await
    .unwrap();
    let second = rig.put("widgets.acme.com", "w", 2);
    running
        .until(|status| status.feeds.observed == feeds + 1)
        .await;

    let third = rig.server.delete("widgets.acme.com", "w");
    running.until_durable(6).await;
    rig.server.remove_resource("widgets.acme.com");
    rig.server.delete(
        "customresourcedefinitions.apiextensions.k8s.io",
        "widgets.acme.com",
    );
    running.until(|status| status.feeds.total() == feeds).await;
    let summary = running.stop().await;
    assert!(summary.clean, "{summary:?}");

    let recorded = rig.read();
    assert_versions(
        &recorded.versions_of("widgets.acme.com"),
        [first, second, third],
    );
    let versions: Vec<String> = recorded
        .trace
        .feeds()
        .values()
        .map(|feed| &feed.resource)
        .filter(|resource| resource.resource == "widgets")
        .map(|resource| resource.version.clone())
        .collect();
    assert_eq!(versions, ["v1", "v2"]);
    let bodies: Vec<bool> = recorded
        .events
        .iter()
        .filter(|(of, _)| of == "widgets.acme.com")
        .map(|(_, event)| {
            String::from_utf8_lossy(event.body.as_deref().unwrap()).contains("acme.com/v2")
        })
        .collect();
    assert_eq!(bodies, [false, true, true]);
    assert!(
        recorded.has("widgets.acme.com", CoverageState::Absent, Cause::NotServed),
        "{:?}",
        recorded.coverage_of("widgets.acme.com")
    );
}

/// Fault table row 21.
#[tokio::test(flavor = "multi_thread")]
async fn where_types_may_not_be_read_discovery_is_asked_now_and_then() {
    let rig = Rig::new().await;
    for types in [
        "customresourcedefinitions.apiextensions.k8s.io",
        "apiservices.apiregistration.k8s.io",
    ] {
        rig.server.set_forbidden(types, true);
    }
    let mut config = rig.config(&[]);
    config.discovery_interval = Duration::from_millis(300);
    let mut running = Running::start(rig.connect(config).await.unwrap());
    running
        .until(|status| status.ready && status.feeds.denied == 2)
        .await;
    let observed = running.status.borrow().feeds.observed;
    rig.server.add_resource(widgets());
    let first = rig.put("widgets.acme.com", "w", 1);
    running
        .until(|status| status.feeds.observed == observed + 1)
        .await;
    running.stop().await;
    assert_versions(&rig.read().versions_of("widgets.acme.com"), [first]);
}
