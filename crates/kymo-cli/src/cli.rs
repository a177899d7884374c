//! What can be typed, and how a command is run.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::command_error::CommandError;
use crate::commands;
use crate::ui::{ColorChoice, Ui};

/// Records the timeline of every object of a Kubernetes cluster, and answers questions about it.
///
/// A TRACE is a directory or one `.parquet` file. Results go to stdout, messages to stderr.
///
/// Exit status: 0 done; 1 the answer is no; 2 the command line or a statement is wrong; 3 the
/// cluster, the disk or a permission is in the way; 4 the data is damaged; 70 a bug in kymo.
#[derive(Debug, Parser)]
#[command(
    name = "kymo",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Args)]
struct GlobalArgs {
    /// When to colour messages
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        help_heading = "Global options"
    )]
    color: ColorChoice,
    /// Say only what is wrong
    #[arg(short, long, global = true, help_heading = "Global options")]
    quiet: bool,
    /// Say more of what happens; twice: still more
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    Record(commands::record::RecordArgs),
    /// Make a trace out of what another tool recorded
    #[command(subcommand)]
    Import(commands::import::ImportCommand),
    /// Write a trace in another format
    #[command(subcommand)]
    Export(commands::export::ExportCommand),
    Inspect(commands::inspect::InspectArgs),
    #[cfg(feature = "query")]
    Query(commands::query::QueryArgs),
    #[cfg(feature = "query")]
    Transform(commands::transform::TransformArgs),
    #[cfg(feature = "query")]
    Anonymize(commands::anonymize::AnonymizeArgs),
    #[cfg(feature = "query")]
    Synth(commands::synth::SynthArgs),
    Check(commands::check::CheckArgs),
    Repair(commands::repair::RepairArgs),
    Rbac(commands::rbac::RbacArgs),
    Completions(commands::completions::CompletionsArgs),
}

/// Runs the command line; returns the exit status.
pub(crate) fn run(args: Vec<OsString>) -> ExitCode {
    let json_errors = asks_for_json(&args);
    let cli = match parse(args) {
        Ok(cli) => cli,
        Err(error) => return not_parsed(&error, json_errors),
    };
    let GlobalArgs {
        color,
        quiet,
        verbose,
    } = cli.global;
    let ui = Ui::new(color, quiet, json_errors);
    ui.log_to_stderr(verbose);
    match dispatch(&ui, cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui.report(&error);
            ExitCode::from(error.kind.exit_code())
        }
    }
}

fn dispatch(ui: &Ui, command: Command) -> Result<(), CommandError> {
    match command {
        Command::Record(args) => block_on(commands::record::record(ui, &args)),
        Command::Import(command) => block_on(commands::import::import(ui, command)),
        Command::Export(command) => commands::export::export(ui, &command),
        Command::Inspect(args) => commands::inspect::inspect(ui, &args),
        #[cfg(feature = "query")]
        Command::Query(args) => block_on(commands::query::query(ui, &args)),
        #[cfg(feature = "query")]
        Command::Transform(args) => {
            kymo_allocator::giving_back(|| block_on(commands::transform::transform(ui, &args)))
        }
        #[cfg(feature = "query")]
        Command::Anonymize(args) => block_on(commands::anonymize::anonymize(ui, &args)),
        #[cfg(feature = "query")]
        Command::Synth(args) => block_on(commands::synth::synth(ui, &args)),
        Command::Check(args) => commands::check::check(ui, &args),
        Command::Repair(args) => commands::repair::repair(ui, &args),
        Command::Rbac(args) => block_on(commands::rbac::rbac(ui, &args)),
        Command::Completions(args) => commands::completions::completions(ui, &args),
    }
}

/// Runs a command that waits. What still runs in the background when it is done is left behind.
pub(crate) fn block_on<T>(
    command: impl Future<Output = Result<T, CommandError>>,
) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::environment("cannot start").caused_by(&error))?;
    let result = runtime.block_on(command);
    runtime.shutdown_background();
    result
}

/// Returns the grammar; as a plugin of kubectl the program goes by another name.
pub(crate) fn grammar(program: Option<&OsString>) -> clap::Command {
    let is_plugin = program
        .and_then(|program| Path::new(program).file_stem())
        .is_some_and(|stem| stem == "kubectl-kymo" || stem == "kubectl_kymo");
    let name = if is_plugin { "kubectl kymo" } else { "kymo" };
    let grammar = Cli::command().bin_name(name);
    #[cfg(feature = "query")]
    let grammar = grammar.mut_subcommand("query", |query| {
        query.override_usage(commands::query::usage(name))
    });
    grammar
}

fn parse(args: Vec<OsString>) -> Result<Cli, clap::Error> {
    let mut grammar = grammar(args.first());
    let mut matches = grammar.try_get_matches_from_mut(args)?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut grammar))
}

/// Help and version are no errors; what is one is told as the user asked for.
fn not_parsed(error: &clap::Error, json_errors: bool) -> ExitCode {
    if error.use_stderr() && json_errors {
        let text = error.to_string();
        let first: Vec<&str> = text
            .lines()
            .map(str::trim)
            .take_while(|line| !line.is_empty())
            .collect();
        let message = first.join(" ");
        let error = CommandError::usage(message.strip_prefix("error: ").unwrap_or(&message));
        Ui::new(ColorChoice::Never, false, true).report(&error);
        return ExitCode::from(error.kind.exit_code());
    }
    // There is nobody left to tell when this cannot be written.
    error.print().ok();
    ExitCode::from(if error.use_stderr() { 2 } else { 0 })
}

/// Errors are JSON when results are, also the ones of the command line itself.
fn asks_for_json(args: &[OsString]) -> bool {
    let mut words = args.iter().map(|arg| arg.to_string_lossy());
    while let Some(word) = words.next() {
        let value = match word.as_ref() {
            "--" => return false,
            "--format" => words.next(),
            other => other
                .strip_prefix("--format=")
                .map(|value| value.to_owned().into()),
        };
        if matches!(value.as_deref(), Some("json" | "ndjson")) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_wish_for_json_is_seen_before_the_line_is_parsed() {
        let args = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert!(asks_for_json(&args("kymo inspect x --format json")));
        assert!(asks_for_json(&args("kymo query x --format=ndjson --oops")));
        assert!(!asks_for_json(&args("kymo query x --format csv")));
        assert!(!asks_for_json(&args("kymo query x -- --format json")));
    }
}
