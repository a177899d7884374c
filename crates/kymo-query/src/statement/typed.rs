//! Statements as they are typed: where one ends, and which values it takes.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{
    Location, Token, TokenWithSpan, Tokenizer, TokenizerError,
};

/// Splits a text after the `;` that ends its first statement; `None` if none does.
///
/// A `;` in a text, a quoted name or a comment ends nothing.
pub fn split_statement(text: &str) -> Option<(&str, &str)> {
    let (tokens, error) = tokens(text);
    let end = tokens.iter().find(|token| token.token == Token::SemiColon);
    if let Some(token) = end {
        return text.split_at_checked(offset(text, token.span.end));
    }
    let error = error.filter(|error| !waits_for_more(error))?;
    // What is no SQL at all ends too, so that the error can be told.
    let from = offset(text, error.location);
    let end = text.get(from..)?.find(';')? + from + 1;
    text.split_at_checked(end)
}

/// Tells whether a text has nothing but blanks, comments and `;`.
pub fn is_blank(text: &str) -> bool {
    let (tokens, error) = tokens(text);
    let says_nothing =
        |token: &TokenWithSpan| matches!(token.token, Token::Whitespace(_) | Token::SemiColon);
    error.is_none() && tokens.iter().all(says_nothing)
}

/// Returns the names that a text has with a `$` in front.
pub fn placeholders(text: &str) -> BTreeSet<String> {
    let (tokens, _) = tokens(text);
    let names = tokens.into_iter().filter_map(|token| match token.token {
        Token::Placeholder(name) => Some(name.trim_start_matches('$').to_owned()),
        _ => None,
    });
    names.collect()
}

/// Returns the tokens of a text, and what ended them before the text did.
pub(crate) fn tokens(text: &str) -> (Vec<TokenWithSpan>, Option<TokenizerError>) {
    let mut tokens = Vec::new();
    let dialect = PostgreSqlDialect {};
    let result = Tokenizer::new(&dialect, text).tokenize_with_location_into_buf(&mut tokens);
    (tokens, result.err())
}

/// Returns where a place is in a text, in bytes.
pub(crate) fn offset(text: &str, place: Location) -> usize {
    let before = usize::try_from(place.line.saturating_sub(1)).unwrap_or(usize::MAX);
    let line = match before {
        0 => Some(0),
        lines => text
            .match_indices('\n')
            .nth(lines - 1)
            .map(|(at, _)| at + 1),
    };
    let Some(line) = line else { return text.len() };
    let characters = usize::try_from(place.column.saturating_sub(1)).unwrap_or(usize::MAX);
    let rest = text.get(line..).unwrap_or_default();
    let column = rest.char_indices().nth(characters);
    column.map_or(text.len(), |(at, _)| line + at)
}

/// Tells whether more text can put it right: a text, a name or a comment is still open.
fn waits_for_more(error: &TokenizerError) -> bool {
    ["Unterminated", "EOF"]
        .iter()
        .any(|word| error.message.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_ends_at_its_semicolon_and_not_at_one_that_is_text() {
        for (text, first) in [
            ("SELECT 1; SELECT 2;", Some("SELECT 1;")),
            (
                "SELECT ';' AS \";\" -- ;\n, 'é' /* ; */;x",
                Some("SELECT ';' AS \";\" -- ;\n, 'é' /* ; */;"),
            ),
            ("SELECT 1", None),
            ("SELECT 'open;", None),
            ("SELECT 1 /* open;", None),
            ("SELECT \"open;", None),
            ("SELECT $$a;b$$ FROM x;", Some("SELECT $$a;b$$ FROM x;")),
            (";", Some(";")),
            ("SELECT 1; SELECT 'open", Some("SELECT 1;")),
        ] {
            let split = split_statement(text);
            assert_eq!(split.map(|(first, _)| first), first, "{text}");
            if let Some((first, rest)) = split {
                assert_eq!(format!("{first}{rest}"), text);
            }
        }
    }

    #[test]
    fn blanks_comments_and_semicolons_are_no_statement() {
        for text in ["", " \n\t", "-- nothing\n", "/* ; */ ;;"] {
            assert!(is_blank(text), "{text:?}");
        }
        for text in ["SELECT", "'open", "-- a\nSELECT 1"] {
            assert!(!is_blank(text), "{text:?}");
        }
    }

    #[test]
    fn the_values_of_a_statement_are_known_by_name() {
        let names = placeholders("SELECT $kind, '$no' -- $no\nFROM x WHERE n = $n AND k = $kind");
        assert_eq!(Vec::from_iter(names), ["kind", "n"]);
    }
}
