//! Reads the records of a file, one a line.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use kymo_anonymize::Policy;
use kymo_model::{Certainty, EventType, ObjectHead, ObjectText, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::relist::Relist;
use crate::Error;
use crate::import::{Context, Item, Loss, LossReport, Named, Object, ReadItems, What, redacted};
use crate::input::{Entry, Text};
use crate::json::{Cut, next_value, skip_value};
use crate::naming::Naming;

/// A line as the recorder writes it.
#[derive(Debug, Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    time: Option<Cow<'a, str>>,
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    resource: &'a RawValue,
}

/// What an object says of its own beginning.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Birth<'a> {
    #[serde(borrow)]
    metadata: BirthMetadata<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct BirthMetadata<'a> {
    #[serde(borrow, rename = "creationTimestamp")]
    creation_timestamp: Option<Cow<'a, str>>,
}

/// How Go writes that there is no time.
const NO_TIME: &str = "0001-01-01T00:00:00Z";
/// Objects tell when they were made in whole seconds.
const SECOND: Duration = Duration::from_secs(1);

/// Reads the records of a file.
pub(super) struct RecordReader {
    source: Arc<str>,
    text: Text<'static>,
    policy: Policy,
    /// The longest record in bytes.
    limit: usize,
    naming: Naming,
    resources: HashMap<Arc<Named>, Resource>,
    /// The time of the first record: what was made before was there when the recorder began.
    began: Option<Timestamp>,
    ready: VecDeque<Item>,
    buffer: Vec<u8>,
    deletes: u64,
    without_time: u64,
    lists: u64,
    inferred: u64,
}

#[derive(Default)]
struct Resource {
    relist: Relist,
    /// Whether anything but Add came of it.
    has_changed: bool,
}

impl RecordReader {
    /// Opens a file.
    pub(super) fn open(entry: &Entry, context: &Context) -> Result<Self, Error> {
        Ok(Self {
            source: entry.name.as_str().into(),
            text: entry.open(&context.budget)?,
            policy: context.policy,
            limit: context.limits.value_bytes,
            naming: Naming::new(""),
            resources: HashMap::new(),
            began: None,
            ready: VecDeque::new(),
            buffer: Vec::new(),
            deletes: 0,
            without_time: 0,
            lists: 0,
            inferred: 0,
        })
    }

    /// Reads a record; `false` at the end.
    fn read(&mut self) -> io::Result<bool> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let line = self.text.line();
        let cut = next_value(&mut self.text, &mut buffer, self.limit);
        let has_more = match cut {
            Ok(None) => Ok(false),
            Ok(Some(Cut::Stray)) => {
                self.unreadable(line, None, "not a JSON object");
                Ok(true)
            }
            Ok(Some(Cut::TooLong)) => {
                let reason = format!("a record longer than {} bytes", self.limit);
                self.unreadable(line, None, reason);
                skip_value(&mut self.text).map(|()| true)
            }
            Ok(Some(Cut::Value)) => {
                if let Err((recv, reason)) = self.record(line, &buffer) {
                    self.unreadable(line, recv, reason);
                }
                Ok(true)
            }
            Err(error) => Err(error),
        };
        self.buffer = buffer;
        has_more
    }

    fn record(&mut self, line: u64, bytes: &[u8]) -> Result<(), (Option<Timestamp>, String)> {
        let untimed = |reason: String| (None, reason);
        let record: Record<'_> = serde_json::from_slice(bytes)
            .map_err(|error| untimed(format!("not a record: {error}")))?;
        let time = record.time.as_deref().filter(|time| *time != NO_TIME);
        let recv = time
            .map(str::parse::<Timestamp>)
            .transpose()
            .map_err(|error| untimed(error.to_string()))?;
        let object = ObjectText::parse(record.resource.get().as_bytes())
            .map_err(|error| (recv, error.to_string()))?;
        let named = self
            .naming
            .of(&object.head)
            .ok_or_else(|| (recv, "an object without kind or apiVersion".to_owned()))?;
        let event_type = match record.event.as_ref() {
            "Add" => EventType::Added,
            "Update" => EventType::Modified,
            "Delete" => EventType::Deleted,
            other => return Err((recv, format!("`{other}` is no event of a record"))),
        };
        self.without_time += u64::from(recv.is_none());
        if let Some(ts) = recv {
            self.end_lists(line, ts);
        }
        let place = Place { recv, line, named };
        if event_type == EventType::Deleted {
            self.delete(&place, &object.head);
            return Ok(());
        }
        self.object(&place, event_type, &object)
            .map_err(|reason| (recv, reason))
    }

    /// Takes an object that is there.
    fn object(
        &mut self,
        place: &Place,
        event_type: EventType,
        object: &ObjectText<'_>,
    ) -> Result<(), String> {
        let (body, is_redacted) = redacted(self.policy, &place.named.resource, object.text)?;
        let key = object.head.key();
        let resource = self.resources.entry(Arc::clone(&place.named)).or_default();
        let is_update = event_type == EventType::Modified;
        resource.has_changed |= is_update;
        let rv = object.head.rv.as_ref();
        let meaning = resource.relist.told(&key, rv, is_update, place.recv);
        let was_there = match place.recv {
            Some(recv) => {
                let began = *self.began.get_or_insert(recv);
                birth(object.text).is_some_and(|birth| began.since(birth) > SECOND)
            }
            None => !resource.has_changed,
        };
        if let Some((from, to)) = meaning.gap {
            self.lists += 1;
            let what = What::Gap {
                from: Some(from),
                detail: "the recorder listed anew: what happened before is not known".to_owned(),
            };
            self.give(place, Some(to), what);
        }
        let mut event_type = event_type;
        let is_replaced = is_update && meaning.gone.is_some();
        if let Some((before, told)) = meaning.gone {
            self.inferred += 1;
            // An update that brings another uid is another object, which a list shows.
            event_type = EventType::Added;
            let what = gone(before, told);
            self.give(place, place.recv, what);
        }
        let is_added = event_type == EventType::Added;
        let is_listed =
            meaning.is_listed || is_replaced || (is_added && (was_there || meaning.is_known));
        let what = What::Object(Object {
            event_type,
            certainty: if is_listed {
                Certainty::Listed
            } else {
                Certainty::Seen
            },
            not_before: None,
            key,
            rv: object.head.rv.clone(),
            body: Some(body),
            is_redacted,
            request: None,
        });
        self.give(place, place.recv, what);
        Ok(())
    }

    /// Takes a deletion, which names the object and nothing else.
    fn delete(&mut self, place: &Place, head: &ObjectHead) {
        self.deletes += 1;
        let mut key = head.key();
        let resource = self.resources.entry(Arc::clone(&place.named)).or_default();
        resource.has_changed = true;
        if let Some(uid) = resource.relist.deleted(&key, place.recv)
            && key.uid.is_empty()
        {
            key.uid = uid;
        }
        let what = What::Object(Object {
            event_type: EventType::Deleted,
            certainty: Certainty::Seen,
            not_before: None,
            key,
            rv: head.rv.clone(),
            body: None,
            is_redacted: false,
            request: None,
        });
        self.give(place, place.recv, what);
    }

    /// Ends lists that are over: what they did not name is gone.
    fn end_lists(&mut self, line: u64, ts: Timestamp) {
        let mut all_missing = Vec::new();
        for (named, resource) in &mut self.resources {
            for (key, told) in resource.relist.missing(ts) {
                all_missing.push((Arc::clone(named), key, told));
            }
        }
        all_missing.sort_by(|a, b| a.0.resource.cmp(&b.0.resource));
        for (named, key, told) in all_missing {
            self.inferred += 1;
            let recv = Some(ts);
            let place = Place { recv, line, named };
            self.give(&place, recv, gone(key, Some(told)));
        }
    }

    fn give(&mut self, place: &Place, recv: Option<Timestamp>, what: What) {
        self.ready.push_back(Item {
            recv,
            source: Arc::clone(&self.source),
            line: place.line,
            named: Some(Arc::clone(&place.named)),
            what,
        });
    }

    fn unreadable(&mut self, line: u64, recv: Option<Timestamp>, reason: impl Into<String>) {
        self.ready.push_back(Item {
            recv,
            source: Arc::clone(&self.source),
            line,
            named: self.naming.current(),
            what: What::Unreadable {
                reason: reason.into(),
            },
        });
    }
}

/// Where and when a record was, and of which resource.
struct Place {
    recv: Option<Timestamp>,
    line: u64,
    named: Arc<Named>,
}

fn gone(key: kymo_model::ObjectKey, told: Option<Timestamp>) -> What {
    What::Object(Object {
        event_type: EventType::Deleted,
        certainty: Certainty::Inferred,
        not_before: told,
        key,
        rv: None,
        body: None,
        is_redacted: false,
        request: None,
    })
}

/// Returns when an object was made.
fn birth(text: &str) -> Option<Timestamp> {
    let birth: Birth<'_> = serde_json::from_str(text).ok()?;
    birth.metadata.creation_timestamp?.parse().ok()
}

impl ReadItems for RecordReader {
    fn next(&mut self) -> Result<Option<Item>, Error> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Ok(Some(item));
            }
            let has_more = self.read().map_err(|source| Error::Read {
                path: self.source.to_string(),
                source,
            })?;
            if !has_more {
                return Ok(None);
            }
        }
    }

    fn finish(&mut self, report: &mut LossReport) {
        let nameless = "a Delete has the name of its object alone; the last record stands for it";
        report.lose(Loss::Bodies, nameless, self.deletes);
        report.lose(
            Loss::ReceiveTimes,
            "records without a time",
            self.without_time,
        );
        report.lose(
            Loss::Gaps,
            "the recorder listed anew and wrote down only what it found",
            self.lists,
        );
        report.lose(
            Loss::Deletes,
            "the recorder drops deletions that a list shows; these were deduced",
            self.inferred,
        );
    }
}
