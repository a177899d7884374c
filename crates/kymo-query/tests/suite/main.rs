//! SQL over a small trace, and over sources that misbehave.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what a test needs and does not get is a failure of the test"
)]

mod audited;
mod completion;
mod docs;
mod export;
mod hostile;
mod larger;
mod library;
mod limits;
mod memory;
mod notes;
mod parameters;
mod paths;
mod places;
mod pushdown;
mod random;
mod relations;
mod rows;
mod rules;
mod schema;
mod slt;
mod story;
mod traces;
mod trouble;
mod until;
