//! What the disk does to the recorder.

use std::sync::Arc;
use std::time::Duration;

use kymo_model::{Cause, CoverageState};
use kymo_store::fs::Fault;

use crate::rig::{Recorded, Rig, Running, TRACE, assert_versions};
use crate::throttled_fs::ThrottledFs;

/// Fault table row 5.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_disk_holds_the_feeds_back_and_memory_stays_bounded() {
    const CHANGES: u64 = 400;
    const BODY: usize = 100_000;

    let rig = Rig::new().await;
    let fs = ThrottledFs::new(rig.fs.clone());
    let mut config = rig.config(&["configmaps"]);
    config.memory_budget = kymo_record::Config::LEAST_MEMORY_BUDGET;
    let bound = config.memory_budget / 4;
    assert!(
        CHANGES * BODY as u64 > 4 * bound,
        "the load exceeds the bound"
    );
    let recorder = rig.connect_to(config, Arc::new(fs.clone())).await.unwrap();
    let mut running = Running::start(recorder);
    running.until(|status| status.ready).await;

    fs.set_sync(Duration::from_millis(150));
    rig.server.churn("configmaps", 10, CHANGES, |number| {
        serde_json::json!({"data": {"number": number.to_string(), "noise": noise(number, BODY)}})
    });
    let mut most = 0;
    running
        .until(|status| {
            most = most.max(status.in_flight_bytes);
            status.events >= CHANGES && status.lag.is_zero()
        })
        .await;
    fs.set_sync(Duration::ZERO);
    let summary = running.stop().await;

    assert!(
        fs.slow_syncs() > 10,
        "the fault has fired: {}",
        fs.slow_syncs()
    );
    assert!(
        most > bound / 2,
        "the bound was never near: {most} of {bound}"
    );
    assert!(most <= bound, "{most} bytes in flight, {bound} allowed");
    assert_eq!((summary.events, summary.gaps), (CHANGES, 0));
    let versions = rig.read().versions_of("configmaps");
    assert_eq!(versions.len() as u64, CHANGES);
    assert!(versions.is_sorted());
}

/// A text that does not compress to nothing.
fn noise(seed: u64, length: usize) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let letters = (0..length / 8).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes().map(|byte| char::from(b'A' + byte % 58))
    });
    letters
        .map(|letter| if letter == '\\' { '-' } else { letter })
        .collect()
}

/// Fault table row 29.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_recording_until_there_is_space_again() {
    let rig = Rig::new().await;
    let mut config = rig.config(&["configmaps", "pods"]);
    // The disk is full when it says so, not before.
    config.writer.low_water_bytes = 0;
    config.writer.ballast_bytes = 1 << 16;
    let mut running = Running::start(rig.connect(config).await.unwrap());
    running.until(|status| status.ready).await;
    let mut expected = vec![rig.put("configmaps", "a", 0)];
    running.until_durable(1).await;

    rig.fs.set_capacity(Some(rig.fs.used() + 200));
    for number in 1..20 {
        expected.push(rig.put("configmaps", "a", number));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    running.until(|status| status.disk_full).await;
    assert!(!running.status.borrow().ready);
    let fired = rig.fs.fired();
    assert!(fired > 0, "the fault has fired");
    let while_full = Recorded::read(&rig.fs.after_kill());
    assert_eq!(
        while_full.versions_of("configmaps")[0],
        expected[0],
        "nothing is deleted"
    );

    expected.push(rig.put("configmaps", "a", 20));
    rig.fs.set_capacity(None);
    running.until(|status| !status.disk_full).await;
    running.until(|status| status.feeds.observed == 2).await;
    expected.push(rig.put("configmaps", "a", 21));
    let last = *expected.last().unwrap();
    running
        .until(|status| status.ready && status.lag.is_zero())
        .await;
    wait_for(&rig, last).await;
    let summary = running.stop().await;
    assert!(summary.clean);

    let recorded = rig.read();
    assert_versions(&recorded.versions_of("configmaps"), expected);
    assert!(
        recorded
            .coverage
            .iter()
            .any(|(_, row)| row.cause == Cause::DiskFull),
        "{:?}",
        recorded.coverage
    );
}

/// Fault table row 30.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_fsync_voids_what_was_not_durable_and_it_is_fetched_again() {
    let rig = Rig::new().await;
    let mut running = rig.record(&["configmaps", "pods"]).await;
    let mut expected = vec![rig.put("configmaps", "a", 0)];
    running.until_durable(1).await;

    // The next change is an append and a sync; the sync fails.
    let operations = rig.fs.operations();
    rig.fs.fail_at(operations + 2, Fault::Io);
    expected.push(rig.put("configmaps", "a", 1));
    wait_for(&rig, expected[1]).await;
    expected.push(rig.put("configmaps", "a", 2));
    let pod = rig.put("pods", "p", 1);
    wait_for(&rig, expected[2]).await;
    running
        .until(|status| status.lag.is_zero() && status.feeds.observed == 2)
        .await;
    running.stop().await;

    assert_eq!(rig.fs.fired(), 1, "the fault has fired");
    let failed = rig.fs.log()[operations as usize + 1].clone();
    assert!(
        failed.starts_with("sync ") && failed.contains(".wal"),
        "{failed}"
    );
    let after = rig.fs.log()[operations as usize + 2..].join("\n");
    let file = failed.trim_start_matches("sync ");
    assert!(
        !after.contains(&format!("append {file}")) && !after.contains(&format!("sync {file}")),
        "the failed file is not written again:\n{after}"
    );
    let recorded = rig.read();
    assert_versions(&recorded.versions_of("configmaps"), expected);
    assert_eq!(recorded.versions_of("pods"), [pod]);
    assert!(!recorded.has(
        "configmaps",
        CoverageState::Unobserved,
        Cause::HistoryExpired
    ));
}

/// Fault table row 30.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_failed_fsync_lost_and_the_server_forgot_is_a_gap() {
    let rig = Rig::new().await;
    let mut running = rig.record(&["configmaps"]).await;
    let first = rig.put("configmaps", "a", 0);
    running.until_durable(1).await;
    // The server answers nothing between the failure and the compaction.
    let operations = rig.fs.operations();
    rig.fs.fail_at(operations + 2, Fault::Io);
    let lost = rig.put("configmaps", "a", 1);
    let newest = rig.put("configmaps", "a", 2);
    rig.server.forget_watch_history(newest);
    wait_for(&rig, newest).await;
    running
        .until(|status| status.feeds.observed == 1 && status.lag.is_zero())
        .await;
    running.stop().await;

    assert_eq!(rig.fs.fired(), 1, "the fault has fired");
    let recorded = rig.read();
    let versions = recorded.versions_of("configmaps");
    assert_eq!(versions.first(), Some(&first));
    assert_eq!(versions.last(), Some(&newest));
    if !versions.contains(&lost) {
        assert!(
            recorded.has(
                "configmaps",
                CoverageState::Unobserved,
                Cause::HistoryExpired
            ),
            "{:?}",
            recorded.coverage_of("configmaps")
        );
    }
}

/// Waits until a version is in the trace, as a reader beside the recorder sees it.
async fn wait_for(rig: &Rig, version: u64) {
    for _ in 0..300 {
        let fs = rig.fs.after_kill();
        let versions = Recorded::read(&fs).versions_of("configmaps");
        if versions.contains(&version) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let found = rig.read().versions_of("configmaps");
    assert!(
        found.contains(&version),
        "version {version} is not in {TRACE}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn full_logs_are_sealed_while_recording_goes_on() {
    let rig = Rig::new().await;
    let mut config = rig.config(&["configmaps"]);
    config.writer.rotate_events = 100;
    let mut running = Running::start(rig.connect(config).await.unwrap());
    running.until(|status| status.ready).await;
    for round in 1..=5 {
        rig.server.churn(
            "configmaps",
            10,
            120,
            |number| serde_json::json!({"data": {"number": number.to_string()}}),
        );
        running.until_durable(round * 120).await;
    }
    for _ in 0..200 {
        if rig.read().trace.segments().count() > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    rig.put("configmaps", "a", 1);
    running.until_durable(601).await;
    let alarm = running.status.borrow().last_alarm.clone();
    assert!(running.stop().await.clean);
    let recorded = rig.read();
    assert!(
        recorded.trace.segments().count() > 0,
        "nothing was sealed: {alarm:?}"
    );
    let versions = recorded.versions_of("configmaps");
    assert_versions(&versions, versions[0]..versions[0] + 601);
}
