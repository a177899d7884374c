//! The program as a user runs it: output, messages and exit status.

mod environment;
mod help;
mod import;
#[cfg(feature = "query")]
mod query;
mod read;
mod record;
mod survival;
