use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use kymo_model::{Event, EventType, Feed, FeedId, ObjectKey};

use super::chain::MANAGED;
use super::decode::Decoder;
use super::json::{At, Change, Doc, Edit, diff, same};
use super::request::StoredRequest;
use super::shadow::{Head, Parts};
use super::stored::{Content, Op, OpValue, Stored, usual_version};
use super::times::read_seconds;
use super::{Row, SegmentError, SegmentOptions};

/// Turns events into stored rows, in order.
#[derive(Debug)]
pub(super) struct Encoder {
    options: SegmentOptions,
    feeds: HashMap<FeedId, Feed>,
    row: u64,
    last: Option<Version>,
    firsts: Vec<Version>,
    resource: String,
    verifier: Decoder,
    mismatches: u64,
}

/// A version that later patches may refer to.
#[derive(Clone, Debug)]
struct Version {
    row: u64,
    group: String,
    key: ObjectKey,
    /// How many patches stand between it and a whole version.
    depth: u32,
    parts: Option<Arc<Parts>>,
}

/// What an encoded row borrows from.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    parts: Option<Arc<Parts>>,
    head: Head,
    plan: Plan,
    body: Vec<Change>,
    managed: Vec<Change>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Plan {
    #[default]
    Nothing,
    Raw,
    Keyframe,
    Patch {
        base: u32,
    },
}

impl Encoder {
    pub(super) fn new(feeds: HashMap<FeedId, Feed>, options: SegmentOptions) -> Self {
        Self {
            options,
            feeds,
            row: 0,
            last: None,
            firsts: Vec::new(),
            resource: String::new(),
            verifier: Decoder::default(),
            mismatches: 0,
        }
    }

    fn feed(&self, id: FeedId) -> Result<&Feed, SegmentError> {
        self.feeds.get(&id).ok_or(SegmentError::UnknownFeed {
            row: self.row,
            feed: id.0,
        })
    }

    /// How many patches did not give back what they were made from and were not used.
    pub(super) fn mismatches(&self) -> u64 {
        self.mismatches
    }

    /// Begins a row group: nothing before it is referred to.
    pub(super) fn restart(&mut self) {
        self.last = None;
        self.firsts.clear();
        self.verifier.restart();
    }

    /// Encodes the next row.
    pub(super) fn encode(&mut self, row: &Row) -> Result<Encoded, SegmentError> {
        let number = self.row;
        self.row += 1;
        let event = &row.event;
        let feed = self
            .feeds
            .get(&event.feed)
            .ok_or(SegmentError::UnknownFeed {
                row: number,
                feed: event.feed.0,
            })?;
        if self.resource != feed.resource.resource {
            self.resource.clone_from(&feed.resource.resource);
            self.firsts.clear();
        }
        let group = &feed.resource.group;
        let before = self
            .last
            .as_ref()
            .filter(|last| last.key == event.key && last.group == *group)
            .filter(|last| last.parts.is_some());
        let sibling = self.firsts.iter().find(|first| first.group == *group);
        let base_parts = before
            .and_then(|version| version.parts.as_ref())
            .or_else(|| sibling.and_then(|version| version.parts.as_ref()));

        let mut encoded = Encoded::default();
        let mut depth = 0;
        match &event.body {
            None => {}
            Some(_) if event.event_type == EventType::Unreadable => encoded.plan = Plan::Raw,
            Some(body) => match Parts::split(body, base_parts.map(Arc::as_ref)) {
                Ok(mut parts) if is_told_by_columns(&parts.head, event, feed) => {
                    if !self.options.managed_fields {
                        parts.managed = Doc::default();
                    }
                    (encoded.plan, depth) =
                        Self::plan(&self.options, number, before, sibling, &parts, &mut encoded);
                    encoded.parts = Some(Arc::new(parts));
                }
                _ => encoded.plan = Plan::Raw,
            },
        }
        if let Some(parts) = &encoded.parts {
            encoded.head = parts.head.clone();
        }
        if self.options.verify_patches {
            for fallback in [Plan::Keyframe, Plan::Raw] {
                if self.gives_back(number, row, &encoded)? {
                    break;
                }
                self.mismatches += 1;
                encoded.plan = fallback;
                depth = 0;
                self.restart();
                self.verifier = Decoder::starting_at(number);
            }
        }
        self.keep(number, row, &encoded, depth)?;
        Ok(encoded)
    }

    /// Chooses how to keep a version; leaves the patch in `encoded`.
    fn plan(
        options: &SegmentOptions,
        number: u64,
        before: Option<&Version>,
        sibling: Option<&Version>,
        parts: &Parts,
        encoded: &mut Encoded,
    ) -> (Plan, u32) {
        let (version, limit) = match before {
            Some(version) => (Some(version), options.keyframe_interval),
            None => (sibling, options.sibling_interval),
        };
        let Some(version) = version.filter(|version| version.depth < limit) else {
            return (Plan::Keyframe, 0);
        };
        let Some(base) = &version.parts else {
            return (Plan::Keyframe, 0);
        };
        diff(&base.body, &parts.body, "", &mut encoded.body);
        diff_managed(&base.managed, &parts.managed, &mut encoded.managed);
        let cost = |doc: &Doc, changes: &[Change]| -> usize {
            changes
                .iter()
                .map(|change| match change.edit {
                    Edit::Remove => 8,
                    Edit::Add | Edit::Replace => 8 + doc.value(change.value).len(),
                })
                .sum()
        };
        let patch = cost(&parts.body, &encoded.body) + cost(&parts.managed, &encoded.managed);
        let whole = parts.body.text.len() + parts.managed.text.len();
        if patch * 4 > whole * 3 {
            return (Plan::Keyframe, 0);
        }
        let base = number - version.row;
        match u32::try_from(base) {
            Ok(base) => (Plan::Patch { base }, version.depth + 1),
            Err(_) => (Plan::Keyframe, 0),
        }
    }

    /// Tells whether a reader gets the version back that went in.
    fn gives_back(
        &mut self,
        number: u64,
        row: &Row,
        encoded: &Encoded,
    ) -> Result<bool, SegmentError> {
        let feed = self
            .feeds
            .get(&row.event.feed)
            .ok_or(SegmentError::UnknownFeed {
                row: number,
                feed: row.event.feed.0,
            })?;
        let stored = encoded.stored(row, feed, self.options.ages);
        let found = self.verifier.advance(&stored, feed);
        Ok(match (found, &encoded.parts) {
            (Ok(Some(docs)), Some(parts)) => {
                same(&docs.body, At::ROOT, &parts.body, At::ROOT)
                    && same(&docs.managed, At::ROOT, &parts.managed, At::ROOT)
            }
            (Ok(None), None) => true,
            (Ok(None), Some(_)) => encoded.plan == Plan::Raw,
            _ => false,
        })
    }

    fn keep(
        &mut self,
        number: u64,
        row: &Row,
        encoded: &Encoded,
        depth: u32,
    ) -> Result<(), SegmentError> {
        let group = self.feed(row.event.feed)?.resource.group.clone();
        let parts = match encoded.plan {
            Plan::Nothing | Plan::Raw => None,
            Plan::Keyframe | Plan::Patch { .. } => encoded.parts.clone(),
        };
        let mut is_first = parts.is_some();
        match &mut self.last {
            Some(last) if last.key == row.event.key && last.group == group => {
                if parts.is_some() {
                    is_first = last.parts.is_none();
                    last.row = number;
                    last.depth = depth;
                    last.parts = parts;
                }
            }
            last => {
                *last = Some(Version {
                    row: number,
                    group,
                    key: row.event.key.clone(),
                    depth,
                    parts,
                });
            }
        }
        if let (true, Some(version)) = (is_first, &self.last) {
            match self
                .firsts
                .iter_mut()
                .find(|first| first.group == version.group)
            {
                Some(first) => *first = version.clone(),
                None => self.firsts.push(version.clone()),
            }
        }
        Ok(())
    }
}

impl Encoded {
    /// Returns the row to store.
    pub(super) fn stored<'a>(&'a self, row: &'a Row, feed: &'a Feed, ages: bool) -> Stored<'a> {
        let event = &row.event;
        let head = self.head_or_key(event, feed);
        let second = event.ts.0.div_euclid(1_000_000_000);
        let ops = |doc: &'a Doc, changes: &'a [Change]| {
            changes
                .iter()
                .map(|change| Op {
                    edit: change.edit,
                    path: &change.path,
                    value: value_of(doc, change, ages.then_some(second)),
                })
                .collect()
        };
        let content = match (self.plan, &self.parts) {
            (Plan::Keyframe, Some(parts)) => Content::Keyframe {
                body: parts.body.as_str(),
                managed: (!parts.managed.text.is_empty()).then(|| parts.managed.as_str()),
            },
            (Plan::Patch { base }, Some(parts)) => Content::Patch {
                base,
                body: ops(&parts.body, &self.body),
                managed: ops(&parts.managed, &self.managed),
            },
            (Plan::Nothing, _) => Content::Nothing,
            _ => event.body.as_deref().map_or(Content::Nothing, Content::Raw),
        };
        let own = event.rv.as_ref().map(kymo_model::Rv::as_str);
        let event_rv = (own != usual_version(event.event_type, event.certainty, head.rv))
            .then(|| Cow::Borrowed(own.unwrap_or_default()));
        Stored {
            seq: row.seq,
            ts: event.ts.0,
            not_before: event.not_before.map(|time| time.0),
            event_type: event.event_type,
            certainty: event.certainty,
            feed: event.feed.0,
            session: row.session,
            epoch: event.epoch,
            kind: head.kind,
            namespace: head.namespace,
            name: head.name,
            uid: head.uid.map(Cow::Borrowed),
            rv: head.rv.map(Cow::Borrowed),
            generation: head.generation,
            created: head.created,
            deleted: head.deleted,
            event_rv,
            request: event.request.as_deref().map(StoredRequest::of),
            content,
        }
    }

    /// The columns: what was in the body, or what the event says where there is no parsed body.
    fn head_or_key<'a>(&'a self, event: &'a Event, feed: &'a Feed) -> HeadRef<'a> {
        if self.parts.is_some() && self.plan != Plan::Raw {
            let head = &self.head;
            return HeadRef {
                kind: head.kind.as_deref(),
                namespace: head.namespace.as_deref(),
                name: head.name.as_deref(),
                uid: head.uid.as_deref(),
                rv: head.rv.as_deref(),
                generation: head.generation,
                created: head.created,
                deleted: head.deleted,
            };
        }
        let present = |text: &'a str| (!text.is_empty()).then_some(text);
        HeadRef {
            kind: present(&feed.resource.kind),
            namespace: present(&event.key.namespace),
            name: present(&event.key.name),
            uid: present(&event.key.uid),
            rv: event.rv.as_ref().map(kymo_model::Rv::as_str),
            ..HeadRef::default()
        }
    }
}

#[derive(Default)]
struct HeadRef<'a> {
    kind: Option<&'a str>,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
    uid: Option<&'a str>,
    rv: Option<&'a str>,
    generation: Option<i64>,
    created: Option<i64>,
    deleted: Option<i64>,
}

fn diff_managed(old: &Doc, new: &Doc, changes: &mut Vec<Change>) {
    let whole = |edit| Change {
        edit,
        path: MANAGED.to_owned(),
        value: At::ROOT,
    };
    match (old.nodes.is_empty(), new.nodes.is_empty()) {
        (true, true) => {}
        (true, false) => changes.push(whole(Edit::Add)),
        (false, true) => changes.push(whole(Edit::Remove)),
        (false, false) => diff(old, new, MANAGED, changes),
    }
}

fn value_of<'a>(doc: &'a Doc, change: &Change, second: Option<i64>) -> OpValue<'a> {
    if change.edit == Edit::Remove {
        return OpValue::None;
    }
    let text = doc.value(change.value);
    if let (Some(second), [b'"', inner @ .., b'"']) = (second, text)
        && let Some(time) = read_seconds(inner)
        && let Ok(age) = i32::try_from(second - time)
    {
        return OpValue::Age(age);
    }
    OpValue::Json(std::str::from_utf8(text).unwrap_or_default())
}

/// Tells whether the columns say the same as the body's head.
fn is_told_by_columns(head: &Head, event: &Event, feed: &Feed) -> bool {
    let resource = &feed.resource;
    (resource.kind.is_empty() || head.kind.as_deref() == Some(resource.kind.as_str()))
        && head.kind.is_some()
        && head.api_version.as_deref() == Some(resource.api_version().as_str())
        && head.name.as_deref().unwrap_or_default() == event.key.name
        && head.namespace.as_deref().unwrap_or_default() == event.key.namespace
        && head.uid.as_deref().unwrap_or_default() == event.key.uid
}
