//! Captures of k8shark come over list for list and event for event, and holes in them are marked.

mod capture;
mod laws;
mod lists;
mod published;
mod recorded;
mod refusals;

use std::path::Path;

use kymo_interop::{Format, LossReport};
use kymo_store::Trace;

use crate::support::import_as;

const PODS: &str = "/api/v1/namespaces/shop/pods";

fn import(folder: &Path, path: &Path) -> (LossReport, Trace) {
    import_as(Format::Kshrk, folder, vec![path.to_owned()])
}
