//! A whole cluster at work, held against what etcd says.

use std::time::Duration;

use futures::future::try_join_all;
use kymo_model::CoverageState;
use kymo_testkit::control_plane::Options;
use kymo_testkit::oracle::Oracle;
use kymo_testkit::traffic::{Traffic, objects};
use tokio::time::Instant;

use crate::plane::on_shared_plane;
use crate::recorder::Place;
use crate::recording::versions;
use crate::resources::{DEFINITIONS, define, until_observed, use_resource};

/// Resources of which every version from the first to the last of the traffic must be recorded.
const BUSY: [&str; 7] = [
    "pods",
    "deployments.apps",
    "replicasets.apps",
    "nodes",
    "configmaps",
    "events",
    "customresourcedefinitions.apiextensions.k8s.io",
];

#[test]
fn a_cluster_whose_deployments_are_made_rolled_and_deleted_is_recorded_without_fault() {
    const GROUP: &str = "shop.example.org";
    on_shared_plane("a_cluster", async |shared| {
        let (nodes, deployments, replicas) = (100, 10, 100);
        let plane = shared
            .plane
            .start_beside(Options::with_pods())
            .await
            .expect("a plane with pods");
        let oracle = Oracle::start(plane.etcd()).await.expect("the oracle");
        let api = plane.api();
        objects::ensure_namespace(api, "traffic")
            .await
            .expect("a namespace");
        let place = Place::new();
        let mut recorder = place.start(&plane.admin_kubeconfig(), "").await;
        let began = Instant::now();
        let from = plane.etcd().revision().await.expect("a revision");

        let limit = Duration::from_mins(20);
        let base = Traffic {
            config_map_writes: 0,
            limit,
            ..Traffic::default()
        };
        Traffic {
            nodes,
            ..base.clone()
        }
        .run(api)
        .await
        .expect("nodes");
        define(api, GROUP, "orders", "Order").await;
        until_observed(&mut recorder, "orders.shop.example.org").await;
        let rollouts = (0..deployments).map(|seed| {
            let traffic = Traffic {
                seed: seed.into(),
                deployments: 1,
                replicas,
                rolls: 1,
                config_maps: 10,
                config_map_writes: 50,
                ..base.clone()
            };
            async move { traffic.run(api).await }
        });
        let orders = async {
            let collection = format!("/apis/{GROUP}/v1/namespaces/traffic/orders");
            use_resource(api, &format!("{GROUP}/v1"), &collection, "Order", 0..30).await;
            api.delete(&format!("{DEFINITIONS}/orders.{GROUP}"))
                .await
                .expect("delete");
        };
        let (written, ()) = tokio::join!(try_join_all(rollouts), orders);
        written.expect("traffic");
        let traffic_took = began.elapsed();

        let to = plane.etcd().revision().await.expect("a revision");
        let history = oracle.history().await.expect("history");
        let pods = versions(&history, "pods").len() as u64;
        let of_pods = "kymo_feed_events_total{group=\"\",resource=\"pods\",namespace=\"\"}";
        recorder
            .until_metric(of_pods, |events| events >= pods)
            .await;
        recorder
            .until_trace("end of the traffic", |recording| {
                recording.lagging(&history, &BUSY).is_none()
            })
            .await;
        let took = began.elapsed();
        let resident = recorder.metric("kymo_resident_memory_bytes").await;
        recorder.stop().await;

        let history = oracle.history().await.expect("history");
        let recording = place.recording();
        let report = recording.compare(&history);
        assert!(report.is_clean(), "{report}{recording}");
        for resource in BUSY {
            recording.assert_has_all(&history, resource, to);
        }
        recording.assert_has_all(&history, "orders.shop.example.org", to);
        let gaps = recording.gaps();
        // A busy server has no storage of a new resource at once, and says so.
        let is_new = |detail: &str| detail.contains("storage is (re)initializing");
        assert!(
            gaps.iter().all(|gap| gap.state == CoverageState::Absent
                || gap.detail.as_deref().is_some_and(is_new)),
            "only the deleted resource is absent\n{recording}"
        );
        recording.assert_promises();
        let total = report.total();
        assert_eq!(total.expected, total.matched);
        let pods_made = history
            .of(&kymo_testkit::oracle::Resource::new("", "pods"))
            .filter(|revision| revision.op == kymo_testkit::oracle::Op::Added)
            .count();
        assert!(
            pods_made >= 2 * (deployments * replicas) as usize,
            "made and rolled: {pods_made} pods"
        );
        let size: u64 = std::fs::read_dir(place.trace())
            .expect("the trace")
            .filter_map(|entry| entry.ok()?.metadata().ok())
            .map(|file| file.len())
            .sum();
        eprintln!(
            "{nodes} nodes, {deployments} Deployments of {replicas} pods rolled once and deleted: {pods_made} pods; \
             {} revisions in etcd, {} of them in {:.0} s of traffic; {} events recorded, {} of {} expected changes \
             matched, {} bodies equal; recorded after {:.0} s; {:.0} MB resident, {:.1} MB on disk",
            history.revisions().len(),
            history
                .revisions()
                .iter()
                .filter(|revision| revision.rv > from)
                .count(),
            traffic_took.as_secs_f64(),
            recording.rows.len(),
            total.matched,
            total.expected,
            total.bodies,
            took.as_secs_f64(),
            resident as f64 / 1e6,
            size as f64 / 1e6,
        );
    });
}
