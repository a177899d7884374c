//! Typed views: one for each built-in kind, a row for each version of an object.
//!
//! The files in `kinds/` say which columns a kind has; here they get what every view has: the
//! object's identity, its metadata, and the time for which the version held.

use std::fmt::Write as _;
use std::sync::LazyLock;

use datafusion::sql::sqlparser::ast::{CreateView, Expr, SelectItem, SetExpr, Statement};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

const FILES: [&str; 8] = [
    include_str!("kinds/access.sql"),
    include_str!("kinds/apps.sql"),
    include_str!("kinds/batch.sql"),
    include_str!("kinds/core.sql"),
    include_str!("kinds/extension.sql"),
    include_str!("kinds/networking.sql"),
    include_str!("kinds/scaling.sql"),
    include_str!("kinds/storage.sql"),
];

/// What every view has after its own columns, as it is called in `events`.
pub(super) const METADATA: [&str; 15] = [
    "uid",
    "resource_version",
    "generation",
    "labels",
    "annotations",
    "created",
    "deleted",
    "owner_kind",
    "owner_name",
    "owner_uid",
    "certainty",
    "object",
    "session",
    "epoch",
    "cluster",
];

/// Returns the views: name and definition.
pub(super) fn views() -> &'static [(String, String)] {
    static VIEWS: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
        let statements = FILES
            .iter()
            .flat_map(|file| Parser::parse_sql(&PostgreSqlDialect {}, file).unwrap_or_default());
        statements.filter_map(|view| definition(&view)).collect()
    });
    &VIEWS
}

/// Makes the definition of a view that says which columns it has and of which events.
fn definition(view: &Statement) -> Option<(String, String)> {
    let Statement::CreateView(CreateView { name, query, .. }) = view else {
        return None;
    };
    let SetExpr::Select(select) = query.body.as_ref() else {
        return None;
    };
    let columns: Vec<Column> = select
        .projection
        .iter()
        .map(column)
        .collect::<Option<_>>()?;
    let condition = select.selection.as_ref()?.to_string();
    Some((name.to_string(), over_versions(&columns, &condition)))
}

/// A column of a view of its own.
pub(super) struct Column {
    /// Its name, quoted where it must be.
    pub(super) name: String,
    /// What it is of an event.
    pub(super) expression: String,
}

fn column(item: &SelectItem) -> Option<Column> {
    match item {
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(Column {
            name: name.to_string(),
            expression: name.to_string(),
        }),
        SelectItem::ExprWithAlias { expr, alias } => Some(Column {
            name: alias.to_string(),
            expression: expr.to_string(),
        }),
        _ => None,
    }
}

/// Writes a view of the versions of some events with columns of its own.
///
/// The columns are made before versions are put in order, so that whole objects are not sorted
/// where only a column of them is asked for.
pub(super) fn over_versions(columns: &[Column], condition: &str) -> String {
    let mut own = String::new();
    let mut made = String::new();
    for Column { name, expression } in columns {
        let _infallible = write!(own, "{name}, ");
        let _infallible = write!(made, "{expression} AS {name}, ");
    }
    let is_namespaced = columns
        .iter()
        .any(|column| column.name.trim_matches('"') == "namespace");
    let namespace = if is_namespaced { "namespace, " } else { "" };
    let metadata = METADATA.join(", ");
    format!(
        "SELECT {own}valid_from, valid_to, ended_by, creation_seen, {metadata} FROM (\
           SELECT *, lead(valid_from) OVER life AS valid_to, lead(event_type) OVER life AS ended_by, \
             first_value(event_type = 'ADDED' AND certainty = 'seen') OVER life AS creation_seen \
           FROM (\
             SELECT {made}ts AS valid_from, seq, type AS event_type, api_group, {metadata} \
             FROM events WHERE {condition}\
           ) \
           WINDOW life AS (PARTITION BY api_group, {namespace}name, uid ORDER BY seq)\
         ) WHERE event_type <> 'DELETED'"
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_statement_of_the_files_becomes_a_view() {
        let mut names = BTreeSet::new();
        for file in FILES {
            for statement in Parser::parse_sql(&PostgreSqlDialect {}, file).unwrap() {
                let (name, _) = definition(&statement).unwrap();
                assert!(names.insert(name.clone()), "{name} is there twice");
            }
        }
        assert_eq!(names.len(), views().len());
    }
}
