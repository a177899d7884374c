//! One statement, read word by word.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};
use kymo_query::{SqlPart, SqlReader, nearest};

use super::tokens::{Tokens, location};
use crate::language::forms::Form;
use crate::language::{Condition, LanguageError, Place};

/// How many characters of a token an error shows.
const MOST_SHOWN: usize = 40;

/// Reads one statement; knows what could have stood where it stands.
pub(super) struct Cursor<'a> {
    tokens: &'a Tokens<'a>,
    reader: SqlReader,
    statement: Place,
    form: &'static str,
    /// What was looked for at the next token and not found there.
    tried: Vec<Expected>,
}

#[derive(Clone, Copy, PartialEq)]
enum Expected {
    Word(&'static str),
    Thing(&'static str),
}

/// A text in quotes.
pub(super) struct Text {
    pub(super) value: String,
    pub(super) place: Place,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(
        tokens: &'a Tokens<'a>,
        statement: &[TokenWithSpan],
        place: Place,
    ) -> Result<Self, LanguageError> {
        let reader = SqlReader::new(statement).map_err(|error| sql(tokens, place, place, error))?;
        Ok(Self {
            tokens,
            reader,
            statement: place,
            form: "",
            tried: Vec::new(),
        })
    }

    /// Fails where a statement goes on behind its end.
    pub(super) fn finish(mut self) -> Result<(), LanguageError> {
        if self.reader.peek().token != Token::EOF {
            self.tried.push(Expected::Thing("the end of the statement"));
            return Err(self.unexpected());
        }
        let (tokens, place) = (self.tokens, self.statement);
        self.reader
            .finish()
            .map_err(|error| sql(tokens, place, place, error))
    }

    /// Sets how the statement is written, for errors.
    pub(super) fn is(&mut self, form: &'static Form) {
        self.form = form.text;
    }

    /// Sets how the statement is written, now that it is known which of its forms it has.
    pub(super) fn is_written(&mut self, form: &'static str) {
        self.form = form;
    }

    pub(super) fn script(&self) -> &'a str {
        self.tokens.text
    }

    /// Returns the bytes of the next token.
    pub(super) fn place(&self) -> Place {
        let next = self.reader.peek();
        if next.token == Token::EOF {
            let end = self.statement.end;
            return Place { start: end, end };
        }
        self.tokens.place(next)
    }

    /// Returns the next token as an error shows it.
    pub(super) fn found(&self) -> String {
        let Place { start, end } = self.place();
        let text = self.tokens.text.get(start..end).unwrap_or_default();
        if text.is_empty() {
            return "the end of the statement".to_owned();
        }
        match text.char_indices().nth(MOST_SHOWN) {
            Some((cut, _)) => format!("`{}…`", text.get(..cut).unwrap_or_default()),
            None => format!("`{text}`"),
        }
    }

    pub(super) fn next_token(&self) -> &Token {
        &self.reader.peek().token
    }

    pub(super) fn second_token(&self) -> &Token {
        &self.reader.peek_second().token
    }

    pub(super) fn advance(&mut self) -> Place {
        let place = self.place();
        self.tried.clear();
        self.reader.advance();
        place
    }

    /// Returns the next word without quotes.
    pub(super) fn next_word(&self) -> Option<&str> {
        match self.next_token() {
            Token::Word(Word {
                value,
                quote_style: None,
                ..
            }) => Some(value),
            _ => None,
        }
    }

    /// Takes a word if it is the next one.
    pub(super) fn takes(&mut self, word: &'static str) -> bool {
        let is_next = self
            .next_word()
            .is_some_and(|next| next.eq_ignore_ascii_case(word));
        if is_next {
            self.advance();
        } else {
            self.tried.push(Expected::Word(word));
        }
        is_next
    }

    /// Takes a sign if it is the next one.
    pub(super) fn takes_sign(&mut self, sign: &Token, shown: &'static str) -> bool {
        let is_next = self.next_token() == sign;
        if is_next {
            self.advance();
        } else {
            self.tried.push(Expected::Thing(shown));
        }
        is_next
    }

    /// Takes a word that must come next.
    pub(super) fn word(&mut self, word: &'static str) -> Result<(), LanguageError> {
        if self.takes(word) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// Takes a sign that must come next.
    pub(super) fn sign(&mut self, sign: &Token, shown: &'static str) -> Result<(), LanguageError> {
        if self.takes_sign(sign, shown) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// Takes one of several words, and returns what it stands for.
    pub(super) fn one_of<T: Copy>(
        &mut self,
        words: &[(&'static str, T)],
    ) -> Result<T, LanguageError> {
        for (word, meaning) in words {
            if self.takes(word) {
                return Ok(*meaning);
            }
        }
        Err(self.unexpected())
    }

    /// Takes a name, which may be in double quotes.
    pub(super) fn name(&mut self, what: &'static str) -> Result<Text, LanguageError> {
        let Token::Word(word) = self.next_token() else {
            return Err(self.expected(what));
        };
        let value = match word.quote_style {
            Some(_) => word.value.clone(),
            None => word.value.to_lowercase(),
        };
        Ok(Text {
            value,
            place: self.advance(),
        })
    }

    /// Takes a text in quotes.
    pub(super) fn text(&mut self, what: &'static str) -> Result<Text, LanguageError> {
        let value = match self.next_token() {
            Token::SingleQuotedString(text) => text.clone(),
            Token::DollarQuotedString(text) => text.value.clone(),
            _ => return Err(self.expected(what)),
        };
        Ok(Text {
            value,
            place: self.advance(),
        })
    }

    /// Takes an expression.
    pub(super) fn expression(&mut self) -> Result<Condition, LanguageError> {
        self.part(SqlReader::expression)
    }

    /// Takes a query.
    pub(super) fn query(&mut self) -> Result<Condition, LanguageError> {
        self.part(SqlReader::query)
    }

    /// Takes `WHERE` and an expression, if they come next.
    pub(super) fn condition(&mut self) -> Result<Option<Condition>, LanguageError> {
        if self.takes("WHERE") {
            self.expression().map(Some)
        } else {
            Ok(None)
        }
    }

    fn part(
        &mut self,
        read: impl FnOnce(&mut SqlReader) -> Result<SqlPart, kymo_query::Error>,
    ) -> Result<Condition, LanguageError> {
        let first = self.place();
        let part = read(&mut self.reader)
            .map_err(|error| sql(self.tokens, self.statement, first, error))?;
        self.tried.clear();
        let place = Place {
            start: self.tokens.byte(location(part.start)),
            end: self.tokens.byte(location(part.end)),
        };
        let text = self.tokens.text.get(place.start..place.end);
        Ok(Condition {
            sql: text.unwrap_or_default().to_owned(),
            place,
            columns: part.columns,
            has_subquery: part.has_query,
        })
    }

    /// Says that something stands where `what` belongs.
    pub(super) fn expected(&mut self, what: &'static str) -> LanguageError {
        self.tried.push(Expected::Thing(what));
        self.unexpected()
    }

    /// Says that none of what was looked for stands here.
    pub(super) fn unexpected(&self) -> LanguageError {
        let words = self.tried.iter().filter_map(|expected| match expected {
            Expected::Word(word) => Some(*word),
            Expected::Thing(_) => None,
        });
        LanguageError::Unexpected {
            expected: list(&self.tried),
            found: self.found(),
            nearest: self.next_word().and_then(|word| nearest(word, words)),
            form: self.form,
            place: self.place(),
        }
    }
}

/// `A`, `B` or `C`
fn list(tried: &[Expected]) -> String {
    let mut shown: Vec<String> = Vec::with_capacity(tried.len());
    for expected in tried {
        let one = match expected {
            Expected::Word(word) => format!("`{word}`"),
            Expected::Thing(thing) => (*thing).to_owned(),
        };
        if !shown.contains(&one) {
            shown.push(one);
        }
    }
    match shown.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}

/// Says what is wrong with SQL that begins at `first`.
fn sql(tokens: &Tokens, statement: Place, first: Place, error: kymo_query::Error) -> LanguageError {
    let place = match (error.position(), &error) {
        (Some(position), _) => tokens.at(position),
        // The parser gives no place to the end.
        (None, kymo_query::Error::Syntax { .. }) => Place {
            start: statement.end,
            end: statement.end,
        },
        (None, _) => first,
    };
    LanguageError::Sql {
        source: Box::new(error),
        place,
    }
}
