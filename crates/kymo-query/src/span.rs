use kymo_model::{Coverage, Timestamp};

/// From when to when a trace tells something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The earliest time of an event, or at which observation began.
    pub start: Timestamp,
    /// The latest time of an event, or until which was observed.
    pub end: Timestamp,
}

impl Span {
    /// Returns the smallest span that holds all the times; `None` if there are none.
    pub fn of(times: impl IntoIterator<Item = Timestamp>) -> Option<Self> {
        times.into_iter().fold(None, |span: Option<Self>, time| {
            Some(span.map_or(
                Self {
                    start: time,
                    end: time,
                },
                |span| Self {
                    start: span.start.min(time),
                    end: span.end.max(time),
                },
            ))
        })
    }

    /// Returns the time `offset` nanoseconds after the start, or after the end; `None` if 64 bits
    /// cannot hold it.
    pub fn at(&self, is_from_end: bool, offset: i64) -> Option<Timestamp> {
        let base = if is_from_end { self.end } else { self.start };
        base.0.checked_add(offset).map(Timestamp)
    }
}

/// Returns the times that coverage names.
pub(crate) fn covered(coverage: &[Coverage]) -> impl Iterator<Item = Timestamp> {
    coverage
        .iter()
        .flat_map(|row| [row.from_ts, row.to_ts])
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_holds_all_times_and_offsets_count_from_either_end() {
        let span = Span::of([5, 3, 9].map(Timestamp)).unwrap();
        assert_eq!((span.start, span.end), (Timestamp(3), Timestamp(9)));
        assert_eq!(span.at(false, 2), Some(Timestamp(5)));
        assert_eq!(span.at(true, -2), Some(Timestamp(7)));
        assert_eq!(span.at(true, i64::MAX), None);
        assert_eq!(Span::of([]), None);
    }
}
