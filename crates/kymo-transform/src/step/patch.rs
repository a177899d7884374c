use std::collections::BTreeMap;
use std::sync::Arc;

use kymo_model::{Certainty, EventType, Feed, FeedId, ObjectKey, Timestamp};
use kymo_store::segment::{Revision, Touch};
use roaring::RoaringTreemap;
use serde_json::Value;

use super::suggestion;
use super::touches::touches;
use crate::Error;
use crate::draft::{Draft, Revised};
use crate::language::{Patch as Document, PatchKind};

/// What a patch does, and to which rows.
#[derive(Clone, Debug)]
pub(crate) struct Patching {
    /// The patch of the statement.
    pub(crate) document: Document,
    /// The rows that the statement names, by their numbers.
    pub(crate) rows: Arc<RoaringTreemap>,
    /// The first time at which it holds; `None`: from the beginning.
    pub(crate) from: Option<Timestamp>,
    /// The first time at which it holds no more; `None`: to the end.
    pub(crate) to: Option<Timestamp>,
    /// Whether versions are patched that began before `from`, so that there are events at both
    /// ends of the stretch. Otherwise only the events in it are.
    pub(crate) with_edges: bool,
    /// What the feeds watch.
    pub(crate) feeds: Arc<BTreeMap<FeedId, Feed>>,
}

/// Patches objects, always or for a stretch of time.
#[derive(Clone, Debug)]
pub(crate) struct Patch {
    patching: Arc<Patching>,
    /// The patch, if it can wait until an object is put together.
    revision: Option<Arc<dyn Revision>>,
    revised: Revised,
    /// The last version of the present object as the input has it, while it is alive.
    last: Option<Draft>,
    /// Whether the present object is past the begin and the end of the stretch.
    past: (bool, bool),
}

impl Patch {
    pub(crate) fn new(patching: Patching) -> Self {
        let patching = Arc::new(patching);
        let touches = touches(&patching.document);
        let revision = touches.map(|touches| {
            let patching = Arc::clone(&patching);
            Arc::new(Delayed { patching, touches }) as Arc<dyn Revision>
        });
        Self {
            patching,
            revision,
            revised: Revised::default(),
            last: None,
            past: (false, false),
        }
    }

    /// Returns the rows that it names and what is done to them, if it is done at all times and can
    /// wait until an object is put together.
    pub(super) fn waits(&self) -> Option<(Arc<RoaringTreemap>, Arc<dyn Revision>)> {
        let patching = self.patching.as_ref();
        let revision = self.revision.as_ref()?;
        let is_always = patching.from.is_none() && patching.to.is_none();
        is_always.then(|| (Arc::clone(&patching.rows), Arc::clone(revision)))
    }

    pub(crate) fn row(&mut self, draft: Draft, out: &mut Vec<Draft>) -> Result<(), Error> {
        if !self.patching.rows.contains(draft.source) {
            out.push(draft);
            return Ok(());
        }
        let ts = draft.event.ts;
        if self.patching.with_edges {
            self.edges(Some(ts), out)?;
            match draft.event.event_type {
                EventType::Deleted => self.last = None,
                EventType::Unreadable => {}
                _ if draft.event.certainty == Certainty::Reported => {}
                _ => self.last = Some(draft.clone()),
            }
        }
        let mut draft = draft;
        if self.patching.from.is_none_or(|from| ts >= from)
            && self.patching.to.is_none_or(|to| ts < to)
        {
            self.apply(&mut draft)?;
        }
        out.push(draft);
        Ok(())
    }

    pub(crate) fn end_of_object(&mut self, out: &mut Vec<Draft>) -> Result<(), Error> {
        if self.patching.with_edges {
            self.edges(None, out)?;
        }
        self.last = None;
        self.past = (false, false);
        Ok(())
    }

    fn apply(&mut self, draft: &mut Draft) -> Result<(), Error> {
        if let Some(revision) = &self.revision
            && draft.revise(revision, &mut self.revised)
        {
            return Ok(());
        }
        self.patching.apply(draft)
    }

    /// Adds the events at the ends of the stretch that lie before `next`.
    fn edges(&mut self, next: Option<Timestamp>, out: &mut Vec<Draft>) -> Result<(), Error> {
        let is_reached =
            |edge: Option<Timestamp>| edge.filter(|edge| next.is_none_or(|next| *edge <= next));
        if !self.past.0
            && let Some(from) = is_reached(self.patching.from)
        {
            self.past.0 = true;
            // An event at the very edge is patched itself.
            if next != Some(from)
                && let Some(mut edge) = self.last.as_ref().map(|last| edge_at(last, from))
            {
                self.apply(&mut edge)?;
                out.push(edge);
            }
        }
        if !self.past.1
            && let Some(to) = is_reached(self.patching.to)
        {
            self.past.1 = true;
            if next != Some(to)
                && let Some(last) = &self.last
            {
                out.push(edge_at(last, to));
            }
        }
        Ok(())
    }
}

fn edge_at(last: &Draft, ts: Timestamp) -> Draft {
    let mut edge = last.copy();
    edge.event.ts = ts;
    edge.event.not_before = None;
    edge.event.event_type = EventType::Modified;
    edge.event.certainty = Certainty::Inferred;
    edge.event.request = None;
    edge
}

impl Patching {
    fn apply(&self, draft: &mut Draft) -> Result<(), Error> {
        if draft.event.event_type == EventType::Unreadable {
            return Ok(());
        }
        let (seq, feed, key) = (draft.source, draft.event.feed, draft.event.key.clone());
        match draft.object()? {
            Some(object) => self.patch(object, seq, feed, &key),
            None => Ok(()),
        }
    }

    fn patch(
        &self,
        object: &mut Value,
        seq: u64,
        feed: FeedId,
        key: &ObjectKey,
    ) -> Result<(), Error> {
        let resource = self.feeds.get(&feed).map(|feed| &feed.resource);
        let wrong = |reason: String, hint: Option<String>| Error::Patch {
            kind: resource
                .map_or("object", |resource| &resource.kind)
                .to_owned(),
            object: Box::new(key.clone()),
            seq,
            reason,
            place: self.document.place,
            hint,
        };
        let before = identity(object);
        let patch = &self.document.document;
        let patched = match self.document.kind {
            PatchKind::Json => kymo_patch::json_patch(object, patch),
            PatchKind::Merge => {
                kymo_patch::merge_patch(object, patch);
                Ok(())
            }
            PatchKind::Strategic => {
                let schema = resource.and_then(|resource| {
                    kymo_patch::schema(&resource.api_version(), &resource.kind)
                });
                kymo_patch::strategic_merge(object, patch, schema)
            }
        };
        if let Err(error) = patched {
            let hint = match error {
                kymo_patch::Error::Operation { index, .. } => suggestion::merge(patch, index),
                _ => None,
            };
            return Err(wrong(error.to_string(), hint));
        }
        if let Some(field) = first_difference(&before, &identity(object)) {
            let reason = format!("it changes {field}, which says which object this is");
            return Err(wrong(reason, None));
        }
        Ok(())
    }
}

/// A patch that waits until an object is put together.
#[derive(Debug)]
struct Delayed {
    patching: Arc<Patching>,
    touches: Vec<Touch>,
}

impl Revision for Delayed {
    fn touches(&self) -> &[Touch] {
        &self.touches
    }

    fn revise(
        &self,
        object: &mut Value,
        seq: u64,
        feed: FeedId,
        key: &ObjectKey,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.patching.patch(object, seq, feed, key)?)
    }
}

const IDENTITY: [&str; 6] = [
    "/apiVersion",
    "/kind",
    "/metadata/namespace",
    "/metadata/name",
    "/metadata/uid",
    "/metadata/resourceVersion",
];

pub(super) fn identity(object: &Value) -> [Option<Value>; 6] {
    IDENTITY.map(|pointer| object.pointer(pointer).cloned())
}

pub(super) fn first_difference(
    before: &[Option<Value>; 6],
    after: &[Option<Value>; 6],
) -> Option<&'static str> {
    IDENTITY
        .iter()
        .zip(before.iter().zip(after))
        .find(|(_, (before, after))| before != after)
        .map(|(pointer, _)| *pointer)
}
