//! Dumps: what a cluster held at one moment, or at several.

mod broken;
mod layouts;
mod public;
mod recording;
mod timeline;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use kymo_interop::{Error, Format, ImportOptions, LossReport};
use kymo_model::{Certainty, Event, EventType, Timestamp};
use kymo_store::Trace;
use serde_json::{Value, json};

use crate::support::{import_as, run};

/// A dump that is imported, in a folder that goes away.
struct Dumped {
    report: LossReport,
    trace: Trace,
    _folder: tempfile::TempDir,
}

fn import(paths: &[PathBuf]) -> Dumped {
    let folder = tempfile::tempdir().unwrap();
    let (report, trace) = import_as(Format::Dump, folder.path(), paths.to_vec());
    Dumped {
        report,
        trace,
        _folder: folder,
    }
}

/// Imports what must fail; nothing may be left.
fn refused(paths: &[PathBuf]) -> Error {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.kymo");
    let error = run(&ImportOptions::new(
        Some(Format::Dump),
        paths.to_vec(),
        output,
    ))
    .unwrap_err();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    error
}

impl Dumped {
    /// The events in their order, each with the resource as kubectl takes it.
    fn events(&self) -> Vec<(String, Event)> {
        let mut rows: Vec<_> = self.trace.rows().unwrap().map(Result::unwrap).collect();
        rows.sort_by_key(|row| row.seq);
        let feeds = self.trace.feeds();
        rows.into_iter()
            .map(|row| {
                let resource = feeds[&row.event.feed].resource.group_resource();
                (resource.to_string(), row.event)
            })
            .collect()
    }

    /// The objects that are there at the end, by resource, namespace and name.
    fn last_state(&self) -> BTreeMap<(String, String, String), Value> {
        let mut state: BTreeMap<(String, String), (String, String, Value)> = BTreeMap::new();
        for (resource, event) in self.events() {
            let identity = match event.key.uid.as_str() {
                "" => format!("{}/{}", event.key.namespace, event.key.name),
                uid => uid.to_owned(),
            };
            match (event.event_type, event.body) {
                (EventType::Deleted, _) => {
                    state.remove(&(resource, identity));
                }
                (_, body) => {
                    let body = serde_json::from_slice(&body.unwrap()).unwrap();
                    let value = (event.key.namespace, event.key.name, body);
                    state.insert((resource, identity), value);
                }
            }
        }
        state
            .into_iter()
            .map(|((resource, _), (namespace, name, body))| ((resource, namespace, name), body))
            .collect()
    }

    /// Type, certainty and name of each event of a resource.
    fn told(&self, resource: &str) -> Vec<(EventType, Certainty, String)> {
        self.events()
            .into_iter()
            .filter(|(of, _)| of == resource)
            .map(|(_, event)| (event.event_type, event.certainty, event.key.name))
            .collect()
    }

    fn lost(&self, why: &str) -> u64 {
        let found = self
            .report
            .losses
            .iter()
            .filter(|loss| loss.why.contains(why));
        found.map(|loss| loss.count).sum()
    }
}

/// Writes a file that was changed last at a second of 2026-11-21.
fn write(folder: &Path, name: &str, text: impl AsRef<[u8]>, second: u64) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    set_time(&path, second);
    path
}

/// Midnight before everything that is written here.
const MIDNIGHT: u64 = 1_795_219_200;

fn set_time(path: &Path, second: u64) {
    let time = UNIX_EPOCH + Duration::from_secs(MIDNIGHT + second);
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

fn at(second: u64) -> Timestamp {
    Timestamp((MIDNIGHT + second) as i64 * 1_000_000_000)
}

/// A pod as the API server gives it.
fn pod(namespace: &str, name: &str, rv: u64) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": namespace, "uid": format!("uid-{namespace}-{name}"),
            "resourceVersion": rv.to_string(), "creationTimestamp": null,
        },
        "spec": {"nodeName": "node-1", "containers": [{"name": "app", "image": "shop:1.0"}]},
    })
}

/// A list as `kubectl get -o json` prints it.
fn list(items: &[Value]) -> Value {
    json!({"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}})
}

/// YAML as kubectl lays it out: sequences are not indented below their key.
fn yaml(value: &Value) -> String {
    let mut text = String::new();
    write_yaml(value, 0, false, &mut text);
    text
}

fn write_yaml(value: &Value, indent: usize, is_inline: bool, text: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (index, (name, value)) in members.iter().enumerate() {
                if index > 0 || !is_inline {
                    text.push_str(&pad);
                }
                text.extend([key(name).as_str(), ":"]);
                match value {
                    Value::Array(items) if !items.is_empty() => {
                        text.push('\n');
                        write_yaml(value, indent, false, text);
                    }
                    Value::Object(members) if !members.is_empty() => {
                        text.push('\n');
                        write_yaml(value, indent + 2, false, text);
                    }
                    value => text.extend([" ", scalar(value).as_str(), "\n"]),
                }
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                text.extend([pad.as_str(), "- "]);
                match item {
                    Value::Object(_) | Value::Array(_) => write_yaml(item, indent + 2, true, text),
                    item => text.extend([scalar(item).as_str(), "\n"]),
                }
            }
        }
        value => text.extend([scalar(value).as_str(), "\n"]),
    }
}

/// Names of members are plain unless they mean something else.
fn key(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() > 3
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
    if is_plain {
        name.to_owned()
    } else {
        Value::from(name).to_string()
    }
}

/// A text that cannot be taken for anything else stays plain; JSON is YAML too.
fn scalar(value: &Value) -> String {
    match value.as_str() {
        Some(text)
            if text.starts_with(|c: char| c.is_ascii_alphabetic())
                && text.len() > 5
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-./".contains(c)) =>
        {
            text.to_owned()
        }
        Some(text) if text.contains('\'') || text.contains('\n') || text.contains('\\') => {
            value.to_string()
        }
        Some(text) => format!("'{text}'"),
        None => value.to_string(),
    }
}
