//! History that is gone when it is asked for.

use kymo_model::{Cause, Certainty, CoverageState, EventType};
use kymo_testkit::api::Api;
use kymo_testkit::oracle::History;
use serde_json::json;

use crate::connection::annotate;
use crate::plane::{Shared, admin_proxy, on_shared_plane};
use crate::recorder::Place;
use crate::recording::{Recording, number};

/// Service accounts: the shared plane serves their watches from etcd.
struct Accounts<'a> {
    api: &'a Api,
    collection: String,
}

impl<'a> Accounts<'a> {
    async fn new(api: &'a Api, namespace: &str) -> Self {
        kymo_testkit::traffic::objects::ensure_namespace(api, namespace)
            .await
            .expect("a namespace");
        Self {
            api,
            collection: format!("/api/v1/namespaces/{namespace}/serviceaccounts"),
        }
    }

    async fn create(&self, name: &str) -> String {
        let account =
            json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name } });
        let made = self
            .api
            .create(&self.collection, &account)
            .await
            .expect("create");
        made["metadata"]["uid"].as_str().expect("a uid").to_owned()
    }

    async fn change(&self, name: &str, value: &str) -> u64 {
        annotate(self.api, &format!("{}/{name}", self.collection), value).await
    }

    async fn delete(&self, name: &str) {
        self.api
            .delete(&format!("{}/{name}", self.collection))
            .await
            .expect("delete");
    }
}

/// Records service accounts, halts the recorder, has `away` done meanwhile, ends etcd's history,
/// and lets the recorder go on.
async fn away(
    shared: &mut Shared,
    accounts: &Accounts<'_>,
    away: impl AsyncFnOnce(),
) -> (History, Recording) {
    let proxy = admin_proxy(&shared.plane, []).await;
    let place = Place::new();
    let config = place.write("kubeconfig", &proxy.kubeconfig());
    let mut recorder = place.start(&config, "serviceaccounts,configmaps").await;
    accounts.change("changed", "before").await;
    accounts.create("before").await;
    recorder.until_recorded("serviceaccounts", "before").await;

    recorder.pause();
    proxy.hang_up();
    away().await;
    // The oracle has to have it before it is gone.
    shared.oracle.history().await.expect("history");
    let revision = shared.plane.etcd().revision().await.expect("a revision");
    shared
        .plane
        .etcd()
        .compact(revision)
        .await
        .expect("compact");
    recorder.go_on();
    recorder
        .until_trace("end of the gap", |recording| {
            let gone = |row: &&kymo_model::Coverage| row.cause == Cause::HistoryExpired;
            recording
                .stretches("serviceaccounts", CoverageState::Observed)
                .iter()
                .any(gone)
        })
        .await;
    accounts.create("after").await;
    recorder.until_recorded("serviceaccounts", "after").await;
    recorder.stop().await;
    (
        shared.oracle.history().await.expect("history"),
        place.recording(),
    )
}

/// Asserts that there is one gap, made by the server's 410, and that it holds what it must.
fn assert_one_exact_gap(history: &History, recording: &Recording) {
    let gaps = recording.gaps();
    assert_eq!(gaps.len(), 1, "{recording}");
    let gap = gaps[0];
    assert_eq!(
        (gap.state, gap.cause),
        (CoverageState::Unobserved, Cause::HistoryExpired)
    );
    let detail = gap.detail.as_deref().expect("the server's words");
    assert!(
        detail.contains("compacted") || detail.contains("too old"),
        "{detail}"
    );
    let report = recording.compare(history);
    assert!(report.is_clean(), "{report}{recording}");
    recording.assert_gap_is_exact(history, "serviceaccounts", gap);
    recording.assert_promises();
}

/// Fault table row 6.
#[test]
fn a_recorder_away_for_longer_than_history_reaches_owns_up_to_exactly_what_it_missed() {
    on_shared_plane("a_recorder_away_for_longer", async |shared| {
        let api = shared.plane.api().clone();
        let accounts = Accounts::new(&api, "away").await;
        for name in ["changed", "deleted", "quiet"] {
            accounts.create(name).await;
        }
        let mut last_before = 0;
        let mut last = 0;
        let (history, recording) = away(shared, &accounts, async || {
            for value in ["1", "2", "3"] {
                last_before = last;
                last = accounts.change("changed", value).await;
            }
            accounts.delete("deleted").await;
            accounts.create("short-lived").await;
            accounts.delete("short-lived").await;
            accounts.create("new").await;
            accounts.change("new", "1").await;
        })
        .await;
        assert_one_exact_gap(&history, &recording);

        let of = |name: &'static str| {
            recording
                .of("serviceaccounts")
                .filter(move |row| row.event.key.name == name)
                .collect::<Vec<_>>()
        };
        let changed = of("changed");
        let newest = changed.last().expect("rows");
        assert_eq!(newest.event.certainty, Certainty::Coalesced);
        assert_eq!(newest.event.rv.as_ref().map(number), Some(last));
        assert!(
            changed
                .iter()
                .all(|row| row.event.rv.as_ref().map(number) != Some(last_before))
        );
        let deleted = of("deleted");
        let end = deleted.last().expect("rows");
        assert_eq!(
            (end.event.event_type, end.event.certainty),
            (EventType::Deleted, Certainty::Inferred)
        );
        assert!(
            end.event
                .not_before
                .is_some_and(|earliest| earliest < end.event.ts)
        );
        assert!(of("short-lived").is_empty(), "it cannot be known");
        assert_eq!(of("quiet").len(), 1, "what did not change is not repeated");
        let gap = recording.gaps()[0];
        let before = of("before")[0].event.rv.clone();
        assert!(
            gap.from_rv.as_ref().map(number) >= before.as_ref().map(number),
            "{recording}"
        );
    });
}

/// Fault table row 8.
#[test]
fn an_object_made_anew_under_its_name_while_the_recorder_was_away_is_two_objects() {
    on_shared_plane("an_object_made_anew", async |shared| {
        let api = shared.plane.api().clone();
        let accounts = Accounts::new(&api, "anew").await;
        accounts.create("changed").await;
        let old = accounts.create("twice").await;
        let mut new = String::new();
        let (history, recording) = away(shared, &accounts, async || {
            accounts.delete("twice").await;
            new = accounts.create("twice").await;
            accounts.change("changed", "1").await;
            accounts.change("changed", "2").await;
        })
        .await;
        assert_one_exact_gap(&history, &recording);

        let rows: Vec<_> = recording
            .of("serviceaccounts")
            .filter(|row| row.event.key.name == "twice")
            .map(|row| {
                (
                    row.event.key.uid.clone(),
                    row.event.event_type,
                    row.event.certainty,
                )
            })
            .collect();
        assert_eq!(
            rows,
            [
                (old.clone(), EventType::Added, Certainty::Listed),
                (old, EventType::Deleted, Certainty::Inferred),
                (new, EventType::Added, Certainty::Listed),
            ]
        );
    });
}
