//! An import against a loop that only cuts and parses the same lines.
//!
//! Both are run in turn, `KYMO_BENCH_ROUNDS` times, and the best of each counts: other work on the
//! machine only ever makes a run longer.

use std::hint::black_box;
use std::io::BufRead as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs, io};

use jiter::JsonValue;
use kymo_interop::{Format, ImportOptions, Progress, import};
use kymo_model::{Clock, SystemClock};

/// How a line is parsed, in words and in code.
type Parser = (&'static str, fn(&[u8]));

/// The ways in which the loop parses a line, the fastest first.
const PARSERS: [Parser; 3] = [
    ("checked and left as text", |line| {
        black_box(serde_json::from_slice::<&serde_json::value::RawValue>(line).unwrap());
    }),
    ("parsed into values by jiter", |line| {
        black_box(JsonValue::parse(line, false).unwrap());
    }),
    ("parsed into values by serde_json", |line| {
        black_box(serde_json::from_slice::<serde_json::Value>(line).unwrap());
    }),
];

/// Measures the import of the lines in `files`, which are or are in `path`, and prints it.
pub(crate) fn compare(format: Format, path: &Path, files: &[PathBuf]) {
    let rounds = env::var("KYMO_BENCH_ROUNDS").map_or(3, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let bytes: u64 = files
        .iter()
        .map(|file| file.metadata().unwrap().len())
        .sum();
    let mut parsed = [Duration::MAX; PARSERS.len()];
    let (mut read, mut sealed) = (Duration::MAX, Duration::MAX);
    let (mut lines, mut events) = (0, 0);
    for round in 0..rounds {
        for ((_, parse), best) in PARSERS.iter().zip(&mut parsed) {
            let took;
            (lines, took) = cut_and_parse(files, *parse);
            *best = took.min(*best);
        }
        let output = folder.path().join(format!("{round}.kymo"));
        let took = import_to(format, path, &output);
        fs::remove_dir_all(&output).unwrap();
        read = took.read.min(read);
        sealed = took.sealed.min(sealed);
        events = took.events;
    }

    println!("{lines} lines, {bytes} bytes, {events} events, best of {rounds}");
    for ((name, _), took) in PARSERS.iter().zip(parsed) {
        tell(&format!("lines cut, {name}"), bytes, took);
    }
    tell("import to the durable log", bytes, read);
    tell("import, sealed", bytes, sealed);
    for ((name, _), took) in PARSERS.iter().zip(parsed) {
        println!(
            "import to the log takes {:.2} times the loop with lines {name}",
            read.as_secs_f64() / took.as_secs_f64()
        );
    }
}

/// Runs the bare loop; tells the number of lines and its time.
fn cut_and_parse(files: &[PathBuf], parse: fn(&[u8])) -> (u64, Duration) {
    let clock = SystemClock::new();
    let started = clock.monotonic();
    let mut lines = 0;
    let mut line = Vec::new();
    for file in files {
        let mut reader = io::BufReader::with_capacity(128 * 1024, fs::File::open(file).unwrap());
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line).unwrap() == 0 {
                break;
            }
            parse(line.trim_ascii_end());
            lines += 1;
        }
    }
    (lines, clock.monotonic().saturating_sub(started))
}

struct Took {
    /// Until all is in the durable log.
    read: Duration,
    /// Until the trace is sealed.
    sealed: Duration,
    events: u64,
}

fn import_to(format: Format, path: &Path, output: &Path) -> Took {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let options = ImportOptions::new(Some(format), vec![path.to_owned()], output.to_owned());
    let started = clock.monotonic();
    let mut read = None;
    let report = import(&options, &clock, &mut |progress| {
        if progress == Progress::Sealing {
            read = Some(clock.monotonic().saturating_sub(started));
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    Took {
        read: read.unwrap(),
        sealed: clock.monotonic().saturating_sub(started),
        events: report.events(),
    }
}

fn tell(what: &str, bytes: u64, took: Duration) {
    let seconds = took.as_secs_f64();
    println!(
        "{what}: {seconds:.2} s, {:.0} MB/s",
        bytes as f64 / 1e6 / seconds
    );
}
