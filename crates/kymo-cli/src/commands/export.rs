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
/// columns. With --full it is the table `events` as SQL shows it, one whole object a row, for
/// tools that do not know kymo.
#[derive(Debug, clap::Args)]
pub(crate) struct ParquetArgs {
    /// The trace
    #[arg(value_name = "TRACE")]
    trace: PathBuf,
    /// The file to make; must not exist
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// One whole object a row
    #[cfg(feature = "query")]
    #[arg(long)]
    full: bool,
}

/// Exports.
pub(crate) fn export(ui: &Ui, command: &ExportCommand) -> Result<(), CommandError> {
    let ExportCommand::Parquet(args) = command;
    let progress = ui.progress();
    progress.set("exporting");
    let (rows, size) = write(args)?;
    drop(progress);
    let (rows, size, output) = (of(rows, "row"), bytes(size), args.output.display());
    ui.message(&format!("wrote {rows}, {size}, to `{output}`"));
    Ok(())
}

/// Writes the file; returns its rows and bytes.
fn write(args: &ParquetArgs) -> Result<(u64, u64), CommandError> {
    #[cfg(feature = "query")]
    if args.full {
        let exported = kymo_query::export_events(&args.trace, &args.output)?;
        return Ok((exported.rows, exported.bytes));
    }
    let summary = kymo_store::pack(&args.trace, &args.output)?;
    Ok((summary.rows, summary.bytes))
}
