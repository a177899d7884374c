use kymo_model::{Certainty, EventType, Timestamp};

use crate::draft::Draft;

/// Cuts a stretch of time out. What was alive at its begin is there as a listed event.
#[derive(Clone, Debug)]
pub(crate) struct Slice {
    from: Timestamp,
    to: Timestamp,
    /// The present object as it is before the stretch, while it is alive.
    before: Option<Draft>,
}

impl Slice {
    /// Cuts out the events from `from` up to, not with, `to`.
    pub(crate) fn new(from: Timestamp, to: Timestamp) -> Self {
        Self {
            from,
            to,
            before: None,
        }
    }

    pub(crate) fn row(&mut self, draft: Draft, out: &mut Vec<Draft>) {
        let ts = draft.event.ts;
        if ts < self.from {
            match draft.event.event_type {
                EventType::Deleted => self.before = None,
                // These say nothing of what the object is.
                EventType::Unreadable => {}
                _ if draft.event.certainty == Certainty::Reported => {}
                _ => self.before = Some(draft),
            }
            return;
        }
        self.end_of_object(out);
        if ts < self.to {
            out.push(draft);
        }
    }

    pub(crate) fn end_of_object(&mut self, out: &mut Vec<Draft>) {
        let Some(mut draft) = self.before.take() else {
            return;
        };
        if self.from < self.to {
            let event = &mut draft.event;
            event.ts = self.from;
            event.not_before = None;
            event.event_type = EventType::Added;
            event.certainty = Certainty::Listed;
            event.request = None;
            out.push(draft);
        }
    }
}
