//! Raw watch streams.
//!
//! What is read: one JSON value after the other, a line each or pretty-printed, of these forms:
//!
//! | form | written by |
//! |---|---|
//! | `{"recv": TIME, "event": {"type": …, "object": …}}` | recorders that note the receive time |
//! | `{"recv": TIME, "list": {"kind": "PodList", "items": […]}}` | the list before a watch |
//! | `{"type": …, "object": …}` | `kubectl get RES --watch --output-watch-events -o json` |
//! | `{"kind": "PodList", "items": […]}` | `kubectl get RES -o json` |
//!
//! A name such as `apps_v1_deployments.ndjson` tells the resource; else kind and apiVersion of the
//! objects do.
//!
//! Objects at the beginning of a stream without times are taken as listed as long as only ADDED
//! comes: kubectl prints the initial list so.

mod stream;

use crate::Error;
use crate::import::{Context, ReadItems};
use crate::input::{Entry, Sample};
use stream::StreamReader;

/// Says why an entry of a folder or archive is not taken.
pub(crate) fn why_skipped(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    if name.starts_with(['_', '.']) {
        return Some("its name begins with `_` or `.`");
    }
    let known = [".ndjson", ".jsonl", ".json"];
    (!known.iter().any(|suffix| name.ends_with(suffix))).then_some("not .ndjson, .jsonl or .json")
}

/// Tells whether an entry begins with a watch event, wrapped or not, or a wrapped list.
pub(crate) fn detect(sample: &Sample<'_>) -> bool {
    let start = sample.start.trim_ascii_start();
    let Some(inside) = start.strip_prefix(b"{") else {
        return false;
    };
    let head = inside.get(..inside.len().min(256)).unwrap_or_default();
    let head = String::from_utf8_lossy(head);
    let head: String = head.split_ascii_whitespace().collect();
    head.starts_with("\"recv\":")
        || (head.starts_with("\"event\":") && head.contains("\"object\":"))
        || ["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]
            .iter()
            .any(|word| head.starts_with(&format!("\"type\":\"{word}\"")))
        || head.starts_with("\"object\":{")
}

/// Makes a reader of each entry.
pub(crate) fn open(
    entries: Vec<Entry>,
    context: &Context,
) -> Result<Vec<Box<dyn ReadItems>>, Error> {
    let mut readers: Vec<Box<dyn ReadItems>> = Vec::with_capacity(entries.len());
    for entry in entries {
        readers.push(Box::new(StreamReader::new(
            &entry.name,
            &entry.stem(),
            entry.open(&context.budget)?,
            context.policy,
            context.limits.value_bytes,
        )));
    }
    Ok(readers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_of_the_recorder_are_left_alone() {
        assert_eq!(why_skipped("a/core_v1_pods.ndjson"), None);
        assert!(why_skipped("a/_recorder.ndjson").is_some());
        assert!(why_skipped("README.md").is_some());
    }

    #[test]
    fn a_stream_is_known_by_its_beginning() {
        let is_watch = |start: &str| {
            detect(&Sample {
                path: "x",
                start: start.as_bytes(),
            })
        };
        assert!(is_watch(
            r#"{"recv":"2026-11-21T02:07:16.5Z","event":{"type":"#
        ));
        assert!(is_watch("{\n  \"type\": \"ADDED\",\n  \"object\": {"));
        assert!(is_watch(r#"{"object":{"kind":"Pod"},"type":"ADDED"}"#));
        assert!(!is_watch(r#"{"kind":"PodList","apiVersion":"v1"}"#));
        assert!(!is_watch(r#"{"type":"Normal","object":"#));
        assert!(!is_watch("kind: Pod"));
    }
}
