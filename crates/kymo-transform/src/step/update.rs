use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{Array, RecordBatch, StringArray};
use kymo_model::{EventType, Timestamp};
use roaring::RoaringTreemap;
use serde_json::Value;
use tokio::sync::mpsc::Receiver;

use super::patch::{first_difference, identity};
use crate::Error;
use crate::draft::Draft;
use crate::language::Place;
use crate::rows::{numbers, texts};

/// Sets what a query says of each row.
#[derive(Clone, Debug)]
pub(crate) struct Update {
    /// The rows that the statement names, by their numbers.
    pub(crate) rows: Arc<RoaringTreemap>,
    /// The time of each of these rows, by their numbers; `None`: it stays.
    pub(crate) times: Option<Arc<Vec<(u64, i64)>>>,
    /// The object of each of these rows, in the order of the trace; `None`: it stays.
    pub(crate) objects: Option<Arc<Mutex<Values>>>,
    /// The statement, or the expression that gives objects.
    pub(crate) place: Place,
}

impl Update {
    pub(crate) fn row(&self, mut draft: Draft) -> Result<Draft, Error> {
        if !self.rows.contains(draft.source) {
            return Ok(draft);
        }
        if let Some(times) = &self.times {
            let found = times.binary_search_by_key(&draft.source, |(seq, _)| *seq);
            let time = found.ok().and_then(|index| times.get(index));
            let (_, ts) = time.ok_or(Error::Changed)?;
            draft.event.ts = Timestamp(*ts);
            // Of a change whose time is set it is known.
            draft.event.not_before = draft.event.not_before.map(|time| time.min(Timestamp(*ts)));
        }
        if let Some(objects) = &self.objects {
            let mut objects = objects.lock().unwrap_or_else(PoisonError::into_inner);
            let value = objects.next(draft.source)?;
            drop(objects);
            self.set(&mut draft, value)?;
        }
        Ok(draft)
    }

    fn set(&self, draft: &mut Draft, value: Option<String>) -> Result<(), Error> {
        let wrong = |draft: &Draft, reason: String| Error::Update {
            seq: draft.source,
            object: draft.event.key.clone(),
            reason,
            place: self.place,
        };
        if draft.event.event_type == EventType::Unreadable {
            return Ok(());
        }
        draft.text()?;
        let Some(text) = value else {
            return match draft.event.body {
                None => Ok(()),
                Some(_) => Err(wrong(draft, "the object would become null".to_owned())),
            };
        };
        if draft.event.body.as_deref() == Some(text.as_bytes()) {
            return Ok(());
        }
        let after: Value = serde_json::from_str(&text).map_err(|error| {
            wrong(
                draft,
                format!("what becomes the object is not JSON: {error}"),
            )
        })?;
        if !after.is_object() {
            return Err(wrong(
                draft,
                "what becomes the object is no object".to_owned(),
            ));
        }
        let Some(before) = draft.object()? else {
            let reason = "the trace has no object here that could be set";
            return Err(wrong(draft, reason.to_owned()));
        };
        if *before == after {
            return Ok(());
        }
        if let Some(field) = first_difference(&identity(before), &identity(&after)) {
            let reason = format!("it changes {field}, which says which object this is");
            return Err(wrong(draft, reason));
        }
        *before = after;
        Ok(())
    }
}

/// The objects that a query gives, as they come.
#[derive(Debug)]
pub(crate) struct Values {
    batches: Receiver<Result<RecordBatch, Error>>,
    present: Option<(Vec<u64>, StringArray)>,
    next: usize,
}

impl Values {
    /// Takes batches of row numbers and texts, in the order of the trace.
    pub(crate) fn new(batches: Receiver<Result<RecordBatch, Error>>) -> Self {
        Self {
            batches,
            present: None,
            next: 0,
        }
    }

    /// Returns the value of a row, which must be the next one.
    fn next(&mut self, source: u64) -> Result<Option<String>, Error> {
        loop {
            if let Some((seqs, texts)) = &self.present
                && let Some(seq) = seqs.get(self.next)
            {
                if *seq != source {
                    return Err(Error::Changed);
                }
                let index = self.next;
                self.next += 1;
                return Ok(texts.is_valid(index).then(|| texts.value(index).to_owned()));
            }
            let batch = self.batches.blocking_recv().ok_or(Error::Changed)??;
            let seqs = numbers(&batch, 0)?.map(|seq| seq.unwrap_or_default().unsigned_abs());
            self.present = Some((seqs.collect(), texts(&batch, 1)?));
            self.next = 0;
        }
    }
}
