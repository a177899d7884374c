//! Importing audit logs.

mod agreement;
mod public;
mod story;
mod traps;
mod wrappers;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use kymo_interop::{Format, LossReport};
use kymo_model::Event;
use kymo_store::Trace;
use serde_json::Value;

use crate::support::import_as;

fn import(folder: &Path, paths: Vec<PathBuf>) -> (LossReport, Trace) {
    import_as(Format::Audit, folder, paths)
}

/// Writes a log and imports it.
fn import_text(text: &str) -> (LossReport, Vec<(String, Event)>) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    fs::write(&log, text).unwrap();
    let (report, trace) = import(folder.path(), vec![log]);
    (report, events(&trace))
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/audit")
        .join(name)
}

fn unpacked(path: &Path) -> String {
    let mut text = String::new();
    let file = fs::File::open(path).unwrap();
    let mut decoder = flate2::read::MultiGzDecoder::new(file);
    decoder.read_to_string(&mut text).unwrap();
    text
}

/// The events of a trace in order, each with its resource.
fn events(trace: &Trace) -> Vec<(String, Event)> {
    let feeds = trace.feeds().clone();
    let mut rows: Vec<_> = trace.rows().unwrap().map(Result::unwrap).collect();
    rows.sort_by_key(|row| row.seq);
    rows.into_iter()
        .map(|row| {
            let resource = feeds[&row.event.feed].resource.group_resource();
            (resource.to_string(), row.event)
        })
        .collect()
}

fn body(event: &Event) -> Option<Value> {
    Some(serde_json::from_slice(event.body.as_deref()?).unwrap())
}

/// How often each verb changed each resource.
fn verbs(events: &[(String, Event)]) -> BTreeMap<(String, String), u64> {
    let mut counts = BTreeMap::new();
    for (resource, event) in events {
        let verb = event.request.as_ref().unwrap().verb.clone();
        *counts.entry((resource.clone(), verb)).or_default() += 1;
    }
    counts
}

/// What the lines of a log say, read without any code of the import.
#[derive(Debug, Default)]
struct Counted {
    /// Accepted requests that change, by resource and verb; a version counts once.
    changes: BTreeMap<(String, String), u64>,
    /// Reading requests by verb.
    reads: BTreeMap<String, u64>,
    /// Refused requests by code.
    refused: BTreeMap<u64, u64>,
    versions: std::collections::BTreeSet<(String, String)>,
    told: std::collections::BTreeSet<(String, String)>,
}

impl Counted {
    fn take(&mut self, event: &Value) {
        let text = |path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or("");
        let (verb, stage) = (text("/verb"), text("/stage"));
        if ["get", "list", "watch"].contains(&verb) {
            *self.reads.entry(verb.to_owned()).or_default() += 1;
            return;
        }
        let is_told = (text("/auditID").to_owned(), stage.to_owned());
        if stage != "ResponseComplete" || !self.told.insert(is_told) {
            return;
        }
        let code = event["responseStatus"]["code"].as_u64().unwrap();
        let subresource = text("/objectRef/subresource");
        if ["token", "exec", "attach"].contains(&subresource) {
            return;
        }
        if code >= 400 {
            *self.refused.entry(code).or_default() += 1;
            return;
        }
        let uid = text("/responseObject/metadata/uid");
        let rv = text("/responseObject/metadata/resourceVersion");
        if !rv.is_empty() && !self.versions.insert((uid.to_owned(), rv.to_owned())) {
            return;
        }
        let resource = match text("/objectRef/apiGroup") {
            "" => text("/objectRef/resource").to_owned(),
            group => format!("{}.{group}", text("/objectRef/resource")),
        };
        *self.changes.entry((resource, verb.to_owned())).or_default() += 1;
    }

    fn assert_is(&self, report: &LossReport, events: &[(String, Event)]) {
        assert_eq!(verbs(events), self.changes);
        let noted = |what: String| report.notes.get(&what).copied().unwrap_or_default();
        for (verb, count) in &self.reads {
            assert_eq!(
                noted(format!("left out: {verb} requests")),
                *count,
                "{verb}"
            );
        }
        for (code, count) in &self.refused {
            let what = format!("left out: refused requests ({code})");
            assert_eq!(noted(what), *count, "{code}");
        }
    }
}
