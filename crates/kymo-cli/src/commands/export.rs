use std::path::PathBuf;
use std::sync::Arc;

use kymo_store::Trace;
use kymo_store::fs::RealFs;
use kymo_store::segment::SegmentOptions;

use crate::command_error::CommandError;
use crate::ui::{Ui, bytes, of};

/// The formats.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ExportCommand {
    Parquet(ParquetArgs),
}

/// Write a trace as one Parquet file
///
/// Without --full the file is a trace itself, as small as kymo can make it: keyframes and
/// patches in documented columns. With --full every row holds the whole object, for tools that
/// do not know kymo.
#[derive(Debug, clap::Args)]
pub(crate) struct ParquetArgs {
    /// The trace
    #[arg(value_name = "TRACE")]
    trace: PathBuf,
    /// The file to make; must not exist
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// One whole object a row
    #[arg(long)]
    full: bool,
}

/// Exports.
pub(crate) fn export(ui: &Ui, command: &ExportCommand) -> Result<(), CommandError> {
    let ExportCommand::Parquet(args) = command;
    let progress = ui.progress();
    progress.set("exporting");
    let trace = Trace::open(&args.trace)?;
    let fs = Arc::new(RealFs);
    let options = SegmentOptions::default();
    let summary = if args.full {
        trace.write_full(fs, &args.output, &options)?
    } else {
        trace.write_single(fs, &args.output, &options)?
    };
    drop(progress);
    let (rows, size, output) = (
        of(summary.rows, "row"),
        bytes(summary.bytes),
        args.output.display(),
    );
    ui.message(&format!("wrote {rows}, {size}, to `{output}`"));
    Ok(())
}
