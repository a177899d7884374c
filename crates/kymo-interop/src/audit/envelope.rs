//! Finds the events in a value, whatever they are wrapped in.
//!
//! | wrapper | written by |
//! |---|---|
//! | none | kube-apiserver, `--audit-log-path` |
//! | `{"kind":"EventList","items":[…]}` | kube-apiserver, `--audit-webhook-config-file` |
//! | `{"protoPayload":{…}}` | GKE, Cloud Logging |
//! | `{"properties":{"log":"…"}}`, also in `{"records":[…]}` | AKS, diagnostic settings |
//! | `{"message":"…"}`, also in `{"logEvents":[…]}` and `{"events":[…]}` | EKS, CloudWatch |
//! | `{"log":"…"}`, `{"line":"…"}`, `{"_source":{…}}` and such | shippers |

use serde::Deserialize;
use serde_json::value::RawValue;

use super::call::Call;
use super::event::{Event, NoEvent, Text};
use super::google::LogEntry;

/// Wrappers in wrappers, arrays and strings among them: a batch of records of AKS needs six.
const DEPTH: u8 = 9;

/// The members in which an event, or a list of them, may be.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Envelope<'a> {
    #[serde(borrow)]
    proto_payload: Option<&'a RawValue>,
    #[serde(borrow)]
    items: Option<&'a RawValue>,
    #[serde(borrow)]
    records: Option<&'a RawValue>,
    #[serde(borrow)]
    log_events: Option<&'a RawValue>,
    #[serde(borrow)]
    events: Option<&'a RawValue>,
    #[serde(borrow)]
    properties: Option<&'a RawValue>,
    #[serde(borrow, rename = "log_processed")]
    log_processed: Option<&'a RawValue>,
    #[serde(borrow)]
    log: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow, rename = "@message")]
    at_message: Option<&'a RawValue>,
    #[serde(borrow, rename = "_source")]
    source: Option<&'a RawValue>,
    #[serde(borrow)]
    json_payload: Option<&'a RawValue>,
    #[serde(borrow)]
    text_payload: Option<&'a RawValue>,
    #[serde(borrow)]
    line: Option<&'a RawValue>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    fn contents(&self) -> impl Iterator<Item = &'a str> {
        [
            self.items,
            self.records,
            self.log_events,
            self.events,
            self.properties,
            self.log_processed,
            self.log,
            self.message,
            self.at_message,
            self.source,
            self.json_payload,
            self.text_payload,
            self.line,
            self.event,
            self.data,
        ]
        .into_iter()
        .flatten()
        .map(RawValue::get)
        .filter(|text| text.starts_with(['{', '[', '"']))
    }
}

/// What was found in a value.
#[derive(Debug)]
pub(super) enum Found<'a> {
    /// An event.
    Call(Box<Call<'a>>),
    /// Something that is an event and cannot be read, or is nothing that is known.
    Broken(String),
    /// A line of another log in a wrapper that is known.
    Other,
}

/// Calls `take` for everything that is found in a value, once at least.
pub(super) fn for_each_call(text: &str, take: &mut dyn FnMut(Found<'_>)) {
    let mut is_found = false;
    let is_wrapper = unwrap(text, DEPTH, &mut |found| {
        is_found = true;
        take(found);
    });
    if !is_found {
        take(if is_wrapper {
            Found::Other
        } else {
            Found::Broken("no audit event".to_owned())
        });
    }
}

/// Looks into a value; tells whether it is a wrapper with something in it.
fn unwrap(text: &str, depth: u8, take: &mut dyn FnMut(Found<'_>)) -> bool {
    if depth == 0 {
        return false;
    }
    match text.as_bytes().first() {
        Some(b'[') => {
            let Ok(values) = serde_json::from_str::<Vec<&RawValue>>(text) else {
                return false;
            };
            for value in &values {
                unwrap(value.get(), depth - 1, take);
            }
            !values.is_empty()
        }
        Some(b'"') => {
            let Ok(Text(inside)) = serde_json::from_str::<Text<'_>>(text) else {
                return false;
            };
            let inside = inside.trim();
            if inside.starts_with(['{', '[']) {
                unwrap(inside, depth - 1, take);
            }
            true
        }
        Some(b'{') => unwrap_object(text, depth, take),
        _ => false,
    }
}

fn unwrap_object(text: &str, depth: u8, take: &mut dyn FnMut(Found<'_>)) -> bool {
    match serde_json::from_str::<Event<'_>>(text).map(Event::into_call) {
        Ok(Ok(call)) => {
            take(Found::Call(Box::new(call)));
            return true;
        }
        Ok(Err(NoEvent::Broken(reason))) => {
            take(Found::Broken(reason));
            return true;
        }
        Ok(Err(NoEvent::Other)) => {}
        // A wrapper may have members of the same names and other types.
        Err(error) if error.is_data() => {}
        Err(error) => {
            take(Found::Broken(format!("not JSON: {error}")));
            return true;
        }
    }
    let Ok(envelope) = serde_json::from_str::<Envelope<'_>>(text) else {
        return false;
    };
    if envelope.proto_payload.is_some() {
        match serde_json::from_str::<LogEntry<'_>>(text).map(LogEntry::into_call) {
            Ok(Ok(call)) => take(Found::Call(Box::new(call))),
            Ok(Err(NoEvent::Broken(reason))) => take(Found::Broken(reason)),
            Ok(Err(NoEvent::Other)) => {}
            Err(error) => {
                take(Found::Broken(format!(
                    "not an entry of Cloud Logging: {error}"
                )));
            }
        }
        return true;
    }
    let mut is_wrapper = false;
    for content in envelope.contents() {
        is_wrapper |= unwrap(content, depth - 1, take);
    }
    is_wrapper
}

/// Finds the event in a line that is not JSON as a whole: exports put a time in front of it.
pub(super) fn behind_prefix(line: &str) -> Option<&str> {
    const LONGEST_PREFIX: usize = 256;
    let at = line.find('{').filter(|at| *at <= LONGEST_PREFIX)?;
    line.get(at..).map(str::trim_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"i","stage":"ResponseComplete","verb":"get","stageTimestamp":"2026-11-21T07:00:00Z"}"#;

    fn found(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        for_each_call(text, &mut |value| {
            found.push(match value {
                Found::Call(call) => call.id.into_owned(),
                Found::Broken(reason) => reason,
                Found::Other => "other".to_owned(),
            });
        });
        found
    }

    fn quoted(text: &str) -> String {
        serde_json::Value::from(text).to_string()
    }

    #[test]
    fn events_are_found_in_every_wrapper() {
        let item = EVENT.replace(r#""kind":"Event","apiVersion":"audit.k8s.io/v1","#, "");
        let azure = format!(
            r#"{{"time":"t","category":"kube-audit","properties":{{"log":{},"stream":"stdout","pod":"p"}}}}"#,
            quoted(EVENT)
        );
        let message = format!(
            r#"{{"id":"1","timestamp":1763708400000,"message":{}}}"#,
            quoted(EVENT)
        );
        for text in [
            EVENT.to_owned(),
            format!(
                r#"{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{{}},"items":[{item}]}}"#
            ),
            azure.clone(),
            format!(r#"{{"records":[{azure}]}}"#),
            format!(r#"{{"messageType":"DATA_MESSAGE","logGroup":"g","logEvents":[{message}]}}"#),
            format!(r#"{{"events":[{message}],"searchedLogStreams":[]}}"#),
            format!(
                r#"{{"log":{},"stream":"stdout","time":"t"}}"#,
                quoted(&format!("{EVENT}\n"))
            ),
            format!(r#"{{"_index":"k8s","_source":{EVENT}}}"#),
            format!("[{EVENT}]"),
        ] {
            assert_eq!(found(&text), ["i"], "{text}");
        }
    }

    #[test]
    fn a_wrapper_that_holds_no_event_and_a_broken_one_are_told() {
        for text in [
            r#"{"kind": 0}"#,
            "{}",
            r#"{"items":[]}"#,
            r#"{"kind":"Pod"}"#,
        ] {
            assert_eq!(found(text), ["no audit event"], "{text}");
        }
        for text in [
            r#"{"category":"kube-apiserver","properties":{"log":"I1121 starting"}}"#,
            r#"{"protoPayload":{"serviceName":"container.googleapis.com"}}"#,
        ] {
            assert_eq!(found(text), ["other"], "{text}");
        }
        assert!(found(r#"{"kind":"Event","#)[0].starts_with("not JSON: "));
        let newer = EVENT.replace("io/v1", "io/v2");
        let told = found(&format!(r#"{{"items":[{EVENT},{newer},{EVENT}]}}"#));
        assert_eq!(
            told,
            ["i", "an audit event of version audit.k8s.io/v2", "i"]
        );
    }

    #[test]
    fn wrappers_in_wrappers_end() {
        let mut text = EVENT.to_owned();
        for _ in 0..20 {
            text = format!(r#"{{"log":{text}}}"#);
        }
        assert_eq!(found(&text), ["no audit event"]);
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(found(&deep), ["other"]);
    }

    #[test]
    fn a_time_in_front_of_an_event_is_passed_over() {
        let line = format!("2026-11-21T07:00:00.000Z {EVENT}\n");
        assert_eq!(behind_prefix(&line), Some(EVENT));
        assert_eq!(behind_prefix("starting up\n"), None);
    }
}
