use thiserror::Error;

/// A text that is no duration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` is not a duration such as `1h30m`, `250ms` or `-2d`")]
pub struct DurationError {
    /// The text.
    pub text: String,
}

/// Reads a duration as Go and Kubernetes write it, in nanoseconds.
///
/// `1h30m`, `1.5s`, `-2m`, and `d` for days of 24 hours besides what Go knows. Source: Go's
/// `time.ParseDuration`.
pub fn parse_duration(text: &str) -> Result<i64, DurationError> {
    read(text).ok_or_else(|| DurationError {
        text: text.to_owned(),
    })
}

/// Units and their nanoseconds; a longer name stands before the one that it begins with.
const UNITS: [(&str, i128); 9] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];
/// More digits than that are more than 292 years in any unit, or finer than a nanosecond.
const MAX_DIGITS: usize = 19;

fn read(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.as_bytes().first()? {
        b'-' => (-1, text.get(1..)?),
        b'+' => (1, text.get(1..)?),
        _ => (1, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0i128;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(end);
        let (unit, nanoseconds) = UNITS.iter().find(|(unit, _)| tail.starts_with(unit))?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
            return None;
        }
        if whole.len() > MAX_DIGITS {
            return None;
        }
        if !whole.is_empty() {
            total += whole.parse::<i128>().ok()? * nanoseconds;
        }
        let fraction = fraction.get(..fraction.len().min(MAX_DIGITS))?;
        if !fraction.is_empty() {
            // In floats, as Go does, so that a third of an hour is twenty minutes.
            let scale = 10f64.powi(fraction.len() as i32);
            let part = fraction.parse::<u64>().ok()? as f64 * (*nanoseconds as f64 / scale);
            total += part as i128;
        }
        rest = tail.get(unit.len()..)?;
    }
    i64::try_from(sign * total).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, nanoseconds) in [
            ("0", 0),
            ("5s", 5_000_000_000),
            ("-5s", -5_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("1.5s", 1_500_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("250ms", 250_000_000),
            ("10us", 10_000),
            ("10µs", 10_000),
            ("1h15m30.918273645s", 4_530_918_273_645),
            ("0.3333333333333333333h", 1_200_000_000_000),
            ("0.830103483285477580700h", 2_988_372_539_827),
            ("39h9m14.425s", 140_954_425_000_000),
            ("9223372036854775807ns", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
            ("2d", 172_800_000_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(nanoseconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_an_error() {
        for text in [
            "",
            "3",
            "-",
            "s",
            ".",
            "-.",
            ".s",
            "+.s",
            "1d2",
            "1 s",
            "1y",
            "9223372036854775808ns",
            "1.2.3s",
            "99999999999999999999h",
            "١s",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            let _ = parse_duration(&text).is_ok();
        }
    }
}
