//! The Python process in which `DuckDB` runs, and which starts others to tell what they took.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

/// What is installed where there is no interpreter with it yet.
const PACKAGES: [&str; 2] = ["duckdb==2.0.0", "pyarrow==26.0.1"];

/// What an answer took.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Cost {
    /// Seconds of all threads.
    cpu: f64,
    wall: f64,
    #[serde(default)]
    pub(crate) rows: usize,
}

impl Cost {
    pub(crate) fn new(cpu: Duration, wall: Duration, rows: usize) -> Self {
        let (cpu, wall) = (cpu.as_secs_f64(), wall.as_secs_f64());
        Self { cpu, wall, rows }
    }

    pub(crate) fn cpu_ms(&self) -> f64 {
        self.cpu * 1e3
    }

    pub(crate) fn wall_ms(&self) -> f64 {
        self.wall * 1e3
    }
}

/// What a process took.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Ended {
    #[serde(flatten)]
    pub(crate) cost: Cost,
    /// Bytes that were resident at most.
    pub(crate) peak: u64,
    pub(crate) status: i32,
}

pub(crate) struct Helper {
    _process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Helper {
    pub(crate) fn start(cache: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/query/ask.py");
        let mut process = Command::new(interpreter(cache))
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            input: process.stdin.take().unwrap(),
            output: BufReader::new(process.stdout.take().unwrap()),
            _process: process,
        }
    }

    fn ask<T: for<'a> Deserialize<'a>>(&mut self, asked: &Value) -> T {
        writeln!(self.input, "{asked}").unwrap();
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        assert!(!answer.is_empty(), "the helper ended at {asked}");
        serde_json::from_str(&answer).unwrap()
    }

    /// Makes a file the table `events`; returns the version of `DuckDB`.
    pub(crate) fn events(&mut self, path: &Path, threads: usize) -> String {
        let answer: Value = self.ask(&json!({"do": "events", "path": path, "threads": threads}));
        answer["version"].as_str().unwrap().to_owned()
    }

    pub(crate) fn rows(&mut self, sql: &str) -> Vec<Vec<Value>> {
        let mut answer: Value = self.ask(&json!({"do": "rows", "sql": sql}));
        serde_json::from_value(answer["rows"].take()).unwrap()
    }

    pub(crate) fn cost(&mut self, sql: &str) -> Cost {
        self.ask(&json!({"do": "cost", "sql": sql}))
    }

    /// Runs a process, with what it writes going to a file.
    pub(crate) fn run(&mut self, argv: &[&str], output: &Path) -> Ended {
        self.ask(&json!({"do": "run", "argv": argv, "output": output}))
    }
}

/// Returns `$KYMO_BENCH_PYTHON`, or an interpreter with `DuckDB` in the cache.
fn interpreter(cache: &Path) -> PathBuf {
    if let Some(python) = env::var_os("KYMO_BENCH_PYTHON") {
        return python.into();
    }
    let folder = cache.join("duckdb-2.0.0");
    let python = folder.join("bin/python");
    if !python.exists() {
        let made = Command::new("python3")
            .args(["-m", "venv"])
            .arg(&folder)
            .status();
        assert!(made.unwrap().success(), "there is no python3 with venv");
        let pip = [&["-m", "pip", "install", "--quiet"], &PACKAGES[..]].concat();
        let installed = Command::new(&python).args(pip).status();
        assert!(installed.unwrap().success(), "DuckDB cannot be installed");
    }
    python
}
