//! Rigs for the tests of kymo: a real control plane, traffic for it, and an oracle that knows what
//! really happened; a proxy that injects faults; a scripted API server.

pub mod api;
pub mod control_plane;
pub mod oracle;
pub mod proxy;
pub mod scripted;
pub mod traffic;
