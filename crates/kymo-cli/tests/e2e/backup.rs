//! An etcd restored from a backup. The test waits most of its time, beside the others: it begins
//! early.

use std::time::Duration;

use kymo_model::{Cause, Certainty, EventType};
use kymo_testkit::control_plane::Options;
use kymo_testkit::oracle::Oracle;

use crate::plane::{alone, on_shared_plane};
use crate::recorder::Place;
use crate::recording::Recording;
use crate::work::{change_map, config_maps, create_map};

/// Fault table row 12.
#[test]
fn an_etcd_put_back_to_a_backup_begins_a_new_epoch() {
    let mut place = None;
    let mut plane = None;
    on_shared_plane("an_etcd_put_back", async |shared| {
        let beside = shared.plane.start_beside(Options::default()).await;
        plane = Some(beside.expect("a second plane"));
        place = Some(Place::new());
    });
    let (Some(mut plane), Some(place)) = (plane, place) else {
        return;
    };
    // The rest is waiting: it does not hold the shared plane.
    alone(async move {
        let maps = config_maps(plane.api(), "restored").await;
        create_map(plane.api(), &maps, "old").await;
        let config = plane.admin_kubeconfig();
        let checkpoint = plane.checkpoint().await.expect("a backup");
        let mut recorder = place.start(&config, "configmaps").await;
        for number in 0..20 {
            create_map(plane.api(), &maps, &format!("lost-{number}")).await;
        }
        // The server itself writes a version every few seconds: it must not catch up unnoticed.
        for value in 0..400 {
            change_map(plane.api(), &maps, "old", value).await;
        }
        create_map(plane.api(), &maps, "lost-20").await;
        recorder.until_recorded("configmaps", "lost-20").await;
        let newest = plane.etcd().revision().await.expect("a revision");

        plane.restore(&checkpoint).await.expect("restore");
        assert!(
            plane.etcd().revision().await.expect("a revision") < newest,
            "versions went back"
        );
        create_map(plane.api(), &maps, "anew").await;
        // The new server takes a watch from a version that it has not reached, and is silent: that
        // is noticed after 150 s.
        recorder
            .until_trace_within(
                Duration::from_mins(4),
                "object of the new epoch",
                |recording| {
                    recording
                        .of("configmaps")
                        .any(|row| row.event.key.name == "anew")
                },
            )
            .await;
        recorder.stop().await;

        let recording = place.recording();
        let rewound = recording.gaps();
        assert_eq!(rewound.len(), 1, "{recording}");
        assert_eq!(rewound[0].cause, Cause::HistoryRewound, "{recording}");
        assert_eq!(rewound[0].epoch, 1, "{recording}");
        let lost: Vec<_> = recording
            .of("configmaps")
            .filter(|row| row.event.epoch == 1 && row.event.event_type == EventType::Deleted)
            .map(|row| (row.event.key.name.clone(), row.event.certainty))
            .collect();
        assert_eq!(lost.len(), 21, "{lost:?}");
        assert!(lost.iter().all(
            |(name, certainty)| name.starts_with("lost-") && *certainty == Certainty::Inferred
        ));
        recording.assert_promises();
        let anew = Oracle::start(plane.etcd()).await.expect("the oracle");
        let history = anew.history().await.expect("history");
        let (mut rows, mut of_new_epoch) = (recording.rows, recording.coverage);
        rows.retain(|row| row.event.epoch == 1 && row.event.rv.is_some());
        of_new_epoch.retain(|row| row.epoch == 1);
        let recording = Recording {
            feeds: recording.feeds,
            rows,
            coverage: of_new_epoch,
            sessions: 1,
        };
        let report = recording.compare(&history);
        assert!(report.is_clean(), "{report}{recording}");
    });
}
