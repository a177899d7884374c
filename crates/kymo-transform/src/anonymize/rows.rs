//! The rows of a trace, replaced one by one.

use std::sync::{Arc, Mutex, PoisonError};

use kymo_anonymize::{Anonymizer, Names};
use kymo_model::{Event, EventType, Rv};
use kymo_store::Trace;
use kymo_store::segment::Row;
use serde_json::Value;

use super::versions::Ranks;
use crate::Error;
use crate::progress::Progress;

type Source = Box<dyn Iterator<Item = Result<Row, kymo_store::Error>> + Send>;

/// Rows in the order of the input, with pseudonyms.
pub(crate) struct Replaced {
    rows: Source,
    feeds: std::collections::BTreeMap<kymo_model::FeedId, kymo_model::Feed>,
    anonymizer: Arc<Mutex<Anonymizer>>,
    ranks: Ranks,
    progress: Arc<dyn Progress>,
}

impl Replaced {
    pub(crate) fn new(
        trace: &Trace,
        anonymizer: Arc<Mutex<Anonymizer>>,
        ranks: Ranks,
        progress: Arc<dyn Progress>,
    ) -> Result<Self, Error> {
        Ok(Self {
            rows: Box::new(trace.rows()?),
            feeds: trace.feeds().clone(),
            anonymizer,
            ranks,
            progress,
        })
    }

    fn replace(&mut self, mut row: Row) -> Result<Row, Error> {
        let Some(feed) = self.feeds.get(&row.event.feed) else {
            return Err(Error::Changed);
        };
        let mut anonymizer = self
            .anonymizer
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let failed = Error::anonymize(row.seq);
        let resource = &feed.resource;
        let plural = &resource.resource;
        let object = object(&row)?;
        let event = &mut row.event;
        if let Some(mut object) = object {
            let new =
                version(&object).map(|version| self.ranks.replace(plural, &version, &anonymizer));
            anonymizer
                .object(resource, &mut object, new.as_ref().map(Rv::as_str))
                .map_err(&failed)?;
            let text =
                serde_json::to_vec(&object).map_err(|_| Error::Unwritable { seq: row.seq })?;
            event.body = Some(Arc::from(text));
        } else if event.body.is_some() && anonymizer.policy().names == Names::Pseudonyms {
            // What could not be read cannot be replaced.
            event.body = Some(Arc::from([]));
        }
        event.key = anonymizer.key(resource, &event.key).map_err(&failed)?;
        event.rv = event
            .rv
            .take()
            .map(|version| self.ranks.replace(plural, &version, &anonymizer));
        event.ts = anonymizer.time(event.ts);
        event.not_before = event.not_before.map(|time| anonymizer.time(time));
        if let Some(request) = event.request.take() {
            let request = anonymizer.request(&request).map_err(&failed)?;
            event.request = Some(Arc::new(request));
        }
        drop(anonymizer);
        Ok(row)
    }
}

impl Iterator for Replaced {
    type Item = Result<Row, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = match self.rows.next()? {
            Ok(row) => row,
            Err(error) => return Some(Err(error.into())),
        };
        if !self.progress.row() {
            return Some(Err(Error::Stopped));
        }
        Some(self.replace(row))
    }
}

/// Parses the object of a row; `None` where it has none or it could not be read.
pub(crate) fn object(row: &Row) -> Result<Option<Value>, Error> {
    let event = &row.event;
    match &event.body {
        Some(body) if event.event_type != EventType::Unreadable => {
            let parsed = serde_json::from_slice(body).map_err(|source| Error::Unparsable {
                seq: row.seq,
                line: source.line(),
                column: source.column(),
            })?;
            Ok(Some(parsed))
        }
        _ => Ok(None),
    }
}

/// Tells whether two rows say the same, in whatever words.
pub(crate) fn is_same(one: &Row, other: &Row) -> Result<bool, Error> {
    let without_body = |row: &Row| Event {
        body: None,
        ..row.event.clone()
    };
    if without_body(one) != without_body(other) {
        return Ok(false);
    }
    Ok(one.event.body == other.event.body || object(one)? == object(other)?)
}

/// Returns the version that an object says it has.
pub(crate) fn version(object: &Value) -> Option<Rv> {
    let version = object.get("metadata")?.get("resourceVersion")?.as_str()?;
    Some(Rv::from(version))
}
