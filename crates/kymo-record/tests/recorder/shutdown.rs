//! The end of a session.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use kymo_model::{Cause, Clock, CoverageState, SystemClock, Timestamp};
use kymo_record::Recorder;
use kymo_store::LogRecord;

use crate::rig::{Rig, Running, assert_versions};
use crate::throttled_fs::ThrottledFs;

#[expect(
    clippy::disallowed_methods,
    reason = "measures the recorder from outside"
)]
fn now() -> Instant {
    Instant::now()
}

/// Fault table row 37.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_flushes_and_takes_no_longer_than_allowed() {
    let rig = Rig::new().await;
    let running = rig.record(&["configmaps", "pods"]).await;
    let api = rig.server.api();
    let load =
        tokio::spawn(async move {
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
    assert_eq!(
        recorded.events.len() as u64,
        summary.events,
        "all that was taken is durable"
    );
    let versions = recorded.versions_of("configmaps");
    assert_versions(&versions, versions[0]..=*versions.last().unwrap());
    for resource in ["configmaps", "pods"] {
        let last = recorded.coverage_of(resource).pop().unwrap();
        assert_eq!(
            last,
            format!("{} {}", CoverageState::Unobserved, Cause::Stop)
        );
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

/// A clock whose wall time can be moved.
#[derive(Debug, Default)]
struct Moved {
    clock: SystemClock,
    seconds: AtomicI64,
}

impl Clock for Moved {
    fn now(&self) -> Timestamp {
        let seconds = self.seconds.load(Ordering::SeqCst);
        Timestamp(self.clock.now().0 + seconds * 1_000_000_000)
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }
}

/// Fault table row 32.
#[tokio::test(flavor = "multi_thread")]
async fn steps_of_the_wall_clock_are_recorded_and_order_is_kept() {
    let rig = Rig::new().await;
    let clock = Arc::new(Moved::default());
    let fs = Arc::new(rig.fs.clone());
    let config = rig.config(&["configmaps"]);
    let recorder = Recorder::connect_with(config, clock.clone(), fs)
        .await
        .unwrap();
    let mut running = Running::start(recorder);
    running.until(|status| status.ready).await;
    let mut expected = Vec::new();
    for (round, step) in [(1, 0), (2, -3600), (3, 7200)] {
        clock.seconds.fetch_add(step, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(700)).await;
        expected.push(rig.put("configmaps", "a", round));
        running.until_durable(round).await;
    }
    running.stop().await;

    let recorded = rig.read();
    assert_versions(&recorded.versions_of("configmaps"), expected);
    let times: Vec<Timestamp> = recorded.events.iter().map(|(_, event)| event.ts).collect();
    assert!(times.is_sorted(), "{times:?}");
    let steps: Vec<i64> = recorded
        .trace
        .records()
        .filter_map(|placed| match placed.record {
            LogRecord::ClockStep(step) => Some((step.offset_ns as f64 / 1e9).round() as i64),
            _ => None,
        })
        .collect();
    assert_eq!(steps, [-3600, 3600], "the fault has fired");
}
