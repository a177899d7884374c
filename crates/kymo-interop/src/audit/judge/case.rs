//! An accepted request, and what it names.

use kymo_model::{EventType, ObjectKey};

use super::Verdict;
use crate::audit::call::{Answer, Call, Target};
use crate::audit::change::{Change, Deed, Place};
use crate::audit::glance::Glance;
use crate::audit::resources::{ResourceId, Resources};

/// An accepted request that changes.
pub(super) struct Case<'c, 'a> {
    pub(super) call: &'c Call<'a>,
    pub(super) target: &'c Target<'a>,
    pub(super) resource: ResourceId,
    pub(super) place: &'c Place,
}

/// What an answer holds.
pub(super) enum Body<'c> {
    /// The object after the change.
    Whole(Glance<'c>, &'c str),
    /// Its metadata.
    Metadata(Glance<'c>, &'c str),
    /// Something else, such as a Status.
    Other,
    /// Nothing.
    None,
}

impl<'c> Case<'c, '_> {
    pub(super) fn is_namespace(&self) -> bool {
        self.target.group.is_empty() && self.target.resource == "namespaces"
    }

    pub(super) fn is_pod(&self) -> bool {
        self.target.group.is_empty() && self.target.resource == "pods"
    }

    /// Looks at the answer.
    pub(super) fn answer(&self, resources: &mut Resources) -> Body<'c> {
        let Some(text) = self.call.response.as_deref() else {
            return Body::None;
        };
        let Ok(glance) = Glance::of(text) else {
            return Body::None;
        };
        if glance.is("meta.k8s.io", "PartialObjectMetadata") {
            return Body::Metadata(glance, text);
        }
        if glance.is("meta.k8s.io", "Table") {
            return Body::None;
        }
        // An object that was stored has a version.
        if glance.metadata.rv().is_none() || glance.metadata.name().is_empty() {
            return Body::Other;
        }
        let is_itself = self.target.subresource.is_empty();
        if is_itself {
            resources.learn_kind(self.resource, &glance.kind);
            return Body::Whole(glance, text);
        }
        let own_kind = resources
            .get(self.resource)
            .is_some_and(|known| known.kind == glance.kind);
        let answers_parent = [
            "status",
            "finalize",
            "resize",
            "ephemeralcontainers",
            "approval",
        ];
        if own_kind || answers_parent.contains(&self.target.subresource.as_ref()) {
            return Body::Whole(glance, text);
        }
        Body::Other
    }

    /// The key as the request tells it; `None` without a name.
    pub(super) fn key(&self) -> Option<ObjectKey> {
        let (target, Answer::Accepted { uid, .. }) = (self.target, &self.call.answer) else {
            return None;
        };
        let uid = if target.uid.is_empty() {
            uid
        } else {
            &target.uid
        };
        (!target.name.is_empty()).then(|| ObjectKey {
            namespace: target.namespace.to_string(),
            name: target.name.to_string(),
            uid: uid.to_string(),
        })
    }

    /// The key as an object tells it.
    pub(super) fn key_of(&self, glance: &Glance<'_>) -> ObjectKey {
        let metadata = &glance.metadata;
        let or = |text: &str, other: &str| {
            let text = if text.is_empty() { other } else { text };
            text.to_owned()
        };
        ObjectKey {
            namespace: or(metadata.namespace(), &self.target.namespace),
            name: or(metadata.name(), &self.target.name),
            uid: or(metadata.uid(), &self.target.uid),
        }
    }

    pub(super) fn change(
        &self,
        key: ObjectKey,
        event_type: Option<EventType>,
        deed: Deed,
    ) -> Change {
        Change {
            at: self.call.at,
            received: self.call.received,
            resource: self.resource,
            key,
            rv: None,
            after: None,
            event_type,
            deed,
            subresource: self.target.subresource.as_ref().into(),
            request: self.call.request(),
            place: self.place.clone(),
        }
    }

    pub(super) fn one(change: Change) -> Verdict {
        Verdict::Changes(vec![change])
    }

    /// A change of which only the name of the object is known.
    pub(super) fn told(&self, event_type: EventType) -> Verdict {
        let Some(key) = self.key() else {
            return self.unknown("the log does not tell the name of the object");
        };
        Self::one(self.change(key, Some(event_type), self.bare()))
    }

    /// Says that an object changed, and why the log has no more.
    pub(super) fn bare(&self) -> Deed {
        let why = if self.call.is_truncated {
            "the API server left the object out of the log because it is long"
        } else {
            "only that the object changed is in the log"
        };
        Deed::Told { why }
    }

    pub(super) fn unknown(&self, why: &'static str) -> Verdict {
        Verdict::Unknown {
            resource: self.resource,
            why,
        }
    }
}
