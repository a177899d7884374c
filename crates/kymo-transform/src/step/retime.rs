use kymo_model::Timestamp;

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
    pub(crate) fn row(&self, mut draft: Draft) -> Result<Draft, Error> {
        if self.map.is_identity() {
            return Ok(draft);
        }
        let out_of_range = || Error::TimeOutOfRange {
            seq: draft.source,
            object: draft.event.key.clone(),
            place: self.place,
        };
        let ts = self.map.apply(draft.event.ts.0).ok_or_else(out_of_range)?;
        let not_before = match draft.event.not_before {
            Some(time) => Some(self.map.apply(time.0).ok_or_else(out_of_range)?),
            None => None,
        };
        draft.event.ts = Timestamp(ts);
        draft.event.not_before = not_before.map(Timestamp);
        let moved = match draft.text()? {
            Some(text) => match move_times(text, |time| self.map.apply(time)) {
                std::borrow::Cow::Owned(moved) => Some(moved),
                std::borrow::Cow::Borrowed(_) => None,
            },
            None => None,
        };
        if let Some(moved) = moved {
            draft.set_text(moved);
        }
        Ok(draft)
    }
}
