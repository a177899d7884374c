//! Resources that come and go while they are recorded.

use std::time::Duration;

use kymo_model::{Cause, Certainty, Coverage, CoverageState, EventType};
use kymo_testkit::api::{Api, Patch};
use kymo_testkit::oracle::Resource;
use kymo_testkit::traffic::objects;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::plane::on_shared_plane;
use crate::recorder::{PATIENCE, Place, Recorder};
use crate::work::config_maps;

pub(crate) const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// Defines a resource and waits until the server serves it.
pub(crate) async fn define(api: &Api, group: &str, plural: &str, kind: &str) {
    api.create(DEFINITIONS, &objects::definition(group, plural, kind))
        .await
        .expect("define");
    let served = format!("/apis/{group}/v1/{plural}");
    api.wait_for(&served, "the new resource", PATIENCE, |_| true)
        .await
        .expect("served");
}

/// Waits until a resource is observed in the trace.
pub(crate) async fn until_observed(recorder: &mut Recorder, resource: &str) {
    recorder
        .until_trace(&format!("observed {resource}"), |recording| {
            !recording
                .stretches(resource, CoverageState::Observed)
                .is_empty()
        })
        .await;
}

/// Makes, changes and deletes objects of a custom resource.
pub(crate) async fn use_resource(
    api: &Api,
    version: &str,
    collection: &str,
    kind: &str,
    numbers: std::ops::Range<u32>,
) {
    for number in numbers {
        let object = json!({
            "apiVersion": version,
            "kind": kind,
            "metadata": { "name": format!("it-{number}") },
            "spec": { "number": number },
        });
        api.create(collection, &object).await.expect("create");
        let patch = json!({ "spec": { "number": number + 1 } });
        api.patch(&format!("{collection}/it-{number}"), Patch::Merge, &patch)
            .await
            .expect("patch");
    }
    api.delete(&format!("{collection}/it-0")).await.ok();
}

/// Fault table row 21.
#[test]
fn a_custom_resource_is_recorded_from_its_definition_to_its_end_and_through_a_new_version() {
    const GROUP: &str = "types.example.org";
    const NAME: &str = "gadgets.types.example.org";
    on_shared_plane("a_custom_resource", async |shared| {
        let api = shared.plane.api();
        config_maps(api, "types").await;
        let place = Place::new();
        let mut recorder = place.start(&shared.plane.admin_kubeconfig(), "").await;

        define(api, GROUP, "gadgets", "Gadget").await;
        let served = Instant::now();
        until_observed(&mut recorder, NAME).await;
        let found = served.elapsed();
        assert!(found < Duration::from_secs(15), "recorded after {found:?}");
        let collection =
            |version: &str| format!("/apis/{GROUP}/{version}/namespaces/types/gadgets");
        use_resource(
            api,
            &format!("{GROUP}/v1"),
            &collection("v1"),
            "Gadget",
            0..4,
        )
        .await;

        // Another version, which clients prefer from now on.
        let path = format!("{DEFINITIONS}/{NAME}");
        let definition = api.get(&path).await.expect("the definition");
        let mut versions = definition["spec"]["versions"]
            .as_array()
            .expect("versions")
            .clone();
        let mut second = versions[0].clone();
        second["name"] = json!("v2");
        second["storage"] = json!(false);
        versions.push(second);
        let patch = json!({ "spec": { "versions": versions } });
        api.patch(&path, Patch::Merge, &patch)
            .await
            .expect("a second version");
        api.wait_for(&collection("v2"), "the second version", PATIENCE, |_| true)
            .await
            .expect("served");
        recorder
            .until_trace("second version", |recording| {
                let observed = recording.stretches(NAME, CoverageState::Observed);
                let version = |row: &&Coverage| Some(&recording.feeds[&row.feed?].resource.version);
                observed
                    .iter()
                    .any(|row| version(row).is_some_and(|version| version == "v2"))
            })
            .await;
        use_resource(
            api,
            &format!("{GROUP}/v2"),
            &collection("v2"),
            "Gadget",
            4..6,
        )
        .await;

        api.delete(&path).await.expect("delete");
        api.wait_gone(&path, PATIENCE).await.expect("gone");
        recorder
            .until_trace("end of the resource", |recording| {
                !recording.stretches(NAME, CoverageState::Absent).is_empty()
            })
            .await;
        recorder.stop().await;

        let history = shared.oracle.history().await.expect("history");
        let recording = place.recording();
        let report = recording.compare(&history);
        assert!(report.is_clean(), "{report}{recording}");
        let tally = report.tally(&Resource::new(GROUP, "gadgets"));
        assert_eq!(
            (tally.expected, tally.matched),
            (18, 18),
            "{report}{recording}"
        );
        let rows: Vec<_> = recording.of(NAME).collect();
        assert!(
            rows.iter()
                .all(|row| row.event.certainty == Certainty::Seen),
            "{recording}"
        );
        let count = |wanted: EventType| {
            rows.iter()
                .filter(|row| row.event.event_type == wanted)
                .count()
        };
        let counts = EventType::ALL.map(count);
        assert_eq!(counts, [6, 6, 6, 0], "added, modified, deleted, unreadable");
        let version = |body: &[u8]| {
            let body: Value = serde_json::from_slice(body).expect("JSON");
            body["apiVersion"].as_str().unwrap_or_default().to_owned()
        };
        for (row, name) in rows
            .iter()
            .filter(|row| row.event.event_type == EventType::Added)
            .zip(0..)
        {
            let expected = if name < 4 { "v1" } else { "v2" };
            let body = row.event.body.as_ref().expect("a body");
            assert_eq!(version(body), format!("{GROUP}/{expected}"), "{name}");
        }
        // The feed of the first version has handed over to that of the second.
        let ended = |row: &&&Coverage| {
            let version = row
                .feed
                .map(|feed| recording.feeds[&feed].resource.version.as_str());
            version == Some("v2") && row.cause != Cause::Stop
        };
        let rows = recording.coverage_of(NAME);
        let last = rows.iter().rfind(ended).expect("coverage");
        assert_eq!(last.state, CoverageState::Absent, "{recording}");
        recording.assert_promises();
    });
}
