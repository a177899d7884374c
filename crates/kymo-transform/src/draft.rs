use std::sync::Arc;

use kymo_model::{Event, Rv, Timestamp};
use kymo_store::segment::Row;
use serde_json::Value;

use crate::Error;

/// A row on its way through the steps.
///
/// Its body is parsed when a step first asks for it, and written again at the end if it was.
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
}

impl Draft {
    pub(crate) fn new(row: Row) -> Self {
        Self {
            source: row.seq,
            received: row.event.ts,
            session: row.session,
            event: row.event,
            is_new: false,
            original: None,
            parsed: None,
        }
    }

    /// Makes a copy that the output has besides.
    pub(crate) fn copy(&self) -> Self {
        Self {
            is_new: true,
            ..self.clone()
        }
    }

    /// Returns the object to change; `None` where the event has none.
    pub(crate) fn object(&mut self) -> Result<Option<&mut Value>, Error> {
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
        Ok(self.parsed.as_mut())
    }

    /// Returns the object as text to change; `None` where the event has none.
    pub(crate) fn text(&mut self) -> Result<Option<&Arc<[u8]>>, Error> {
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
        self.event.body = Some(Arc::from(text));
    }

    /// Sets the version, of the event and in the object.
    pub(crate) fn set_version(&mut self, version: Option<Rv>) -> Result<(), Error> {
        let own = self.event.rv.take();
        let text = version.as_ref().map(|version| version.as_str().to_owned());
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
