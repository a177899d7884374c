//! `kymo record` against a real control plane, held against what etcd says really happened.
//!
//! | variable | meaning |
//! |---|---|
//! | `KYMO_KILLS=500` | how often the recorder is killed under load; 15 without it |
//! | `KYMO_SEED=7` | repeats the times of those kills |

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "what helpers of tests cannot have fails the test"
)]

mod access;
mod backup;
mod cluster;
mod connection;
mod crash;
mod history;
mod plane;
mod recorder;
mod recording;
mod resources;
#[cfg(feature = "query")]
mod synth;
mod work;
