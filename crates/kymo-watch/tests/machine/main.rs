//! The list/watch state machine, without I/O and without a clock.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code"
)]

mod audit;
mod bench;
mod history;
mod lists;
mod refusals;
mod streams;
