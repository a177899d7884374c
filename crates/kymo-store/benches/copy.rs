//! What it takes to write a segment out of another one: with every body put together as text and
//! taken apart again, with bodies handed on as they are held, with one change of every object
//! besides, and with the same change made column by column.
//!
//! `cargo bench --workspace --bench copy` reads the shipped recording, or the trace that
//! `KYMO_BENCH_TRACE` names, and prints CPU seconds, the best of five runs of each in turn.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints what it finds"
)]

use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kymo_model::{FeedId, ObjectKey};
use kymo_store::fs::RealFs;
use kymo_store::segment::{Effect, KeptRow, Revision, Revisions, SegmentOptions, Touch};
use kymo_store::{Error, Trace, pack, write_file};
use serde_json::{Value, json};

const RUNS: usize = 5;

/// Sets the labels.
#[derive(Debug)]
struct Labels([Touch; 1]);

impl Revision for Labels {
    fn touches(&self) -> &[Touch] {
        &self.0
    }

    fn revise(
        &self,
        object: &mut Value,
        _: u64,
        _: FeedId,
        _: &ObjectKey,
    ) -> Result<(), Box<dyn StdError + Send + Sync>> {
        object["metadata"]["labels"] = json!({"replay": "yes"});
        Ok(())
    }
}

type Rows = Box<dyn Iterator<Item = Result<KeptRow, Error>>>;
/// A name, and how rows are read.
type Way = (&'static str, fn(&Trace) -> Rows);

fn texts(trace: &Trace) -> Rows {
    Box::new(trace.rows().unwrap().map(|row| row.map(KeptRow::from)))
}

fn kept(trace: &Trace) -> Rows {
    trace.kept_rows().unwrap()
}

fn labels() -> Arc<Revisions> {
    let labels = Labels([Touch::new(["metadata", "labels"], Effect::Sets)]);
    Arc::new(Revisions::with(None, Arc::new(labels)).unwrap())
}

fn revised(trace: &Trace) -> Rows {
    let labels = labels();
    Box::new(trace.kept_rows().unwrap().map(move |row| {
        let mut row = row?;
        if let Some(kept) = &mut row.kept {
            kept.revise(Arc::clone(&labels));
        }
        Ok(row)
    }))
}

fn main() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/rollout.parquet");
    let input = std::env::var_os("KYMO_BENCH_TRACE").map_or(shipped, PathBuf::from);
    // As this kymo writes it: older formats have to be read in other ways.
    let folder = tempfile::tempdir().unwrap();
    let current = folder.path().join("input.parquet");
    pack(&input, &current).unwrap();
    let trace = Trace::open(&current).unwrap();
    let events = trace.stats().events;
    let ways: [Way; 3] = [
        ("as texts", texts),
        ("as they are held", kept),
        ("one change of each", revised),
    ];
    let mut best = [f64::INFINITY; 3];
    let mut by_columns = f64::INFINITY;
    for _ in 0..RUNS {
        for (best, (_, rows)) in best.iter_mut().zip(ways) {
            let folder = tempfile::tempdir().unwrap();
            let out = folder.path().join("out.parquet");
            let (fs, meta) = (Arc::new(RealFs), trace.meta());
            let options = SegmentOptions::default();
            let start = cpu_seconds();
            write_file(fs, &out, rows(&trace), meta, &options, |_| {}).unwrap();
            *best = best.min(cpu_seconds() - start);
        }
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out.parquet");
        let (fs, options, labels) = (Arc::new(RealFs), SegmentOptions::default(), labels());
        let start = cpu_seconds();
        let revised = trace.revised(|_| Ok::<_, Error>(Some(Arc::clone(&labels))));
        let revised = revised.unwrap().unwrap();
        let done = revised.write(fs, &out, trace.meta(), &options, |_| {});
        done.unwrap();
        by_columns = by_columns.min(cpu_seconds() - start);
    }
    println!("{events} events\nbodies                CPU s   events/CPU s   by texts");
    let names = ways.map(|(name, _)| name).into_iter();
    let all = best
        .iter()
        .zip(names)
        .chain([(&by_columns, "one, by columns")]);
    for (cpu, name) in all {
        let speed = events as f64 / cpu;
        println!(
            "{name:<20} {cpu:>6.2} {speed:>14.0} {:>10.2}",
            best[0] / cpu
        );
    }
}

/// CPU time of this process, user and system.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, rest) = text.rsplit_once(')').unwrap();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}
