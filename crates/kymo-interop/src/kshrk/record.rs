//! A record: one answer of the API server, or one event of a watch.

use std::io;

use kymo_model::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::input::Text;
use crate::json::{Value, read_value, skip_blank, take};

/// What a record says in front of its `response_body`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Envelope {
    /// `captured_at`.
    pub(super) captured_at: Option<Timestamp>,
    /// `api_path`.
    pub(super) api_path: String,
    /// `event_type`; empty in an answer to a list.
    pub(super) event_type: String,
    /// `response_code`; 200 where it is not told.
    pub(super) code: u16,
}

/// Members in front of the response are short; a longer one is not of a record.
const LONGEST_MEMBER: usize = 64 * 1024;

/// Reads a record up to the first byte of its response; the reason if it is none.
///
/// The response comes last, as in the structure that k8shark writes.
pub(super) fn open_record(
    text: &mut Text<'_>,
    buffer: &mut Vec<u8>,
) -> io::Result<Result<Envelope, &'static str>> {
    let mut envelope = Envelope {
        code: 200,
        ..Envelope::default()
    };
    if skip_blank(text)? != Some(b'{') {
        return Ok(Err("not a record"));
    }
    take(text);
    loop {
        match skip_blank(text)? {
            Some(b'"') => {}
            Some(b'}') => return Ok(Err("a record without a response")),
            None => return Ok(Err("the record ends early")),
            Some(_) => return Ok(Err("not a record")),
        }
        let Value::Whole = read_value(text, buffer, LONGEST_MEMBER)? else {
            return Ok(Err("the record ends early"));
        };
        let name: String = parsed(buffer);
        if skip_blank(text)? != Some(b':') {
            return Ok(Err("not a record"));
        }
        take(text);
        if name == "response_body" {
            return Ok(match skip_blank(text)? {
                Some(_) => Ok(envelope),
                None => Err("the record ends early"),
            });
        }
        if skip_blank(text)?.is_none() {
            return Ok(Err("the record ends early"));
        }
        match read_value(text, buffer, LONGEST_MEMBER)? {
            Value::Whole => {}
            Value::TooLong => return Ok(Err("a member of the record is too long")),
            Value::Cut => return Ok(Err("the record ends early")),
        }
        match name.as_str() {
            "captured_at" => envelope.captured_at = parsed::<String>(buffer).parse().ok(),
            "api_path" => envelope.api_path = parsed(buffer),
            "event_type" => envelope.event_type = parsed(buffer),
            "response_code" => envelope.code = parsed(buffer),
            _ => {}
        }
    }
}

/// Parses a member; what is of another type stands for nothing.
fn parsed<T: DeserializeOwned + Default>(bytes: &[u8]) -> T {
    serde_json::from_slice(bytes).unwrap_or_default()
}

/// The answer of a group version: what it serves.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Served {
    /// Its resources and subresources.
    pub(super) resources: Vec<ServedResource>,
}

/// A resource as discovery tells of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ServedResource {
    /// The plural, with a subresource such as `pods/log`.
    pub(super) name: String,
    /// The kind.
    pub(super) kind: String,
    /// Whether it lives in namespaces.
    pub(super) namespaced: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(input: &str) -> (Result<Envelope, &'static str>, String) {
        let reader = io::BufReader::with_capacity(1, io::Cursor::new(input.as_bytes().to_vec()));
        let mut text = Text::new(Box::new(reader));
        let envelope = open_record(&mut text, &mut Vec::new()).unwrap();
        let mut rest = String::new();
        io::Read::read_to_string(&mut text, &mut rest).unwrap();
        (envelope, rest)
    }

    #[test]
    fn a_record_is_read_up_to_its_response() {
        let (envelope, rest) = open(
            r#" {"id":"x","captured_at":"2026-04-09T10:00:00.5Z","api_path":"/api/v1/pods","event_type":"ADDED","http_method":"GET","query_params":{"a":"}"},"response_code":403,"response_body": {"kind":"Status"}}"#,
        );
        let envelope = envelope.unwrap();
        assert_eq!(
            envelope.captured_at.unwrap().to_string(),
            "2026-04-09T10:00:00.500000000Z"
        );
        assert_eq!(
            (envelope.api_path.as_str(), envelope.event_type.as_str()),
            ("/api/v1/pods", "ADDED")
        );
        assert_eq!(envelope.code, 403);
        assert_eq!(rest, r#"{"kind":"Status"}}"#);
    }

    #[test]
    fn what_is_no_record_is_told() {
        let long = format!(r#"{{"id":"{}","response_body":1}}"#, "x".repeat(70_000));
        for (input, reason) in [
            ("", "not a record"),
            ("[1]", "not a record"),
            ("{7:1}", "not a record"),
            (r#"{"id" 1}"#, "not a record"),
            (r#"{"id":"x"}"#, "without a response"),
            (r#"{"id":"x","#, "ends early"),
            (r#"{"id":"#, "ends early"),
            (r#"{"response_body":"#, "ends early"),
            (long.as_str(), "too long"),
        ] {
            let (envelope, _) = open(input);
            assert!(envelope.unwrap_err().contains(reason), "{input:.40}");
        }
    }
}
