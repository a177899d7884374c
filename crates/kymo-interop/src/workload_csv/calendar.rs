//! Dates with a time of day, as a pattern says they are written.

use kymo_model::Timestamp;

/// How dates are written, such as `%Y-%m-%d %H:%M:%S`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Calendar {
    parts: Vec<Part>,
    /// What they are ahead of UTC, as RFC 3339 writes it.
    pub(super) offset: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The letter of a field, and how many digits it has at most.
    Digits(char, usize),
    /// A point and parts of a second, if they are there.
    Fraction,
    Letter(char),
}

impl Calendar {
    /// Reads a pattern; the reason if it is none.
    pub(super) fn of(pattern: &str, offset: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut letters = pattern.chars();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                parts.push(Part::Letter(letter));
                continue;
            }
            let part = match letters.next() {
                Some('Y') => Part::Digits('Y', 4),
                Some(field @ ('m' | 'd' | 'H' | 'M' | 'S')) => Part::Digits(field, 2),
                Some('%') => Part::Letter('%'),
                Some('.') if letters.next() == Some('f') => Part::Fraction,
                _ => return Err("a pattern has %Y, %m, %d, %H, %M, %S, %.f and %%".to_owned()),
            };
            if !matches!(part, Part::Letter(_)) && parts.contains(&part) {
                return Err("it has a field twice".to_owned());
            }
            parts.push(part);
        }
        let has = |field| {
            let mut parts = parts.iter();
            parts.any(|part| matches!(part, Part::Digits(found, _) if *found == field))
        };
        if !['Y', 'm', 'd'].into_iter().all(has) {
            return Err("a date has %Y, %m and %d".to_owned());
        }
        let sample = format!("2000-01-01T00:00:00{offset}");
        if sample.parse::<Timestamp>().is_err() {
            return Err("an offset is `Z` or such as `+08:00`".to_owned());
        }
        let offset = offset.to_owned();
        Ok(Self { parts, offset })
    }

    /// Reads a date; what the pattern does not have is zero.
    pub(super) fn read(&self, text: &str) -> Option<Timestamp> {
        let mut rest = text;
        let [mut year, mut month, mut day] = ["", "", ""];
        let [mut hour, mut minute, mut second, mut fraction] = ["0", "0", "0", ""];
        for part in &self.parts {
            let width = match *part {
                Part::Letter(letter) => {
                    rest = rest.strip_prefix(letter)?;
                    continue;
                }
                Part::Fraction if !rest.starts_with('.') => continue,
                Part::Fraction => 1 + digits(rest.get(1..)?, 9),
                Part::Digits(_, most) => digits(rest, most),
            };
            if width == 0 {
                return None;
            }
            let (found, behind) = rest.split_at_checked(width)?;
            rest = behind;
            match part {
                Part::Digits('Y', _) => year = found,
                Part::Digits('m', _) => month = found,
                Part::Digits('d', _) => day = found,
                Part::Digits('H', _) => hour = found,
                Part::Digits('M', _) => minute = found,
                Part::Digits(..) => second = found,
                _ => fraction = found,
            }
        }
        if !rest.is_empty() || fraction == "." {
            return None;
        }
        let offset = &self.offset;
        let text = format!(
            "{year:0>4}-{month:0>2}-{day:0>2}T{hour:0>2}:{minute:0>2}:{second:0>2}{fraction}{offset}"
        );
        text.parse().ok()
    }
}

/// Counts the digits that a text begins with.
fn digits(text: &str, most: usize) -> usize {
    text.bytes()
        .take(most)
        .take_while(u8::is_ascii_digit)
        .count()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(
        "%Y-%m-%d %H:%M:%S%.f",
        "Z",
        "2020-04-01 00:04:09",
        "2020-04-01T00:04:09.000000000Z"
    )]
    #[case(
        "%Y-%m-%d %H:%M:%S%.f",
        "Z",
        "2020-04-01 00:04:09.25",
        "2020-04-01T00:04:09.250000000Z"
    )]
    #[case(
        "%d.%m.%Y %H:%M",
        "+02:00",
        "1.4.2020 1:30",
        "2020-03-31T23:30:00.000000000Z"
    )]
    #[case("%Y%m%d", "Z", "20200401", "2020-04-01T00:00:00.000000000Z")]
    fn dates_are_read_by_their_pattern(
        #[case] pattern: &str,
        #[case] offset: &str,
        #[case] text: &str,
        #[case] expected: &str,
    ) {
        let read = Calendar::of(pattern, offset).unwrap().read(text).unwrap();
        assert_eq!(read.to_string(), expected);
    }

    #[rstest]
    #[case("2020-04-01")]
    #[case("2020-04-01 00:04:09 ")]
    #[case("2020-04-01 :04:09")]
    #[case("2020-13-01 00:04:09")]
    #[case("2020-04-01 00:04:09.")]
    #[case("2020-04-0ä 00:04:09")]
    #[case("")]
    fn what_does_not_fit_the_pattern_is_no_date(#[case] text: &str) {
        let calendar = Calendar::of("%Y-%m-%d %H:%M:%S%.f", "Z").unwrap();
        assert_eq!(calendar.read(text), None);
    }

    #[rstest]
    #[case("%H:%M", "Z", "a date has")]
    #[case("%Y-%m-%d %p", "Z", "a pattern has")]
    #[case("%Y-%m-%d %.", "Z", "a pattern has")]
    #[case("%Y-%m-%d %", "Z", "a pattern has")]
    #[case("%Y-%m-%d %d", "Z", "twice")]
    #[case("%Y-%m-%d", "CEST", "an offset is")]
    fn a_pattern_that_cannot_be_read_says_why(
        #[case] pattern: &str,
        #[case] offset: &str,
        #[case] reason: &str,
    ) {
        let error = Calendar::of(pattern, offset).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
}
