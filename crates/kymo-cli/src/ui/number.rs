//! How numbers are written for people.

/// Writes `12,345`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes `1 event`, `12,345 events`.
pub(crate) fn of(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// Writes `512 B`, `3.2 MB`, `1.5 GB`: powers of ten.
pub(crate) fn bytes(number: u64) -> String {
    let mut value = number as f64;
    if value < 1000.0 {
        return format!("{number} B");
    }
    let mut unit = "kB";
    value /= 1000.0;
    for larger in ["MB", "GB", "TB", "PB"] {
        if value < 999.95 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    format!("{value:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_sizes_have_units() {
        assert_eq!(
            [count(0), count(999), count(12_345), count(1_234_567)],
            ["0", "999", "12,345", "1,234,567"]
        );
        assert_eq!([of(1, "gap"), of(1200, "gap")], ["1 gap", "1,200 gaps"]);
        assert_eq!(
            [bytes(0), bytes(999), bytes(1000), bytes(999_960)],
            ["0 B", "999 B", "1.0 kB", "1.0 MB"]
        );
        assert_eq!(
            [bytes(3_200_000), bytes(1_500_000_000)],
            ["3.2 MB", "1.5 GB"]
        );
    }
}
