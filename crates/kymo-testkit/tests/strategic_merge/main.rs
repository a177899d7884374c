//! `kymo-patch` held against a real API server: its merge keys, and what its patches give.

#![expect(clippy::expect_used, reason = "helpers of a test may fail it")]

mod merge_keys;
mod outcomes;
mod patches;
mod subjects;
