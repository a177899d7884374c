//! What is asked for where the cursor is.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::words::{BEFORE_COLUMNS, BEFORE_TABLES};
use crate::statement::typed::tokens;

/// A word that is begun, and what it can become.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// Where the word begins, in bytes.
    pub(super) start: usize,
    /// What of it is typed.
    pub(super) begun: &'a str,
    /// What stands before it and a dot: a trace, a table or its alias.
    pub(super) qualifier: Option<&'a str>,
    /// What it can become.
    pub(super) wanted: Wanted,
}

/// What a word can become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A table.
    Table,
    /// A column, a function or a keyword.
    Expression,
    /// Nothing: it is part of a text or a comment.
    Nothing,
}

/// A table that a statement names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Used {
    /// Its name, with the one of its trace if it has one.
    pub(super) name: Vec<String>,
    /// What else it is called.
    pub(super) alias: Option<String>,
}

/// Finds the word at the end of what is before the cursor.
pub(super) fn place(before: &str) -> Place<'_> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    let kept = before.trim_end_matches(is_part);
    let word = before.get(kept.len()..).unwrap_or_default();
    let (qualifier, begun) = match word.rsplit_once('.') {
        Some((qualifier, begun)) => (Some(qualifier), begun),
        None => (None, word),
    };
    Place {
        start: before.len() - begun.len(),
        begun,
        qualifier,
        wanted: wanted(kept),
    }
}

fn wanted(before: &str) -> Wanted {
    let (tokens, error) = tokens(before);
    let is_comment = tokens.last().is_some_and(|token| {
        // A comment of one line goes on until the line ends.
        let text = token.token.to_string();
        text.starts_with("--") && !before.ends_with('\n')
    });
    if error.is_some() || is_comment {
        return Wanted::Nothing;
    }
    let mut depth = 0_usize;
    let mut words = tokens.iter().rev().filter(|token| is_significant(token));
    let Some(last) = words.next() else {
        return Wanted::Expression;
    };
    if is_one_of(last, BEFORE_TABLES) {
        return Wanted::Table;
    }
    if last.token != Token::Comma {
        return Wanted::Expression;
    }
    // A comma: between tables, if the clause is the one of FROM.
    for token in words {
        match &token.token {
            Token::SemiColon => break,
            Token::RParen => depth += 1,
            Token::LParen if depth == 0 => break,
            Token::LParen => depth -= 1,
            _ if depth == 0 && is_one_of(token, BEFORE_TABLES) => return Wanted::Table,
            _ if depth == 0 && is_one_of(token, BEFORE_COLUMNS) => break,
            _ => {}
        }
    }
    Wanted::Expression
}

fn is_significant(token: &TokenWithSpan) -> bool {
    !matches!(token.token, Token::Whitespace(_))
}

fn is_one_of(token: &TokenWithSpan, words: &[&str]) -> bool {
    let Token::Word(word) = &token.token else {
        return false;
    };
    word.quote_style.is_none()
        && words
            .iter()
            .any(|known| known.eq_ignore_ascii_case(&word.value))
}

/// Returns what may be tables of the statement around the cursor, with their aliases.
pub(super) fn used(text: &str) -> Vec<Used> {
    let (tokens, _) = tokens(text);
    let mut tokens = tokens
        .into_iter()
        .filter(is_significant)
        .map(|token| token.token)
        .peekable();
    let mut used = Vec::new();
    let mut is_table = false;
    while let Some(token) = tokens.next() {
        let word = match token {
            Token::Word(word) => word,
            Token::Comma => {
                is_table = true;
                continue;
            }
            _ => {
                is_table = false;
                continue;
            }
        };
        let says_table = |known: &&str| known.eq_ignore_ascii_case(&word.value);
        if word.quote_style.is_none() && BEFORE_TABLES.iter().any(says_table) {
            is_table = true;
            continue;
        }
        if !std::mem::take(&mut is_table) {
            continue;
        }
        let mut name = vec![name_of(&word)];
        while tokens.next_if_eq(&Token::Period).is_some() {
            if let Some(Token::Word(word)) = tokens.peek() {
                name.push(name_of(word));
                tokens.next();
            }
        }
        let is_as =
            |token: &Token| matches!(token, Token::Word(word) if word.keyword == Keyword::AS);
        let as_word = tokens.next_if(is_as);
        let alias = tokens.next_if(|token| {
            matches!(token, Token::Word(word)
                if word.keyword == Keyword::NoKeyword && word.quote_style.is_none())
        });
        let alias = match alias {
            Some(Token::Word(word)) => Some(name_of(&word)),
            // `AS OF '10m' p`: the alias is behind the time.
            _ if as_word.is_some() => behind_time(&mut tokens),
            _ => None,
        };
        used.push(Used { name, alias });
    }
    used
}

fn behind_time(tokens: &mut std::iter::Peekable<impl Iterator<Item = Token>>) -> Option<String> {
    tokens.next_if(|token| matches!(token, Token::Word(word) if word.keyword == Keyword::OF))?;
    tokens
        .next_if(|token| matches!(token, Token::SingleQuotedString(_) | Token::Placeholder(_)))?;
    match tokens.peek() {
        Some(Token::Word(word)) if word.keyword == Keyword::NoKeyword => Some(name_of(word)),
        _ => None,
    }
}

fn name_of(word: &datafusion::sql::sqlparser::tokenizer::Word) -> String {
    match word.quote_style {
        Some(_) => word.value.clone(),
        None => word.value.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_follows_from_what_is_before() {
        for (before, begun, wanted) in [
            ("", "", Wanted::Expression),
            ("SEL", "SEL", Wanted::Expression),
            ("SELECT na", "na", Wanted::Expression),
            ("SELECT a FROM ", "", Wanted::Table),
            ("SELECT a FROM po", "po", Wanted::Table),
            ("SELECT a FROM pods, no", "no", Wanted::Table),
            ("SELECT a, b", "b", Wanted::Expression),
            ("SELECT a FROM pods ORDER BY a, b", "b", Wanted::Expression),
            ("SELECT a FROM pods p JOIN ver", "ver", Wanted::Table),
            ("SELECT a FROM f(x, y", "y", Wanted::Expression),
            (
                "SELECT f(x), g(y) FROM (SELECT 1), eve",
                "eve",
                Wanted::Table,
            ),
            ("describe e", "e", Wanted::Table),
            ("SELECT 'na", "na", Wanted::Nothing),
            ("SELECT 1 -- na", "na", Wanted::Nothing),
            ("SELECT 1 /* na", "na", Wanted::Nothing),
            ("SELECT 1 -- x\n, na", "na", Wanted::Expression),
        ] {
            let place = place(before);
            assert_eq!((place.begun, place.wanted), (begun, wanted), "{before}");
            assert_eq!(place.start, before.len() - begun.len(), "{before}");
        }
        assert_eq!(place("SELECT p.na").qualifier, Some("p"));
        assert_eq!(place("SELECT p.").qualifier, Some("p"));
    }

    #[test]
    fn tables_are_found_with_their_aliases() {
        let text =
            "SELECT p. FROM pods AS OF '10m' p JOIN prod.\"Nodes\" AS n ON x, events WHERE a = b";
        let found: Vec<_> = used(text)
            .into_iter()
            .map(|used| (used.name.join("."), used.alias))
            .collect();
        assert_eq!(
            found,
            [
                ("pods".to_owned(), Some("p".to_owned())),
                ("prod.Nodes".to_owned(), Some("n".to_owned())),
                ("events".to_owned(), None),
            ]
        );
    }
}
