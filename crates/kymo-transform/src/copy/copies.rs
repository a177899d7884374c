use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use kymo_model::{EventType, Feed, FeedId, GroupResource, Rv};
use kymo_store::segment::{KeptRow, Row, SegmentMeta};
use kymo_store::{LogRecord, PlacedRecord, Trace};
use serde_json::Value;

use super::backends;
use super::renaming::Renaming;
use super::{Watch, widened};
use crate::Error;
use crate::ahead::{ahead, beside, bytes};
use crate::draft::Draft;
use crate::merged::{Coming, KeptRows};
use crate::scale::backends::Form;
use crate::scale::{Surplus, get, set};

/// Objects that are there several times, at the same times as the recorded ones.
///
/// Numbers of rows and versions are multiplied by how many there can be of one, and the copies stand
/// behind the recorded row in the room that this makes.
#[derive(Debug)]
pub(crate) struct Copies {
    /// By the number of the copy less one.
    renamings: Vec<Renaming>,
    /// Resources with copies: their versions are multiplied.
    widened: BTreeSet<GroupResource>,
    /// What leaves: the objects that this would copy.
    pub(super) leaving: Option<Renaming>,
    /// What becomes of references to what leaves, in what stays.
    pub(super) moves: Option<Renaming>,
    /// By how many pods more or fewer than recorded `DaemonSets` count, by uid.
    pub(super) counts: HashMap<String, Surplus>,
    feeds: BTreeMap<FeedId, Feed>,
    /// Feeds of copied namespaces, for each copy: the feed and the copy's.
    own_feeds: Vec<BTreeMap<FeedId, FeedId>>,
}

impl Copies {
    pub(crate) fn new(
        renamings: Vec<Renaming>,
        widened: BTreeSet<GroupResource>,
        feeds: &BTreeMap<FeedId, Feed>,
    ) -> Self {
        let mut all = feeds.clone();
        let mut own_feeds = Vec::with_capacity(renamings.len());
        for renaming in &renamings {
            let mut own = BTreeMap::new();
            for (id, feed) in feeds {
                let Some(namespace) = &feed.scope.namespace else {
                    continue;
                };
                if let Some(copied) = renaming.namespaces.of(namespace)
                    && copied != namespace.as_str()
                {
                    let next = all.last_key_value().map_or(0, |(last, _)| last.0 + 1);
                    let mut feed = feed.clone();
                    feed.scope.namespace = Some(copied.into_owned());
                    all.insert(FeedId(next), feed);
                    own.insert(*id, FeedId(next));
                }
            }
            own_feeds.push(own);
        }
        Self {
            renamings,
            widened,
            leaving: None,
            moves: None,
            counts: HashMap::new(),
            feeds: all,
            own_feeds,
        }
    }

    /// Returns how many there are of one at most.
    fn room(&self) -> u64 {
        self.renamings.len() as u64 + 1
    }

    /// Tells whether the numbers of so many rows can be multiplied.
    pub(crate) fn fits(&self, last_seq: u64) -> bool {
        last_seq
            .checked_add(1)
            .and_then(|seq| seq.checked_mul(self.room()))
            .is_some()
    }

    pub(crate) fn meta(&self, meta: &mut SegmentMeta) {
        let room = self.room();
        let last = |seq: u64| seq.saturating_mul(room).saturating_add(room - 1);
        let version = |feed: Option<FeedId>, version: &mut Option<Rv>, more: u64| {
            let resource = feed.and_then(|feed| self.feeds.get(&feed));
            if resource.is_some_and(|feed| self.widens(feed))
                && let Some(wide) = version
                    .as_ref()
                    .and_then(|version| widened(version, room, more))
            {
                *version = Some(wide);
            }
        };
        meta.feeds = self
            .feeds
            .iter()
            .map(|(id, feed)| (*id, feed.clone()))
            .collect();
        for placed in &mut meta.records {
            placed.seq = placed.seq.saturating_mul(room);
            match &mut placed.record {
                LogRecord::Mark { feed, rv, .. } => {
                    let mut wide = Some(rv.clone());
                    version(Some(*feed), &mut wide, room - 1);
                    *rv = wide.unwrap_or_else(|| rv.clone());
                }
                LogRecord::Transition { feed, rv, .. } => version(Some(*feed), rv, room - 1),
                LogRecord::Gap(gap) => {
                    gap.from_seq = gap.from_seq.map(|seq| seq.saturating_mul(room));
                    gap.to_seq = gap.to_seq.map(last);
                    version(gap.feed, &mut gap.from_rv, 0);
                    version(gap.feed, &mut gap.to_rv, room - 1);
                }
                _ => {}
            }
        }
        meta.last_seq = last(meta.last_seq);
        let mut more: Vec<PlacedRecord> = Vec::new();
        for own in &self.own_feeds {
            for placed in &meta.records {
                let mut copy = placed.clone();
                let feed = match &mut copy.record {
                    LogRecord::Mark { feed, .. } | LogRecord::Transition { feed, .. } => feed,
                    LogRecord::Gap(gap) => match &mut gap.feed {
                        Some(feed) => feed,
                        None => continue,
                    },
                    _ => continue,
                };
                if let Some(new) = own.get(feed) {
                    *feed = *new;
                    more.push(copy);
                }
            }
        }
        meta.records.extend(more);
        meta.records.sort_by_key(|placed| placed.seq);
    }

    fn widens(&self, feed: &Feed) -> bool {
        self.widened.contains(&feed.resource.group_resource())
    }

    /// Returns the recorded rows that stay, with their new numbers and versions.
    pub(crate) fn staying(self: Arc<Self>, trace: &Trace, watch: Watch) -> Result<KeptRows, Error> {
        let rows = ahead(trace.kept_rows()?, bytes)?;
        let rows = rows.map(move |row| {
            watch.read()?;
            let stays = self.stays(row?)?;
            watch.written(usize::from(stays.is_some()), 0);
            Ok(stays)
        });
        Ok(Box::new(rows.filter_map(Result::transpose)))
    }

    /// Returns the copies.
    pub(crate) fn coming(
        self: Arc<Self>,
        trace: &Trace,
        watch: Watch,
    ) -> Result<Option<Coming>, Error> {
        if self.renamings.is_empty() {
            return Ok(None);
        }
        let rows = ahead(trace.kept_rows()?, bytes)?;
        let parts = beside(rows, move |row| {
            watch.goes_on()?;
            let made = self.copies(row?)?;
            watch.written(made.len(), made.len());
            Ok(made)
        });
        Ok(Some(Coming::InAnyOrder(parts)))
    }

    /// Returns a row without what leaves; `None` if it leaves itself.
    fn prepared(&self, row: KeptRow, feed: &Feed) -> Result<Option<Draft>, Error> {
        if let Some(leaving) = &self.leaving
            && leaving.key(&row.row.event.key, &feed.resource).is_some()
        {
            return Ok(None);
        }
        let mut draft = Draft::new(row);
        if let Some(moves) = &self.moves {
            moves.references(&mut draft)?;
        }
        if let (Some(form), Some(leaving)) = (Form::of(&feed.resource), &self.leaving) {
            backends::without(form, leaving, &mut draft)?;
        }
        Ok(Some(draft))
    }

    /// Gives a row its number and version: 0 is the recorded one, others are copies.
    fn number(&self, draft: &mut Draft, feed: &Feed, copy: u64) -> Result<u64, Error> {
        let room = self.room();
        if room > 1
            && self.widens(feed)
            && let Some(version) = &draft.event.rv
            && let Some(wide) = widened(version, room, copy)
        {
            draft.set_version(Some(wide))?;
        }
        Ok(draft.source.saturating_mul(room).saturating_add(copy))
    }

    /// Returns what becomes of a recorded row; `None` if it leaves.
    fn stays(&self, row: KeptRow) -> Result<Option<KeptRow>, Error> {
        let Some(feed) = self.feeds.get(&row.row.event.feed) else {
            let seq = row.row.seq.saturating_mul(self.room());
            return Draft::new(row).into_kept(seq).map(Some);
        };
        let Some(mut draft) = self.prepared(row, feed)? else {
            return Ok(None);
        };
        if Form::of(&feed.resource) == Some(Form::Endpoints) {
            backends::add(&self.renamings, &mut draft)?;
        }
        if let Some(more) = self.counts.get(&draft.event.key.uid) {
            count(&mut draft, more)?;
        }
        let seq = self.number(&mut draft, feed, 0)?;
        draft.into_kept(seq).map(Some)
    }

    /// Returns the copies of a row.
    fn copies(&self, row: KeptRow) -> Result<Vec<Row>, Error> {
        let mut made = Vec::new();
        let key = &row.row.event.key;
        let (Some(feed), Some(first)) =
            (self.feeds.get(&row.row.event.feed), self.renamings.first())
        else {
            return Ok(made);
        };
        // Who is not in one copy is in no later one.
        if first.key(key, &feed.resource).is_none() {
            return Ok(made);
        }
        let is_slice = Form::of(&feed.resource) == Some(Form::Slice);
        let Some(mut draft) = self.prepared(row, feed)? else {
            return Ok(made);
        };
        if draft.event.event_type != EventType::Unreadable {
            // Put together and parsed once for all copies.
            draft.object()?;
        }
        let mut draft = Some(draft);
        let last = self.renamings.len();
        let copies = self.renamings.iter().zip(&self.own_feeds);
        for (number, (renaming, own)) in (1..).zip(copies) {
            let Some(of) = &draft else { break };
            let part = if is_slice {
                backends::part(renaming, of)?
            } else {
                None
            };
            let copy = match part {
                Some(part) => renaming.renamed(part, &feed.resource)?,
                // Nothing else is made of it.
                None if number == last => match draft.take() {
                    Some(of) => renaming.renamed(of, &feed.resource)?,
                    None => break,
                },
                None => renaming.row(of, &feed.resource)?,
            };
            let Some(mut copy) = copy else { break };
            if let Some(feed) = own.get(&copy.event.feed) {
                copy.event.feed = *feed;
            }
            let seq = self.number(&mut copy, feed, renaming.copy)?;
            made.push(copy.into_row(seq)?);
        }
        Ok(made)
    }
}

/// Lets a `DaemonSet` count the pods that are there.
fn count(draft: &mut Draft, more: &Surplus) -> Result<(), Error> {
    let (pods, ready) = more.at(draft.event.ts);
    if pods == 0 && ready == 0 {
        return Ok(());
    }
    let Some(object) = draft.object()? else {
        return Ok(());
    };
    if let Some(Value::Object(status)) = object.get_mut("status") {
        for (field, more) in [
            ("desiredNumberScheduled", pods),
            ("currentNumberScheduled", pods),
            ("updatedNumberScheduled", pods),
            ("numberReady", ready),
            ("numberAvailable", ready),
        ] {
            let count = get(status, field) + more;
            if count > 0 || !status.contains_key(field) {
                set(status, field, count);
            } else {
                status.insert(field.to_owned(), Value::from(0));
            }
        }
    }
    Ok(())
}
