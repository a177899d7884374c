//! Finds in a query's filters what a trace can answer by itself.

use std::collections::BTreeSet;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{Between, InList};
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, Operator};
use kymo_model::Timestamp;

use crate::conditions::{Condition, Key};

/// Returns the conditions that say exactly what the filter says; `None` where a trace cannot.
pub(super) fn conditions(filter: &Expr) -> Option<Vec<Condition>> {
    match filter {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::And,
            right,
        }) => {
            let mut all = conditions(left)?;
            all.extend(conditions(right)?);
            Some(all)
        }
        Expr::BinaryExpr(BinaryExpr {
            op: Operator::Or, ..
        }) => {
            let (key, values) = either(filter)?;
            Some(vec![Condition::OneOf(key, values)])
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => comparison(left, *op, right),
        Expr::InList(InList {
            expr,
            list,
            negated: false,
        }) => {
            let values = list.iter().map(text).collect::<Option<_>>()?;
            Some(vec![Condition::OneOf(key(expr)?, values)])
        }
        Expr::Between(Between {
            expr,
            negated: false,
            low,
            high,
        }) if is_ts(expr) => Some(vec![
            Condition::From(Timestamp(nanoseconds(low)?)),
            Condition::To(Timestamp(nanoseconds(high)?)),
        ]),
        _ => None,
    }
}

fn comparison(left: &Expr, op: Operator, right: &Expr) -> Option<Vec<Condition>> {
    if literal(left).is_some() {
        return comparison_with_literal(right, op.swap()?, left);
    }
    comparison_with_literal(left, op, right)
}

fn comparison_with_literal(column: &Expr, op: Operator, value: &Expr) -> Option<Vec<Condition>> {
    if !is_ts(column) {
        let key = (op == Operator::Eq).then(|| key(column)).flatten()?;
        return Some(vec![Condition::OneOf(key, BTreeSet::from([text(value)?]))]);
    }
    let at = nanoseconds(value)?;
    let from = |ns| Condition::From(Timestamp(ns));
    let to = |ns| Condition::To(Timestamp(ns));
    match op {
        Operator::Eq => Some(vec![from(at), to(at)]),
        Operator::GtEq => Some(vec![from(at)]),
        Operator::Gt => Some(vec![from(at.checked_add(1)?)]),
        Operator::LtEq => Some(vec![to(at)]),
        Operator::Lt => Some(vec![to(at.checked_sub(1)?)]),
        _ => None,
    }
}

/// `kind = 'Pod' OR kind = 'Node'`: what a short IN list becomes.
fn either(filter: &Expr) -> Option<(Key, BTreeSet<String>)> {
    match filter {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::Or,
            right,
        }) => {
            let (key, mut values) = either(left)?;
            let (other, more) = either(right)?;
            values.extend(more);
            (key == other).then_some((key, values))
        }
        other => match conditions(other)?.as_slice() {
            [Condition::OneOf(key, values)] => Some((*key, values.clone())),
            _ => None,
        },
    }
}

fn is_ts(expr: &Expr) -> bool {
    matches!(expr, Expr::Column(column) if column.name == "ts")
}

/// The key that an expression stands for: the column itself, or its text where it is a dictionary.
fn key(expr: &Expr) -> Option<Key> {
    match expr {
        Expr::Column(column) => Key::of_column(&column.name),
        Expr::Cast(Cast { expr, field }) if field.data_type().is_string() => key(expr),
        _ => None,
    }
}

fn literal(expr: &Expr) -> Option<&ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value),
        _ => None,
    }
}

fn text(expr: &Expr) -> Option<String> {
    literal(expr)?.try_as_str()?.map(str::to_owned)
}

fn nanoseconds(expr: &Expr) -> Option<i64> {
    match literal(expr)? {
        ScalarValue::TimestampNanosecond(value, _) => *value,
        ScalarValue::TimestampMicrosecond(value, _) => value.as_ref()?.checked_mul(1_000),
        ScalarValue::TimestampMillisecond(value, _) => value.as_ref()?.checked_mul(1_000_000),
        ScalarValue::TimestampSecond(value, _) => value.as_ref()?.checked_mul(1_000_000_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{col, lit};

    use super::*;

    fn at(ns: i64) -> Expr {
        lit(ScalarValue::TimestampNanosecond(
            Some(ns),
            Some("UTC".into()),
        ))
    }

    fn one_of(key: Key, values: &[&str]) -> Condition {
        Condition::OneOf(
            key,
            values.iter().map(|value| (*value).to_owned()).collect(),
        )
    }

    #[test]
    fn open_bounds_become_closed_ones() {
        assert_eq!(
            conditions(&col("ts").gt(at(5))),
            Some(vec![Condition::From(Timestamp(6))])
        );
        assert_eq!(
            conditions(&at(5).gt(col("ts"))),
            Some(vec![Condition::To(Timestamp(4))])
        );
        assert_eq!(
            conditions(&col("ts").between(at(1), at(2))),
            Some(vec![
                Condition::From(Timestamp(1)),
                Condition::To(Timestamp(2))
            ])
        );
        assert_eq!(conditions(&col("ts").gt(at(i64::MAX))), None);
    }

    #[test]
    fn equality_lists_and_alternatives_of_one_column_are_sets() {
        let filter = col("kind").eq(lit("Pod")).or(lit("Node").eq(col("kind")));
        assert_eq!(
            conditions(&filter),
            Some(vec![one_of(Key::Kind, &["Node", "Pod"])])
        );
        let filter = col("name").in_list(vec![lit("a"), lit("b")], false);
        assert_eq!(
            conditions(&filter),
            Some(vec![one_of(Key::Name, &["a", "b"])])
        );
    }

    #[test]
    fn what_a_trace_cannot_say_exactly_stays_with_the_engine() {
        for filter in [
            col("kind").eq(lit("Pod")).or(col("name").eq(lit("a"))),
            col("kind").not_eq(lit("Pod")),
            col("name").in_list(vec![lit("a")], true),
            col("name").in_list(vec![lit("a"), lit(ScalarValue::Utf8(None))], false),
            col("name").gt(lit("a")),
            col("object").eq(lit("{}")),
            col("name").eq(col("uid")),
            col("ts").eq(col("created")),
        ] {
            assert_eq!(conditions(&filter), None, "{filter}");
        }
    }
}
