//! Recorders that end, of their own accord or not.

use std::time::Duration;

use kymo_model::{Cause, CoverageState};
use kymo_testkit::api::Api;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::{Instant, sleep};

use crate::plane::on_shared_plane;
use crate::recorder::Place;
use crate::work::{Churn, config_maps, create_map};

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is not a number")),
    )
}

/// Fault table row 25.
#[test]
fn a_recorder_killed_at_random_under_load_loses_and_repeats_nothing() {
    on_shared_plane("a_recorder_killed_at_random", async |shared| {
        let kills = variable("KYMO_KILLS").unwrap_or(15);
        let seed = variable("KYMO_SEED").unwrap_or_else(|| rand::rng().random_range(0..1_000_000));
        eprintln!("{kills} kills, KYMO_SEED={seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let api: Api = shared.plane.api().clone();
        let maps = config_maps(&api, "crash").await;
        let place = Place::new();
        let config = shared.plane.admin_kubeconfig();
        let churn = Churn::start(&api, &maps, 100);
        let began = Instant::now();
        let mut killed_while_recording = 0;
        for _ in 0..kills {
            let mut recorder = place.spawn(&config, "configmaps,namespaces,serviceaccounts");
            if random.random_ratio(9, 10) {
                recorder.until_recording().await;
                killed_while_recording += 1;
                sleep(Duration::from_millis(random.random_range(0..800))).await;
            } else {
                // While it starts, too.
                sleep(Duration::from_millis(random.random_range(0..400))).await;
            }
            recorder.kill();
        }
        let took = began.elapsed();
        let mut recorder = place
            .start(&config, "configmaps,namespaces,serviceaccounts")
            .await;
        let written = churn.stop().await;
        create_map(&api, &maps, "last").await;
        recorder.until_recorded("configmaps", "last").await;
        recorder.stop().await;

        let history = shared.oracle.history().await.expect("history");
        let recording = place.recording();
        eprintln!(
            "{kills} kills in {:.0} s, {written} writes, {} events in {} sessions",
            took.as_secs_f64(),
            recording.rows.len(),
            recording.sessions
        );
        assert!(
            killed_while_recording > 0 && recording.sessions > 2,
            "{recording}"
        );
        recording.assert_promises();
        assert!(
            recording.gaps().is_empty(),
            "a restart within history is no gap\n{recording}"
        );
        let report = recording.compare(&history);
        assert!(report.is_clean(), "{report}{recording}");
        recording.assert_has_all(&history, "configmaps", recording.last("configmaps"));
        let trace = place.trace();
        let check = Place::kymo(&["check", trace.to_str().expect("UTF-8")]);
        assert!(
            check.status.success(),
            "{}",
            String::from_utf8_lossy(&check.stderr)
        );
    });
}

/// Fault table row 37.
#[test]
fn a_recorder_told_to_end_under_load_ends_well_within_five_seconds_with_all_it_was_given() {
    on_shared_plane("a_recorder_told_to_end", async |shared| {
        let api: Api = shared.plane.api().clone();
        let maps = config_maps(&api, "term").await;
        let place = Place::new();
        let mut recorder = place.start(&shared.plane.admin_kubeconfig(), "").await;
        let churn = Churn::start(&api, &maps, 200);
        churn.more(100).await;
        let acknowledged = churn.newest();
        churn.more(50).await;
        let (status, took) = recorder.end().await;
        churn.stop().await;
        assert_eq!(status.code(), Some(0), "{}", recorder.said());
        assert!(took < Duration::from_secs(5), "{took:?}");

        let history = shared.oracle.history().await.expect("history");
        let recording = place.recording();
        let report = recording.compare(&history);
        assert!(report.is_clean(), "{report}{recording}");
        recording.assert_has_all(&history, "configmaps", acknowledged);
        recording.assert_promises();
        for row in recording.stretches("configmaps", CoverageState::Observed) {
            assert!(row.to_ts.is_some(), "the stretch is closed: {recording}");
        }
        let stopped = recording.coverage_of("configmaps");
        assert_eq!(
            stopped.last().map(|row| row.cause),
            Some(Cause::Stop),
            "{recording}"
        );
    });
}
