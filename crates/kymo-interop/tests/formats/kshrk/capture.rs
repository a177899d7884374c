//! Captures as k8shark writes them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::timeline::time;

pub(super) fn folder_of(path: &str) -> String {
    let digest = Sha256::digest(path.as_bytes());
    let first = u64::from_be_bytes(digest[..8].try_into().unwrap());
    format!("{first:016x}")
}

/// Writes captures as k8shark does.
#[derive(Clone, Default)]
pub(super) struct Capture {
    pub(super) records: Vec<Value>,
    pub(super) lists: BTreeMap<String, Vec<(u64, String)>>,
    pub(super) watches: BTreeMap<String, Vec<(u64, String, String)>>,
}

impl Capture {
    pub(super) fn next(&self, path: &str) -> u64 {
        let of_path = |record: &&Value| record["api_path"] == path;
        self.records.iter().filter(of_path).count() as u64
    }

    pub(super) fn record(
        &mut self,
        path: &str,
        time: &str,
        event_type: &str,
        code: u16,
        body: Value,
    ) {
        let mut record = json!({"id": format!("{:032x}", self.records.len()), "captured_at": time, "api_path": path});
        if !event_type.is_empty() {
            record["event_type"] = event_type.into();
        }
        record["http_method"] = "GET".into();
        record["response_code"] = code.into();
        record["response_body"] = body;
        self.records.push(record);
    }

    pub(super) fn answer(&mut self, path: &str, second: u64, code: u16, body: Value) -> &mut Self {
        self.answer_at(path, &time(second * 1000), code, body)
    }

    pub(super) fn answer_at(
        &mut self,
        path: &str,
        time: &str,
        code: u16,
        body: Value,
    ) -> &mut Self {
        let seq = self.next(path);
        let lists = self.lists.entry(path.to_owned()).or_default();
        lists.push((seq, time.to_owned()));
        self.record(path, time, "", code, body);
        self
    }

    pub(super) fn list(&mut self, path: &str, second: u64, rv: u64, items: &[Value]) -> &mut Self {
        self.answer(path, second, 200, pod_list(rv, items))
    }

    pub(super) fn event(
        &mut self,
        path: &str,
        second: u64,
        event_type: &str,
        object: Value,
    ) -> &mut Self {
        self.event_at(path, &time(second * 1000), event_type, object)
    }

    pub(super) fn event_at(
        &mut self,
        path: &str,
        time: &str,
        event_type: &str,
        object: Value,
    ) -> &mut Self {
        let mut object = object;
        object["kind"] = "Pod".into();
        object["apiVersion"] = "v1".into();
        self.watch_at(path, time, event_type, object)
    }

    pub(super) fn watch_at(
        &mut self,
        path: &str,
        time: &str,
        event_type: &str,
        object: Value,
    ) -> &mut Self {
        let seq = self.next(path);
        let events = self.watches.entry(path.to_owned()).or_default();
        events.push((seq, time.to_owned(), event_type.to_owned()));
        self.record(path, time, event_type, 200, object);
        self
    }

    /// The files of the archive, by name.
    pub(super) fn files(&self, version: u32) -> BTreeMap<String, Vec<u8>> {
        let mut lists = serde_json::Map::new();
        for (path, records) in &self.lists {
            let (seqs, times): (Vec<_>, Vec<_>) = records.iter().cloned().unzip();
            lists.insert(
                path.clone(),
                json!({"api_path": path, "seqs": seqs, "times": times}),
            );
        }
        let mut watches = serde_json::Map::new();
        for (path, records) in &self.watches {
            let column = |of: &dyn Fn(&(u64, String, String)) -> Value| -> Vec<Value> {
                records.iter().map(of).collect()
            };
            let entry = json!({"api_path": path, "seqs": column(&|r| r.0.into()), "times": column(&|r| r.1.clone().into()), "event_types": column(&|r| r.2.clone().into())});
            watches.insert(path.clone(), entry);
        }
        let (lists, watches) = match version {
            0 | 1 => (Value::Object(lists), Value::Object(watches)),
            _ => (json!({"entries": lists}), json!({"entries": watches})),
        };
        let mut metadata = json!({"capture_id": "x", "captured_at": time(0), "captured_until": time(60_000), "kubernetes_version": "v1.36.1", "server_address": "https://192.0.2.7:6443", "record_count": self.records.len()});
        if version > 0 {
            metadata["format_version"] = version.into();
        }
        let mut files = BTreeMap::from([
            (
                "metadata.json".to_owned(),
                metadata.to_string().into_bytes(),
            ),
            ("index.json.zst".to_owned(), packed(&lists)),
            ("watch-index.json.zst".to_owned(), packed(&watches)),
        ]);
        let mut numbers: BTreeMap<String, u64> = BTreeMap::new();
        for record in &self.records {
            let path = record["api_path"].as_str().unwrap();
            let number = numbers.entry(path.to_owned()).or_default();
            let name = format!("records/{}/{number}.json.zst", folder_of(path));
            files.insert(name, packed(record));
            *number += 1;
        }
        files
    }

    pub(super) fn archive(&self, folder: &Path, version: u32) -> PathBuf {
        zipped(folder, &self.files(version))
    }
}

pub(super) fn pod_list(rv: u64, items: &[Value]) -> Value {
    let bare = items.iter().map(|item| {
        let mut item = item.as_object().unwrap().clone();
        item.retain(|name, _| name != "kind" && name != "apiVersion");
        Value::Object(item)
    });
    let items: Vec<Value> = bare.collect();
    json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": rv.to_string()}, "items": items})
}

pub(super) fn packed(value: &Value) -> Vec<u8> {
    zstd::bulk::compress(value.to_string().as_bytes(), 1).unwrap()
}

pub(super) fn zipped(folder: &Path, files: &BTreeMap<String, Vec<u8>>) -> PathBuf {
    let path = folder.join("capture.kshrk");
    let mut zip = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in files {
        zip.start_file(format!("k8shark-capture/{name}"), stored)
            .unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    path
}

pub(super) fn pod(name: &str, rv: u64) -> Value {
    json!({"metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}"), "resourceVersion": rv.to_string(), "creationTimestamp": time(0)}, "spec": {"n": rv}})
}
