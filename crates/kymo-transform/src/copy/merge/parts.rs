use std::collections::BTreeMap;
use std::sync::Arc;

use kymo_model::{Cause, Certainty, Coverage, CoverageState, EventType, Feed, FeedId, ObjectKey};
use kymo_store::segment::{Row, RowKey, SegmentMeta};
use kymo_store::{LogRecord, PlacedRecord, SessionInfo, Trace};
use roaring::RoaringTreemap;

use super::Two;
use super::records::whole_stretch;
use crate::Error;
use crate::copy::{Order, Watch};
use crate::language::Place;
use crate::merged::KeptRows;
use crate::plan::Input;
use crate::rows::{each_batch, numbers};

/// What `coverage` says of a stretch of which no part tells.
const BETWEEN_PARTS: &str = "between two parts";

/// Parts of one recording, which become one again.
///
/// Events have the same numbers in both. What a slice lists at its begin is known where the other part
/// has the event itself.
#[derive(Debug)]
pub(crate) struct Parts {
    other: Arc<Trace>,
    feeds: BTreeMap<FeedId, Feed>,
    their_feeds: BTreeMap<FeedId, FeedId>,
    /// How many numbers both have.
    common: u64,
    place: Place,
}

impl Parts {
    pub(crate) async fn of(order: &Order, input: &Input, other: &Input) -> Result<Self, Error> {
        let mut feeds: BTreeMap<FeedId, Feed> = (*input.feeds).clone();
        let mut their_feeds = BTreeMap::new();
        for (id, feed) in other.feeds.iter() {
            let is_same = feeds.get(id) == Some(feed);
            let known = if is_same {
                Some(*id)
            } else {
                let mut all = feeds.iter();
                all.find(|(_, known)| *known == feed).map(|(id, _)| *id)
            };
            let new = known.unwrap_or_else(|| {
                FeedId(feeds.last_key_value().map_or(0, |(last, _)| last.0 + 1))
            });
            feeds.insert(new, feed.clone());
            their_feeds.insert(*id, new);
        }
        let common = seqs(input).await?.intersection_len(&seqs(other).await?);
        Ok(Self {
            other: Arc::clone(&other.trace),
            feeds,
            their_feeds,
            common,
            place: order.place,
        })
    }

    pub(crate) fn meta(&self, ours: &Trace, meta: &mut SegmentMeta) {
        let theirs = self.other.meta();
        let mut sessions: BTreeMap<u32, SessionInfo> = BTreeMap::new();
        for session in theirs.sessions.iter().chain(&meta.sessions) {
            sessions.insert(session.number, session.clone());
        }
        meta.sessions = sessions.into_values().collect();
        meta.last_seq = meta.last_seq.max(theirs.last_seq);
        meta.feeds = self
            .feeds
            .iter()
            .map(|(id, feed)| (*id, feed.clone()))
            .collect();
        let more = theirs.records.into_iter();
        let mut records: Vec<PlacedRecord> = Vec::new();
        for placed in std::mem::take(&mut meta.records).into_iter().chain(more) {
            let is_of_a_moment = matches!(
                placed.record,
                LogRecord::Session(_) | LogRecord::ClockStep(_) | LogRecord::Lineage(_)
            );
            if is_of_a_moment && !records.contains(&placed) {
                records.push(placed);
            }
        }
        meta.records = records;
        self.coverage(ours, meta);
    }

    /// Puts what both observed together, where it touches.
    fn coverage(&self, ours: &Trace, meta: &mut SegmentMeta) {
        let mut all = ours.coverage();
        all.extend(self.other.coverage().into_iter().map(|row| {
            Coverage {
                feed: row
                    .feed
                    .map(|feed| self.their_feeds.get(&feed).copied().unwrap_or(feed)),
                ..row
            }
        }));
        // What lies between parts is found anew.
        all.retain(|row| row.detail.as_deref() != Some(BETWEEN_PARTS));
        all.sort_by_key(|row| (row.feed, row.session, row.epoch, row.from_ts, row.from_seq));
        let mut joined: Vec<Coverage> = Vec::new();
        for row in all {
            match joined.last_mut() {
                Some(last) if touches(last, &row) => {
                    let is_longer = match (last.to_ts, row.to_ts) {
                        (Some(one), Some(other)) => other >= one,
                        (one, _) => one.is_some(),
                    };
                    if is_longer {
                        last.to_ts = row.to_ts;
                        last.to_seq = row.to_seq;
                        last.to_rv = row.to_rv.or(last.to_rv.take());
                    }
                }
                last => {
                    let unseen = last.and_then(|last| between(last, &row));
                    joined.extend(unseen);
                    joined.push(row);
                }
            }
        }
        meta.records.extend(joined.into_iter().map(whole_stretch));
        meta.records.sort_by_key(|placed| placed.seq);
    }

    pub(crate) fn rows(self: Arc<Self>, trace: &Trace, watch: Watch) -> Result<KeptRows, Error> {
        let mut two = Two::of(trace, &self.other)?;
        let mut common = 0;
        // The object of the last row, while it is there.
        let mut present: Option<(FeedId, ObjectKey)> = None;
        let mut is_ended = false;
        Ok(Box::new(std::iter::from_fn(move || {
            if is_ended {
                return None;
            }
            let made = self.next(&mut two, &mut common, &watch);
            let made = made.map(|row| row.map(|row| known(row, &mut present).into()));
            is_ended = !matches!(made, Ok(Some(_)));
            made.transpose()
        })))
    }

    fn next(&self, two: &mut Two, common: &mut u64, watch: &Watch) -> Result<Option<Row>, Error> {
        let order = match (two.ours.peek(), two.theirs.peek()) {
            (None, None) => {
                if *common == self.common {
                    return Ok(None);
                }
                return Err(self.wrong(
                    "the traces are of one recording, but give the same numbers to different events"
                        .to_owned(),
                ));
            }
            (Some(Ok(one)), Some(Ok(other))) => self.key(one).cmp(&self.key_of_theirs(other)),
            (_, None) | (Some(Err(_)), _) => std::cmp::Ordering::Less,
            (None, _) | (_, Some(Err(_))) => std::cmp::Ordering::Greater,
        };
        let mut ours = None;
        let mut theirs = None;
        if order.is_le() {
            ours = two.ours.next().transpose()?;
        }
        if order.is_ge() {
            theirs = two.theirs.next().transpose()?;
        }
        if let Some(row) = &mut theirs
            && let Some(feed) = self.their_feeds.get(&row.event.feed)
        {
            row.event.feed = *feed;
        }
        watch.read()?;
        watch.written(1, usize::from(ours.is_none()));
        match (ours, theirs) {
            (Some(one), Some(other)) => {
                *common += 1;
                self.one_of(one, other).map(Some)
            }
            (one, other) => Ok(one.or(other)),
        }
    }

    /// Returns the event that both have, not the listed state that a slice made of it.
    fn one_of(&self, one: Row, other: Row) -> Result<Row, Error> {
        if one == other {
            return Ok(one);
        }
        if !says_the_same(&one, &other) {
            let key = &one.event.key;
            return Err(self.wrong(format!(
                "the traces are of one recording, but event {} of `{}/{}` is not the same in both",
                one.seq, key.namespace, key.name
            )));
        }
        let is_listed = |row: &Row| row.event.certainty == Certainty::Listed;
        Ok(match (is_listed(&one), is_listed(&other)) {
            (true, false) => other,
            (false, true) => one,
            _ if other.event.ts < one.event.ts => other,
            _ => one,
        })
    }

    fn wrong(&self, message: String) -> Error {
        Error::Statement {
            message,
            place: self.place,
            hint: Some(
                "parts can be put together again as they were cut; change them after that, or add \
                 `PREFIX NAMESPACES 'b-'`"
                    .to_owned(),
            ),
        }
    }

    fn key<'a>(&'a self, row: &'a Row) -> Option<RowKey<'a>> {
        let feed = self.feeds.get(&row.event.feed)?;
        Some(RowKey::of(row, feed))
    }

    fn key_of_theirs<'a>(&'a self, row: &'a Row) -> Option<RowKey<'a>> {
        let feed = self.feeds.get(self.their_feeds.get(&row.event.feed)?)?;
        Some(RowKey::of(row, feed))
    }
}

/// A listed state of an object that is known tells of a change that was not seen.
fn known(mut row: Row, present: &mut Option<(FeedId, ObjectKey)>) -> Row {
    let event = &mut row.event;
    let this = (event.feed, event.key.clone());
    let is_known = present.as_ref() == Some(&this) && !event.key.uid.is_empty();
    if is_known && event.event_type == EventType::Added && event.certainty == Certainty::Listed {
        event.event_type = EventType::Modified;
        event.certainty = Certainty::Coalesced;
    }
    let is_there = match event.event_type {
        EventType::Deleted => false,
        EventType::Unreadable => is_known,
        _ => true,
    };
    *present = is_there.then_some(this);
    row
}

/// Returns the stretch between two of one feed in which neither part tells anything.
fn between(last: &Coverage, next: &Coverage) -> Option<Coverage> {
    let is_same = (last.feed, last.session) == (next.feed, next.session);
    let is_hole = is_same && next.from_ts > last.to_ts && last.to_ts.is_some();
    is_hole.then(|| Coverage {
        feed: last.feed,
        epoch: last.epoch,
        session: last.session,
        state: CoverageState::Unobserved,
        cause: Cause::Source,
        from_rv: last.to_rv.clone(),
        to_rv: next.from_rv.clone(),
        from_seq: last.to_seq,
        to_seq: next.from_seq,
        from_ts: last.to_ts,
        to_ts: next.from_ts,
        detail: Some(BETWEEN_PARTS.to_owned()),
    })
}

/// Tells whether two rows have the same object, however its fields are ordered.
fn says_the_same(one: &Row, other: &Row) -> bool {
    let (one, other) = (&one.event, &other.event);
    let value = |body: &Option<Arc<[u8]>>| -> Option<serde_json::Value> {
        serde_json::from_slice(body.as_deref()?).ok()
    };
    one.rv == other.rv
        && (one.body == other.body
            || (value(&one.body).is_some() && value(&one.body) == value(&other.body)))
}

fn touches(last: &Coverage, next: &Coverage) -> bool {
    let same = |row: &Coverage| (row.feed, row.session, row.epoch, row.state);
    same(last) == same(next)
        && last
            .to_ts
            .is_none_or(|end| next.from_ts.is_none_or(|begin| begin <= end))
}

async fn seqs(input: &Input) -> Result<RoaringTreemap, Error> {
    let mut found = RoaringTreemap::new();
    each_batch(&input.session, "SELECT seq FROM events", |batch| {
        found.extend(numbers(batch, 0)?.flatten().map(i64::unsigned_abs));
        Ok(())
    })
    .await?;
    Ok(found)
}
