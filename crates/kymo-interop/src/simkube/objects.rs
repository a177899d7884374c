//! The objects that are there while a trace is told, and the uids that they get.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kymo_model::{Certainty, EventType, ObjectHead, ObjectKey, Timestamp};
use serde_json::Value;

use super::hash;
use super::pod::Pod;
use super::templates::Templates;
use super::trace::{Gvk, Tracked, Who};
use crate::import::{Named, Object, minted};
use crate::kinds;
use crate::naming::Naming;

/// The live objects of all traces of an import.
#[derive(Debug)]
pub(super) struct Objects {
    naming: Naming,
    /// The kinds of which objects have come.
    seen: HashSet<Gvk>,
    live: HashMap<Who, Live>,
    /// How many objects of a name were deleted, by the number of the name.
    deleted: HashMap<u64, u32>,
}

/// A live object.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) uid: String,
    /// A hash of its text.
    version: u64,
    /// What pods can be made of; kept only for what has pods.
    pub(super) source: Source,
    /// The pods of it that have ended and were not deleted.
    pub(super) ended: Vec<Pod>,
}

/// What the lifecycles of an object are about.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// Nothing: no lifecycle belongs to it.
    Nothing,
    /// Pods made of its templates.
    Templates(Templates),
    /// The object itself, which is a pod.
    Itself(Arc<Value>),
}

/// How an object came that was not there just so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It was not there.
    New,
    /// It was there in another form.
    Changed,
}

/// What is to be looked for in an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interest<'a> {
    /// Whether lifecycles belong to it.
    pub(super) has_pods: bool,
    /// What SimKube was told of its kind.
    pub(super) tracked: Option<&'a Tracked>,
}

impl Objects {
    /// Starts without an object.
    pub(super) fn new() -> Self {
        Self {
            naming: Naming::new(""),
            seen: HashSet::new(),
            live: HashMap::new(),
            deleted: HashMap::new(),
        }
    }

    /// Finds the resource of a kind.
    pub(super) fn named(&mut self, gvk: &Gvk, namespace: &str) -> Option<Arc<Named>> {
        self.naming.of(&ObjectHead {
            api_version: gvk.api_version.clone(),
            kind: gvk.kind.clone(),
            namespace: namespace.to_owned(),
            ..ObjectHead::default()
        })
    }

    /// Finds the resource of a kind whose objects have come, or that Kubernetes has itself: of
    /// others it is not known whether they live in namespaces.
    pub(super) fn known(&mut self, gvk: &Gvk) -> Option<Arc<Named>> {
        let (group, _) = kinds::split_api_version(&gvk.api_version);
        let is_known = self.seen.contains(gvk) || kinds::by_kind(group, &gvk.kind).is_some();
        is_known.then(|| self.named(gvk, "any")).flatten()
    }

    pub(super) fn live(&self, who: &Who) -> Option<&Live> {
        self.live.get(who)
    }

    pub(super) fn live_mut(&mut self, who: &Who) -> Option<&mut Live> {
        self.live.get_mut(who)
    }

    /// Takes an object as it was made or changed, and tells its text with its uid; `None` if it
    /// was there just so.
    pub(super) fn apply(
        &mut self,
        who: &Who,
        named: &Named,
        text: &str,
        interest: Interest<'_>,
    ) -> Option<(Arrival, ObjectKey, Box<str>)> {
        let version = hash::of_text(&[text]);
        let (arrival, uid) = match self.live.get(who) {
            Some(live) if live.version == version => return None,
            Some(live) => (Arrival::Changed, live.uid.clone()),
            None => (Arrival::New, self.next_uid(who, named)),
        };
        let key = ObjectKey {
            namespace: who.namespace.clone(),
            name: who.name.clone(),
            uid,
        };
        let (text, object) = with_uid(text, &key.uid);
        let source = match object {
            Some(object) if interest.has_pods && who.is_pod() => Source::Itself(Arc::new(object)),
            Some(object) if interest.has_pods => {
                Source::Templates(Templates::of(&object, &who.gvk, interest.tracked))
            }
            _ => Source::Nothing,
        };
        if !self.seen.contains(&who.gvk) {
            self.seen.insert(who.gvk.clone());
        }
        let ended = self.live.remove(who).map(|live| live.ended);
        let live = Live {
            uid: key.uid.clone(),
            version,
            source,
            ended: ended.unwrap_or_default(),
        };
        self.live.insert(who.clone(), live);
        Some((arrival, key, text))
    }

    /// Takes an object away and tells its key and the text with its uid; the pods of it that had
    /// ended go with it.
    pub(super) fn delete(
        &mut self,
        who: &Who,
        named: &Named,
        text: Option<&str>,
    ) -> (ObjectKey, Option<Box<str>>, Vec<Pod>) {
        let (uid, ended) = match self.live.remove(who) {
            Some(live) => (live.uid, live.ended),
            None => (self.next_uid(who, named), Vec::new()),
        };
        *self.deleted.entry(who.number()).or_default() += 1;
        let text = text.map(|text| with_uid(text, &uid).0);
        let key = ObjectKey {
            namespace: who.namespace.clone(),
            name: who.name.clone(),
            uid,
        };
        (key, text, ended)
    }

    /// The uid depends on the name, and on how many of that name were before.
    fn next_uid(&self, who: &Who, named: &Named) -> String {
        let key = ObjectKey {
            namespace: who.namespace.clone(),
            name: who.name.clone(),
            uid: String::new(),
        };
        let before = self.deleted.get(&who.number()).copied().unwrap_or_default();
        let resource = named.resource.group_resource().to_string();
        minted::uid(&resource, &key, before)
    }
}

/// Puts the uid into a text that is known to be an object with metadata.
fn with_uid(text: &str, uid: &str) -> (Box<str>, Option<Value>) {
    let Ok(mut object) = serde_json::from_str::<Value>(text) else {
        return (text.into(), None);
    };
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.insert("uid".to_owned(), uid.into());
    }
    (object.to_string().into(), Some(object))
}

/// Makes what the fold takes.
pub(super) fn object(
    event_type: EventType,
    certainty: Certainty,
    not_before: Option<Timestamp>,
    key: ObjectKey,
    body: Option<Box<str>>,
    is_redacted: bool,
) -> Object {
    Object {
        event_type,
        certainty,
        not_before,
        key,
        rv: None,
        body,
        is_redacted,
        request: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_PODS: Interest<'_> = Interest {
        has_pods: false,
        tracked: None,
    };

    #[test]
    fn an_object_keeps_its_uid_until_it_is_deleted() {
        let mut objects = Objects::new();
        let who = Who::parse("apps/v1.Deployment", "shop/web").unwrap();
        let named = objects.named(&who.gvk, &who.namespace).unwrap();
        let text = |n: u32| format!(r#"{{"metadata":{{"name":"web"}},"spec":{n}}}"#);
        let (arrival, first, body) = objects.apply(&who, &named, &text(1), NO_PODS).unwrap();
        assert_eq!(arrival, Arrival::New);
        assert_eq!(
            &*body,
            format!(
                r#"{{"metadata":{{"name":"web","uid":"{}"}},"spec":1}}"#,
                first.uid
            )
        );
        assert_eq!(objects.apply(&who, &named, &text(1), NO_PODS), None);
        let (arrival, same, _) = objects.apply(&who, &named, &text(2), NO_PODS).unwrap();
        assert_eq!((arrival, &same), (Arrival::Changed, &first));
        let (same, text_of_deleted, _) = objects.delete(&who, &named, None);
        assert_eq!((&same, text_of_deleted), (&first, None));
        let (arrival, second, _) = objects.apply(&who, &named, &text(2), NO_PODS).unwrap();
        assert_eq!(arrival, Arrival::New);
        assert_ne!(second.uid, first.uid);
    }
}
