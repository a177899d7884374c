//! Connections that end in every way, and servers that refuse for a while.

use std::time::Duration;

use kymo_model::CoverageState;
use kymo_testkit::api::{Api, Patch, refusal};
use kymo_testkit::control_plane::{Component, ControlPlane};
use kymo_testkit::proxy::{Do, Fault, RequestMatch, When, kubeconfig};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::plane::{CLERK, admin_proxy, on_shared_plane, plain_proxy};
use crate::recorder::{PATIENCE, Place};
use crate::work::{Churn, change_map, config_maps, create_map, version};

/// Chooses the watches of `ConfigMap`s that follow a list, not those that begin with one.
fn watches() -> When {
    When::request(RequestMatch::watches("configmaps").without_query("sendInitialEvents"))
}

/// Ends the watch that begins with a list, once that is over: only then do the others follow.
fn end_of_the_list() -> Fault {
    let first = RequestMatch::watches("configmaps").query("sendInitialEvents", "true");
    let after = When::request(first)
        .nth(1)
        .after_time(Duration::from_secs(1));
    Fault::new("the list's own watch", after, Do::End)
}

/// Fault table row 1.
#[test]
fn a_server_that_ends_its_watches_again_and_again_costs_nothing() {
    on_shared_plane("a_server_that_ends_its_watches", async |shared| {
        let api = shared.plane.api();
        let maps = config_maps(api, "ended").await;
        let end = Fault::new("end", watches().after_events(4), Do::End).always();
        let proxy = admin_proxy(&shared.plane, [end_of_the_list(), end]).await;
        let place = Place::new();
        let config = place.write("kubeconfig", &proxy.kubeconfig());
        let mut recorder = place.start(&config, "configmaps").await;

        let churn = Churn::start(api, &maps, 50);
        churn.more(60).await;
        churn.stop().await;
        create_map(api, &maps, "last").await;
        recorder.until_recorded("configmaps", "last").await;
        recorder.stop().await;

        assert!(
            proxy.fired("end") >= 10,
            "{} watches ended",
            proxy.fired("end")
        );
        let history = shared.oracle.history().await.expect("history");
        let recording = place.recording();
        let report = recording.compare(&history);
        assert!(report.is_clean(), "{report}{recording}");
        assert!(recording.gaps().is_empty(), "{recording}");
        recording.assert_has_all(&history, "configmaps", recording.last("configmaps"));
        recording.assert_promises();
    });
}

/// Measures the line in which a watch tells the next change of a `ConfigMap`, its end included.
async fn line_length(api: &Api, maps: &str, name: &str) -> u64 {
    let from = change_map(api, maps, name, 0).await;
    change_map(api, maps, name, 0).await;
    let to = change_map(api, maps, name, 1).await;
    assert!(to > from);
    let watch = format!("{maps}?watch=true&resourceVersion={from}&timeoutSeconds=1");
    let text = api.get_text(&watch).await.expect("a watch");
    text.lines().next().expect("a line").len() as u64 + 1
}

/// Breaks the watch at each of these bytes of its third line, and expects that nothing is lost,
/// repeated or noticed.
fn breaking_the_watch_costs_nothing(namespace: &str, deed: &Do, offsets: impl Fn(u64) -> Vec<u64>) {
    on_shared_plane(namespace, async |shared| {
        let api = shared.plane.api();
        let maps = config_maps(api, namespace).await;
        create_map(api, &maps, "subject").await;
        let length = line_length(api, &maps, "subject").await;
        let offsets = offsets(length);
        let faults = offsets.iter().zip(1..).map(|(offset, number)| {
            let when = watches().nth(number).after(2, *offset);
            Fault::new(format!("byte {offset}"), when, deed.clone())
        });
        let proxy = admin_proxy(&shared.plane, faults.chain([end_of_the_list()])).await;
        let place = Place::new();
        let config = place.write("kubeconfig", &proxy.kubeconfig());
        let mut recorder = place.start(&config, "configmaps").await;

        let began = Instant::now();
        let mut value = 2;
        while !proxy.unfired().is_empty() {
            assert!(
                began.elapsed() < PATIENCE,
                "not fired: {:?}",
                proxy.unfired()
            );
            change_map(api, &maps, "subject", value).await;
            value += 1;
            sleep(Duration::from_millis(15)).await;
        }
        create_map(api, &maps, "last").await;
        recorder.until_recorded("configmaps", "last").await;
        recorder.stop().await;

        let history = shared.oracle.history().await.expect("history");
        let recording = place.recording();
        let report = recording.compare(&history);
        assert!(report.is_clean(), "{report}{recording}");
        assert!(recording.gaps().is_empty(), "{recording}");
        recording.assert_has_all(&history, "configmaps", recording.last("configmaps"));
        recording.assert_promises();
    });
}

/// Fault table row 2.
#[test]
fn a_connection_reset_at_any_byte_around_a_line_boundary_costs_nothing() {
    breaking_the_watch_costs_nothing("reset", &Do::Reset, |length| {
        vec![
            0,
            1,
            2,
            length / 2,
            length - 2,
            length - 1,
            length,
            length + 1,
        ]
    });
}

/// Fault table row 3.
#[test]
fn a_watch_cut_inside_a_line_costs_nothing() {
    breaking_the_watch_costs_nothing("cut", &Do::Cut, |length| {
        let steps = 12;
        (1..steps)
            .map(|step| step * length / steps)
            .chain([length - 2, length - 1])
            .collect()
    });
}

/// Fault table row 17.
#[test]
fn a_server_without_a_seat_for_us_is_waited_for_and_the_stretch_is_throttled() {
    const FLOW: &str = "/apis/flowcontrol.apiserver.k8s.io/v1";
    on_shared_plane("a_server_without_a_seat", async |shared| {
        let api = shared.plane.api();
        let maps = config_maps(api, "throttled").await;
        let proxy = plain_proxy(&shared.plane).await;
        let place = Place::new();
        let config = place.write("kubeconfig", &kubeconfig(&proxy.url(), Some(CLERK)));
        let clerk = Api::from_kubeconfig(&config).await.expect("a client");
        let mut recorder = place.start(&config, "configmaps").await;
        let churn = Churn::start(api, &maps, 10);
        churn.more(5).await;

        let level = json!({
            "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
            "kind": "PriorityLevelConfiguration",
            "metadata": { "name": "no-seat" },
            "spec": { "type": "Limited", "limited": {
                "nominalConcurrencyShares": 0, "lendablePercent": 0, "borrowingLimitPercent": 0,
                "limitResponse": { "type": "Reject" },
            } },
        });
        let schema = json!({
            "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
            "kind": "FlowSchema",
            "metadata": { "name": "no-seat" },
            "spec": {
                "priorityLevelConfiguration": { "name": "no-seat" },
                "matchingPrecedence": 500,
                "rules": [{
                    "subjects": [{ "kind": "User", "user": { "name": "clerk" } }],
                    "resourceRules": [{
                        "verbs": ["list", "watch"], "apiGroups": [""], "resources": ["configmaps"],
                        "namespaces": ["*"], "clusterScope": true,
                    }],
                }],
            },
        });
        let levels = format!("{FLOW}/prioritylevelconfigurations");
        let schemas = format!("{FLOW}/flowschemas");
        api.create(&levels, &level).await.expect("a priority level");
        api.create(&schemas, &schema).await.expect("a flow schema");
        let sitters = sit(&clerk, &maps);
        until_status(&clerk, &maps, 429).await;
        proxy.hang_up();
        recorder
            .until_metric("kymo_feeds{state=\"throttled\"}", |feeds| feeds == 1)
            .await;
        let throttled = Instant::now();
        sleep(Duration::from_secs(4)).await;
        let refused = refusals(&shared.plane, 429, "watch");
        let seconds = throttled.elapsed().as_secs();
        sitters.iter().for_each(JoinHandle::abort);
        api.delete(&format!("{schemas}/no-seat"))
            .await
            .expect("delete");
        api.delete(&format!("{levels}/no-seat"))
            .await
            .expect("delete");

        recorder
            .until_metric("kymo_feeds{state=\"observed\"}", |feeds| feeds == 1)
            .await;
        churn.more(5).await;
        churn.stop().await;
        create_map(api, &maps, "last").await;
        recorder.until_recorded("configmaps", "last").await;
        recorder.stop().await;

        assert!(refused >= 2, "refused {refused} times");
        assert!(
            refused <= 3 + 2 * seconds,
            "{refused} requests in {seconds} s: a hot loop"
        );
        let history = shared.oracle.history().await.expect("history");
        let recording = place.recording();
        let stretches = recording.stretches("configmaps", CoverageState::Throttled);
        assert_eq!(stretches.len(), 1, "{recording}");
        assert_eq!(
            stretches[0].from_rv, stretches[0].to_rv,
            "nothing is lost: {recording}"
        );
        let report = recording.compare(&history);
        assert!(report.is_clean(), "{report}{recording}");
        recording.assert_has_all(&history, "configmaps", recording.last("configmaps"));
        recording.assert_promises();
    });
}

/// Keeps the only seat of the clerk's priority level taken: a list of a version that is far from
/// being reached is answered only after three seconds.
fn sit(clerk: &Api, maps: &str) -> Vec<JoinHandle<()>> {
    let sitter = |_| {
        let (clerk, list) = (clerk.clone(), format!("{maps}?resourceVersion=1000000000"));
        tokio::spawn(async move {
            loop {
                // Refused as well when another one sits.
                clerk.get(&list).await.ok();
            }
        })
    };
    (0..3).map(sitter).collect()
}

/// Counts the requests of a verb (empty: of any) that the server has answered with a status.
fn refusals(plane: &ControlPlane, status: u16, verb: &str) -> u64 {
    let audit = plane.audit().expect("the audit log");
    let refused = audit.iter().filter(|entry| {
        (verb.is_empty() || entry.verb == verb)
            && entry
                .response_status
                .as_ref()
                .is_some_and(|answer| answer.code == status)
    });
    refused.count() as u64
}

/// Waits until a list is answered with this status.
pub(crate) async fn until_status(api: &Api, path: &str, status: u16) {
    let began = Instant::now();
    loop {
        let found = match api.get(path).await {
            Ok(_) => 200,
            Err(error) => refusal(&error).expect("an answer"),
        };
        if found == status {
            return;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "{path} still answers {found}, not {status}"
        );
        sleep(Duration::from_millis(100)).await;
    }
}

/// Makes a token of a service account that lives as long as a Secret.
async fn bound_token(api: &Api, namespace: &str, account: &str, secret: &str) -> String {
    let core = format!("/api/v1/namespaces/{namespace}");
    let bound = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": secret } });
    let bound = api
        .create(&format!("{core}/secrets"), &bound)
        .await
        .expect("a secret");
    let request = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": { "expirationSeconds": 3600, "boundObjectRef": {
            "apiVersion": "v1", "kind": "Secret", "name": secret, "uid": bound["metadata"]["uid"],
        } },
    });
    let path = format!("{core}/serviceaccounts/{account}/token");
    let answer = api.create(&path, &request).await.expect("a token");
    answer["status"]["token"]
        .as_str()
        .expect("a token")
        .to_owned()
}

/// Fault table row 19.
#[test]
fn a_token_that_is_rotated_costs_one_refusal_and_no_gap() {
    on_shared_plane("a_token_that_is_rotated", async |shared| {
        let api = shared.plane.api();
        let maps = config_maps(api, "rotated").await;
        let account =
            json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "kymo" } });
        let accounts = "/api/v1/namespaces/rotated/serviceaccounts";
        api.create(accounts, &account).await.expect("an account");
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": { "name": "rotated" },
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin",
            },
            "subjects": [{ "kind": "ServiceAccount", "name": "kymo", "namespace": "rotated" }],
        });
        let bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
        api.create(bindings, &binding).await.expect("a binding");
        let old = bound_token(api, "rotated", "kymo", "old").await;

        let proxy = plain_proxy(&shared.plane).await;
        let place = Place::new();
        let file = place.write("token", &old);
        let with_old = kubeconfig(&proxy.url(), Some(&old));
        let with_file = with_old.replace(
            &format!("token: \"{old}\""),
            &format!("tokenFile: \"{}\"", file.display()),
        );
        assert_ne!(with_old, with_file);
        let config = place.write("kubeconfig", &with_file);
        let holder_of_old = place.write("old-kubeconfig", &with_old);
        let holder_of_old = Api::from_kubeconfig(&holder_of_old)
            .await
            .expect("a client");
        let mut recorder = place.start(&config, "configmaps").await;
        let churn = Churn::start(api, &maps, 10);
        churn.more(5).await;

        let new = bound_token(api, "rotated", "kymo", "new").await;
        place.write("token", &new);
        api.delete("/api/v1/namespaces/rotated/secrets/old")
            .await
            .expect("delete");
        until_status(&holder_of_old, &maps, 401).await;
        let refused_before = refusals(&shared.plane, 401, "");
        proxy.hang_up();
        recorder
            .until_metric("kymo_alarms_total{kind=\"unauthorized\"}", |alarms| {
                alarms >= 1
            })
            .await;
        churn.more(20).await;
        churn.stop().await;
        create_map(api, &maps, "last").await;
        recorder.until_recorded("configmaps", "last").await;
        recorder.stop().await;

        let refused = refusals(&shared.plane, 401, "") - refused_before;
        assert!((1..=2).contains(&refused), "refused {refused} times");
        let history = shared.oracle.history().await.expect("history");
        let recording = place.recording();
        assert!(recording.gaps().is_empty(), "{recording}");
        let report = recording.compare(&history);
        assert!(report.is_clean(), "{report}{recording}");
        recording.assert_has_all(&history, "configmaps", recording.last("configmaps"));
        recording.assert_promises();
    });
}

/// Fault table row 22.
#[test]
fn an_api_server_killed_and_started_again_under_load_loses_nothing_in_silence() {
    on_shared_plane("an_api_server_killed", async |shared| {
        let maps = config_maps(shared.plane.api(), "killed").await;
        let place = Place::new();
        let config = shared.plane.admin_kubeconfig();
        let mut recorder = place.start(&config, "configmaps,namespaces").await;
        let churn = Churn::start(shared.plane.api(), &maps, 50);
        churn.more(20).await;
        let before = shared.plane.process_id(Component::ApiServer);
        shared
            .plane
            .restart(Component::ApiServer)
            .await
            .expect("restart");
        assert_ne!(shared.plane.process_id(Component::ApiServer), before);
        churn.more(20).await;
        churn.stop().await;
        let api = shared.plane.api();
        create_map(api, &maps, "last").await;
        recorder.until_recorded("configmaps", "last").await;
        let failures = recorder
            .metric("kymo_alarms_total{kind=\"request_failed\"}")
            .await;
        recorder.stop().await;

        assert!(failures >= 1, "the recorder has not noticed");
        let history = shared.oracle.history().await.expect("history");
        let recording = place.recording();
        let report = recording.compare(&history);
        assert!(report.is_clean(), "{report}{recording}");
        assert!(report.total().matched >= 40, "{report}");
        // A new server has no history to resume from: at most one gap, with what a list can tell.
        let gaps = recording.stretches("configmaps", CoverageState::Unobserved);
        assert!(gaps.len() <= 1, "{recording}");
        if gaps.is_empty() {
            recording.assert_has_all(&history, "configmaps", recording.last("configmaps"));
        }
        recording.assert_promises();
    });
}

/// Changes the annotation of a service account; returns its new version.
pub(crate) async fn annotate(api: &Api, path: &str, value: &str) -> u64 {
    let patch: Value = json!({ "metadata": { "annotations": { "example.org/value": value } } });
    version(&api.patch(path, Patch::Merge, &patch).await.expect("patch"))
}
