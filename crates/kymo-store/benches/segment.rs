//! Sealing next to zstd 9 of the same bytes, and reading a segment in three ways.
//!
//! `cargo bench -p kymo-store --bench segment`. The events are made up: 400 pods in 20 workloads
//! with six versions each. `examples/layout.rs` measures on real recordings.
#![expect(clippy::expect_used, reason = "a benchmark fails by panicking")]

use std::hint::black_box;
use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kymo_model::{
    Certainty, Event, EventType, Feed, FeedId, ObjectKey, ResourceType, Rv, Scope, Timestamp,
};
use kymo_store::segment::{
    JsonPath, Row, RowRanges, SegmentMeta, SegmentOptions, SegmentReader, SegmentWriter, Wanted,
};
use serde_json::{Value, json};

const PODS: u64 = 400;
const VERSIONS: u64 = 6;

fn feeds() -> Vec<(FeedId, Feed)> {
    let resource = ResourceType {
        group: String::new(),
        version: "v1".into(),
        resource: "pods".into(),
        kind: "Pod".into(),
        namespaced: true,
    };
    let scope = Scope::default();
    vec![(FeedId(1), Feed { resource, scope })]
}

fn condition(kind: &str, is_true: bool) -> Value {
    let status = if is_true { "True" } else { "False" };
    json!({"type": kind, "status": status, "lastProbeTime": null, "lastTransitionTime": "2026-11-21T02:07:25Z"})
}

fn pod(pod: u64, version: u64) -> Row {
    let name = format!("web-{:02}-{pod:05}", pod * 20 / PODS);
    let uid = uuid::Uuid::from_u64_pair(pod.wrapping_mul(0x9e37_79b9_7f4a_7c15), pod).to_string();
    let seq = version * PODS + pod + 1;
    let environment: Vec<Value> = (0..30)
        .map(|i| json!({"name": format!("SETTING_{i}"), "value": format!("value {i} of web")}))
        .collect();
    let conditions: Vec<Value> = ["PodScheduled", "Initialized", "ContainersReady", "Ready"]
        .iter()
        .enumerate()
        .map(|(i, kind)| condition(kind, (i as u64) < version))
        .collect();
    let object = json!({
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {
            "name": name, "namespace": "shop", "uid": uid, "resourceVersion": seq.to_string(),
            "creationTimestamp": "2026-11-21T02:07:25Z",
            "labels": {"app": "web", "pod-template-hash": "7d9f"},
            "managedFields": [{"manager": "kubelet", "operation": "Update", "time": "2026-11-21T02:07:25Z",
                "fieldsV1": {"f:status": {"f:conditions": {}}}}],
        },
        "spec": {
            "nodeName": (version > 0).then(|| format!("node-{}", pod % 50)),
            "containers": [{"name": "web", "image": "registry.example/web:1.2.3", "env": environment}],
        },
        "status": {"phase": if version > 2 { "Running" } else { "Pending" }, "conditions": conditions},
    });
    Row {
        seq,
        session: 1,
        event: Event {
            feed: FeedId(1),
            ts: Timestamp(1_795_226_845_000_000_000 + seq as i64 * 7_654_321),
            not_before: None,
            event_type: if version == 0 {
                EventType::Added
            } else {
                EventType::Modified
            },
            certainty: Certainty::Seen,
            epoch: 1,
            key: ObjectKey {
                namespace: "shop".into(),
                name,
                uid,
            },
            rv: Some(Rv::new(seq.to_string())),
            body: Some(Arc::from(object.to_string().as_bytes())),
            request: None,
        },
    }
}

fn seal(rows: &[Row]) -> Bytes {
    let mut output = Vec::new();
    let mut writer = SegmentWriter::new(&mut output, &feeds(), SegmentOptions::default())
        .expect("a segment begins");
    for row in rows {
        writer.push(row).expect("a row is written");
    }
    let meta = SegmentMeta {
        feeds: feeds(),
        ..SegmentMeta::default()
    };
    writer.finish(&meta).expect("a segment ends");
    output.into()
}

fn segments(criterion: &mut Criterion) {
    let rows: Vec<Row> = (0..PODS)
        .flat_map(|number| (0..VERSIONS).map(move |version| pod(number, version)))
        .collect();
    let lines: Vec<u8> = rows
        .iter()
        .filter_map(|row| row.event.body.as_deref())
        .flat_map(|body| body.iter().copied().chain([b'\n']))
        .collect();

    let mut group = criterion.benchmark_group("seal");
    group.throughput(Throughput::Bytes(lines.len() as u64));
    group.bench_function("segment", |bencher| bencher.iter(|| seal(black_box(&rows))));
    group.bench_function("zstd 9 of the lines", |bencher| {
        bencher.iter(|| {
            let mut encoder =
                zstd::stream::write::Encoder::new(Vec::new(), 9).expect("zstd begins");
            encoder
                .write_all(black_box(&lines))
                .expect("zstd takes bytes");
            encoder.finish().expect("zstd ends")
        });
    });
    group.finish();

    let reader = SegmentReader::open(seal(&rows)).expect("a segment opens");
    let node_name = Wanted {
        paths: vec![JsonPath::of_names(["spec", "nodeName"])],
        bodies: false,
    };
    let mut group = criterion.benchmark_group("read");
    group.throughput(Throughput::Elements(rows.len() as u64));
    group.bench_function("whole bodies", |bencher| {
        bencher.iter(|| {
            for row in reader.rows().expect("rows") {
                black_box(row.expect("a row"));
            }
        });
    });
    group.bench_function("one path", |bencher| {
        bencher.iter(|| {
            let mut found = 0usize;
            for group in 0..reader.num_row_groups() {
                let rows = RowRanges::of(0..reader.group_rows(group).expect("a row group"));
                let mut versions = reader.versions(group, &rows, &node_name).expect("versions");
                while let Some(version) = versions.advance().expect("a row") {
                    found += usize::from(version.value(0).is_some());
                }
            }
            found
        });
    });
    group.bench_function("typed columns", |bencher| {
        bencher.iter(|| {
            for row in reader.heads().expect("heads") {
                black_box(row.expect("a row"));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, segments);
criterion_main!(benches);
