use std::collections::BTreeMap;
use std::sync::Arc;

use kymo_model::{Feed, FeedId};
use kymo_store::Spool;
use kymo_store::segment::{KeptRow, Row};

use crate::Error;
use crate::draft::unkept;

/// The resources whose rows are not in order.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unordered {
    /// Those with these plurals.
    Some(&'static [&'static str]),
    /// All of them.
    All,
}

type Rows = Box<dyn Iterator<Item = Result<Row, kymo_store::Error>> + Send>;

/// Rows in the order of a segment, of rows that are in that order but for some resources.
///
/// Resources come one after the other, and a step never makes a row of another resource; so it is
/// enough to sort the rows of one at a time.
pub(crate) struct Sorted<I> {
    rows: I,
    /// Which resources are not in order.
    unordered: Unordered,
    feeds: Arc<BTreeMap<FeedId, Feed>>,
    spool: Spool,
    ready: Option<Rows>,
    /// The first row behind those that are sorted.
    next: Option<KeptRow>,
    ended: bool,
}

impl<I: Iterator<Item = Result<KeptRow, Error>>> Sorted<I> {
    pub(crate) fn new(
        rows: I,
        unordered: Unordered,
        spool: Spool,
        feeds: Arc<BTreeMap<FeedId, Feed>>,
    ) -> Self {
        Self {
            rows,
            unordered,
            feeds,
            spool,
            ready: None,
            next: None,
            ended: false,
        }
    }

    fn read(&mut self) -> Result<Option<KeptRow>, Error> {
        if let Some(ready) = &mut self.ready {
            if let Some(row) = ready.next().transpose()? {
                return Ok(Some(row.into()));
            }
            self.ready = None;
        }
        let first = match self.next.take() {
            Some(row) => Some(row),
            None => self.rows.next().transpose()?,
        };
        let Some(row) = first else {
            return Ok(None);
        };
        let Some(resource) = self.unordered_resource(&row.row).map(str::to_owned) else {
            return Ok(Some(row));
        };
        self.spool.push(row.into_row().map_err(unkept)?)?;
        while let Some(row) = self.rows.next().transpose()? {
            if self.unordered_resource(&row.row) != Some(resource.as_str()) {
                self.next = Some(row);
                break;
            }
            self.spool.push(row.into_row().map_err(unkept)?)?;
        }
        let mut sorted: Rows = Box::new(self.spool.drain()?);
        let row = sorted.next().transpose()?;
        self.ready = Some(sorted);
        Ok(row.map(KeptRow::from))
    }

    /// Returns the plural of a row's resource if its rows are not in order.
    fn unordered_resource(&self, row: &Row) -> Option<&str> {
        let feed = self.feeds.get(&row.event.feed);
        match self.unordered {
            Unordered::All => Some(feed.map_or("", |feed| feed.resource.resource.as_str())),
            Unordered::Some(plurals) => {
                let plural = feed?.resource.resource.as_str();
                plurals.contains(&plural).then_some(plural)
            }
        }
    }
}

impl<I: Iterator<Item = Result<KeptRow, Error>>> Iterator for Sorted<I> {
    type Item = Result<KeptRow, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let row = self.read().transpose();
        self.ended = !matches!(row, Some(Ok(_)));
        row
    }
}
