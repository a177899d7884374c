//! The day of a Deployment as an audit log tells of it: who created, scaled, changed and deleted
//! it, with changes of which nobody knows what the object was after them.

use std::sync::Arc;

use kymo_model::{
    Cause, Certainty, CoverageState, Event, EventType, Feed, FeedId, ObjectKey, Request,
};
use kymo_store::LogRecord;
use serde_json::{Value, json};

use crate::story::{at, feed};

const DEPLOYMENTS: FeedId = FeedId(0);
const CONFIGMAPS: FeedId = FeedId(1);

pub(crate) fn feeds() -> Vec<(FeedId, Feed)> {
    vec![
        (DEPLOYMENTS, feed("apps", "deployments", "Deployment", true)),
        (CONFIGMAPS, feed("", "configmaps", "ConfigMap", true)),
    ]
}

pub(crate) fn records() -> Vec<LogRecord> {
    let observed = |feed| LogRecord::Transition {
        feed,
        epoch: 1,
        ts: at(0),
        state: CoverageState::Observed,
        cause: Cause::Start,
        rv: None,
        detail: None,
    };
    let events = events().into_iter().map(LogRecord::Event);
    [observed(DEPLOYMENTS), observed(CONFIGMAPS)]
        .into_iter()
        .chain(events)
        .collect()
}

fn events() -> Vec<Event> {
    use EventType::{Added, Deleted, Modified};

    let web = |rv: &str, replicas: u64| deployment_body("d1", rv, replicas);
    let (controller, jane, ci) = (
        "system:serviceaccount:kube-system:deployment-controller",
        "jane@example.com",
        "ci",
    );
    let mut events = vec![
        deployment(0, Added, Some(&web("100", 2)), request("create", jane)),
        deployment(
            2_000,
            Modified,
            Some(&web("101", 2)),
            request("update", controller),
        ),
        deployment(10_000, Modified, None, request("patch", "admin")),
        deployment(
            11_000,
            Modified,
            Some(&web("105", 5)),
            request("update", jane),
        ),
        deployment(
            12_000,
            Modified,
            Some(&web("106", 6)),
            request("update", jane),
        ),
        configmap(20_000, Added, request("create", ci)),
        configmap(21_000, Deleted, request("delete", ci)),
        deployment(30_000, Deleted, None, request("delete", jane)),
    ];
    let requests: Vec<&mut Request> = events
        .iter_mut()
        .filter_map(|event| event.request.as_mut().and_then(Arc::get_mut))
        .collect();
    for (request, number) in requests.into_iter().zip(1..) {
        request.audit_id = format!("6f1b0c2e-0000-4000-8000-{number:012}");
        match number {
            2 => request.subresource = Some("status".into()),
            3 => {
                request.subresource = Some("scale".into());
                request.impersonated_username = Some("ops".into());
            }
            _ => {}
        }
    }
    // A change that the audit log does not tell of.
    let body = deployment_body("d2", "130", 1);
    let mut unknown = deployment(40_000, Added, Some(&body), Request::default());
    (unknown.request, unknown.key.uid) = (None, "d2".into());
    events.push(unknown);
    events
}

fn deployment_body(uid: &str, rv: &str, replicas: u64) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "uid": uid, "resourceVersion": rv},
        "spec": {"replicas": replicas}})
}

fn request(verb: &str, username: &str) -> Request {
    Request {
        verb: verb.into(),
        username: username.into(),
        groups: vec!["system:authenticated".into()],
        user_agent: Some(
            if username.starts_with("system:") {
                "kube-controller-manager"
            } else {
                "kubectl/v1.36.2"
            }
            .into(),
        ),
        source_ips: vec!["10.0.0.7".into()],
        ..Request::default()
    }
}

fn deployment(
    milliseconds: u64,
    event_type: EventType,
    body: Option<&Value>,
    request: Request,
) -> Event {
    let rv = body.and_then(|body| body.pointer("/metadata/resourceVersion")?.as_str());
    event(
        DEPLOYMENTS,
        milliseconds,
        event_type,
        Event {
            rv: rv.map(Into::into),
            body: body.map(|body| body.to_string().into_bytes().into()),
            ..told("web", "d1", request)
        },
    )
}

fn configmap(milliseconds: u64, event_type: EventType, request: Request) -> Event {
    event(
        CONFIGMAPS,
        milliseconds,
        event_type,
        told("settings", "", request),
    )
}

fn event(feed: FeedId, milliseconds: u64, event_type: EventType, told: Event) -> Event {
    let certainty = match (event_type, &told.body) {
        (EventType::Deleted, _) | (_, Some(_)) => Certainty::Seen,
        (_, None) => Certainty::Reported,
    };
    Event {
        feed,
        ts: at(milliseconds),
        not_before: Some(at(milliseconds.saturating_sub(5))),
        event_type,
        certainty,
        ..told
    }
}

fn told(name: &str, uid: &str, request: Request) -> Event {
    Event {
        feed: DEPLOYMENTS,
        ts: at(0),
        not_before: None,
        event_type: EventType::Modified,
        certainty: Certainty::Reported,
        epoch: 1,
        key: ObjectKey {
            namespace: "shop".into(),
            name: name.into(),
            uid: uid.into(),
        },
        rv: None,
        body: None,
        request: Some(Arc::new(request)),
    }
}
