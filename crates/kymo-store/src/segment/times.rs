//! The one form in which Kubernetes writes times of whole seconds: `2026-11-21T02:07:25Z`.

/// Reads a time of whole seconds as Kubernetes writes it (`2026-11-21T02:07:25Z`), in seconds since
/// 1970; `None` for every other form.
pub fn read_seconds(text: &[u8]) -> Option<i64> {
    let text: &[u8; 20] = text.try_into().ok()?;
    let digits = |from: usize, to: usize| {
        text.get(from..to)?.iter().try_fold(0i64, |number, byte| {
            byte.is_ascii_digit()
                .then(|| number * 10 + i64::from(byte - b'0'))
        })
    };
    let [.., b'Z'] = text else { return None };
    if (text[4], text[7], text[10], text[13], text[16]) != (b'-', b'-', b'T', b':', b':') {
        return None;
    }
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let (hour, minute, second) = (digits(11, 13)?, digits(14, 16)?, digits(17, 19)?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Writes a time of the years 0 to 9999; `None` for others.
pub(super) fn write_seconds(seconds: i64) -> Option<String> {
    let mut text = String::with_capacity(20);
    push_seconds(seconds, &mut text)?;
    Some(text)
}

/// Adds a time of the years 0 to 9999 to a text; `None` for others.
pub(super) fn push_seconds(seconds: i64, out: &mut String) -> Option<()> {
    let days = seconds.div_euclid(86_400);
    let of_day = seconds.rem_euclid(86_400);
    let (year, month, day) = civil_from_days(days);
    if !(0..=9999).contains(&year) {
        return None;
    }
    let mut two = |number: i64, behind: &str| {
        for digit in [number / 10, number % 10] {
            out.push(char::from(b'0' + (digit % 10) as u8));
        }
        out.push_str(behind);
    };
    two(year / 100, "");
    two(year % 100, "-");
    two(month, "-");
    two(day, "T");
    two(of_day / 3600, ":");
    two(of_day / 60 % 60, ":");
    two(of_day % 60, "Z");
    Some(())
}

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, counting years from March.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    // A hundred million years either way is far beyond what is written; keep the sums in range.
    let days = days.clamp(-40_000_000_000, 40_000_000_000) + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_whole_seconds_are_read_as_chrono_reads_them() {
        for text in [
            "2026-11-21T02:07:25Z",
            "1970-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "2000-02-29T12:00:00Z",
            "0001-01-01T00:00:00Z",
            "0000-03-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
        ] {
            let expected = chrono::DateTime::parse_from_rfc3339(text).unwrap();
            assert_eq!(read_seconds(text.as_bytes()), Some(expected.timestamp()));
            assert_eq!(write_seconds(expected.timestamp()).unwrap(), text);
        }
    }

    #[test]
    fn other_forms_are_left_as_text() {
        for text in [
            "2026-11-21T02:07:25.1Z",
            "2026-11-21T02:07:60Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-21t02:07:25Z",
            "2026-11-21T02:07:25z",
            "2026-11-21T24:00:00Z",
            "2026-00-01T00:00:00Z",
            "+026-11-21T00:00:00Z",
        ] {
            assert_eq!(read_seconds(text.as_bytes()), None, "{text}");
        }
        assert_eq!(write_seconds(i64::MAX), None);
        assert_eq!(write_seconds(i64::MIN), None);
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_back(seconds in -62_167_219_200i64..253_402_300_800) {
            let text = write_seconds(seconds).unwrap();
            proptest::prop_assert_eq!(read_seconds(text.as_bytes()), Some(seconds));
        }
    }
}
