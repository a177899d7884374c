//! Importing each format gives what its files hold, and says what they cannot tell.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says when it is not run"
)]

mod audit;
mod dump;
mod input;
mod kshrk;
mod kss;
mod kwok;
mod simkube;
mod support;
mod timeline;
mod traps;
mod watch;
mod workload_csv;
