use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kymo_query::{Limits, NamedQuery, Parameter, Parameters, QuerySession, placeholders};
use tokio_util::sync::CancellationToken;

use crate::answer::{Format, NewFile};
use crate::argument;
use crate::ask::{Asker, Statement};
use crate::command_error::CommandError;
use crate::environment;
use crate::prompt::{Conversation, Item, items, prompt};
use crate::signal::cancel_on_signal;
use crate::ui::Ui;

/// Answer a question about a trace in SQL
///
/// Tables are `events` (one row for each observed change), `versions`, `objects`, `changes`, a view
/// for each kind (`pods`, `nodes`, …), `coverage` (what was observed and what not) and more;
/// `SHOW TABLES` and `DESCRIBE events` tell them. `FROM pods AS OF '10m'` is as it stood then. The dialect
/// is that of Postgres: `object -> 'spec' ->> 'nodeName'` reaches into objects. Several traces are
/// named, and their tables are `prod.events` and so on. A query can only read.
///
/// Without a statement there is a prompt: statements end with `;`, Tab completes, `\?` is help. If
/// standard input is no terminal, statements are read from there.
#[derive(Debug, clap::Args)]
pub(crate) struct QueryArgs {
    /// The trace, or several as NAME=TRACE; and then the statement, or several with `;` between
    /// them, if they are not to be read from elsewhere
    #[arg(value_name = "TRACE> <SQL", required_unless_present = "list")]
    arguments: Vec<OsString>,
    /// Read statements from this file; `-` is standard input
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
    /// For experts: allow CREATE VIEW, CREATE TABLE, CREATE EXTERNAL TABLE and DROP within the
    /// session, SET, and COPY to new files
    ///
    /// A statement can then read any file that you can read, write new ones, and use more memory than
    /// its limit. Traces are never changed. Do not run statements of others with it.
    #[arg(long)]
    unsafe_sql: bool,
    /// Do not keep what is typed at the prompt
    #[arg(long)]
    no_history: bool,
}

/// Returns the usage lines, for a program of this name.
pub(crate) fn usage(program: &str) -> String {
    format!(
        "{program} query [OPTIONS] <TRACE> [SQL]\n       \
         {program} query [OPTIONS] <NAME=TRACE>... [SQL]"
    )
}

/// What is to be asked.
enum Question {
    /// The statements of an argument.
    Text(String),
    /// A query that kymo ships, by name.
    Shipped(String),
    /// The statements of a file; `-` is standard input.
    Script(PathBuf),
    /// What the user types.
    Typed,
}

/// Asks and writes the answer; SIGINT and SIGTERM end it in order.
pub(crate) async fn query(ui: &Ui, args: &QueryArgs) -> Result<(), CommandError> {
    if args.list {
        return list(ui);
    }
    let (traces, question) = traces_and_question(ui, args)?;
    if let Question::Typed = question {
        let asker = asker(ui, args, &traces)?;
        return prompt(asker, parameters(args)?, !args.no_history).await;
    }
    let interrupted = CancellationToken::new();
    cancel_on_signal(&interrupted)?;
    tokio::select! {
        biased;
        () = interrupted.cancelled() => Err(CommandError::environment("interrupted")),
        answered = answer(ui, args, &traces, question) => answered,
    }
}

async fn answer(
    ui: &Ui,
    args: &QueryArgs,
    traces: &[(String, PathBuf)],
    question: Question,
) -> Result<(), CommandError> {
    let parameters = parameters(args)?;
    let mut hint = None;
    let script = match question {
        Question::Shipped(name) => {
            hint = values_hint(&name, &parameters);
            Script::One(Statement::whole(shipped(&name)?))
        }
        Question::Text(text) => script(&text, &parameters)?,
        Question::Script(path) => script(&read(&path)?, &parameters)?,
        Question::Typed => return Ok(()),
    };
    let statement = match script {
        Script::One(statement) => statement,
        Script::Many(_) if args.output.is_some() => {
            return Err(CommandError::usage(
                "several statements cannot be answered in one file",
            ));
        }
        Script::Many(items) => {
            let asker = asker(ui, args, traces)?;
            let mut conversation = Conversation::new(asker, parameters);
            return conversation.run_items(items, 0).await.map(|_| ());
        }
    };
    let asker = asker(ui, args, traces)?;
    let file = args.output.as_deref().map(NewFile::create).transpose()?;
    let asked = asker.ask(&statement, &parameters, file.as_ref()).await;
    asked.map_err(|error| match hint {
        Some(hint) => error.hint(hint),
        None => error,
    })?;
    file.map_or(Ok(()), NewFile::finish)
}

/// Opens the traces.
fn asker<'a>(
    ui: &'a Ui,
    args: &QueryArgs,
    traces: &[(String, PathBuf)],
) -> Result<Asker<'a>, CommandError> {
    let format = format(ui, args)?;
    let mut limits = Limits::default();
    if let Some(bytes) = args.memory_limit {
        limits.memory_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    }
    if args.timeout.is_some() {
        limits.timeout = args.timeout;
    }
    let clock = environment::clock()?;
    let session = if args.unsafe_sql {
        QuerySession::open_unsafe(traces, limits)?
    } else {
        QuerySession::open(traces, limits)?
    };
    let session = match environment::held_time()? {
        Some(now) => session.at_time(now),
        None => session,
    };
    Ok(Asker {
        ui,
        session: Arc::new(session),
        clock,
        format,
        wide: args.wide,
        raw: args.raw,
        counts_rows: false,
        timing: false,
    })
}

/// What a file or an argument says.
enum Script {
    /// One statement.
    One(Statement),
    /// Statements and commands.
    Many(Vec<Item>),
}

/// Reads a script. A value that no statement takes is an error, as it is with one statement.
fn script(text: &str, parameters: &Parameters) -> Result<Script, CommandError> {
    let mut items = items(text)?;
    let last = items.pop();
    let last = match last {
        None => return Err(no_statement()),
        Some(Item::Statement(statement)) if items.is_empty() => return Ok(Script::One(statement)),
        Some(last) => last,
    };
    items.push(last);
    let mut unused: Vec<&String> = parameters.keys().collect();
    for item in &items {
        match item {
            Item::Statement(statement) => {
                let names = placeholders(&statement.text);
                unused.retain(|name| !names.contains(*name));
            }
            // A command may run a file that takes them.
            Item::Command(_) => unused.clear(),
        }
    }
    match unused.first() {
        Some(name) => Err(CommandError::usage(format!(
            "no statement has a parameter `${name}`"
        ))),
        None => Ok(Script::Many(items)),
    }
}

/// Splits the arguments; a trace has a name if it is written as `NAME=TRACE` and no file is called
/// that. Without a statement the terminal is asked for some, or else standard input.
fn traces_and_question(
    ui: &Ui,
    args: &QueryArgs,
) -> Result<(Vec<(String, PathBuf)>, Question), CommandError> {
    let all = args.arguments.as_slice();
    let stdin = || match (ui.is_dialogue(), std::io::stdin().is_terminal()) {
        (true, _) if args.output.is_none() => Ok(Question::Typed),
        (_, false) => Ok(Question::Script("-".into())),
        _ => Err(no_statement()),
    };
    let (traces, question) = match (&args.file, &args.query, all.split_last()) {
        (Some(file), _, _) => (all, Question::Script(file.clone())),
        (None, Some(name), _) => (all, Question::Shipped(name.clone())),
        (None, None, Some((last, traces))) if traces.is_empty() || is_trace(last) => {
            (all, stdin()?)
        }
        (None, None, Some((sql, traces))) => match sql.to_str() {
            Some(sql) => (traces, Question::Text(sql.to_owned())),
            None => return Err(CommandError::usage("the statement is not UTF-8")),
        },
        (None, None, None) => return Err(no_statement()),
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
    Ok((named.collect::<Result<_, _>>()?, question))
}

fn is_trace(argument: &OsString) -> bool {
    name_and_path(argument).1.exists()
}

fn no_statement() -> CommandError {
    CommandError::usage("there is no statement")
        .hint("give one after the trace, a file with `-f`, or the name of a query with `--query`")
}

/// Returns the text of a query that kymo ships.
pub(crate) fn shipped(name: &str) -> Result<String, CommandError> {
    if let Some(query) = NamedQuery::find(name) {
        return Ok(query.text.to_owned());
    }
    let unknown = CommandError::usage(format!("kymo ships no query `{name}`"));
    Err(match NamedQuery::nearest(name) {
        Some(meant) => unknown.hint(format!("did you mean `{meant}`?")),
        None => unknown.hint("`kymo query --list` lists them"),
    })
}

/// Says which values a shipped query takes, if these are others.
pub(crate) fn values_hint(name: &str, values: &Parameters) -> Option<String> {
    let query = NamedQuery::find(name)?;
    let wanted = placeholders(query.text);
    if wanted.iter().eq(values.keys()) {
        return None;
    }
    Some(match query.parameters() {
        Some(parameters) => format!("`{name}` takes {parameters}"),
        None => format!("`{name}` takes no values"),
    })
}

/// Lists the queries that kymo ships.
pub(crate) fn list(ui: &Ui) -> Result<(), CommandError> {
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

/// Reads `NAME=VALUE`.
pub(crate) fn parameter(text: &str) -> Result<(String, Parameter), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), Parameter::read(value))),
        _ => Err(format!("`{text}` is not NAME=VALUE")),
    }
}

fn parameters(args: &QueryArgs) -> Result<Parameters, CommandError> {
    given_once(&args.parameters)
}

/// Takes values that were given, each under a name of its own.
pub(crate) fn given_once(given: &[(String, Parameter)]) -> Result<Parameters, CommandError> {
    let mut parameters = Parameters::new();
    for (name, parameter) in given {
        if parameters.insert(name.clone(), parameter.clone()).is_some() {
            return Err(CommandError::usage(format!(
                "the parameter `${name}` has two values"
            )));
        }
    }
    Ok(parameters)
}

/// Reads a text; `-` is standard input.
pub(crate) fn read(path: &Path) -> Result<String, CommandError> {
    let read = if path.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(path)
    };
    read.map_err(|error| {
        CommandError::environment(format!("cannot read `{}`", path.display())).caused_by(&error)
    })
}
