//! Numbers, times and names.

use datafusion::sql::sqlparser::tokenizer::Token;
use kymo_model::{Timestamp, parse_duration};

use super::cursor::Cursor;
use crate::language::{Factor, LanguageError, Place, TimePoint, Window};

/// Reads a whole number.
pub(super) fn count(cursor: &mut Cursor) -> Result<(u64, Place), LanguageError> {
    let Token::Number(text, _) = cursor.next_token() else {
        return Err(cursor.expected("a number"));
    };
    let text = text.replace('_', "");
    let place = cursor.advance();
    match text.parse() {
        Ok(count) => Ok((count, place)),
        Err(_) => Err(LanguageError::Value {
            message: format!("`{text}` is not a whole number up to {}", u64::MAX),
            hint: None,
            place,
        }),
    }
}

/// Reads a factor: a decimal number, or a fraction of two whole ones.
pub(super) fn factor(cursor: &mut Cursor) -> Result<Factor, LanguageError> {
    let start = cursor.place().start;
    if *cursor.next_token() == Token::Minus {
        let sign = cursor.advance();
        let end = match cursor.next_token() {
            Token::Number(..) => cursor.place().end,
            _ => sign.end,
        };
        return Err(not_above_zero(Place { start, end }));
    }
    let Token::Number(text, _) = cursor.next_token() else {
        return Err(cursor.expected("a factor"));
    };
    let text = text.replace('_', "");
    let mut place = cursor.advance();
    let read = if cursor.takes_sign(&Token::Div, "`/`") {
        let (below, last) = count(cursor)?;
        place.end = last.end;
        text.parse().ok().map(|above: u64| (above, below))
    } else {
        decimal(&text)
    };
    let Some((above, below)) = read else {
        return Err(LanguageError::Value {
            message: "a factor has at most 19 digits".to_owned(),
            hint: Some("write it as `0.25` or as `1/4`"),
            place,
        });
    };
    if above == 0 || below == 0 {
        return Err(not_above_zero(place));
    }
    let divisor = greatest_common_divisor(above, below);
    Ok(Factor {
        numerator: above / divisor,
        denominator: below / divisor,
        place,
    })
}

fn not_above_zero(place: Place) -> LanguageError {
    LanguageError::Value {
        message: "a factor must be above zero".to_owned(),
        hint: Some("1 changes nothing, 0.5 halves, 2 doubles; `DELETE` takes things away"),
        place,
    }
}

/// Reads `0.25` or `1e3` as a fraction.
fn decimal(text: &str) -> Option<(u64, u64)> {
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0');
    let above: u64 = format!("{whole}{fraction}").parse().ok()?;
    let exponent = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let power = 10u64.checked_pow(exponent.unsigned_abs())?;
    if exponent < 0 {
        Some((above, power))
    } else {
        Some((above.checked_mul(power)?, 1))
    }
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Reads a duration in nanoseconds.
pub(super) fn duration(cursor: &mut Cursor) -> Result<(i64, Place), LanguageError> {
    let text = cursor.text("a duration in quotes, such as '10m'")?;
    match parse_duration(&text.value) {
        Ok(duration) => Ok((duration, text.place)),
        Err(error) => Err(LanguageError::Value {
            message: error.to_string(),
            hint: Some("write it as '90s', '1h30m' or '2d'"),
            place: text.place,
        }),
    }
}

/// Reads a duration of at least so many nanoseconds.
pub(super) fn length(cursor: &mut Cursor, least: i64) -> Result<i64, LanguageError> {
    let (duration, place) = duration(cursor)?;
    if duration >= least {
        return Ok(duration);
    }
    Err(LanguageError::Value {
        message: if least > 0 {
            "the duration must be above zero".to_owned()
        } else {
            "the duration must not be negative".to_owned()
        },
        hint: None,
        place,
    })
}

/// Reads a time.
pub(super) fn time(cursor: &mut Cursor) -> Result<TimePoint, LanguageError> {
    let text = cursor.text("a time in quotes")?;
    let point = TimePoint {
        text: text.value,
        place: text.place,
    };
    if instant(&point).is_some() || offset(&point).is_some() {
        return Ok(point);
    }
    Err(LanguageError::Value {
        message: format!("`{}` is not a time", point.text),
        hint: Some(
            "write '10m' for ten minutes after the start, '-5m' for five before the end, or an \
             RFC 3339 time such as '2026-11-21T02:07:16Z'",
        ),
        place: point.place,
    })
}

/// Reads `[FROM time] [TO time]`.
pub(super) fn window(cursor: &mut Cursor) -> Result<Window, LanguageError> {
    let mut window = Window::default();
    if cursor.takes("FROM") {
        window.from = Some(time(cursor)?);
    }
    if cursor.takes("TO") {
        window.to = Some(time(cursor)?);
    }
    if let (Some(from), Some(to)) = (&window.from, &window.to)
        && is_empty(from, to)
    {
        return Err(LanguageError::Value {
            message: format!("nothing is between `{}` and `{}`", from.text, to.text),
            hint: Some("`FROM` is before `TO`; a minus counts back from the end of the trace"),
            place: Place {
                start: from.place.start,
                end: to.place.end,
            },
        });
    }
    Ok(window)
}

/// Tells whether the texts alone say that the window is empty.
fn is_empty(from: &TimePoint, to: &TimePoint) -> bool {
    if let (Some(from), Some(to)) = (instant(from), instant(to)) {
        return from >= to;
    }
    let is_from_end = |time: &TimePoint| time.text.starts_with('-');
    match (offset(from), offset(to)) {
        (Some(before), Some(behind)) => is_from_end(from) == is_from_end(to) && before >= behind,
        _ => false,
    }
}

/// Returns the time if it stands for itself.
pub(super) fn instant(time: &TimePoint) -> Option<Timestamp> {
    time.text.parse().ok()
}

fn offset(time: &TimePoint) -> Option<i64> {
    parse_duration(&time.text).ok()
}

/// Reads what is put before names of namespaces.
pub(super) fn prefix(cursor: &mut Cursor) -> Result<String, LanguageError> {
    let text = cursor.text("a prefix in quotes")?;
    let is_prefix =
        text.value.len() < 63 && !text.value.contains('.') && is_name(&format!("{}x", text.value));
    if is_prefix && !text.value.is_empty() {
        return Ok(text.value);
    }
    Err(LanguageError::Value {
        message: format!("`{}` cannot begin the name of a namespace", text.value),
        hint: Some("use small letters, digits and `-`, such as 'b-'"),
        place: text.place,
    })
}

/// Fails for what is never the name of an object.
pub(super) fn check_name(name: &str, what: &str, place: Place) -> Result<(), LanguageError> {
    if is_name(name) {
        return Ok(());
    }
    Err(LanguageError::Value {
        message: format!("`{name}` cannot be the name of {what}"),
        hint: Some("names have small letters, digits, `-` and `.`"),
        place,
    })
}

/// A subdomain of DNS, as the API server has it.
fn is_name(name: &str) -> bool {
    let is_inner = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    let is_outer = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
    let bytes = name.as_bytes();
    bytes.len() <= 253
        && bytes.iter().all(is_inner)
        && bytes.first().is_some_and(is_outer)
        && bytes.last().is_some_and(is_outer)
}
