//! What the server does to feeds.

use std::time::Duration;

use kymo_model::{Cause, CoverageState};
use kymo_testkit::scripted::{Gate, Reply, RequestMatch};

use crate::rig::{Rig, Running, assert_versions};

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_is_recorded_once_and_in_order() {
    let rig = Rig::new().await;
    let first = rig.put("configmaps", "a", 0);
    let mut running = rig.record(&["configmaps", "pods"]).await;
    let mut expected = vec![first];
    for number in 1..50 {
        expected.push(rig.put("configmaps", "a", number));
    }
    expected.push(rig.server.delete("configmaps", "a"));
    let pod = rig.put("pods", "p", 1);
    running.until_durable(expected.len() as u64 + 1).await;
    let summary = running.stop().await;
    assert!(summary.clean);
    assert_eq!(summary.events, expected.len() as u64 + 1);
    assert_eq!(summary.gaps, 0);

    let recorded = rig.read();
    assert_versions(&recorded.versions_of("configmaps"), expected);
    assert_versions(&recorded.versions_of("pods"), [pod]);
    assert_eq!(
        recorded.events_of("configmaps")[0],
        format!("ADDED a {first}")
    );
    let session = recorded.trace.sessions().next().unwrap();
    assert_eq!(session.command, "record");
    assert_eq!(session.server_version.as_deref(), Some("v1.36.2"));
    assert!(session.cluster_uid.is_some());
    assert!(session.clock_offset_ns.is_some());
    assert!(!session.dropped.is_empty());
}

/// Fault table row 17.
#[tokio::test(flavor = "multi_thread")]
async fn a_throttling_server_is_obeyed_and_shows_as_throttled() {
    let rig = Rig::new().await;
    rig.put("configmaps", "a", 0);
    let mut running = rig.record(&["configmaps", "pods"]).await;
    let throttled = rig.server.script_times(
        RequestMatch::watches("configmaps"),
        2,
        Reply::status(429)
            .header("retry-after", "1")
            .line(r#"{"kind":"Status","apiVersion":"v1","code":429,"reason":"TooManyRequests"}"#),
    );
    let before = rig
        .server
        .requests_of(&RequestMatch::watches("configmaps"))
        .len();
    rig.server.end_watches("configmaps");
    let last = rig.put("configmaps", "a", 1);
    running.until(|status| status.feeds.throttled == 1).await;
    let pod = rig.put("pods", "p", 1);
    running.until_durable(3).await;
    running.until(|status| status.feeds.observed == 2).await;
    running.stop().await;

    assert_eq!(throttled.used(), 2, "the fault has fired");
    let requests = rig
        .server
        .requests_of(&RequestMatch::watches("configmaps"))
        .len()
        - before;
    assert!(requests <= 4, "{requests} requests in a hot loop");
    let recorded = rig.read();
    assert!(recorded.has("configmaps", CoverageState::Throttled, Cause::Throttled));
    assert_versions(&recorded.versions_of("pods"), [pod]);
    assert_eq!(recorded.versions_of("configmaps").last(), Some(&last));
    assert!(
        !recorded
            .coverage_of("pods")
            .iter()
            .any(|row| row.contains("throttled"))
    );
}

/// Fault table row 19.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_token_costs_one_refusal_and_no_gap() {
    let rig = Rig::new().await;
    rig.server.require_token(Some("first"));
    let token = rig.directory().join("token");
    std::fs::write(&token, "first").unwrap();
    let kubeconfig = rig.server.kubeconfig().replace(
        "token: \"first\"",
        &format!("tokenFile: \"{}\"", token.display()),
    );
    assert!(kubeconfig.contains("tokenFile"));
    std::fs::write(rig.kubeconfig(), kubeconfig).unwrap();

    let mut running = rig.record(&["configmaps"]).await;
    let first = rig.put("configmaps", "a", 1);
    running.until_durable(1).await;

    std::fs::write(&token, "second").unwrap();
    rig.server.require_token(Some("second"));
    rig.server.end_watches("configmaps");
    let second = rig.put("configmaps", "a", 2);
    running.until_durable(2).await;
    running.stop().await;

    let refused = rig
        .server
        .requests_of(&RequestMatch::watches("configmaps"))
        .iter()
        .filter(|request| request.header("authorization") == Some("Bearer first"))
        .count();
    assert!(
        refused >= 2,
        "the fault has fired: a watch with the old token after the first"
    );
    let recorded = rig.read();
    assert_versions(&recorded.versions_of("configmaps"), [first, second]);
    assert!(
        !recorded.has("configmaps", CoverageState::Unobserved, Cause::Disconnected),
        "{:?}",
        recorded.coverage_of("configmaps")
    );
    assert_eq!(rig.lists("configmaps"), 1, "resumed, not listed again");
}

/// Fault table row 20.
#[tokio::test(flavor = "multi_thread")]
async fn a_right_taken_away_and_given_back_is_denied_for_just_that_time() {
    let rig = Rig::new().await;
    let mut running = rig.record(&["configmaps", "pods"]).await;
    let before = rig.put("configmaps", "a", 1);
    running.until_durable(1).await;

    rig.server.set_forbidden("configmaps", true);
    rig.server.end_watches("configmaps");
    running.until(|status| status.feeds.denied == 1).await;
    let meanwhile = rig.put("configmaps", "a", 2);
    let pod = rig.put("pods", "p", 1);
    running.until_durable(2).await;

    rig.server.set_forbidden("configmaps", false);
    running.until(|status| status.feeds.observed == 2).await;
    let after = rig.put("configmaps", "a", 3);
    running.until_durable(4).await;
    running.stop().await;

    let recorded = rig.read();
    assert!(recorded.has("configmaps", CoverageState::Denied, Cause::Forbidden));
    assert_versions(
        &recorded.versions_of("configmaps"),
        [before, meanwhile, after],
    );
    assert_versions(&recorded.versions_of("pods"), [pod]);
    assert!(
        !recorded
            .coverage_of("pods")
            .iter()
            .any(|row| row.contains("denied"))
    );
}

/// Fault table row 38.
#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_one_feed_is_a_gap_of_that_feed_alone() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    let rig = Rig::new().await;
    let mut running = rig.record(&["nodes", "pods"]).await;
    rig.put("nodes", "n", 1);
    running.until_durable(1).await;

    let fired = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&fired);
    fail::cfg_callback("record.deliver.nodes", move || {
        let before = counted.fetch_add(1, Ordering::SeqCst);
        assert!(before > 0, "the failpoint has struck");
    })
    .unwrap();
    let node = rig.put("nodes", "n", 2);
    running.until(|_| fired.load(Ordering::SeqCst) > 0).await;
    let pod = rig.put("pods", "p", 1);
    running.until_durable(3).await;
    running.until(|status| status.feeds.observed == 2).await;
    fail::remove("record.deliver.nodes");
    let summary = running.stop().await;

    assert!(summary.clean && summary.gaps == 1, "{summary:?}");
    let recorded = rig.read();
    let fault = recorded
        .coverage
        .iter()
        .find(|(of, row)| of == "nodes" && row.cause == Cause::RecorderFault)
        .expect("no gap");
    assert_eq!(fault.1.state, CoverageState::Unobserved);
    assert!(
        fault
            .1
            .detail
            .as_deref()
            .is_some_and(|text| text.contains("has struck"))
    );
    assert_eq!(
        recorded.versions_of("nodes").last(),
        Some(&node),
        "nothing is lost"
    );
    assert_eq!(recorded.versions_of("nodes").len(), 2, "and nothing twice");
    assert_versions(&recorded.versions_of("pods"), [pod]);
    assert!(
        !recorded
            .coverage_of("pods")
            .iter()
            .any(|row| row.contains("fault"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_and_a_selector_bound_what_is_recorded() {
    let rig = Rig::new().await;
    let mut config = rig.config(&["configmaps"]);
    config.selection.namespaces = vec!["one".into(), "two".into()];
    config.selection.label_selector = Some("app=web".into());
    let recorder = rig.connect(config).await.unwrap();
    assert_eq!(recorder.plan().feeds.len(), 2);
    let mut running = Running::start(recorder);
    running.until(|status| status.ready).await;
    let put = |namespace: &str, app: &str| {
        rig.server.put(
            "configmaps",
            serde_json::json!({"metadata": {
                "name": app, "namespace": namespace, "labels": {"app": app},
            }}),
        )
    };
    let expected = [put("one", "web"), put("two", "web")];
    put("one", "db");
    put("three", "web");
    running.until_durable(2).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    running.stop().await;
    // Two feeds: no order between them.
    let mut versions = rig.read().versions_of("configmaps");
    versions.sort_unstable();
    assert_versions(&versions, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_tell_what_the_status_tells() {
    let rig = Rig::new().await;
    rig.put("configmaps", "a", 1);
    let mut config = rig.config(&["configmaps"]);
    config.metrics = Some("127.0.0.1:0".parse().unwrap());
    let recorder = rig.connect(config).await.unwrap();
    let address = recorder.metrics_address().unwrap();
    let mut running = Running::start(recorder);
    running.until_durable(1).await;
    running.until(|status| status.ready).await;
    let metrics = get(address, "/metrics").await;
    assert!(metrics.starts_with("HTTP/1.1 200"), "{metrics}");
    assert!(metrics.contains("\nkymo_events_total 1\n"), "{metrics}");
    assert!(
        metrics.contains(
            "kymo_feed_events_total{group=\"\",resource=\"configmaps\",namespace=\"\"} 1"
        ),
        "{metrics}"
    );
    assert!(
        metrics.contains("kymo_feeds{state=\"observed\"} 1"),
        "{metrics}"
    );
    assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200"));
    assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200"));
    running.stop().await;
}

async fn get(address: std::net::SocketAddr, path: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn four_initial_lists_run_at_once_and_no_more() {
    let rig = Rig::new().await;
    let gate = Gate::new();
    let resources = [
        "configmaps",
        "namespaces",
        "nodes",
        "pods",
        "deployments.apps",
    ];
    let plural = resources.map(|name| name.split('.').next().unwrap());
    for name in plural {
        let list = RequestMatch::watches(name).query("sendInitialEvents", "true");
        rig.server.script(list, Reply::serve_after(&gate));
    }
    let mut running = Running::start(rig.connect(rig.config(&resources)).await.unwrap());
    let lists = || plural.iter().map(|name| rig.lists(name)).sum::<usize>();
    // The lookup of the namespace kube-system is a list, too.
    let looked_up = 1;
    while lists() < 4 + looked_up {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(lists(), 4 + looked_up);
    gate.open();
    running.until(|status| status.feeds.observed == 5).await;
    assert_eq!(lists(), 5 + looked_up);
    running.stop().await;
}
