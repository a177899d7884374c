//! Who may read what, and which cluster it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kymo_model::{Cause, CoverageState, Timestamp};
use kymo_testkit::api::Api;
use kymo_testkit::control_plane::Options;
use kymo_testkit::proxy::kubeconfig;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::connection::{annotate, until_status};
use crate::plane::{GUEST, on_shared_plane, plain_proxy};
use crate::recorder::Place;
use crate::resources::{DEFINITIONS, define};
use crate::work::{change_map, config_maps, create_map};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// Lets the guest read resources; returns the path of the binding.
async fn grant(api: &Api, name: &str, rules: Value) -> String {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": { "name": name },
        "rules": rules,
    });
    api.create(&format!("{RBAC}/clusterroles"), &role)
        .await
        .expect("a role");
    bind(api, name).await
}

async fn bind(api: &Api, name: &str) -> String {
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": { "name": name },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name },
        "subjects": [{ "kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "guest" }],
    });
    let bindings = format!("{RBAC}/clusterrolebindings");
    api.create(&bindings, &binding).await.expect("a binding");
    format!("{bindings}/{name}")
}

fn now() -> Timestamp {
    #[expect(
        clippy::disallowed_methods,
        reason = "compared with what another process wrote"
    )]
    let now = SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH).expect("a time after 1970");
    Timestamp(since.as_nanos() as i64)
}

/// Fault table row 20.
#[test]
fn a_right_revoked_and_granted_again_is_a_denied_stretch_of_that_resource_alone() {
    on_shared_plane("a_right_revoked", async |shared| {
        let api = shared.plane.api();
        let maps = config_maps(api, "denied").await;
        create_map(api, &maps, "subject").await;
        let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "other" } });
        let accounts = "/api/v1/namespaces/denied/serviceaccounts";
        api.create(accounts, &account).await.expect("an account");
        let verbs = ["get", "list", "watch"];
        grant(api, "guest-base", json!([
            { "apiGroups": [""], "resources": ["serviceaccounts", "namespaces"], "verbs": verbs },
            { "apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "verbs": verbs },
        ])).await;
        let rules = json!([{ "apiGroups": [""], "resources": ["configmaps"], "verbs": verbs }]);
        let binding = grant(api, "guest-maps", rules).await;

        let proxy = plain_proxy(&shared.plane).await;
        let place = Place::new();
        let config = place.write("kubeconfig", &kubeconfig(&proxy.url(), Some(GUEST)));
        let guest = Api::from_kubeconfig(&config).await.expect("a client");
        until_status(&guest, &maps, 200).await;
        let mut recorder = place
            .start(
                &config,
                "configmaps,serviceaccounts,customresourcedefinitions",
            )
            .await;
        let observed = recorder.metric("kymo_feeds{state=\"observed\"}").await;
        assert_eq!(observed, 3, "all feeds are observed");
        change_map(api, &maps, "subject", 1).await;

        api.delete(&binding).await.expect("revoke");
        until_status(&guest, &maps, 403).await;
        let revoked = now();
        proxy.hang_up();
        recorder
            .until_metric("kymo_feeds{state=\"denied\"}", |feeds| feeds == 1)
            .await;
        let denied_by = now();
        for value in 2..5 {
            change_map(api, &maps, "subject", value).await;
            annotate(api, &format!("{accounts}/other"), &value.to_string()).await;
        }
        sleep(Duration::from_secs(1)).await;
        let observed = recorder.metric("kymo_feeds{state=\"observed\"}").await;
        assert_eq!(observed, 2, "the other feeds go on");

        let granted = now();
        bind(api, "guest-maps").await;
        until_status(&guest, &maps, 200).await;
        // What is served changes, and feeds that were refused try again.
        define(api, "denied.example.org", "signals", "Signal").await;
        recorder
            .until_metric("kymo_feeds{state=\"denied\"}", |feeds| feeds == 0)
            .await;
        let observed_by = now();
        change_map(api, &maps, "subject", 9).await;
        create_map(api, &maps, "last").await;
        recorder.until_recorded("configmaps", "last").await;
        recorder.stop().await;
        api.delete(&format!("{DEFINITIONS}/signals.denied.example.org"))
            .await
            .expect("delete");

        let history = shared.oracle.history().await.expect("history");
        let recording = place.recording();
        let gaps = recording.gaps();
        assert_eq!(gaps.len(), 1, "{recording}");
        let gap = recording.stretches("configmaps", CoverageState::Denied)[0];
        assert_eq!(gap.cause, Cause::Forbidden);
        assert_eq!(gap.from_rv, gap.to_rv, "the watch was resumed: {recording}");
        let (from, to) = (gap.from_ts.expect("a begin"), gap.to_ts.expect("an end"));
        assert!(
            from <= denied_by && to >= granted && to <= observed_by,
            "{from} to {to}; {recording}"
        );
        assert!(
            from.0 > revoked.0 - 30_000_000_000,
            "{from} is long before {revoked}"
        );
        let report = recording.compare(&history);
        assert!(report.is_clean(), "{report}{recording}");
        for resource in ["configmaps", "serviceaccounts"] {
            recording.assert_has_all(&history, resource, recording.last(resource));
        }
        recording.assert_promises();
    });
}

/// Fault table row 34.
#[test]
fn a_trace_of_another_cluster_is_not_appended_to() {
    on_shared_plane("a_trace_of_another_cluster", async |shared| {
        let place = Place::new();
        let maps = config_maps(shared.plane.api(), "here").await;
        create_map(shared.plane.api(), &maps, "ours").await;
        let mut recorder = place
            .start(&shared.plane.admin_kubeconfig(), "configmaps")
            .await;
        recorder.until_recorded("configmaps", "ours").await;
        recorder.stop().await;
        let before = place.recording();

        let other = shared
            .plane
            .start_beside(Options::default())
            .await
            .expect("another cluster");
        let uid = |namespace: &Value| {
            namespace["metadata"]["uid"]
                .as_str()
                .unwrap_or("none")
                .to_owned()
        };
        let system = "/api/v1/namespaces/kube-system";
        let here = uid(&shared.plane.api().get(system).await.expect("kube-system"));
        let there = uid(&other.api().get(system).await.expect("kube-system"));
        assert_ne!(here, there, "the two are different clusters");

        let args = place.record(&other.admin_kubeconfig(), "configmaps");
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let output = tokio::task::block_in_place(|| Place::kymo(&args));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(&here) && said.contains(&there), "{said}");
        assert!(said.contains("hint: record into a new trace"), "{said}");
        let after = place.recording();
        assert_eq!(after.rows, before.rows);
        assert_eq!(
            (after.coverage, after.sessions),
            (before.coverage, before.sessions)
        );
    });
}
