//! Why a statement matches nothing.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Value};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use kymo_query::{QuerySession, nearest};

use super::Selection;
use crate::Error;
use crate::language::Unit;
use crate::rows::{each_batch, numbers, texts};

/// Parts of a condition that are looked at, and values of a column.
const MOST_PARTS: usize = 32;
const MOST_VALUES: usize = 10_000;

/// Says which part of a condition is true for nothing, and what was probably meant.
pub(super) async fn reason(
    selection: &Selection<'_>,
    session: &QuerySession,
) -> Result<Option<String>, Error> {
    let (table, thing) = match selection.unit {
        Unit::Events => ("events", "event"),
        Unit::Objects => ("objects", "object"),
    };
    let Some(condition) = selection.condition else {
        return Ok(Some(format!("there is no {thing}")));
    };
    let parsed = Parser::new(&PostgreSqlDialect {}).try_with_sql(&condition.sql);
    let Ok(whole) = parsed.and_then(|mut parser| parser.parse_expr()) else {
        return Ok(None);
    };
    let mut parts = Vec::new();
    split(&whole, &mut parts);
    if parts.len() > MOST_PARTS {
        return Ok(None);
    }
    let counts: Vec<String> = parts
        .iter()
        .map(|part| format!("count(*) FILTER (WHERE ({part}))"))
        .collect();
    let mut found = Vec::new();
    let sql = format!("SELECT {} FROM {table}", counts.join(", "));
    each_batch(session, &sql, |batch| {
        for column in 0..batch.num_columns() {
            found.extend(numbers(batch, column)?.next().flatten());
        }
        Ok(())
    })
    .await?;
    let Some((part, _)) = parts.iter().zip(&found).find(|(_, count)| **count == 0) else {
        return Ok(Some(format!(
            "each part is true for some {thing}s, and all of them for none"
        )));
    };
    let meant = match value(part) {
        Some((column, value)) => meant(column, value, table, session).await?,
        None => None,
    };
    let meant = meant.map_or_else(String::new, |meant| format!("; did you mean '{meant}'?"));
    Ok(Some(format!("`{part}` is true for no {thing}{meant}")))
}

/// Finds the parts that must all be true.
fn split<'a>(whole: &'a Expr, parts: &mut Vec<&'a Expr>) {
    let mut open = vec![whole];
    while let Some(expression) = open.pop() {
        match expression {
            Expr::BinaryOp {
                left,
                op: BinaryOperator::And,
                right,
            } => open.extend([right.as_ref(), left.as_ref()]),
            Expr::Nested(inner) => open.push(inner),
            other => parts.push(other),
        }
    }
}

/// Returns the column and the text of `column = 'text'`.
fn value(part: &Expr) -> Option<(&str, &str)> {
    let Expr::BinaryOp {
        left,
        op: BinaryOperator::Eq,
        right,
    } = part
    else {
        return None;
    };
    match (left.as_ref(), right.as_ref()) {
        (Expr::Identifier(column), Expr::Value(value)) => match &value.value {
            Value::SingleQuotedString(text) => Some((&column.value, text)),
            _ => None,
        },
        _ => None,
    }
}

/// Finds the value of a column that was probably meant.
async fn meant(
    column: &str,
    wanted: &str,
    table: &str,
    session: &QuerySession,
) -> Result<Option<String>, Error> {
    if !["kind", "namespace", "name", "resource", "type", "certainty"].contains(&column) {
        return Ok(None);
    }
    let sql = format!("SELECT DISTINCT {column} FROM {table} ORDER BY 1 LIMIT {MOST_VALUES}");
    let mut known: Vec<String> = Vec::new();
    each_batch(session, &sql, |batch| {
        known.extend(texts(batch, 0)?.iter().flatten().map(str::to_owned));
        Ok(())
    })
    .await?;
    let same = known
        .iter()
        .find(|known| known.eq_ignore_ascii_case(wanted));
    let meant = same
        .map(String::as_str)
        .or_else(|| nearest(wanted, known.iter().map(String::as_str)));
    Ok(meant.map(str::to_owned))
}
