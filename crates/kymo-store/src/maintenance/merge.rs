use std::collections::BTreeMap;
use std::iter::Peekable;
use std::sync::Arc;

use kymo_model::{Feed, FeedId};

use crate::error::Error;
use crate::segment::{Row, RowKey};

/// Rows in the order of a segment.
pub(crate) type RowSource = Box<dyn Iterator<Item = Result<Row, Error>> + Send>;

/// Merges sources that are each in the order of a segment.
pub(crate) struct Merge {
    sources: Vec<Peekable<RowSource>>,
    feeds: Arc<BTreeMap<FeedId, Feed>>,
    /// Whether a source that fails is left behind rather than failing the merge.
    tolerant: bool,
}

/// Returns the key of a row; what an unknown feed names comes first.
pub(crate) fn key_of<'a>(row: &'a Row, feeds: &'a BTreeMap<FeedId, Feed>) -> RowKey<'a> {
    match feeds.get(&row.event.feed) {
        Some(feed) => RowKey::of(row, feed),
        None => RowKey {
            resource: "",
            namespace: &row.event.key.namespace,
            name: &row.event.key.name,
            uid: &row.event.key.uid,
            group: "",
            seq: row.seq,
        },
    }
}

impl Merge {
    pub(crate) fn new(
        sources: Vec<RowSource>,
        feeds: Arc<BTreeMap<FeedId, Feed>>,
        tolerant: bool,
    ) -> Self {
        Self {
            sources: sources.into_iter().map(Iterator::peekable).collect(),
            feeds,
            tolerant,
        }
    }

    /// Finds the source with the smallest key. Failed sources come first, or are left behind.
    fn smallest(&mut self) -> Option<usize> {
        loop {
            let mut best: Option<(usize, RowKey<'_>)> = None;
            let mut failed = None;
            for (index, source) in self.sources.iter_mut().enumerate() {
                match source.peek() {
                    None => {}
                    Some(Err(_)) => {
                        failed = Some(index);
                        break;
                    }
                    Some(Ok(row)) => {
                        let key = key_of(row, &self.feeds);
                        if best.as_ref().is_none_or(|(_, smallest)| key < *smallest) {
                            best = Some((index, key));
                        }
                    }
                }
            }
            let chosen = best.map(|(index, _)| index);
            let Some(index) = failed else { return chosen };
            if !self.tolerant {
                return Some(index);
            }
            if let Some(Err(error)) = self.sources.swap_remove(index).next() {
                tracing::warn!(%error, "the rest of a source is left out");
            }
        }
    }
}

impl Iterator for Merge {
    type Item = Result<Row, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let index = self.smallest()?;
        self.sources.get_mut(index)?.next()
    }
}
