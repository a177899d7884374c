//! Importing each format gives what its files hold, and says what they cannot tell.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod audit;
mod dump;
mod input;
mod kshrk;
mod kss;
mod simkube;
mod support;
mod timeline;
mod watch;
mod workload_csv;
