//! Raw watch streams.
//!
//! What is read: one JSON value after the other, a line each or pretty-printed, of these forms:
//!
//! | form | written by |
//! |---|---|
//! | `{"recv": TIME, "event": {"type": …, "object": …}}` | recorders that note the receive time |
//! | `{"recv": TIME, "list": {"kind": "PodList", "items": […]}}` | the list before a watch |
//! | `{"type": …, "object": …}` | `kubectl get RES --watch --output-watch-events -o json`, `kubectl get --raw '…?watch=1'`, curl |
//! | `{"kind": "Pod", …}`, one after the other | `kubectl get RES --watch -o json` |
//! | `{"kind": "PodList", "items": […]}` | `kubectl get RES -o json` |
//! | `{"captured_at": …, "api_path": …}` | `kshrk capture --out -` |
//!
//! The second to the fourth of these also come as YAML documents (`-o yaml`).
//!
//! A name such as `apps_v1_deployments.ndjson` tells the resource; else kind and apiVersion of the
//! objects do.
//!
//! Objects at the beginning of a stream without times are taken as listed as long as only ADDED
//! comes: the initial list comes so. Objects without the type of an event are listed when they
//! are first seen and modified when they are seen again; that one is deleted does not show.

mod meaning;
mod stream;
mod yaml;

use crate::import::{Context, ReadItems};
use crate::input::{Entry, Sample};
use crate::{Error, kshrk};
use stream::StreamReader;
use yaml::YamlReader;

/// Says why an entry of a folder or archive is not taken.
pub(crate) fn why_skipped(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    if name.starts_with(['_', '.']) {
        return Some("its name begins with `_` or `.`");
    }
    let known = [".ndjson", ".jsonl", ".json", ".yaml", ".yml"];
    let is_known = known.iter().any(|suffix| name.ends_with(suffix));
    (!is_known).then_some("not .ndjson, .jsonl, .json or .yaml")
}

/// Tells whether an entry begins with a watch event, wrapped or not, or a wrapped list.
///
/// Bare objects are not known from their beginning: a dump has them too.
pub(crate) fn detect(sample: &Sample<'_>) -> bool {
    let start = sample.start.trim_ascii_start();
    let yaml = start.strip_prefix(b"---").unwrap_or(start);
    if let Some(object) = yaml.trim_ascii_start().strip_prefix(b"object:") {
        return object.trim_ascii_start().starts_with(b"apiVersion:");
    }
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
    let mut readers = Vec::with_capacity(entries.len());
    for entry in entries {
        readers.push(reader(&entry, context)?);
    }
    Ok(readers)
}

fn reader(entry: &Entry, context: &Context) -> Result<Box<dyn ReadItems>, Error> {
    let (name, stem) = (entry.name.as_str(), entry.stem());
    let (policy, limit) = (context.policy, context.limits.value_bytes);
    let mut text = entry.open(&context.budget)?;
    // No more is looked at than what is there: the stream may be just being written.
    let start = text.look();
    if kshrk::is_record(start) {
        return Ok(kshrk::stream(name, text, context));
    }
    Ok(if is_yaml(start) {
        Box::new(YamlReader::new(name, stem, text, policy, limit))
    } else {
        Box::new(StreamReader::new(name, stem, text, policy, limit))
    })
}

/// Tells whether a text begins with a marker, a comment or a member of YAML.
fn is_yaml(start: &[u8]) -> bool {
    let line = start.trim_ascii_start();
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if line.starts_with(b"---") || line.starts_with(b"#") {
        return true;
    }
    let name = line.iter().take_while(|byte| byte.is_ascii_alphabetic());
    let (name, rest) = line.split_at(name.count());
    !name.is_empty() && matches!(rest.trim_ascii_end(), [b':'] | [b':', b' ', ..])
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
    fn yaml_is_known_by_its_first_line() {
        for start in [
            "object:\r\n  a: 1",
            "\napiVersion: v1\n",
            "---\nkind: Pod",
            "# made",
        ] {
            assert!(is_yaml(start.as_bytes()), "{start}");
        }
        for start in [
            "",
            "{\"a\": 1}",
            "hello\n",
            "Error from server: x: y",
            "[]",
            ": a",
        ] {
            assert!(!is_yaml(start.as_bytes()), "{start}");
        }
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
        assert!(is_watch("object:\n  apiVersion: v1\n  kind: Pod\n"));
        assert!(is_watch("---\nobject:\n  apiVersion: v1\n"));
        assert!(!is_watch("object:\n- a\n"));
        assert!(!is_watch(r#"{"kind":"PodList","apiVersion":"v1"}"#));
        assert!(!is_watch(r#"{"type":"Normal","object":"#));
        assert!(!is_watch("kind: Pod"));
    }
}
