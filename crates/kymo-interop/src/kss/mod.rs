//! Files of the kube-scheduler-simulator: records and snapshots.
//!
//! | file | becomes |
//! |---|---|
//! | a line `{"time": …, "event": "Add", "resource": {…}}` | the event; `Update` is MODIFIED |
//! | a snapshot `{"pods": […], "nodes": […], …}`, what `/api/v1/export` answers | listed objects at the time of the file |
//!
//! The recorder is an informer that writes down what it is told. What that hides is in
//! [`relist`].

mod record;
mod relist;
mod snapshot;

use crate::Error;
use crate::import::{Context, ReadItems};
use crate::input::{Entry, Sample};
use record::RecordReader;
use snapshot::SnapshotReader;

/// Says why an entry of a folder or archive is not taken.
pub(crate) fn why_skipped(path: &str) -> Option<&'static str> {
    let known = [".json", ".jsonl", ".ndjson"];
    let is_known = known.iter().any(|suffix| path.ends_with(suffix));
    (!is_known).then_some("not .jsonl, .ndjson or .json")
}

/// Tells whether an entry begins with a record or is a snapshot.
pub(crate) fn detect(sample: &Sample<'_>) -> bool {
    let head = compact(sample.start);
    is_snapshot(&head)
        || (head.starts_with("{\"time\":\"")
            && head.contains("\"resource\":{")
            && ["Add", "Update", "Delete"]
                .iter()
                .any(|word| head.contains(&format!("\"event\":\"{word}\""))))
}

/// Takes the blanks out of the beginning.
fn compact(start: &[u8]) -> String {
    let head = start.get(..start.len().min(512)).unwrap_or_default();
    let head = String::from_utf8_lossy(head);
    head.split_ascii_whitespace().collect()
}

fn is_snapshot(head: &str) -> bool {
    snapshot::MEMBERS.iter().any(|(name, ..)| {
        ["[", "null"]
            .iter()
            .any(|value| head.starts_with(&format!("{{\"{name}\":{value}")))
    })
}

/// Makes a reader of each entry.
pub(crate) fn open(
    entries: Vec<Entry>,
    context: &Context,
) -> Result<Vec<Box<dyn ReadItems>>, Error> {
    let mut readers: Vec<Box<dyn ReadItems>> = Vec::with_capacity(entries.len());
    for entry in entries {
        let start = entry.start(&context.budget)?;
        readers.push(if is_snapshot(&compact(&start)) {
            Box::new(SnapshotReader::open(&entry, context)?)
        } else {
            Box::new(RecordReader::open(&entry, context)?)
        });
    }
    Ok(readers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_and_snapshots_are_known_by_their_beginning() {
        let is_kss = |start: &str| {
            detect(&Sample {
                path: "x",
                start: start.as_bytes(),
            })
        };
        assert!(is_kss(
            r#"{"time":"2024-05-01T10:00:00Z","event":"Add","resource":{"apiVersion":"v1""#
        ));
        assert!(is_kss("{\n  \"pods\": [\n    {\n      \"metadata\": {"));
        assert!(is_kss(r#"{"pods":null,"nodes":[]}"#));
        assert!(!is_kss(r#"{"time":"x","event":"added","resource":{}}"#));
        assert!(!is_kss(r#"{"kind":"PodList","items":[]}"#));
        assert!(!is_kss(r#"{"pods":3}"#));
    }
}
