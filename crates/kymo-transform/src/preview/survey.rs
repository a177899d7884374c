use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kymo_model::{Feed, FeedId, ObjectKey, Timestamp};
use serde_json::Value;

use super::difference::changes;
use super::{Difference, Kept};
use crate::Error;
use crate::draft::Draft;

/// How many objects are told of.
const MOST_SAMPLES: usize = 3;

/// What a statement does to how many events and objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counted {
    /// Events that are taken away.
    pub removed: u64,
    /// Events that stay, with another object or at another time.
    pub changed: u64,
    /// Events that come to be.
    pub added: u64,
    /// Objects of which an event is taken away, is changed or comes to be.
    pub touched: u64,
    /// Objects that come to be.
    pub made: u64,
}

/// Looks at rows before and behind the steps of a statement.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    feeds: Arc<BTreeMap<FeedId, Feed>>,
    pub(crate) counted: Counted,
    pub(crate) sample: Vec<Difference>,
    present: Option<Present>,
}

/// The present object.
#[derive(Debug)]
struct Present {
    feed: FeedId,
    key: ObjectKey,
    first: (u64, Timestamp),
    /// How many of its events came and have not gone yet.
    open: u64,
    is_touched: bool,
    is_told: bool,
    made: BTreeSet<ObjectKey>,
}

impl Survey {
    pub(crate) fn new(feeds: Arc<BTreeMap<FeedId, Feed>>) -> Self {
        Self {
            feeds,
            ..Self::default()
        }
    }

    /// A row comes; whether it is of the object of the one before.
    pub(crate) fn comes(&mut self, draft: &mut Draft, is_same: bool) {
        if !is_same {
            self.end_of_object();
        }
        draft.original.clone_from(&draft.event.body);
        let present = self.present.get_or_insert_with(|| Present {
            feed: draft.event.feed,
            key: draft.event.key.clone(),
            first: (draft.source, draft.event.ts),
            open: 0,
            is_touched: false,
            is_told: false,
            made: BTreeSet::new(),
        });
        present.open += 1;
    }

    /// A row of the present object leaves the steps.
    pub(crate) fn goes(&mut self, draft: &mut Draft) -> Result<(), Error> {
        let Some(present) = &mut self.present else {
            return Ok(());
        };
        if !draft.is_new {
            present.open = present.open.saturating_sub(1);
        }
        draft.text()?;
        let (before, after) = (&draft.original, &draft.event.body);
        let is_moved = draft.event.ts != draft.received || draft.event.key != present.key;
        let (before, after) = if before == after {
            (None, None)
        } else {
            (read(before.as_deref()), read(after.as_deref()))
        };
        if !draft.is_new && !is_moved && before == after {
            return Ok(());
        }
        present.is_touched = true;
        let kept = if draft.is_new {
            Kept::Added
        } else {
            Kept::Changed
        };
        if draft.is_new {
            self.counted.added += 1;
        } else {
            self.counted.changed += 1;
        }
        if draft.event.key != present.key {
            present.made.insert(draft.event.key.clone());
        }
        if !present.is_told && self.sample.len() < MOST_SAMPLES {
            present.is_told = true;
            let (changes, more) = match (&before, &after) {
                (Some(before), Some(after)) => changes(before, after),
                _ => (Vec::new(), 0),
            };
            self.sample.push(Difference {
                kind: kind(&self.feeds, draft.event.feed),
                object: draft.event.key.clone(),
                seq: draft.source,
                kept,
                received: (draft.received, draft.event.ts),
                changes,
                more,
            });
        }
        Ok(())
    }

    /// The present object has no more rows.
    pub(crate) fn end_of_object(&mut self) {
        let Some(present) = self.present.take() else {
            return;
        };
        self.counted.removed += present.open;
        self.counted.made += present.made.len() as u64;
        if present.is_touched || present.open > 0 {
            self.counted.touched += 1;
        }
        if present.open > 0 && !present.is_told && self.sample.len() < MOST_SAMPLES {
            self.sample.push(Difference {
                kind: kind(&self.feeds, present.feed),
                object: present.key,
                seq: present.first.0,
                kept: Kept::Removed,
                received: (present.first.1, present.first.1),
                changes: Vec::new(),
                more: 0,
            });
        }
    }
}

fn read(body: Option<&[u8]>) -> Option<Value> {
    body.and_then(|body| serde_json::from_slice(body).ok())
}

fn kind(feeds: &BTreeMap<FeedId, Feed>, feed: FeedId) -> String {
    let feed = feeds.get(&feed);
    feed.map_or_else(|| "object".to_owned(), |feed| feed.resource.kind.clone())
}
