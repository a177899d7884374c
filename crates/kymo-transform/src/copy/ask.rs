use std::collections::BTreeSet;

use kymo_query::QuerySession;

use crate::Error;
use crate::rows::{each_batch, numbers, texts};

/// Asks for one number.
pub(super) async fn count(session: &QuerySession, sql: &str) -> Result<u64, Error> {
    let mut count = 0;
    each_batch(session, sql, |batch| {
        count = numbers(batch, 0)?.flatten().map(i64::unsigned_abs).sum();
        Ok(())
    })
    .await?;
    Ok(count)
}

/// Asks for texts, each once and in order.
pub(crate) async fn texts_of(session: &QuerySession, sql: &str) -> Result<BTreeSet<String>, Error> {
    let mut found = BTreeSet::new();
    each_batch(session, sql, |batch| {
        found.extend(texts(batch, 0)?.iter().flatten().map(str::to_owned));
        Ok(())
    })
    .await?;
    Ok(found)
}
