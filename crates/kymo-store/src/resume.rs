//! Where each feed can go on: the fold of marks, transitions and events.

use std::collections::{BTreeMap, HashMap};

use kymo_model::{
    Certainty, CoverageState, EventType, Feed, FeedId, GroupResource, ObjectKey, Rv, Scope,
    Timestamp,
};

use crate::contents::Contents;
use crate::error::Error;
use crate::log::Item;
use crate::record::{LiveObject, LogRecord, PlacedRecord};

/// What stays the same when the version of a resource changes.
type Identity = (GroupResource, Scope);

/// What is known of a feed without its objects.
#[derive(Clone, Debug, Default)]
pub(crate) struct FeedState {
    pub(crate) epoch: u32,
    /// The version up to which everything is there, with its place: seq, and whether it is an
    /// event (which comes behind the records placed at the same seq).
    rv: Option<((u64, bool), Rv)>,
    pub(crate) state: Option<CoverageState>,
    pub(crate) last_ts: Option<Timestamp>,
}

impl FeedState {
    pub(crate) fn rv(&self) -> Option<&Rv> {
        self.rv.as_ref().map(|(_, rv)| rv)
    }

    fn enter(&mut self, epoch: u32) -> bool {
        if epoch > self.epoch {
            self.epoch = epoch;
            self.rv = None;
        }
        epoch == self.epoch
    }

    fn reach(&mut self, place: (u64, bool), rv: &Rv) {
        if self.rv.as_ref().is_none_or(|(before, _)| *before <= place) {
            self.rv = Some((place, rv.clone()));
        }
    }

    fn touch(&mut self, ts: Timestamp) {
        self.last_ts = Some(self.last_ts.map_or(ts, |last| last.max(ts)));
    }
}

/// The states of all feeds, by resource and scope.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fold {
    slots: HashMap<FeedId, usize>,
    by_identity: HashMap<Identity, usize>,
    states: Vec<FeedState>,
}

/// The part of an event that moves a feed on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Observed<'a> {
    pub(crate) seq: u64,
    pub(crate) feed: FeedId,
    pub(crate) epoch: u32,
    pub(crate) certainty: Certainty,
    pub(crate) rv: Option<&'a Rv>,
    pub(crate) ts: Timestamp,
}

impl Fold {
    /// Introduces a feed.
    pub(crate) fn define(&mut self, id: FeedId, feed: &Feed) {
        let identity = (feed.resource.group_resource(), feed.scope.clone());
        let next = self.states.len();
        let slot = *self.by_identity.entry(identity).or_insert(next);
        if slot == next {
            self.states.push(FeedState::default());
        }
        self.slots.insert(id, slot);
    }

    pub(crate) fn knows(&self, feed: FeedId) -> bool {
        self.slots.contains_key(&feed)
    }

    /// Returns the number that feeds of the same resource and scope share.
    pub(crate) fn slot(&self, feed: FeedId) -> Option<usize> {
        self.slots.get(&feed).copied()
    }

    pub(crate) fn state(&self, feed: FeedId) -> Option<&FeedState> {
        self.states.get(self.slot(feed)?)
    }

    fn state_mut(&mut self, feed: FeedId) -> Option<&mut FeedState> {
        let slot = self.slot(feed)?;
        self.states.get_mut(slot)
    }

    /// Takes an event in.
    pub(crate) fn event(&mut self, event: Observed<'_>) {
        let Some(state) = self.state_mut(event.feed) else {
            return;
        };
        let current = state.enter(event.epoch);
        if let (true, Certainty::Seen, Some(rv)) = (current, event.certainty, event.rv) {
            state.reach((event.seq, true), rv);
        }
        state.touch(event.ts);
    }

    /// Takes another record in.
    pub(crate) fn record(&mut self, seq: u64, record: &LogRecord) {
        match record {
            LogRecord::Mark { feed, rv, ts } => {
                if let Some(state) = self.state_mut(*feed) {
                    state.reach((seq, false), rv);
                    state.touch(*ts);
                }
            }
            LogRecord::Transition {
                feed,
                epoch,
                ts,
                state: to,
                rv,
                ..
            } => {
                if let Some(state) = self.state_mut(*feed) {
                    if let (true, CoverageState::Observed, Some(rv)) = (state.enter(*epoch), to, rv)
                    {
                        state.reach((seq, false), rv);
                    }
                    state.state = Some(*to);
                    state.touch(*ts);
                }
            }
            _ => {}
        }
    }

    /// Folds what a trace holds.
    pub(crate) fn of(contents: &Contents) -> Self {
        let mut fold = Self::default();
        for (id, feed) in &contents.feeds {
            fold.define(*id, feed);
        }
        for PlacedRecord { seq, record, .. } in contents.records() {
            fold.record(*seq, record);
        }
        fold
    }
}

/// The objects that were not deleted, by the slot of their feed.
#[derive(Debug, Default)]
pub(crate) struct Live {
    objects: BTreeMap<usize, HashMap<String, LiveObject>>,
}

impl Live {
    /// Reads the keys of every event.
    pub(crate) fn of(contents: &Contents, fold: &Fold) -> Result<Self, Error> {
        let mut live = Self::default();
        for segment in &contents.segments {
            let path = contents.directory.join(&segment.entry.name);
            let heads = segment.reader.heads().map_err(Error::segment(&path))?;
            for head in heads {
                match head.map(|row| row.event) {
                    Ok(event) => {
                        live.apply(fold, event.feed, event.event_type, event.key, event.rv);
                    }
                    // What cannot be read is told by `check`; the rest still counts.
                    Err(error) if error.is_corruption() => {
                        tracing::warn!(path = %path.display(), %error, "segment is damaged");
                        break;
                    }
                    Err(error) => return Err(Error::segment(&path)(error)),
                }
            }
        }
        for log in &contents.logs {
            log.reader.read(|item| {
                if let Item::Event { bytes, .. } = item
                    && let Ok(event) = bytes.event()
                {
                    let key = ObjectKey {
                        namespace: event.key.namespace.to_owned(),
                        name: event.key.name.to_owned(),
                        uid: event.key.uid.to_owned(),
                    };
                    let rv = event.rv.map(Rv::new);
                    live.apply(fold, event.feed, event.event_type, key, rv);
                }
                Ok(())
            })?;
        }
        Ok(live)
    }

    fn apply(
        &mut self,
        fold: &Fold,
        feed: FeedId,
        event_type: EventType,
        key: ObjectKey,
        rv: Option<Rv>,
    ) {
        let Some(slot) = fold.slot(feed) else { return };
        let objects = self.objects.entry(slot).or_default();
        let id = if key.uid.is_empty() {
            format!("{}/{}", key.namespace, key.name)
        } else {
            key.uid.clone()
        };
        match event_type {
            EventType::Added | EventType::Modified => {
                objects.insert(id, LiveObject { key, rv });
            }
            EventType::Deleted => {
                objects.remove(&id);
            }
            EventType::Unreadable => {}
        }
    }

    /// Takes the objects of a feed out, sorted by key.
    pub(crate) fn take(&mut self, slot: usize) -> Vec<LiveObject> {
        let objects = self.objects.remove(&slot).unwrap_or_default();
        let mut objects: Vec<_> = objects.into_values().collect();
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        objects
    }
}
