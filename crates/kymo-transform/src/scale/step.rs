use std::sync::Arc;

use kymo_model::{Certainty, EventType, Timestamp};
use serde_json::{Map, Value};

use super::backends::Walk;
use super::clone::{Clone, Teller, event_uid};
use super::counts::{get, set};
use super::fleet::{Fleet, Kind, Owner, Pod, Role};
use super::followers::Allowed;
use crate::Error;
use crate::draft::Draft;

/// Makes more or fewer pods of a workload, and lets those that count them count right.
#[derive(Clone, Debug)]
pub(crate) struct ScaleStep {
    fleet: Arc<Fleet>,
    /// The last recorded row of an owner, while it is there.
    last: Option<(usize, Draft)>,
    next_report: usize,
    /// What the last version of a budget says.
    allowed: Option<Allowed>,
    /// What lists the pods behind a Service, while it is there.
    walk: Walk,
    /// Whether the bodies of clones are asked for.
    has_bodies: bool,
}

impl ScaleStep {
    pub(crate) fn new(fleet: Arc<Fleet>) -> Self {
        Self {
            fleet,
            last: None,
            next_report: 0,
            allowed: None,
            walk: Walk::default(),
            has_bodies: true,
        }
    }

    /// Lets clones be made without bodies.
    pub(crate) fn without_bodies(&mut self) {
        self.has_bodies = false;
    }

    pub(crate) fn row(&mut self, draft: Draft, out: &mut Vec<Draft>) -> Result<(), Error> {
        let fleet = Arc::clone(&self.fleet);
        match fleet.roles.get(&draft.event.key.uid) {
            None => out.push(draft),
            Some(Role::Pod(pod)) => {
                if let Some(pod) = fleet.pods.get(*pod) {
                    let uid = |clone: &Clone, _: &str| clone.uid.clone();
                    self.copies(pod, draft, Teller::Pod, out, uid)?;
                }
            }
            Some(Role::Claim(ordinal)) => {
                let feed = fleet.feeds.get(&draft.event.feed);
                let renamings = fleet.claims.get(ordinal).map(Vec::as_slice);
                for renaming in renamings.unwrap_or_default() {
                    if let Some(feed) = feed
                        && let Some(copy) = renaming.row(&draft, &feed.resource)?
                    {
                        out.push(copy);
                    }
                }
                out.push(draft);
            }
            Some(Role::Event(pod)) => {
                if let Some(pod) = fleet.pods.get(*pod) {
                    self.copies(pod, draft, Teller::Event, out, event_uid)?;
                }
            }
            Some(Role::Listing(index)) => self.walk.row(&fleet, *index, draft, out),
            Some(Role::Owner(index)) => {
                if let Some(owner) = fleet.owners.get(*index) {
                    self.reports(Some(draft.event.ts), out)?;
                    let is_there = !matches!(
                        draft.event.event_type,
                        EventType::Deleted | EventType::Unreadable
                    );
                    self.last = is_there.then(|| (*index, draft.clone()));
                    out.push(fleet.counted(owner, draft, &mut self.allowed)?);
                }
            }
        }
        Ok(())
    }

    pub(crate) fn end_of_object(&mut self, out: &mut Vec<Draft>) -> Result<(), Error> {
        self.reports(None, out)?;
        self.walk.end(&self.fleet, out);
        self.last = None;
        self.allowed = None;
        self.next_report = 0;
        Ok(())
    }

    fn copies(
        &self,
        pod: &Pod,
        mut draft: Draft,
        teller: Teller,
        out: &mut Vec<Draft>,
        uid: impl Fn(&Clone, &str) -> String,
    ) -> Result<(), Error> {
        let head;
        let of = if self.has_bodies {
            // Put together once for all clones.
            if !pod.clones.is_empty() {
                draft.text()?;
            }
            &draft
        } else {
            head = draft.head();
            &head
        };
        for clone in &pod.clones {
            let uid = uid(clone, &draft.event.key.uid);
            out.push(clone.row(of, teller, uid)?);
        }
        if pod.stays {
            out.push(draft);
        }
        Ok(())
    }

    /// Adds what an owner would have written about clones before `next`.
    fn reports(&mut self, next: Option<Timestamp>, out: &mut Vec<Draft>) -> Result<(), Error> {
        let Some((index, last)) = &self.last else {
            return Ok(());
        };
        let fleet = Arc::clone(&self.fleet);
        let Some(owner) = fleet.owners.get(*index) else {
            return Ok(());
        };
        while let Some(report) = owner.reports.get(self.next_report) {
            if next.is_some_and(|next| *report >= next) {
                break;
            }
            self.next_report += 1;
            if *report <= last.event.ts {
                continue;
            }
            let mut draft = last.copy();
            let event = &mut draft.event;
            event.ts = *report;
            event.not_before = None;
            event.event_type = EventType::Modified;
            event.certainty = Certainty::Inferred;
            event.request = None;
            out.push(fleet.counted(owner, draft, &mut self.allowed)?);
        }
        Ok(())
    }
}

impl Fleet {
    /// Sets what an owner asks for and counts.
    fn counted(
        &self,
        owner: &Owner,
        mut draft: Draft,
        allowed: &mut Option<Allowed>,
    ) -> Result<Draft, Error> {
        let ts = draft.event.ts;
        let (replicas, ready) = owner.surplus.at(ts);
        let updated = owner.newest.as_ref().map(|newest| {
            let behind = newest.partition_point(|(from, _)| *from <= ts.0);
            let current = behind.checked_sub(1).and_then(|index| newest.get(index));
            let current = current.and_then(|(_, owner)| self.owners.get(*owner));
            current.map_or(0, |current| current.surplus.at(ts).0)
        });
        let Some(Value::Object(object)) = draft.object()? else {
            return Ok(draft);
        };
        match owner.kind {
            Kind::Job => {
                owner.job(object, ts);
                return Ok(draft);
            }
            Kind::Budget => {
                owner.budget(object, ts, allowed);
                return Ok(draft);
            }
            Kind::Autoscaler => {
                owner.autoscaler(object, ts);
                return Ok(draft);
            }
            Kind::Replicas | Kind::Numbered => {}
        }
        if let Some(Value::Object(spec)) = object.get_mut("spec")
            && let Some(recorded) = spec.get("replicas").and_then(Value::as_u64)
        {
            let becomes = owner
                .desired
                .at(ts, recorded)
                .or_else(|| owner.ratio.map(|ratio| ratio.of(recorded)));
            if let Some(becomes) = becomes {
                spec.insert("replicas".to_owned(), Value::from(becomes));
            }
        }
        owner.annotations(object);
        if let Some(Value::Object(status)) = object.get_mut("status") {
            for (field, surplus) in [
                ("replicas", replicas),
                ("fullyLabeledReplicas", replicas),
                ("readyReplicas", ready),
                ("availableReplicas", ready),
            ] {
                let is_there = status.contains_key(field) || owner.has(field);
                if is_there && surplus != 0 {
                    let count = get(status, field) + surplus;
                    set(status, field, count);
                }
            }
            if owner.kind == Kind::Numbered {
                owner.revisions(status);
            }
            if let Some(updated) = updated {
                if updated != 0 {
                    let count = get(status, "updatedReplicas") + updated;
                    set(status, "updatedReplicas", count);
                }
                if replicas != 0 || ready != 0 {
                    let missing = get(status, "replicas") - get(status, "availableReplicas");
                    set(status, "unavailableReplicas", missing);
                }
            }
        }
        Ok(draft)
    }
}

/// What a Deployment writes on its `ReplicaSets`.
const NOTES: [&str; 2] = [
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
];

impl Owner {
    /// Tells whether the kind has a count; a Deployment does not know how many are fully labeled.
    fn has(&self, field: &str) -> bool {
        field != "fullyLabeledReplicas" || (self.newest.is_none() && self.kind == Kind::Replicas)
    }

    /// Sets how many pods of a `StatefulSet` have its old and its new revision.
    fn revisions(&self, status: &mut Map<String, Value>) {
        let replicas = get(status, "replicas");
        let is_at_rest = status.get("currentRevision") == status.get("updateRevision");
        for field in ["currentReplicas", "updatedReplicas"] {
            let recorded = get(status, field);
            let count = match self.ratio {
                _ if recorded == 0 => 0,
                Some(ratio) if !is_at_rest => {
                    let count = ratio.of(recorded.unsigned_abs());
                    i64::try_from(count).unwrap_or(i64::MAX).min(replicas)
                }
                _ => replicas,
            };
            set(status, field, count);
        }
    }

    /// Sets what a Job asks for and counts.
    fn job(&self, object: &mut Map<String, Value>, ts: Timestamp) {
        if let Some(Value::Object(spec)) = object.get_mut("spec")
            && let Some(ratio) = self.ratio
        {
            for field in ["completions", "parallelism"] {
                if let Some(recorded) = spec.get(field).and_then(Value::as_u64) {
                    let becomes = ratio.of_work(recorded);
                    spec.insert(field.to_owned(), Value::from(becomes));
                }
            }
        }
        if let Some(Value::Object(status)) = object.get_mut("status") {
            let (active, ready) = self.surplus.at(ts);
            let (succeeded, failed) = self.ended.at(ts);
            for (field, more) in [
                ("active", active),
                ("ready", ready),
                ("succeeded", succeeded),
                ("failed", failed),
            ] {
                if more == 0 {
                    continue;
                }
                let count = get(status, field) + more;
                if field == "ready" {
                    // This one is always written.
                    status.insert(field.to_owned(), Value::from(count.max(0)));
                } else {
                    set(status, field, count);
                }
            }
            self.done.write(status, ts);
        }
    }

    fn annotations(&self, object: &mut Map<String, Value>) {
        let Some(ratio) = self.ratio else { return };
        let annotations = object
            .get_mut("metadata")
            .and_then(|metadata| metadata.get_mut("annotations"));
        let Some(Value::Object(annotations)) = annotations else {
            return;
        };
        for note in NOTES {
            if let Some(Value::String(text)) = annotations.get_mut(note)
                && let Ok(count) = text.parse::<u64>()
            {
                *text = ratio.of(count).to_string();
            }
        }
    }
}
