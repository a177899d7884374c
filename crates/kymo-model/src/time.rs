use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a text is not a time.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeError {
    /// It is not RFC 3339.
    #[error("`{text}` is not an RFC 3339 time such as 2026-11-21T02:07:16Z")]
    Syntax {
        /// The text.
        text: String,
        /// What the parser found.
        source: chrono::ParseError,
    },
    /// It is before 1677 or after 2262, which 64 bits of nanoseconds cannot hold.
    #[error("`{text}` is outside the years 1677 to 2262")]
    OutOfRange {
        /// The text.
        text: String,
    },
}

/// Nanoseconds since the Unix epoch, UTC.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Returns the time `duration` later, or the last representable one.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        let nanos = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(nanos))
    }

    /// Returns how much later `self` is than `earlier`; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0).max(0).unsigned_abs())
    }
}

/// Writes RFC 3339 in UTC with nanoseconds.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text =
            DateTime::from_timestamp_nanos(self.0).to_rfc3339_opts(SecondsFormat::Nanos, true);
        f.write_str(&text)
    }
}

/// Reads RFC 3339.
impl FromStr for Timestamp {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        DateTime::parse_from_rfc3339(text)
            .map_err(|source| TimeError::Syntax {
                text: text.to_owned(),
                source,
            })?
            .timestamp_nanos_opt()
            .map(Self)
            .ok_or_else(|| TimeError::OutOfRange {
                text: text.to_owned(),
            })
    }
}

/// A source of time that tests can hold.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Returns the wall time.
    fn now(&self) -> Timestamp;
    /// Returns the time since some fixed point; it never goes back.
    fn monotonic(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    origin: std::time::Instant,
}

impl SystemClock {
    /// Starts the monotonic clock at zero.
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    pub fn new() -> Self {
        Self {
            origin: std::time::Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    fn now(&self) -> Timestamp {
        let now: DateTime<Utc> = Utc::now();
        Timestamp(now.timestamp_nanos_opt().unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// A clock that moves only when told to.
#[derive(Debug, Default)]
pub struct ManualClock {
    state: Mutex<(Timestamp, Duration)>,
}

impl ManualClock {
    /// Starts at `now`.
    pub fn new(now: Timestamp) -> Self {
        Self {
            state: Mutex::new((now, Duration::ZERO)),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, (Timestamp, Duration)> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Lets time pass on both clocks.
    pub fn advance(&self, duration: Duration) {
        let mut state = self.state();
        state.0 = state.0.saturating_add(duration);
        state.1 += duration;
    }

    /// Sets the wall clock alone, as an administrator or NTP does.
    pub fn step_to(&self, now: Timestamp) {
        self.state().0 = now;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.state().0
    }

    fn monotonic(&self) -> Duration {
        self.state().1
    }
}

/// A step of the wall clock against the monotonic one, as a session saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockStep {
    /// Session time at which it was noticed.
    pub at: Timestamp,
    /// How far the wall clock was from the session clock, in nanoseconds; negative: behind.
    pub offset_ns: i64,
}

/// The receive clock of one recorder session: wall time that never goes back.
///
/// It follows the monotonic clock from the wall time at its start. A wall clock that is found
/// ahead by more than the tolerance (a step, a suspended machine) is followed; one that is found
/// behind is not, so no two events of a session are out of order. Both are reported as
/// [`ClockStep`]s.
#[derive(Debug)]
pub struct SessionClock {
    clock: Arc<dyn Clock>,
    base: Timestamp,
    origin: Duration,
    reported_offset: i64,
}

impl SessionClock {
    /// A wall clock this far from the session clock has stepped, not drifted.
    pub const TOLERANCE: Duration = Duration::from_secs(1);

    /// Starts at the present wall time.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let (base, origin) = (clock.now(), clock.monotonic());
        Self {
            clock,
            base,
            origin,
            reported_offset: 0,
        }
    }

    /// Returns the session time.
    pub fn now(&self) -> Timestamp {
        self.base
            .saturating_add(self.clock.monotonic().saturating_sub(self.origin))
    }

    /// Compares with the wall clock; returns a step not reported before.
    pub fn check(&mut self) -> Option<ClockStep> {
        let (session, wall) = (self.now(), self.clock.now());
        let offset = wall.0.saturating_sub(session.0);
        let tolerance = i64::try_from(Self::TOLERANCE.as_nanos()).unwrap_or(i64::MAX);
        if offset > tolerance {
            self.base = wall;
            self.origin = self.clock.monotonic();
            self.reported_offset = 0;
            return Some(ClockStep {
                at: session,
                offset_ns: offset,
            });
        }
        if (offset - self.reported_offset).abs() > tolerance {
            self.reported_offset = offset;
            return Some(ClockStep {
                at: session,
                offset_ns: offset,
            });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp(1_700_000_000_000_000_000);

    #[test]
    fn timestamps_round_trip_with_nanoseconds() {
        let text = "2026-11-21T02:07:16.989944452Z";
        assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
        assert_eq!(
            "1970-01-01T01:00:00+01:00".parse::<Timestamp>().unwrap(),
            Timestamp(0)
        );
        assert!("3000-01-01T00:00:00Z".parse::<Timestamp>().is_err());
        assert!("yesterday".parse::<Timestamp>().is_err());
    }

    /// Fault table row 32.
    #[test]
    fn session_time_never_goes_back_when_the_wall_clock_does() {
        let clock = Arc::new(ManualClock::new(START));
        let mut session = SessionClock::new(clock.clone());
        clock.advance(Duration::from_secs(10));
        clock.step_to(START);
        let before = session.now();
        assert_eq!(
            session.check(),
            Some(ClockStep {
                at: before,
                offset_ns: -10_000_000_000
            }),
        );
        assert_eq!(session.check(), None, "a step is reported once");
        assert_eq!(session.now(), before);
        clock.advance(Duration::from_secs(1));
        assert_eq!(session.now().since(before), Duration::from_secs(1));
    }

    /// Fault table row 32.
    #[test]
    fn session_time_follows_the_wall_clock_forward_after_a_suspend() {
        let clock = Arc::new(ManualClock::new(START));
        let mut session = SessionClock::new(clock.clone());
        clock.step_to(START.saturating_add(Duration::from_hours(1)));
        assert_eq!(
            session.check().map(|step| step.offset_ns),
            Some(3_600_000_000_000)
        );
        assert_eq!(session.now(), clock.now());
        assert_eq!(session.check(), None);
    }
}
