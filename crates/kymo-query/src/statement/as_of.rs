//! `versions AS OF '10m'`: a table as it stood at a time.
//!
//! SQL:2011 has `FOR SYSTEM_TIME AS OF time` after the name of a table with system versions;
//! the words before `AS` can be left out here. It stands between the name and the alias, and
//! becomes the subquery that says the same with `valid_from` and `valid_to`.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, ObjectName, ObjectNamePart, TableAlias, TableFactor, Value,
    VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::{Dialect, PostgreSqlDialect};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::{MOST_DEPTH, Named, at_place};
use crate::Error;
use crate::error::{Phase, translate};

/// The table function that is `versions AS OF`.
pub(super) const STATE_AT: &str = "state_at";

const VERSIONS: &str = "versions";

/// The times that a statement asks for, by the place of the table's name.
pub(super) type Times = BTreeMap<Location, AsOf>;

/// `AS OF time`, taken out of a statement.
#[derive(Debug)]
pub(super) struct AsOf {
    time: Expr,
    /// Where its first word is.
    place: Location,
}

/// Takes every `AS OF time` out of the tokens of a statement.
pub(super) fn take(
    tokens: &[TokenWithSpan],
    dialect: &dyn Dialect,
) -> Result<(Vec<TokenWithSpan>, Times), DataFusionError> {
    let mut times = Times::new();
    let mut kept: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut rest = tokens;
    while let Some((token, after)) = rest.split_first() {
        let Some(time) = as_of(rest) else {
            kept.push(token.clone());
            rest = after;
            continue;
        };
        let place = drop_system_time(&mut kept).unwrap_or(token.span.start);
        let name = kept.iter().rev().find(|token| is_significant(token));
        let Some(name) = name.filter(|token| matches!(token.token, Token::Word(_))) else {
            return Err(misplaced(place));
        };
        let mut parser = Parser::new(dialect)
            .with_recursion_limit(MOST_DEPTH)
            .with_tokens_with_locations(time.to_vec());
        let asked = AsOf {
            time: parser.parse_expr()?,
            place,
        };
        times.insert(name.span.start, asked);
        rest = time.get(parser.index()..).unwrap_or_default();
    }
    Ok((kept, times))
}

fn misplaced(place: Location) -> DataFusionError {
    let message = "AS OF stands between the name of a table and its alias".to_owned();
    ParserError::ParserError(format!("{message}{place}")).into()
}

/// Returns what follows `AS OF`, if this begins so.
fn as_of(tokens: &[TokenWithSpan]) -> Option<&[TokenWithSpan]> {
    let after = after_keyword(tokens, Keyword::AS)?;
    let next = after.iter().position(is_significant)?;
    after_keyword(after.get(next..)?, Keyword::OF)
}

fn after_keyword(tokens: &[TokenWithSpan], keyword: Keyword) -> Option<&[TokenWithSpan]> {
    let (first, after) = tokens.split_first()?;
    is_keyword(first, keyword).then_some(after)
}

fn is_keyword(token: &TokenWithSpan, keyword: Keyword) -> bool {
    matches!(&token.token, Token::Word(word) if word.keyword == keyword && word.quote_style.is_none())
}

fn is_significant(token: &TokenWithSpan) -> bool {
    !matches!(token.token, Token::Whitespace(_))
}

/// Drops `FOR SYSTEM_TIME` from the end; returns where it began.
fn drop_system_time(kept: &mut Vec<TokenWithSpan>) -> Option<Location> {
    let mut significant = kept
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, token)| is_significant(token));
    let (_, system_time) = significant.next()?;
    let (index, first) = significant.next()?;
    if !is_keyword(system_time, Keyword::SYSTEM_TIME) || !is_keyword(first, Keyword::FOR) {
        return None;
    }
    let place = first.span.start;
    kept.truncate(index);
    Some(place)
}

/// Puts subqueries in place of the tables of which a time was asked, and of `state_at(time)`;
/// returns the tables.
pub(super) fn put(node: &mut impl VisitMut, times: Times) -> Result<Vec<Named>, Error> {
    let mut rewriter = Rewriter {
        times,
        asked: Vec::new(),
    };
    if let ControlFlow::Break(error) = node.visit(&mut rewriter) {
        return Err(error);
    }
    nothing_left(rewriter.times)?;
    Ok(rewriter.asked)
}

/// Fails where a time belongs to no table.
pub(super) fn nothing_left(times: Times) -> Result<(), Error> {
    match times.into_values().next() {
        Some(left) => Err(at_place(
            "AS OF stands between the name of a table and its alias",
            left.place,
        )),
        None => Ok(()),
    }
}

struct Rewriter {
    times: Times,
    asked: Vec<Named>,
}

impl VisitorMut for Rewriter {
    type Break = Error;

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        match self.rewritten(factor) {
            Ok(Some(rewritten)) => *factor = rewritten,
            Ok(None) => {}
            Err(error) => return ControlFlow::Break(error),
        }
        ControlFlow::Continue(())
    }
}

impl Rewriter {
    fn rewritten(&mut self, factor: &TableFactor) -> Result<Option<TableFactor>, Error> {
        let TableFactor::Table {
            name, alias, args, ..
        } = factor
        else {
            return Ok(None);
        };
        let Some(last) = name.0.last().and_then(ObjectNamePart::as_ident) else {
            return Ok(None);
        };
        let asked = self.times.remove(&last.span.start);
        let (table, time) = match (asked, args) {
            (Some(asked), None) => {
                self.asked.push(Named::new(name));
                (name.clone(), asked.time)
            }
            (Some(asked), Some(_)) => {
                return Err(at_place("a function has no AS OF", asked.place));
            }
            (None, Some(args)) if last.value.eq_ignore_ascii_case(STATE_AT) => {
                let [FunctionArg::Unnamed(FunctionArgExpr::Expr(time))] = args.args.as_slice()
                else {
                    let message = "state_at takes one time, such as state_at('10m')";
                    return Err(at_place(message, last.span.start));
                };
                (versions_beside(name), time.clone())
            }
            (None, _) => return Ok(None),
        };
        let alias = alias.clone().unwrap_or_else(|| TableAlias {
            explicit: true,
            name: last.clone(),
            columns: Vec::new(),
            at: None,
        });
        at_time(table, time, alias).map(Some)
    }
}

/// Returns the name of `versions` in the schema of a table function.
fn versions_beside(name: &ObjectName) -> ObjectName {
    let mut name = name.clone();
    if let Some(ObjectNamePart::Identifier(ident)) = name.0.last_mut() {
        VERSIONS.clone_into(&mut ident.value);
        ident.quote_style = None;
    }
    name
}

/// What a table at a time is; a text as a time goes through the function `at`.
const AT_TIME: &str = "(SELECT * FROM a_table WHERE valid_from <= a_time \
    AND (valid_to IS NULL OR valid_to > a_time))";

/// What a text as a time is, of the only trace or of one with a name.
const AT: &str = "at(a_text)";
const AT_OF_TRACE: &str = "at(a_text, a_trace)";

fn at_time(table: ObjectName, time: Expr, alias: TableAlias) -> Result<TableFactor, Error> {
    let parse = || {
        let time = if is_text(&time) {
            let trace = trace_of(&table);
            let form = trace.as_ref().map_or(AT, |_| AT_OF_TRACE);
            let mut call = template(form)?.parse_expr()?;
            let mut filler = Filler::default();
            filler.expressions.insert("a_text", time);
            if let Some(trace) = trace {
                filler.expressions.insert("a_trace", Expr::value(trace));
            }
            let _end = call.visit(&mut filler);
            call
        } else {
            time
        };
        let mut factor = template(AT_TIME)?.parse_table_factor()?;
        let _end = factor.visit(&mut Filler {
            table: Some(table),
            expressions: BTreeMap::from([("a_time", time)]),
        });
        if let TableFactor::Derived { alias: own, .. } = &mut factor {
            *own = Some(alias);
        }
        Ok(factor)
    };
    parse().map_err(|error: ParserError| translate(error.into(), Phase::Planning))
}

/// Begins to parse what is no part of the statement, so that it has no places in it.
fn template(text: &str) -> Result<Parser<'static>, ParserError> {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize()?;
    Ok(Parser::new(&PostgreSqlDialect {}).with_tokens(tokens))
}

/// Returns the name of a table's trace, if it is said, as a text of SQL.
fn trace_of(table: &ObjectName) -> Option<Value> {
    let schema = table.0.iter().rev().nth(1)?.as_ident()?;
    let name = match schema.quote_style {
        Some(_) => schema.value.clone(),
        None => schema.value.to_lowercase(),
    };
    Some(Value::SingleQuotedString(name))
}

/// A parameter is a text as well: there are none of other types that are times.
fn is_text(expr: &Expr) -> bool {
    let Expr::Value(value) = expr else {
        return false;
    };
    matches!(
        value.value,
        Value::SingleQuotedString(_) | Value::Placeholder(_)
    )
}

/// Fills tables and expressions into a template.
#[derive(Default)]
struct Filler {
    table: Option<ObjectName>,
    expressions: BTreeMap<&'static str, Expr>,
}

impl VisitorMut for Filler {
    type Break = ();

    fn post_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<()> {
        if let Some(table) = &self.table {
            relation.clone_from(table);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(ident) = expr
            && let Some(filled) = self.expressions.get(ident.value.as_str())
        {
            *expr = filled.clone();
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use crate::statement::ReadStatement;
    use crate::{Error, Parameter, Parameters, Position};

    fn rewritten(text: &str) -> Result<String, Error> {
        let parameters = if text.contains('$') {
            Parameters::from([("t".to_owned(), Parameter::Text("5s".into()))])
        } else {
            Parameters::new()
        };
        Ok(ReadStatement::parse(text, &parameters, None)?
            .statement
            .to_string())
    }

    #[test]
    fn a_table_at_a_time_is_the_rows_that_were_valid_then() {
        let held = |table: &str, time: &str, alias: &str| {
            format!(
                "(SELECT * FROM {table} WHERE valid_from <= {time} AND \
                 (valid_to IS NULL OR valid_to > {time})) AS {alias}"
            )
        };
        for (text, expected) in [
            (
                "SELECT 1 FROM pods AS OF '10m'",
                held("pods", "at('10m')", "pods"),
            ),
            (
                "SELECT 1 FROM pods FOR SYSTEM_TIME AS OF TIMESTAMP '2026-11-21' AS p",
                held("pods", "TIMESTAMP '2026-11-21'", "p"),
            ),
            (
                "SELECT 1 FROM \"Sim\".pods as of $t",
                held("\"Sim\".pods", "at('5s', 'Sim')", "pods"),
            ),
            (
                "SELECT 1 FROM PROD.state_at('it''s')",
                held("PROD.versions", "at('it''s', 'prod')", "state_at"),
            ),
            (
                "EXPLAIN SELECT 1 FROM pods AS OF at('1m') + INTERVAL '1s' AS p",
                held("pods", "at('1m') + INTERVAL '1s'", "p"),
            ),
        ] {
            let found = rewritten(text).unwrap();
            assert!(found.contains(&expected), "{text}: {found}");
        }
        let two =
            "SELECT 1 FROM pods AS OF '1s' a JOIN pods AS OF '2s' b ON true WHERE x = 'AS OF'";
        let found = rewritten(two).unwrap();
        assert!(
            found.contains("at('1s')") && found.contains("at('2s')"),
            "{found}"
        );
    }

    #[test]
    fn a_column_may_be_called_of() {
        let found = rewritten("SELECT 1 AS \"of\" FROM pods").unwrap();
        assert!(found.contains("AS \"of\""), "{found}");
    }

    #[test]
    fn a_time_that_belongs_to_no_table_is_refused_where_it_stands() {
        for (text, column) in [
            ("SELECT 1 FROM pods p AS OF '10m'", 22),
            ("SELECT 1 FROM (SELECT 1) AS OF '10m'", 26),
            ("SELECT 1 AS OF '10m'", 10),
            ("AS OF '10m'", 1),
            ("SELECT 1 FROM state_at('a', 'b')", 15),
        ] {
            let error = rewritten(text).unwrap_err();
            assert_eq!(
                error.position(),
                Some(Position { line: 1, column }),
                "{text}: {error}"
            );
        }
        assert!(rewritten("SELECT 1 FROM pods AS OF").is_err());
        let text = "SELECT 1\nFROM pods AS OF $when";
        let error = ReadStatement::parse(text, &Parameters::new(), None).unwrap_err();
        assert_eq!(
            error.position(),
            Some(Position {
                line: 2,
                column: 17
            }),
            "{error}"
        );
    }
}
