//! From rows of the store to batches of columns.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use kymo_model::{Feed, FeedId, ObjectKey};
use kymo_store::Error as StoreError;
use kymo_store::segment::Row;

use super::Batches;
use super::logical::{EventColumns, Head, Seen, of_request};
use crate::Error;
use crate::conditions::{Conditions, Key};
use crate::error::{Phase, translate};

/// Rows of a batch, at most.
const BATCH_ROWS: usize = 2_048;

/// Bytes of objects after which a batch is full.
const BATCH_BYTES: usize = 8 << 20;

/// Rows of the store.
pub(super) type Rows = Box<dyn Iterator<Item = Result<Row, StoreError>> + Send>;

/// Tells whether events of a feed can meet the conditions.
pub(super) fn accepts_feed(conditions: &Conditions, feed: &Feed) -> bool {
    let resource = &feed.resource;
    conditions.accepts(Key::ApiGroup, &resource.group)
        && conditions.accepts(Key::Resource, &resource.resource)
        && (resource.kind.is_empty() || conditions.accepts(Key::Kind, &resource.kind))
}

pub(super) fn broken(error: ArrowError) -> Error {
    translate(DataFusionError::from(error), Phase::Running)
}

/// Makes batches of rows; opens them when the first batch is asked for.
pub(super) fn part(
    open: impl FnOnce() -> Result<Rows, StoreError> + Send + 'static,
    mut reading: Reading,
) -> Batches {
    let mut open = Some(open);
    let mut rows: Option<Rows> = None;
    let batches = std::iter::from_fn(move || {
        if let Some(open) = open.take() {
            match open() {
                Ok(opened) => rows = Some(opened),
                Err(error) => return Some(Err(error.into())),
            }
        }
        let batch = reading.next_batch(rows.as_mut()?).transpose();
        if !matches!(batch, Some(Ok(_))) {
            rows = None;
        }
        batch
    });
    Box::new(batches.fuse())
}

/// What is done with each row of a part.
pub(super) struct Reading {
    pub(super) path: PathBuf,
    pub(super) columns: EventColumns,
    pub(super) feeds: Arc<BTreeMap<FeedId, Feed>>,
    pub(super) cluster: Option<String>,
    pub(super) conditions: Conditions,
    /// Rows that are still wanted.
    pub(super) left: usize,
    /// Columns are made of what is in the body.
    pub(super) needs_head: bool,
    /// The body is read at all.
    pub(super) needs_body: bool,
    pub(super) needs_patch: bool,
    /// The version before, where patches are wanted.
    pub(super) before: Option<Version>,
}

/// A version of an object.
pub(super) struct Version {
    key: ObjectKey,
    resource: (String, String),
    body: Arc<[u8]>,
}

impl Reading {
    fn next_batch(&mut self, rows: &mut Rows) -> Result<Option<RecordBatch>, Error> {
        while self.left > 0 {
            let Some(row) = rows.next().transpose()? else {
                break;
            };
            self.push(&row)?;
            let (count, bytes) = self.columns.size();
            if count >= BATCH_ROWS || bytes >= BATCH_BYTES {
                return self.columns.finish().map(Some).map_err(broken);
            }
        }
        if self.columns.size().0 == 0 {
            return Ok(None);
        }
        self.columns.finish().map(Some).map_err(broken)
    }

    fn push(&mut self, row: &Row) -> Result<(), Error> {
        let feeds = Arc::clone(&self.feeds);
        let Some(feed) = feeds.get(&row.event.feed) else {
            let path = self.path.clone();
            let feed = row.event.feed;
            return Err(StoreError::UnknownFeed { path, feed }.into());
        };
        let patch = if self.needs_patch {
            self.patch(row, feed)
        } else {
            None
        };
        if !self.accepts(row, feed) {
            return Ok(());
        }
        let head = match &row.event.body {
            Some(body) if self.needs_head => Head::read(body),
            _ => Head::default(),
        };
        let kind = match feed.resource.kind.as_str() {
            "" => head.kind.as_deref().unwrap_or_default(),
            kind => kind,
        };
        if !self.conditions.accepts(Key::Kind, kind) {
            return Ok(());
        }
        self.left -= 1;
        let object: Option<Cow<'_, str>> = row.event.body.as_deref().map(String::from_utf8_lossy);
        self.columns
            .push(&Seen {
                row,
                feed,
                kind,
                head: &head,
                object: object.as_deref(),
                patch: patch.as_deref(),
                cluster: self.cluster.as_deref(),
            })
            .map_err(broken)
    }

    fn accepts(&self, row: &Row, feed: &Feed) -> bool {
        let (conditions, event) = (&self.conditions, &row.event);
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

    /// Returns what changed since the last version that has a body, and remembers this one.
    fn patch(&mut self, row: &Row, feed: &Feed) -> Option<String> {
        let body = row.event.body.clone()?;
        let resource = (feed.resource.group.clone(), feed.resource.resource.clone());
        let before = self
            .before
            .take()
            .filter(|before| before.key == row.event.key && before.resource == resource);
        let patch = before.and_then(|before| {
            let old = serde_json::from_slice(&before.body).ok()?;
            let new = serde_json::from_slice(&body).ok()?;
            serde_json::to_string(&json_patch::diff(&old, &new)).ok()
        });
        self.before = (!row.event.ends_key()).then(|| Version {
            key: row.event.key.clone(),
            resource,
            body,
        });
        patch
    }
}
