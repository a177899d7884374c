//! Deletes of one object or of all.

use kymo_model::{EventType, ObjectHead, Rv};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::case::{Body, Case};
use super::{Verdict, left_out};
use crate::audit::change::Deed;
use crate::audit::deletion::{deletion, goes_at_once};
use crate::audit::event::Text;
use crate::audit::glance::Glance;
use crate::audit::resources::Resources;
use crate::json::typed;

impl Case<'_, '_> {
    pub(super) fn delete(&self, resources: &mut Resources) -> Verdict {
        match self.answer(resources) {
            Body::Whole(glance, text) => return Self::one(self.written(&glance, text, false)),
            Body::Metadata(glance, text) => return Self::one(self.written(&glance, text, true)),
            Body::Other | Body::None => {}
        }
        let Some(mut key) = self.key() else {
            return self.unknown("the log does not tell the name of the object");
        };
        let status = self.call.response.as_deref();
        let status: Option<Status<'_>> = status.and_then(|text| serde_json::from_str(text).ok());
        let status = status.unwrap_or_default();
        let says_success = status.status.is_some_and(|word| word.0 == "Success");
        if key.uid.is_empty()
            && let Some(uid) = status.details.and_then(|details| details.uid)
        {
            key.uid = uid.0.into_owned();
        }
        if self.is_status() || says_success {
            let deed = Deed::Gone {
                body: None,
                is_certain: true,
            };
            return Self::one(self.change(key, Some(EventType::Deleted), deed));
        }
        let deed = Deed::Deleting(deletion(self.call));
        Self::one(self.change(key, None, deed))
    }

    /// The answer is a list of the objects as they were before.
    pub(super) fn delete_collection(&self, resources: &mut Resources) -> Verdict {
        let text = self.call.response.as_deref();
        let Some(list) = text.and_then(|text| serde_json::from_str::<List<'_>>(text).ok()) else {
            return self.unknown("the log does not tell what was in a collection that was deleted");
        };
        let item_kind = list.kind.0.strip_suffix("List").unwrap_or_default();
        resources.learn_kind(self.resource, item_kind);
        let how = deletion(self.call);
        let mut changes = Vec::new();
        for item in list.items.unwrap_or_default() {
            let Ok(glance) = Glance::of(item.get()) else {
                continue;
            };
            // Whoever is going already is not asked again.
            if glance.metadata.is_going() && how.grace != Some(0) {
                continue;
            }
            let key = self.key_of(&glance);
            let rv = glance.metadata.rv().map(Rv::new);
            let goes = goes_at_once(item.get(), how, self.is_pod(), self.is_namespace());
            let (event_type, deed) = if goes {
                let body = with_type(item.get(), &glance, &list.api_version.0, item_kind);
                let deed = Deed::Gone {
                    body: Some(body),
                    is_certain: false,
                };
                (EventType::Deleted, deed)
            } else {
                (EventType::Modified, self.bare())
            };
            let mut change = self.change(key, Some(event_type), deed);
            change.after = rv;
            changes.push(change);
        }
        if changes.is_empty() {
            return left_out("requests that deleted nothing");
        }
        Verdict::Changes(changes)
    }
}

/// Puts kind and apiVersion, which the items of a list lack, in front of one.
fn with_type(item: &str, glance: &Glance<'_>, api_version: &str, kind: &str) -> Box<str> {
    if !glance.kind.is_empty() && !glance.api_version.is_empty() {
        return Box::from(item);
    }
    let mut head = ObjectHead {
        kind: glance.kind.to_string(),
        api_version: glance.api_version.to_string(),
        ..ObjectHead::default()
    };
    typed(item, &mut head, api_version, kind).into_boxed_str()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status<'a> {
    #[serde(borrow)]
    status: Option<Text<'a>>,
    #[serde(borrow)]
    details: Option<Details<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Details<'a> {
    #[serde(borrow)]
    uid: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    #[serde(borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    api_version: Text<'a>,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}
