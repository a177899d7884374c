//! A trace of the store as a source.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use kymo_model::{Coverage, Feed, FeedId, Timestamp};
use kymo_store::segment::SegmentMeta;
use kymo_store::{Error as StoreError, Segment, SessionInfo, Trace};

use super::logical::{self, EventColumns};
use super::reading::{Reading, Rows, accepts_feed, broken, part};
use super::{EventsRequest, EventsScan, Pruning, Source};
use crate::conditions::{Conditions, Key};
use crate::span::covered;
use crate::{Error, Span};

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

    fn span(&self) -> Option<Span> {
        let stats = self.trace.stats();
        let events = [stats.first_ts, stats.last_ts].into_iter().flatten();
        Span::of(covered(&self.coverage).chain(events))
    }

    fn feeds(&self) -> Vec<(FeedId, Feed)> {
        let feeds = self.feeds.iter();
        feeds.map(|(id, feed)| (*id, feed.clone())).collect()
    }

    fn sessions(&self) -> Vec<SessionInfo> {
        self.trace.sessions().cloned().collect()
    }
}

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
