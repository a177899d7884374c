//! The adapter and discovery over `kube::Client`, against a server of a few lines in memory.

mod discovery;
mod feed;
mod server;
