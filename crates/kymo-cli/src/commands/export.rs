use std::path::PathBuf;

use crate::command_error::CommandError;
use crate::ui::{Ui, bytes, of};

/// The formats.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ExportCommand {
    Parquet(ParquetArgs),
}

/// Write a trace as one Parquet file
///
/// The file is a trace itself, as small as kymo can make it: keyframes and patches in documented
/// columns.
#[derive(Debug, clap::Args)]
pub(crate) struct ParquetArgs {
    /// The trace
    #[arg(value_name = "TRACE")]
    trace: PathBuf,
    /// The file to make; must not exist
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Exports.
pub(crate) fn export(ui: &Ui, command: &ExportCommand) -> Result<(), CommandError> {
    let ExportCommand::Parquet(args) = command;
    let progress = ui.progress();
    progress.set("exporting");
    let summary = kymo_store::pack(&args.trace, &args.output)?;
    drop(progress);
    let (rows, size, output) = (
        of(summary.rows, "row"),
        bytes(summary.bytes),
        args.output.display(),
    );
    ui.message(&format!("wrote {rows}, {size}, to `{output}`"));
    Ok(())
}
