//! What people often write and mean something else by, found in the text of a statement.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{Error, Position};

/// Says of an error what only the text of its statement tells: a name that was quoted as one but
/// meant as a text, and where a text stands that is no time.
pub(crate) fn see_text(error: Error, tokens: &[TokenWithSpan]) -> Error {
    match error {
        Error::UnknownColumn {
            name,
            nearest: None,
            position: Some(position),
            ..
        } => Error::UnknownColumn {
            is_quoted: tokens.iter().any(|token| {
                place(token) == position
                    && matches!(&token.token, Token::Word(word) if word.quote_style == Some('"'))
            }),
            name,
            nearest: None,
            position: Some(position),
        },
        Error::NotATime {
            text,
            position: None,
        } => {
            let mut places = tokens.iter().filter(|token| {
                matches!(&token.token, Token::SingleQuotedString(written) if *written == text)
            });
            let first = places.next().map(place);
            let position = first.filter(|_| places.next().is_none());
            Error::NotATime { text, position }
        }
        other => other,
    }
}

fn place(token: &TokenWithSpan) -> Position {
    Position {
        line: token.span.start.line,
        column: token.span.start.column,
    }
}
