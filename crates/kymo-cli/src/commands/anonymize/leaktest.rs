//! The part of `kymo anonymize` that searches for survivors.

use std::io::Write;
use std::path::Path;

use kymo_leaktest::{LeakReport, Uniqueness};

use crate::command_error::CommandError;
use crate::ui::{Ui, count, escape_line, of};

/// Searches, and tells what survived.
pub(super) fn verify(
    ui: &Ui,
    original: &Path,
    out: &Path,
    show: usize,
) -> Result<(), CommandError> {
    let progress = ui.progress();
    progress.set("reading the original");
    let report = kymo_leaktest::verify(original, out, &|events| {
        progress.set(&format!("searched {}", of(events, "event")));
    })?;
    drop(progress);
    let mut stdout = ui.stdout(false);
    tell(&mut stdout, &report, show)?;
    stdout.flush()?;
    if report.is_clean() {
        Ok(())
    } else {
        Err(CommandError::negative())
    }
}

fn tell(out: &mut dyn Write, report: &LeakReport, show: usize) -> Result<(), CommandError> {
    for leak in report.leaks.iter().take(show) {
        let (class, spelling, found) = (leak.class.as_str(), leak.spelling, leak.count);
        let token = escape_line(&leak.token);
        let how_often = of(found, "time");
        writeln!(out, "{class} `{token}` survives, {spelling}, {how_often}")?;
        let original = leak.original.to_string();
        writeln!(out, "  original: {}", escape_line(&original))?;
        for place in &leak.places {
            let place = place.to_string();
            writeln!(out, "  output:   {}", escape_line(&place))?;
        }
    }
    let hidden = report.leaks.len().saturating_sub(show);
    if hidden > 0 {
        writeln!(
            out,
            "… and {} more; --show N tells more",
            count(hidden as u64)
        )?;
    }
    let verdict = match report.leaks.len() {
        0 => "nothing survived".to_owned(),
        leaks => format!("{} survived", of(leaks as u64, "token")),
    };
    writeln!(
        out,
        "{verdict}: {} of the original searched for in {} and {} bytes; {} too short to tell",
        of(report.tokens as u64, "token"),
        of(report.texts, "text"),
        count(report.bytes),
        of(report.too_short as u64, "word"),
    )?;
    residual(out, &report.uniqueness)
}

/// Tells what cannot be hidden as long as quantities are kept.
fn residual(out: &mut dyn Write, risk: &Uniqueness) -> Result<(), CommandError> {
    if risk.pods == 0 {
        return Ok(());
    }
    writeln!(
        out,
        "residual risk: {} of {} have one owner alone, so who knows a workload's requests finds it",
        count(risk.of_one_owner),
        of(risk.shapes, "resource shape"),
    )?;
    for (owner, shape) in &risk.examples {
        let (owner, shape) = (escape_line(owner), escape_line(shape));
        writeln!(out, "  {owner}: {shape}")?;
    }
    Ok(())
}
