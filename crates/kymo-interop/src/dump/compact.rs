//! JSON texts without the blanks between their parts.

use serde_json::value::RawValue;

/// Checks that a text is one JSON value and takes the blanks out. Numbers and strings stay
/// as they are written.
pub(super) fn compact(text: &str) -> Result<String, String> {
    let raw: &RawValue =
        serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    let text = raw.get();
    let mut compact = String::with_capacity(text.len());
    let mut rest = text;
    // Blanks only matter inside strings, which are copied whole.
    while let Some(quote) = memchr::memchr(b'"', rest.as_bytes()) {
        let (between, string) = rest.split_at(quote);
        push_without_blanks(&mut compact, between);
        let (string, behind) = string.split_at(string_length(string));
        compact.push_str(string);
        rest = behind;
    }
    push_without_blanks(&mut compact, rest);
    Ok(compact)
}

fn push_without_blanks(to: &mut String, text: &str) {
    for part in text.split(|c: char| c.is_ascii_whitespace()) {
        to.push_str(part);
    }
}

/// Returns how long the string is that `text` begins with, its quotes included.
fn string_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut from = 1;
    while let Some(found) = bytes
        .get(from..)
        .and_then(|rest| memchr::memchr2(b'"', b'\\', rest))
    {
        let at = from + found;
        if bytes.get(at) == Some(&b'"') {
            return at + 1;
        }
        from = at + 2;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_go_and_everything_else_stays() {
        let text = " {\n  \"a b\": [ 1.0e2, \"x \\\" , \\\\\" ,true ],\t\"\":{ }\r\n} \n";
        assert_eq!(
            compact(text).unwrap(),
            r#"{"a b":[1.0e2,"x \" , \\",true],"":{}}"#
        );
        assert!(
            compact("{\"a\":1} x")
                .unwrap_err()
                .starts_with("not JSON: ")
        );
    }

    proptest::proptest! {
        #[test]
        fn a_compact_text_is_the_same_value(text in "[\\[\\]{}\",:0-9a \\\\\n]{0,40}") {
            if let Ok(value) = serde_json::from_str::<serde_json::Value>(&text) {
                let compact = compact(&text).unwrap();
                proptest::prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&compact).unwrap(), value);
            }
        }
    }
}
