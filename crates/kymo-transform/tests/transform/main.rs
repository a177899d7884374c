//! Scripts run on recorded traces.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail, and so may its helpers"
)]

mod anonymize;
mod backends;
mod cluster;
mod cookbook;
mod copies;
mod filters;
mod fits;
mod followers;
mod inserts;
mod laws;
mod merge;
mod patches;
mod placement;
mod previews;
mod reference;
mod refusals;
mod scale;
mod story;
mod synthesize;
mod timelines;
mod times;
mod updates;
mod workbench;
mod workloads;
