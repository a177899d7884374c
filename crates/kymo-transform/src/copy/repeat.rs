//! `REPEAT`: the trace several times, one after the other.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use kymo_model::{
    Cause, Certainty, Coverage, CoverageState, EventType, Feed, FeedId, ObjectKey, Rv, Timestamp,
};
use kymo_query::{QuerySession, Span};
use kymo_store::segment::{Row, SegmentMeta};
use kymo_store::{LogRecord, PlacedRecord, Trace};

use super::names::{Kinds, Names};
use super::renaming::Renaming;
use super::{Order, Watch};
use crate::Error;
use crate::ahead::{ahead, bytes};
use crate::draft::Draft;
use crate::merged::{Coming, KeptRows};
use crate::rows::{each_batch, numbers};
use crate::times::{TimeMap, move_times};

/// The trace several times. Each time is a run of the recorder of its own: what was alive at the end
/// of the one before it is found to be gone, and the objects of that time are new ones.
#[derive(Debug)]
pub(crate) struct Repeat {
    /// All but the first time.
    renamings: Vec<Renaming>,
    every: i64,
    span: Span,
    feeds: BTreeMap<FeedId, Feed>,
    last_seq: u64,
    last_session: u32,
    /// By how much versions grow from one time to the next.
    versions: u64,
    place: crate::language::Place,
}

/// Plans repetitions.
pub(crate) async fn repeat(
    order: &Order,
    times: u64,
    every: Option<i64>,
    span: Span,
    trace: &Trace,
    session: &QuerySession,
) -> Result<Repeat, Error> {
    const MOST: u64 = 100_000;
    let length = span.end.0.saturating_sub(span.start.0);
    let every = every.unwrap_or(length);
    if times > 1 && every < length {
        return Err(order.wrong(
            "the repetitions would overlap, and their objects have the same names",
            format!(
                "the trace is {} s long; SCALE EVERYTHING makes copies that are there at the same time",
                length.div_euclid(1_000_000_000) + 1
            ),
        ));
    }
    let meta = trace.meta();
    let last_seq = meta.last_seq;
    let is_too_much = times > MOST
        || every
            .checked_mul(i64::try_from(times).unwrap_or(i64::MAX))
            .and_then(|more| span.end.0.checked_add(more))
            .is_none()
        || stride(last_seq).checked_mul(times).is_none();
    if is_too_much {
        return Err(order.wrong(
            "so many repetitions do not fit into the years 1677 to 2262, or are more than 100000",
            "make fewer, or with less time between them",
        ));
    }
    let mut versions = 0;
    each_batch(
        session,
        "SELECT max(TRY_CAST(resource_version AS BIGINT)) FROM events",
        |batch| {
            versions = numbers(batch, 0)?
                .flatten()
                .map(i64::unsigned_abs)
                .max()
                .unwrap_or(0);
            Ok(())
        },
    )
    .await?;
    for placed in &meta.records {
        for version in versions_of(&placed.record) {
            versions = versions.max(version.as_str().parse().unwrap_or(0));
        }
    }
    let kinds = Arc::new(Kinds::of(trace.feeds()));
    let renamings = (1..times).map(|copy| Renaming {
        label: order.label.clone(),
        copy,
        namespaces: Names::Same,
        nodes: Names::Same,
        volumes: Names::Same,
        rest: Names::Same,
        kinds: Arc::clone(&kinds),
        ..Renaming::default()
    });
    let sessions = meta.sessions.iter().map(|session| session.number);
    let placed = meta.records.iter().map(|placed| placed.session);
    Ok(Repeat {
        renamings: renamings.collect(),
        every,
        span,
        feeds: trace.feeds().clone(),
        last_seq,
        last_session: sessions.chain(placed).max().unwrap_or(0),
        versions,
        place: order.place,
    })
}

/// Returns how far the numbers of one time are from those of the next: there is one for each row,
/// and one to tell that an object whose last row it is has gone.
fn stride(last_seq: u64) -> u64 {
    last_seq.saturating_add(1).saturating_mul(2)
}

fn versions_of(record: &LogRecord) -> Vec<&Rv> {
    match record {
        LogRecord::Mark { rv, .. } => vec![rv],
        LogRecord::Transition { rv, .. } => rv.iter().collect(),
        LogRecord::Gap(gap) => gap.from_rv.iter().chain(&gap.to_rv).collect(),
        _ => Vec::new(),
    }
}

impl Repeat {
    fn map(&self, copy: u64) -> TimeMap {
        let times = i64::try_from(copy).unwrap_or(i64::MAX);
        TimeMap {
            target: self.every.saturating_mul(times),
            ..TimeMap::IDENTITY
        }
    }

    fn begin(&self, copy: u64) -> Timestamp {
        let begin = self.map(copy).apply(self.span.start.0);
        Timestamp(begin.unwrap_or(i64::MAX))
    }

    fn end(&self, copy: u64) -> Timestamp {
        Timestamp(self.map(copy).apply(self.span.end.0).unwrap_or(i64::MAX))
    }

    fn session(&self, session: u32, copy: u64) -> u32 {
        let times = u32::try_from(copy).unwrap_or(u32::MAX);
        match session {
            0 => 0,
            session => session.saturating_add(self.last_session.saturating_mul(times)),
        }
    }

    fn seq(&self, seq: u64, copy: u64) -> u64 {
        seq.saturating_add(stride(self.last_seq).saturating_mul(copy))
    }

    fn version(&self, version: &Rv, copy: u64) -> Option<Rv> {
        let number: u64 = version.as_str().parse().ok()?;
        let more = u128::from(self.versions) * u128::from(copy);
        Some((u128::from(number) + more).to_string().as_str().into())
    }

    pub(crate) fn meta(&self, meta: &mut SegmentMeta) {
        let sessions = meta.sessions.clone();
        let records = meta.records.clone();
        for renaming in &self.renamings {
            let copy = renaming.copy;
            meta.records.push(self.gap(copy, &records));
            meta.sessions.extend(sessions.iter().map(|session| {
                let mut session = session.clone();
                session.number = self.session(session.number, copy);
                let started = self.map(copy).apply(session.started.0);
                session.started = started.map_or(session.started, Timestamp);
                session
            }));
            for placed in &records {
                if !matches!(placed.record, LogRecord::Lineage(_)) {
                    meta.records.push(self.record(placed, copy));
                }
            }
        }
        meta.last_seq = self.seq(self.last_seq, self.renamings.len() as u64);
        meta.records.sort_by_key(|placed| placed.seq);
    }

    /// Tells that nothing was seen between a time and the one before it.
    fn gap(&self, copy: u64, records: &[PlacedRecord]) -> PlacedRecord {
        let before = copy.saturating_sub(1);
        let session = records.iter().map(|placed| placed.session).max();
        PlacedRecord {
            seq: self.seq(self.last_seq.saturating_add(1), before),
            session: 0,
            record: LogRecord::Gap(Coverage {
                feed: None,
                epoch: 0,
                session: self.session(session.unwrap_or(0), before),
                state: CoverageState::Unobserved,
                cause: Cause::Stop,
                from_rv: None,
                to_rv: None,
                from_seq: Some(self.seq(self.last_seq.saturating_add(1), before)),
                to_seq: Some(self.seq(0, copy)),
                from_ts: Some(self.end(before)),
                to_ts: Some(self.begin(copy)),
                detail: Some("between two repetitions".to_owned()),
            }),
        }
    }

    fn record(&self, placed: &PlacedRecord, copy: u64) -> PlacedRecord {
        let mut placed = placed.clone();
        placed.seq = self.seq(placed.seq, copy);
        placed.session = self.session(placed.session, copy);
        let moved = |time: Timestamp| Timestamp(self.map(copy).apply(time.0).unwrap_or(time.0));
        let later = |version: &mut Option<Rv>| {
            if let Some(new) = version
                .as_ref()
                .and_then(|version| self.version(version, copy))
            {
                *version = Some(new);
            }
        };
        match &mut placed.record {
            LogRecord::Session(session) => {
                session.number = self.session(session.number, copy);
                session.started = moved(session.started);
            }
            LogRecord::SessionEnd { ts, .. } => *ts = moved(*ts),
            LogRecord::Mark { rv, ts, .. } => {
                *ts = moved(*ts);
                if let Some(new) = self.version(rv, copy) {
                    *rv = new;
                }
            }
            LogRecord::Transition { ts, rv, .. } => {
                *ts = moved(*ts);
                later(rv);
            }
            LogRecord::Gap(gap) => {
                gap.session = self.session(gap.session, copy);
                gap.from_seq = gap.from_seq.map(|seq| self.seq(seq, copy));
                gap.to_seq = gap.to_seq.map(|seq| self.seq(seq, copy));
                gap.from_ts = gap.from_ts.map(moved);
                gap.to_ts = gap.to_ts.map(moved);
                later(&mut gap.from_rv);
                later(&mut gap.to_rv);
            }
            LogRecord::ClockStep(step) => step.at = moved(step.at),
            LogRecord::Feed { .. } | LogRecord::Event(_) | LogRecord::Lineage(_) => {}
        }
        placed
    }

    /// Returns the rows of all times but the first, and what tells that objects have gone.
    pub(crate) fn coming(self: Arc<Self>, trace: &Trace, watch: Watch) -> Result<Coming, Error> {
        let mut rows = trace.rows()?;
        let mut ready: VecDeque<Row> = VecDeque::new();
        let mut last: Option<Row> = None;
        let mut is_ended = false;
        Ok(Coming::InAnyOrder(vec![Box::new(std::iter::from_fn(
            move || {
                while ready.is_empty() && !is_ended {
                    let made = match rows.next() {
                        None => {
                            is_ended = true;
                            last.take().map_or(Ok(Vec::new()), |last| self.ends(&last))
                        }
                        Some(Err(error)) => return Some(Err(error.into())),
                        Some(Ok(row)) => watch.goes_on().and_then(|()| {
                            let mut made = match &last {
                                Some(last) if !is_same(last, &row) => self.ends(last)?,
                                _ => Vec::new(),
                            };
                            made.extend(self.row(&row)?);
                            last = after(last.take(), &row);
                            Ok(made)
                        }),
                    };
                    match made {
                        Ok(made) => {
                            watch.written(made.len(), made.len());
                            ready.extend(made);
                        }
                        Err(error) => return Some(Err(error)),
                    }
                }
                ready.pop_front().map(Ok)
            },
        ))]))
    }

    /// Returns what becomes of a row in all times but the first.
    fn row(&self, row: &Row) -> Result<Vec<Row>, Error> {
        self.renamings
            .iter()
            .map(|renaming| self.copy(row, renaming, self.map(renaming.copy)))
            .collect()
    }

    /// Returns rows that tell that an object has gone after each time but the last.
    fn ends(&self, last: &Row) -> Result<Vec<Row>, Error> {
        (0..self.renamings.len() as u64)
            .map(|copy| {
                let made = match copy.checked_sub(1) {
                    None => last.clone(),
                    Some(index) => match self.renamings.get(usize::try_from(index).unwrap_or(0)) {
                        Some(renaming) => self.copy(last, renaming, self.map(copy))?,
                        None => last.clone(),
                    },
                };
                let mut end = made;
                end.seq = self.seq(
                    last.seq.saturating_add(self.last_seq).saturating_add(1),
                    copy,
                );
                end.session = self.session(last.session, copy + 1);
                end.event.not_before = Some(self.end(copy));
                end.event.ts = self.begin(copy + 1);
                end.event.event_type = EventType::Deleted;
                end.event.certainty = Certainty::Inferred;
                end.event.rv = None;
                end.event.request = None;
                Ok(end)
            })
            .collect()
    }

    fn copy(&self, row: &Row, renaming: &Renaming, map: TimeMap) -> Result<Row, Error> {
        let copy = renaming.copy;
        let draft = Draft::new(row.clone());
        let renamed = match self.feeds.get(&row.event.feed) {
            Some(feed) => renaming.row(&draft, &feed.resource)?,
            None => None,
        };
        let mut draft = renamed.unwrap_or(draft);
        let out_of_range = || Error::TimeOutOfRange {
            seq: row.seq,
            object: row.event.key.clone(),
            place: self.place,
        };
        let moved = |time: Timestamp| map.apply(time.0).map(Timestamp).ok_or_else(out_of_range);
        draft.event.ts = moved(draft.event.ts)?;
        draft.event.not_before = draft.event.not_before.map(moved).transpose()?;
        if let Some(version) = &draft.event.rv
            && let Some(version) = self.version(version, copy)
        {
            draft.set_version(Some(version))?;
        }
        let text = match draft.text()? {
            Some(text) => match move_times(text, |time| map.apply(time)) {
                std::borrow::Cow::Owned(moved) => Some(moved),
                std::borrow::Cow::Borrowed(_) => None,
            },
            None => None,
        };
        if let Some(text) = text {
            draft.set_text(text);
        }
        draft.session = self.session(draft.session, copy);
        draft.into_row(self.seq(row.seq, copy))
    }
}

/// Returns the rows of the first time, which are as they were.
pub(crate) fn staying(trace: &Trace, watch: Watch) -> Result<KeptRows, Error> {
    let rows = ahead(trace.kept_rows()?, bytes)?;
    Ok(Box::new(rows.map(move |row| {
        watch.read()?;
        watch.written(1, 0);
        Ok(row?)
    })))
}

fn is_same(one: &Row, other: &Row) -> bool {
    let key = |row: &Row| -> (FeedId, ObjectKey) { (row.event.feed, row.event.key.clone()) };
    key(one) == key(other)
}

/// Returns the row that says what an object is after `row`; `None` if it is not there then.
fn after(last: Option<Row>, row: &Row) -> Option<Row> {
    let event = &row.event;
    match event.event_type {
        EventType::Deleted => None,
        EventType::Unreadable => last,
        _ if event.certainty == Certainty::Reported => last,
        _ => Some(row.clone()),
    }
}
