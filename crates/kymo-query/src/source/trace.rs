//! A trace of the store as a source.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use kymo_model::{Coverage, Feed, FeedId};
use kymo_store::{SessionInfo, Trace};

use super::sealed::{self, Plan, Sealed, Unit};
use super::tail::{self, Reading, Rows};
use super::wide::Wide;
use super::{
    Batches, Counts, EventsRequest, EventsScan, Part, Predicate, Pruning, Source, Until, logical,
    patched, units,
};
use crate::conditions::Key;
use crate::span::covered;
use crate::{Error, Span};

/// Bytes of text after which a batch is full, unless less is asked for.
const BATCH_BYTES: usize = 8 << 20;

/// A trace on disk, as it was when it was opened.
pub struct TraceSource {
    trace: Arc<Trace>,
    segments: Vec<Sealed>,
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
        let segments = trace.segments().enumerate().map(|(index, segment)| {
            let name = &segment.entry().name;
            let path = if trace.path().ends_with(name) {
                trace.path().to_owned()
            } else {
                trace.path().join(name)
            };
            Sealed::new(path, segment.reader(), index == 0)
        });
        Self {
            segments: segments.collect(),
            feeds: Arc::new(trace.feeds().clone()),
            coverage: trace.coverage(),
            trace: Arc::new(trace),
        }
    }

    fn reading(&self, request: &EventsRequest, patches: bool) -> Reading {
        Reading {
            path: self.trace.path().to_owned(),
            feeds: Arc::clone(&self.feeds),
            cluster: self.cluster(),
            conditions: request.conditions.clone(),
            wide: Wide::new(request),
            left: request.limit.unwrap_or(usize::MAX),
            patches,
            batch_bytes: batch_bytes(request),
        }
    }

    fn cluster(&self) -> Option<String> {
        self.trace.identity().cluster_uid.clone()
    }

    /// Reads events with the patches between versions.
    fn scan_patches(&self, request: &EventsRequest) -> EventsScan {
        let reading = self.reading(request, true);
        let parts = patched::parts(&self.trace, &self.segments, &reading, request.parts);
        let row_groups = |segments: &mut dyn Iterator<Item = &Sealed>| {
            segments
                .map(|segment| segment.reader.num_row_groups())
                .sum()
        };
        let can_hold = |segment: &&Sealed| {
            // Versions before the wanted ones may be older, and of another type.
            let mut objects = request.conditions.clone();
            (objects.from, objects.to) = (None, None);
            objects.one_of.remove(&Key::Type);
            units::can_hold(segment.reader.meta(), &objects)
        };
        EventsScan {
            parts,
            is_sorted: true,
            pruning: Pruning {
                segments: self.segments.len(),
                segments_read: self.segments.iter().filter(can_hold).count(),
                row_groups: row_groups(&mut self.segments.iter()),
                row_groups_read: row_groups(&mut self.segments.iter().filter(can_hold)),
            },
            rows: usize::try_from(self.trace.stats().events).ok(),
        }
    }
}

fn batch_bytes(request: &EventsRequest) -> usize {
    match request.batch_bytes {
        0 => BATCH_BYTES,
        bytes => bytes.min(BATCH_BYTES),
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

    fn takes_predicates(&self) -> bool {
        true
    }

    fn scan(&self, request: &EventsRequest) -> Result<EventsScan, Error> {
        let asked = request.predicate.iter().flat_map(Predicate::columns);
        let mut asked = asked.chain(&request.columns);
        if asked.any(|index| logical::name_of(*index) == "patch") {
            return Ok(self.scan_patches(request));
        }
        let tail_from = self.trace.tail_from();
        let (segments, pruning) = units::units(&self.segments, request, tail_from)?;
        let is_over = |until: Until| !until.ends && tail_from.is_some_and(|from| from > until.ts);
        let tail_rows = match request.until {
            Some(until) if is_over(until) => 0,
            _ => self.trace.tail_rows(),
        };
        let sources = segments.len() + usize::from(tail_rows > 0);
        let rows: usize = segments.iter().map(|units| units::rows_of(units)).sum();
        let rows = rows + usize::try_from(tail_rows).unwrap_or(usize::MAX);
        let (dealt, tail) = units::deal(segments, tail_rows > 0, request.parts);
        let plan = Plan::new(request, batch_bytes(request), self.cluster());
        let parts = dealt.into_iter().enumerate().map(|(index, units)| {
            let tail = tail.filter(|tail| *tail == index);
            Arc::new(TracePart {
                units,
                plan: plan.clone(),
                tail: tail.map(|_| (Arc::clone(&self.trace), self.reading(request, false))),
            }) as Arc<dyn Part>
        });
        Ok(EventsScan {
            parts: parts.collect(),
            is_sorted: sources <= request.parts.max(1),
            pruning,
            rows: Some(rows),
        })
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

    fn lineage(&self) -> Vec<serde_json::Value> {
        self.trace.lineage().to_vec()
    }
}

/// Rows of segments, and behind them perhaps those that are not sealed.
struct TracePart {
    units: Vec<Unit>,
    plan: Plan,
    tail: Option<(Arc<Trace>, Reading)>,
}

impl Part for TracePart {
    fn open(&self, counts: &Counts) -> Result<Batches, Error> {
        let sealed = sealed::batches(self.units.clone(), self.plan.clone(), counts);
        let Some((trace, reading)) = &self.tail else {
            return Ok(sealed);
        };
        let rows: Rows = Box::new(trace.tail()?);
        let tail = tail::batches(rows, reading.clone(), counts);
        Ok(Box::new(sealed.chain(tail)))
    }
}
