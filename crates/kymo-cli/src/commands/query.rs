use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use futures::StreamExt as _;
use kymo_query::{Error, Limits, QuerySession};

use crate::answer::{AnswerWriter, Format};
use crate::argument;
use crate::command_error::CommandError;
use crate::ui::Ui;

/// Answer a question about a trace in SQL
///
/// The tables are `events` (one row for each observed change), `coverage` (what was observed and
/// what not), `feeds` and `sessions`; `SHOW TABLES` and `DESCRIBE events` tell more. The dialect
/// is that of Postgres: `object -> 'spec' ->> 'nodeName'` reaches into objects. A query can only
/// read the trace.
#[derive(Debug, clap::Args)]
pub(crate) struct QueryArgs {
    /// The trace
    #[arg(value_name = "TRACE")]
    trace: PathBuf,
    /// The statement
    #[arg(value_name = "SQL", required_unless_present = "file")]
    sql: Option<String>,
    /// Read the statement from this file; `-` is standard input
    #[arg(short, long, value_name = "FILE", conflicts_with = "sql")]
    file: Option<PathBuf>,
    /// How to write the answer
    #[arg(long, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    format: Format,
    /// Write control characters and, in CSV, formulas as they are
    #[arg(long)]
    raw: bool,
    /// Memory to stay under; what does not fit goes to temporary files
    #[arg(long, value_name = "SIZE", value_parser = argument::size)]
    memory_limit: Option<u64>,
    /// Stop a query that takes longer
    #[arg(long, value_name = "DURATION", value_parser = argument::duration)]
    timeout: Option<Duration>,
}

/// Asks and writes the answer.
pub(crate) async fn query(ui: &Ui, args: &QueryArgs) -> Result<(), CommandError> {
    let sql = statement(args)?;
    let failed = |error: Error| explain(&error, &sql);
    let mut limits = Limits::default();
    if let Some(bytes) = args.memory_limit {
        limits.memory_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    }
    if args.timeout.is_some() {
        limits.timeout = args.timeout;
    }
    let traces = [("trace".to_owned(), args.trace.clone())];
    let session = QuerySession::open(&traces, limits).map_err(failed)?;
    let mut answer = session.sql(&sql).await.map_err(failed)?;
    for note in answer.gap_notes() {
        ui.message(&format!("note: {note}"));
    }
    let schema = answer.schema().clone();
    let out = ui.stdout(args.raw);
    let mut writer = AnswerWriter::new(args.format, &schema, ui.width(), args.raw, out)?;
    while let Some(batch) = answer.next().await {
        writer.write(&batch.map_err(failed)?)?;
    }
    writer.finish()
}

fn statement(args: &QueryArgs) -> Result<String, CommandError> {
    let Some(path) = &args.file else {
        return Ok(args.sql.clone().unwrap_or_default());
    };
    let mut sql = String::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut sql)
    } else {
        std::fs::read_to_string(path).map(|text| {
            sql = text;
            sql.len()
        })
    };
    match read {
        Ok(_) => Ok(sql),
        Err(error) => Err(
            CommandError::environment(format!("cannot read `{}`", path.display()))
                .caused_by(&error),
        ),
    }
}

/// Says what is wrong, with the place in the statement.
fn explain(error: &Error, sql: &str) -> CommandError {
    let told = CommandError::of_query(error);
    let place = error
        .position()
        .map(|position| (position.line, position.column));
    match place.and_then(|place| excerpt(sql, place, error.length())) {
        Some(excerpt) => told.excerpt(excerpt),
        None => told,
    }
}

/// Shows a line of the statement with a mark below a place.
fn excerpt(sql: &str, (line, column): (u64, u64), length: usize) -> Option<String> {
    let text = sql
        .lines()
        .nth(usize::try_from(line.checked_sub(1)?).ok()?)?;
    let before = usize::try_from(column.saturating_sub(1))
        .ok()?
        .min(text.chars().count());
    // Tabs stay tabs, so that the mark stands below what it means.
    let indent: String = text
        .chars()
        .take(before)
        .map(|c| if c == '\t' { '\t' } else { ' ' })
        .collect();
    let room = (text.chars().count() - before).max(1);
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    let mark = "^".repeat(length.clamp(1, room));
    Some(format!(
        "{margin} |\n{number} | {text}\n{margin} | {indent}{mark}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_stands_below_the_place() {
        assert_eq!(
            excerpt("SELECT\n\tcount, nme\nFROM events", (2, 9), 3).unwrap(),
            "  |\n2 | \tcount, nme\n  | \t       ^^^",
        );
        assert_eq!(
            excerpt("SELECT", (1, 99), 3).unwrap(),
            "  |\n1 | SELECT\n  |       ^"
        );
        assert_eq!(excerpt("SELECT", (7, 1), 1), None);
    }
}
