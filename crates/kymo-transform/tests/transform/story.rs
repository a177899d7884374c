//! Small traces that are made up, for what no recording in `fixtures/` has.

use std::path::PathBuf;
use std::sync::Arc;

use kymo_model::{
    Cause, Certainty, CoverageState, Event, EventType, Feed, FeedId, ObjectKey, ResourceType, Rv,
    Scope, Timestamp,
};
use kymo_store::fs::RealFs;
use kymo_store::segment::{Row, SegmentMeta, SegmentOptions};
use kymo_store::{LogRecord, PlacedRecord, SessionInfo, Spool, write_file};
use serde_json::{Value, json};
use tempfile::TempDir;

/// 2026-11-21T00:00:00Z, in nanoseconds.
const BEGIN: i64 = 1_795_219_200_000_000_000;

/// Kind, group, version, plural and whether it lives in namespaces.
const KINDS: [(&str, &str, &str, &str, bool); 15] = [
    ("DaemonSet", "apps", "v1", "daemonsets", true),
    (
        "EndpointSlice",
        "discovery.k8s.io",
        "v1",
        "endpointslices",
        true,
    ),
    ("Endpoints", "", "v1", "endpoints", true),
    ("Event", "", "v1", "events", true),
    (
        "HorizontalPodAutoscaler",
        "autoscaling",
        "v2",
        "horizontalpodautoscalers",
        true,
    ),
    ("Job", "batch", "v1", "jobs", true),
    ("Lease", "coordination.k8s.io", "v1", "leases", true),
    ("Namespace", "", "v1", "namespaces", false),
    ("Node", "", "v1", "nodes", false),
    ("PersistentVolume", "", "v1", "persistentvolumes", false),
    (
        "PersistentVolumeClaim",
        "",
        "v1",
        "persistentvolumeclaims",
        true,
    ),
    ("Pod", "", "v1", "pods", true),
    (
        "PodDisruptionBudget",
        "policy",
        "v1",
        "poddisruptionbudgets",
        true,
    ),
    ("Service", "", "v1", "services", true),
    ("StatefulSet", "apps", "v1", "statefulsets", true),
];

/// Events of a trace, as they are made up.
#[derive(Default)]
pub(crate) struct Story {
    rows: Vec<Row>,
}

/// Returns a time of the story, so many seconds after its begin, as objects write it.
pub(crate) fn second(second: i64) -> String {
    Timestamp(BEGIN + second * 1_000_000_000)
        .to_string()
        .split('.')
        .next()
        .unwrap()
        .trim_end_matches('Z')
        .to_owned()
        + "Z"
}

/// Returns the uid that objects of a name have in stories.
pub(crate) fn uid(name: &str) -> String {
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
}

impl Story {
    /// Tells what a list showed at the begin.
    pub(crate) fn listed(&mut self, kind: &str, name: &str, object: Value) -> &mut Self {
        self.event(0, EventType::Added, Certainty::Listed, kind, name, object)
    }

    /// Tells of a change, so many seconds after the begin; `name` may have a namespace before a slash.
    pub(crate) fn seen(
        &mut self,
        at: i64,
        event_type: EventType,
        kind: &str,
        name: &str,
        object: Value,
    ) -> &mut Self {
        self.event(at, event_type, Certainty::Seen, kind, name, object)
    }

    fn event(
        &mut self,
        at: i64,
        event_type: EventType,
        certainty: Certainty,
        kind: &str,
        name: &str,
        mut object: Value,
    ) -> &mut Self {
        let feed = KINDS.iter().position(|known| known.0 == kind).unwrap();
        let (_, group, version, ..) = KINDS[feed];
        let (namespace, short) = name.split_once('/').unwrap_or(("", name));
        let seq = self.rows.len() as u64 + 1;
        let rv = (seq + 100).to_string();
        object["kind"] = json!(kind);
        object["apiVersion"] = json!(if group.is_empty() {
            version.to_owned()
        } else {
            format!("{group}/{version}")
        });
        let metadata = &mut object["metadata"];
        metadata["name"] = json!(short);
        metadata["uid"] = json!(uid(&format!("{kind}/{name}")));
        metadata["resourceVersion"] = json!(rv);
        if metadata["creationTimestamp"].is_null() {
            metadata["creationTimestamp"] = json!(second(0));
        }
        if !namespace.is_empty() {
            metadata["namespace"] = json!(namespace);
        }
        self.rows.push(Row {
            seq,
            session: 1,
            event: Event {
                feed: FeedId(u32::try_from(feed).unwrap()),
                ts: Timestamp(BEGIN + at * 1_000_000_000 + i64::try_from(seq).unwrap()),
                not_before: None,
                event_type,
                certainty,
                epoch: 0,
                key: ObjectKey {
                    namespace: namespace.to_owned(),
                    name: short.to_owned(),
                    uid: uid(&format!("{kind}/{name}")),
                },
                rv: Some(Rv::new(rv)),
                body: Some(Arc::from(serde_json::to_vec(&object).unwrap())),
                request: None,
            },
        });
        self
    }

    /// Writes the trace, which was watched for ten minutes.
    pub(crate) fn trace(&self) -> (PathBuf, TempDir) {
        let feeds: Vec<(FeedId, Feed)> = (0..)
            .zip(KINDS)
            .map(|(id, (kind, group, version, resource, namespaced))| {
                let resource = ResourceType {
                    group: group.to_owned(),
                    version: version.to_owned(),
                    resource: resource.to_owned(),
                    kind: kind.to_owned(),
                    namespaced,
                };
                let scope = Scope::default();
                (FeedId(id), Feed { resource, scope })
            })
            .collect();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("story.parquet");
        let last = self.rows.len() as u64;
        let placed = |seq, record| PlacedRecord {
            seq,
            session: 1,
            record,
        };
        let mut records: Vec<PlacedRecord> = feeds
            .iter()
            .map(|(feed, _)| {
                placed(
                    1,
                    LogRecord::Transition {
                        feed: *feed,
                        epoch: 0,
                        ts: Timestamp(BEGIN),
                        state: CoverageState::Observed,
                        cause: Cause::Start,
                        rv: Some("100".into()),
                        detail: None,
                    },
                )
            })
            .collect();
        records.push(placed(
            last + 1,
            LogRecord::SessionEnd {
                ts: Timestamp(BEGIN + 600_000_000_000),
                cause: Cause::Stop,
            },
        ));
        let meta = SegmentMeta {
            trace_id: uuid::Uuid::from_u128(7),
            feeds: feeds.clone(),
            sessions: vec![SessionInfo {
                number: 1,
                started: Timestamp(BEGIN),
                ..SessionInfo::default()
            }],
            records,
            first_seq: 1,
            last_seq: last,
            ..SegmentMeta::default()
        };
        let feeds = Arc::new(feeds.into_iter().collect());
        let mut spool = Spool::new(directory.path(), feeds, 1 << 20);
        for row in &self.rows {
            spool.push(row.clone()).unwrap();
        }
        let rows = spool.drain().unwrap();
        let options = SegmentOptions::default();
        write_file::<_, kymo_store::Error>(Arc::new(RealFs), &path, rows, meta, &options, |_| {})
            .unwrap();
        (path, directory)
    }
}
