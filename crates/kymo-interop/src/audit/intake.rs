//! Takes requests out of records and judges them: what came twice, what was not answered.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use kymo_model::{ObjectKey, Timestamp};

use super::call::{Call, Stage};
use super::change::{Change, Deed, Place};
use super::envelope::{Found, for_each_call};
use super::judge::{Verdict, is_change, judge, read_note};
use super::records::Record;
use super::resolve::Tally;
use super::resources::Resources;
use super::skim::READS;
use super::stages::{Told, Waiting};
use crate::import::{Item, What};

/// What all logs of an import go through.
#[derive(Default)]
pub(super) struct Intake {
    pub(super) resources: Resources,
    pub(super) tally: Tally,
    /// What could not be read.
    pub(super) broken: VecDeque<Item>,
    told: Told,
    waiting: Waiting<Change>,
    newest: Timestamp,
}

impl Intake {
    /// Takes a record and puts the changes of which it tells behind `changes`.
    pub(super) fn take(
        &mut self,
        record: Record<'_>,
        source: &Arc<str>,
        line: u64,
        changes: &mut VecDeque<Change>,
    ) {
        let text = match record {
            Record::Read(verb) => return self.tally.note(read_note(verb)),
            Record::Broken(reason) => return self.broken(source, line, reason),
            Record::Value(text) => text,
        };
        let place = Place {
            source: Arc::clone(source),
            line,
        };
        for_each_call(text, &mut |found| match found {
            Found::Call(call) => self.call(&call, &place, changes),
            Found::Broken(reason) => self.broken(source, line, reason),
            Found::Other => self.note("left out: lines of other logs"),
        });
    }

    /// Gives up requests that were not answered; all when the logs `have_ended`.
    pub(super) fn give_up(&mut self, have_ended: bool, changes: &mut VecDeque<Change>) {
        while let Some((_, change)) = self.waiting.give_up(self.newest, have_ended) {
            changes.push_back(change);
        }
    }

    fn note(&mut self, what: &'static str) {
        self.tally.note(Cow::Borrowed(what));
    }

    fn broken(&mut self, source: &Arc<str>, line: u64, reason: String) {
        self.broken.push_back(Item {
            recv: None,
            source: Arc::clone(source),
            line,
            named: None,
            what: What::Unreadable { reason },
        });
    }

    fn call(&mut self, call: &Call<'_>, place: &Place, changes: &mut VecDeque<Change>) {
        self.newest = self.newest.max(call.at);
        if READS.contains(&call.verb.as_ref()) {
            return self.tally.note(read_note(&call.verb));
        }
        if !self.told.is_new(&call.id, call.stage) {
            return self.note("left out: events that were there before");
        }
        match call.stage {
            Stage::Received => {
                self.note("left out: requests before their answer");
                let is_answered = [Stage::Complete, Stage::Panicked]
                    .into_iter()
                    .any(|stage| self.told.has(&call.id, stage));
                if is_change(&call.verb) && !call.id.is_empty() && !is_answered {
                    self.wait(call, place);
                }
                return;
            }
            Stage::Started => return self.note("left out: answers that go on"),
            Stage::Complete | Stage::Panicked => self.waiting.answered(&call.id),
        }
        match judge(call, &mut self.resources, place) {
            Verdict::LeftOut(why) => self.tally.note(why),
            Verdict::Changes(found) => changes.extend(found),
            Verdict::Unknown { resource, why } => {
                changes.push_back(unknown(call, resource, why, place));
            }
        }
    }

    /// Waits for the answer to a request.
    fn wait(&mut self, call: &Call<'_>, place: &Place) {
        let Some(target) = &call.target else { return };
        let is_dry = call
            .parameter("dryRun")
            .is_some_and(|value| !value.is_empty());
        if is_dry {
            return;
        }
        let resource = self.resources.id(target);
        let why = "the log does not tell the answer";
        let change = unknown(call, resource, why, place);
        self.waiting.came(&call.id, call.at, change);
    }
}

/// A change of which only the request is known.
fn unknown(
    call: &Call<'_>,
    resource: super::resources::ResourceId,
    why: &'static str,
    place: &Place,
) -> Change {
    let target = call.target.as_ref();
    let key = target.map(|target| ObjectKey {
        namespace: target.namespace.to_string(),
        name: target.name.to_string(),
        uid: target.uid.to_string(),
    });
    Change {
        at: call.at,
        received: call.received,
        resource,
        key: key.unwrap_or_default(),
        rv: None,
        after: None,
        event_type: None,
        deed: Deed::Unknown { why },
        subresource: Box::default(),
        request: call.request(),
        place: place.clone(),
    }
}
