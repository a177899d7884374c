//! What the tests of all formats share.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kymo_interop::{Error, Format, ImportOptions, Loss, LossReport, import};
use kymo_model::{Cause, Clock, CoverageState, ManualClock, Timestamp};
use kymo_store::Trace;

/// Imports on a day that never changes.
pub(crate) fn run(options: &ImportOptions) -> Result<LossReport, Error> {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp(1_800_000_000_000_000_000)));
    import(options, &clock, &mut |_| ControlFlow::Continue(()))
}

/// Imports into `out.kymo` of `folder`, checks every byte of the trace and opens it.
pub(crate) fn import_as(format: Format, folder: &Path, paths: Vec<PathBuf>) -> (LossReport, Trace) {
    let output = folder.join("out.kymo");
    let report = run(&ImportOptions::new(Some(format), paths, output.clone())).unwrap();
    let checked = kymo_store::check(&output).unwrap();
    assert_eq!(checked.findings, [], "of {format}");
    (report, Trace::open(&output).unwrap())
}

/// A file of the shared data, where it is at hand: below `KYMO_SHARED_DATA`, or `shared/data`
/// beside the repository. Says so where it is not.
pub(crate) fn shared_data(path: &str) -> Option<PathBuf> {
    let data = std::env::var_os("KYMO_SHARED_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let path = data.join(path);
    if path.exists() {
        return Some(path);
    }
    eprintln!("NOT RUN: no {}; set KYMO_SHARED_DATA", path.display());
    None
}

/// The events of a trace in the order in which they came: certainty, type, name, version.
pub(crate) fn told(trace: &Trace) -> Vec<String> {
    let mut rows: Vec<_> = trace.rows().unwrap().map(Result::unwrap).collect();
    rows.sort_by_key(|row| row.seq);
    rows.into_iter()
        .map(|row| {
            let event = row.event;
            let rv = event.rv.map_or_else(|| "-".to_owned(), |rv| rv.to_string());
            let (certainty, name) = (event.certainty, event.key.name);
            format!("{certainty} {} {name} {rv}", event.event_type)
        })
        .collect()
}

/// The stretches, in minutes and seconds, in which the source shows that something is missing.
pub(crate) fn holes(trace: &Trace) -> Vec<(String, String)> {
    let coverage = trace.coverage();
    let holes = coverage
        .iter()
        .filter(|row| row.state == CoverageState::Uncertain && row.cause == Cause::Source);
    holes
        .map(|row| {
            let at = |ts: Option<Timestamp>| ts.unwrap().to_string()[14..19].to_owned();
            (at(row.from_ts), at(row.to_ts))
        })
        .collect()
}

/// What was lost of a kind, and how often.
pub(crate) fn lost(report: &LossReport, what: Loss) -> Vec<(&str, u64)> {
    let losses = report.losses.iter().filter(|loss| loss.what == what);
    losses.map(|loss| (loss.why.as_str(), loss.count)).collect()
}
