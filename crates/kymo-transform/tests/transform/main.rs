//! Scripts run on recorded traces.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail, and so may its helpers"
)]

mod cluster;
mod copies;
mod filters;
mod laws;
mod merge;
mod patches;
mod refusals;
mod scale;
mod story;
mod synthesize;
mod times;
mod workbench;
