use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt as _;
use kymo_query::{Error, Limits, NamedQuery, Parameter, Parameters, QuerySession};
use tokio_util::sync::CancellationToken;

use crate::answer::{AnswerWriter, Format, NewFile};
use crate::argument;
use crate::command_error::CommandError;
use crate::environment;
use crate::signal::cancel_on_signal;
use crate::ui::Ui;

/// Answer a question about a trace in SQL
///
/// Tables are `events` (one row for each observed change), `versions`, `objects`, `changes`, a view
/// for each kind (`pods`, `nodes`, …), `coverage` (what was observed and what not) and more;
/// `SHOW TABLES` and `DESCRIBE events` tell them. `FROM pods AS OF '10m'` is as it stood then. The dialect
/// is that of Postgres: `object -> 'spec' ->> 'nodeName'` reaches into objects. Several traces are
/// named, and their tables are `prod.events` and so on. A query can only read.
#[derive(Debug, clap::Args)]
#[command(override_usage = "kymo query [OPTIONS] <TRACE> <SQL>\n       \
    kymo query [OPTIONS] <NAME=TRACE>... <SQL>")]
pub(crate) struct QueryArgs {
    /// The trace, or several as NAME=TRACE; and then the statement, unless --file reads it
    #[arg(value_name = "TRACE> <SQL", required_unless_present = "list")]
    arguments: Vec<OsString>,
    /// Read the statement from this file; `-` is standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Ask a query that kymo ships
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    query: Option<String>,
    /// List the queries that kymo ships, with their questions
    #[arg(long, exclusive = true)]
    list: bool,
    /// The value of `$NAME` in the statement
    #[arg(short, long = "param", value_name = "NAME=VALUE", value_parser = parameter)]
    parameters: Vec<(String, Parameter)>,
    /// How to write the answer; the ending of --output says it too [default: table]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    /// Write the answer to this new file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Do not cut a table to the width of the terminal
    #[arg(long)]
    wide: bool,
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

/// Asks and writes the answer; SIGINT and SIGTERM end it in order.
pub(crate) async fn query(ui: &Ui, args: &QueryArgs) -> Result<(), CommandError> {
    if args.list {
        return list(ui);
    }
    let interrupted = CancellationToken::new();
    cancel_on_signal(&interrupted)?;
    tokio::select! {
        biased;
        () = interrupted.cancelled() => Err(CommandError::environment("interrupted")),
        answered = answer(ui, args) => answered,
    }
}

async fn answer(ui: &Ui, args: &QueryArgs) -> Result<(), CommandError> {
    let (traces, sql) = traces_and_statement(args)?;
    let format = format(ui, args)?;
    let parameters = parameters(args)?;
    let failed = |error: Error| explain(&error, &sql);
    let mut limits = Limits::default();
    if let Some(bytes) = args.memory_limit {
        limits.memory_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    }
    if args.timeout.is_some() {
        limits.timeout = args.timeout;
    }
    let now = environment::clock()?.now();
    let session = QuerySession::open(&traces, limits).map_err(failed)?;
    let session = session.at_time(now);
    let file = args.output.as_deref().map(NewFile::create).transpose()?;
    let mut answer = session.sql_with(&sql, &parameters).await.map_err(failed)?;
    for note in answer.gap_notes() {
        ui.message(&format!("note: {note}"));
    }
    let schema = answer.schema().clone();
    let (out, width) = match &file {
        Some(file) => (file.writer()?, None),
        None => (ui.stdout(args.raw || format.is_binary()), ui.width()),
    };
    let width = width.filter(|_| !args.wide);
    let mut writer = AnswerWriter::new(format, &schema, width, args.raw, out)?;
    while let Some(batch) = answer.next().await {
        writer.write(&batch.map_err(failed)?)?;
    }
    writer.finish()?;
    file.map_or(Ok(()), NewFile::finish)
}

/// Splits the arguments; a trace has a name if it is written as `NAME=TRACE` and no file is called
/// that.
fn traces_and_statement(
    args: &QueryArgs,
) -> Result<(Vec<(String, PathBuf)>, String), CommandError> {
    let all = args.arguments.as_slice();
    let (traces, sql) = match (&args.file, &args.query, all.split_last()) {
        (Some(file), _, _) => (all, read(file)?),
        (None, Some(name), _) => (all, shipped(name)?),
        (None, None, Some((sql, traces))) if !traces.is_empty() => match sql.to_str() {
            Some(sql) => (traces, sql.to_owned()),
            None => return Err(CommandError::usage("the statement is not UTF-8")),
        },
        _ => {
            return Err(CommandError::usage("there is no statement").hint(
                "give one after the trace, a file with `-f`, or the name of a query with `--query`",
            ));
        }
    };
    let named: Vec<(Option<String>, PathBuf)> = traces.iter().map(name_and_path).collect();
    let is_only = named.len() == 1;
    let named = named.into_iter().map(|(name, path)| match name {
        Some(name) => Ok((name, path)),
        None if is_only => Ok(("trace".to_owned(), path)),
        None => Err(CommandError::usage(format!(
            "one of several traces has no name: `{}`",
            path.display()
        ))
        .hint("write `NAME=TRACE`; only the last argument is the statement")),
    });
    Ok((named.collect::<Result<_, _>>()?, sql))
}

/// Returns the text of a query that kymo ships.
fn shipped(name: &str) -> Result<String, CommandError> {
    if let Some(query) = NamedQuery::find(name) {
        return Ok(query.text.to_owned());
    }
    let unknown = CommandError::usage(format!("kymo ships no query `{name}`"));
    Err(match NamedQuery::nearest(name) {
        Some(meant) => unknown.hint(format!("did you mean `{meant}`?")),
        None => unknown.hint("`kymo query --list` lists them"),
    })
}

fn list(ui: &Ui) -> Result<(), CommandError> {
    let queries = NamedQuery::all();
    let width = queries.iter().map(|query| query.name.len()).max();
    let width = width.unwrap_or_default();
    let mut out = ui.stdout(false);
    for query in queries {
        let (name, question) = (query.name, query.question());
        writeln!(out, "{name:width$}  {question}")?;
        if let Some(parameters) = query.parameters() {
            writeln!(out, "{:width$}  -p {parameters}", "")?;
        }
    }
    out.flush()?;
    Ok(())
}

fn name_and_path(argument: &OsString) -> (Option<String>, PathBuf) {
    let path = Path::new(argument);
    if !path.exists()
        && let Some((name, path)) = argument.to_str().and_then(|text| text.split_once('='))
        && !name.contains('/')
    {
        return (Some(name.to_owned()), path.into());
    }
    (None, path.to_owned())
}

fn format(ui: &Ui, args: &QueryArgs) -> Result<Format, CommandError> {
    let of_file = args.output.as_deref().and_then(Format::of_file);
    let format = args.format.or(of_file).unwrap_or(Format::Table);
    if format.is_binary() && args.output.is_none() && ui.is_stdout_terminal() {
        return Err(CommandError::usage("a terminal cannot show this format")
            .hint("write it to a file with `-o FILE`"));
    }
    Ok(format)
}

fn parameter(text: &str) -> Result<(String, Parameter), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), Parameter::read(value))),
        _ => Err(format!("`{text}` is not NAME=VALUE")),
    }
}

fn parameters(args: &QueryArgs) -> Result<Parameters, CommandError> {
    let mut parameters = Parameters::new();
    for (name, parameter) in &args.parameters {
        if parameters.insert(name.clone(), parameter.clone()).is_some() {
            return Err(CommandError::usage(format!(
                "the parameter `${name}` has two values"
            )));
        }
    }
    Ok(parameters)
}

fn read(path: &Path) -> Result<String, CommandError> {
    let read = if path.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(path)
    };
    read.map_err(|error| {
        CommandError::environment(format!("cannot read `{}`", path.display())).caused_by(&error)
    })
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
