//! What a scan saves: each question twice, once as it is asked and once so that nothing of it
//! reaches the scan, interleaved, with the ratio of their CPU times.
//!
//! `KYMO_BENCH_TRACE` names a trace; without it one of 3,000 pods and their events is made up.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs};

use datafusion::arrow::array::{AsArray as _, RecordBatch};
use kymo_model::{
    Cause, Certainty, Clock, Event, EventType, Feed, FeedId, ManualClock, ObjectKey, ResourceType,
    Scope, SystemClock, Timestamp,
};
use kymo_query::{Limits, QuerySession};
use kymo_store::fs::RealFs;
use kymo_store::{SessionInfo, TraceIdentity, Writer, WriterOptions};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

const PODS: u64 = 3_000;
const VERSIONS: u64 = 6;
const ROUNDS: usize = 7;

/// All rows with all columns, out of which nothing goes down into the scan.
const WHOLE: &str = "(SELECT *, object || '' AS text FROM events LIMIT 1000000000)";

/// A question, and the same one asked of [`WHOLE`].
fn questions(namespace: &str, name: &str) -> Vec<(&'static str, String, String)> {
    let pair = |sql: &str| {
        (
            sql.replace("EVENTS", "events").replace("OBJECT", "object"),
            sql.replace("EVENTS", WHOLE).replace("OBJECT", "text"),
        )
    };
    let one = format!(
        "SELECT seq, ts, type, OBJECT FROM EVENTS WHERE namespace = '{namespace}' AND name = '{name}' ORDER BY seq"
    );
    let asked = [
        ("history of one object", one.as_str()),
        (
            "count by kind and type",
            "SELECT kind, type, count(*) FROM EVENTS GROUP BY kind, type",
        ),
        (
            "group by a path",
            "SELECT OBJECT -> 'spec' ->> 'nodeName' AS node, count(*) FROM EVENTS WHERE kind = 'Pod' GROUP BY node",
        ),
        (
            "filter by a path",
            "SELECT count(*) FROM EVENTS WHERE kind = 'Pod' AND OBJECT -> 'status' ->> 'phase' = 'Running'",
        ),
        (
            "objects by a path",
            "SELECT max(length(OBJECT)) FROM EVENTS WHERE kind = 'Pod' AND OBJECT -> 'spec' ->> 'nodeName' = 'node-7'",
        ),
        (
            "a path over all versions of an object",
            "SELECT count(*) FROM (SELECT OBJECT -> 'status' ->> 'phase' AS phase, lag(OBJECT -> 'status' ->> 'phase') OVER (PARTITION BY uid ORDER BY seq) AS before FROM EVENTS WHERE kind = 'Pod') AS phases WHERE phase <> before",
        ),
        ("every object", "SELECT max(length(OBJECT)) FROM EVENTS"),
    ];
    asked
        .into_iter()
        .map(|(what, sql)| {
            let (pushed, whole) = pair(sql);
            (what, pushed, whole)
        })
        .collect()
}

fn main() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path =
        env::var_os("KYMO_BENCH_TRACE").map_or_else(|| made_up(folder.path()), PathBuf::from);
    let clock = SystemClock::new();
    let limits = Limits {
        threads: Some(2),
        ..Limits::default()
    };
    let session = QuerySession::open(&[("t".into(), path)], limits).unwrap();
    let events = ask(&runtime, &session, "SELECT name FROM events").0;
    // The object in the middle of the pods.
    let namespaces = texts(
        &runtime,
        &session,
        "SELECT namespace, name FROM events WHERE kind = 'Pod' ORDER BY name LIMIT 1 OFFSET 5000",
    );
    let (namespace, name) = namespaces.unwrap_or_default();
    println!(
        "{events} events; CPU milliseconds, median of {ROUNDS}; wall milliseconds in brackets"
    );
    for (what, pushed, whole) in questions(&namespace, &name) {
        let mut costs = [Vec::new(), Vec::new()];
        let mut rows = [0, 0];
        for _ in 0..ROUNDS {
            for (index, sql) in [&pushed, &whole].into_iter().enumerate() {
                let (began, cpu) = (clock.monotonic(), cpu_time());
                rows[index] = ask(&runtime, &session, sql).0;
                let took = clock.monotonic().saturating_sub(began);
                costs[index].push((cpu_time().saturating_sub(cpu), took));
            }
        }
        assert_eq!(rows[0], rows[1], "{what}");
        let [pushed, whole] = costs.map(|mut costs| {
            costs.sort_unstable();
            costs[ROUNDS / 2]
        });
        println!(
            "{what:40} {:9.1} ({:7.1})  without {:9.1} ({:7.1})  ratio {:6.1}",
            milliseconds(pushed.0),
            milliseconds(pushed.1),
            milliseconds(whole.0),
            milliseconds(whole.1),
            whole.0.as_secs_f64() / pushed.0.as_secs_f64().max(1e-6),
        );
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The CPU time of all threads of this process; those of the runtime outlive a question.
fn cpu_time() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let nanoseconds = tasks.map(|task| {
        let stat = fs::read_to_string(task.unwrap().path().join("schedstat"));
        let stat = stat.unwrap_or_default();
        stat.split(' ')
            .next()
            .and_then(|time| time.parse().ok())
            .unwrap_or(0u64)
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// Returns the number of rows, and how large they are.
fn ask(runtime: &Runtime, session: &QuerySession, sql: &str) -> (usize, usize) {
    let answer =
        runtime.block_on(async { session.sql(sql).await.unwrap().collect().await.unwrap() });
    let rows = answer.iter().map(RecordBatch::num_rows).sum();
    let bytes = answer.iter().map(RecordBatch::get_array_memory_size).sum();
    (rows, bytes)
}

fn texts(runtime: &Runtime, session: &QuerySession, sql: &str) -> Option<(String, String)> {
    let answer =
        runtime.block_on(async { session.sql(sql).await.unwrap().collect().await.unwrap() });
    let batch = answer.iter().find(|batch| batch.num_rows() > 0)?;
    let text = |column: usize| batch.column(column).as_string::<i32>().value(0).to_owned();
    Some((text(0), text(1)))
}

fn feed(resource: &str, kind: &str) -> Feed {
    Feed {
        resource: ResourceType {
            group: String::new(),
            version: "v1".into(),
            resource: resource.into(),
            kind: kind.into(),
            namespaced: true,
        },
        scope: Scope::default(),
    }
}

/// Writes a sealed trace of pods, and one event for each version of a pod.
fn made_up(folder: &Path) -> PathBuf {
    let path = folder.join("made-up.kymo");
    let clock = Arc::new(ManualClock::new(Timestamp(1_795_226_400_000_000_000)));
    let options = WriterOptions::default();
    let identity = TraceIdentity::new(None);
    let mut writer =
        Writer::create(Arc::new(RealFs), &path, identity, clock.clone(), options).unwrap();
    writer
        .begin_session(SessionInfo {
            number: 1,
            started: clock.now(),
            tool: "bench".into(),
            command: "bench".into(),
            cluster_uid: None,
            server_version: None,
            dropped: Vec::new(),
            clock_offset_ns: None,
        })
        .unwrap();
    let pods = writer.feed(&feed("pods", "Pod")).unwrap();
    let events = writer.feed(&feed("events", "Event")).unwrap();
    let mut seq = 0;
    for version in 0..VERSIONS {
        for pod in 0..PODS {
            clock.advance(Duration::from_millis(7));
            for (feed, kind) in [(pods, "Pod"), (events, "Event")] {
                seq += 1;
                let event = event(feed, kind, pod, version, seq, clock.now());
                writer.append_event(event).unwrap();
            }
        }
        writer.commit().unwrap();
    }
    writer.seal_now().unwrap();
    writer.close(Cause::Stop).unwrap();
    let packed = folder.join("made-up.parquet");
    kymo_store::pack(&path, &packed).unwrap();
    packed
}

fn event(feed: FeedId, kind: &str, pod: u64, version: u64, seq: u64, ts: Timestamp) -> Event {
    let workload = format!("web-{:02}-{pod:05}", pod % 20);
    let name = if kind == "Pod" {
        workload.clone()
    } else {
        format!("{workload}.{version:x}")
    };
    let number = if kind == "Pod" {
        pod
    } else {
        PODS + pod * VERSIONS + version
    };
    let uid =
        uuid::Uuid::from_u64_pair(number.wrapping_mul(0x9e37_79b9_7f4a_7c15), number).to_string();
    let namespace = format!("team-{:02}", pod % 15);
    let metadata = json!({"name": name, "namespace": namespace, "uid": uid, "resourceVersion": seq.to_string(),
        "creationTimestamp": "2026-11-21T02:07:25Z", "labels": {"app": "web", "pod-template-hash": "7d9f"},
        "managedFields": [{"manager": "kubelet", "operation": "Update", "time": "2026-11-21T02:07:25Z",
            "fieldsV1": {"f:status": {"f:conditions": {}}}}]});
    let conditions: Vec<_> = ["PodScheduled", "Initialized", "ContainersReady", "Ready"]
        .iter()
        .zip(0..)
        .map(|(kind, place)| {
            json!({"type": kind, "status": if place < version { "True" } else { "False" },
            "lastProbeTime": null, "lastTransitionTime": "2026-11-21T02:07:25Z"})
        })
        .collect();
    let environment: Vec<_> = (0..30)
        .map(|place| json!({"name": format!("SETTING_{place}"), "value": format!("value {place} of web")}))
        .collect();
    let object = if kind == "Pod" {
        json!({"kind": kind, "apiVersion": "v1", "metadata": metadata,
            "spec": {"nodeName": (version > 0).then(|| format!("node-{}", pod % 50)),
                "containers": [{"name": "web", "image": "registry.example/web:1.2.3", "env": environment}]},
            "status": {"phase": if version > 2 { "Running" } else { "Pending" }, "conditions": conditions}})
    } else {
        json!({"kind": kind, "apiVersion": "v1", "metadata": metadata, "reason": "Pulled", "type": "Normal",
            "message": "Container image is present", "involvedObject": {"kind": "Pod", "name": workload}})
    };
    Event {
        feed,
        ts,
        not_before: None,
        event_type: if version == 0 || kind != "Pod" {
            EventType::Added
        } else {
            EventType::Modified
        },
        certainty: Certainty::Seen,
        epoch: 1,
        key: ObjectKey {
            namespace,
            name,
            uid,
        },
        rv: Some(seq.to_string().as_str().into()),
        body: Some(Arc::from(object.to_string().as_bytes())),
        request: None,
    }
}
