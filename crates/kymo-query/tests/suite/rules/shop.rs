//! A small legal trace, which tests break in one place.

use kymo_model::{Cause, Certainty, CoverageState, EventType, Feed, FeedId};
use kymo_query::rules::Rule;
use kymo_query::{Limits, QuerySession};
use kymo_store::LogRecord;
use serde_json::{Value, json};

use crate::rows::RUNTIME;
use crate::story::{at, event, feed};
use crate::traces;

/// When the feeds end, in milliseconds.
const END: u64 = 100_000;

/// What is recorded: group, resource, kind, and whether it is namespaced.
const RESOURCES: [(&str, &str, &str, bool); 12] = [
    ("", "nodes", "Node", false),
    ("", "pods", "Pod", true),
    ("", "services", "Service", true),
    ("", "persistentvolumeclaims", "PersistentVolumeClaim", true),
    ("", "persistentvolumes", "PersistentVolume", false),
    ("", "events", "Event", true),
    ("apps", "deployments", "Deployment", true),
    ("apps", "replicasets", "ReplicaSet", true),
    ("apps", "statefulsets", "StatefulSet", true),
    ("batch", "jobs", "Job", true),
    ("discovery.k8s.io", "endpointslices", "EndpointSlice", true),
    ("", "endpoints", "Endpoints", true),
];

/// An event that is to be recorded.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) milliseconds: u64,
    pub(super) event_type: EventType,
    pub(super) certainty: Certainty,
    pub(super) object: Value,
}

/// A trace before it is written.
#[derive(Clone, Debug)]
pub(super) struct Shop {
    pub(super) steps: Vec<Step>,
    /// A gap of a resource: from and to, in milliseconds.
    pub(super) gaps: Vec<(&'static str, u64, u64)>,
    /// What a step of the lineage says.
    pub(super) lineage: Vec<Value>,
    /// Resources whose source has no list.
    pub(super) unlisted: Vec<&'static str>,
}

/// Returns the time of the API clock this many seconds after the start.
pub(super) fn clock(seconds: u64) -> String {
    format!("2026-11-21T02:{:02}:{:02}Z", seconds / 60, seconds % 60)
}

/// Makes an object; `place` is `namespace/name` or `name`.
pub(super) fn object(version: &str, kind: &str, place: &str, uid: &str, created: u64) -> Value {
    let (namespace, name) = place.split_once('/').unwrap_or(("", place));
    let mut object = json!({"apiVersion": version, "kind": kind,
        "metadata": {"name": name, "uid": uid, "generation": 1, "creationTimestamp": clock(created)}});
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = json!(namespace);
    }
    object
}

fn owner(kind: &str, name: &str, uid: &str) -> Value {
    let version = if kind == "Job" { "batch/v1" } else { "apps/v1" };
    json!([{"apiVersion": version, "kind": kind, "name": name, "uid": uid, "controller": true}])
}

/// A pod of the set `web-1`.
pub(super) fn pod(name: &str, uid: &str, created: u64) -> Value {
    let mut pod = object("v1", "Pod", &format!("shop/{name}"), uid, created);
    pod["metadata"]["labels"] = json!({"app": "web", "hash": "1"});
    pod["metadata"]["ownerReferences"] = owner("ReplicaSet", "web-1", "r1");
    pod["spec"] = json!({"volumes": [{"persistentVolumeClaim": {"claimName": "data"}}]});
    pod["status"] = json!({"phase": "Pending"});
    pod
}

/// The pod after it was bound.
pub(super) fn bound(mut pod: Value, node: &str) -> Value {
    pod["spec"]["nodeName"] = json!(node);
    pod
}

/// The pod when it runs and is ready.
pub(super) fn running(mut pod: Value, since: u64) -> Value {
    pod["status"] = json!({"phase": "Running",
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": clock(since)}],
        "containerStatuses": [{"state": {"running": {"startedAt": clock(since)}}}]});
    pod
}

/// The workload with counts in its status.
pub(super) fn counting(mut workload: Value, replicas: u64, ready: u64) -> Value {
    workload["status"] =
        json!({"observedGeneration": 1, "replicas": replicas, "readyReplicas": ready});
    workload
}

/// The Deployment `web`.
pub(super) fn deployment() -> Value {
    let mut web = object("apps/v1", "Deployment", "shop/web", "d1", 10);
    web["spec"] = json!({"selector": {"matchLabels": {"app": "web"}}});
    web
}

/// Its set of replicas.
pub(super) fn replica_set() -> Value {
    let mut set = object("apps/v1", "ReplicaSet", "shop/web-1", "r1", 10);
    set["metadata"]["ownerReferences"] = owner("Deployment", "web", "d1");
    set["metadata"]["labels"] = json!({"app": "web", "hash": "1"});
    set["spec"] = json!({"selector": {"matchLabels": {"app": "web", "hash": "1"}}});
    set
}

/// The slice of the Service, with the pod in it.
fn slice() -> Value {
    let mut slice = object(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        "shop/web-x",
        "e1",
        13,
    );
    slice["metadata"]["labels"] = json!({"kubernetes.io/service-name": "web"});
    slice["endpoints"] = json!([{"targetRef": {"kind": "Pod", "namespace": "shop", "name": "web-1-a", "uid": "p1"}}]);
    slice
}

fn scheduled() -> Value {
    let mut event = object("v1", "Event", "shop/web-1-a.1", "v1", 70);
    event["involvedObject"] = json!({"apiVersion": "v1", "kind": "Pod", "namespace": "shop", "name": "web-1-a", "uid": "p1"});
    event
}

impl Shop {
    /// A Deployment comes up with one pod, behind a Service and with a volume.
    pub(super) fn new() -> Self {
        let claim = object("v1", "PersistentVolumeClaim", "shop/data", "c1", 10);
        let mut bound_claim = claim.clone();
        bound_claim["spec"] = json!({"volumeName": "volume"});
        bound_claim["status"] = json!({"phase": "Bound"});
        let mut shop = Self {
            steps: Vec::new(),
            gaps: Vec::new(),
            lineage: Vec::new(),
            unlisted: Vec::new(),
        };
        shop.listed(object("v1", "Node", "node-a", "n1", 0));
        shop.added(10_000, deployment());
        shop.added(10_100, replica_set());
        shop.added(10_200, claim);
        shop.added(
            10_300,
            object("v1", "PersistentVolume", "volume", "vol1", 10),
        );
        shop.modified(10_400, bound_claim);
        let web = pod("web-1-a", "p1", 10);
        shop.added(10_500, web.clone());
        let web = bound(web, "node-a");
        shop.modified(11_000, web.clone());
        shop.modified(12_000, running(web, 12));
        shop.modified(12_200, counting(replica_set(), 1, 1));
        shop.modified(12_300, counting(deployment(), 1, 1));
        shop.added(13_000, object("v1", "Service", "shop/web", "s1", 13));
        shop.added(13_100, slice());
        shop.added(70_000, scheduled());
        shop
    }

    fn push(
        &mut self,
        milliseconds: u64,
        event_type: EventType,
        certainty: Certainty,
        object: Value,
    ) {
        self.steps.push(Step {
            milliseconds,
            event_type,
            certainty,
            object,
        });
    }

    pub(super) fn listed(&mut self, object: Value) {
        self.push(0, EventType::Added, Certainty::Listed, object);
    }

    pub(super) fn added(&mut self, milliseconds: u64, object: Value) {
        self.push(milliseconds, EventType::Added, Certainty::Seen, object);
    }

    pub(super) fn modified(&mut self, milliseconds: u64, object: Value) {
        self.push(milliseconds, EventType::Modified, Certainty::Seen, object);
    }

    pub(super) fn deleted(&mut self, milliseconds: u64, object: Value) {
        self.push(milliseconds, EventType::Deleted, Certainty::Seen, object);
    }

    /// Returns the n-th event of a kind, counted from 0.
    pub(super) fn step(&mut self, kind: &str, number: usize) -> &mut Step {
        let mut steps = self
            .steps
            .iter_mut()
            .filter(|step| step.object["kind"] == kind);
        steps.nth(number).unwrap()
    }

    /// Returns the object of the n-th event of a kind.
    pub(super) fn object(&mut self, kind: &str, number: usize) -> &mut Value {
        &mut self.step(kind, number).object
    }

    /// Changes every version of the objects of a kind.
    pub(super) fn each(&mut self, kind: &str, change: impl Fn(&mut Value)) {
        for step in &mut self.steps {
            if step.object["kind"] == kind {
                change(&mut step.object);
            }
        }
    }

    /// Leaves out all events of a kind.
    pub(super) fn without(&mut self, kind: &str) {
        self.steps.retain(|step| step.object["kind"] != kind);
    }

    /// Writes the trace and returns what breaks a rule.
    pub(super) fn broken(mut self, rule: &str) -> Vec<String> {
        self.steps.sort_by_key(|step| step.milliseconds);
        let feeds = feeds();
        let mut records: Vec<(u64, LogRecord)> = Vec::new();
        for (id, feed) in &feeds {
            let is_unlisted = self.unlisted.contains(&feed.resource.resource.as_str());
            let detail = is_unlisted.then(|| "the source has no list".to_owned());
            records.push((
                0,
                transition(*id, 0, CoverageState::Observed, Cause::Start, detail),
            ));
        }
        records.extend(
            self.lineage
                .into_iter()
                .map(|step| (0, LogRecord::Lineage(step))),
        );
        for (number, mut step) in (101..).zip(self.steps) {
            let kind = step.object["kind"].as_str().unwrap().to_owned();
            let (id, _) = feeds
                .iter()
                .find(|(_, feed)| feed.resource.kind == kind)
                .unwrap();
            if step.object["metadata"]["resourceVersion"].is_null() {
                step.object["metadata"]["resourceVersion"] = json!(number.to_string());
            }
            let event = event(
                *id,
                step.milliseconds,
                step.event_type,
                step.certainty,
                &step.object,
            );
            records.push((step.milliseconds, LogRecord::Event(event)));
        }
        for (resource, from, to) in self.gaps {
            let (id, _) = feeds
                .iter()
                .find(|(_, feed)| feed.resource.resource == resource)
                .unwrap();
            let state = CoverageState::Unobserved;
            records.push((
                from,
                transition(*id, from, state, Cause::HistoryExpired, None),
            ));
            records.push((
                to,
                transition(
                    *id,
                    to,
                    CoverageState::Observed,
                    Cause::HistoryExpired,
                    None,
                ),
            ));
        }
        records.sort_by_key(|(milliseconds, _)| *milliseconds);
        let mut records: Vec<LogRecord> = records.into_iter().map(|(_, record)| record).collect();
        for (id, _) in &feeds {
            records.push(transition(
                *id,
                END,
                CoverageState::Unobserved,
                Cause::Stop,
                None,
            ));
        }
        let trace = traces::write("shop", &feeds, records, Some(usize::MAX));
        let session = QuerySession::open(&[trace.named()], Limits::default()).unwrap();
        let judged = Rule::find(rule).unwrap().judge(&session, 10);
        let verdict = RUNTIME.block_on(judged).unwrap();
        verdict
            .first
            .iter()
            .map(|violation| format!("{}: {violation}", violation.rule))
            .collect()
    }
}

fn feeds() -> Vec<(FeedId, Feed)> {
    let feeds = RESOURCES
        .iter()
        .map(|(group, resource, kind, namespaced)| feed(group, resource, kind, *namespaced));
    (0..).map(FeedId).zip(feeds).collect()
}

fn transition(
    feed: FeedId,
    milliseconds: u64,
    state: CoverageState,
    cause: Cause,
    detail: Option<String>,
) -> LogRecord {
    LogRecord::Transition {
        feed,
        epoch: 1,
        ts: at(milliseconds),
        state,
        cause,
        rv: None,
        detail,
    }
}
