//! What statements would do, for people.

use std::io::Write as _;

use kymo_transform::language::Script;
use kymo_transform::{Change, Counted, Difference, Kept, Preview, StatementPreview};

use super::script::ScriptText;
use crate::command_error::CommandError;
use crate::ui::{Ui, escape_line, of};

/// Tells what each statement would do; with EXPLAIN alone only of the statements behind it.
pub(super) fn tell(
    ui: &Ui,
    text: &ScriptText,
    script: &Script,
    preview: &Preview,
    all: bool,
) -> Result<(), CommandError> {
    let mut out = ui.stdout(false);
    let mut is_first = true;
    for (statement, told) in script.statements.iter().zip(&preview.statements) {
        if !all && !statement.explain {
            continue;
        }
        if !is_first {
            writeln!(out)?;
        }
        is_first = false;
        writeln!(out, "{}", text.beginning(statement.place))?;
        writeln!(out, "  {}", counted(told))?;
        for line in told.plan.iter().flatten() {
            writeln!(out, "  {line}")?;
        }
        if all {
            for difference in &told.sample {
                show(&mut out, difference)?;
            }
        }
    }
    out.flush()?;
    ui.message("nothing was written");
    Ok(())
}

fn counted(told: &StatementPreview) -> String {
    let Counted {
        removed,
        changed,
        added,
        touched,
        made,
        ..
    } = told.counted;
    let mut parts = Vec::new();
    if let Some(named) = told.named {
        parts.push(format!("names {}", of(named, "event")));
    }
    for (count, does) in [
        (removed, "takes away"),
        (changed, "changes"),
        (added, "adds"),
    ] {
        if count > 0 {
            parts.push(format!("{does} {}", of(count, "event")));
        }
    }
    if let Some(reason) = &told.reason {
        parts.push(reason.clone());
    } else if removed + changed + added == 0 {
        parts.push("changes nothing".to_owned());
    }
    if touched > 0 {
        parts.push(format!("touches {}", of(touched, "object")));
    }
    if made > 0 {
        parts.push(format!("makes {}", of(made, "object")));
    }
    parts.join(", ")
}

fn show(out: &mut dyn std::io::Write, difference: &Difference) -> Result<(), CommandError> {
    let Difference {
        kind,
        object,
        seq,
        kept,
        received: (before, after),
        changes,
        more,
        ..
    } = difference;
    let sign = match kept {
        Kept::Changed => '~',
        Kept::Added => '+',
        Kept::Removed => '-',
    };
    let name = if object.namespace.is_empty() {
        object.name.clone()
    } else {
        format!("{}/{}", object.namespace, object.name)
    };
    writeln!(out, "  {sign} {kind} {}, event {seq}", escape_line(&name))?;
    if before != after {
        writeln!(out, "      received {before} → {after}")?;
    }
    for Change {
        path,
        before,
        after,
        ..
    } in changes
    {
        let value = |value: &Option<String>| match value {
            Some(text) => escape_line(text).into_owned(),
            None => "nothing".to_owned(),
        };
        writeln!(
            out,
            "      {}  {} → {}",
            escape_line(path),
            value(before),
            value(after)
        )?;
    }
    if *more > 0 {
        writeln!(out, "      and {}", of(*more as u64, "more change"))?;
    }
    Ok(())
}
