//! `kymo`: records Kubernetes API timelines and reads them back.

#[cfg(feature = "query")]
mod answer;
mod argument;
mod cli;
mod command_error;
mod commands;
mod environment;
mod fault;
mod signal;
mod ui;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run(std::env::args_os().collect())
}
