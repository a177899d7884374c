//! From text to statements.

mod cursor;
mod document;
mod scale;
mod statement;
mod synthesize;
#[cfg(test)]
mod tests;
mod tokens;
mod value;

use std::sync::Arc;

use datafusion::sql::sqlparser::tokenizer::Token;
use kymo_query::SqlReader;

use self::cursor::Cursor;
use self::tokens::Tokens;
use super::place::byte_at;
use super::{LanguageError, Place, Script, Statement};

/// The longest script, in bytes.
const MOST_BYTES: usize = 1 << 20;

/// How many statements a script may have.
const MOST_STATEMENTS: usize = 1_000;

impl Script {
    /// Reads a script.
    pub fn parse(text: &str) -> Result<Self, LanguageError> {
        let tokens = tokens_of(text)?;
        let mut statements = Vec::new();
        for part in tokens.all.split(|token| token.token == Token::SemiColon) {
            let Some(place) = tokens.extent(part) else {
                continue;
            };
            if statements.len() == MOST_STATEMENTS {
                return Err(LanguageError::TooManyStatements {
                    limit: MOST_STATEMENTS,
                    place,
                });
            }
            let mut cursor = Cursor::new(&tokens, part, place)?;
            let (explain, action) = statement::read(&mut cursor)?;
            cursor.finish()?;
            statements.push(Statement {
                action,
                explain,
                place,
            });
        }
        if statements.is_empty() {
            return Err(LanguageError::Empty);
        }
        Ok(Self {
            text: Arc::from(text),
            statements,
        })
    }
}

/// Splits a script of the length that it may have into tokens.
pub(super) fn tokens_of(text: &str) -> Result<Tokens<'_>, LanguageError> {
    if text.len() > MOST_BYTES {
        return Err(LanguageError::TooLong {
            bytes: text.len(),
            limit: MOST_BYTES,
        });
    }
    let tokens = SqlReader::tokens(text).map_err(|error| not_sql(text, error))?;
    Ok(Tokens::new(text, tokens))
}

/// A text or a comment that does not end.
fn not_sql(text: &str, error: kymo_query::Error) -> LanguageError {
    let start = error
        .position()
        .and_then(|position| byte_at(text, position));
    let start = start.unwrap_or(text.len());
    let length = text.get(start..).and_then(|rest| rest.chars().next());
    LanguageError::Sql {
        place: Place {
            start,
            end: start + length.map_or(0, char::len_utf8),
        },
        source: Box::new(error),
    }
}
