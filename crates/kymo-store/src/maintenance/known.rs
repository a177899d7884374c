//! The last known body stands in for that of a delete without one.

use std::collections::BTreeMap;
use std::fmt;
use std::iter::Peekable;
use std::sync::Arc;

use kymo_model::{Event, EventType, Feed, FeedId, ObjectKey};

use super::merge::{Merge, key_of};
use super::seal::sources_of;
use crate::contents::OpenSegment;
use crate::directory::Directory;
use crate::error::Error;
use crate::segment::Row;

type Feeds = Arc<BTreeMap<FeedId, Feed>>;

/// What is known of one object, as its events come.
#[derive(Debug, Default)]
enum Known {
    /// Nothing was said of it yet.
    #[default]
    Untold,
    /// Its last body.
    Body(Arc<[u8]>),
    /// It has ended, or never had a body.
    Nothing,
}

impl Known {
    fn take_in(&mut self, event: &Event) {
        if event.ends_key() {
            *self = Self::Nothing;
        } else if event.event_type != EventType::Unreadable
            && let Some(body) = &event.body
        {
            *self = Self::Body(body.clone());
        }
    }
}

/// Rows in the order of a segment, whose deletes get the last known body of their object where
/// they have none.
pub(crate) struct Filled<I> {
    rows: I,
    feeds: Feeds,
    older: Option<LastBodies>,
    object: (FeedId, ObjectKey),
    known: Known,
}

impl<I> Filled<I> {
    pub(crate) fn new(rows: I, feeds: Feeds) -> Self {
        Self {
            rows,
            feeds,
            older: None,
            object: Default::default(),
            known: Known::default(),
        }
    }

    /// Looks for bodies that the rows do not tell in what came before them.
    pub(crate) fn with_older(mut self, older: LastBodies) -> Self {
        self.older = Some(older);
        self
    }

    fn fill(&mut self, row: &mut Row) -> Result<(), Error> {
        let (feed, key) = &self.object;
        if *key != row.event.key || !is_same_resource(*feed, row.event.feed, &self.feeds) {
            self.object = (row.event.feed, row.event.key.clone());
            self.known = Known::Untold;
        }
        if row.event.body.is_none() && row.event.event_type == EventType::Deleted {
            if let (Known::Untold, Some(older)) = (&self.known, &mut self.older) {
                self.known = older.of(row)?.map_or(Known::Nothing, Known::Body);
            }
            if let Known::Body(body) = &self.known {
                row.event.body = Some(body.clone());
            }
        }
        self.known.take_in(&row.event);
        Ok(())
    }
}

impl<I> fmt::Debug for Filled<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filled")
            .field("object", &self.object)
            .finish_non_exhaustive()
    }
}

impl<I: Iterator<Item = Result<Row, Error>>> Iterator for Filled<I> {
    type Item = Result<Row, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.rows.next()?;
        Some(row.and_then(|mut row| {
            self.fill(&mut row)?;
            Ok(row)
        }))
    }
}

fn is_same_resource(a: FeedId, b: FeedId, feeds: &BTreeMap<FeedId, Feed>) -> bool {
    let resource = |id: FeedId| {
        let resource = &feeds.get(&id)?.resource;
        Some((resource.group.as_str(), resource.resource.as_str()))
    };
    a == b || resource(a) == resource(b)
}

/// The last known bodies of objects in older segments, for rows that come in order.
pub(crate) struct LastBodies {
    segments: Vec<OpenSegment>,
    directory: Directory,
    feeds: Feeds,
    /// Opened when a body is looked for.
    rows: Option<Peekable<Merge>>,
}

impl LastBodies {
    pub(crate) fn new(segments: Vec<OpenSegment>, directory: Directory, feeds: Feeds) -> Self {
        Self {
            segments,
            directory,
            feeds,
            rows: None,
        }
    }

    /// Returns the last known body of the row's object. A source that fails is left behind.
    fn of(&mut self, row: &Row) -> Result<Option<Arc<[u8]>>, Error> {
        let rows = match &mut self.rows {
            Some(rows) => rows,
            rows => {
                let sources = sources_of(&self.directory, &self.segments)?;
                rows.insert(Merge::new(sources, self.feeds.clone(), true).peekable())
            }
        };
        let wanted = key_of(row, &self.feeds);
        let mut known = Known::default();
        while let Some(Ok(older)) = rows.peek() {
            if key_of(older, &self.feeds) >= wanted {
                break;
            }
            if let Some(Ok(older)) = rows.next()
                && older.event.key == row.event.key
                && is_same_resource(older.event.feed, row.event.feed, &self.feeds)
            {
                known.take_in(&older.event);
            }
        }
        Ok(match known {
            Known::Body(body) => Some(body),
            Known::Untold | Known::Nothing => None,
        })
    }
}
