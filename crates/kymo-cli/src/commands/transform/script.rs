//! The script as it was given: in files, on the command line, or both.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kymo_query::{Parameters, Position};
use kymo_transform::Error;
use kymo_transform::language::{LanguageError, Place, Script};

use crate::ask::excerpt;
use crate::command_error::CommandError;
use crate::commands::query::read;

/// Stands between two parts, so that a comment at the end of the first one ends.
const BETWEEN: &str = "\n;\n";

/// The text of a script and where its parts come from.
pub(crate) struct ScriptText {
    text: String,
    parts: Vec<Part>,
}

struct Part {
    /// The file, if it is one.
    file: Option<PathBuf>,
    /// Its bytes in the script.
    start: usize,
    end: usize,
}

impl ScriptText {
    /// Reads the files and puts the statements behind them, with values for their `$name`s.
    pub(crate) fn read(
        files: &[PathBuf],
        statements: &[String],
        parameters: &Parameters,
    ) -> Result<Self, CommandError> {
        let mut this = Self {
            text: String::new(),
            parts: Vec::new(),
        };
        let mut used = BTreeSet::new();
        for file in files {
            used.extend(this.push(Some(file), &read(file)?, parameters)?);
        }
        for statement in statements {
            used.extend(this.push(None, statement, parameters)?);
        }
        if let Some(name) = parameters.keys().find(|name| !used.contains(*name)) {
            let message = format!("no statement has a parameter `${name}`");
            return Err(CommandError::usage(message));
        }
        if this.parts.is_empty() {
            return Err(CommandError::usage("there is no script")
                .hint("give a statement with `-e`, or a file with `-f`"));
        }
        Ok(this)
    }

    fn push(
        &mut self,
        file: Option<&Path>,
        text: &str,
        parameters: &Parameters,
    ) -> Result<BTreeSet<String>, CommandError> {
        let bound = Script::bind(text, parameters);
        let (text, used) = bound.map_err(|error| {
            let as_written = Self {
                text: text.to_owned(),
                parts: vec![Part {
                    file: file.map(Path::to_owned),
                    start: 0,
                    end: text.len(),
                }],
            };
            as_written.misread(&error)
        })?;
        if !self.parts.is_empty() {
            self.text.push_str(BETWEEN);
        }
        let start = self.text.len();
        self.text.push_str(&text);
        self.parts.push(Part {
            file: file.map(Path::to_owned),
            start,
            end: self.text.len(),
        });
        Ok(used)
    }

    /// Parses it.
    pub(crate) fn parse(&self) -> Result<Script, CommandError> {
        Script::parse(&self.text).map_err(|error| self.misread(&error))
    }

    fn misread(&self, error: &LanguageError) -> CommandError {
        let told = CommandError::usage(error.to_string());
        let told = match error.hint() {
            Some(hint) => told.hint(hint),
            None => told,
        };
        match error.place() {
            Some(place) => self.marked(told, place),
            None => told,
        }
    }

    /// Says what is wrong with a run, with the place in the script.
    pub(crate) fn explain(&self, error: &Error) -> CommandError {
        let told = CommandError::of_transform(error);
        match self.place_of(error) {
            Some(place) => self.marked(told, place),
            None => told,
        }
    }

    fn place_of(&self, error: &Error) -> Option<Place> {
        match error {
            Error::Statement { place, .. }
            | Error::Patch { place, .. }
            | Error::Update { place, .. }
            | Error::TimeOutOfRange { place, .. } => Some(*place),
            Error::Condition {
                source,
                place,
                first_line,
            } => {
                let inner = source.position().and_then(|position| {
                    let line = position.line.checked_sub(first_line.checked_sub(1)?)?;
                    place.within(&self.text, Position { line, ..position }, source.length())
                });
                Some(inner.unwrap_or(*place))
            }
            _ => None,
        }
    }

    /// Adds the line of a place and a mark below it.
    fn marked(&self, error: CommandError, place: Place) -> CommandError {
        let Some(shown) = self.excerpt(place) else {
            return error;
        };
        error.excerpt(shown)
    }

    fn excerpt(&self, place: Place) -> Option<String> {
        let part = self
            .parts
            .iter()
            .rev()
            .find(|part| part.start <= place.start)?;
        let text = self.text.get(part.start..part.end)?;
        let own = Place {
            start: place.start.min(part.end) - part.start,
            end: place.end.clamp(part.start, part.end) - part.start,
        };
        let position = own.position(text);
        let shown = excerpt(text, 1, (position.line, position.column), own.length(text))?;
        Some(match &part.file {
            Some(file) => format!("in `{}`:\n{shown}", file.display()),
            None => shown,
        })
    }

    /// Returns a statement as it was written, cut to some characters of its first line.
    pub(crate) fn beginning(&self, place: Place) -> String {
        const MOST: usize = 60;
        let text = self.text.get(place.start..place.end).unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        match line.char_indices().nth(MOST) {
            Some((cut, _)) => format!("{}…", line.get(..cut).unwrap_or_default()),
            None if line.len() < text.len() => format!("{line} …"),
            None => line.to_owned(),
        }
    }
}
