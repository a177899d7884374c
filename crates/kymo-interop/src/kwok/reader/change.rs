//! Applies the changes of a recording.

use std::sync::Arc;

use kymo_model::{Certainty, EventType, ObjectHead, ObjectKey, ObjectText};
use serde_json::Value;

use super::{Place, RecordingReader};
use crate::Error;
use crate::import::{Object, What};
use crate::kwok::changes::Patched;
use crate::kwok::document::{Method, ResourcePatch, Target};
use crate::kwok::tokens;
use crate::kwok::window::Waiting;

impl RecordingReader {
    pub(super) fn change(&mut self, waiting: Waiting) -> Result<(), Error> {
        let Waiting { patch, line, .. } = waiting;
        let ResourcePatch {
            duration_nanosecond,
            method,
            resource,
            target,
            template,
        } = patch;
        let mut template = template.unwrap_or_default();
        let kind = template.get("kind").and_then(Value::as_str);
        let kind = kind.unwrap_or_default();
        let is_namespaced = !target.namespace.is_empty();
        let named = self.resources.of_change(&resource, kind, is_namespaced);
        self.changed.insert(named.resource.group_resource());
        self.counts.changes += 1;
        self.counts.times += tokens::restore(&mut template, self.clocks.zero);
        let place = Place {
            recv: self.clocks.at(duration_nanosecond),
            line,
            named,
        };
        match method {
            Method::Create => self.create(&place, &target, &template),
            Method::Patch => self.patch(&place, &target, &template),
            Method::Delete => {
                self.objects.remove(&place.named, &target)?;
                let (event_type, certainty) = (EventType::Deleted, Certainty::Seen);
                self.give(&place, without_body(&target, event_type, certainty));
                Ok(())
            }
        }
    }

    fn create(&mut self, place: &Place, target: &Target, template: &Value) -> Result<(), Error> {
        let text = template.to_string();
        let head = match ObjectText::parse(text.as_bytes()) {
            Ok(object) => object.head,
            Err(error) => {
                self.unreadable(
                    place.line,
                    Some(Arc::clone(&place.named)),
                    error.to_string(),
                );
                return Ok(());
            }
        };
        if (&head.name, &head.namespace) != (&target.name, &target.namespace) {
            let reason = "the object is not the one that the change names";
            self.unreadable(place.line, Some(Arc::clone(&place.named)), reason);
            return Ok(());
        }
        // Where another object of that name was deleted, a recorder of etcd creates this one anew.
        let before = self.objects.get(&place.named, target)?;
        let is_known = before
            .and_then(|before| ObjectHead::parse(&before).ok())
            .is_some_and(|before| before.uid == head.uid);
        self.counts.again += u64::from(is_known);
        let event_type = if is_known {
            EventType::Modified
        } else {
            EventType::Added
        };
        self.keep(place, &head, &text, event_type, Certainty::Seen)
    }

    fn patch(&mut self, place: &Place, target: &Target, template: &Value) -> Result<(), Error> {
        let event_type = EventType::Modified;
        match self.objects.patched(&place.named, target, template)? {
            Patched::Object { text, is_crossed } => {
                let head = match ObjectHead::parse(&text) {
                    Ok(head) => head,
                    Err(error) => {
                        let named = Some(Arc::clone(&place.named));
                        self.unreadable(place.line, named, error.to_string());
                        return Ok(());
                    }
                };
                self.counts.crossed += u64::from(is_crossed);
                let is_new = is_crossed && self.objects.get(&place.named, target)?.is_none();
                let (event_type, certainty) = match (is_crossed, is_new) {
                    (true, true) => (EventType::Added, Certainty::Inferred),
                    (true, false) => (event_type, Certainty::Inferred),
                    (false, _) => (event_type, Certainty::Seen),
                };
                self.keep(place, &head, &text, event_type, certainty)
            }
            Patched::Unknown(why) => {
                *self.counts.unknown.entry(why).or_default() += 1;
                self.objects.forget(&place.named, target)?;
                self.give(place, without_body(target, event_type, Certainty::Reported));
                Ok(())
            }
        }
    }
}

/// Says that something happened to an object of which only the name is known.
fn without_body(target: &Target, event_type: EventType, certainty: Certainty) -> What {
    What::Object(Object {
        event_type,
        certainty,
        not_before: None,
        key: ObjectKey {
            namespace: target.namespace.clone(),
            name: target.name.clone(),
            uid: String::new(),
        },
        rv: None,
        body: None,
        is_redacted: false,
        request: None,
    })
}
