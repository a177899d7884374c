//! What the store promises, seen from outside.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod audited;
mod crash;
mod damage;
mod disk_full;
mod failpoints;
mod format;
mod forms;
mod hostile;
mod ownership;
mod reading;
mod resuming;
mod sealing;
mod support;
mod sync_failure;
