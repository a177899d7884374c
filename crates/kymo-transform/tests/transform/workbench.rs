//! A place where scripts are run and their outputs are asked.

use std::path::{Path, PathBuf};

use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use kymo_query::{Limits, QuerySession};
use kymo_store::Trace;
use kymo_store::segment::Row;
use kymo_transform::language::Script;
use kymo_transform::{Error, Report, Transform};
use tempfile::TempDir;

/// A recorded rollout; see `fixtures/README.md`.
pub(crate) fn rollout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/rollout.parquet")
}

/// What a script made of a trace.
pub(crate) struct Made {
    pub(crate) path: PathBuf,
    pub(crate) report: Report,
    _directory: TempDir,
}

/// Runs a script that works.
pub(crate) fn make(input: &Path, script: &str) -> Made {
    try_make(input, script, 7).unwrap_or_else(|error| panic!("{script}: {error}"))
}

pub(crate) fn try_make(input: &Path, script: &str, seed: u64) -> Result<Made, Error> {
    try_make_in(&root(), input, script, seed)
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs a script whose paths begin at a directory.
pub(crate) fn try_make_in(
    base: &Path,
    input: &Path,
    script: &str,
    seed: u64,
) -> Result<Made, Error> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.parquet");
    let script = Script::parse(script).unwrap();
    let transform = Transform::new(input, script).seed(seed).relative_to(base);
    let report = runtime().block_on(transform.run(&path));
    let names: Vec<_> = directory.path().read_dir().unwrap().collect();
    assert_eq!(
        names.len(),
        usize::from(report.is_ok()),
        "nothing but the output is left: {names:?}"
    );
    Ok(Made {
        path,
        report: report?,
        _directory: directory,
    })
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// Asks a trace; each row is a line, its columns with bars between them.
pub(crate) fn ask(path: &Path, sql: &str) -> Vec<String> {
    ask_all(&[("trace", path)], sql)
}

/// Asks several traces under their names.
pub(crate) fn ask_all(traces: &[(&str, &Path)], sql: &str) -> Vec<String> {
    let traces: Vec<_> = traces
        .iter()
        .map(|(name, path)| ((*name).to_owned(), path.to_path_buf()))
        .collect();
    let batches = runtime().block_on(async {
        let session = QuerySession::open(&traces, Limits::default()).unwrap();
        let answer = session.sql(sql).await.unwrap();
        answer.collect().await.unwrap()
    });
    let mut lines = Vec::new();
    for batch in &batches {
        let options = FormatOptions::default();
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            let values: Vec<String> = columns
                .iter()
                .map(|column| column.value(row).to_string())
                .collect();
            lines.push(values.join(" | "));
        }
    }
    lines
}

/// Returns every row of a trace.
pub(crate) fn rows(path: &Path) -> Vec<Row> {
    let trace = Trace::open(path).unwrap();
    trace.rows().unwrap().map(Result::unwrap).collect()
}

/// Fails unless two traces have the same rows; objects may be written with members in another order.
pub(crate) fn assert_same_rows(one: &Path, other: &Path) {
    let (one, other) = (rows(one), rows(other));
    assert_eq!(one.len(), other.len());
    for (mut one, other) in one.into_iter().zip(other) {
        if one.event.body != other.event.body {
            assert_eq!(object(&one), object(&other));
            one.event.body.clone_from(&other.event.body);
        }
        assert_eq!(one, other);
    }
}

/// Returns the object of a row.
pub(crate) fn object(row: &Row) -> serde_json::Value {
    serde_json::from_slice(row.event.body.as_ref().unwrap()).unwrap()
}

/// Returns what breaks the rules of a legal trace.
pub(crate) fn violations(path: &Path) -> Vec<String> {
    let found = kymo_query::rules::check(path).unwrap();
    found
        .iter()
        .map(|violation| format!("{violation:?}"))
        .collect()
}
