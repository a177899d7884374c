//! What the tests of all formats share.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kymo_interop::{Error, Format, ImportOptions, LossReport, import};
use kymo_model::{Clock, ManualClock, Timestamp};
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
