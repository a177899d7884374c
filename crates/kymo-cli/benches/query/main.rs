//! Questions to kymo and to `DuckDB` about the same events, the start of a process, and memory.
//!
//! `cargo bench -p kymo-cli --bench query -- [compare] [start] [memory]` does all three unless some are named.
//! kymo reads a trace, `DuckDB` what `kymo export parquet --full` makes of it. Answers must be equal, row by row.
//!
//! - `KYMO_BENCH_STREAMS` names a folder of watch streams; without it the fixture of a rollout is read;
//! - `KYMO_BENCH_COPIES` is how many copies of its events the larger trace has, 13 unless set;
//! - `KYMO_BENCH_PYTHON` is an interpreter with `duckdb` and `pyarrow`; without it one is installed in `$KYMO_CACHE`,
//!   where traces are kept as well.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]

mod compare;
mod copies;
mod helper;
mod memory;
mod questions;
mod start;

use std::path::{Path, PathBuf};
use std::{env, fs};

use helper::Helper;

/// Threads that both sides have.
const THREADS: usize = 2;

/// The program itself.
const KYMO: &str = env!("CARGO_BIN_EXE_kymo");

/// A trace in both forms.
struct Data {
    name: &'static str,
    trace: PathBuf,
    full: PathBuf,
}

fn main() {
    let asked: Vec<String> = env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let wants = |part: &str| asked.is_empty() || asked.iter().any(|word| word == part);
    let cache = cache();
    let mut helper = Helper::start(&cache);
    let recorded = data(&mut helper, "recorded", &cache.join("recorded"), |output| {
        let streams = env::var_os("KYMO_BENCH_STREAMS").map(PathBuf::from);
        let fixture =
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/streams/edge-auth");
        vec![
            KYMO.into(),
            "import".into(),
            "watch".into(),
            text(&streams.unwrap_or_else(fixture)),
            "-o".into(),
            text(output),
        ]
    });
    let copies = env::var("KYMO_BENCH_COPIES").map_or(13, |text| text.parse().unwrap());
    let folder = cache.join(format!("copies-{copies}"));
    if !folder.join("trace").exists() {
        fs::create_dir_all(&folder).unwrap();
        let unfinished = folder.join("unfinished");
        fs::remove_dir_all(&unfinished).ok();
        copies::write(&recorded.trace, copies, &unfinished);
        fs::rename(unfinished, folder.join("trace")).unwrap();
    }
    let larger = data(&mut helper, "copies", &folder, |_| Vec::new());
    let all = [recorded, larger];
    if wants("compare") {
        for data in &all {
            compare::compare(&mut helper, data);
        }
    }
    if wants("start") {
        start::start(&mut helper, &all);
    }
    if wants("memory") {
        memory::memory(&mut helper, &all);
    }
}

/// Returns the folder in which traces and `DuckDB` are kept.
fn cache() -> PathBuf {
    let home = || PathBuf::from(env::var_os("HOME").unwrap()).join(".cache/kymo");
    let cache = env::var_os("KYMO_CACHE").map_or_else(home, PathBuf::from);
    let cache = cache.join("bench-query");
    fs::create_dir_all(&cache).unwrap();
    cache
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Makes what is not there yet.
fn data(
    helper: &mut Helper,
    name: &'static str,
    folder: &Path,
    command: impl FnOnce(&Path) -> Vec<String>,
) -> Data {
    fs::create_dir_all(folder).unwrap();
    let (trace, full) = (folder.join("trace"), folder.join("full.parquet"));
    let mut run = |command: &[String]| {
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let ended = helper.run(&command, &folder.join("log"));
        let log = fs::read_to_string(folder.join("log")).unwrap();
        assert_eq!(ended.status, 0, "{command:?}: {log}");
    };
    if !trace.exists() {
        run(&command(&trace));
    }
    if !full.exists() {
        let words = ["export", "parquet", "--full", "-o"].map(str::to_owned);
        let command = [&[KYMO.to_owned()][..], &words, &[text(&full), text(&trace)]].concat();
        run(&command);
    }
    Data { name, trace, full }
}

/// Bytes of a file, or of the files in a folder but for what a writer keeps free.
fn size(path: &Path) -> u64 {
    match fs::read_dir(path) {
        Ok(entries) => entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| !path.ends_with("ballast"))
            .map(|path| size(&path))
            .sum(),
        Err(_) => path.metadata().unwrap().len(),
    }
}

fn median<T: Copy>(costs: &mut [T], key: impl Fn(&T) -> f64) -> T {
    costs.sort_by(|a, b| key(a).total_cmp(&key(b)));
    costs[costs.len() / 2]
}
