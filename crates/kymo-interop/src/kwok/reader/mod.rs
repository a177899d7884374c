//! Reads the documents of a recording.

mod change;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use kymo_anonymize::Policy;
use kymo_model::{Certainty, EventType, GroupResource, ObjectHead, ObjectText, Timestamp};
use serde_json::Value;

use super::changes::Objects;
use super::clocks::Clocks;
use super::document::{self, Document, Target};
use super::resources::Resources;
use super::tokens;
use super::window::Window;
use crate::Error;
use crate::import::{Context, Item, Loss, LossReport, Named, Object, ReadItems, What, redacted};
use crate::input::{Body, Content, Documents, Entry};

/// Reads a recording.
pub(super) struct RecordingReader {
    source: Arc<str>,
    documents: Documents,
    policy: Policy,
    clocks: Clocks,
    resources: Resources,
    objects: Objects,
    window: Window,
    ready: VecDeque<Item>,
    /// What the snapshot shows, until it ends.
    listed: BTreeMap<GroupResource, Arc<Named>>,
    /// The resources that have changes.
    changed: BTreeSet<GroupResource>,
    /// Whether all documents of the snapshot could be read.
    is_whole: bool,
    stage: Stage,
    counts: Counts,
}

enum Stage {
    Snapshot,
    Changes,
    /// Everything is read, or reading failed.
    End(Option<Error>),
}

#[derive(Default)]
struct Counts {
    objects: u64,
    changes: u64,
    times: u64,
    crossed: u64,
    unknown: BTreeMap<&'static str, u64>,
    again: u64,
}

/// Where something was.
struct Place {
    recv: Timestamp,
    line: u64,
    named: Arc<Named>,
}

impl RecordingReader {
    /// Opens a recording.
    pub(super) fn open(entry: &Entry, clocks: &Clocks, context: &Context) -> Result<Self, Error> {
        Ok(Self {
            source: entry.name.as_str().into(),
            documents: Documents::new(entry.open(&context.budget)?, context.limits.value_bytes),
            policy: context.policy,
            clocks: *clocks,
            resources: Resources::new(),
            objects: Objects::new(context),
            window: Window::default(),
            ready: VecDeque::new(),
            listed: BTreeMap::new(),
            changed: BTreeSet::new(),
            is_whole: true,
            stage: Stage::Snapshot,
            counts: Counts::default(),
        })
    }

    /// Reads on; `false` at the end.
    fn step(&mut self) -> Result<bool, Error> {
        if let Stage::End(failed) = &mut self.stage {
            let failed = failed.take();
            return match (self.window.pop(), failed) {
                (Some(waiting), failed) => {
                    self.stage = Stage::End(failed);
                    self.change(waiting).map(|()| true)
                }
                (None, Some(error)) => Err(error),
                (None, None) => Ok(false),
            };
        }
        let failed = match self.documents.next() {
            Ok(Some(document)) => {
                match document.content {
                    Content::Whole(Body::Value(_)) if self.documents.is_open() => {
                        let reason = "the file ends inside of this document, without a line break";
                        self.unreadable(document.line, None, reason);
                    }
                    Content::Whole(Body::Value(value)) | Content::Item(Body::Value(value)) => {
                        self.document(document.line, value)?;
                    }
                    Content::Whole(Body::Text(text)) | Content::Item(Body::Text(text)) => {
                        match serde_json::from_str(&text) {
                            Ok(value) => self.document(document.line, value)?,
                            Err(error) => self.unreadable(document.line, None, error.to_string()),
                        }
                    }
                    Content::ListEnd(_) => {}
                    Content::Unreadable(reason) => self.unreadable(document.line, None, reason),
                }
                return Ok(true);
            }
            Ok(None) => None,
            Err(source) => Some(Error::Read {
                path: self.source.to_string(),
                source,
            }),
        };
        self.is_whole &= failed.is_none();
        self.end_snapshot();
        self.stage = Stage::End(failed);
        Ok(true)
    }

    fn document(&mut self, line: u64, value: Value) -> Result<(), Error> {
        match Document::of(value) {
            Ok(Document::Object(value)) => self.object(line, value),
            Ok(Document::Patch(patch)) => {
                self.end_snapshot();
                self.stage = Stage::Changes;
                self.window.push(patch, line);
                while let Some(waiting) = self.window.pop_if_full() {
                    self.change(waiting)?;
                }
                Ok(())
            }
            Ok(Document::OtherVersion(found)) => Err(Error::Version {
                path: self.source.to_string(),
                found,
                known: document::API_VERSION,
            }),
            Err(reason) => {
                self.unreadable(line, None, reason);
                Ok(())
            }
        }
    }

    /// Takes an object that was there when the recording began.
    fn object(&mut self, line: u64, mut value: Value) -> Result<(), Error> {
        self.counts.times += tokens::restore(&mut value, self.clocks.zero);
        let text = value.to_string();
        let head = match ObjectText::parse(text.as_bytes()) {
            Ok(object) => object.head,
            Err(error) => {
                self.unreadable(line, None, error.to_string());
                return Ok(());
            }
        };
        let Some(named) = self.resources.of_object(&head) else {
            self.unreadable(line, None, "an object without kind or apiVersion");
            return Ok(());
        };
        if !matches!(self.stage, Stage::Snapshot) {
            self.unreadable(line, Some(named), "an object among the changes");
            return Ok(());
        }
        let resource = named.resource.group_resource();
        self.listed.insert(resource, Arc::clone(&named));
        self.counts.objects += 1;
        let place = Place {
            recv: self.clocks.zero,
            line,
            named,
        };
        let (event_type, certainty) = (EventType::Added, Certainty::Listed);
        self.keep(&place, &head, &text, event_type, certainty)
    }

    /// Says that the snapshot showed all there was of its resources, or not if something of it
    /// could not be read.
    fn end_snapshot(&mut self) {
        let is_complete = self.is_whole;
        for named in std::mem::take(&mut self.listed).into_values() {
            let place = Place {
                recv: self.clocks.zero,
                line: 0,
                named,
            };
            let what = What::ListEnd {
                rv: None,
                namespace: None,
                is_complete,
            };
            self.give(&place, what);
        }
    }

    /// Gives an object and keeps it for the patches to come.
    fn keep(
        &mut self,
        place: &Place,
        head: &ObjectHead,
        text: &str,
        event_type: EventType,
        certainty: Certainty,
    ) -> Result<(), Error> {
        let target = Target {
            name: head.name.clone(),
            namespace: head.namespace.clone(),
        };
        let resource = &place.named.resource;
        match redacted(self.policy, resource, text) {
            Ok((body, is_redacted)) => {
                let what = What::Object(Object {
                    event_type,
                    certainty,
                    not_before: None,
                    key: head.key(),
                    rv: head.rv.clone(),
                    body: Some(body),
                    is_redacted,
                    request: None,
                });
                self.give(place, what);
            }
            Err(reason) => {
                self.unreadable(place.line, Some(Arc::clone(&place.named)), reason);
            }
        }
        self.objects.put(&place.named, target, text)
    }

    fn give(&mut self, place: &Place, what: What) {
        self.ready.push_back(Item {
            recv: Some(place.recv),
            source: Arc::clone(&self.source),
            line: place.line,
            named: Some(Arc::clone(&place.named)),
            what,
        });
    }

    fn unreadable(&mut self, line: u64, named: Option<Arc<Named>>, reason: impl Into<String>) {
        self.is_whole = false;
        self.ready.push_back(Item {
            recv: None,
            source: Arc::clone(&self.source),
            line,
            named,
            what: What::Unreadable {
                reason: reason.into(),
            },
        });
    }
}

impl ReadItems for RecordingReader {
    fn next(&mut self) -> Result<Option<Item>, Error> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Ok(Some(item));
            }
            if !self.step()? {
                return Ok(None);
            }
        }
    }

    fn finish(&mut self, report: &mut LossReport) {
        let counts = &self.counts;
        let events = counts.objects + counts.changes;
        let zero = if self.clocks.is_told {
            "KWOK writes times since its start alone; names of Jobs or Events told the start"
        } else {
            "KWOK writes times since its start alone; the start was given"
        };
        report.lose(Loss::ReceiveTimes, zero, events);
        if !self.clocks.is_compared {
            let why = "no time in a change tells how far the zeros of the two clocks are apart";
            report.lose(Loss::ReceiveTimes, why, counts.changes);
        }
        let why = "a watch that ended leaves no mark: resources whose changes may be missing";
        report.lose(Loss::Gaps, why, self.changed.len() as u64);
        report.lose(
            Loss::ResourceVersions,
            "KWOK leaves out resourceVersion",
            events,
        );
        for (why, count) in &counts.unknown {
            report.lose(Loss::Bodies, why, *count);
        }
        let why = "plurals that are no resource, such as `ingresss`: mended";
        report.lose(Loss::Kinds, why, self.resources.mended);
        let why = "a mapping has members of the same name: the last was kept";
        report.lose(Loss::Fields, why, self.documents.replaced());
        let why = "changes more than 1024 places behind a later one";
        report.lose(Loss::Order, why, self.window.late);
        let what = "patches against an object of another kind, put right and inferred";
        report.note(what, counts.crossed);
        let what = "objects that were created although they were there, taken as changes";
        report.note(what, counts.again);
        report.note(
            "times put back in place of their distance from the start",
            counts.times,
        );
    }
}
