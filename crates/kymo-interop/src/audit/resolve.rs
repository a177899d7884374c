//! Turns changes, in their order, into items: works out bodies, redacts, counts what is lost.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kymo_anonymize::Policy;
use kymo_model::{Certainty, EventType, ResourceType, Timestamp};

use super::change::{Change, Deed, Deletion};
use super::deletion::{goes_at_once, is_gone};
use super::derive;
use super::glance::Glance;
use super::known::{Known, Last};
use super::resources::{ResourceId, Resources};
use crate::Error;
use crate::import::{Context, Item, Loss, LossReport, Named, Object, What, redacted_whole};

/// Changes of unknown effect that get a gap of their own, of each resource and reason.
const OWN_GAPS: u64 = 100;
/// Resources whose objects end without a request, after a time: nothing would ever forget them.
const EXPIRING: &str = "events";
/// Resources other than pods that answer a delete with the object although it is gone.
const ANSWER_WHAT_IS_GONE: [(&str, &str); 7] = [
    ("", "podtemplates"),
    ("", "serviceaccounts"),
    ("", "resourcequotas"),
    ("storage.k8s.io", "storageclasses"),
    ("storage.k8s.io", "csidrivers"),
    ("storage.k8s.io", "csinodes"),
    ("storage.k8s.io", "volumeattachments"),
];

/// What cannot be carried over and what was left out.
#[derive(Debug, Default)]
pub(super) struct Tally {
    losses: BTreeMap<(Loss, &'static str), u64>,
    notes: BTreeMap<Cow<'static, str>, u64>,
}

impl Tally {
    pub(super) fn lose(&mut self, what: Loss, why: &'static str, count: u64) {
        *self.losses.entry((what, why)).or_default() += count;
    }

    pub(super) fn note(&mut self, what: Cow<'static, str>) {
        *self.notes.entry(what).or_default() += 1;
    }

    pub(super) fn report(&self, report: &mut LossReport) {
        for ((what, why), count) in &self.losses {
            report.lose(*what, why, *count);
        }
        for (what, count) in &self.notes {
            report.note(what, *count);
        }
    }
}

/// The gaps of one resource and reason beyond those of their own.
#[derive(Debug)]
struct MoreGaps {
    from: Timestamp,
    to: Timestamp,
    count: u64,
    item: Item,
}

/// What is known of the objects while their changes come.
pub(super) struct Resolver {
    policy: Policy,
    known: Known,
    gaps: HashMap<(ResourceId, &'static str), u64>,
    more_gaps: BTreeMap<(ResourceId, &'static str), MoreGaps>,
}

/// An object as a change left it.
struct After {
    event_type: EventType,
    certainty: Certainty,
    body: Option<String>,
    /// Whether what was known of it stays true.
    is_unchanged: bool,
    /// Whether it was asked to go.
    is_going: bool,
}

impl After {
    fn new(event_type: EventType, certainty: Certainty, body: Option<String>) -> Self {
        Self {
            event_type,
            certainty,
            body,
            is_unchanged: false,
            is_going: false,
        }
    }
}

impl Resolver {
    pub(super) fn new(context: &Context) -> Self {
        Self {
            policy: context.policy,
            known: Known::new(context),
            gaps: HashMap::new(),
            more_gaps: BTreeMap::new(),
        }
    }

    /// Makes an item of the next change; `None` if it is not to be told.
    pub(super) fn resolve(
        &mut self,
        mut change: Change,
        resources: &mut Resources,
        tally: &mut Tally,
    ) -> Result<Option<Item>, Error> {
        let Some(named) = resources.named(change.resource) else {
            return Ok(None);
        };
        if let Deed::Unknown { why } = change.deed {
            return Ok(self.gap(&change, why, named, tally));
        }
        let is_remembered = named.resource.resource != EXPIRING;
        let last = if is_remembered && needs_last(&change) {
            self.known.get(&named.resource, &change.key)?
        } else {
            None
        };
        let after = after(&mut change, last, &named.resource, tally);
        if is_remembered {
            self.remember(&change, &after, &named.resource)?;
        }
        let item = |what| Item {
            recv: Some(change.at),
            source: Arc::clone(&change.place.source),
            line: change.place.line,
            named: Some(Arc::clone(&named)),
            what,
        };
        let (body, is_redacted) = match after.body {
            None => (None, false),
            Some(text) => match redacted_whole(self.policy, &named.resource, text) {
                Ok((body, is_redacted)) => (Some(body), is_redacted),
                Err(reason) => return Ok(Some(item(What::Unreadable { reason }))),
            },
        };
        let why = "the time of a change is when the API server had answered, by its own clock";
        tally.lose(Loss::ReceiveTimes, why, 1);
        if change.rv.is_none() {
            let why = match after.event_type {
                EventType::Deleted => "the answer does not have the version of the end",
                _ => "the answer is not in the log, or has no version",
            };
            tally.lose(Loss::ResourceVersions, why, 1);
        }
        let object = Object {
            event_type: after.event_type,
            certainty: after.certainty,
            not_before: change.received.filter(|received| *received < change.at),
            key: change.key,
            rv: change.rv,
            body,
            is_redacted,
            request: Some(change.request),
        };
        Ok(Some(item(What::Object(object))))
    }

    fn remember(
        &mut self,
        change: &Change,
        after: &After,
        resource: &ResourceType,
    ) -> Result<(), Error> {
        let key = &change.key;
        if after.event_type == EventType::Deleted {
            return self.known.forget(resource, key);
        }
        match &after.body {
            Some(body) => self.known.put(resource, key, body, after.is_going),
            None if after.is_unchanged => self.known.set_going(resource, key),
            None => self.known.forget(resource, key),
        }
    }

    /// Tells of a change of unknown effect.
    fn gap(
        &mut self,
        change: &Change,
        why: &'static str,
        named: Arc<Named>,
        tally: &mut Tally,
    ) -> Option<Item> {
        tally.lose(Loss::Changes, why, 1);
        let from = change.received.unwrap_or(change.at);
        let item = Item {
            recv: Some(change.at),
            source: Arc::clone(&change.place.source),
            line: change.place.line,
            named: Some(named),
            what: What::Gap {
                from: Some(from),
                detail: format!("{} {}: {why}", change.request.verb, change.key.name),
            },
        };
        let id = (change.resource, why);
        let count = self.gaps.entry(id).or_default();
        *count += 1;
        if *count <= OWN_GAPS {
            return Some(item);
        }
        let more = self.more_gaps.entry(id).or_insert(MoreGaps {
            from,
            to: change.at,
            count: 0,
            item,
        });
        more.count += 1;
        more.from = more.from.min(from);
        more.to = more.to.max(change.at);
        None
    }

    /// Gives the gaps that stand for many.
    pub(super) fn finish(&mut self) -> Vec<Item> {
        let gaps = std::mem::take(&mut self.more_gaps);
        let told = gaps.into_iter().map(|((_, why), more)| Item {
            recv: Some(more.to),
            what: What::Gap {
                from: Some(more.from),
                detail: format!("{} more requests: {why}", more.count),
            },
            ..more.item
        });
        told.collect()
    }
}

/// Whether what a change made of its object depends on what it was.
fn needs_last(change: &Change) -> bool {
    match change.deed {
        Deed::Whole { .. } => change.event_type.is_none(),
        Deed::Gone { .. } | Deed::Told { .. } | Deed::Unknown { .. } => false,
        _ => true,
    }
}

/// Works out what a change made of its object. The body is taken out of the change.
fn after(
    change: &mut Change,
    last: Option<Last>,
    resource: &ResourceType,
    tally: &mut Tally,
) -> After {
    let deed = std::mem::replace(&mut change.deed, Deed::Unknown { why: "" });
    let text = last.as_ref().map(|last| last.text.as_str());
    let derived = match deed {
        Deed::Whole { body } => {
            let event_type = change.event_type.unwrap_or_else(|| {
                if last.is_none() && is_new(&body, change) {
                    EventType::Added
                } else {
                    EventType::Modified
                }
            });
            return After::new(event_type, Certainty::Seen, Some(body.into_string()));
        }
        Deed::Gone { body, is_certain } => {
            let certainty = if is_certain {
                Certainty::Seen
            } else {
                Certainty::Inferred
            };
            return After::new(EventType::Deleted, certainty, body.map(String::from));
        }
        Deed::Deleting(deletion) => {
            let mut after = deleting(deletion, last.as_ref(), resource);
            if after.event_type == EventType::Deleted {
                let why = "the answer is not in the log: whether the object was gone is deduced";
                tally.lose(Loss::Deletes, why, 1);
            } else {
                let why = "the answer to a delete is not in the log";
                tally.lose(Loss::Bodies, why, 1);
                after.is_unchanged = true;
            }
            return after;
        }
        Deed::Told { why } | Deed::Unknown { why } => Err(why),
        Deed::Metadata { body } => derive::with_metadata(text, &body),
        Deed::Requested { body } => derive::requested(text, &body, &change.subresource),
        Deed::Patched { patch, is_apply } => {
            derive::patched(text, &patch, is_apply, &change.subresource)
        }
        Deed::Bound { binding } => derive::bound(text, &binding),
        Deed::Scaled { replicas } => derive::scaled(text, replicas),
    };
    let event_type = change.event_type.unwrap_or(EventType::Modified);
    match derived {
        Ok(body) => {
            let is_end = ends(change, last.as_ref(), &body, resource);
            let event_type = if is_end {
                EventType::Deleted
            } else {
                event_type
            };
            After {
                is_going: last.is_some_and(|last| last.is_going),
                ..After::new(event_type, Certainty::Inferred, Some(body))
            }
        }
        Err(why) => {
            tally.lose(Loss::Bodies, why, 1);
            After::new(event_type, Certainty::Reported, None)
        }
    }
}

/// Whether an object came into being with the request.
fn is_new(body: &str, change: &Change) -> bool {
    const SECOND: i64 = 1_000_000_000;
    let asked = change.received.unwrap_or(change.at).0;
    let created = Glance::of(body)
        .ok()
        .and_then(|glance| glance.metadata.created());
    created.is_some_and(|created| created.0 >= asked - asked.rem_euclid(SECOND) - SECOND)
}

/// Whether a change that was worked out ended its object: it took the last finalizer away.
fn ends(change: &Change, last: Option<&Last>, body: &str, resource: &ResourceType) -> bool {
    if change.event_type == Some(EventType::Deleted) {
        return true;
    }
    let Ok(glance) = Glance::of(body) else {
        return false;
    };
    let is_namespace = resource.group.is_empty() && resource.resource == "namespaces";
    if is_gone(&glance, Some(body), false, is_namespace) {
        return true;
    }
    let had_finalizers = last.is_some_and(|last| {
        last.is_going && Glance::of(&last.text).is_ok_and(|glance| glance.metadata.has_finalizers())
    });
    had_finalizers && !glance.metadata.has_finalizers() && !is_pod(resource)
}

fn is_pod(resource: &ResourceType) -> bool {
    resource.group.is_empty() && resource.resource == "pods"
}

/// Decides whether an object is gone when the log has not the answer to its delete, only that the
/// answer was not a Status.
fn deleting(deletion: Deletion, last: Option<&Last>, resource: &ResourceType) -> After {
    let own = (resource.group.as_str(), resource.resource.as_str());
    let is_namespace = own == ("", "namespaces");
    let is_volume = matches!(own, ("", "persistentvolumes" | "persistentvolumeclaims"));
    let answers_what_is_gone = is_pod(resource) || is_volume || ANSWER_WHAT_IS_GONE.contains(&own);
    // Where the log has no code it does not tell a Status either.
    let may_be_gone = answers_what_is_gone || !deletion.has_code;
    let is_gone = match last {
        _ if !may_be_gone => false,
        Some(last) => goes_at_once(&last.text, deletion, is_pod(resource), is_namespace),
        None if deletion.waits || is_namespace || is_volume => false,
        None if is_pod(resource) => deletion.is_last_word || deletion.grace == Some(0),
        None => true,
    };
    match (is_gone, last) {
        (true, Some(_)) => After::new(EventType::Deleted, Certainty::Inferred, None),
        (true, None) => After::new(EventType::Deleted, Certainty::Reported, None),
        (false, _) => After::new(EventType::Modified, Certainty::Reported, None),
    }
}
