//! A quick look at a line, so that requests that change nothing need not be parsed.

use memchr::{memchr2, memmem};

/// The beginning of every line that the API server itself writes.
const START: &[u8] = b"{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/";
/// What would begin a second event in the same line.
const VERSION: &[u8] = b"\"apiVersion\":\"audit.k8s.io/";

/// The verbs that read.
pub(super) const READS: [&str; 3] = ["get", "list", "watch"];

/// Tells which reading verb a line as the API server writes it has; `None` for every other line,
/// which has to be parsed.
pub(super) fn read_verb(line: &[u8]) -> Option<&'static str> {
    if !line.starts_with(START) || line.last() != Some(&b'}') {
        return None;
    }
    let mut rest = behind_string(line.get(START.len()..)?)?;
    for name in ["level", "auditID", "stage", "requestURI"] {
        rest = behind_string(member(rest, name)?)?;
    }
    let verb = member(rest, "verb")?;
    let end = memchr2(b'"', b'\\', verb)?;
    let verb = verb.get(..end)?;
    let read = READS.into_iter().find(|read| read.as_bytes() == verb)?;
    // A line that was cut and joined with the next one is not taken for a single event.
    let is_joined = memmem::find(line.get(START.len()..)?, VERSION).is_some();
    (!is_joined).then_some(read)
}

/// Returns what follows the opening quote of a member's value.
fn member<'a>(rest: &'a [u8], name: &str) -> Option<&'a [u8]> {
    rest.strip_prefix(b",\"")?
        .strip_prefix(name.as_bytes())?
        .strip_prefix(b"\":\"")
}

/// Returns what follows the closing quote of a string.
fn behind_string(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let at = memchr2(b'"', b'\\', rest)?;
        match rest.get(at)? {
            b'"' => return rest.get(at + 1..),
            _ => rest = rest.get(at + 2..)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const LINE: &str = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"i","stage":"ResponseComplete","requestURI":"/api/v1/pods?a=\"b\u0026c","verb":"list","user":{}}"#;

    #[test]
    fn reads_are_seen_without_parsing() {
        assert_eq!(read_verb(LINE.as_bytes()), Some("list"));
        let other = LINE.replace("\"list\"", "\"get\"");
        assert_eq!(read_verb(other.as_bytes()), Some("get"));
    }

    #[rstest]
    #[case(LINE.replace("\"list\"", "\"delete\""))]
    #[case(LINE.replace("\"list\"", "\"listing\""))]
    #[case(LINE.replace("\"level\"", "\"metadata\":{},\"level\""))]
    #[case(LINE.replace("\"kind\":\"Event\",", ""))]
    #[case(format!("{LINE}{LINE}"))]
    #[case(format!("{}{LINE}", &LINE[..90]))]
    #[case(LINE[..LINE.len() - 2].to_owned())]
    #[case(LINE.replace(r"\u0026c", r"\"))]
    #[case(String::new())]
    fn every_other_line_has_to_be_parsed(#[case] line: String) {
        assert_eq!(read_verb(line.as_bytes()), None);
    }
}
