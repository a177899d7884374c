//! Why a script is not understood.

use std::borrow::Cow;

use kymo_query::Position;
use thiserror::Error;

use super::Place;

/// Why a script is not understood, and where.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum LanguageError {
    /// The script is larger than one may be.
    #[error("the script has {bytes} bytes, over the limit of {limit}")]
    TooLong {
        /// Its length, in bytes.
        bytes: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The script has more statements than one may have.
    #[error("the script has more than {limit} statements")]
    TooManyStatements {
        /// The limit.
        limit: usize,
        /// The first one too many.
        place: Place,
    },
    /// The script is empty.
    #[error("the script has no statement")]
    Empty,
    /// No statement begins with this word.
    #[error("no statement begins with {found}{}", did_you_mean(*nearest))]
    UnknownStatement {
        /// What stands there.
        found: String,
        /// The word that was probably meant.
        nearest: Option<&'static str>,
        /// What to do instead.
        hint: &'static str,
        /// Where.
        place: Place,
    },
    /// Something else stands where a word or a value belongs.
    #[error("expected {expected}, found {found}{}", did_you_mean(*nearest))]
    Unexpected {
        /// What may stand there.
        expected: String,
        /// What stands there.
        found: String,
        /// The word that was probably meant.
        nearest: Option<&'static str>,
        /// How the statement is written.
        form: &'static str,
        /// Where.
        place: Place,
    },
    /// A value that makes no sense where it stands.
    #[error("{message}")]
    Value {
        /// What is wrong with it.
        message: String,
        /// What to do instead.
        hint: Option<&'static str>,
        /// Where.
        place: Place,
    },
    /// An expression or a query is wrong.
    #[error("{source}")]
    Sql {
        /// What is wrong with it; its position is one of the script.
        source: Box<kymo_query::Error>,
        /// Where.
        place: Place,
    },
}

impl LanguageError {
    /// Returns where in the script it is.
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::TooLong { .. } | Self::Empty => None,
            Self::TooManyStatements { place, .. }
            | Self::UnknownStatement { place, .. }
            | Self::Unexpected { place, .. }
            | Self::Value { place, .. }
            | Self::Sql { place, .. } => Some(*place),
        }
    }

    /// Returns the line and the column in the script, counted from 1.
    pub fn position(&self, script: &str) -> Option<Position> {
        self.place().map(|place| place.position(script))
    }

    /// Returns what helps to put it right, as a sentence for people.
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::UnknownStatement { hint, .. } => Some(Cow::Borrowed(*hint)),
            Self::Unexpected { form, .. } => Some(Cow::Owned(format!("write `{form}`"))),
            Self::Value { hint, .. } => hint.map(Cow::Borrowed),
            Self::Sql { source, .. } => source.hint().map(Cow::Borrowed),
            Self::TooLong { .. } | Self::TooManyStatements { .. } => {
                Some(Cow::Borrowed("run it in parts, one after the other"))
            }
            Self::Empty => None,
        }
    }
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |word| format!("; did you mean `{word}`?"))
}
