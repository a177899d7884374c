//! What goes wrong in a query, and whose fault it is.

mod nearest;
mod slips;
mod translate;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use datafusion::error::DataFusionError;
use thiserror::Error;

pub use nearest::nearest;
pub(crate) use slips::see_text;
pub(crate) use translate::{Phase, translate};

/// A place in the text of a statement, counted from 1 in lines and characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: u64,
    /// The character in the line.
    pub column: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Whose fault an [`enum@Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The statement, or what it makes of the data.
    Input,
    /// The content of a trace.
    Data,
    /// The disk or a permission.
    Environment,
    /// The query needs more memory, spill space or time than it may have.
    Limit,
    /// kymo.
    Bug,
}

/// Why a query could not be answered.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not SQL.
    #[error("syntax error: {message}")]
    Syntax {
        /// What was expected and what was found.
        message: String,
        /// Where.
        position: Option<Position>,
    },
    /// A statement that is never run.
    #[error("{what} is refused: {reason}")]
    Refused {
        /// What was asked for, such as `COPY`.
        what: String,
        /// Why not, and what to do instead.
        reason: &'static str,
    },
    /// No table has this name.
    #[error("no table `{name}`{}", did_you_mean(nearest.as_deref()))]
    UnknownTable {
        /// The name as it was written.
        name: String,
        /// The table that was probably meant.
        nearest: Option<String>,
        /// Where.
        position: Option<Position>,
    },
    /// No column has this name.
    #[error("no column `{name}`{}", did_you_mean(nearest.as_deref()))]
    UnknownColumn {
        /// The name as it was written.
        name: String,
        /// The column that was probably meant.
        nearest: Option<String>,
        /// Whether it stands between double quotes, as a text does in other languages.
        is_quoted: bool,
        /// Where.
        position: Option<Position>,
    },
    /// A field of a struct that is not there.
    #[error("no field `{name}`{}", did_you_mean(nearest.as_deref()))]
    UnknownField {
        /// The name as it was written.
        name: String,
        /// The field that was probably meant.
        nearest: Option<String>,
        /// Where.
        position: Option<Position>,
    },
    /// A table was asked AS OF a time, and its rows do not hold for a time.
    #[error("`{name}` cannot be asked AS OF a time: its rows do not hold for a while")]
    NoValidity {
        /// The table.
        name: String,
        /// Where.
        position: Option<Position>,
    },
    /// No function has this name.
    #[error("no function `{name}`{}", did_you_mean(nearest.as_deref()))]
    UnknownFunction {
        /// The name as it was written.
        name: String,
        /// The function that was probably meant.
        nearest: Option<String>,
        /// Where.
        position: Option<Position>,
    },
    /// A `$name` in the statement has no value, or a value no `$name`.
    #[error("{message}")]
    Parameter {
        /// Which.
        message: String,
        /// Where.
        position: Option<Position>,
    },
    /// The statement is SQL but makes no sense.
    #[error("{message}")]
    Statement {
        /// What does not fit.
        message: String,
        /// Where, if that is known.
        position: Option<Position>,
    },
    /// A text stands where a time must.
    #[error("`{text}` is not a time")]
    NotATime {
        /// The text.
        text: String,
        /// Where, if the statement has it once.
        position: Option<Position>,
    },
    /// A text was added to a time or taken from it.
    #[error("a text cannot be added to a time or taken from it")]
    TimeAndText,
    /// An expression failed on a value, such as a cast or a division by zero.
    #[error("{message}")]
    Evaluation {
        /// What failed.
        message: String,
    },
    /// Two traces of one session have the same name, or one has none.
    #[error("`{name}` cannot be the name of a trace: {reason}")]
    TraceName {
        /// The name.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// A trace could not be read.
    #[error("{source}")]
    Store {
        /// The store's answer.
        source: Arc<kymo_store::Error>,
    },
    /// Decoding a trace failed in a way that no check foresaw.
    #[error("the trace `{trace}` cannot be decoded: {message}")]
    Decode {
        /// The trace's name in the session.
        trace: String,
        /// What the decoder said.
        message: String,
    },
    /// The query took longer than it may.
    #[error("the query was stopped after its limit of {}", seconds(*limit))]
    Timeout {
        /// The limit.
        limit: Duration,
    },
    /// The query needs more memory or spill space than it may have.
    #[error("the query needs more memory or spill space than its limits allow: {message}")]
    Resources {
        /// Which operator asked for how much.
        message: String,
    },
    /// The result of a function call is larger than one may be.
    #[error("`{function}` would produce {bytes} bytes at once, over the limit of {limit}")]
    TooLarge {
        /// The function.
        function: String,
        /// What it would produce, in bytes.
        bytes: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The spill directory cannot be used.
    #[error("cannot create a directory for spilled data in `{}`: {source}", path.display())]
    SpillDirectory {
        /// The directory in which it was to be.
        path: PathBuf,
        /// The operating system's answer.
        source: Arc<io::Error>,
    },
    /// Reading or writing spilled data failed.
    #[error("spilled data: {message}")]
    Spill {
        /// The operating system's answer.
        message: String,
    },
    /// The file of an export cannot be written.
    #[error("cannot write `{}`: {source}", path.display())]
    Export {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: Arc<io::Error>,
    },
    /// The engine panicked.
    #[error("the query engine panicked: {message}")]
    Panicked {
        /// What it said.
        message: String,
    },
    /// The engine failed where it must not.
    #[error("the query engine failed: {source}")]
    Engine {
        /// Its answer.
        source: Arc<DataFusionError>,
    },
}

impl Error {
    /// Tells whose fault it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Syntax { .. }
            | Self::Refused { .. }
            | Self::UnknownTable { .. }
            | Self::UnknownColumn { .. }
            | Self::UnknownFunction { .. }
            | Self::UnknownField { .. }
            | Self::NoValidity { .. }
            | Self::Parameter { .. }
            | Self::Statement { .. }
            | Self::NotATime { .. }
            | Self::TimeAndText
            | Self::Evaluation { .. }
            | Self::TraceName { .. } => ErrorKind::Input,
            Self::Decode { .. } => ErrorKind::Data,
            Self::Store { source } => store_kind(source),
            Self::Timeout { .. } | Self::Resources { .. } | Self::TooLarge { .. } => {
                ErrorKind::Limit
            }
            Self::SpillDirectory { .. } | Self::Spill { .. } | Self::Export { .. } => {
                ErrorKind::Environment
            }
            Self::Panicked { .. } | Self::Engine { .. } => ErrorKind::Bug,
        }
    }

    /// Returns the place in the statement that it is about.
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Syntax { position, .. }
            | Self::UnknownTable { position, .. }
            | Self::UnknownColumn { position, .. }
            | Self::UnknownFunction { position, .. }
            | Self::UnknownField { position, .. }
            | Self::NoValidity { position, .. }
            | Self::Parameter { position, .. }
            | Self::Statement { position, .. }
            | Self::NotATime { position, .. } => *position,
            _ => None,
        }
    }

    /// Returns how many characters from its place on it is about: those of a name, else one.
    pub fn length(&self) -> usize {
        match self {
            Self::UnknownTable { name, .. }
            | Self::UnknownColumn { name, .. }
            | Self::NoValidity { name, .. }
            | Self::UnknownFunction { name, .. } => name.chars().count().max(1),
            // With its quotes.
            Self::NotATime { text, .. } => text.chars().count().saturating_add(2),
            _ => 1,
        }
    }

    /// Returns what helps to put it right, as a sentence for people.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::UnknownTable { .. } => Some("`SHOW TABLES` lists the tables"),
            Self::UnknownColumn {
                is_quoted: true, ..
            } => Some("a text stands between single quotes; double quotes are for names"),
            Self::UnknownColumn { .. } => Some("`DESCRIBE events` lists the columns of a table"),
            Self::UnknownFunction { .. } => Some("`SHOW FUNCTIONS` lists the functions"),
            Self::UnknownField { .. } => Some(
                "`condition` has `status`, `reason`, `message` and times; `SHOW FUNCTIONS` tells of others",
            ),
            Self::NotATime { .. } => Some(
                "write it as in '2026-11-21T02:00:00Z', or `at('10m')` for ten minutes after the trace's \
                 start and `at('-10m')` before its end",
            ),
            Self::TimeAndText => Some(
                "write a length of time as `interval '10 minutes'`, or a time of the trace as `at('-10m')`",
            ),
            Self::NoValidity { .. } => Some(
                "`versions` and the views of kinds (`pods`, `nodes`, …) can: a row of theirs holds from \
                 `valid_from` to `valid_to`",
            ),
            Self::Decode { .. } => Some("`kymo check` lists what is readable"),
            Self::Store { source } if source.is_corruption() => {
                Some("`kymo check` lists what is readable")
            }
            _ => None,
        }
    }
}

impl From<kymo_store::Error> for Error {
    fn from(source: kymo_store::Error) -> Self {
        Self::Store {
            source: Arc::new(source),
        }
    }
}

/// How the engine carries our errors through its own.
impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        Self::External(Box::new(error))
    }
}

fn store_kind(error: &kymo_store::Error) -> ErrorKind {
    match error {
        kymo_store::Error::NotATrace { .. } => ErrorKind::Input,
        kymo_store::Error::NewerFormat { .. } => ErrorKind::Data,
        error if error.is_corruption() => ErrorKind::Data,
        _ => ErrorKind::Environment,
    }
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

fn seconds(limit: Duration) -> String {
    format!("{} s", limit.as_secs_f64())
}
