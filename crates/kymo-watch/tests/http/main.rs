//! The adapter and discovery over `kube::Client`, against a server of a few lines in memory
//! and, where connections matter, against a scripted API on a socket.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code"
)]

mod discovery;
mod feed;
mod server;
mod socket;
