use std::path::PathBuf;

use kymo_store::{Severity, check as check_trace};

use crate::command_error::CommandError;
use crate::ui::{Ui, escape_line, of};

/// Read every byte of a trace and say what is wrong
///
/// Exit status: 0 all is well, or only what a crash leaves behind; 1 something is odd but
/// everything can be read; 4 something cannot be read.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The trace
    #[arg(value_name = "TRACE")]
    trace: PathBuf,
}

/// Checks.
pub(crate) fn check(ui: &Ui, args: &CheckArgs) -> Result<(), CommandError> {
    let progress = ui.progress();
    progress.set("checking");
    let report = check_trace(&args.trace)?;
    drop(progress);
    let mut out = ui.stdout(false);
    for finding in &report.findings {
        let (place, message) = (escape_line(&finding.place), escape_line(&finding.message));
        writeln!(out, "{}: {place}: {message}", finding.severity)?;
    }
    let worst = report.findings.iter().map(|finding| finding.severity).max();
    let verdict = match worst {
        None => "no findings",
        Some(Severity::Note) => "notes only",
        Some(Severity::Warning) => "everything can be read",
        Some(Severity::Error) => "damaged",
    };
    let events = of(report.events, "event");
    let (segments, logs) = (
        of(report.segments as u64, "segment"),
        of(report.logs as u64, "log"),
    );
    writeln!(out, "{verdict}: {events} in {segments} and {logs}")?;
    out.flush()?;
    drop(out);
    match worst {
        None | Some(Severity::Note) => Ok(()),
        Some(Severity::Warning) => Err(CommandError::negative()),
        Some(Severity::Error) => {
            let trace = args.trace.display();
            ui.message(&format!(
                "hint: `kymo repair {trace} -o NEW` writes a copy of all that is readable"
            ));
            Err(CommandError::found_damage())
        }
    }
}
