//! Times that move, and where they stand in objects.

use std::borrow::Cow;

use chrono::{DateTime, FixedOffset};

/// Where a time goes: `target + (time - origin) * numerator / denominator`, rounded down to
/// nanoseconds, so that the order of times is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeMap {
    pub(crate) origin: i64,
    pub(crate) target: i64,
    pub(crate) numerator: u64,
    pub(crate) denominator: u64,
}

impl TimeMap {
    /// Returns the map that changes nothing.
    pub(crate) const IDENTITY: Self = Self {
        origin: 0,
        target: 0,
        numerator: 1,
        denominator: 1,
    };

    /// Returns where a time in nanoseconds goes; `None` if 64 bits cannot hold it.
    pub(crate) fn apply(self, time: i64) -> Option<i64> {
        let distance = i128::from(time) - i128::from(self.origin);
        let stretched =
            (distance * i128::from(self.numerator)).div_euclid(i128::from(self.denominator.max(1)));
        i64::try_from(i128::from(self.target) + stretched).ok()
    }

    /// Returns the map that stretches once more around the same origin; `None` if the factor has no
    /// exact form.
    pub(crate) fn stretched(self, numerator: u64, denominator: u64) -> Option<Self> {
        let above = u128::from(self.numerator) * u128::from(numerator);
        let below = u128::from(self.denominator) * u128::from(denominator);
        let divisor = common_divisor(above, below).max(1);
        Some(Self {
            numerator: u64::try_from(above / divisor).ok()?,
            denominator: u64::try_from(below / divisor).ok()?,
            ..self
        })
    }

    /// Tells whether distances stay.
    pub(crate) fn is_shift(self) -> bool {
        self.numerator == self.denominator
    }

    /// Returns what must be added to a moved time so that it stays `length` behind a moved time
    /// that it was `length` behind.
    pub(crate) fn after(self, length: i64) -> i64 {
        let stretched =
            i128::from(length) * i128::from(self.numerator) / i128::from(self.denominator.max(1));
        i64::try_from(i128::from(length) - stretched).unwrap_or(0)
    }

    /// Tells whether it changes nothing.
    pub(crate) fn is_identity(self) -> bool {
        self.origin == self.target && self.numerator == self.denominator
    }
}

fn common_divisor(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The length of `2026-11-21T02:07:16`.
const SECONDS_LENGTH: usize = 19;

/// Moves every time in a JSON text: each string that is a time of RFC 3339 and nothing else, also
/// in JSON inside of strings. It keeps its precision and its offset from UTC; a time that would
/// leave the years 1677 to 2262, such as the zero time of Go, stays.
pub(crate) fn move_times(text: &[u8], mut to: impl FnMut(i64) -> Option<i64>) -> Cow<'_, [u8]> {
    let mut moved: Option<Vec<u8>> = None;
    let mut copied = 0;
    for colon in memchr::memmem::find_iter(text, b"T") {
        let Some((start, end)) = time_around(text, colon) else {
            continue;
        };
        let Some(written) = text
            .get(start..end)
            .and_then(|time| moved_time(time, &mut to))
        else {
            continue;
        };
        let out = moved.get_or_insert_with(|| Vec::with_capacity(text.len() + 16));
        out.extend_from_slice(text.get(copied..start).unwrap_or_default());
        out.extend_from_slice(written.as_bytes());
        copied = end;
    }
    match moved {
        Some(mut out) => {
            out.extend_from_slice(text.get(copied..).unwrap_or_default());
            Cow::Owned(out)
        }
        None => Cow::Borrowed(text),
    }
}

/// Finds the quoted text around the `T` of a time, without its quotes.
fn time_around(text: &[u8], t: usize) -> Option<(usize, usize)> {
    let start = t.checked_sub(10)?;
    if *text.get(start.checked_sub(1)?)? != b'"' {
        return None;
    }
    let rest = text.get(start..)?;
    let length = rest
        .iter()
        .take(40)
        .position(|byte| matches!(byte, b'"' | b'\\'))?;
    let is_time = length > SECONDS_LENGTH
        && rest
            .get(..length)?
            .iter()
            .enumerate()
            .all(|(at, byte)| match at {
                4 | 7 => *byte == b'-',
                10 => *byte == b'T',
                13 | 16 => *byte == b':',
                _ => byte.is_ascii_digit() || at >= SECONDS_LENGTH,
            });
    is_time.then_some((start, start + length))
}

fn moved_time(text: &[u8], to: &mut impl FnMut(i64) -> Option<i64>) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    let time: DateTime<FixedOffset> = DateTime::parse_from_rfc3339(text).ok()?;
    let moved = to(time.timestamp_nanos_opt()?)?;
    let moved = DateTime::from_timestamp_nanos(moved).with_timezone(time.offset());
    let digits = text
        .get(SECONDS_LENGTH..)?
        .strip_prefix('.')
        .map_or(0, |rest| {
            rest.bytes().take_while(u8::is_ascii_digit).count()
        });
    let mut written = moved.format("%Y-%m-%dT%H:%M:%S").to_string();
    if digits > 0 {
        let nanoseconds = format!("{:09}", moved.timestamp_subsec_nanos().min(999_999_999));
        written.push('.');
        written.push_str(nanoseconds.get(..digits.min(9))?);
        written.extend(std::iter::repeat_n('0', digits.saturating_sub(9)));
    }
    if text.ends_with('Z') {
        written.push('Z');
    } else {
        written.push_str(&moved.format("%:z").to_string());
    }
    Some(written)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn an_hour_later(text: &str) -> String {
        let moved = move_times(text.as_bytes(), |time| time.checked_add(3_600_000_000_000));
        String::from_utf8(moved.into_owned()).unwrap()
    }

    #[rstest]
    #[case::seconds(r#"{"a":"2026-11-21T23:07:16Z"}"#, r#"{"a":"2026-11-22T00:07:16Z"}"#)]
    #[case::microseconds(
        r#"["2026-11-21T02:07:16.123456Z"]"#,
        r#"["2026-11-21T03:07:16.123456Z"]"#
    )]
    #[case::one_digit(r#"["2026-11-21T02:07:16.5Z"]"#, r#"["2026-11-21T03:07:16.5Z"]"#)]
    #[case::an_offset(r#"["2026-11-21T02:07:16+02:00"]"#, r#"["2026-11-21T03:07:16+02:00"]"#)]
    #[case::json_in_text(
        r#"{"a":"{\"t\":\"2026-11-21T02:07:16Z\"}"}"#,
        r#"{"a":"{\"t\":\"2026-11-21T03:07:16Z\"}"}"#
    )]
    #[case::zero_of_go(r#"["0001-01-01T00:00:00Z"]"#, r#"["0001-01-01T00:00:00Z"]"#)]
    #[case::in_a_sentence(r#"["at 2026-11-21T02:07:16Z"]"#, r#"["at 2026-11-21T02:07:16Z"]"#)]
    #[case::no_time(r#"["2026-11-21T02:07:16"]"#, r#"["2026-11-21T02:07:16"]"#)]
    #[case::not_a_day(r#"["2026-13-21T02:07:16Z"]"#, r#"["2026-13-21T02:07:16Z"]"#)]
    #[case::cut_short(r#"["2026-11-21T02:07"#, r#"["2026-11-21T02:07"#)]
    #[case::several(
        r#"["2026-11-21T02:07:16Z","T","2026-11-21T02:07:17Z"]"#,
        r#"["2026-11-21T03:07:16Z","T","2026-11-21T03:07:17Z"]"#
    )]
    fn times_move_and_nothing_else_does(#[case] before: &str, #[case] after: &str) {
        assert_eq!(an_hour_later(before), after);
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text in r#"[0-9T:Z"\\.+-]{0,80}"#) {
            an_hour_later(&text);
        }

        #[test]
        fn the_order_of_times_is_kept(
            origin in -1_000_000i64..1_000_000, a in any::<i32>(), b in any::<i32>(),
            numerator in 1u64..1000, denominator in 1u64..1000,
        ) {
            let map = TimeMap { origin, target: origin, numerator, denominator };
            let (low, high) = (a.min(b), a.max(b));
            prop_assert!(map.apply(low.into()) <= map.apply(high.into()));
        }
    }
}
