//! Time, moved by one constant.

use std::time::Duration;

use chrono::{DateTime, Datelike as _, TimeDelta};
use kymo_model::Timestamp;

use crate::key::Key;

const WEEK: i64 = 7 * 24 * 3600;
const NANOS: i64 = 1_000_000_000;

/// How far every time of a trace is moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shift {
    seconds: i64,
}

impl Shift {
    /// Draws whole weeks, between one and about twenty years back, from the key: the day of the
    /// week and the hour stay.
    pub(crate) fn weeks(key: &Key) -> Self {
        Self {
            seconds: -(52 + i64::from(drawn(key)) % 1000) * WEEK,
        }
    }

    /// Draws seconds, between one and about twenty years back, from the key.
    pub(crate) fn seconds(key: &Key) -> Self {
        Self {
            seconds: -(52 * WEEK + i64::from(drawn(key)) % (1000 * WEEK)),
        }
    }

    pub(crate) fn is_none(self) -> bool {
        self.seconds == 0
    }

    /// Moves the time of an event; one that 64 bits cannot hold stays at the end.
    pub(crate) fn timestamp(self, time: Timestamp) -> Timestamp {
        Timestamp(time.0.saturating_add(self.seconds * NANOS))
    }

    /// Moves a time in RFC 3339; its digits and its zone stay. `None` if it is none.
    pub(crate) fn text(self, text: &str) -> Option<String> {
        // 2026-11-21T02:07:16, and what is behind it stays as it is.
        let (whole, rest) = text.split_at_checked(19)?;
        let time = DateTime::parse_from_rfc3339(text).ok()?;
        if self.is_none() || time.year() < 1900 {
            return Some(text.to_owned());
        }
        let moved = time
            .naive_local()
            .checked_add_signed(TimeDelta::seconds(self.seconds))?;
        let separator = whole.get(10..11)?;
        let format = format!("%Y-%m-%d{separator}%H:%M:%S");
        let moved = moved.and_utc().format(&format).to_string();
        (moved.len() == 19).then(|| moved + rest)
    }

    /// Moves the sixteen hexadecimal digits of nanoseconds with which the name of an Event ends.
    pub(crate) fn hex_nanos(self, text: &str) -> Option<String> {
        let is_hex = text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() != 16 || !is_hex {
            return None;
        }
        let nanos = i64::from_str_radix(text, 16).ok()?;
        // Before 2001 it is no time but something else.
        if nanos < 1_000_000_000 * NANOS {
            return None;
        }
        let moved = nanos.checked_add(self.seconds.checked_mul(NANOS)?)?;
        Some(format!("{moved:016x}"))
    }

    /// Moves the minutes since 1970 with which the name of a `CronJob`'s Job ends.
    pub(crate) fn minutes(self, text: &str) -> Option<String> {
        if text.len() != 8 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let minutes: i64 = text.parse().ok()?;
        if !(16_000_000..80_000_000).contains(&minutes) {
            return None;
        }
        Some(format!("{:08}", minutes + self.seconds.div_euclid(60)))
    }

    /// Returns how far, for whoever has the key.
    pub(crate) fn back(self) -> Duration {
        Duration::from_secs(self.seconds.unsigned_abs())
    }
}

fn drawn(key: &Key) -> u32 {
    let [a, b, c, d, ..] = key.derive("time");
    u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const DAY: Shift = Shift { seconds: -86_400 };

    #[rstest]
    #[case("2026-11-21T02:07:16Z", "2026-11-20T02:07:16Z")]
    #[case("2026-11-21T02:07:16.123456Z", "2026-11-20T02:07:16.123456Z")]
    #[case("2026-03-01T00:00:00+05:30", "2026-02-28T00:00:00+05:30")]
    #[case("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z")]
    fn times_move_and_keep_their_form(#[case] text: &str, #[case] moved: &str) {
        assert_eq!(DAY.text(text).as_deref(), Some(moved));
    }

    #[rstest]
    #[case("2026-11-21")]
    #[case("yesterday, at a quarter past ten")]
    #[case("2026-13-21T02:07:16Z")]
    #[case("ééééééééééééééééééééé")]
    fn what_is_no_time_is_none(#[case] text: &str) {
        assert_eq!(DAY.text(text), None);
    }

    #[test]
    fn times_inside_of_names_move_as_far() {
        assert_eq!(
            DAY.hex_nanos("18a1b2c3d4e5f607").as_deref(),
            Some("18a1642f4396f607")
        );
        assert_eq!(DAY.hex_nanos("0000000000000007"), None);
        assert_eq!(DAY.minutes("29394720").as_deref(), Some("29393280"));
        assert_eq!(DAY.minutes("00000720"), None);
    }

    #[test]
    fn weeks_keep_the_day_and_the_hour_and_depend_on_the_key() {
        let shift = Shift::weeks(&Key::new([7; 32]));
        assert_eq!(shift.back().as_secs() % WEEK.unsigned_abs(), 0);
        assert!(shift.back().as_secs() >= 52 * WEEK.unsigned_abs());
        assert_eq!(shift, Shift::weeks(&Key::new([7; 32])));
        assert_ne!(shift, Shift::weeks(&Key::new([9; 32])));
    }
}
