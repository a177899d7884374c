//! Rows that stay where the input has them, and rows that come to them.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::path::Path;
use std::sync::Arc;

use kymo_model::{Feed, FeedId};
use kymo_store::Spool;
use kymo_store::segment::{KeptRow, Row, RowKey};

use crate::Error;

/// Memory for rows that are sorted, in bytes.
pub(crate) const SPOOL_BYTES: usize = 64 << 20;

/// Rows on their way into the output, whose bodies may be left as the input holds them.
pub(crate) type KeptRows = Box<dyn Iterator<Item = Result<KeptRow, Error>> + Send>;

/// Rows on their way into the output.
pub(crate) type Rows = Box<dyn Iterator<Item = Result<Row, Error>> + Send>;

/// Rows that come to those of the input.
pub(crate) enum Coming {
    /// In the order of a segment.
    InOrder(KeptRows),
    /// Parts that can be made beside each other.
    InAnyOrder(Vec<Rows>),
}

impl Coming {
    /// Returns the rows in the order of a segment. What does not fit into memory stands in
    /// `workspace` until it is read.
    pub(crate) fn sorted(
        self,
        workspace: &Path,
        feeds: &Arc<BTreeMap<FeedId, Feed>>,
    ) -> Result<KeptRows, Error> {
        match self {
            Self::InOrder(rows) => Ok(rows),
            Self::InAnyOrder(parts) => {
                let mut spools = spooled(parts, workspace, feeds)?.into_iter();
                let Some(mut spool) = spools.next() else {
                    return Ok(Box::new(std::iter::empty()));
                };
                for other in spools {
                    spool.join(other)?;
                }
                let sorted = spool.drain()?;
                Ok(Box::new(sorted.map(|row| Ok(KeptRow::from(row?)))))
            }
        }
    }
}

/// Makes each part in a thread of its own, and holds it sorted.
fn spooled(
    parts: Vec<Rows>,
    workspace: &Path,
    feeds: &Arc<BTreeMap<FeedId, Feed>>,
) -> Result<Vec<Spool>, Error> {
    let memory = SPOOL_BYTES / parts.len().max(1);
    let sort = |rows: Rows| {
        let mut spool = Spool::new(workspace, Arc::clone(feeds), memory);
        for row in rows {
            spool.push(row?)?;
        }
        Ok(spool)
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = parts
            .into_iter()
            .map(|rows| scope.spawn(move || sort(rows)))
            .collect();
        let ended = threads.into_iter().map(|thread| match thread.join() {
            Ok(sorted) => sorted,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        ended.collect()
    })
}

/// Merges rows that are in the order of a segment with others that are.
pub(crate) fn merged(
    staying: KeptRows,
    coming: KeptRows,
    feeds: Arc<BTreeMap<FeedId, Feed>>,
) -> KeptRows {
    Box::new(Merged {
        staying: staying.peekable(),
        coming: coming.peekable(),
        feeds,
    })
}

struct Merged {
    staying: Peekable<KeptRows>,
    coming: Peekable<KeptRows>,
    feeds: Arc<BTreeMap<FeedId, Feed>>,
}

/// Returns the place of a row; what an unknown feed names comes first.
fn key<'a>(kept: &'a KeptRow, feeds: &'a BTreeMap<FeedId, Feed>) -> Option<RowKey<'a>> {
    let feed = feeds.get(&kept.row.event.feed)?;
    Some(RowKey::of(&kept.row, feed))
}

impl Iterator for Merged {
    type Item = Result<KeptRow, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let takes_coming = match (self.staying.peek(), self.coming.peek()) {
            (Some(Ok(stays)), Some(Ok(comes))) => key(comes, &self.feeds) < key(stays, &self.feeds),
            (None, Some(_)) | (Some(Ok(_)), Some(Err(_))) => true,
            _ => false,
        };
        if takes_coming {
            self.coming.next()
        } else {
            self.staying.next()
        }
    }
}
