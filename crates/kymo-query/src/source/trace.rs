//! A trace of the store as a source.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use kymo_model::{Coverage, Feed, FeedId, Timestamp};
use kymo_store::segment::{Row, SegmentMeta};
use kymo_store::{Error as StoreError, Segment, SessionInfo, Trace};

use super::logical::{self, EventColumns, Head, Seen};
use super::{Batches, EventsRequest, EventsScan, Pruning, Source};
use crate::Error;
use crate::conditions::{Conditions, Key};
use crate::error::{Phase, translate};

/// Rows of a batch, at most.
const BATCH_ROWS: usize = 2_048;

/// Bytes of objects after which a batch is full.
const BATCH_BYTES: usize = 8 << 20;

/// A trace on disk, as it was when it was opened.
pub struct TraceSource {
    trace: Arc<Trace>,
    feeds: Arc<BTreeMap<FeedId, Feed>>,
    coverage: Vec<Coverage>,
}

impl TraceSource {
    /// Opens a trace: a directory, or one sealed file.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Ok(Self::new(Trace::open(path)?))
    }

    /// Takes a trace that is open.
    pub fn new(trace: Trace) -> Self {
        Self {
            feeds: Arc::new(trace.feeds().clone()),
            coverage: trace.coverage(),
            trace: Arc::new(trace),
        }
    }

    fn reading(&self, request: &EventsRequest) -> Result<Reading, Error> {
        let columns = EventColumns::new(&request.columns).map_err(broken)?;
        let schema = logical::schema();
        let names: Vec<&str> = request
            .columns
            .iter()
            .filter_map(|index| schema.fields().get(*index))
            .map(|field| field.name().as_str())
            .collect();
        let has_kinds = self
            .feeds
            .values()
            .all(|feed| !feed.resource.kind.is_empty());
        let needs_kind =
            names.contains(&"kind") || request.conditions.one_of.contains_key(&Key::Kind);
        let needs_head =
            names.iter().any(|name| logical::is_of_body(name)) || (needs_kind && !has_kinds);
        Ok(Reading {
            path: self.trace.path().to_owned(),
            columns,
            feeds: Arc::clone(&self.feeds),
            cluster: self.trace.identity().cluster_uid.clone(),
            conditions: request.conditions.clone(),
            left: request.limit.unwrap_or(usize::MAX),
            needs_head,
            needs_body: needs_head || names.contains(&"object"),
            needs_patch: names.contains(&"patch"),
            before: None,
        })
    }
}

impl fmt::Debug for TraceSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceSource")
            .field("path", &self.trace.path())
            .finish_non_exhaustive()
    }
}

impl Source for TraceSource {
    fn events_schema(&self) -> SchemaRef {
        logical::schema()
    }

    /// One part for each segment that can hold a row that is asked for, and one for the log.
    /// Patches need the version before, which may be in another segment, so they are read from
    /// everything in the order of objects, as one part.
    fn scan(&self, request: &EventsRequest) -> Result<EventsScan, Error> {
        let reading = || self.reading(request);
        let segments: Vec<Segment> = self.trace.segments().collect();
        let mut pruning = Pruning {
            segments: segments.len(),
            row_groups: segments.iter().map(row_groups).sum(),
            ..Pruning::default()
        };
        if reading()?.needs_patch {
            pruning.segments_read = pruning.segments;
            pruning.row_groups_read = pruning.row_groups;
            let trace = Arc::clone(&self.trace);
            let rows = move || Ok(Box::new(trace.rows()?) as Rows);
            let parts = vec![part(rows, reading()?)];
            return Ok(EventsScan { parts, pruning });
        }
        let mut parts = Vec::new();
        for segment in &segments {
            if !can_hold(segment.reader().meta(), &request.conditions) {
                continue;
            }
            pruning.segments_read += 1;
            pruning.row_groups_read += row_groups(segment);
            let rows = rows_of(&self.trace, segment, reading()?.needs_body);
            parts.push(part(rows, reading()?));
        }
        let trace = Arc::clone(&self.trace);
        let tail = move || Ok(Box::new(trace.tail()?) as Rows);
        parts.push(part(tail, reading()?));
        Ok(EventsScan { parts, pruning })
    }

    fn coverage(&self) -> Vec<Coverage> {
        self.coverage.clone()
    }

    fn feeds(&self) -> Vec<(FeedId, Feed)> {
        let feeds = self.feeds.iter();
        feeds.map(|(id, feed)| (*id, feed.clone())).collect()
    }

    fn sessions(&self) -> Vec<SessionInfo> {
        self.trace.sessions().cloned().collect()
    }
}

type Rows = Box<dyn Iterator<Item = Result<Row, StoreError>> + Send>;

/// Opens the rows of a segment, without their bodies where those are not needed.
fn rows_of(
    trace: &Trace,
    segment: &Segment,
    bodies: bool,
) -> impl FnOnce() -> Result<Rows, StoreError> + Send + 'static {
    let name = &segment.entry().name;
    let path = if trace.path().ends_with(name) {
        trace.path().to_owned()
    } else {
        trace.path().join(name)
    };
    let reader = Arc::clone(segment.reader());
    move || {
        let failed = move |source| StoreError::Segment {
            path: path.clone(),
            source,
        };
        if bodies {
            let rows = reader.rows().map_err(&failed)?;
            Ok(Box::new(rows.map(move |row| row.map_err(&failed))) as Rows)
        } else {
            let rows = reader.heads().map_err(&failed)?;
            Ok(Box::new(rows.map(move |row| row.map_err(&failed))) as Rows)
        }
    }
}

fn row_groups(segment: &Segment) -> usize {
    segment.reader().num_row_groups()
}

/// Tells whether a segment can hold an event that meets the conditions. Where it does not say what
/// it holds, it can.
fn can_hold(meta: &SegmentMeta, conditions: &Conditions) -> bool {
    let begins: Option<Timestamp> = meta.first_ts;
    let in_time = !matches!((begins, conditions.to), (Some(first), Some(to)) if first > to)
        && !matches!((meta.last_ts, conditions.from), (Some(last), Some(from)) if last < from);
    let feed = |id: &FeedId| meta.feeds.iter().find(|(known, _)| known == id);
    let has_some = meta.counts.iter().any(|(id, event_type, events)| {
        *events > 0
            && conditions.accepts(Key::Type, event_type.as_str())
            && feed(id).is_none_or(|(_, feed)| accepts_feed(conditions, feed))
    });
    in_time && (has_some || meta.counts.is_empty())
}

fn accepts_feed(conditions: &Conditions, feed: &Feed) -> bool {
    let resource = &feed.resource;
    conditions.accepts(Key::ApiGroup, &resource.group)
        && conditions.accepts(Key::Resource, &resource.resource)
        && (resource.kind.is_empty() || conditions.accepts(Key::Kind, &resource.kind))
}

fn broken(error: datafusion::arrow::error::ArrowError) -> Error {
    translate(DataFusionError::from(error), Phase::Running)
}

/// Makes batches of rows; opens them when the first batch is asked for.
fn part(
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
struct Reading {
    path: PathBuf,
    columns: EventColumns,
    feeds: Arc<BTreeMap<FeedId, Feed>>,
    cluster: Option<String>,
    conditions: Conditions,
    /// Rows that are still wanted.
    left: usize,
    /// Columns are made of what is in the body.
    needs_head: bool,
    /// The body is read at all.
    needs_body: bool,
    needs_patch: bool,
    /// The version before, where patches are wanted.
    before: Option<Version>,
}

/// A version of an object.
struct Version {
    uid: String,
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
            && accepts_feed(conditions, feed)
    }

    /// Returns what changed since the version before, and remembers this one.
    fn patch(&mut self, row: &Row, feed: &Feed) -> Option<String> {
        let body = row.event.body.clone()?;
        let resource = (feed.resource.group.clone(), feed.resource.resource.clone());
        let before = self
            .before
            .take()
            .filter(|before| before.uid == row.event.key.uid && before.resource == resource);
        let patch = before.and_then(|before| {
            let old = serde_json::from_slice(&before.body).ok()?;
            let new = serde_json::from_slice(&body).ok()?;
            serde_json::to_string(&json_patch::diff(&old, &new)).ok()
        });
        self.before = Some(Version {
            uid: row.event.key.uid.clone(),
            resource,
            body,
        });
        patch
    }
}
