use std::path::PathBuf;

use crate::command_error::CommandError;
use crate::environment;
use crate::ui::{Ui, of};

/// Copy all that is readable of a damaged trace into a new one
///
/// What cannot be read becomes a gap in the coverage of the copy. The original is never touched.
#[derive(Debug, clap::Args)]
pub(crate) struct RepairArgs {
    /// The damaged trace
    #[arg(value_name = "TRACE")]
    trace: PathBuf,
    /// The trace to make; must not exist
    #[arg(short, long, value_name = "TRACE")]
    output: PathBuf,
}

/// Repairs.
pub(crate) fn repair(ui: &Ui, args: &RepairArgs) -> Result<(), CommandError> {
    let clock = environment::clock()?;
    let progress = ui.progress();
    progress.set("copying what is readable");
    let report = kymo_store::repair(&args.trace, &args.output, clock)?;
    drop(progress);
    for fault in &report.faults {
        ui.warning(fault);
    }
    let (events, output) = (of(report.events, "event"), args.output.display());
    ui.message(&format!("copied {events} to `{output}`"));
    Ok(())
}
