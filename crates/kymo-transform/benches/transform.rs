//! What scripts take that change a trace: CPU seconds, memory and the size of the output.
//!
//! `cargo bench --workspace --bench transform` runs one script after the other over the shipped
//! recording of a rollout, repeated, or over the trace that `KYMO_BENCH_TRACE` names, each in a
//! process of its own, and a few times. `KYMO_BENCH_ONLY=word` leaves out scripts without that
//! word in their names, `KYMO_BENCH_RUNS=1` runs each once, `KYMO_BENCH_COPIES=1,10` says how often
//! the input is repeated.
//!
//! The loop beside them reads whole objects from Parquet, parses each with `serde_json`, changes it
//! with `json-patch`, and writes Parquet at zstd 3. Such a loop was measured at nine times what SimKube's
//! own transform of one command does on the same objects, so the ratio to the loop tells that to SimKube.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints what it finds, also how long it took"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringBuilder};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;
use kymo_model::EventType;
use kymo_store::Trace;
use kymo_transform::Transform;
use kymo_transform::language::Script;
use serde_json::Value;

/// How often each script runs unless `KYMO_BENCH_RUNS` says; the fastest counts.
const RUNS: usize = 3;
/// What a loop of `serde_json` and `json-patch` does by SimKube's one command.
const LOOP_BY_SIMKUBE: f64 = 9.0;
/// SimKube's one command by its eleven, on the same objects: 1,265 and 134 objects by CPU second.
const ONE_BY_ELEVEN: f64 = 1265.0 / 134.0;

const ONE_PATCH: &str = r#"[{"op":"add","path":"/metadata/labels","value":{"replay":"yes"}}]"#;

const UPDATE: &str = "UPDATE EVENTS SET object = json_set(object, '/metadata/replay', true)";

const SANITIZE: &str = r#"
PATCH OBJECTS WITH MERGE '{"metadata":{"managedFields":null}}';
PATCH OBJECTS WITH MERGE '{"metadata":{"annotations":null}}';
PATCH OBJECTS WITH MERGE '{"metadata":{"ownerReferences":null}}';
PATCH OBJECTS WITH MERGE '{"metadata":{"finalizers":null}}';
PATCH OBJECTS WITH MERGE '{"metadata":{"generateName":null}}';
PATCH OBJECTS WITH MERGE '{"metadata":{"generation":null}}';
PATCH OBJECTS WITH MERGE '{"metadata":{"creationTimestamp":null}}';
PATCH OBJECTS WITH MERGE '{"metadata":{"deletionGracePeriodSeconds":null}}';
PATCH OBJECTS WITH MERGE '{"status":null}';
PATCH OBJECTS WITH MERGE '{"spec":{"nodeName":null}}' WHERE kind = 'Pod';
PATCH OBJECTS WITH MERGE '{"spec":{"tolerations":null}}' WHERE kind = 'Pod'
"#;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [script, input] = arguments.as_slice()
        && Path::new(input).exists()
    {
        // As the command does.
        kymo_allocator::giving_back(|| measure(script, Path::new(input)));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let times = std::env::var("KYMO_BENCH_RUNS").map_or(RUNS, |text| text.parse().unwrap());
    let wanted = std::env::var("KYMO_BENCH_ONLY").unwrap_or_default();
    let copies = std::env::var("KYMO_BENCH_COPIES").unwrap_or_else(|_| "1,10".to_owned());
    let (once, repeats) = input(folder.path());
    for copies in copies.split(',').map(|text| text.parse::<u32>().unwrap()) {
        let input = repeated(&once, copies * repeats, folder.path());
        let (events, scripts) = scripts(&input);
        println!("{events} events");
        println!(
            "{:<28} {:>8} {:>8} {:>12} {:>8} {:>10} {:>8} {:>8}",
            "script",
            "CPU s",
            "wall s",
            "events/CPU s",
            "peak MB",
            "bytes/event",
            "by loop",
            "SimKube"
        );
        let whole = folder.path().join("whole.parquet");
        write_whole(&input, &whole);
        let mut looped = None;
        for (name, script) in scripts {
            if !name.contains(&wanted) && name != "loop" {
                continue;
            }
            let path = if name == "loop" { &whole } else { &input };
            let runs: Vec<Vec<f64>> = (0..times)
                .map(|_| {
                    let own = std::env::current_exe().unwrap();
                    let done = Command::new(own).arg(&script).arg(path).output().unwrap();
                    assert!(
                        done.status.success(),
                        "{name}: {}",
                        String::from_utf8_lossy(&done.stderr)
                    );
                    let text = String::from_utf8(done.stdout).unwrap();
                    text.split_whitespace()
                        .map(|number| number.parse().unwrap())
                        .collect()
                })
                .collect();
            let best = runs.iter().min_by(|a, b| a[0].total_cmp(&b[0])).unwrap();
            let [cpu, wall, peak, bytes, written] = best[..] else {
                continue;
            };
            let speed = events as f64 / cpu;
            let by_loop = speed / *looped.get_or_insert(speed);
            let eleven = if name.starts_with("sanitize") {
                ONE_BY_ELEVEN
            } else {
                1.0
            };
            println!(
                "{name:<28} {cpu:>8.2} {wall:>8.2} {speed:>12.0} {peak:>8.0} {:>10.1} {by_loop:>8.2} {:>8.0}",
                bytes / written,
                by_loop * LOOP_BY_SIMKUBE * eleven,
            );
        }
    }
}

/// Returns the trace to begin with, and how often it is repeated.
fn input(folder: &Path) -> (PathBuf, u32) {
    if let Some(path) = std::env::var_os("KYMO_BENCH_TRACE") {
        // As this kymo writes it: older formats have to be read in other ways.
        let copy = folder.join("input.parquet");
        kymo_store::pack(Path::new(&path), &copy).unwrap();
        return (copy, 1);
    }
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/rollout.parquet");
    let copy = folder.join("shipped.parquet");
    std::fs::copy(shipped, &copy).unwrap();
    (copy, 92)
}

fn repeated(once: &Path, times: u32, folder: &Path) -> PathBuf {
    if times == 1 {
        return once.to_owned();
    }
    let out = folder.join(format!("times-{times}.parquet"));
    transform(&format!("REPEAT {times} TIMES"), once, &out);
    out
}

/// Returns the number of events and the scripts, with the namespace and the Deployment of the most
/// events in them.
fn scripts(input: &Path) -> (u64, Vec<(&'static str, String)>) {
    let trace = Trace::open(input).unwrap();
    let mut namespaces: BTreeMap<String, u64> = BTreeMap::new();
    let mut deployments: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut events = 0;
    for row in trace.heads().unwrap() {
        let row = row.unwrap();
        events += 1;
        let key = row.event.key;
        if trace.feeds()[&row.event.feed].resource.kind == "Deployment" {
            let name = (key.namespace.clone(), key.name);
            *deployments.entry(name).or_default() += 1;
        }
        if !key.namespace.is_empty() {
            *namespaces.entry(key.namespace).or_default() += 1;
        }
    }
    let namespace = namespaces
        .iter()
        .max_by_key(|(_, count)| **count)
        .unwrap()
        .0;
    let ((place, name), _) = deployments.iter().max_by_key(|(_, count)| **count).unwrap();
    let scripts = vec![
        ("loop", "loop".to_owned()),
        ("copy", "KEEP OBJECTS".to_owned()),
        (
            "delete a namespace",
            format!("DELETE FROM OBJECTS WHERE namespace = '{namespace}'"),
        ),
        (
            "patch of every object",
            format!("PATCH OBJECTS WITH JSON '{ONE_PATCH}'"),
        ),
        ("sanitize, eleven patches", SANITIZE.to_owned()),
        (
            "scale a Deployment by two",
            format!("SCALE Deployment '{place}/{name}' BY 2"),
        ),
        (
            "scale a namespace by two",
            format!("SCALE NAMESPACE '{namespace}' BY 2"),
        ),
        (
            "scale everything by two",
            "SCALE EVERYTHING BY 2".to_owned(),
        ),
        ("repeat twice", "REPEAT 2 TIMES".to_owned()),
        ("update of every event", UPDATE.to_owned()),
        ("stretch time", "STRETCH TIME BY 0.5".to_owned()),
    ];
    (events, scripts)
}

fn transform(script: &str, input: &Path, out: &Path) -> u64 {
    let script = Script::parse(script).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let report = runtime
        .block_on(Transform::new(input, script).run(out))
        .unwrap();
    report.summary.rows
}

/// Prints CPU seconds, seconds, megabytes, bytes written and rows written.
fn measure(script: &str, input: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.parquet");
    let (cpu, wall) = (cpu_seconds(), Instant::now());
    let rows = if script == "loop" {
        run_loop(input, &out)
    } else {
        transform(script, input, &out)
    };
    println!(
        "{} {} {} {} {rows}",
        cpu_seconds() - cpu,
        wall.elapsed().as_secs_f64(),
        peak_megabytes(),
        out.metadata().unwrap().len(),
    );
}

/// The rows of a batch for the loop.
const LOOP_ROWS: usize = 1024;

fn loop_writer(path: &Path, batch: &RecordBatch) -> ArrowWriter<File> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).unwrap()))
        .set_write_batch_size(64)
        .build();
    ArrowWriter::try_new(
        File::create(path).unwrap(),
        batch.schema(),
        Some(properties),
    )
    .unwrap()
}

fn loop_batch(seqs: Vec<i64>, mut objects: StringBuilder) -> RecordBatch {
    let seqs: ArrayRef = Arc::new(Int64Array::from(seqs));
    let objects: ArrayRef = Arc::new(objects.finish());
    RecordBatch::try_from_iter([("seq", seqs), ("object", objects)]).unwrap()
}

/// Writes whole objects, for the loop.
fn write_whole(input: &Path, out: &Path) {
    let trace = Trace::open(input).unwrap();
    let mut rows = trace.rows().unwrap().map(Result::unwrap).peekable();
    let mut writer = None;
    while rows.peek().is_some() {
        let mut objects = StringBuilder::new();
        let mut seqs = Vec::new();
        for row in rows.by_ref().take(LOOP_ROWS) {
            seqs.push(row.seq as i64);
            let body = row
                .event
                .body
                .filter(|_| row.event.event_type != EventType::Unreadable);
            objects.append_option(body.map(|body| String::from_utf8(body.to_vec()).unwrap()));
        }
        let batch = loop_batch(seqs, objects);
        let writer = writer.get_or_insert_with(|| loop_writer(out, &batch));
        writer.write(&batch).unwrap();
    }
    writer.unwrap().close().unwrap();
}

fn run_loop(input: &Path, out: &Path) -> u64 {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(input).unwrap()).unwrap();
    let patch: json_patch::Patch = serde_json::from_str(ONE_PATCH).unwrap();
    let mut writer = None;
    let mut rows = 0;
    for batch in reader.with_batch_size(LOOP_ROWS).build().unwrap() {
        let batch = batch.unwrap();
        rows += batch.num_rows() as u64;
        let mut objects = StringBuilder::new();
        for text in batch.column(1).as_string::<i32>() {
            objects.append_option(text.map(|text| {
                let mut object: Value = serde_json::from_str(text).unwrap();
                json_patch::patch(&mut object, &patch).unwrap();
                serde_json::to_string(&object).unwrap()
            }));
        }
        let seqs = batch
            .column(0)
            .as_primitive::<datafusion::arrow::datatypes::Int64Type>();
        let batch = loop_batch(seqs.values().to_vec(), objects);
        let writer = writer.get_or_insert_with(|| loop_writer(out, &batch));
        writer.write(&batch).unwrap();
    }
    writer.unwrap().close().unwrap();
    rows
}

/// CPU time of this process, user and system.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, rest) = text.rsplit_once(')').unwrap();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

/// The most memory that this process had so far.
fn peak_megabytes() -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").trim().parse().unwrap();
    kilobytes / 1024.0
}
