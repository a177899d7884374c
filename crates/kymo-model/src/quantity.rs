use thiserror::Error;

/// A text that is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` is not a quantity such as `500m`, `1.5Gi` or `2e3`")]
pub struct QuantityError {
    /// The text.
    pub text: String,
}

/// Reads a Kubernetes quantity as a number of base units: cores, bytes, pieces.
///
/// `500m` is 0.5, `1.5Gi` is 1610612736, `2e3` is 2000. What is finer than a billionth is rounded
/// away from zero to one, as the API server does; whole numbers are exact up to 2⁵³. Source:
/// `k8s.io/apimachinery/pkg/api/resource`, `quantity.go`.
pub fn parse_quantity(text: &str) -> Result<f64, QuantityError> {
    read(text).ok_or_else(|| QuantityError {
        text: text.to_owned(),
    })
}

/// Digits beyond this many change nothing that a float can hold.
const MAX_DIGITS: usize = 30;
/// An exponent beyond this one is beyond every float.
const MAX_EXPONENT: i32 = 400;

fn read(text: &str) -> Option<f64> {
    let (is_negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let end = unsigned
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let scale = Scale::of(suffix)?;
    let magnitude = magnitude(whole, fraction, scale)?;
    Some(if is_negative { -magnitude } else { magnitude })
}

/// What a suffix multiplies by.
#[derive(Clone, Copy)]
enum Scale {
    /// A power of two.
    Binary(i32),
    /// A power of ten.
    Decimal(i32),
}

impl Scale {
    fn of(suffix: &str) -> Option<Self> {
        Some(match suffix {
            "" => Self::Decimal(0),
            "n" => Self::Decimal(-9),
            "u" => Self::Decimal(-6),
            "m" => Self::Decimal(-3),
            "k" => Self::Decimal(3),
            "M" => Self::Decimal(6),
            "G" => Self::Decimal(9),
            "T" => Self::Decimal(12),
            "P" => Self::Decimal(15),
            "E" => Self::Decimal(18),
            "Ki" => Self::Binary(10),
            "Mi" => Self::Binary(20),
            "Gi" => Self::Binary(30),
            "Ti" => Self::Binary(40),
            "Pi" => Self::Binary(50),
            "Ei" => Self::Binary(60),
            _ => {
                let exponent = suffix.strip_prefix(['e', 'E'])?;
                let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
                if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
                    return None;
                }
                let bound = if exponent.starts_with('-') {
                    -MAX_EXPONENT
                } else {
                    MAX_EXPONENT
                };
                let exponent = exponent.parse().unwrap_or(bound);
                Self::Decimal(exponent.clamp(-MAX_EXPONENT, MAX_EXPONENT))
            }
        })
    }
}

fn magnitude(whole: &str, fraction: &str, scale: Scale) -> Option<f64> {
    let fraction = fraction.trim_end_matches('0');
    let digits = whole.trim_start_matches('0').len() + fraction.len();
    let exponent = match scale {
        Scale::Decimal(exponent) => exponent,
        Scale::Binary(_) => 0,
    };
    // Digits, point and exponent as one decimal text: the nearest float is what parsing gives.
    let decimal: f64 = format!("0{whole}.{fraction}e{exponent}").parse().ok()?;
    let value = match scale {
        Scale::Binary(power) => decimal * 2f64.powi(power),
        Scale::Decimal(_) => decimal,
    };
    let decimals = fraction.len() as i32 - exponent;
    let is_finer = matches!(scale, Scale::Decimal(_)) && decimals > 9;
    if is_finer && digits <= MAX_DIGITS {
        return Some((value * 1e9).ceil() / 1e9);
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the documentation of `Quantity` and the tables of `quantity_test.go`.
    #[test]
    fn quantities_are_read_as_the_api_server_reads_them() {
        for (text, value) in [
            ("0", 0.0),
            ("0n", 0.0),
            ("1n", 1e-9),
            ("500m", 0.5),
            ("100m", 0.1),
            ("1.5", 1.5),
            (".5", 0.5),
            ("5.", 5.0),
            ("-5", -5.0),
            ("+5", 5.0),
            ("12.34e2", 1234.0),
            ("1e3", 1000.0),
            ("1E3", 1000.0),
            ("1E", 1e18),
            ("1e-3", 0.001),
            ("2k", 2000.0),
            ("1Ki", 1024.0),
            ("0.5Mi", 524_288.0),
            ("1.5Gi", 1_610_612_736.0),
            ("1Ei", 1_152_921_504_606_846_976.0),
            ("64Gi", 68_719_476_736.0),
            ("9007199254740991", 9_007_199_254_740_991.0),
            ("0.0000000001", 1e-9),
            ("1.1n", 2e-9),
            ("-1.1n", -2e-9),
        ] {
            assert_eq!(parse_quantity(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_an_error() {
        for text in [
            "", ".", "-", "1i", "1mi", "1 Gi", " 1", "1K", "0x10", "1.2.3", "1e", "1e1.5", "NaN",
            "inf", "one", "1Gib", "--1", "1e+",
        ] {
            let error = parse_quantity(text).unwrap_err();
            assert!(error.to_string().contains("is not a quantity"), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            let _ = parse_quantity(&text).is_ok();
        }

        #[test]
        fn a_number_of_thousandths_is_that_number(number in -1_000_000_000i64..1_000_000_000) {
            proptest::prop_assert_eq!(parse_quantity(&format!("{number}m")), Ok(number as f64 / 1000.0));
        }
    }
}
