//! The line that is typed: its keys, its history, what Tab offers.

use std::path::PathBuf;
use std::sync::Arc;

use kymo_query::{NamedQuery, QuerySession};
use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Editor, Helper};
use tokio::runtime::Handle;

use super::command::COMMANDS;
use super::script::is_complete;
use crate::command_error::CommandError;

const PROMPT: &str = "kymo> ";

/// How much is kept of what was typed.
const MOST_ENTRIES: usize = 10_000;

/// What came of reading a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Statements or a command.
    Typed(String),
    /// What was typed is not wanted.
    Dropped,
    /// There is no more.
    End,
}

/// Reads lines from the terminal.
pub(super) struct LineEditor {
    editor: Editor<Assistant, FileHistory>,
    history: Option<PathBuf>,
}

impl LineEditor {
    /// Prepares the terminal; `history` is a file that need not exist yet.
    ///
    /// Must be called inside a Tokio runtime, which looks up what Tab offers.
    pub(super) fn new(
        session: Arc<QuerySession>,
        history: Option<PathBuf>,
    ) -> Result<Self, CommandError> {
        let config = Config::builder()
            .max_history_size(MOST_ENTRIES)
            .and_then(|builder| builder.history_ignore_dups(true))
            .map_err(|error| failed(&error))?
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            .completion_show_all_if_ambiguous(true)
            .build();
        let mut editor = Editor::with_config(config).map_err(|error| failed(&error))?;
        editor.set_helper(Some(Assistant {
            session,
            runtime: Handle::current(),
            files: FilenameCompleter::new(),
        }));
        if let Some(path) = &history {
            // There is none the first time.
            editor.load_history(path).ok();
        }
        Ok(Self { editor, history })
    }

    /// Waits for a line. Must be called where waiting for the terminal holds up nothing else.
    pub(super) fn read(&mut self) -> Result<Line, CommandError> {
        let text = match self.editor.readline(PROMPT) {
            Ok(text) => text,
            Err(ReadlineError::Interrupted) => return Ok(Line::Dropped),
            Err(ReadlineError::Eof) => return Ok(Line::End),
            Err(error) => return Err(failed(&error)),
        };
        self.remember(&text);
        Ok(Line::Typed(text))
    }

    /// What cannot be kept is only missing the next time.
    fn remember(&mut self, text: &str) {
        let added = self.editor.add_history_entry(text.trim_end());
        if let (Ok(true), Some(path)) = (added, &self.history) {
            self.editor.append_history(path).ok();
        }
    }
}

fn failed(error: &ReadlineError) -> CommandError {
    CommandError::environment("cannot read from the terminal").caused_by(error)
}

/// Knows what is complete, and what a word can become.
struct Assistant {
    session: Arc<QuerySession>,
    runtime: Handle,
    files: FilenameCompleter,
}

impl Helper for Assistant {}
impl Highlighter for Assistant {}

impl Hinter for Assistant {
    type Hint = String;
}

impl Validator for Assistant {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        if is_complete(context.input()) {
            return Ok(ValidationResult::Valid(None));
        }
        Ok(ValidationResult::Incomplete)
    }
}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        cursor: usize,
        context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = line.get(..cursor).unwrap_or(line);
        if before.starts_with("\\i ") {
            return self.files.complete(line, cursor, context);
        }
        let (start, words) = self.of_command(before).unwrap_or_else(|| {
            let found = self.session.complete(line, cursor);
            let found = self.runtime.block_on(found);
            (found.start, found.words)
        });
        Ok((start, words.into_iter().filter_map(pair).collect()))
    }
}

impl Assistant {
    /// Completes a command or what follows it; `None` if it is no command.
    fn of_command(&self, before: &str) -> Option<(usize, Vec<String>)> {
        if !before.starts_with('\\') {
            return None;
        }
        let Some((name, _)) = before.split_once(' ') else {
            let names = COMMANDS.iter().filter_map(|(syntax, _)| {
                let name = syntax.split(' ').next()?;
                name.starts_with(before).then(|| name.to_owned())
            });
            return Some((0, names.collect()));
        };
        let word = before.rsplit(' ').next().unwrap_or_default();
        let one_of = |words: &[&str]| {
            let words = words.iter().filter(|known| known.starts_with(word));
            words.map(|known| (*known).to_owned()).collect()
        };
        let words = match name {
            "\\d" => {
                let start = word.rfind('.').map_or(0, |dot| dot + 1);
                let tables = self.session.tables_beginning(word);
                return Some((before.len() - word.len() + start, tables));
            }
            "\\df" => self.session.functions_beginning(word),
            "\\run" => {
                let names: Vec<&str> = NamedQuery::all().iter().map(|query| query.name).collect();
                one_of(&names)
            }
            "\\format" => one_of(&["table", "expanded", "csv", "json", "ndjson"]),
            "\\x" | "\\timing" => one_of(&["on", "off"]),
            _ => Vec::new(),
        };
        Some((before.len() - word.len(), words))
    }
}

/// Names come from the trace: one that could steer the terminal is not offered.
fn pair(word: String) -> Option<Pair> {
    let is_plain = crate::ui::escape_line(&word) == word.as_str();
    is_plain.then(|| Pair {
        display: word.clone(),
        replacement: word,
    })
}
