use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::object::BLANKS;
use crate::{EventType, HeadError, ObjectHead, ObjectText, Rv};

/// Why a line is not a watch event.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LineError {
    /// It is not UTF-8.
    #[error("not UTF-8 after byte {valid}")]
    Utf8 {
        /// How many bytes are good.
        valid: usize,
    },
    /// It is not one JSON object with `type` and `object`.
    #[error("not a watch event: {source}")]
    Json {
        /// What the parser found, and where.
        #[from]
        source: serde_json::Error,
    },
    /// Its `type` is none that the API knows.
    #[error("unknown type `{event_type}` of a watch event")]
    UnknownType {
        /// The type.
        event_type: String,
    },
    /// Its object has no usable metadata.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// Its object has no resourceVersion.
    #[error("the object of a {event_type} event has no resourceVersion")]
    NoVersion {
        /// The type.
        event_type: String,
    },
}

/// One line of a watch stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchLine<'a> {
    /// ADDED, MODIFIED or DELETED.
    Event {
        /// Which.
        event_type: EventType,
        /// The object with its version.
        object: ObjectText<'a>,
    },
    /// BOOKMARK: everything up to `rv` was sent.
    Bookmark {
        /// The version.
        rv: Rv,
        /// Whether it ends the initial events of a streamed list.
        ends_initial_events: bool,
    },
    /// ERROR, with the server's status.
    Error(WatchStatus),
}

/// The `Status` that an API server sends when something is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchStatus {
    /// The HTTP code, such as 410.
    pub code: u16,
    /// The reason, such as `Expired`.
    pub reason: String,
    /// The message for people.
    pub message: String,
    /// How long the server asks to wait.
    pub retry_after: Option<Duration>,
}

impl WatchStatus {
    /// Reads a `Status` object; `None` if the text is something else (a proxy's HTML page).
    pub fn parse(text: &[u8]) -> Option<Self> {
        let status: Status = serde_json::from_slice(text).ok()?;
        (status.kind == "Status").then(|| Self {
            code: status.code.unwrap_or(0),
            reason: status.reason.unwrap_or_default(),
            message: status.message.unwrap_or_default(),
            retry_after: status
                .details
                .and_then(|details| details.retry_after_seconds)
                .filter(|seconds| *seconds > 0)
                .map(Duration::from_secs),
        })
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    kind: String,
    code: Option<u16>,
    reason: Option<String>,
    message: Option<String>,
    details: Option<Details>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    retry_after_seconds: Option<u64>,
}

impl<'a> WatchLine<'a> {
    /// Reads one line. The object is checked to be JSON but not parsed beyond its metadata, so
    /// nothing in it is rounded or reordered and its nesting does not matter.
    pub fn parse(line: &'a [u8]) -> Result<Self, LineError> {
        let text = std::str::from_utf8(line).map_err(|error| LineError::Utf8 {
            valid: error.valid_up_to(),
        })?;
        if let Some((event_type, object)) = usual_event(text) {
            return Ok(Self::Event { event_type, object });
        }
        let envelope: Envelope<'a> = serde_json::from_str(text)?;
        let event_type = match envelope.r#type.as_ref() {
            "ADDED" => EventType::Added,
            "MODIFIED" => EventType::Modified,
            "DELETED" => EventType::Deleted,
            "BOOKMARK" => {
                let head = ObjectText::from_raw(envelope.object.get())?.head;
                let rv = head.rv.ok_or_else(|| no_version("BOOKMARK"))?;
                let ends_initial_events = head.ends_initial_events;
                return Ok(Self::Bookmark {
                    rv,
                    ends_initial_events,
                });
            }
            "ERROR" => {
                let text = envelope.object.get();
                return Ok(Self::Error(
                    WatchStatus::parse(text.as_bytes()).unwrap_or_else(|| WatchStatus {
                        message: text.to_owned(),
                        ..WatchStatus::default()
                    }),
                ));
            }
            other => {
                return Err(LineError::UnknownType {
                    event_type: other.to_owned(),
                });
            }
        };
        let object = ObjectText::from_raw(envelope.object.get())?;
        if object.head.rv.is_none() {
            return Err(no_version(event_type.as_str()));
        }
        Ok(Self::Event { event_type, object })
    }
}

/// Reads an event as the API server writes it, in one pass; `None` for every other line, and for
/// one in which something is wrong.
fn usual_event(text: &str) -> Option<(EventType, ObjectText<'_>)> {
    let rest = text.strip_prefix("{\"type\":\"")?;
    let (word, rest) = rest.split_once('"')?;
    let event_type = match word {
        "ADDED" => EventType::Added,
        "MODIFIED" => EventType::Modified,
        "DELETED" => EventType::Deleted,
        _ => return None,
    };
    let rest = rest.strip_prefix(",\"object\":")?;
    let text = rest.trim_end_matches(BLANKS).strip_suffix('}')?;
    let text = text.trim_matches(BLANKS);
    let head = ObjectHead::parse_whole(text).ok()?;
    head.rv
        .is_some()
        .then_some((event_type, ObjectText { head, text }))
}

fn no_version(event_type: &str) -> LineError {
    LineError::NoVersion {
        event_type: event_type.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_keeps_the_text_of_its_object() {
        let line = br#"{"type":"MODIFIED","object":{"kind":"A","apiVersion":"v1","metadata":{"name":"n","resourceVersion":"5"},"n":1.0e2, "z":0}}"#;
        let WatchLine::Event { event_type, object } = WatchLine::parse(line).unwrap() else {
            panic!("no event");
        };
        assert_eq!(event_type, EventType::Modified);
        assert!(
            object.text.ends_with(r#""n":1.0e2, "z":0}"#),
            "{}",
            object.text
        );
    }

    #[test]
    fn a_line_reads_the_same_however_it_is_laid_out_and_is_checked_to_its_end() {
        let object =
            r#"{"kind":"A","apiVersion":"v1","metadata":{"resourceVersion":"5"},"n":[{}]}"#;
        let usual = format!("{{\"type\":\"ADDED\",\"object\":{object}}}\r\n");
        let blanks = format!("{{ \"type\":\"ADDED\" , \"object\": {object}\n }}");
        let swapped = format!("{{\"object\":{object},\"type\":\"ADDED\"}}");
        let more = format!("{{\"type\":\"ADDED\",\"object\":{object},\"more\":{{}}}}");
        for line in [&usual, &blanks, &swapped, &more] {
            let WatchLine::Event {
                event_type,
                object: read,
            } = WatchLine::parse(line.as_bytes()).unwrap()
            else {
                panic!("no event");
            };
            assert_eq!(
                (event_type, read.text),
                (EventType::Added, object),
                "{line}"
            );
        }
        for cut in 1..usual.trim_end().len() {
            assert!(WatchLine::parse(&usual.as_bytes()[..cut]).is_err(), "{cut}");
        }
        for broken in ["[{]", "[{},]", "[{}],", "[{}]}"] {
            let line = usual.replace("[{}]", broken);
            assert!(WatchLine::parse(line.as_bytes()).is_err(), "{line}");
        }
    }

    #[test]
    fn bookmarks_and_the_end_of_a_streamed_list_are_told_apart() {
        let bookmark = br#"{"type":"BOOKMARK","object":{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"9","creationTimestamp":null}}}"#;
        let end = br#"{"type":"BOOKMARK","object":{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"9","annotations":{"k8s.io/initial-events-end":"true"}}}}"#;
        for (line, ends_initial_events) in [(&bookmark[..], false), (&end[..], true)] {
            assert_eq!(
                WatchLine::parse(line).unwrap(),
                WatchLine::Bookmark {
                    rv: "9".into(),
                    ends_initial_events
                }
            );
        }
    }

    #[test]
    fn an_error_carries_the_status() {
        let line = br#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version: 5 (9)","reason":"Expired","code":410,"details":{"retryAfterSeconds":3}}}"#;
        assert_eq!(
            WatchLine::parse(line).unwrap(),
            WatchLine::Error(WatchStatus {
                code: 410,
                reason: "Expired".into(),
                message: "too old resource version: 5 (9)".into(),
                retry_after: Some(Duration::from_secs(3)),
            })
        );
    }

    #[test]
    fn what_is_no_watch_event_is_refused_with_the_reason() {
        for (line, expected) in [
            (
                &b"{\"type\":\"ADDED\",\"object\":{\"a\":\"\xff\"}}"[..],
                "not UTF-8 after byte 31",
            ),
            (b"{\"type\":\"ADDED\"", "not a watch event: EOF"),
            (b"404 page not found", "not a watch event:"),
            (
                b"{\"type\":\"RENAMED\",\"object\":{}}",
                "unknown type `RENAMED`",
            ),
            (b"{\"type\":\"ADDED\",\"object\":{}}", "no `metadata`"),
            (
                b"{\"type\":\"ADDED\",\"object\":{\"metadata\":{}}}",
                "has no resourceVersion",
            ),
            (
                b"{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{}}}",
                "has no resourceVersion",
            ),
        ] {
            let error = WatchLine::parse(line).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
