//! What a plain scalar means.
//!
//! kubectl and the API server read and write YAML 1.1 with one well-known Go library. What they
//! leave unquoted has to be read by the same rules: `0644` is octal, `7e12345` a text, since no
//! float is that large. Only `yes`, `no`, `on`, `off`, `y` and `n` stay texts: what writes objects
//! of an API server writes `true`, and others leave such texts unquoted.

use serde_json::{Number, Value};

/// Reads a scalar that is not quoted and has no tag.
pub(super) fn resolve(text: &str) -> Value {
    match text.as_bytes().first() {
        None | Some(b'~' | b'n' | b'N' | b't' | b'T' | b'f' | b'F') => word(text),
        Some(b'0'..=b'9' | b'+' | b'-' | b'.') => number(text),
        Some(_) => None,
    }
    .unwrap_or_else(|| Value::from(text))
}

fn word(text: &str) -> Option<Value> {
    Some(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => return None,
    })
}

fn number(text: &str) -> Option<Value> {
    let mut plain = text.to_owned();
    plain.retain(|c| c != '_');
    if let Some(integer) = integer(&plain) {
        return Some(Value::Number(integer));
    }
    if !is_float(&plain) {
        return None;
    }
    let float: f64 = plain.parse().ok()?;
    float.is_finite().then(|| whole(float))?
}

/// A float without a fraction is written as Go's JSON does, without one.
fn whole(float: f64) -> Option<Value> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if float.fract() == 0.0 && float.abs() <= EXACT {
        return Some(Value::from(float as i64));
    }
    Number::from_f64(float).map(Value::Number)
}

fn integer(plain: &str) -> Option<Number> {
    let (is_negative, digits) = match plain.as_bytes().first()? {
        b'-' => (true, plain.get(1..)?),
        b'+' => (false, plain.get(1..)?),
        _ => (false, plain),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, digits.get(2..)?),
        [b'0', b'o' | b'O', ..] => (8, digits.get(2..)?),
        [b'0', b'b' | b'B', ..] => (2, digits.get(2..)?),
        [b'0', _, ..] => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if is_negative {
        0i64.checked_sub_unsigned(magnitude).map(Number::from)
    } else {
        Some(Number::from(magnitude))
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(plain: &str) -> bool {
    let unsigned = plain.strip_prefix(['-', '+']).unwrap_or(plain);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_mantissa = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && is_digits(fraction),
        Some((whole, fraction)) => is_digits(whole) && is_digits(fraction),
        None => !mantissa.is_empty() && is_digits(mantissa),
    };
    let is_exponent = |exponent: &str| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && is_digits(digits)
    };
    is_mantissa && exponent.is_none_or(is_exponent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case("", Value::Null)]
    #[case("~", Value::Null)]
    #[case("null", Value::Null)]
    #[case("nil", json!("nil"))]
    #[case("true", json!(true))]
    #[case("False", json!(false))]
    #[case("yes", json!("yes"))]
    #[case("n", json!("n"))]
    #[case("on", json!("on"))]
    #[case("0", json!(0))]
    #[case("-7", json!(-7))]
    #[case("+7", json!(7))]
    #[case("0644", json!(420))]
    #[case("0o644", json!(420))]
    #[case("0x1F", json!(31))]
    #[case("-0b101", json!(-5))]
    #[case("1_000", json!(1000))]
    #[case("0899", json!(899))]
    #[case("18446744073709551615", json!(18_446_744_073_709_551_615_u64))]
    #[case("-9223372036854775808", json!(i64::MIN))]
    #[case("123456789012345678901", json!(123_456_789_012_345_680_000.0))]
    #[case("1.5", json!(1.5))]
    #[case("12e3", json!(12000))]
    #[case(".5", json!(0.5))]
    #[case("1.", json!(1))]
    #[case("7e12345", json!("7e12345"))]
    #[case("7e", json!("7e"))]
    #[case(".", json!("."))]
    #[case("-", json!("-"))]
    #[case("1.2.3", json!("1.2.3"))]
    #[case("100m", json!("100m"))]
    #[case("0xzz", json!("0xzz"))]
    #[case(".inf", json!(".inf"))]
    #[case(".nan", json!(".nan"))]
    #[case("2021-08-03", json!("2021-08-03"))]
    #[case("12:30", json!("12:30"))]
    #[case("<<", json!("<<"))]
    fn plain_scalars_mean_what_they_mean_to_kubectl(#[case] text: &str, #[case] value: Value) {
        assert_eq!(resolve(text), value);
    }
}
