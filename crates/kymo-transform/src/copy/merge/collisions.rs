//! What two traces both have.

use std::collections::{HashMap, HashSet};

use kymo_query::QuerySession;

use crate::Error;
use crate::copy::{Order, texts_of};
use crate::rows::{each_batch, texts};

const ANOTHER_NAME: &str = "add `PREFIX NAMESPACES 'b-'`, which makes other objects of them";

/// Refuses objects of the other trace that cannot stand beside ours: the same ones, or others with
/// their names at the same time.
pub(super) async fn refuse_collisions(
    order: &Order,
    shift: i64,
    both: &QuerySession,
) -> Result<(), Error> {
    let sql = "SELECT b.kind, b.namespace, b.name, b.uid FROM \
         (SELECT DISTINCT kind, namespace, name, uid FROM theirs.events WHERE uid <> '') AS b \
         JOIN (SELECT DISTINCT uid FROM ours.events WHERE uid <> '') AS a ON a.uid = b.uid \
         ORDER BY b.kind, b.namespace, b.name, b.uid LIMIT 1";
    if let Some(object) = first(both, sql).await? {
        return Err(order.wrong(
            format!("both traces have {object}, at different times or in different recordings"),
            ANOTHER_NAME,
        ));
    }
    let lives = |trace: &str, shift: i64| {
        format!(
            "SELECT api_group, resource, kind, namespace, name, uid, \
             CAST(min(ts) AS BIGINT) + ({shift}) AS from_ts, \
             CASE WHEN bool_or(type = 'DELETED') THEN CAST(max(ts) AS BIGINT) + ({shift}) END AS to_ts \
             FROM {trace}.events WHERE name <> '' GROUP BY api_group, resource, kind, namespace, name, uid"
        )
    };
    let sql = format!(
        "SELECT b.kind, b.namespace, b.name, b.uid FROM ({}) AS a JOIN ({}) AS b \
         ON a.api_group = b.api_group AND a.resource = b.resource \
         AND a.namespace = b.namespace AND a.name = b.name \
         WHERE (a.to_ts IS NULL OR b.from_ts <= a.to_ts) AND (b.to_ts IS NULL OR a.from_ts <= b.to_ts) \
         ORDER BY b.kind, b.namespace, b.name, b.uid LIMIT 1",
        lives("ours", 0),
        lives("theirs", shift),
    );
    if let Some(object) = first(both, &sql).await? {
        return Err(order.wrong(
            format!("both traces have another object of the name of {object} at the same time"),
            ANOTHER_NAME,
        ));
    }
    Ok(())
}

async fn first(both: &QuerySession, sql: &str) -> Result<Option<String>, Error> {
    let mut found = None;
    each_batch(both, sql, |batch| {
        let column = |index| texts(batch, index);
        let (kinds, namespaces, names, uids) = (column(0)?, column(1)?, column(2)?, column(3)?);
        let rows = kinds.iter().zip(namespaces.iter());
        for ((kind, namespace), (name, uid)) in rows.zip(names.iter().zip(uids.iter())) {
            let namespace = namespace
                .filter(|namespace| !namespace.is_empty())
                .map_or_else(String::new, |namespace| format!("{namespace}/"));
            found.get_or_insert(format!(
                "{} `{namespace}{}` (uid `{}`)",
                kind.unwrap_or("object"),
                name.unwrap_or(""),
                uid.unwrap_or("")
            ));
        }
        Ok(())
    })
    .await?;
    Ok(found)
}

/// Returns the names that things of the other trace get with a prefix, which must not be ours.
pub(super) async fn prefixed(
    order: &Order,
    what: &str,
    ours: &str,
    theirs: &str,
    prefix: &str,
    longest: usize,
    both: &QuerySession,
) -> Result<HashMap<String, String>, Error> {
    let taken = texts_of(both, ours).await?;
    let mut names = HashMap::new();
    for name in texts_of(both, theirs).await? {
        if name.is_empty() {
            continue;
        }
        let new = format!("{prefix}{name}");
        if taken.contains(&new) {
            return Err(order.wrong(
                format!("there is a {what} `{new}` already"),
                "take another prefix",
            ));
        }
        if new.len() > longest {
            return Err(order.wrong(
                format!(
                    "a {what} would be called `{new}`, which is longer than {longest} characters"
                ),
                "take a shorter prefix",
            ));
        }
        names.insert(name, new);
    }
    Ok(names)
}

/// Objects of the whole cluster that both have, by plural and name, and what their uids become.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) names: HashSet<(String, String)>,
    pub(super) uids: HashMap<String, String>,
}

pub(super) async fn shared(both: &QuerySession) -> Result<Shared, Error> {
    let mut found = Shared::default();
    let sql = "SELECT a.resource, a.name, a.uid, b.uid FROM \
         (SELECT api_group, resource, name, max(uid) AS uid FROM ours.events \
          WHERE namespace = '' GROUP BY api_group, resource, name) AS a \
         JOIN (SELECT DISTINCT api_group, resource, name, uid FROM theirs.events WHERE namespace = '') AS b \
         ON a.api_group = b.api_group AND a.resource = b.resource AND a.name = b.name";
    each_batch(both, sql, |batch| {
        let column = |index| texts(batch, index);
        let (plurals, names, ours, theirs) = (column(0)?, column(1)?, column(2)?, column(3)?);
        let rows = plurals.iter().zip(names.iter());
        for ((plural, name), (ours, theirs)) in rows.zip(ours.iter().zip(theirs.iter())) {
            let (plural, name) = (plural.unwrap_or(""), name.unwrap_or(""));
            if ["namespaces", "nodes", "csinodes", "persistentvolumes"].contains(&plural) {
                continue;
            }
            found.names.insert((plural.to_owned(), name.to_owned()));
            if let (Some(ours), Some(theirs)) = (ours, theirs)
                && !ours.is_empty()
            {
                found.uids.insert(theirs.to_owned(), ours.to_owned());
            }
        }
        Ok(())
    })
    .await?;
    Ok(found)
}
