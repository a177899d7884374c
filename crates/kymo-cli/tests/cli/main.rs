//! The program as a user runs it: output, messages and exit status.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[cfg(feature = "query")]
mod anonymize;
mod environment;
mod help;
mod import;
mod import_faults;
#[cfg(feature = "query")]
mod leaktest;
#[cfg(feature = "query")]
mod prompt;
#[cfg(feature = "query")]
mod query;
mod read;
mod record;
#[cfg(feature = "query")]
mod same_cluster;
#[cfg(feature = "query")]
mod script;
mod survival;
#[cfg(feature = "query")]
mod transform;
#[cfg(feature = "query")]
mod unsafe_sql;
