//! From rows of the store to batches of columns.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use kymo_model::{Feed, FeedId, ObjectKey};
use kymo_store::Error as StoreError;
use kymo_store::segment::Row;

use super::logical::{EventColumns, Seen, kind_of, of_request};
use super::wide::Wide;
use super::{Batches, Counts};
use crate::Error;
use crate::conditions::{Conditions, Key};

/// Rows of a batch, at most.
const BATCH_ROWS: usize = 2_048;

/// Rows of the store.
pub(super) type Rows = Box<dyn Iterator<Item = Result<Row, StoreError>> + Send>;

/// Tells whether events of a feed can meet the conditions.
pub(super) fn accepts_feed(conditions: &Conditions, feed: &Feed) -> bool {
    let resource = &feed.resource;
    conditions.accepts(Key::ApiGroup, &resource.group)
        && conditions.accepts(Key::Resource, &resource.resource)
        && (resource.kind.is_empty() || conditions.accepts(Key::Kind, &resource.kind))
}

/// What is done with each row.
#[derive(Clone)]
pub(super) struct Reading {
    pub(super) path: PathBuf,
    pub(super) feeds: Arc<BTreeMap<FeedId, Feed>>,
    pub(super) cluster: Option<String>,
    pub(super) conditions: Conditions,
    pub(super) wide: Wide,
    /// Rows that are still wanted.
    pub(super) left: usize,
    /// Patches between versions are shown.
    pub(super) patches: bool,
    /// Bytes of text after which a batch is full.
    pub(super) batch_bytes: usize,
}

/// Makes batches of rows.
pub(super) fn batches(rows: Rows, reading: Reading, counts: &Counts) -> Batches {
    let columns = EventColumns::new(reading.wide.items());
    let mut reader = Reader {
        rows: Some(rows),
        columns,
        reading,
        before: None,
        counts: counts.clone(),
    };
    let batches = std::iter::from_fn(move || {
        let batch = reader.next_batch().transpose();
        if !matches!(batch, Some(Ok(_))) {
            reader.rows = None;
        }
        batch
    });
    Box::new(batches.fuse())
}

struct Reader {
    rows: Option<Rows>,
    columns: EventColumns,
    reading: Reading,
    /// The version before, where patches are wanted.
    before: Option<Version>,
    counts: Counts,
}

/// A version of an object.
struct Version {
    key: ObjectKey,
    resource: (String, String),
    body: Arc<[u8]>,
}

impl Reader {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>, Error> {
        while self.reading.left > 0 {
            let Some(rows) = &mut self.rows else {
                return Ok(None);
            };
            let row = rows.next().transpose()?;
            let is_end = row.is_none();
            if let Some(row) = row {
                self.push(&row)?;
            }
            let (rows, bytes) = self.columns.size();
            if rows < BATCH_ROWS && bytes < self.reading.batch_bytes && !is_end {
                continue;
            }
            if rows == 0 {
                return Ok(None);
            }
            let arrays = self.columns.finish();
            if let Some(batch) = self.reading.wide.pick(&arrays, rows)? {
                let batch = batch.slice(0, batch.num_rows().min(self.reading.left));
                self.reading.left -= batch.num_rows();
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    fn push(&mut self, row: &Row) -> Result<(), Error> {
        self.counts.rows.add(1);
        let feeds = Arc::clone(&self.reading.feeds);
        let Some(feed) = feeds.get(&row.event.feed) else {
            let path = self.reading.path.clone();
            let feed = row.event.feed;
            return Err(StoreError::UnknownFeed { path, feed }.into());
        };
        let before = if self.reading.patches {
            self.remember(row, feed)
        } else {
            None
        };
        if !self.accepts(row, feed) {
            return Ok(());
        }
        let patch = before.and_then(|before| patch(&before, row.event.body.as_deref()?));
        let object: Option<Cow<'_, str>> = row.event.body.as_deref().map(String::from_utf8_lossy);
        let kind = match (feed.resource.kind.as_str(), &object) {
            ("", Some(object)) => kind_of(object).map_or(Cow::Borrowed(""), Cow::Owned),
            (kind, _) => Cow::Borrowed(kind),
        };
        if !self.reading.conditions.accepts(Key::Kind, &kind) {
            return Ok(());
        }
        self.columns.push(&Seen {
            row,
            feed,
            kind: &kind,
            object: object.as_deref(),
            patch: patch.as_deref(),
            cluster: self.reading.cluster.as_deref(),
        })
    }

    fn accepts(&self, row: &Row, feed: &Feed) -> bool {
        let (conditions, event) = (&self.reading.conditions, &row.event);
        conditions.from.is_none_or(|from| event.ts >= from)
            && conditions.to.is_none_or(|to| event.ts <= to)
            && conditions.accepts(Key::Type, event.event_type.as_str())
            && conditions.accepts(Key::Namespace, &event.key.namespace)
            && conditions.accepts(Key::Name, &event.key.name)
            && conditions.accepts(Key::Uid, &event.key.uid)
            && Key::OF_REQUEST
                .into_iter()
                .all(|key| conditions.accepts_nullable(key, of_request(row, key)))
            && accepts_feed(conditions, feed)
    }

    /// Returns the last version of the object that has a body, and remembers this one in its place.
    fn remember(&mut self, row: &Row, feed: &Feed) -> Option<Arc<[u8]>> {
        let body = row.event.body.clone()?;
        let resource = (feed.resource.group.clone(), feed.resource.resource.clone());
        let before = self
            .before
            .take()
            .filter(|before| before.key == row.event.key && before.resource == resource);
        self.before = (!row.event.ends_key()).then(|| Version {
            key: row.event.key.clone(),
            resource,
            body,
        });
        before.map(|before| before.body)
    }
}

/// Returns what changed between two versions as a JSON Patch.
fn patch(before: &[u8], after: &[u8]) -> Option<String> {
    let old = serde_json::from_slice(before).ok()?;
    let new = serde_json::from_slice(after).ok()?;
    serde_json::to_string(&json_patch::diff(&old, &new)).ok()
}
