//! Import of a recording against a loop that only cuts and parses its lines.
//!
//! `KYMO_BENCH_STREAMS` names a folder of streams; without it the fixture is read 50 times.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]

use std::hint::black_box;
use std::io::BufRead as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs, io};

use kymo_interop::{Format, ImportOptions, Progress, import};
use kymo_model::{Clock, SystemClock};

fn main() {
    let clock = SystemClock::new();
    let folder = tempfile::tempdir().unwrap();
    let streams =
        env::var_os("KYMO_BENCH_STREAMS").map_or_else(|| copies(folder.path()), PathBuf::from);
    let files: Vec<PathBuf> = fs::read_dir(&streams)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('_'))
        .collect();
    let bytes: u64 = files
        .iter()
        .map(|file| file.metadata().unwrap().len())
        .sum();

    let started = clock.monotonic();
    let mut lines = 0u64;
    for file in &files {
        let reader = io::BufReader::with_capacity(128 * 1024, fs::File::open(file).unwrap());
        for line in reader.lines() {
            let line = line.unwrap();
            let value: &serde_json::value::RawValue = serde_json::from_str(&line).unwrap();
            black_box(value);
            lines += 1;
        }
    }
    let parsed = clock.monotonic().saturating_sub(started);

    let output = folder.path().join("out.kymo");
    let options = ImportOptions::new(Some(Format::Watch), vec![streams], output);
    let shared: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let started = clock.monotonic();
    let mut read = None;
    let report = import(&options, &shared, &mut |progress| {
        if progress == Progress::Sealing {
            read = Some(clock.monotonic().saturating_sub(started));
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    let whole = clock.monotonic().saturating_sub(started);
    let read = read.unwrap();

    println!("{lines} lines, {bytes} bytes, {} events", report.events());
    tell("cut and check the lines only", bytes, parsed);
    tell("import to the durable log", bytes, read);
    tell("import, sealed", bytes, whole);
    println!(
        "import to the log takes {:.2} times the bare loop",
        read.as_secs_f64() / parsed.as_secs_f64()
    );
}

fn tell(what: &str, bytes: u64, took: Duration) {
    let seconds = took.as_secs_f64();
    println!(
        "{what}: {seconds:.2} s, {:.0} MB/s",
        bytes as f64 / 1e6 / seconds
    );
}

/// Copies of the fixture under resource names of their own, so that none repeats another.
fn copies(folder: &Path) -> PathBuf {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/streams/edge-auth");
    let streams = folder.join("streams");
    fs::create_dir(&streams).unwrap();
    let pods = fs::read_to_string(fixture.join("core_v1_pods.ndjson")).unwrap();
    for copy in 0..50 {
        let version = format!("\"apiVersion\":\"copy{copy}.example.com/v1\"");
        let text = pods.replacen("\"apiVersion\":\"v1\"", &version, usize::MAX);
        fs::write(
            streams.join(format!("copy{copy}.example.com_v1_pods.ndjson")),
            text,
        )
        .unwrap();
    }
    streams
}
