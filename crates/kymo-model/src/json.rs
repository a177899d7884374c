//! What JSON text must be like for a parsed value to stand for it.

use thiserror::Error;

/// Why a text cannot stand as JSON here.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonError {
    /// Nesting goes deeper than the limit.
    #[error("JSON nested deeper than {limit} at byte {offset}")]
    TooDeep {
        /// The limit.
        limit: usize,
        /// Where it was passed.
        offset: usize,
    },
}

/// Checks that arrays and objects nest at most `limit` deep, without recursion.
///
/// Text inside strings does not count. The text is not otherwise validated.
pub fn check_depth(text: &[u8], limit: usize) -> Result<(), JsonError> {
    let mut depth = 0usize;
    let mut bytes = text.iter().enumerate();
    while let Some((offset, byte)) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                if depth > limit {
                    return Err(JsonError::TooDeep { limit, offset });
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    Ok(())
}

/// Tells whether every number in a valid JSON text survives a trip through `serde_json::Value`.
///
/// Integers of up to 18 digits do. Others are compared with what the parser makes of them; a
/// number such as `1.0e2` or one of forty digits does not survive, and its text must be kept.
pub fn has_exact_numbers(text: &[u8]) -> bool {
    let mut bytes = text.iter().enumerate();
    while let Some((start, byte)) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'-' | b'0'..=b'9' => {
                let rest = text.get(start..).unwrap_or_default();
                let length = rest
                    .iter()
                    .take_while(|b| matches!(b, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9'))
                    .count();
                let token = rest.get(..length).unwrap_or_default();
                if !is_exact_number(token) {
                    return false;
                }
                for _ in 1..length {
                    bytes.next();
                }
            }
            _ => {}
        }
    }
    true
}

fn is_exact_number(token: &[u8]) -> bool {
    if token.len() <= 18 && token.iter().all(u8::is_ascii_digit) {
        return true;
    }
    serde_json::from_slice::<serde_json::Number>(token)
        .is_ok_and(|number| number.to_string().as_bytes() == token)
}

fn skip_string<'a>(bytes: &mut impl Iterator<Item = (usize, &'a u8)>) {
    while let Some((_, byte)) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'"' => return,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(r#"{"a":1,"b":[0,-7,18446744073709551615]}"#, true)]
    #[case(r#"{"a":1.5}"#, true)]
    #[case(r#"{"a":"1.0e2 \" 1.00"}"#, true)]
    #[case(r#"{"a":1.0e2}"#, false)]
    #[case(r#"{"a":1.10}"#, false)]
    #[case("[123456789012345678901234567890]", false)]
    #[case(r#"{"x":{"y":[1,2,-0]}}"#, false)]
    #[case("0.1", true)]
    fn numbers_that_a_value_would_change_are_found(#[case] text: &str, #[case] exact: bool) {
        assert_eq!(has_exact_numbers(text.as_bytes()), exact);
    }

    #[test]
    fn depth_is_counted_outside_strings_only() {
        assert_eq!(check_depth(br#"[["[[[["]]"#, 2), Ok(()));
        assert_eq!(
            check_depth(b"[[[]]]", 2),
            Err(JsonError::TooDeep {
                limit: 2,
                offset: 2
            }),
        );
        let bomb = vec![b'['; 1_000_000];
        assert!(check_depth(&bomb, 128).is_err());
    }
}
