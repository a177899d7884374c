use std::path::PathBuf;

use kymo_store::{Severity, check as check_trace};

use crate::command_error::CommandError;
#[cfg(feature = "query")]
use crate::commands::check_rules as rules;
use crate::ui::{Ui, escape_line, of};

/// Read every byte of a trace and say what is wrong
///
/// Then the rules of a legal trace are judged: unique uids, whole timelines, references that
/// resolve, counts and times that agree. docs/check.md explains them.
///
/// Exit status: 0 all is well, or only what a crash leaves behind; 1 something is odd but
/// everything can be read, or a rule is broken; 4 something cannot be read.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The trace
    #[arg(value_name = "TRACE")]
    #[cfg_attr(feature = "query", arg(required_unless_present = "list_rules"))]
    trace: Option<PathBuf>,
    #[cfg(feature = "query")]
    #[command(flatten)]
    rules: rules::RuleArgs,
}

/// Checks.
pub(crate) fn check(ui: &Ui, args: &CheckArgs) -> Result<(), CommandError> {
    #[cfg(feature = "query")]
    if args.rules.list_rules {
        return rules::list(ui);
    }
    let Some(trace) = &args.trace else {
        return Err(CommandError::usage("there is no trace"));
    };
    #[cfg(feature = "query")]
    let rules = args.rules.chosen()?;
    let progress = ui.progress();
    progress.set("checking");
    let report = check_trace(trace)?;
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
    if worst == Some(Severity::Error) {
        let trace = trace.display();
        ui.message(&format!(
            "hint: `kymo repair {trace} -o NEW` writes a copy of all that is readable"
        ));
        return Err(CommandError::found_damage());
    }
    #[cfg(feature = "query")]
    let is_legal = args.rules.judge(ui, trace, &rules, &mut out)?;
    #[cfg(not(feature = "query"))]
    let is_legal = {
        writeln!(
            out,
            "no rule was judged: this kymo was built without `query`"
        )?;
        true
    };
    out.flush()?;
    match worst {
        None | Some(Severity::Note) if is_legal => Ok(()),
        _ => Err(CommandError::negative()),
    }
}
