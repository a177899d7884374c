//! The end of a session.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kymo_model::{Cause, CoverageState};

use crate::rig::{Rig, Running, assert_versions};
use crate::throttled_fs::ThrottledFs;

#[expect(clippy::disallowed_methods, reason = "measures the recorder from outside")]
fn now() -> Instant {
    Instant::now()
}

/// Fault table row 37.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_flushes_and_takes_no_longer_than_allowed() {
    let rig = Rig::new().await;
    let running = rig.record(&["configmaps", "pods"]).await;
    let api = rig.server.api();
    let load = tokio::spawn(async move {
        loop {
            api.churn("configmaps", 20, 200, |number| {
                serde_json::json!({"data": {"number": number.to_string().repeat(200)}})
            });
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    tokio::time::sleep(Duration::from_millis(700)).await;
    let began = now();
    let summary = running.stop().await;
    let took = began.elapsed();
    load.abort();
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(summary.clean, "{summary:?}");
    assert!(summary.events > 200, "there was a load: {summary:?}");

    let recorded = rig.read();
    assert_eq!(recorded.events.len() as u64, summary.events, "all that was taken is durable");
    let versions = recorded.versions_of("configmaps");
    assert_versions(&versions, versions[0]..=*versions.last().unwrap());
    for resource in ["configmaps", "pods"] {
        let last = recorded.coverage_of(resource).pop().unwrap();
        assert_eq!(last, format!("{} {}", CoverageState::Unobserved, Cause::Stop));
    }
}

/// Fault table row 37.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_a_disk_that_hangs() {
    let rig = Rig::new().await;
    let fs = ThrottledFs::new(rig.fs.clone());
    let config = rig.config(&["configmaps"]);
    let recorder = rig.connect_to(config, Arc::new(fs.clone())).await.unwrap();
    let mut running = Running::start(recorder);
    running.until(|status| status.ready).await;
    fs.set_sync(Duration::from_secs(8));
    rig.put("configmaps", "a", 1);
    while fs.slow_syncs() == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let began = now();
    let summary = running.stop().await;
    let took = began.elapsed();
    fs.set_sync(Duration::ZERO);
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(!summary.clean, "what was not written is not called written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_a_given_length_ends_by_itself() {
    let rig = Rig::new().await;
    let first = rig.put("configmaps", "a", 1);
    let mut config = rig.config(&["configmaps"]);
    config.duration = Some(Duration::from_millis(600));
    let running = Running::start(rig.connect(config).await.unwrap());
    let summary = running.end().await.unwrap();
    assert!(summary.clean && summary.duration >= Duration::from_millis(600));
    let recorded = rig.read();
    assert_versions(&recorded.versions_of("configmaps"), [first]);
}
