//! The recorder against a scripted API server and a file system that fails on request.

mod crash;
mod disk;
mod discovery;
mod feeds;
mod rig;
mod secrets;
mod shutdown;
mod start;
mod throttled_fs;
