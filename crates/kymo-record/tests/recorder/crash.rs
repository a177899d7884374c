//! What a recorder leaves behind, and how the next one goes on.

use std::sync::Arc;

use kymo_model::{Cause, CoverageState};
use kymo_record::{Error, Fault};

use crate::rig::{Recorded, Rig, Running, assert_versions};

/// Fault table row 25.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_recorder_goes_on_from_what_is_durable_without_a_gap() {
    let rig = Rig::new().await;
    let mut expected = vec![rig.put("configmaps", "a", 0), rig.put("configmaps", "b", 0)];
    let mut running = rig.record(&["configmaps"]).await;
    for number in 1..20 {
        expected.push(rig.put("configmaps", "a", number));
    }
    running.until_durable(expected.len() as u64).await;
    let left = rig.fs.after_crash(7);
    running.kill().await;
    for number in 20..30 {
        expected.push(rig.put("configmaps", "a", number));
    }
    expected.push(rig.server.delete("configmaps", "b"));

    let lists = rig.lists("configmaps");
    assert!(lists > 0);
    let recorder = rig
        .connect_to(rig.config(&["configmaps"]), Arc::new(left.clone()))
        .await
        .unwrap();
    assert!(recorder.plan().resumed);
    let mut running = Running::start(recorder);
    running.until_durable(11).await;
    running.until(|status| status.feeds.observed == 1).await;
    let summary = running.stop().await;
    assert_eq!((summary.session, summary.gaps), (2, 0));

    assert_eq!(rig.lists("configmaps"), lists, "resumed, not listed again");
    let recorded = Recorded::read(&left);
    assert_versions(&recorded.versions_of("configmaps"), expected);
    assert_eq!(recorded.trace.sessions().count(), 2);
    assert!(
        !recorded
            .coverage
            .iter()
            .any(|(_, row)| { row.state != CoverageState::Observed && row.cause != Cause::Stop }),
        "{:?}",
        recorded.coverage_of("configmaps")
    );
}

/// Fault table row 25.
#[tokio::test(flavor = "multi_thread")]
async fn history_lost_while_a_recorder_was_dead_is_a_gap_and_its_deletes_are_inferred() {
    let rig = Rig::new().await;
    let kept = rig.put("configmaps", "kept", 0);
    let gone = rig.put("configmaps", "gone", 0);
    let mut running = rig.record(&["configmaps"]).await;
    running.until_durable(2).await;
    let left = rig.fs.after_kill();
    running.kill().await;
    rig.server.delete("configmaps", "gone");
    let newer = rig.put("configmaps", "kept", 1);
    rig.server.compact_to(newer);

    let recorder = rig
        .connect_to(rig.config(&["configmaps"]), Arc::new(left.clone()))
        .await
        .unwrap();
    let mut running = Running::start(recorder);
    running.until_durable(2).await;
    running.until(|status| status.feeds.observed == 1).await;
    let summary = running.stop().await;
    assert_eq!(summary.gaps, 1);

    let recorded = Recorded::read(&left);
    let mut events = recorded.events_of("configmaps");
    events[..2].sort();
    events[2..].sort();
    assert_eq!(
        events,
        [
            format!("ADDED gone {gone}"),
            format!("ADDED kept {kept}"),
            "DELETED gone -".to_owned(),
            format!("MODIFIED kept {newer}"),
        ]
    );
    assert!(
        recorded.has(
            "configmaps",
            CoverageState::Unobserved,
            Cause::RecorderCrash
        ) || recorded.has(
            "configmaps",
            CoverageState::Unobserved,
            Cause::HistoryExpired
        ),
        "{:?}",
        recorded.coverage_of("configmaps")
    );
}

/// Fault table row 34.
#[tokio::test(flavor = "multi_thread")]
async fn another_cluster_behind_the_same_name_is_refused() {
    let rig = Rig::new().await;
    let mut running = rig.record(&["configmaps"]).await;
    rig.put("configmaps", "a", 1);
    running.until_durable(1).await;
    running.stop().await;
    let before = rig.fs.used();

    rig.server.set_cluster_uid("another");
    for assume_same_cluster in [false, true] {
        let mut config = rig.config(&["configmaps"]);
        config.assume_same_cluster = assume_same_cluster;
        let error = rig.connect(config).await.unwrap_err();
        assert!(
            matches!(&error, Error::Store(kymo_store::Error::OtherCluster { found, .. }) if found == "another"),
            "{error}"
        );
        assert_eq!(error.fault(), Fault::Environment);
        assert!(error.hint().is_some());
    }
    assert!(rig.fs.used() >= before, "the trace is intact");
    assert_eq!(rig.read().events.len(), 1);
}

/// Fault table row 34.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_cannot_be_told_is_appended_to_only_on_the_users_word() {
    let rig = Rig::new().await;
    rig.record(&["configmaps"]).await.stop().await;
    rig.server.set_forbidden("namespaces", true);
    let error = rig.connect(rig.config(&["configmaps"])).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::ClusterUnknown {
                expected: Some(_),
                ..
            }
        ),
        "{error}"
    );

    let mut config = rig.config(&["configmaps"]);
    config.assume_same_cluster = true;
    let recorder = rig.connect(config).await.unwrap();
    assert_eq!(recorder.plan().cluster_uid, None);
    assert_eq!(recorder.plan().warnings.len(), 1);
    assert!(Running::start(recorder).stop().await.clean);
}
