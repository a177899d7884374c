use std::time::Duration;

use super::line::event_type;
use super::request::{RequestMatch, SeenRequest};

/// When, within a request and its answer, a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Before the upstream is asked: the client gets no answer from it at all.
    Request,
    /// Once so many lines, and then so many bytes, of the answer's body have passed; at once when both are 0.
    /// The faults that change a line take the first line that begins at or after this point.
    After {
        /// Whole lines; bookmarks count.
        events: u64,
        /// Bytes behind those lines.
        bytes: u64,
    },
    /// When the answer has lasted so long; not while a piece of it is held up by a stall or a slow body.
    Elapsed(Duration),
}

/// Chooses the lines that a line fault may change; every condition that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct LineMatch {
    event_type: Option<String>,
    parts: Vec<String>,
}

impl LineMatch {
    /// Matches every line.
    pub fn any() -> Self {
        Self::default()
    }

    /// Matches watch events of a type: `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK`, `ERROR`.
    pub fn event_type(event_type: impl Into<String>) -> Self {
        Self {
            event_type: Some(event_type.into()),
            parts: Vec::new(),
        }
    }

    /// Demands that the line contains this text, such as `"name":"web-0"`.
    #[must_use]
    pub fn containing(mut self, part: impl Into<String>) -> Self {
        self.parts.push(part.into());
        self
    }

    /// Tells whether a line fits.
    pub fn fits(&self, line: &[u8]) -> bool {
        let wanted = self.event_type.as_deref();
        wanted.is_none_or(|it| event_type(line).as_deref() == Some(it))
            && self
                .parts
                .iter()
                .all(|part| contains(line, part.as_bytes()))
    }
}

fn contains(line: &[u8], part: &[u8]) -> bool {
    part.is_empty() || line.windows(part.len()).any(|window| window == part)
}

/// What a fault waits for: a request, a moment in its answer, and a line.
#[derive(Clone, Debug)]
pub struct When {
    request: RequestMatch,
    first: u64,
    last: u64,
    pub(crate) trigger: Trigger,
    pub(crate) line: LineMatch,
}

impl When {
    /// Waits for any request that fits; strikes at the beginning of its answer.
    pub fn request(request: RequestMatch) -> Self {
        Self {
            request,
            first: 1,
            last: u64::MAX,
            trigger: Trigger::After {
                events: 0,
                bytes: 0,
            },
            line: LineMatch::any(),
        }
    }

    /// Waits for a watch of a resource.
    pub fn watching(resource: &str) -> Self {
        Self::request(RequestMatch::watches(resource))
    }

    /// Waits for a list of a resource; each page is a request.
    pub fn listing(resource: &str) -> Self {
        Self::request(RequestMatch::lists(resource))
    }

    /// Takes only the nth request that fits, counted from 1.
    #[must_use]
    pub fn nth(mut self, number: u64) -> Self {
        (self.first, self.last) = (number, number);
        self
    }

    /// Takes the nth request that fits and all later ones, counted from 1.
    #[must_use]
    pub fn from_nth(mut self, number: u64) -> Self {
        (self.first, self.last) = (number, u64::MAX);
        self
    }

    /// Strikes before the upstream is asked; for `Reset`, `Cut` and `Stall`.
    #[must_use]
    pub fn before_answer(mut self) -> Self {
        self.trigger = Trigger::Request;
        self
    }

    /// Strikes after so many bytes of the body.
    #[must_use]
    pub fn after_bytes(self, bytes: u64) -> Self {
        self.after(0, bytes)
    }

    /// Strikes after so many lines of the body.
    #[must_use]
    pub fn after_events(self, events: u64) -> Self {
        self.after(events, 0)
    }

    /// Strikes inside the line behind so many lines, after so many bytes of it.
    #[must_use]
    pub fn after(mut self, events: u64, bytes: u64) -> Self {
        self.trigger = Trigger::After { events, bytes };
        self
    }

    /// Strikes when the answer has lasted so long.
    #[must_use]
    pub fn after_time(mut self, time: Duration) -> Self {
        self.trigger = Trigger::Elapsed(time);
        self
    }

    /// Changes only lines that fit; for the faults that change lines.
    #[must_use]
    pub fn lines(mut self, line: LineMatch) -> Self {
        self.line = line;
        self
    }

    /// Tells whether a request fits, whichever of those it is.
    pub(crate) fn fits(&self, request: &SeenRequest) -> bool {
        self.request.fits(request)
    }

    /// Tells whether the request of this number among those that fit is meant.
    pub(crate) fn takes(&self, number: u64) -> bool {
        (self.first..=self.last).contains(&number)
    }
}
