use std::collections::BTreeMap;
use std::iter::Peekable;
use std::sync::Arc;

use kymo_model::{Feed, FeedId};
use kymo_store::segment::{KeptRow, Row, RowKey};

use crate::Error;

/// Merges rows that are in the order of a segment with others that are.
pub(crate) fn merged(
    rows: impl Iterator<Item = Result<KeptRow, Error>>,
    more: impl Iterator<Item = Result<Row, Error>>,
    feeds: Arc<BTreeMap<FeedId, Feed>>,
) -> impl Iterator<Item = Result<KeptRow, Error>> {
    Merged {
        rows: rows.peekable(),
        more: more.peekable(),
        feeds,
    }
}

struct Merged<A: Iterator, B: Iterator> {
    rows: Peekable<A>,
    more: Peekable<B>,
    feeds: Arc<BTreeMap<FeedId, Feed>>,
}

impl<A, B> Iterator for Merged<A, B>
where
    A: Iterator<Item = Result<KeptRow, Error>>,
    B: Iterator<Item = Result<Row, Error>>,
{
    type Item = Result<KeptRow, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let key = |row: &Row| {
            let feed = self.feeds.get(&row.event.feed)?;
            let RowKey {
                resource,
                namespace,
                name,
                uid,
                group,
                seq,
            } = RowKey::of(row, feed);
            Some((
                resource.to_owned(),
                namespace.to_owned(),
                name.to_owned(),
                uid.to_owned(),
                group.to_owned(),
                seq,
            ))
        };
        let takes_more = match (self.rows.peek(), self.more.peek()) {
            (Some(Ok(kept)), Some(Ok(more))) => key(more) < key(&kept.row),
            (None, Some(_)) | (Some(Ok(_)), Some(Err(_))) => true,
            _ => false,
        };
        if takes_more {
            self.more.next().map(|row| row.map(KeptRow::from))
        } else {
            self.rows.next()
        }
    }
}
