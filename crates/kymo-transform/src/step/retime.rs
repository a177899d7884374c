use std::borrow::Cow;

use kymo_model::Timestamp;
use serde_json::Value;

use crate::Error;
use crate::draft::Draft;
use crate::language::Place;
use crate::times::{TimeMap, move_times};

/// Moves every time of a row: when it was received, and those in its object.
#[derive(Clone, Debug)]
pub(crate) struct Retime {
    /// Where times go.
    pub(crate) map: TimeMap,
    /// The statement.
    pub(crate) place: Place,
}

impl Retime {
    pub(crate) fn row(&self, draft: Draft) -> Result<Draft, Error> {
        moved(draft, self.map, self.place)
    }
}

/// Moves every time of a row.
pub(crate) fn moved(mut draft: Draft, map: TimeMap, place: Place) -> Result<Draft, Error> {
    if map.is_identity() {
        return Ok(draft);
    }
    let out_of_range = || Error::TimeOutOfRange {
        seq: draft.source,
        object: draft.event.key.clone(),
        place,
    };
    let ts = map.apply(draft.event.ts.0).ok_or_else(out_of_range)?;
    let not_before = match draft.event.not_before {
        Some(time) => Some(map.apply(time.0).ok_or_else(out_of_range)?),
        None => None,
    };
    draft.event.ts = Timestamp(ts);
    draft.event.not_before = not_before.map(Timestamp);
    let moved = match draft.text()? {
        Some(text) => match move_times(text, |time| map.apply(time)) {
            Cow::Owned(moved) => Some(moved),
            Cow::Borrowed(_) => None,
        },
        None => None,
    };
    if let Some(text) = moved {
        draft.set_text(text);
        keep_grace(&mut draft, map)?;
    }
    Ok(draft)
}

/// Lets a deletion come as long after it was asked for as its grace period says, which is a
/// duration and stays.
fn keep_grace(draft: &mut Draft, map: TimeMap) -> Result<(), Error> {
    if map.is_shift() {
        return Ok(());
    }
    let has_deletion = draft
        .event
        .body
        .as_deref()
        .is_some_and(|body| memchr::memmem::find(body, DELETION.as_bytes()).is_some());
    if !has_deletion {
        return Ok(());
    }
    let Some(object) = draft.object()? else {
        return Ok(());
    };
    let Some(Value::Object(metadata)) = object.get_mut("metadata") else {
        return Ok(());
    };
    let grace = metadata.get(GRACE).and_then(Value::as_i64).unwrap_or(0);
    if let Some(Value::String(text)) = metadata.get_mut(DELETION)
        && let Ok(time) = text.parse::<Timestamp>()
        && let Some(grace) = grace.checked_mul(SECOND)
        && let Some(time) = time.0.checked_add(map.after(grace))
    {
        let mut kept = Timestamp(time.div_euclid(SECOND) * SECOND).to_string();
        // Whole seconds, as the server writes them.
        if let Some(dot) = kept.find('.') {
            kept.replace_range(dot.., "Z");
        }
        *text = kept;
    }
    Ok(())
}

const DELETION: &str = "deletionTimestamp";
const GRACE: &str = "deletionGracePeriodSeconds";
const SECOND: i64 = 1_000_000_000;
