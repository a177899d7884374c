//! Plans become rows.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail, and so may its helpers"
)]

mod forms;
mod golden;
mod kinds;
mod lead;
mod measured;
mod namespaces;
mod revisions;
mod volumes;
mod workbench;
