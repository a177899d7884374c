//! The list of questions, asked in turn.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use std::{env, fs};

use arrow::array::{AsArray as _, RecordBatch};
use arrow::datatypes::Int64Type;
use chrono::{DateTime, SecondsFormat};
use kymo_model::{Clock as _, SystemClock};
use kymo_query::{Limits, QuerySession};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::helper::{Cost, Helper};
use crate::questions::{Question, questions};
use crate::{Data, KYMO, THREADS, median, size};

/// A session that stays open, as `DuckDB`'s connection does.
pub(crate) struct Warm {
    runtime: Runtime,
    session: QuerySession,
    clock: SystemClock,
}

impl Warm {
    pub(crate) fn open(trace: &Path) -> Self {
        let limits = Limits {
            threads: Some(THREADS),
            ..Limits::default()
        };
        let traces = [("trace".to_owned(), trace.to_owned())];
        Self {
            runtime: Builder::new_multi_thread()
                .worker_threads(THREADS)
                .enable_all()
                .build()
                .unwrap(),
            session: QuerySession::open(&traces, limits).unwrap(),
            clock: SystemClock::new(),
        }
    }

    pub(crate) fn ask(&self, sql: &str) -> Vec<RecordBatch> {
        self.runtime.block_on(async {
            self.session
                .sql(sql)
                .await
                .unwrap()
                .collect()
                .await
                .unwrap()
        })
    }

    fn cost(&self, sql: &str) -> Cost {
        let (began, cpu) = (self.clock.monotonic(), cpu_time());
        let rows = self.ask(sql).iter().map(RecordBatch::num_rows).sum();
        let wall = self.clock.monotonic().saturating_sub(began);
        Cost::new(cpu_time().saturating_sub(cpu), wall, rows)
    }
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

/// Finds values for the words in braces.
pub(crate) fn values(warm: &Warm) -> BTreeMap<&'static str, String> {
    let bounds = warm.ask("SELECT CAST(min(ts) AS BIGINT), CAST(max(ts) AS BIGINT) FROM events");
    let bound = |column: usize| {
        bounds[0]
            .column(column)
            .as_primitive::<Int64Type>()
            .value(0)
    };
    let (first, last) = (bound(0), bound(1));
    let most = "SELECT uid FROM events WHERE resource = 'pods' GROUP BY uid ORDER BY count(*) DESC, uid LIMIT 1";
    let most = warm.ask(most);
    let span = (last - first) / 100;
    let time = |percent: i64| {
        let time = DateTime::from_timestamp_nanos(first + span * percent);
        time.to_rfc3339_opts(SecondsFormat::Millis, true)
    };
    BTreeMap::from([
        ("at", time(50)),
        ("from", time(50)),
        ("to", time(52)),
        (
            "uid",
            most[0].column(0).as_string::<i32>().value(0).to_owned(),
        ),
    ])
}

/// Asks both everything, checks that answers are equal, and prints what they took.
pub(crate) fn compare(helper: &mut Helper, data: &Data) {
    let rounds = env::var("KYMO_BENCH_ROUNDS").map_or(5, |text| text.parse().unwrap());
    let only = env::var("KYMO_BENCH_ONLY").unwrap_or_default();
    let version = helper.events(&data.full, THREADS);
    let warm = Warm::open(&data.trace);
    let events = warm.ask("SELECT count(*) FROM events");
    println!(
        "\n{}: {} events, trace of {} bytes, full export of {} bytes, DuckDB {version}; medians of {rounds}, milliseconds of CPU (wall)",
        data.name,
        events[0].column(0).as_primitive::<Int64Type>().value(0),
        size(&data.trace),
        size(&data.full),
    );
    for question in questions(&values(&warm)) {
        if !question.name.contains(&only) {
            continue;
        }
        check(helper, data, &question);
        let (mut kymo, mut duckdb) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            kymo.push(warm.cost(&question.kymo));
            duckdb.push(helper.cost(&question.duckdb));
        }
        let kymo = median(&mut kymo, Cost::cpu_ms);
        let duckdb = median(&mut duckdb, Cost::cpu_ms);
        assert_eq!(kymo.rows, duckdb.rows, "{}", question.name);
        println!(
            "{:32}{:7} kymo {:8.1} ({:7.1})  DuckDB {:8.1} ({:7.1})  ratio {:6.2} ({:6.2})  {} rows",
            question.name,
            if question.json { " [json]" } else { "" },
            kymo.cpu_ms(),
            kymo.wall_ms(),
            duckdb.cpu_ms(),
            duckdb.wall_ms(),
            kymo.cpu_ms() / duckdb.cpu_ms(),
            kymo.wall_ms() / duckdb.wall_ms(),
            kymo.rows,
        );
    }
}

/// Compares what the program prints with what `DuckDB` answers.
fn check(helper: &mut Helper, data: &Data, question: &Question) {
    let output = data.full.with_file_name("answer");
    let trace = data.trace.to_str().unwrap();
    let command = [KYMO, "query", trace, &question.kymo, "--format", "ndjson"];
    let ended = helper.run(&command, &output);
    let answer = fs::read_to_string(&output).unwrap();
    assert_eq!(ended.status, 0, "{}: {answer}", question.name);
    let lines = answer.lines().filter(|line| line.starts_with('{'));
    let kymo: Vec<Vec<Value>> = lines
        .map(|line| match serde_json::from_str(line).unwrap() {
            Value::Object(row) => row.into_iter().map(|(_, value)| value).collect(),
            other => vec![other],
        })
        .collect();
    let duckdb = helper.rows(&question.duckdb);
    assert_eq!(kymo.len(), duckdb.len(), "{}: rows", question.name);
    for (place, (own, other)) in kymo.iter().zip(&duckdb).enumerate() {
        let equal = own.len() == other.len()
            && own
                .iter()
                .zip(other)
                .all(|(own, other)| is_same(own, other));
        assert!(
            equal,
            "{}, row {place}: {own:?} and {other:?}",
            question.name
        );
    }
}

/// Sums of fractions differ in their last digits by the order of adding.
fn is_same(own: &Value, other: &Value) -> bool {
    match (own.as_f64(), other.as_f64()) {
        (Some(own), Some(other)) => (own - other).abs() <= 1e-9 * own.abs().max(other.abs()),
        _ => own == other,
    }
}
