//! From a watch line to the durable log, on one core, next to the floor: the same lines split,
//! compressed with zstd level 1 and written with the same syncs.
//!
//! `cargo bench -p kymo-store --bench append`; the throughput is in lines (elements) per second.
//! The lines are pods of about 7 kB from a recorded rollout (managedFields left out, to come near the
//! 6 kB of a usual object), each with its own version.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a benchmark fails by panicking"
)]

use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kymo_model::{
    Certainty, Clock as _, Event, Feed, ObjectKey, ResourceType, Scope, SystemClock, WatchLine,
};
use kymo_store::fs::RealFs;
use kymo_store::{SessionInfo, TraceIdentity, Writer, WriterOptions};

const LINES: usize = 20_000;
const SYNC_INTERVAL: Duration = Duration::from_millis(200);
const SYNC_BYTES: usize = 1 << 20;

/// Watch lines of pods, with versions that grow.
fn lines() -> Vec<u8> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/streams/edge-auth");
    let mut objects: Vec<serde_json::Value> = Vec::new();
    let entries = std::fs::read_dir(&directory).expect("the fixture");
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths
        .iter()
        .filter(|path| path.to_string_lossy().contains("pods"))
    {
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let mut object = line["event"]["object"].clone();
            if object["kind"] == "Pod" {
                let metadata = object["metadata"].as_object_mut().unwrap();
                metadata.remove("managedFields");
                if (5_000..8_000).contains(&object.to_string().len()) {
                    objects.push(object);
                }
            }
        }
    }
    assert!(!objects.is_empty(), "no pods of that size in the fixture");
    let mut text = Vec::new();
    for number in 0..LINES {
        let mut object = objects[number % objects.len()].clone();
        object["metadata"]["resourceVersion"] = (1_000_000 + number).to_string().into();
        object["metadata"]["uid"] = format!("00000000-0000-4000-8000-{:012}", number % 997).into();
        let line = serde_json::json!({"type": "MODIFIED", "object": object});
        serde_json::to_writer(&mut text, &line).unwrap();
        text.push(b'\n');
    }
    text
}

fn split(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
}

fn append(directory: &Path, text: &[u8]) -> Duration {
    let clock = Arc::new(SystemClock::new());
    let mut writer = Writer::create(
        Arc::new(RealFs),
        &directory.join("bench.kymo"),
        TraceIdentity::new(None),
        clock.clone(),
        WriterOptions::default(),
    )
    .unwrap();
    writer.begin_session(SessionInfo::default()).unwrap();
    let feed = writer
        .feed(&Feed {
            resource: ResourceType {
                group: String::new(),
                version: "v1".into(),
                resource: "pods".into(),
                kind: "Pod".into(),
                namespaced: true,
            },
            scope: Scope::default(),
        })
        .unwrap();
    let start = clock.monotonic();
    for line in split(text) {
        let Ok(WatchLine::Event { event_type, object }) = WatchLine::parse(line) else {
            panic!("not an event");
        };
        let head = object.head;
        writer
            .append_event(Event {
                feed,
                ts: clock.now(),
                not_before: None,
                event_type,
                certainty: Certainty::Seen,
                epoch: 0,
                key: ObjectKey {
                    namespace: head.namespace,
                    name: head.name,
                    uid: head.uid,
                },
                rv: head.rv,
                body: Some(object.text.as_bytes().into()),
                request: None,
            })
            .unwrap();
        if writer.due() == Some(Duration::ZERO) {
            writer.commit().unwrap();
        }
    }
    writer.commit().unwrap();
    clock.monotonic().checked_sub(start).unwrap()
}

fn floor(directory: &Path, text: &[u8]) -> Duration {
    let clock = SystemClock::new();
    let mut file = std::fs::File::create(directory.join("floor")).unwrap();
    let mut compressor = zstd::bulk::Compressor::new(1).unwrap();
    let (mut raw, mut unsynced) = (Vec::new(), 0);
    let start = clock.monotonic();
    let mut synced = start;
    for line in split(text) {
        raw.extend_from_slice(line);
        if raw.len() >= SYNC_BYTES {
            let frame = compressor.compress(&raw).unwrap();
            file.write_all(&frame).unwrap();
            unsynced += frame.len();
            raw.clear();
        }
        if unsynced >= SYNC_BYTES || clock.monotonic().checked_sub(synced).unwrap() >= SYNC_INTERVAL
        {
            file.sync_data().unwrap();
            (unsynced, synced) = (0, clock.monotonic());
        }
    }
    file.write_all(&compressor.compress(&raw).unwrap()).unwrap();
    file.sync_data().unwrap();
    clock.monotonic().checked_sub(start).unwrap()
}

/// Runs in a new directory each time; only what the function measures counts.
fn times(iterations: u64, text: &[u8], run: fn(&Path, &[u8]) -> Duration) -> Duration {
    (0..iterations)
        .map(|_| {
            let directory = tempfile::tempdir().unwrap();
            black_box(run(directory.path(), text))
        })
        .sum()
}

fn benchmark(criterion: &mut Criterion) {
    let text = lines();
    eprintln!("{LINES} lines of {} bytes on average", text.len() / LINES);
    let mut group = criterion.benchmark_group("line_to_durable_log");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(LINES as u64));
    group.bench_function("store", |bencher| {
        bencher.iter_custom(|iterations| times(iterations, &text, append));
    });
    group.bench_function("floor", |bencher| {
        bencher.iter_custom(|iterations| times(iterations, &text, floor));
    });
    group.finish();
    // Turn by turn, so that what else the machine does concerns both.
    let (mut store, mut least) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..5 {
        store += times(1, &text, append);
        least += times(1, &text, floor);
    }
    eprintln!(
        "line_to_durable_log: {:.0} events/s, {:.2} times the time of the floor",
        5.0 * LINES as f64 / store.as_secs_f64(),
        store.as_secs_f64() / least.as_secs_f64()
    );
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
