//! Which rows a statement is about, asked in SQL.

use kymo_query::QuerySession;
use roaring::RoaringTreemap;

use crate::Error;
use crate::language::{Closure, Condition, Unit};
use crate::rows::{each_batch, numbers};

/// Columns that say which object a row is of; no statement changes them in a row.
const IDENTITY: [&str; 10] = [
    "api_group",
    "api_version",
    "kind",
    "resource",
    "namespace",
    "name",
    "uid",
    "session",
    "epoch",
    "cluster",
];

/// What a statement asks of the trace before it changes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Selection<'a> {
    pub(crate) unit: Unit,
    pub(crate) condition: Option<&'a Condition>,
    pub(crate) closure: Closure,
}

impl Selection<'_> {
    /// Tells whether the answer stays the same whatever filters and patches did before.
    pub(crate) fn is_of_identity(&self) -> bool {
        self.closure == Closure::default()
            && self.condition.is_none_or(|condition| {
                !asks_more(condition)
                    && condition
                        .columns
                        .iter()
                        .all(|column| IDENTITY.contains(&column.as_str()))
            })
    }

    /// Tells whether the answer for one row or timeline depends on others.
    pub(crate) fn looks_around(&self) -> bool {
        self.closure != Closure::default() || self.condition.is_some_and(asks_more)
    }

    /// The query that gives the numbers of the rows.
    pub(crate) fn sql(&self) -> String {
        let condition = match self.condition {
            Some(condition) => format!("WHERE (\n{}\n)", condition.sql),
            None => String::new(),
        };
        if self.unit == Unit::Events || (self.is_of_identity()) {
            return format!("SELECT seq FROM events {condition}");
        }
        // A line of its own for the condition: errors in it are told by line.
        let picked = format!(
            "picked AS (SELECT api_group, resource, namespace, name, uid FROM objects {condition}\n)"
        );
        let direct = "SELECT seq FROM events AS e JOIN picked AS p \
             ON e.api_group = p.api_group AND e.resource = p.resource \
             AND e.namespace = p.namespace AND e.name = p.name AND e.uid = p.uid";
        let Closure { owners, owned } = self.closure;
        if !owners && !owned {
            return format!("WITH {picked} {direct}");
        }
        let mut ctes = vec![picked, EDGES.to_owned()];
        let mut related = Vec::new();
        if owned {
            ctes.push(
                "owned AS (SELECT uid FROM picked WHERE uid <> '' UNION \
                 SELECT edges.uid FROM edges JOIN owned ON edges.owner = owned.uid)"
                    .to_owned(),
            );
            related.push("SELECT uid FROM owned");
        }
        if owners {
            ctes.push(
                "owners_of AS (SELECT uid FROM picked WHERE uid <> '' UNION \
                 SELECT edges.owner AS uid FROM edges JOIN owners_of ON edges.uid = owners_of.uid)"
                    .to_owned(),
            );
            related.push("SELECT uid FROM owners_of");
        }
        format!(
            "WITH RECURSIVE {} {direct} UNION SELECT seq FROM events WHERE uid IN ({})",
            ctes.join(", "),
            related.join(" UNION "),
        )
    }

    /// Asks for the numbers of the rows.
    pub(crate) async fn rows(&self, session: &QuerySession) -> Result<RoaringTreemap, Error> {
        let mut rows = RoaringTreemap::new();
        let sql = self.sql();
        let asked = each_batch(session, &sql, |batch| {
            let seqs = numbers(batch, 0)?.flatten();
            rows.extend(seqs.map(i64::unsigned_abs));
            Ok(())
        });
        match (asked.await, self.condition) {
            (Ok(()), _) => Ok(rows),
            (Err(error), Some(condition)) => Err(misplaced(error, condition)),
            (Err(error), None) => Err(error),
        }
    }
}

/// Says where in the script it is that an answer about a condition in the second line of a query
/// points at.
pub(crate) fn misplaced(error: Error, condition: &Condition) -> Error {
    match error {
        Error::Query { source } => Error::Condition {
            source,
            place: condition.place,
            first_line: 2,
        },
        error => error,
    }
}

/// Tells whether an expression asks for more than the row, such as when the trace begins (`at`).
fn asks_more(condition: &Condition) -> bool {
    condition.has_subquery || condition.sql.to_ascii_lowercase().contains("at(")
}

/// Every owner reference, also those of no controller.
const EDGES: &str = "edges AS (SELECT uid, json_get_str(reference, 'uid') AS owner FROM (\
     SELECT uid, unnest(json_get_array(object, 'metadata', 'ownerReferences')) AS reference \
     FROM objects WHERE uid <> ''))";
