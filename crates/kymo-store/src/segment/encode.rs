use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use kymo_model::{Event, EventType, Feed, FeedId, ObjectKey};

use super::chain::{MANAGED, patch};
use super::decode::parse;
use super::form::Filled;
use super::json::{At, Change, Doc, Edit, diff, same};
use super::kept::Kept;
use super::request::StoredRequest;
use super::shadow::{Head, HeadRef, Parts};
use super::steps::{KnownSteps, Made, Steps};
use super::stored::{Content, Op, OpValue, Stored, usual_version};
use super::times::read_seconds;
use super::{Row, SegmentError, SegmentOptions};

/// Turns events into stored rows, in order.
#[derive(Debug)]
pub(super) struct Encoder {
    options: SegmentOptions,
    feeds: BTreeMap<FeedId, Feed>,
    row: u64,
    last: Option<Version>,
    firsts: Vec<Version>,
    resource: String,
    mismatches: u64,
    known: KnownSteps,
}

/// A version that later patches may refer to.
#[derive(Clone, Debug)]
struct Version {
    row: u64,
    group: String,
    key: ObjectKey,
    /// How many patches stand between it and a whole version.
    depth: u32,
    /// `None` also while nothing asked for the parts of a kept version.
    parts: Option<Arc<Parts>>,
    kept: Option<Kept>,
    filled: Option<Filled>,
}

impl Version {
    fn is_there(&self) -> bool {
        self.parts.is_some() || self.kept.is_some() || self.filled.is_some()
    }

    /// Takes the version apart if that has not been done.
    fn parts(&mut self) -> Result<Option<Arc<Parts>>, SegmentError> {
        if self.parts.is_none() {
            if let Some(kept) = &self.kept {
                self.parts = kept.parts(&self.key)?.map(Arc::new);
            } else if let Some(filled) = &self.filled {
                self.parts = Some(Arc::new(filled.parts(self.row)?));
            }
        }
        Ok(self.parts.clone())
    }
}

/// The version to which a patch may refer.
#[derive(Clone, Copy, Debug)]
enum Base {
    /// The one before, of the same object.
    Last,
    /// The first one of a neighbour, by its place.
    First(usize),
}

/// What an encoded row borrows from.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    parts: Option<Arc<Parts>>,
    head: Head,
    plan: Plan,
    body: Vec<Change>,
    managed: Vec<Change>,
    /// The bytes as they came, where they are kept so.
    raw: Option<Arc<[u8]>>,
    /// What holds the body, where it stays as it is.
    kept: Option<Kept>,
    /// The form, where it is one.
    filled: Option<FilledIn>,
}

/// A form with what is stored of it.
#[derive(Debug)]
struct FilledIn {
    filled: Filled,
    /// The whole body; empty for a patch.
    body: String,
    /// The patch.
    steps: Option<(Arc<Steps>, Made)>,
}

/// Where a body comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'a> {
    /// The event has it.
    Text,
    /// Another segment holds it.
    Kept(&'a Kept),
    /// It is a form.
    Filled(&'a Filled),
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
    pub(super) fn new(feeds: BTreeMap<FeedId, Feed>, options: SegmentOptions) -> Self {
        Self {
            options,
            feeds,
            row: 0,
            last: None,
            firsts: Vec::new(),
            resource: String::new(),
            mismatches: 0,
            known: KnownSteps::default(),
        }
    }

    /// How many patches did not give back what they were made from and were not used.
    pub(super) fn mismatches(&self) -> u64 {
        self.mismatches
    }

    /// Begins a row group: nothing before it is referred to.
    pub(super) fn restart(&mut self) {
        self.last = None;
        self.firsts.clear();
    }

    /// Encodes the next row. `is_same` tells whether it is of the object of the row before.
    pub(super) fn encode(
        &mut self,
        row: &Row,
        source: Source<'_>,
        is_same: bool,
    ) -> Result<Encoded, SegmentError> {
        let number = self.row;
        self.row += 1;
        let event = &row.event;
        let unknown = || SegmentError::UnknownFeed {
            row: number,
            feed: event.feed.0,
        };
        let resource = &self.feeds.get(&event.feed).ok_or_else(unknown)?.resource;
        if !is_same && self.resource != resource.resource {
            self.resource.clone_from(&resource.resource);
            self.firsts.clear();
        }
        let base = self.base(is_same, &resource.group);
        let quick = match source {
            Source::Text => None,
            Source::Kept(kept) => self.stays(number, row, kept, base).map(|(plan, depth)| {
                let encoded = Encoded {
                    plan,
                    kept: Some(kept.clone()),
                    ..Encoded::default()
                };
                (encoded, depth)
            }),
            Source::Filled(filled) => self.fill_in(number, row, filled, base),
        };
        if let Some((encoded, depth)) = quick {
            self.keep(number, row, &encoded, source, depth, is_same)?;
            return Ok(encoded);
        }
        let body = match source {
            Source::Text => event.body.clone(),
            Source::Kept(kept) => Some(kept.text(&event.key)?),
            Source::Filled(filled) => Some(filled.numbered_text(number, event)?),
        };
        let base_parts = match base {
            Some(base) if body.is_some() => self.version(base).map(Version::parts),
            _ => None,
        };
        let base_parts = base_parts.transpose()?.flatten();

        let mut encoded = Encoded::default();
        let mut depth = 0;
        match &body {
            None => {}
            Some(_) if event.event_type == EventType::Unreadable => encoded.plan = Plan::Raw,
            Some(body) => match Parts::split(body, base_parts.as_deref()) {
                Ok(mut parts) if self.is_told_by_columns(&parts.head, event) => {
                    if !self.options.managed_fields {
                        parts.managed = Doc::default();
                    }
                    (encoded.plan, depth) =
                        self.plan(number, base, base_parts.as_deref(), &parts, &mut encoded);
                    encoded.parts = Some(Arc::new(parts));
                }
                _ => encoded.plan = Plan::Raw,
            },
        }
        if encoded.plan == Plan::Raw {
            encoded.raw.clone_from(&body);
        }
        if let Some(parts) = &encoded.parts {
            encoded.head = parts.head.clone();
        }
        if self.options.verify_patches {
            for fallback in [Plan::Keyframe, Plan::Raw] {
                if self.gives_back(number, row, &encoded, base_parts.as_deref())? {
                    break;
                }
                self.mismatches += 1;
                encoded.plan = fallback;
                encoded.raw.clone_from(&body);
                depth = 0;
                self.restart();
            }
        }
        self.keep(number, row, &encoded, source, depth, is_same)?;
        Ok(encoded)
    }

    /// Fills a form in without taking the body apart; returns how deep the version is then. `None`
    /// if it must be made of the text.
    fn fill_in(
        &mut self,
        number: u64,
        row: &Row,
        filled: &Filled,
        base: Option<Base>,
    ) -> Option<(Encoded, u32)> {
        let event = &row.event;
        let is_told = event.event_type != EventType::Unreadable
            && event.rv.is_some()
            && filled.is_of(self.feeds.get(&event.feed)?, &event.key);
        if !is_told {
            return None;
        }
        let limit = base.map_or(0, |base| self.limit(base));
        let version = match base {
            Some(Base::Last) => self.last.as_ref(),
            Some(Base::First(index)) => self.firsts.get(index),
            None => None,
        };
        let version = version.filter(|version| version.depth < limit);
        let patch = match version {
            None => None,
            Some(version) => {
                let from = version.filled.as_ref()?;
                let steps = self.known.between(event.feed, from, filled)?;
                let base = u32::try_from(number - version.row).ok();
                let cost = steps.cost(filled);
                let is_kept =
                    is_worth_it(cost, filled.least_bytes()) || is_worth_it(cost, filled.bytes());
                base.filter(|_| is_kept)
                    .map(|base| (base, version.depth + 1, steps))
            }
        };
        let mut filled_in = FilledIn {
            filled: filled.clone(),
            body: String::new(),
            steps: None,
        };
        let (plan, depth) = if let Some((base, depth, steps)) = patch {
            let second = event.ts.0.div_euclid(1_000_000_000);
            let made = steps.make(filled, self.options.ages.then_some(second))?;
            filled_in.steps = Some((steps, made));
            (Plan::Patch { base }, depth)
        } else {
            filled_in.body = filled.body()?;
            (Plan::Keyframe, 0)
        };
        let encoded = Encoded {
            plan,
            filled: Some(filled_in),
            ..Encoded::default()
        };
        Some((encoded, depth))
    }

    /// Finds the version to which a patch of an event of a group may refer.
    fn base(&self, is_same: bool, group: &str) -> Option<Base> {
        if is_same && self.last.as_ref().is_some_and(Version::is_there) {
            return Some(Base::Last);
        }
        let first = self.firsts.iter().position(|first| first.group == group)?;
        Some(Base::First(first))
    }

    fn version(&mut self, base: Base) -> Option<&mut Version> {
        match base {
            Base::Last => self.last.as_mut(),
            Base::First(index) => self.firsts.get_mut(index),
        }
    }

    /// How many patches may stand between a version and a whole one.
    fn limit(&self, base: Base) -> u32 {
        match base {
            Base::Last => self.options.keyframe_interval,
            Base::First(_) => self.options.sibling_interval,
        }
    }

    /// Returns how to keep a body as another segment holds it, and how deep it is then; `None` if
    /// it must be made anew.
    fn stays(
        &mut self,
        number: u64,
        row: &Row,
        kept: &Kept,
        base: Option<Base>,
    ) -> Option<(Plan, u32)> {
        let (limit, is_whole) = (
            base.map(|base| self.limit(base)),
            self.options.managed_fields,
        );
        let distance = kept.fits(row).filter(|_| is_whole)?;
        if distance == 0 {
            return Some((Plan::Keyframe, 0));
        }
        let wanted = kept.link.number.checked_sub(u64::from(distance))?;
        let version = self.version(base?)?;
        let is_base = version
            .kept
            .as_ref()
            .is_some_and(|base| base.is_base(wanted, kept.revisions.as_ref()));
        if !is_base || version.depth >= limit? {
            return None;
        }
        let base = u32::try_from(number - version.row).ok()?;
        Some((Plan::Patch { base }, version.depth + 1))
    }

    /// Chooses how to keep a version; leaves the patch in `encoded`.
    fn plan(
        &mut self,
        number: u64,
        base: Option<Base>,
        base_parts: Option<&Parts>,
        parts: &Parts,
        encoded: &mut Encoded,
    ) -> (Plan, u32) {
        let limit = base.map_or(0, |base| self.limit(base));
        let version = base.and_then(|base| self.version(base));
        let Some(version) = version.filter(|version| version.depth < limit) else {
            return (Plan::Keyframe, 0);
        };
        let Some(base) = base_parts else {
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
        if !is_worth_it(patch, whole) {
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
        &self,
        number: u64,
        row: &Row,
        encoded: &Encoded,
        base: Option<&Parts>,
    ) -> Result<bool, SegmentError> {
        let Some(parts) = &encoded.parts else {
            return Ok(true);
        };
        let feed = self.feed(number, row.event.feed)?;
        let stored = encoded.stored(number, row, feed, self.options.ages)?;
        let docs = match (&stored.content, base) {
            (Content::Nothing | Content::Raw(_), _) => return Ok(true),
            (Content::Keyframe { body, managed }, _) => parse(number, body).and_then(|body| {
                let managed = managed.map_or(Ok(Doc::default()), |text| parse(number, text))?;
                Ok((body, managed))
            }),
            (Content::Patch { body, managed, .. }, Some(base)) => {
                let mut docs = (base.body.clone(), base.managed.clone());
                patch(number, row.event.ts.0, &mut docs.0, "", body)
                    .and_then(|()| patch(number, row.event.ts.0, &mut docs.1, MANAGED, managed))
                    .map(|()| docs)
            }
            (Content::Patch { .. }, None) => return Ok(false),
        };
        Ok(docs.is_ok_and(|(body, managed)| {
            same(&body, At::ROOT, &parts.body, At::ROOT)
                && same(&managed, At::ROOT, &parts.managed, At::ROOT)
        }))
    }

    fn feed(&self, number: u64, id: FeedId) -> Result<&Feed, SegmentError> {
        self.feeds.get(&id).ok_or(SegmentError::UnknownFeed {
            row: number,
            feed: id.0,
        })
    }

    fn keep(
        &mut self,
        number: u64,
        row: &Row,
        encoded: &Encoded,
        source: Source<'_>,
        depth: u32,
        is_same: bool,
    ) -> Result<(), SegmentError> {
        let feed = self.feeds.get(&row.event.feed);
        let group = &feed
            .ok_or(SegmentError::UnknownFeed {
                row: number,
                feed: row.event.feed.0,
            })?
            .resource
            .group;
        let (parts, kept, filled) = match (encoded.plan, source) {
            (Plan::Nothing | Plan::Raw, _) => (None, None, None),
            (_, Source::Text) => (encoded.parts.clone(), None, None),
            (_, Source::Kept(kept)) => (encoded.parts.clone(), Some(kept.clone()), None),
            (_, Source::Filled(filled)) => (encoded.parts.clone(), None, Some(filled.clone())),
        };
        let is_there = parts.is_some() || kept.is_some() || filled.is_some();
        let mut is_first = is_there;
        match &mut self.last {
            Some(last) if is_same => {
                if is_there {
                    is_first = !last.is_there();
                    last.row = number;
                    last.depth = depth;
                    last.parts = parts;
                    last.kept = kept;
                    last.filled = filled;
                }
            }
            last => {
                *last = Some(Version {
                    row: number,
                    group: group.clone(),
                    key: row.event.key.clone(),
                    depth,
                    parts,
                    kept,
                    filled,
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

    /// Tells whether the columns say the same as the body's head.
    fn is_told_by_columns(&self, head: &Head, event: &Event) -> bool {
        let feed = self.feeds.get(&event.feed);
        feed.is_some_and(|feed| is_told_by_columns(head, event, feed))
    }
}

impl Encoded {
    /// Returns the row to store.
    pub(super) fn stored<'a>(
        &'a self,
        number: u64,
        row: &'a Row,
        feed: &'a Feed,
        ages: bool,
    ) -> Result<Stored<'a>, SegmentError> {
        let event = &row.event;
        let head = match (&self.kept, &self.filled) {
            (Some(kept), _) => kept.told(&event.key).ok_or(SegmentError::Row {
                row: number,
                what: "its columns tell of another object",
            })?,
            (None, Some(filled)) => filled.filled.told(event),
            (None, None) => self.head_or_key(event, feed),
        };
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
            (Plan::Keyframe | Plan::Patch { .. }, None) if self.filled.is_some() => {
                self.filled_content(ages.then_some(second))
            }
            (Plan::Keyframe | Plan::Patch { .. }, None) => match (&self.kept, self.plan) {
                (Some(kept), Plan::Patch { base }) => kept.patch(base)?,
                (Some(kept), _) => kept.content()?,
                _ => Content::Nothing,
            },
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
            (Plan::Raw, _) => self.raw.as_deref().map_or(Content::Nothing, Content::Raw),
        };
        let own = event.rv.as_ref().map(kymo_model::Rv::as_str);
        let event_rv = (own != usual_version(event.event_type, event.certainty, head.rv))
            .then(|| Cow::Borrowed(own.unwrap_or_default()));
        Ok(Stored {
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
        })
    }

    /// What is stored of a form.
    fn filled_content(&self, second: Option<i64>) -> Content<'_> {
        let Some(filled) = &self.filled else {
            return Content::Nothing;
        };
        match (self.plan, &filled.steps) {
            (Plan::Patch { base }, Some((steps, made))) => Content::Patch {
                base,
                body: steps.ops(made, &filled.filled, second),
                managed: Vec::new(),
            },
            _ => Content::Keyframe {
                body: &filled.body,
                managed: None,
            },
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

/// Tells whether a patch is so much smaller than the whole that it is kept.
fn is_worth_it(patch: usize, whole: usize) -> bool {
    patch * 4 <= whole * 3
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
