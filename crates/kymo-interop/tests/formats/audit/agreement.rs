//! An audit log and the watch streams of the same run tell the same story.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::{BufRead as _, BufReader};

use kymo_model::{Certainty, Event, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Counted, body, events, import};
use crate::support::shared_data;

#[test]
fn the_recorded_log_comes_over_request_for_request() {
    let Some(log) = shared_data("recorded/control-plane-audit-14000.jsonl.zst") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (report, trace) = import(folder.path(), vec![log.clone()]);
    let mut counted = Counted::default();
    let decoder = zstd::stream::read::Decoder::new(fs::File::open(log).unwrap()).unwrap();
    for line in BufReader::new(decoder).lines() {
        counted.take(&serde_json::from_str(&line.unwrap()).unwrap());
    }
    let events = events(&trace);
    counted.assert_is(&report, &events);
    assert_eq!(report.unreadable, 0);
    assert!(
        report
            .losses
            .iter()
            .all(|loss| loss.what.as_str() != "order")
    );
    assert!(events.is_sorted_by_key(|(_, event)| event.ts));
    // Of every object the versions come in their order.
    let mut last: HashMap<&str, u64> = HashMap::new();
    for (_, event) in &events {
        let Some(rv) = &event.rv else { continue };
        let rv = rv.as_str().parse().unwrap();
        let before = last.insert(&event.key.uid, rv);
        assert!(before.is_none_or(|before| before < rv), "{:?}", event.key);
    }
}

#[derive(Deserialize)]
struct Line<'a> {
    recv: String,
    #[serde(borrow)]
    event: Option<Watched<'a>>,
}

#[derive(Deserialize)]
struct Watched<'a> {
    r#type: String,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize)]
struct Head {
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    uid: String,
    resource_version: String,
}

/// A version that a watch showed.
struct Version {
    recv: Timestamp,
    object: String,
}

/// What the watch streams of the recording show: when each resource's watch began, and every
/// version of every object, read without any code of the import.
struct Streams {
    began: HashMap<String, Timestamp>,
    versions: HashMap<(String, String, String), Version>,
}

impl Streams {
    fn read(archive: &std::path::Path) -> Self {
        let mut this = Self {
            began: HashMap::new(),
            versions: HashMap::new(),
        };
        let decoder = zstd::stream::read::Decoder::new(fs::File::open(archive).unwrap()).unwrap();
        let mut tar = tar::Archive::new(decoder);
        for entry in tar.entries().unwrap() {
            let entry = entry.unwrap();
            let path = entry.path().unwrap().into_owned();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name.starts_with('_') || !entry.header().entry_type().is_file() {
                continue;
            }
            let stem = name.split_once(".list.json").or(name.split_once(".ndjson"));
            let mut parts = stem.unwrap().0.splitn(3, '_');
            let (group, _, plural) = (parts.next().unwrap(), parts.next(), parts.next().unwrap());
            let resource = match group {
                "core" => plural.to_owned(),
                group => format!("{plural}.{group}"),
            };
            for line in BufReader::new(entry).lines() {
                this.line(&resource, &line.unwrap());
            }
        }
        this
    }

    fn line(&mut self, resource: &str, text: &str) {
        let line: Line<'_> = serde_json::from_str(text).unwrap();
        let recv = line.recv.parse().unwrap();
        let Some(event) = line.event else {
            self.began.insert(resource.to_owned(), recv);
            return;
        };
        if event.r#type == "BOOKMARK" {
            return;
        }
        let Head { metadata } = serde_json::from_str(event.object.get()).unwrap();
        let key = (resource.to_owned(), metadata.uid, metadata.resource_version);
        let object = event.object.get().to_owned();
        self.versions.insert(key, Version { recv, object });
    }

    /// The object of a version, without what is never stored.
    fn object(&self, key: &(String, String, String)) -> Option<Value> {
        let mut object: Value = serde_json::from_str(&self.versions.get(key)?.object).unwrap();
        if key.0 == "secrets" {
            object.as_object_mut().unwrap().remove("data");
        }
        if let Some(annotations) = object["metadata"].get_mut("annotations") {
            let last_applied = "kubectl.kubernetes.io/last-applied-configuration";
            annotations.as_object_mut().unwrap().remove(last_applied);
        }
        Some(object)
    }
}

/// How the two sources agree on one resource.
#[derive(Debug, Default)]
struct Share {
    /// Versions of the log in the common interval, and how many the watch showed with the same
    /// object.
    logged: (u64, u64),
    /// Versions of the watch in the common interval, and how many the log has.
    watched: (u64, u64),
    /// Versions of the watch that the log tells without a version: pods that were bound.
    bound: u64,
    /// Versions of the watch that the log has of the other group: an Event is served as one of
    /// `events.k8s.io` too, and a request names one of them.
    twins: u64,
}

#[test]
fn the_log_and_the_watch_streams_of_a_run_agree_on_every_version() {
    let (Some(log), Some(streams)) = (
        shared_data("recorded/control-plane-audit-14000.jsonl.zst"),
        shared_data("recorded/control-plane-2100-pods.tar.zst"),
    ) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (_, trace) = import(folder.path(), vec![log]);
    let events = events(&trace);
    let streams = Streams::read(&streams);
    // The log breaks off: what was asked but not answered then is not in it.
    let ended = events.last().unwrap().1.ts;
    let end = Timestamp(ended.0 - 2_000_000_000);

    let mut shares: BTreeMap<String, Share> = BTreeMap::new();
    let mut logged: HashSet<(String, String, String)> = HashSet::new();
    // The node of each pod that the log says was bound.
    let mut bound: HashMap<String, Value> = HashMap::new();
    for (resource, event) in &events {
        let Event { key, rv, .. } = event;
        let Some(rv) = rv else {
            assert_eq!(
                (resource.as_str(), event.certainty),
                ("pods", Certainty::Inferred)
            );
            let node = body(event).unwrap()["spec"]["nodeName"].clone();
            bound.insert(key.uid.clone(), node);
            continue;
        };
        let key = (resource.clone(), key.uid.clone(), rv.to_string());
        let began = streams.began.get(resource);
        if began.is_some_and(|began| (*began..=end).contains(&event.ts)) {
            let share = shares.entry(resource.clone()).or_default();
            share.logged.0 += 1;
            share.logged.1 += u64::from(streams.object(&key) == body(event));
        }
        logged.insert(key);
    }
    for (key, version) in &streams.versions {
        let (resource, uid, _) = key;
        if version.recv > end {
            continue;
        }
        let share = shares.entry(resource.clone()).or_default();
        share.watched.0 += 1;
        if logged.contains(key) {
            share.watched.1 += 1;
        } else if let Some(node) = bound.remove(uid) {
            assert_eq!(streams.object(key).unwrap()["spec"]["nodeName"], node);
            share.bound += 1;
        } else if twin(key).is_some_and(|twin| logged.contains(&twin)) {
            share.twins += 1;
        }
    }
    for (resource, share) in &shares {
        let Share {
            logged,
            watched,
            bound,
            twins,
        } = share;
        println!(
            "{resource}: {} of {} versions of the log are in the watch; {} of {} versions of the \
             watch are in the log, {bound} are bindings, {twins} are in the other group",
            logged.1, logged.0, watched.1, watched.0
        );
        assert_eq!(logged.0, logged.1, "{resource}");
        assert_eq!(watched.0, watched.1 + bound + twins, "{resource}");
    }
    let all: u64 = shares.values().map(|share| share.logged.0).sum();
    println!("{all} versions of the log in all");
    assert!(all > 10_000, "{all}");
}

/// The same Event in the other group.
fn twin((resource, uid, rv): &(String, String, String)) -> Option<(String, String, String)> {
    let other = match resource.as_str() {
        "events" => "events.events.k8s.io",
        "events.events.k8s.io" => "events",
        _ => return None,
    };
    Some((other.to_owned(), uid.clone(), rv.clone()))
}
