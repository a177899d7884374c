//! Tells what one trace held in the order of time.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

use kymo_anonymize::Policy;
use kymo_model::{Certainty, EventType, Timestamp};
use kymo_store::Recalled;

use super::objects::{Arrival, Interest, Objects, object};
use super::pods::Pods;
use super::shelf::{EventHead, Held, Shelved, ShelvedObject, timestamp};
use super::trace::{Config, Gvk, Who};
use crate::Error;
use crate::import::{Item, Loss, LossReport, Named, What};
use crate::input::Damage;

/// Puts what is due at the same second in the order in which SimKube does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Apply,
    Pods,
    Delete,
}

/// One trace, told from its beginning.
pub(super) struct Replay {
    source: Arc<str>,
    config: Config,
    events: Recalled,
    applied: Recalled,
    deleted: Recalled,
    /// The event that is told; its counts are of what is left of it.
    event: Option<EventHead>,
    /// The time of the first event: what comes then was there before.
    begin: Option<i64>,
    /// The kinds of which objects came at the beginning, until they are told to be all.
    listed: Option<BTreeSet<Gvk>>,
    /// What the present event changed, to see what it also deletes.
    changed: HashSet<Who>,
    pods: Pods,
    /// The numbers of the objects that lifecycles belong to; `None` if that is not known.
    owners: Option<HashSet<u64>>,
    report: LossReport,
    /// From where on the file could not be read, until that is told.
    damage: Option<Damage>,
    told: u64,
    bodies: u64,
}

impl Replay {
    /// Starts before the first event; `number` tells the traces of an import apart.
    pub(super) fn new(
        source: Arc<str>,
        number: u32,
        policy: Policy,
        held: Held,
    ) -> Result<Self, Error> {
        let Held {
            mut events,
            applied,
            deleted,
            lives,
            objects,
            owners,
            config,
            report,
            damage,
        } = held;
        let event: Option<EventHead> = events.next()?;
        let begin = event.map(|event| event.ts);
        let tracked = config.tracked_objects.keys();
        let listed = tracked.filter_map(|gvk| Gvk::parse(gvk)).collect();
        Ok(Self {
            pods: Pods::new(Arc::clone(&source), number, policy, lives, objects, begin),
            source,
            config,
            events,
            applied,
            deleted,
            event,
            begin,
            listed: Some(listed),
            changed: HashSet::new(),
            owners,
            report,
            damage,
            told: 0,
            bodies: 0,
        })
    }

    /// Returns the time of what comes next; `None` at the end.
    pub(super) fn due(&self) -> Option<i64> {
        self.next_turn().map(|(ts, _)| ts)
    }

    fn next_turn(&self) -> Option<(i64, Turn)> {
        let event = self.event.map(|event| {
            let only_deletes = event.applied == 0 && event.deleted > 0;
            let turn = if only_deletes {
                Turn::Delete
            } else {
                Turn::Apply
            };
            (event.ts, turn)
        });
        let pods = self.pods.due().map(|ts| (ts, Turn::Pods));
        event.into_iter().chain(pods).min()
    }

    /// Takes the next step, which may tell nothing or several things.
    pub(super) fn step(
        &mut self,
        objects: &mut Objects,
        out: &mut VecDeque<Item>,
    ) -> Result<(), Error> {
        match self.next_turn() {
            Some((_, Turn::Pods)) => out.extend(self.pods.step(objects)?),
            Some((ts, Turn::Apply)) if self.event.is_some_and(|event| event.applied > 0) => {
                let shelved = self.applied.next()?;
                self.event = self.event.map(|event| EventHead {
                    applied: event.applied - 1,
                    ..event
                });
                if let Some(shelved) = shelved {
                    self.apply(ts, shelved, objects, out);
                }
            }
            Some((ts, Turn::Delete)) => {
                let shelved = self.deleted.next()?;
                self.event = self.event.map(|event| EventHead {
                    deleted: event.deleted - 1,
                    ..event
                });
                if let Some(shelved) = shelved {
                    self.delete(ts, shelved, objects, out);
                }
            }
            Some(_) => {
                self.changed.clear();
                self.event = self.events.next()?;
                if self.event.map(|event| event.ts) != self.begin {
                    self.end_listing(objects, out);
                }
            }
            None => {}
        }
        Ok(())
    }

    fn apply(
        &mut self,
        ts: i64,
        shelved: Shelved,
        objects: &mut Objects,
        out: &mut VecDeque<Item>,
    ) {
        let Some((at, recv, named, shelved)) = self.check(ts, shelved, objects, out) else {
            return;
        };
        let ShelvedObject {
            who,
            body,
            is_redacted,
        } = shelved;
        let body = body.unwrap_or_default();
        let number = who.number();
        let interest = Interest {
            has_pods: self.owners.as_ref().is_none_or(|all| all.contains(&number)),
            tracked: self.config.tracked(&who.gvk),
        };
        let is_listed = self.begin == Some(ts) && self.listed.is_some();
        if is_listed && let Some(listed) = &mut self.listed {
            listed.insert(who.gvk.clone());
        }
        let Some((arrival, key, body)) = objects.apply(&who, &named, &body, interest) else {
            self.report
                .note("objects applied again without a change", 1);
            return;
        };
        let (event_type, certainty) = match arrival {
            Arrival::New if is_listed => (EventType::Added, Certainty::Listed),
            Arrival::New => (EventType::Added, Certainty::Seen),
            Arrival::Changed => (EventType::Modified, Certainty::Seen),
        };
        if arrival == Arrival::New {
            self.pods.wake(&who, ts);
            let why = "the source has no uids: they were made";
            self.report.lose(Loss::Uids, why, 1);
        }
        if self.event.is_some_and(|event| event.deleted > 0) {
            self.changed.insert(who);
        }
        let object = object(event_type, certainty, None, key, Some(body), is_redacted);
        self.bodies += 1;
        self.tell(at, recv, named, What::Object(object), out);
    }

    fn delete(
        &mut self,
        ts: i64,
        shelved: Shelved,
        objects: &mut Objects,
        out: &mut VecDeque<Item>,
    ) {
        let Some((at, recv, named, shelved)) = self.check(ts, shelved, objects, out) else {
            return;
        };
        let ShelvedObject {
            who,
            body,
            is_redacted,
        } = shelved;
        // SimKube writes a stub when a list no longer shows the object.
        let certainty = match body {
            Some(_) => Certainty::Seen,
            None => Certainty::Inferred,
        };
        if self.changed.contains(&who) {
            let why = "an object was applied and deleted in the same second";
            self.report.lose(Loss::Order, why, 1);
        }
        let (key, body, ended) = objects.delete(&who, &named, body.as_deref());
        if body.is_some() {
            self.bodies += 1;
        } else {
            let why = "a list no longer showed the object: when it was deleted is not told";
            self.report.lose(Loss::Deletes, why, 1);
        }
        let object = object(EventType::Deleted, certainty, None, key, body, is_redacted);
        self.tell(at, recv, named, What::Object(object), out);
        for pod in ended {
            out.push_back(self.pods.collect(ts, &pod, objects));
        }
    }

    /// Finds out whether an object can be told.
    fn check(
        &mut self,
        ts: i64,
        shelved: Shelved,
        objects: &mut Objects,
        out: &mut VecDeque<Item>,
    ) -> Option<(u64, Timestamp, Arc<Named>, ShelvedObject)> {
        let at = shelved.at;
        let recv = timestamp(ts);
        let reason = match (shelved.object, recv) {
            (Ok(object), Some(recv)) => {
                let named = objects.named(&object.who.gvk, &object.who.namespace)?;
                return Some((at, recv, named, object));
            }
            (Ok(_), None) => format!("the time {ts} is outside the years 1677 to 2262"),
            (Err(reason), _) => reason,
        };
        out.push_back(Item {
            recv,
            source: Arc::clone(&self.source),
            line: at,
            named: None,
            what: What::Unreadable {
                reason: format!("{reason} (byte {at})"),
            },
        });
        None
    }

    /// Tells, for each kind, that what was there at the beginning has come.
    fn end_listing(&mut self, objects: &mut Objects, out: &mut VecDeque<Item>) {
        let Some(recv) = self.begin.and_then(timestamp) else {
            return;
        };
        for gvk in self.listed.take().into_iter().flatten() {
            let Some(named) = objects.known(&gvk) else {
                continue;
            };
            // A filter of the export may have left objects out.
            let what = What::ListEnd {
                rv: None,
                namespace: None,
                is_complete: false,
            };
            out.push_back(Item {
                recv: Some(recv),
                source: Arc::clone(&self.source),
                line: 0,
                named: Some(named),
                what,
            });
        }
    }

    fn tell(
        &mut self,
        at: u64,
        recv: Timestamp,
        named: Arc<Named>,
        what: What,
        out: &mut VecDeque<Item>,
    ) {
        self.told += 1;
        out.push_back(Item {
            recv: Some(recv),
            source: Arc::clone(&self.source),
            line: at,
            named: Some(named),
            what,
        });
    }

    /// Tells, once and behind all that is in front of it, where the file is damaged.
    pub(super) fn damage(&mut self) -> Option<Item> {
        if self.due().is_some() {
            return None;
        }
        let damage = self.damage.take()?;
        Some(Item::damaged(&self.source, &damage))
    }

    /// Tells, once and at the end, what is missing in the order of time.
    pub(super) fn end(&mut self, objects: &mut Objects) -> Option<Item> {
        self.pods.finish(objects)
    }

    /// Tells what could not be carried over.
    pub(super) fn finish(&mut self, report: &mut LossReport) {
        let is_told = !self.config.tracked_objects.is_empty();
        if let Some(config) = serde_json::to_value(&self.config).ok().filter(|_| is_told) {
            report.settings.insert(self.source.to_string(), config);
        }
        report.lose(Loss::ReceiveTimes, "times are whole seconds", self.told);
        let why = "the source has no resourceVersions";
        report.lose(Loss::ResourceVersions, why, self.told);
        let why = "of the metadata there are names, labels and annotations";
        report.lose(Loss::Fields, why, self.bodies);
        for own in [&self.report, &self.pods.report] {
            for loss in &own.losses {
                report.lose(loss.what, &loss.why, loss.count);
            }
            for (what, count) in &own.notes {
                report.note(what, *count);
            }
        }
    }
}
