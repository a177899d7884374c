use std::fmt;
use std::sync::Arc;

use kymo_model::{Event, Rv, Timestamp};
use kymo_store::segment::{Kept, KeptRow, Revision, Revisions, Row, SegmentError};
use serde_json::Value;

use crate::Error;

/// A row on its way through the steps.
///
/// Its body is put together and parsed when a step first asks for it, and written again at the end if
/// it was; a body that no step asks for leaves as the input holds it.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// The number of the row in the input that it is, or of which it is a copy.
    pub(crate) source: u64,
    /// When that row was received.
    pub(crate) received: Timestamp,
    /// The session that recorded it.
    pub(crate) session: u32,
    /// The event; its body is stale while `parsed` is there.
    pub(crate) event: Event,
    /// Whether it is a row that the input does not have.
    pub(crate) is_new: bool,
    /// The body of that row, where it is asked what becomes of it.
    pub(crate) original: Option<Arc<[u8]>>,
    parsed: Option<Value>,
    /// The body, if it is not put together; the event has none then.
    kept: Option<Kept>,
    /// What is done to the object when it is first asked for.
    rework: Option<Arc<dyn Rework>>,
}

/// A change of an object that waits until the row leaves, so that many rows can wait in little memory.
pub(crate) trait Rework: fmt::Debug + Send + Sync {
    /// Changes the object.
    fn rework(&self, object: &mut Value);
}

impl Draft {
    pub(crate) fn new(row: impl Into<KeptRow>) -> Self {
        let KeptRow { row, kept } = row.into();
        Self {
            source: row.seq,
            received: row.event.ts,
            session: row.session,
            event: row.event,
            is_new: false,
            original: None,
            parsed: None,
            kept,
            rework: None,
        }
    }

    /// Makes a copy that the output has besides.
    pub(crate) fn copy(&self) -> Self {
        Self {
            is_new: true,
            ..self.clone()
        }
    }

    /// Returns the row without its body.
    pub(crate) fn head(&self) -> Self {
        let mut head = self.clone();
        head.event.body = None;
        head.original = None;
        head.parsed = None;
        head.kept = None;
        head.rework = None;
        head
    }

    /// Puts the body together if that has not been done.
    fn unpack(&mut self) -> Result<(), Error> {
        if let Some(kept) = self.kept.take() {
            let text = kept.text(&self.event.key).map_err(unkept)?;
            self.event.body = Some(text);
        }
        Ok(())
    }

    /// Lets a change be made when the object is first asked for; it stands in for one that waits.
    pub(crate) fn rework(&mut self, rework: Arc<dyn Rework>) {
        self.rework = Some(rework);
    }

    /// Lets a change be made when the body is put together, or without that. `false` if it cannot
    /// wait.
    pub(crate) fn revise(&mut self, revision: &Arc<dyn Revision>, cache: &mut Revised) -> bool {
        if self.rework.is_some() {
            return false;
        }
        let Some(kept) = &mut self.kept else {
            return false;
        };
        let before = kept.revisions();
        let is_known = cache.known.as_ref().is_some_and(|known| {
            let (known, before) = (known.0.as_ref(), before);
            known.map(Arc::as_ptr) == before.map(Arc::as_ptr)
        });
        if !is_known {
            let after = Revisions::with(before.map(Arc::as_ref), Arc::clone(revision));
            cache.known = Some((before.cloned(), after.map(Arc::new)));
        }
        match cache.known.as_ref().and_then(|known| known.1.clone()) {
            Some(after) => {
                kept.revise(after);
                true
            }
            None => false,
        }
    }

    /// Returns the object to change; `None` where the event has none.
    pub(crate) fn object(&mut self) -> Result<Option<&mut Value>, Error> {
        self.unpack()?;
        if self.parsed.is_none()
            && let Some(body) = &self.event.body
        {
            let parsed = serde_json::from_slice(body).map_err(|source| Error::Object {
                seq: self.source,
                object: self.event.key.clone(),
                source,
            })?;
            self.parsed = Some(parsed);
        }
        if let Some(rework) = self.rework.take()
            && let Some(object) = &mut self.parsed
        {
            rework.rework(object);
        }
        Ok(self.parsed.as_mut())
    }

    /// Returns the object as text to change; `None` where the event has none.
    pub(crate) fn text(&mut self) -> Result<Option<&Arc<[u8]>>, Error> {
        if self.rework.is_some() {
            self.object()?;
        }
        self.unpack()?;
        if let Some(parsed) = self.parsed.take() {
            let text = serde_json::to_vec(&parsed).map_err(|source| Error::Object {
                seq: self.source,
                object: self.event.key.clone(),
                source,
            })?;
            self.event.body = Some(Arc::from(text));
        }
        Ok(self.event.body.as_ref())
    }

    /// Puts another text in place of the object.
    pub(crate) fn set_text(&mut self, text: Vec<u8>) {
        self.parsed = None;
        self.kept = None;
        self.rework = None;
        self.event.body = Some(Arc::from(text));
    }

    /// Sets the version, of the event and in the object.
    pub(crate) fn set_version(&mut self, version: Option<Rv>) -> Result<(), Error> {
        let own = self.event.rv.take();
        let text = version.as_ref().map(|version| version.as_str().to_owned());
        if self.rework.is_none()
            && let Some(kept) = &mut self.kept
            && kept.set_version(version.clone())
        {
            self.event.rv = own.and(version);
            return Ok(());
        }
        self.event.rv = own.and(version);
        let Some(object) = self.object()? else {
            return Ok(());
        };
        if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
            match text {
                Some(text) if metadata.contains_key("resourceVersion") => {
                    metadata.insert("resourceVersion".to_owned(), Value::String(text));
                }
                Some(_) => {}
                None => {
                    metadata.remove("resourceVersion");
                }
            }
        }
        Ok(())
    }

    /// Ends the way: the row gets its number. A body that was not asked for stays as it is held.
    pub(crate) fn into_kept(mut self, seq: u64) -> Result<KeptRow, Error> {
        if self.rework.is_some() {
            self.object()?;
        }
        let kept = self.kept.take();
        Ok(KeptRow {
            row: self.into_row(seq)?,
            kept,
        })
    }

    /// Ends the way: the row gets its number.
    pub(crate) fn into_row(mut self, seq: u64) -> Result<Row, Error> {
        self.text()?;
        Ok(Row {
            seq,
            session: self.session,
            event: self.event,
        })
    }
}

/// What a change makes of the changes that were to be made before it, remembered from row to row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Revised {
    /// What was there, and what comes of it; none if the change cannot wait.
    known: Option<(All, All)>,
}

/// All changes that wait.
type All = Option<Arc<Revisions>>;

/// Says why a body cannot be put together: an error of ours is told as it was.
pub(crate) fn unkept(error: SegmentError) -> Error {
    match error {
        SegmentError::Revision { row, source } => match source.downcast::<Error>() {
            Ok(error) => *error,
            Err(source) => unread(SegmentError::Revision { row, source }),
        },
        error => unread(error),
    }
}

fn unread(source: SegmentError) -> Error {
    kymo_store::Error::Segment {
        path: std::path::PathBuf::new(),
        source,
    }
    .into()
}
