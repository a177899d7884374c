//! Units of columns, and numbers in them.

use serde::Deserialize;

macro_rules! units {
    ($($(#[$meta:meta])* $name:ident { $($variant:ident = $word:literal is $factor:literal,)+ })+) => {
        $($(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
        pub(super) enum $name { $(#[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// Every unit, by its word.
            pub(super) const WORDS: &'static [&'static str] = &[$($word,)+];
        }

        impl Unit for $name {
            fn factor(self) -> u64 {
                match self { $(Self::$variant => $factor,)+ }
            }
        })+
    };
}

/// A unit of something that is counted.
pub(super) trait Unit: Copy {
    /// Returns how many of the smallest unit it is.
    fn factor(self) -> u64;
}

units! {
    /// Units of CPU time; the smallest is a thousandth of a core.
    CpuUnit {
        Milli = "milli" is 1,
        Percent = "percent" is 10,
        Cores = "cores" is 1000,
    }
    /// Units of memory; the smallest is a byte.
    MemoryUnit {
        Bytes = "bytes" is 1,
        Kib = "KiB" is 1_024,
        Mib = "MiB" is 1_048_576,
        Gib = "GiB" is 1_073_741_824,
        Mb = "MB" is 1_000_000,
        Gb = "GB" is 1_000_000_000,
    }
    /// Units of GPUs; the smallest is a thousandth of a device.
    GpuUnit {
        Milli = "milli" is 1,
        Count = "count" is 1000,
    }
    /// Units of time; the smallest is a nanosecond.
    TimeUnit {
        Nanos = "ns" is 1,
        Micros = "us" is 1_000,
        Millis = "ms" is 1_000_000,
        Seconds = "s" is 1_000_000_000,
        Minutes = "min" is 60_000_000_000,
    }
}

impl TimeUnit {
    /// Returns the unit in words.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nanos => "nanoseconds",
            Self::Micros => "microseconds",
            Self::Millis => "milliseconds",
            Self::Seconds => "seconds",
            Self::Minutes => "minutes",
        }
    }
}

/// Digits behind the point that a number may have.
const MOST_PLACES: usize = 15;

/// Reads a number of units as a number of the smallest unit, rounded up as the API server does;
/// the reason if it is none.
///
/// The smallest unit has no parts, except that tools which know no missing integers write
/// `12000.0`.
pub(super) fn amount(text: &str, factor: u64) -> Result<u64, String> {
    let kind = if factor == 1 {
        "no whole number"
    } else {
        "no number"
    };
    let (count, scale) = decimal(text).ok_or(kind)?;
    let count = u128::try_from(count).map_err(|_| kind)?;
    let scale = scale.unsigned_abs();
    if factor == 1 && !count.is_multiple_of(scale) {
        return Err(kind.to_owned());
    }
    let all = count.checked_mul(u128::from(factor));
    all.and_then(|all| u64::try_from(all.div_ceil(scale)).ok())
        .ok_or_else(|| "too large".to_owned())
}

/// Reads a time in a unit as nanoseconds, which may be before the zero.
pub(super) fn nanos(text: &str, unit: TimeUnit) -> Option<i64> {
    let factor = unit.factor();
    if let Some((count, scale)) = decimal(text) {
        let all = count.checked_mul(i128::from(factor))?;
        return i64::try_from(all.div_euclid(scale)).ok();
    }
    // With an exponent, or more digits than are worth something.
    let nanos = text.parse::<f64>().ok()? * factor as f64;
    (nanos.abs() < i64::MAX as f64).then_some(nanos as i64)
}

/// Splits a decimal number into its digits and the power of ten that they are divided by.
fn decimal(text: &str) -> Option<(i128, i128)> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > MOST_PLACES || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let is_negative = whole.starts_with('-');
    let whole = i128::from(whole.parse::<i64>().ok()?);
    let mut scale = 1i128;
    let mut behind = 0i128;
    for byte in part.bytes() {
        scale *= 10;
        behind = behind * 10 + i128::from(byte - b'0');
    }
    let behind = if is_negative { -behind } else { behind };
    Some((whole * scale + behind, scale))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("12000.0", 1, Ok(12_000))]
    #[case("0.5", 1000, Ok(500))]
    #[case("1.1", 1000, Ok(1100))]
    #[case("0.0001", 1000, Ok(1))]
    #[case("33.33", 10, Ok(334))]
    #[case("1.5", 1_073_741_824, Ok(1_610_612_736))]
    #[case("1.5", 1, Err("no whole number"))]
    #[case("-1", 1, Err("no whole number"))]
    #[case("-0.5", 1000, Err("no number"))]
    #[case("many", 1000, Err("no number"))]
    #[case("1e3", 1000, Err("no number"))]
    #[case("", 1000, Err("no number"))]
    #[case("9223372036854775807", 1000, Err("too large"))]
    fn amounts_are_exact_and_rounded_up(
        #[case] text: &str,
        #[case] factor: u64,
        #[case] expected: Result<u64, &str>,
    ) {
        assert_eq!(amount(text, factor), expected.map_err(str::to_owned));
    }

    #[rstest]
    #[case(
        "1585699449.123456789",
        TimeUnit::Seconds,
        Some(1_585_699_449_123_456_789)
    )]
    #[case("-0.5", TimeUnit::Seconds, Some(-500_000_000))]
    #[case("1.5", TimeUnit::Minutes, Some(90_000_000_000))]
    #[case("1e3", TimeUnit::Millis, Some(1_000_000_000))]
    #[case("7", TimeUnit::Micros, Some(7_000))]
    #[case("1.9", TimeUnit::Nanos, Some(1))]
    #[case("NaN", TimeUnit::Seconds, None)]
    #[case("99999999999999", TimeUnit::Seconds, None)]
    fn times_keep_their_nanoseconds(
        #[case] text: &str,
        #[case] unit: TimeUnit,
        #[case] expected: Option<i64>,
    ) {
        assert_eq!(nanos(text, unit), expected);
    }
}
