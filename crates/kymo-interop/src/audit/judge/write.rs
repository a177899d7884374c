//! Creates, updates and patches.

use kymo_model::{EventType, ObjectKey, Rv};

use super::case::{Body, Case};
use super::{Verdict, left_out};
use crate::audit::call::{Answer, Call};
use crate::audit::change::{Change, Deed};
use crate::audit::deletion::is_gone;
use crate::audit::glance::Glance;
use crate::audit::resources::Resources;

impl Case<'_, '_> {
    /// What a create, update or patch that was accepted made of the object: a new one or another
    /// version; `None` where only the code would tell and the log has none.
    fn event_type(&self) -> Option<EventType> {
        let Answer::Accepted { code, .. } = self.call.answer else {
            return None;
        };
        match (self.call.verb.as_ref(), code) {
            // 201: an update or an apply that creates.
            ("create", _) | (_, Some(201)) if self.target.subresource.is_empty() => {
                Some(EventType::Added)
            }
            (_, None) if self.target.subresource.is_empty() => None,
            _ => Some(EventType::Modified),
        }
    }

    /// A create, update or patch of the object or of a part of it.
    pub(super) fn write(&self, resources: &mut Resources) -> Verdict {
        match self.answer(resources) {
            Body::Whole(glance, text) => Self::one(self.written(&glance, text, false)),
            Body::Metadata(glance, text) => Self::one(self.written(&glance, text, true)),
            Body::Other if self.target.subresource.is_empty() && !self.is_status() => {
                left_out("requests whose objects are not stored")
            }
            _ => self.requested(),
        }
    }

    pub(super) fn is_status(&self) -> bool {
        matches!(
            self.call.answer,
            Answer::Accepted {
                is_status: true,
                ..
            }
        )
    }

    /// A change whose answer is the object, or its metadata.
    pub(super) fn written(&self, glance: &Glance<'_>, text: &str, is_metadata: bool) -> Change {
        let is_delete = self.call.verb == "delete";
        let whole = (!is_metadata).then_some(text);
        let event_type = if is_gone(glance, whole, is_delete, self.is_namespace()) {
            Some(EventType::Deleted)
        } else if is_delete {
            Some(EventType::Modified)
        } else {
            self.event_type()
        };
        let body = Box::from(text);
        let deed = if is_metadata {
            Deed::Metadata { body }
        } else {
            Deed::Whole { body }
        };
        let mut change = self.change(self.key_of(glance), event_type, deed);
        let rv = glance.metadata.rv().map(Rv::new);
        if event_type == Some(EventType::Deleted) && !is_delete {
            // The version is the last one before the end.
            change.after = rv;
        } else {
            change.rv = rv;
        }
        change
    }

    /// A change whose answer is not in the log.
    fn requested(&self) -> Verdict {
        let event_type = self.event_type();
        let Some(request) = self.call.request.as_deref() else {
            // The namespace controller takes its finalizer away when nothing is left inside.
            if self.is_namespace() && self.target.subresource == "finalize" {
                return self.told(EventType::Deleted);
            }
            return self.told(event_type.unwrap_or(EventType::Modified));
        };
        let body = Box::from(request);
        let deed = match self.call.verb.as_ref() {
            "patch" => Deed::Patched {
                is_apply: is_apply(self.call, request),
                patch: body,
            },
            "create" if !self.target.subresource.is_empty() => {
                return self.unknown("what this subresource does is not known");
            }
            _ => Deed::Requested { body },
        };
        let Some(mut key) = self.key().or_else(|| self.key_in(request)) else {
            return self.unknown("the log does not tell the name of the object");
        };
        if key.uid.is_empty()
            && self.call.verb == "update"
            && let Ok(glance) = Glance::of(request)
        {
            glance.metadata.uid().clone_into(&mut key.uid);
        }
        Self::one(self.change(key, event_type, deed))
    }

    /// The key as the object in a request tells it; `None` without a name.
    pub(super) fn key_in(&self, request: &str) -> Option<ObjectKey> {
        let glance = Glance::of(request).ok()?;
        let key = self.key_of(&glance);
        (!key.name.is_empty()).then_some(key)
    }
}

/// Whether a patch is a server-side apply, which holds a whole object and names its manager. The
/// log does not tell the content type; a merge patch of this form is taken for an apply.
fn is_apply(call: &Call<'_>, patch: &str) -> bool {
    let names_manager = call.parameter("fieldManager").is_some();
    let is_whole = |glance: Glance<'_>| !glance.kind.is_empty() && !glance.api_version.is_empty();
    names_manager && patch.starts_with('{') && Glance::of(patch).is_ok_and(is_whole)
}
