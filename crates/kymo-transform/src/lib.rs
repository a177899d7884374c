//! Statements that make a trace out of a trace.

pub mod language;
