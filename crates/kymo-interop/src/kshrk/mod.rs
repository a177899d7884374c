//! Captures of k8shark: archives of the versions 1 and 2, and streams of records.
//!
//! An archive is a ZIP of zstd-compressed JSON: `metadata.json`, `index.json.zst`,
//! `watch-index.json.zst` and `records/<folder>/<number>.json.zst`, the folder being the first 16
//! hexadecimal digits of the SHA-256 of the path of the API. A stream has the same records, one a
//! line. A record is the answer to a list, with the path and the time, or one event of a watch.
//!
//! | record | becomes |
//! |---|---|
//! | the list of a resource | listed objects; versions and deletes between two lists |
//! | an event of a watch | the event, at its time |
//! | tables, documents of discovery and of `OpenAPI`, logs, failed answers | nothing; they are counted |
//!
//! Each path is a feed with the namespace that it lists. The address of the server is not taken
//! over.

mod api_path;
mod archive;
mod capture;
mod catalogue;
mod follow;
mod index;
mod record;
mod stream;

use std::collections::BTreeMap;
use std::collections::HashMap;

use crate::Error;
use crate::import::{Context, Opened, ReadItems};
use crate::input::{Entry, Sample, Text};
use archive::{ArchiveReader, Files};
use stream::StreamReader;

/// The folder in which an archive has everything.
const ROOT: &str = "k8shark-capture/";
/// How an archive begins that was encrypted as a whole.
const AGE: &[u8] = b"age-encryption.org/";

/// Says why an entry of a folder or archive is not taken.
pub(crate) fn why_skipped(path: &str) -> Option<&'static str> {
    let known = [".json", ".ndjson", ".jsonl", ".kshrk"];
    let is_known = known.iter().any(|suffix| path.ends_with(suffix));
    (!is_known).then_some("not .kshrk, .json, .ndjson or .jsonl")
}

/// Tells whether an entry is a part of an archive, a stream of records, or encrypted.
pub(crate) fn detect(sample: &Sample<'_>) -> bool {
    if sample.path.contains(ROOT) {
        return true;
    }
    if sample.start.starts_with(AGE) {
        return sample.path.ends_with(".kshrk");
    }
    let head = compact(sample.start);
    let is_metadata = head.contains("\"capture_id\":\"") && head.contains("\"captured_at\":\"");
    let is_index = ["{\"entries\":{\"/api", "{\"/api"]
        .iter()
        .any(|start| head.starts_with(start));
    is_record(sample.start) || (head.starts_with('{') && (is_metadata || is_index))
}

/// Takes the blanks out of the beginning.
fn compact(start: &[u8]) -> String {
    let head = start.get(..start.len().min(512)).unwrap_or_default();
    let head = String::from_utf8_lossy(head);
    head.split_ascii_whitespace().collect()
}

/// Tells whether a stream begins with a record.
pub(crate) fn is_record(start: &[u8]) -> bool {
    let head = compact(start);
    head.starts_with('{')
        && head.contains("\"captured_at\":\"")
        && head.contains("\"api_path\":\"/")
}

/// Makes a reader of a stream of records.
pub(crate) fn stream(name: &str, text: Text<'static>, context: &Context) -> Box<dyn ReadItems> {
    Box::new(StreamReader::new(name, text, context))
}

/// Makes a reader of each archive and of each stream.
pub(crate) fn open(entries: Vec<Entry>, context: &Context) -> Result<Opened, Error> {
    let mut archives: BTreeMap<String, HashMap<String, Entry>> = BTreeMap::new();
    let mut streams = Vec::new();
    for entry in entries {
        match place_in_archive(&entry) {
            Some((archive, path)) => {
                archives.entry(archive).or_default().insert(path, entry);
            }
            None => streams.push(entry),
        }
    }
    let mut opened = Opened::from(Vec::new());
    for (name, entries) in archives {
        let files = Files { name, entries };
        let (reader, version) = ArchiveReader::open(files, context)?;
        opened.server_version = opened.server_version.or(version);
        opened.readers.push(Box::new(reader));
    }
    for entry in streams {
        if entry.start(&context.budget)?.starts_with(AGE) {
            return Err(Error::Malformed {
                path: entry.name,
                place: "byte 0".to_owned(),
                reason: "encrypted with age; `kshrk decrypt` makes a plain copy".to_owned(),
            });
        }
        let text = entry.open(&context.budget)?;
        opened.readers.push(stream(&entry.name, text, context));
    }
    Ok(opened)
}

/// Splits an entry's name into the archive and the path inside it; `None` for what is not of an
/// archive.
fn place_in_archive(entry: &Entry) -> Option<(String, String)> {
    let name = entry.name.replace('\\', "/");
    let name = name.strip_suffix(".zst").unwrap_or(&name);
    let (archive, path) = if let Some(at) = name.rfind(ROOT) {
        name.split_at_checked(at + ROOT.len())?
    } else {
        let is_start = |path: &str| {
            path.starts_with("records/")
                || matches!(path, "metadata.json" | "index.json" | "watch-index.json")
        };
        let starts = name.match_indices(['/', '!']).map(|(at, _)| at + 1);
        let at = std::iter::once(0)
            .chain(starts)
            .find(|at| name.get(*at..).is_some_and(is_start))?;
        name.split_at_checked(at)?
    };
    let archive = archive.strip_suffix(ROOT).unwrap_or(archive);
    let archive = archive.trim_end_matches(['/', '!']);
    Some((archive.to_owned(), path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_archives_and_streams_of_records_are_known_by_their_beginning() {
        let is_capture = |path: &str, start: &str| {
            detect(&Sample {
                path,
                start: start.as_bytes(),
            })
        };
        assert!(is_capture("k8shark-capture/records/0a/0.json", "x"));
        assert!(is_capture(
            "metadata.json",
            "{\n  \"format_version\": 2,\n  \"capture_id\": \"x\",\n  \"captured_at\": \"2026"
        ));
        assert!(is_capture(
            "index.json",
            "{\n  \"entries\": {\n    \"/api/v1/pods\": {"
        ));
        assert!(is_capture(
            "-",
            r#"{"id":"x","captured_at":"2026-04-09T10:00:00Z","api_path":"/api/v1/pods""#
        ));
        assert!(is_capture("a.kshrk", "age-encryption.org/v1\n-> scrypt"));
        assert!(!is_capture("a.age", "age-encryption.org/v1\n-> scrypt"));
        assert!(!is_capture(
            "pods.json",
            r#"{"kind":"PodList","apiVersion":"v1""#
        ));
    }

    #[test]
    fn only_json_and_archives_are_taken_out_of_folders() {
        assert_eq!(why_skipped("a/capture.kshrk"), None);
        assert_eq!(why_skipped("k8shark-capture/records/0a/0.json"), None);
        assert!(why_skipped("README.md").is_some());
    }
}
