//! SQL inside of other languages: expressions and queries between words that are not SQL's.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, Value, ValueWithSpan, Visit, VisitMut, Visitor,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use super::as_of::{self, Times};
use super::{MOST_DEPTH, Reader, at_place, is_too_long, tokenize};
use crate::error::{Phase, translate};
use crate::{Error, Position};

/// Reads expressions and queries out of text in which other words stand as well.
///
/// What it accepts is what a [`QuerySession`](crate::QuerySession) runs where such an expression
/// or query stands in a statement: the same dialect, with `AS OF` and without anything that
/// writes or names a file.
pub struct SqlReader {
    parser: Parser<'static>,
    times: Times,
}

/// What an expression or a query reads, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlPart {
    /// Its first character.
    pub start: Position,
    /// The character behind its last one.
    pub end: Position,
    /// The names of columns in it, in lower case unless quoted; also those of tables before a dot.
    pub columns: BTreeSet<String>,
    /// Whether it is or has in it a query.
    pub has_query: bool,
}

impl SqlReader {
    /// Splits a text into tokens, with the spaces and comments between them.
    pub fn tokens(text: &str) -> Result<Vec<TokenWithSpan>, Error> {
        if let Some(error) = is_too_long(text) {
            return Err(error);
        }
        tokenize(text).map_err(|error| translate(error.into(), Phase::Planning))
    }

    /// Begins to read one statement; its tokens have the places of the whole text.
    pub fn new(tokens: &[TokenWithSpan]) -> Result<Self, Error> {
        super::check_chains(tokens)?;
        let (tokens, times) = as_of::take(tokens, &PostgreSqlDialect {})
            .map_err(|error| translate(error, Phase::Planning))?;
        let parser = Parser::new(&PostgreSqlDialect {})
            .with_recursion_limit(MOST_DEPTH)
            .with_tokens_with_locations(tokens);
        Ok(Self { parser, times })
    }

    /// Returns the next token that is no space and no comment; behind the end, that is one of its
    /// own kind without a place.
    pub fn peek(&self) -> &TokenWithSpan {
        self.parser.peek_token_ref()
    }

    /// Returns the token behind the next one.
    pub fn peek_second(&self) -> &TokenWithSpan {
        self.parser.peek_nth_token_ref(1)
    }

    /// Takes the next token.
    pub fn advance(&mut self) -> TokenWithSpan {
        self.parser.next_token()
    }

    /// Reads an expression, as far as it goes.
    pub fn expression(&mut self) -> Result<SqlPart, Error> {
        self.part(Parser::parse_expr)
    }

    /// Reads a query, as far as it goes.
    pub fn query(&mut self) -> Result<SqlPart, Error> {
        self.part(|parser| parser.parse_query().map(|query| *query))
    }

    /// Fails where `AS OF` was found outside of all expressions and queries.
    pub fn finish(self) -> Result<(), Error> {
        as_of::nothing_left(self.times)
    }

    fn part<N>(
        &mut self,
        parse: impl FnOnce(&mut Parser<'static>) -> Result<N, ParserError>,
    ) -> Result<SqlPart, Error>
    where
        N: Visit + VisitMut,
    {
        let start = self.parser.peek_token_ref().span.start;
        let mut node =
            parse(&mut self.parser).map_err(|error| translate(error.into(), Phase::Planning))?;
        let end = self.end_of_last();
        let mut times = self.times.split_off(&start);
        let mut later = times.split_off(&end);
        self.times.append(&mut later);
        let mut names = Names::default();
        walk(&node, &mut names)?;
        // What `AS OF` becomes is no word of the text, but its time is.
        as_of::put(&mut node, times)?;
        walk(&node, &mut Names::default())?;
        walk(&node, &mut Reader::default())?;
        Ok(SqlPart {
            start: position(start),
            end: position(end),
            columns: names.columns,
            has_query: names.has_query,
        })
    }

    fn end_of_last(&self) -> Location {
        let mut index = self.parser.index();
        while let Some(before) = index.checked_sub(1) {
            let token = self.parser.token_at(before);
            if !matches!(token.token, Token::Whitespace(_)) {
                return token.span.end;
            }
            index = before;
        }
        Location::empty()
    }
}

fn walk(node: &impl Visit, visitor: &mut impl Visitor<Break = Error>) -> Result<(), Error> {
    match node.visit(visitor) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

fn position(place: Location) -> Position {
    Position {
        line: place.line,
        column: place.column,
    }
}

/// Walks through an expression or a query and notes what it names.
#[derive(Default)]
struct Names {
    columns: BTreeSet<String>,
    has_query: bool,
}

impl Names {
    fn add(&mut self, ident: &Ident) {
        self.columns.insert(match ident.quote_style {
            Some(_) => ident.value.clone(),
            None => ident.value.to_lowercase(),
        });
    }
}

impl Visitor for Names {
    type Break = Error;

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<Error> {
        self.has_query = true;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Error> {
        match expr {
            Expr::Identifier(ident) => self.add(ident),
            Expr::CompoundIdentifier(idents) => idents.iter().for_each(|ident| self.add(ident)),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<Error> {
        match &value.value {
            Value::Placeholder(name) => ControlFlow::Break(at_place(
                &format!("`{name}` has no value here; only a query has parameters"),
                value.span.start,
            )),
            _ => ControlFlow::Continue(()),
        }
    }
}
