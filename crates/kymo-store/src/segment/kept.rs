//! Rows on their way from one segment to another, with bodies as the first one holds them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kymo_model::{EventType, FeedId, ObjectKey, Rv};
use serde_json::Value;

use super::batch::Batch;
use super::chain::{MANAGED, patch};
use super::decode::{Docs, parse};
use super::json::Doc;
use super::revision::{Revisions, Verdict};
use super::shadow::{Head, HeadRef, Parts, join};
use super::stored::{Content, OpValue};
use super::{Row, SegmentError};

/// How many patches may lie on each other before a version is put together.
const MOST_LINKS: u32 = 512;

/// An event and its body: as text in the row, or as a segment holds it.
#[derive(Clone, Debug)]
pub struct KeptRow {
    /// The event; it has no body if `kept` is there.
    pub row: Row,
    /// The body as a segment holds it.
    pub kept: Option<Kept>,
}

impl KeptRow {
    /// Puts the body together if that has not been done.
    pub fn into_row(mut self) -> Result<Row, SegmentError> {
        if let Some(kept) = &self.kept {
            self.row.event.body = Some(kept.text(&self.row.event.key)?);
        }
        Ok(self.row)
    }
}

impl From<Row> for KeptRow {
    fn from(row: Row) -> Self {
        Self { row, kept: None }
    }
}

/// A body as a segment holds it, with what shall be done to it.
#[derive(Clone, Debug)]
pub struct Kept {
    pub(super) batch: Arc<Batch>,
    pub(super) index: usize,
    pub(super) link: Arc<Link>,
    pub(super) feed: FeedId,
    /// `metadata.resourceVersion`.
    pub(super) rv: Option<Rv>,
    /// `apiVersion`.
    pub(super) api_version: Arc<str>,
    pub(super) revisions: Option<Arc<Revisions>>,
}

impl Kept {
    /// Puts the body together, with all that shall be done to it.
    pub fn text(&self, key: &ObjectKey) -> Result<Arc<[u8]>, SegmentError> {
        let docs = self.link.docs()?;
        let text = join(&self.head()?, &docs.body, &docs.managed).ok_or(SegmentError::Row {
            row: self.link.number,
            what: "its body cannot be put together",
        })?;
        let Some(revisions) = &self.revisions else {
            return Ok(Arc::from(text));
        };
        let failed = |source| SegmentError::Revision {
            row: self.link.number,
            source,
        };
        let mut object: Value =
            serde_json::from_slice(&text).map_err(|error| failed(error.into()))?;
        revisions
            .revise(&mut object, self.link.seq, self.feed, key)
            .map_err(failed)?;
        let text = serde_json::to_vec(&object).map_err(|error| failed(error.into()))?;
        Ok(Arc::from(text))
    }

    /// Takes the body apart; `None` if that cannot be done.
    pub(super) fn parts(&self, key: &ObjectKey) -> Result<Option<Parts>, SegmentError> {
        if self.revisions.is_some() {
            return Ok(Parts::split(&self.text(key)?, None).ok());
        }
        let docs = self.link.docs()?;
        Ok(Some(Parts {
            head: self.head()?,
            body: docs.body.clone(),
            managed: docs.managed.clone(),
        }))
    }

    fn head(&self) -> Result<Head, SegmentError> {
        let mut head = self.batch.head(self.index, self.link.number)?;
        head.api_version = Some(self.api_version.as_ref().to_owned());
        head.rv = self.rv.as_ref().map(|rv| rv.as_str().to_owned());
        Ok(head)
    }

    /// Sets `metadata.resourceVersion` if the object has one; `false` if that cannot be done here.
    pub fn set_version(&mut self, version: Option<Rv>) -> bool {
        if self.rv.is_none() {
            return false;
        }
        self.rv = version;
        true
    }

    /// Returns what shall be done to the body.
    pub fn revisions(&self) -> Option<&Arc<Revisions>> {
        self.revisions.as_ref()
    }

    /// Says what shall be done to the body; it replaces what was said before.
    pub fn revise(&mut self, revisions: Arc<Revisions>) {
        self.revisions = Some(revisions);
    }

    /// Tells whether the body can stay as it is held in a row: returns how many rows before its own
    /// the version is that it refers to, 0 if it is whole.
    pub(super) fn fits(&self, row: &Row) -> Option<u32> {
        if self.feed != row.event.feed || row.event.event_type == EventType::Unreadable {
            return None;
        }
        self.told(&row.event.key)?;
        let (distance, lists) = match self.content().ok()? {
            Content::Keyframe { .. } => (0, [Vec::new(), Vec::new()]),
            Content::Patch {
                base,
                body,
                managed,
            } => (base, [body, managed]),
            Content::Nothing | Content::Raw(_) => return None,
        };
        if distance == 0 && self.revisions.is_some() {
            return None;
        }
        let second = |ts: i64| ts.div_euclid(1_000_000_000);
        let is_of_second = second(row.event.ts.0) == second(self.link.ts);
        let stays = lists.iter().flatten().all(|op| {
            let verdict = self.revisions.as_ref().map(|done| done.verdict(op.path));
            verdict != Some(Verdict::Unknown)
                && (is_of_second || !matches!(op.value, OpValue::Age(_)))
        });
        stays.then_some(distance)
    }

    /// Returns what columns tell of the object, if it is the one with this key.
    pub(super) fn told<'a>(&'a self, key: &'a ObjectKey) -> Option<HeadRef<'a>> {
        let mut head = self.batch.told(self.index, key)?;
        head.rv = self.rv.as_ref().map(Rv::as_str);
        if let Some(revisions) = &self.revisions {
            let [generation, created, deleted] = revisions.clears();
            head.generation = head.generation.filter(|_| !generation);
            head.created = head.created.filter(|_| !created);
            head.deleted = head.deleted.filter(|_| !deleted);
        }
        Some(head)
    }

    /// Returns how the segment holds the body.
    pub(super) fn content(&self) -> Result<Content<'_>, SegmentError> {
        self.batch.content(self.index, self.link.number)
    }

    /// Returns the patch that it is between revised versions, `base` rows apart.
    pub(super) fn patch(&self, base: u32) -> Result<Content<'_>, SegmentError> {
        let mut content = self.content()?;
        if let Content::Patch {
            base: distance,
            body,
            managed,
        } = &mut content
        {
            *distance = base;
            if let Some(revisions) = &self.revisions {
                for ops in [body, managed] {
                    ops.retain(|op| revisions.verdict(op.path) == Verdict::Stays);
                }
            }
        }
        Ok(content)
    }

    /// Tells whether both are the same version, to which the same is done.
    pub(super) fn is_base(&self, number: u64, revisions: Option<&Arc<Revisions>>) -> bool {
        self.link.number == number && Revisions::is_same(self.revisions.as_ref(), revisions)
    }
}

/// A version in a segment that is put together when it is asked for.
#[derive(Debug)]
pub(super) struct Link {
    /// Its row in the segment.
    pub(super) number: u64,
    pub(super) seq: u64,
    pub(super) ts: i64,
    depth: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Held {
        batch: Arc<Batch>,
        index: usize,
        base: Option<Arc<Link>>,
    },
    Docs(Arc<Docs>),
}

impl Link {
    /// Links a row to the version that its patch refers to, if it has a patch.
    pub(super) fn new(
        number: u64,
        (seq, ts): (u64, i64),
        (batch, index): (&Arc<Batch>, usize),
        base: Option<Arc<Self>>,
    ) -> Result<Self, SegmentError> {
        let depth = base.as_ref().map_or(0, |base| base.depth + 1);
        let mut link = Self {
            number,
            seq,
            ts,
            depth,
            state: Mutex::new(State::Held {
                batch: Arc::clone(batch),
                index,
                base,
            }),
        };
        if depth >= MOST_LINKS {
            link.docs()?;
            link.depth = 0;
        }
        Ok(link)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the version together and forgets what it was made of.
    pub(super) fn docs(&self) -> Result<Arc<Docs>, SegmentError> {
        let (mut docs, patches) = match &*self.state() {
            State::Docs(docs) => return Ok(Arc::clone(docs)),
            State::Held { batch, index, base } => self.begin(batch, *index, base.clone())?,
        };
        for (link, batch, index) in patches.iter().rev() {
            apply(&mut docs, batch, *index, link.number, link.ts)?;
        }
        if let State::Held { batch, index, base } = &*self.state()
            && base.is_some()
        {
            apply(&mut docs, batch, *index, self.number, self.ts)?;
        }
        let docs = Arc::new(docs);
        *self.state() = State::Docs(Arc::clone(&docs));
        Ok(docs)
    }

    /// Goes back to a version that is there as a whole; returns it and the patches that follow up
    /// to, not with, this one, the last one first.
    fn begin(
        &self,
        batch: &Arc<Batch>,
        index: usize,
        base: Option<Arc<Self>>,
    ) -> Result<(Docs, Vec<Patched>), SegmentError> {
        let mut patches = Vec::new();
        let Some(mut link) = base else {
            return Ok((keyframe(batch, index, self.number)?, patches));
        };
        loop {
            let next = match &*link.state() {
                State::Docs(docs) => return Ok((Docs::clone(docs), patches)),
                State::Held { batch, index, base } => match base {
                    None => return Ok((keyframe(batch, *index, link.number)?, patches)),
                    Some(base) => {
                        patches.push((Arc::clone(&link), Arc::clone(batch), *index));
                        Arc::clone(base)
                    }
                },
            };
            link = next;
        }
    }
}

type Patched = (Arc<Link>, Arc<Batch>, usize);

fn keyframe(batch: &Batch, index: usize, number: u64) -> Result<Docs, SegmentError> {
    match batch.content(index, number)? {
        Content::Keyframe { body, managed } => Ok(Docs {
            body: parse(number, body)?,
            managed: managed.map_or(Ok(Doc::default()), |text| parse(number, text))?,
        }),
        _ => Err(SegmentError::Row {
            row: number,
            what: "it has no version",
        }),
    }
}

fn apply(
    docs: &mut Docs,
    batch: &Batch,
    index: usize,
    number: u64,
    ts: i64,
) -> Result<(), SegmentError> {
    if let Content::Patch { body, managed, .. } = batch.content(index, number)? {
        patch(number, ts, &mut docs.body, "", &body)?;
        patch(number, ts, &mut docs.managed, MANAGED, &managed)?;
    }
    Ok(())
}
