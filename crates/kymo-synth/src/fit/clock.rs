/// Stands for when something came that was there when the recording began.
pub(super) const LISTED: i64 = i64::MIN;

/// Counts times from the beginning of a recording.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// When it began.
    pub(super) start: i64,
    /// How long before that things come that were there then.
    pub(super) lead: i64,
}

impl Clock {
    /// Returns how long after the beginning a time is, in nanoseconds; less than nothing for what was
    /// there before.
    pub(super) fn at(self, ts: i64) -> i64 {
        match ts {
            LISTED => -self.lead,
            ts => ts.saturating_sub(self.start),
        }
    }

    /// Returns how long one time is after another one.
    pub(super) fn between(self, from: i64, to: i64) -> i64 {
        self.at(to).saturating_sub(self.at(from)).max(0)
    }
}
