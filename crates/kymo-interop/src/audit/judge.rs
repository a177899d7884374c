//! Tells what a request that was answered did to which objects.

use std::borrow::Cow;

use kymo_model::{EventType, ObjectHead, ObjectKey, Rv};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::call::{Answer, Call, Stage, Target};
use super::change::{Change, Deed, Place};
use super::deletion::{deletion, goes_at_once, is_dry_run, is_gone};
use super::event::Text;
use super::glance::Glance;
use super::resources::{ResourceId, Resources};
use super::skim::READS;
use crate::json::typed;

/// What a request did.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Nothing that a trace holds; why, for the report.
    LeftOut(Cow<'static, str>),
    /// These objects changed.
    Changes(Vec<Change>),
    /// Something may have changed, and it is not known what; why, for the report.
    Unknown {
        resource: ResourceId,
        why: &'static str,
    },
}

/// Subresources whose requests change no object.
const IDLE: [&str; 6] = ["exec", "attach", "portforward", "proxy", "log", "token"];
/// API groups whose objects are answered and not stored.
const NOT_STORED: [&str; 5] = [
    "authentication.k8s.io",
    "authorization.k8s.io",
    "metrics.k8s.io",
    "custom.metrics.k8s.io",
    "external.metrics.k8s.io",
];

/// Judges a request that was answered or broke down.
pub(super) fn judge(call: &Call<'_>, resources: &mut Resources, place: &Place) -> Verdict {
    let Some(target) = &call.target else {
        return left_out("requests that are not about a resource");
    };
    let verb = call.verb.as_ref();
    if READS.contains(&verb) {
        return Verdict::LeftOut(read_note(verb));
    }
    if !is_change(verb) {
        return left_out("requests with other verbs");
    }
    if IDLE.contains(&target.subresource.as_ref()) {
        return Verdict::LeftOut(format!("left out: requests to {}", target.subresource).into());
    }
    if is_not_stored(target) {
        return left_out("requests whose objects are not stored");
    }
    let resource = resources.id(target);
    if call.stage == Stage::Panicked {
        let why = "the API server broke down while it answered";
        return Verdict::Unknown { resource, why };
    }
    match call.answer {
        // These two say that nothing was tried.
        Answer::Refused { code } if code >= 500 && !matches!(code, 501 | 503) => {
            let why = "an error of the server was answered: it may have changed something";
            return Verdict::Unknown { resource, why };
        }
        Answer::Refused { code } => {
            return Verdict::LeftOut(format!("left out: refused requests ({code})").into());
        }
        Answer::Unknown => {
            let why = "the log does not tell the answer";
            return Verdict::Unknown { resource, why };
        }
        Answer::Accepted { .. } => {}
    }
    if is_dry_run(call) {
        return left_out("dry runs");
    }
    let case = Case {
        call,
        target,
        resource,
        place,
    };
    match (verb, target.subresource.as_ref()) {
        ("delete", "") => case.delete(resources),
        ("deletecollection", "") => case.delete_collection(resources),
        ("create", "binding") => case.binding(resources),
        ("create", "") if target.group.is_empty() && target.resource == "bindings" => {
            case.binding(resources)
        }
        ("create", "eviction") => case.told(EventType::Modified),
        ("update" | "patch", "scale") => case.scale(),
        _ => case.write(resources),
    }
}

/// Whether requests with this verb change objects.
pub(super) fn is_change(verb: &str) -> bool {
    matches!(
        verb,
        "create" | "update" | "patch" | "delete" | "deletecollection"
    )
}

/// Says that reads were left out.
pub(super) fn read_note(verb: &str) -> Cow<'static, str> {
    match verb {
        "get" => Cow::Borrowed("left out: get requests"),
        "list" => Cow::Borrowed("left out: list requests"),
        "watch" => Cow::Borrowed("left out: watch requests"),
        other => Cow::Owned(format!("left out: {other} requests")),
    }
}

fn left_out(what: &str) -> Verdict {
    Verdict::LeftOut(format!("left out: {what}").into())
}

fn is_not_stored(target: &Target<'_>) -> bool {
    NOT_STORED.contains(&target.group.as_ref())
        || target.resource.ends_with("reviews")
        || target.resource == "projectrequests"
}

/// An accepted request that changes.
struct Case<'c, 'a> {
    call: &'c Call<'a>,
    target: &'c Target<'a>,
    resource: ResourceId,
    place: &'c Place,
}

/// What an answer holds.
enum Body<'c> {
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
    fn is_namespace(&self) -> bool {
        self.target.group.is_empty() && self.target.resource == "namespaces"
    }

    fn is_pod(&self) -> bool {
        self.target.group.is_empty() && self.target.resource == "pods"
    }

    /// Looks at the answer.
    fn answer(&self, resources: &mut Resources) -> Body<'c> {
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
    fn key(&self) -> Option<ObjectKey> {
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
    fn key_of(&self, glance: &Glance<'_>) -> ObjectKey {
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

    fn change(&self, key: ObjectKey, event_type: Option<EventType>, deed: Deed) -> Change {
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

    fn one(change: Change) -> Verdict {
        Verdict::Changes(vec![change])
    }

    /// A change of which only the name of the object is known.
    fn told(&self, event_type: EventType) -> Verdict {
        let Some(key) = self.key() else {
            return self.unknown("the log does not tell the name of the object");
        };
        Self::one(self.change(key, Some(event_type), self.bare()))
    }

    /// Says that an object changed, and why the log has no more.
    fn bare(&self) -> Deed {
        let why = if self.call.is_truncated {
            "the API server left the object out of the log because it is long"
        } else {
            "only that the object changed is in the log"
        };
        Deed::Told { why }
    }

    fn unknown(&self, why: &'static str) -> Verdict {
        Verdict::Unknown {
            resource: self.resource,
            why,
        }
    }

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
    fn write(&self, resources: &mut Resources) -> Verdict {
        match self.answer(resources) {
            Body::Whole(glance, text) => Self::one(self.written(&glance, text, false)),
            Body::Metadata(glance, text) => Self::one(self.written(&glance, text, true)),
            Body::Other if self.target.subresource.is_empty() && !self.is_status() => {
                left_out("requests whose objects are not stored")
            }
            _ => self.requested(),
        }
    }

    fn is_status(&self) -> bool {
        matches!(
            self.call.answer,
            Answer::Accepted {
                is_status: true,
                ..
            }
        )
    }

    /// A change whose answer is the object, or its metadata.
    fn written(&self, glance: &Glance<'_>, text: &str, is_metadata: bool) -> Change {
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
    fn key_in(&self, request: &str) -> Option<ObjectKey> {
        let glance = Glance::of(request).ok()?;
        let key = self.key_of(&glance);
        (!key.name.is_empty()).then_some(key)
    }

    fn delete(&self, resources: &mut Resources) -> Verdict {
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
    fn delete_collection(&self, resources: &mut Resources) -> Verdict {
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

    /// A pod was bound to a node; the answer is a Status.
    fn binding(&self, resources: &mut Resources) -> Verdict {
        let request = self.call.request.as_deref();
        let Some(mut key) = self.key().or_else(|| self.key_in(request?)) else {
            return self.unknown("the log does not tell the name of the object");
        };
        if key.uid.is_empty()
            && let Some(Ok(glance)) = request.map(Glance::of)
        {
            glance.metadata.uid().clone_into(&mut key.uid);
        }
        let pods = Target {
            resource: Cow::Borrowed("pods"),
            ..self.target.clone()
        };
        let deed = request.map_or_else(
            || self.bare(),
            |binding| Deed::Bound {
                binding: Box::from(binding),
            },
        );
        let mut change = self.change(key, Some(EventType::Modified), deed);
        change.resource = resources.id(&pods);
        Self::one(change)
    }

    /// The answer to a change of the scale has the replicas and the version of the object.
    fn scale(&self) -> Verdict {
        let answer = self.call.response.as_deref();
        let answer = answer.filter(|text| Glance::of(text).is_ok_and(|g| g.kind == "Scale"));
        let replicas = answer
            .and_then(replicas)
            .or_else(|| replicas(self.call.request.as_deref()?));
        let glance = answer.and_then(|text| Glance::of(text).ok());
        let Some(key) = glance
            .as_ref()
            .map(|glance| self.key_of(glance))
            .or_else(|| self.key())
        else {
            return self.unknown("the log does not tell the name of the object");
        };
        let deed = replicas.map_or_else(|| self.bare(), |replicas| Deed::Scaled { replicas });
        let mut change = self.change(key, Some(EventType::Modified), deed);
        change.rv = glance.and_then(|glance| glance.metadata.rv().map(Rv::new));
        Self::one(change)
    }
}

/// Whether a patch is a server-side apply, which holds a whole object and names its manager. The
/// log does not tell the content type; a merge patch of this form is taken for an apply.
fn is_apply(call: &Call<'_>, patch: &str) -> bool {
    let names_manager = call.parameter("fieldManager").is_some();
    let is_whole = |glance: Glance<'_>| !glance.kind.is_empty() && !glance.api_version.is_empty();
    names_manager && patch.starts_with('{') && Glance::of(patch).is_ok_and(is_whole)
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

#[derive(Debug, Deserialize)]
struct Scale {
    spec: Replicas,
}

#[derive(Debug, Deserialize)]
struct Replicas {
    replicas: i64,
}

#[derive(Debug, Deserialize)]
struct Step<'a> {
    #[serde(borrow)]
    op: Text<'a>,
    #[serde(borrow)]
    path: Text<'a>,
    value: Option<serde_json::Value>,
}

/// Reads the replicas out of a Scale, or a patch of one.
fn replicas(text: &str) -> Option<i64> {
    if text.starts_with('[') {
        let steps: Vec<Step<'_>> = serde_json::from_str(text).ok()?;
        return steps
            .iter()
            .rev()
            .find(|step| matches!(step.op.0.as_ref(), "replace" | "add"))
            .filter(|step| step.path.0 == "/spec/replicas")
            .and_then(|step| step.value.as_ref()?.as_i64());
    }
    // Go leaves out a zero.
    let scale: Scale = match serde_json::from_str(text) {
        Ok(scale) => scale,
        Err(_) if Glance::of(text).is_ok_and(|glance| glance.kind == "Scale") => return Some(0),
        Err(_) => return None,
    };
    Some(scale.spec.replicas)
}
