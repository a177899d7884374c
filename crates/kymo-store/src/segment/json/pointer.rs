//! JSON Pointers (RFC 6901).

use std::borrow::Cow;

/// Splits a pointer into segments, escapes undone; `None` if it is no pointer.
pub(crate) fn segments(pointer: &str) -> Option<impl Iterator<Item = Cow<'_, str>> + Clone> {
    if !pointer.is_empty() && !pointer.starts_with('/') {
        return None;
    }
    Some(pointer.split('/').skip(1).map(unescape))
}

fn unescape(segment: &str) -> Cow<'_, str> {
    if segment.contains('~') {
        Cow::Owned(segment.replace("~1", "/").replace("~0", "~"))
    } else {
        Cow::Borrowed(segment)
    }
}

/// Appends `/segment` with escapes.
pub(crate) fn push_segment(pointer: &mut String, segment: &str) {
    pointer.push('/');
    if segment.bytes().any(|byte| matches!(byte, b'~' | b'/')) {
        for char in segment.chars() {
            match char {
                '~' => pointer.push_str("~0"),
                '/' => pointer.push_str("~1"),
                other => pointer.push(other),
            }
        }
    } else {
        pointer.push_str(segment);
    }
}

/// Appends `/segment` for a member name as it stands in a document, with quotes.
pub(super) fn push_key(pointer: &mut String, token: &[u8]) {
    let inner = token
        .get(1..token.len().saturating_sub(1))
        .and_then(|inner| std::str::from_utf8(inner).ok())
        .unwrap_or_default();
    if inner.contains('\\') {
        let name: String = serde_json::from_slice(token).unwrap_or_default();
        push_segment(pointer, &name);
    } else {
        push_segment(pointer, inner);
    }
}

/// Returns a string as JSON, escaped as `serde_json` does; member names in documents are so.
pub(crate) fn quoted(name: &str) -> String {
    if needs_escapes(name) {
        serde_json::Value::from(name).to_string()
    } else {
        format!("\"{name}\"")
    }
}

/// Tells whether a string differs from its text in JSON.
pub(super) fn needs_escapes(name: &str) -> bool {
    name.bytes()
        .any(|byte| byte < 0x20 || matches!(byte, b'"' | b'\\'))
}

/// Reads an array index: digits without a leading zero.
pub(super) fn index(segment: &str) -> Option<usize> {
    if segment.len() > 1 && segment.starts_with('0') {
        return None;
    }
    if segment.is_empty() || !segment.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    segment.parse().ok()
}

/// Tells whether `pointer` is `parent` or below it.
pub(crate) fn is_under(pointer: &str, parent: &str) -> bool {
    pointer
        .strip_prefix(parent)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_rfc_6901_are_written_and_read() {
        let mut pointer = String::new();
        push_segment(&mut pointer, "a/b~1");
        push_key(&mut pointer, br#""k:{\"type\":\"x\"}""#);
        assert_eq!(pointer, r#"/a~1b~01/k:{"type":"x"}"#);
        let read: Vec<_> = segments(&pointer).unwrap().collect();
        assert_eq!(read, ["a/b~1", r#"k:{"type":"x"}"#]);
        assert!(segments("a").is_none());
        assert_eq!(segments("").unwrap().count(), 0);
    }

    #[test]
    fn an_index_has_no_leading_zero_and_no_sign() {
        assert_eq!(index("0"), Some(0));
        assert_eq!(index("10"), Some(10));
        for bad in ["", "01", "-", "-1", "+1", "1a", "99999999999999999999999"] {
            assert_eq!(index(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_sibling_with_the_same_beginning_is_not_below() {
        assert!(is_under("/a/b", "/a"));
        assert!(is_under("/a", "/a"));
        assert!(!is_under("/ab", "/a"));
        assert!(is_under("/a", ""));
    }
}
