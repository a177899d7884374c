//! The recorder against a scripted API server and a file system that fails on request.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

mod anonymized;
mod crash;
mod discovery;
mod disk;
mod feeds;
mod rig;
mod secrets;
mod shutdown;
mod start;
mod throttled_fs;
