//! `kymo`: records Kubernetes API timelines and reads them back.

#[cfg(feature = "query")]
mod answer;
mod argument;
#[cfg(feature = "query")]
mod ask;
mod cli;
mod command_error;
mod commands;
mod environment;
mod fault;
#[cfg(feature = "query")]
mod prompt;
mod signal;
mod ui;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run(std::env::args_os().collect())
}
