//! The tokens of a script and the bytes at which they stand.

use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan};
use kymo_query::Position;

use crate::language::Place;

/// The tokens of a script.
pub(in crate::language) struct Tokens<'a> {
    pub(super) text: &'a str,
    pub(in crate::language) all: Vec<TokenWithSpan>,
    /// The first byte of each token and the end of the text, in the order of their places.
    starts: Vec<(Location, usize)>,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str, all: Vec<TokenWithSpan>) -> Self {
        let mut starts = Vec::with_capacity(all.len() + 1);
        let mut tokens = all.iter().map(|token| token.span.start).peekable();
        let mut here = Location { line: 1, column: 1 };
        for (byte, character) in text.char_indices() {
            if tokens.next_if_eq(&here).is_some() {
                starts.push((here, byte));
            }
            if character == '\n' {
                here.line += 1;
                here.column = 1;
            } else {
                here.column += 1;
            }
        }
        starts.push((here, text.len()));
        Self { text, all, starts }
    }

    /// Returns the first byte of what begins at a place.
    pub(super) fn byte(&self, place: Location) -> usize {
        let found = self
            .starts
            .binary_search_by_key(&place, |(start, _)| *start);
        let (Ok(index) | Err(index)) = found;
        self.starts
            .get(index)
            .map_or(self.text.len(), |(_, byte)| *byte)
    }

    /// Returns the bytes of a token.
    pub(in crate::language) fn place(&self, token: &TokenWithSpan) -> Place {
        Place {
            start: self.byte(token.span.start),
            end: self.byte(token.span.end),
        }
    }

    /// Returns the bytes of the token that begins at a position.
    pub(super) fn at(&self, position: Position) -> Place {
        let place = location(position);
        let found = self
            .starts
            .binary_search_by_key(&place, |(start, _)| *start);
        let (Ok(index) | Err(index)) = found;
        let byte = |index| {
            self.starts
                .get(index)
                .map_or(self.text.len(), |(_, byte)| *byte)
        };
        Place {
            start: byte(index),
            end: byte(index + 1),
        }
    }

    /// Returns the bytes from the first to the last token that is no space and no comment.
    pub(super) fn extent(&self, tokens: &[TokenWithSpan]) -> Option<Place> {
        let mut significant = tokens
            .iter()
            .filter(|token| !matches!(token.token, Token::Whitespace(_)));
        let first = significant.next()?;
        let last = significant.next_back().unwrap_or(first);
        Some(Place {
            start: self.byte(first.span.start),
            end: self.byte(last.span.end),
        })
    }
}

pub(super) fn location(position: Position) -> Location {
    Location {
        line: position.line,
        column: position.column,
    }
}
