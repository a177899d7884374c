//! A short history of a small cluster, always the same: ten events, a gap of 42 s in pods, and
//! Secrets that the recorder may not read.

use std::time::Duration;

use kymo_model::{
    Cause, Certainty, CoverageState, Event, EventType, Feed, FeedId, ObjectKey, ResourceType,
    Scope, Timestamp,
};
use kymo_store::{LogRecord, SessionInfo};
use serde_json::{Value, json};

pub(crate) const PODS: FeedId = FeedId(0);
pub(crate) const NODES: FeedId = FeedId(1);
pub(crate) const DEPLOYMENTS: FeedId = FeedId(2);
pub(crate) const SECRETS: FeedId = FeedId(3);

/// 2026-11-21T02:00:00Z
pub(crate) const START: Timestamp = Timestamp(1_795_226_400_000_000_000);

pub(crate) fn at(milliseconds: u64) -> Timestamp {
    START.saturating_add(Duration::from_millis(milliseconds))
}

pub(crate) fn session() -> SessionInfo {
    SessionInfo {
        number: 1,
        started: START,
        tool: "kymo 0.1.0".into(),
        command: "record".into(),
        cluster_uid: Some("c0ffee".into()),
        server_version: Some("v1.36.2".into()),
        dropped: vec!["payloads of Secrets".into()],
        clock_offset_ns: Some(1_500_000),
    }
}

pub(crate) fn feeds() -> Vec<(FeedId, Feed)> {
    vec![
        (PODS, feed("", "pods", "Pod", true)),
        (NODES, feed("", "nodes", "Node", false)),
        (DEPLOYMENTS, feed("apps", "deployments", "Deployment", true)),
        (SECRETS, feed("", "secrets", "Secret", true)),
    ]
}

pub(crate) fn feed(group: &str, resource: &str, kind: &str, namespaced: bool) -> Feed {
    Feed {
        resource: ResourceType {
            group: group.into(),
            version: "v1".into(),
            resource: resource.into(),
            kind: kind.into(),
            namespaced,
        },
        scope: Scope::default(),
    }
}

/// Everything that the recorder wrote, in order.
pub(crate) fn records() -> Vec<LogRecord> {
    let mut records: Vec<LogRecord> = [PODS, NODES, DEPLOYMENTS]
        .into_iter()
        .map(|feed| transition(feed, 0, CoverageState::Observed, Cause::Start))
        .collect();
    records.push(transition(
        SECRETS,
        0,
        CoverageState::Denied,
        Cause::Forbidden,
    ));
    let (before, after): (Vec<Event>, Vec<Event>) = events()
        .into_iter()
        .partition(|event| event.ts < at(10_000));
    records.extend(before.into_iter().map(LogRecord::Event));
    records.push(transition(
        PODS,
        10_000,
        CoverageState::Unobserved,
        Cause::HistoryExpired,
    ));
    records.push(transition(
        PODS,
        52_000,
        CoverageState::Observed,
        Cause::Start,
    ));
    records.extend(after.into_iter().map(LogRecord::Event));
    records.extend(
        [PODS, NODES, DEPLOYMENTS]
            .into_iter()
            .map(|feed| transition(feed, 63_000, CoverageState::Unobserved, Cause::Stop)),
    );
    records
}

fn transition(feed: FeedId, milliseconds: u64, state: CoverageState, cause: Cause) -> LogRecord {
    LogRecord::Transition {
        feed,
        epoch: 1,
        ts: at(milliseconds),
        state,
        cause,
        rv: None,
        detail: None,
    }
}

pub(crate) fn events() -> Vec<Event> {
    use Certainty::{Coalesced, Listed, Seen};
    use EventType::{Added, Deleted, Modified};

    let node = json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": "node-a", "uid": "n1", "resourceVersion": "90"},
        "status": {"allocatable": {"cpu": "4"}}});
    let web = |generation: u64, replicas: u64, rv: &str| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop", "uid": "d1",
                "generation": generation, "resourceVersion": rv,
                "labels": {"app": "web"}},
            "spec": {"replicas": replicas}})
    };
    let mut events = vec![
        event(NODES, 0, Added, Listed, &node),
        event(DEPLOYMENTS, 0, Added, Listed, &web(1, 2, "95")),
        event(
            PODS,
            1_000,
            Added,
            Seen,
            &pod("web-0", "p0", "101", None, "Pending"),
        ),
        event(
            PODS,
            1_500,
            Modified,
            Seen,
            &pod("web-0", "p0", "102", Some("node-a"), "Pending"),
        ),
        event(
            PODS,
            3_000,
            Modified,
            Seen,
            &pod("web-0", "p0", "103", Some("node-a"), "Running"),
        ),
        event(
            PODS,
            4_000,
            Added,
            Seen,
            &pod("web-1", "p1", "104", None, "Pending"),
        ),
        event(
            PODS,
            52_000,
            Modified,
            Coalesced,
            &pod("web-1", "p1", "120", Some("node-a"), "Running"),
        ),
        event(
            PODS,
            60_000,
            Deleted,
            Seen,
            &pod("web-0", "p0", "121", Some("node-a"), "Succeeded"),
        ),
        event(DEPLOYMENTS, 61_000, Modified, Seen, &web(2, 1, "122")),
        event(
            PODS,
            62_000,
            Added,
            Seen,
            &pod("web-2", "p2", "123", None, "Pending"),
        ),
    ];
    events[6].not_before = Some(at(10_000));
    events
}

pub(crate) fn event(
    feed: FeedId,
    milliseconds: u64,
    event_type: EventType,
    certainty: Certainty,
    body: &Value,
) -> Event {
    let text = |path: &str| {
        let value = body.pointer(path).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    Event {
        feed,
        ts: at(milliseconds),
        not_before: None,
        event_type,
        certainty,
        epoch: 1,
        key: ObjectKey {
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
            uid: text("/metadata/uid"),
        },
        rv: Some(text("/metadata/resourceVersion").as_str().into()),
        body: Some(body.to_string().into_bytes().into()),
        request: None,
    }
}

fn pod(name: &str, uid: &str, rv: &str, node: Option<&str>, phase: &str) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "uid": uid, "resourceVersion": rv,
            "creationTimestamp": "2026-11-21T02:00:01Z",
            "labels": {"app": "web"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet",
                "name": "web-5d", "uid": "r1", "controller": true}]},
        "spec": {"containers": [{"name": "c", "image": "web:1",
            "resources": {"requests": {"cpu": "250m"}}}]},
        "status": {"phase": phase}});
    if let Some(node) = node {
        pod["spec"]["nodeName"] = json!(node);
    }
    pod
}
