//! What the values of a stream mean: events, bare objects, items of lists.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;

use kymo_anonymize::Policy;
use kymo_model::{
    Certainty, EventType, ObjectHead, ObjectKey, ObjectText, Timestamp, WatchLine, WatchStatus,
};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::Error;
use crate::import::{Item, Loss, LossReport, Named, Object, What, redacted};
use crate::json::{ListHead, typed};
use crate::naming::Naming;

/// Turns the values of one stream into items.
pub(super) struct Meaning {
    name: Arc<str>,
    naming: Naming,
    policy: Policy,
    /// Whether only ADDED came so far in a stream without times: the list that a watch begins
    /// with comes so.
    is_initial: bool,
    /// Uids of bare objects by resource, namespace and name.
    bare: HashMap<(Arc<Named>, String, String), String>,
    bare_objects: u64,
    inferred: u64,
    /// Items that are given out before anything else is read.
    pub(super) ready: VecDeque<Item>,
}

/// Where an item begins, and when it was received.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) recv: Option<Timestamp>,
}

/// The members that tell what a value is.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    recv: Option<Cow<'a, str>>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    list: Option<IgnoredAny>,
    r#type: Option<IgnoredAny>,
    object: Option<IgnoredAny>,
    items: Option<IgnoredAny>,
    metadata: Option<IgnoredAny>,
}

/// What a value turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// Its items are ready.
    Taken,
    /// A list, which is to be read item by item.
    List,
}

const NO_TYPE: &str = "an object without kind or apiVersion";

impl Meaning {
    /// Starts a stream; `name` is for messages, `file_stem` may tell the resource.
    pub(super) fn new(name: &str, file_stem: &str, policy: Policy) -> Self {
        Self {
            name: Arc::from(name),
            naming: Naming::new(file_stem),
            policy,
            is_initial: true,
            bare: HashMap::new(),
            bare_objects: 0,
            inferred: 0,
            ready: VecDeque::new(),
        }
    }

    /// Tells that the stream cannot be read on.
    pub(super) fn failed(&self, source: io::Error) -> Error {
        Error::Read {
            path: self.name.to_string(),
            source,
        }
    }

    /// Takes a value as it was cut out.
    pub(super) fn value(&mut self, line: u64, bytes: &[u8]) -> Read {
        let bytes = bytes.trim_ascii_end();
        if let Some((recv, event)) = wrapped_event(bytes) {
            self.event(line, Some(recv), event);
            return Read::Taken;
        }
        let members: Members<'_> = match serde_json::from_slice(bytes) {
            Ok(members) => members,
            Err(error) => {
                self.unreadable(line, None, format!("not JSON: {error}"));
                return Read::Taken;
            }
        };
        if members.list.is_some() || members.items.is_some() {
            return Read::List;
        }
        if let Some(event) = members.event {
            self.event(line, members.recv.as_deref(), event.get().as_bytes());
        } else if members.r#type.is_some()
            && (members.object.is_some() || members.metadata.is_none())
        {
            self.event(line, None, bytes);
        } else if members.metadata.is_some() {
            self.bare_object(line, bytes);
        } else {
            self.unreadable(line, None, "neither a watch event nor a list");
        }
        Read::Taken
    }

    fn event(&mut self, line: u64, recv: Option<&str>, bytes: &[u8]) {
        let is_plain = recv.is_none();
        let recv = match recv.map(str::parse::<Timestamp>).transpose() {
            Ok(recv) => recv,
            Err(error) => return self.unreadable(line, None, error.to_string()),
        };
        let place = Place { line, recv };
        let was_initial = is_plain && self.is_initial;
        let what = match WatchLine::parse(bytes) {
            Ok(WatchLine::Event { event_type, object }) => {
                self.is_initial &= event_type == EventType::Added;
                let certainty = if is_plain && self.is_initial {
                    Certainty::Listed
                } else {
                    Certainty::Seen
                };
                return self.object(place, event_type, certainty, object, None);
            }
            Ok(WatchLine::Bookmark {
                rv,
                ends_initial_events,
            }) if was_initial && ends_initial_events => What::ListEnd {
                rv: Some(rv),
                namespace: None,
                is_complete: true,
            },
            Ok(WatchLine::Bookmark { rv, .. }) => What::Bookmark { rv },
            Ok(WatchLine::Error(status)) => error(status),
            Err(error) => {
                let reason = refusal_of_event(bytes).unwrap_or_else(|| error.to_string());
                return self.unreadable(line, recv, reason);
            }
        };
        self.is_initial = false;
        self.give(place, self.naming.current(), what);
    }

    /// Takes an object without the type of an event, as kubectl prints it: it was there or came
    /// when it is first seen, and changed when it is seen again.
    fn bare_object(&mut self, line: u64, bytes: &[u8]) {
        let place = Place { line, recv: None };
        let object = match ObjectText::parse(bytes) {
            Ok(object) => object,
            Err(error) => return self.unreadable(line, None, error.to_string()),
        };
        if object.head.kind == "Status" && object.head.api_version == "v1" {
            let what = error(WatchStatus::parse(bytes).unwrap_or_default());
            return self.give(place, self.naming.current(), what);
        }
        if let Some(reason) = refusal(&object.head) {
            return self.unreadable(line, None, reason);
        }
        let Some(named) = self.naming.of(&object.head) else {
            return self.unreadable(line, None, NO_TYPE);
        };
        self.bare_objects += 1;
        let key = object.head.key();
        let named_so = (Arc::clone(&named), key.namespace.clone(), key.name.clone());
        let known = self.bare.insert(named_so, key.uid.clone());
        let is_same = known.as_ref() == Some(&key.uid);
        if let Some(uid) = known.filter(|_| !is_same) {
            let key = ObjectKey { uid, ..key };
            self.inferred += 1;
            self.give(place, Some(named), gone(key));
        }
        let (event_type, certainty) = if is_same {
            (EventType::Modified, Certainty::Seen)
        } else {
            (EventType::Added, Certainty::Listed)
        };
        self.object(place, event_type, certainty, object, None);
    }

    /// Takes an object; `types` are apiVersion and kind where it may lack them.
    fn object(
        &mut self,
        place: Place,
        event_type: EventType,
        certainty: Certainty,
        object: ObjectText<'_>,
        types: Option<(&str, &str)>,
    ) {
        let Place { line, recv } = place;
        let ObjectText { mut head, text } = object;
        let mut text = Cow::Borrowed(text);
        if head.kind.is_empty() || head.api_version.is_empty() {
            let types = types.filter(|(version, kind)| !version.is_empty() && !kind.is_empty());
            let types = types.map(|(version, kind)| (version.to_owned(), kind.to_owned()));
            let Some((version, kind)) = types.or_else(|| self.naming.fallback()) else {
                return self.unreadable(line, recv, NO_TYPE);
            };
            text = Cow::Owned(typed(&text, &mut head, &version, &kind));
        }
        if let Some(reason) = refusal(&head) {
            return self.unreadable(line, recv, reason);
        }
        let Some(named) = self.naming.of(&head) else {
            return self.unreadable(line, recv, NO_TYPE);
        };
        let (body, is_redacted) = match redacted(self.policy, &named.resource, &text) {
            Ok(redacted) => redacted,
            Err(reason) => return self.unreadable(line, recv, reason),
        };
        let ObjectHead {
            namespace,
            name,
            uid,
            rv,
            ..
        } = head;
        let object = Object {
            event_type,
            certainty,
            not_before: None,
            key: ObjectKey {
                namespace,
                name,
                uid,
            },
            rv,
            body: Some(body),
            is_redacted,
            request: None,
        };
        self.give(place, Some(named), What::Object(object));
    }

    /// Takes an item of a list, of which `list` is what was read so far; `false` if it could not
    /// be read.
    pub(super) fn list_item(&mut self, place: Place, bytes: &[u8], list: &ListHead) -> bool {
        let Place { line, recv } = place;
        let before = self.ready.len();
        match ObjectText::parse(bytes) {
            Ok(object) if object.head.rv.is_none() => {
                self.unreadable(line, recv, "an item without a resourceVersion");
            }
            Ok(object) => {
                let types = (list.api_version.as_str(), list.item_kind());
                let (event_type, certainty) = (EventType::Added, Certainty::Listed);
                self.object(place, event_type, certainty, object, Some(types));
            }
            Err(error) => self.unreadable(line, recv, error.to_string()),
        }
        let mut given = self.ready.range(before..);
        given.all(|item| matches!(item.what, What::Object(_)))
    }

    /// Ends a list.
    pub(super) fn end_list(&mut self, place: Place, head: &ListHead, is_whole: bool) {
        let named = self.naming.of_list(&head.api_version, head.item_kind());
        let is_complete = is_whole && !head.is_partial && !head.item_kind().is_empty();
        self.is_initial = false;
        let what = What::ListEnd {
            rv: head.rv.clone(),
            namespace: None,
            is_complete,
        };
        self.give(place, named, what);
    }

    /// Notes something that cannot be read.
    pub(super) fn unreadable(
        &mut self,
        line: u64,
        recv: Option<Timestamp>,
        reason: impl Into<String>,
    ) {
        let what = What::Unreadable {
            reason: reason.into(),
        };
        self.give(Place { line, recv }, self.naming.current(), what);
    }

    fn give(&mut self, place: Place, named: Option<Arc<Named>>, what: What) {
        self.ready.push_back(Item {
            recv: place.recv,
            source: Arc::clone(&self.name),
            line: place.line,
            named,
            what,
        });
    }

    /// Tells what could not be carried over.
    pub(super) fn report(&self, report: &mut LossReport) {
        report.lose(
            Loss::Deletes,
            "bare objects do not tell whether they were deleted",
            self.bare_objects,
        );
        report.lose(
            Loss::Deletes,
            "a name came again with another uid: the deletion in between was deduced",
            self.inferred,
        );
    }
}

/// Says why an object is not one that can be stored.
fn refusal(head: &ObjectHead) -> Option<String> {
    let is_meta = head.api_version.starts_with("meta.k8s.io/");
    let what = match head.kind.as_str() {
        "Table" if is_meta => "a table of objects, not the objects: they were asked for `as=Table`",
        "PartialObjectMetadata" if is_meta => {
            "the metadata of an object alone: it was asked for `as=PartialObjectMetadata`"
        }
        _ => return None,
    };
    Some(what.to_owned())
}

/// The same for the object of an event that has no version.
fn refusal_of_event(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Event<'a> {
        #[serde(borrow)]
        object: &'a RawValue,
    }
    let event: Event<'_> = serde_json::from_slice(bytes).ok()?;
    let object = ObjectText::parse(event.object.get().as_bytes()).ok()?;
    refusal(&object.head)
}

fn error(status: WatchStatus) -> What {
    What::Error {
        code: status.code,
        message: status.message,
    }
}

fn gone(key: ObjectKey) -> What {
    What::Object(Object {
        event_type: EventType::Deleted,
        certainty: Certainty::Inferred,
        not_before: None,
        key,
        rv: None,
        body: None,
        is_redacted: false,
        request: None,
    })
}

/// Takes the wrapper `{"recv":"…","event":` … `}` off a line without parsing what is inside.
fn wrapped_event(line: &[u8]) -> Option<(&str, &[u8])> {
    let rest = line.trim_ascii().strip_prefix(b"{\"recv\":\"")?;
    let end = memchr::memchr2(b'"', b'\\', rest)?;
    let (recv, rest) = rest.split_at_checked(end)?;
    let event = rest.strip_prefix(b"\",\"event\":")?.strip_suffix(b"}")?;
    Some((std::str::from_utf8(recv).ok()?, event))
}
