//! The list/watch state machine, without I/O and without a clock.

mod audit;
mod bench;
mod history;
mod lists;
mod refusals;
mod streams;
