//! Statements and commands, run one after the other.

use std::io::Write as _;
use std::path::Path;

use kymo_query::{FunctionHelp, Parameter, Parameters, placeholders};

use super::command::{COMMANDS, Command};
use super::script::{Item, items};
use crate::answer::Format;
use crate::ask::{Asker, Statement};
use crate::command_error::CommandError;
use crate::commands::query::{list, read, shipped, values_hint};
use crate::ui::escape;

/// How deep files may run files.
const MOST_DEPTH: usize = 8;

const TABLES: &str = "SELECT table_schema AS trace, table_name AS name, \
     lower(replace(table_type, 'BASE TABLE', 'table')) AS type \
     FROM information_schema.tables WHERE table_schema <> 'information_schema' ORDER BY 1, 3, 2";

const FUNCTIONS: &str = "SHOW FUNCTIONS";

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// There may be more.
    More,
    /// The user wants to end.
    End,
}

/// What is asked of one session, and what was set on the way.
pub(crate) struct Conversation<'a> {
    asker: Asker<'a>,
    values: Parameters,
    has_answered: bool,
}

impl<'a> Conversation<'a> {
    /// Begins with the values of the command line.
    pub(crate) fn new(asker: Asker<'a>, values: Parameters) -> Self {
        Self {
            asker,
            values,
            has_answered: false,
        }
    }

    /// Runs what was typed; the first failure ends it.
    pub(crate) async fn run(&mut self, text: &str) -> Result<Next, CommandError> {
        let items = match Command::plain(text) {
            Some(command) => vec![Item::Command(command)],
            None => items(text)?,
        };
        self.run_items(items, 0).await
    }

    /// Runs statements and commands; the first failure ends it.
    pub(crate) async fn run_items(
        &mut self,
        items: Vec<Item>,
        depth: usize,
    ) -> Result<Next, CommandError> {
        for item in items {
            let next = match item {
                Item::Statement(statement) => {
                    let values = self.values_for(&statement.text);
                    self.ask(&statement, &values).await?;
                    Next::More
                }
                Item::Command(command) => self.command(command, depth).await?,
            };
            if next == Next::End {
                return Ok(next);
            }
        }
        Ok(Next::More)
    }

    /// Returns the values that a statement takes.
    fn values_for(&self, text: &str) -> Parameters {
        let names = placeholders(text);
        let mut values = self.values.clone();
        values.retain(|name, _| names.contains(name));
        values
    }

    /// Tables are told apart by an empty line.
    async fn ask(
        &mut self,
        statement: &Statement,
        values: &Parameters,
    ) -> Result<(), CommandError> {
        let is_for_people = matches!(self.asker.format, Format::Table | Format::Expanded);
        if std::mem::replace(&mut self.has_answered, true) && is_for_people {
            let mut out = self.asker.ui.stdout(false);
            out.write_all(b"\n")?;
            out.flush()?;
        }
        self.asker.ask(statement, values, None).await
    }

    async fn command(&mut self, command: Command, depth: usize) -> Result<Next, CommandError> {
        match command {
            Command::Tables => {
                let statement = Statement::whole(TABLES);
                self.ask(&statement, &Parameters::new()).await?;
            }
            Command::Columns(table) => {
                let statement = Statement::whole(format!("DESCRIBE {table}"));
                self.ask(&statement, &Parameters::new()).await?;
            }
            Command::Functions(name) => self.functions(name.as_deref()).await?,
            Command::Queries => list(self.asker.ui)?,
            Command::Run(name, values) => self.run_shipped(&name, values).await?,
            Command::File(path) => return self.file(&path, depth).await,
            Command::Values => self.print(&self.told_values())?,
            Command::Set(name, value) => {
                self.values.insert(name, value);
            }
            Command::Unset(name) => {
                self.values.remove(&name);
            }
            Command::Format(format) => {
                self.asker.format = format.unwrap_or(self.asker.format);
                self.tell_format();
            }
            Command::Expanded(wanted) => {
                let is_expanded = wanted.unwrap_or(self.asker.format != Format::Expanded);
                self.asker.format = if is_expanded {
                    Format::Expanded
                } else {
                    Format::Table
                };
                self.tell_format();
            }
            Command::Timing(wanted) => {
                self.asker.timing = wanted.unwrap_or(!self.asker.timing);
                let state = if self.asker.timing { "on" } else { "off" };
                self.asker.ui.message(&format!("Timing is {state}"));
            }
            Command::Help => self.print(&help())?,
            Command::Quit => return Ok(Next::End),
        }
        Ok(Next::More)
    }

    async fn functions(&mut self, name: Option<&str>) -> Result<(), CommandError> {
        let statement = match name {
            None => FUNCTIONS.to_owned(),
            Some(pattern) if pattern.contains(['*', '%']) => {
                let pattern = pattern.replace('*', "%").replace('\'', "''");
                format!("{FUNCTIONS} LIKE '{pattern}'")
            }
            Some(name) => {
                let name = name.trim_end_matches(['(', ')']);
                let Some(function) = self.asker.session.function(name) else {
                    let unknown = CommandError::usage(format!("no function `{name}`"));
                    return Err(match self.asker.session.nearest_function(name) {
                        Some(meant) => unknown.hint(format!("did you mean `{meant}`?")),
                        None => unknown.hint("`\\df` lists the functions"),
                    });
                };
                return self.print(&told_function(&function));
            }
        };
        self.ask(&Statement::whole(statement), &Parameters::new())
            .await
    }

    /// Values of the line stand beside those that are set.
    async fn run_shipped(&mut self, name: &str, given: Parameters) -> Result<(), CommandError> {
        let text = shipped(name)?;
        let mut values = self.values_for(&text);
        values.extend(given);
        let hint = values_hint(name, &values);
        let asked = self.ask(&Statement::whole(text), &values).await;
        asked.map_err(|error| match hint {
            Some(hint) => error.hint(hint),
            None => error,
        })
    }

    async fn file(&mut self, path: &Path, depth: usize) -> Result<Next, CommandError> {
        if depth >= MOST_DEPTH {
            let message = format!("`{}`: files run files too deeply", path.display());
            return Err(CommandError::usage(message));
        }
        let items = items(&read(path)?)?;
        Box::pin(self.run_items(items, depth + 1)).await
    }

    fn told_values(&self) -> String {
        let lines = self.values.iter().map(|(name, value)| {
            let value = match value {
                Parameter::Null => "null".to_owned(),
                Parameter::Boolean(value) => value.to_string(),
                Parameter::Number(text) => text.clone(),
                Parameter::Text(text) => format!("'{}'", text.replace('\'', "''")),
            };
            format!("${name} = {value}\n")
        });
        lines.collect()
    }

    fn tell_format(&self) {
        let format = self.asker.format;
        self.asker
            .ui
            .message(&format!("Answers are written as {format}"));
    }

    fn print(&self, text: &str) -> Result<(), CommandError> {
        let mut out = self.asker.ui.stdout(false);
        out.write_all(escape(text).as_bytes())?;
        out.flush()?;
        Ok(())
    }
}

fn help() -> String {
    let width = COMMANDS.iter().map(|(syntax, _)| syntax.len()).max();
    let width = width.unwrap_or_default();
    let lines = COMMANDS
        .iter()
        .map(|(syntax, what)| format!("{syntax:width$}  {what}\n"));
    let commands: String = lines.collect();
    format!(
        "A statement ends with `;`. Tab completes; Ctrl-C leaves a line or cancels a statement.\n\n\
         {commands}"
    )
}

fn told_function(function: &FunctionHelp) -> String {
    let mut lines = vec![function.syntax.clone()];
    let indented = |text: &str| format!("  {}", text.trim().replace('\n', "\n  "));
    if !function.description.is_empty() {
        lines.push(indented(&function.description));
    }
    let width = function.arguments.iter().map(|(name, _)| name.len()).max();
    let width = width.unwrap_or_default();
    for (name, what) in &function.arguments {
        lines.push(format!(
            "  {name:width$}  {}",
            what.trim().replace('\n', " ")
        ));
    }
    if let Some(example) = &function.example {
        lines.extend(["Example:".to_owned(), indented(example)]);
    }
    lines.join("\n") + "\n"
}
