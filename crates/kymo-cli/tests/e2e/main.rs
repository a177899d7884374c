//! `kymo record` against a real control plane, held against what etcd says really happened.
//!
//! | variable | meaning |
//! |---|---|
//! | `KYMO_KILLS=500` | how often the recorder is killed under load; 15 without it |
//! | `KYMO_SEED=7` | repeats the times of those kills |

mod access;
mod cluster;
mod connection;
mod crash;
mod history;
mod plane;
mod recorder;
mod recording;
mod resources;
mod work;
