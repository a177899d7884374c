use std::time::Duration;

use super::when::Trigger;

/// Finds the moment at which a fault is due.
#[derive(Debug)]
pub(crate) struct Reach {
    events_left: u64,
    bytes_left: u64,
    at_time: Option<Duration>,
    pub(crate) due: bool,
}

impl Reach {
    pub(crate) fn new(trigger: Trigger) -> Self {
        let (events_left, bytes_left, at_time) = match trigger {
            Trigger::Request => (0, 0, None),
            Trigger::After { events, bytes } => (events, bytes, None),
            Trigger::Elapsed(time) => (0, 0, Some(time)),
        };
        Self {
            events_left,
            bytes_left,
            at_time,
            due: false,
        }
    }

    pub(crate) fn note_time(&mut self, now: Duration) {
        self.due |= self.at_time.is_some_and(|time| now >= time);
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.at_time.filter(|_| !self.due)
    }

    /// Goes over bytes that pass; returns how many of them pass before the fault is due, if it gets due.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.due {
            return Some(0);
        }
        if self.at_time.is_some() {
            return None;
        }
        let mut rest = bytes;
        while self.events_left > 0 {
            let end = rest.iter().position(|byte| *byte == b'\n')?;
            rest = rest.get(end + 1..)?;
            self.events_left -= 1;
        }
        let Some(more) = usize::try_from(self.bytes_left)
            .ok()
            .filter(|it| *it <= rest.len())
        else {
            self.bytes_left -= rest.len() as u64;
            return None;
        };
        self.due = true;
        Some(bytes.len() - rest.len() + more)
    }
}
