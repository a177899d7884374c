//! Dumps: what a cluster held at one moment.
//!
//! What is read:
//!
//! | form | written by |
//! |---|---|
//! | an object, a `List`, a `PodList` and the like, many documents; JSON or YAML | `kubectl get -o json`, `-o yaml`, manifests |
//! | lists with logs between them | `kubectl cluster-info dump` |
//! | `nodes.json`, `shop/pods.json`, … | `kubectl cluster-info dump --output-directory` |
//! | `cluster-scoped-resources/…`, `namespaces/shop/core/pods.yaml`, … | `oc adm must-gather`, `oc adm inspect` |
//! | `cluster-resources/pods/shop.json`, … | `kubectl support-bundle` |
//!
//! Each object becomes one listed event. A dump is read as a whole before its objects are told:
//! the same object may be in several of its files, and the names of custom resources in others.
//! Several dumps become a coarse timeline: what a later one shows in a newer version changed in
//! between, and what a complete list of a later one lacks is gone. [`scope`] says which lists are
//! complete, and for which namespaces.

mod compact;
mod layout;
mod names;
mod piece;
mod reader;
mod scope;
mod survey;
mod times;

use std::collections::VecDeque;

use kymo_model::Timestamp;

use crate::Error;
use crate::import::{Context, MissingTimes, Opened};
use crate::input::{Entry, Sample};
use layout::{Group, Maker};
use names::Names;
use reader::{Dated, DumpReader};
use times::TimeSource;

/// Says why an entry of a folder or archive is not taken.
pub(crate) fn why_skipped(path: &str) -> Option<&'static str> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    if name == layout::TIMESTAMP {
        return None;
    }
    if path.split('/').any(|part| part.starts_with('.')) {
        return Some("hidden");
    }
    let (_, suffix) = name.rsplit_once('.').unwrap_or(("", ""));
    let is_log = suffix == "log" || name == "logs.txt";
    if is_log || folder.split('/').any(|part| part == "logs") {
        return Some("a log");
    }
    match suffix {
        "json" | "yaml" | "yml" => {}
        "html" => return Some("a web page"),
        "pb" => return Some("protobuf, which JSON and YAML beside it repeat"),
        _ => return Some("not .json, .yaml or .yml"),
    }
    let is_in = |name: &str| folder.split('/').any(|part| part == name);
    if is_in("auth-cani-list") {
        return Some("what a user may do, no object");
    }
    if is_in("image-pull-secrets") {
        return Some("credentials of registries, no object");
    }
    None
}

/// Tells whether an entry begins with an object or a list of objects, or lies where a dump has
/// them.
pub(crate) fn detect(sample: &Sample<'_>) -> bool {
    let start = sample
        .start
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(sample.start);
    let start = String::from_utf8_lossy(start);
    let of_others = ["audit.k8s.io/", "action.kwok.x-k8s.io/"];
    let is_foreign =
        |api_version: &str| of_others.iter().any(|group| api_version.starts_with(group));
    let trimmed = start.trim_start();
    if trimmed.starts_with(['{', '[']) {
        let head: String = trimmed.split_ascii_whitespace().collect();
        let head = head.trim_start_matches('[');
        let api_version = head
            .split_once("\"apiVersion\":\"")
            .map(|(_, version)| version);
        return match api_version {
            Some(version) => {
                let is_first = [
                    "{\"apiVersion\":",
                    "{\"kind\":",
                    "{\"metadata\":",
                    "{\"items\":",
                ]
                .iter()
                .any(|member| head.starts_with(member));
                is_first && !is_foreign(version)
            }
            None => sample.path.contains("cluster-resources/"),
        };
    }
    let value = |line: &str, key: &str| {
        let line = line.trim_start_matches(['-', ' ']);
        let rest = line.strip_prefix(key)?.strip_prefix(':')?;
        Some(rest.trim().trim_matches(['"', '\'']).to_owned())
    };
    let mut api_versions = start.lines().filter_map(|line| value(line, "apiVersion"));
    let has_kind = start.lines().any(|line| value(line, "kind").is_some());
    has_kind
        && api_versions
            .next()
            .is_some_and(|version| !version.is_empty() && !is_foreign(&version))
        && !api_versions.any(|version| is_foreign(&version))
}

/// Puts the files of each dump together and makes one reader of them all.
pub(crate) fn open(entries: Vec<Entry>, context: &Context) -> Result<Opened, Error> {
    let mut groups = layout::group(entries);
    let mut names = Names::default();
    if groups.len() > 1 {
        // A file may define what the objects of others are called.
        let single = groups.iter().filter(|group| group.maker == Maker::File);
        for file in single.flat_map(|group| &group.files) {
            if !file.is_once() {
                names.learn_ahead(file, &context.budget, context.limits.value_bytes)?;
            }
        }
    }
    let mut dumps: Vec<Dated> = Vec::with_capacity(groups.len());
    for (index, group) in groups.drain(..).enumerate() {
        let (time, source) = time(index, &group, context)?;
        dumps.push((group, time, source));
    }
    dumps.sort_by_key(|(_, time, _)| *time);
    let mut reader = DumpReader::new(context.clone(), VecDeque::from(dumps), names);
    reader.begin()?;
    Ok(Opened {
        cluster_uid: reader.cluster_uid(),
        server_version: None,
        readers: vec![Box::new(reader)],
    })
}

/// Finds the time of a dump; what the user says comes first.
fn time(index: usize, group: &Group, context: &Context) -> Result<(Timestamp, TimeSource), Error> {
    match &context.missing_times {
        MissingTimes::Counted { start, interval } => {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            let time = start.saturating_add(interval.saturating_mul(index));
            Ok((time, TimeSource::Given))
        }
        MissingTimes::Now => Ok((context.clock.now(), TimeSource::Given)),
        MissingTimes::Refuse => {
            times::of_group(group, &context.budget)?.ok_or_else(|| Error::NoTime {
                path: group.name.clone(),
            })
        }
    }
}
