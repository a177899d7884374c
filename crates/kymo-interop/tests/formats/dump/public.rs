//! Files of others, where they are at hand.

use std::collections::BTreeSet;
use std::io::Read as _;

use super::*;
use crate::support::shared_data;

/// The files of an archive by path.
fn unpack(archive: &Path) -> BTreeMap<String, Vec<u8>> {
    let file = fs::File::open(archive).unwrap();
    let reader: Box<dyn std::io::Read> = match archive.extension().unwrap().to_str().unwrap() {
        "zst" => Box::new(zstd::stream::read::Decoder::new(file).unwrap()),
        _ => Box::new(liblzma::read::XzDecoder::new(file)),
    };
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(reader).entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.header().entry_type().is_file() {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            files.insert(entry.path().unwrap().to_str().unwrap().to_owned(), bytes);
        }
    }
    files
}

/// Group, kind, namespace and name.
type Object = (String, String, String, String);

/// What was stored, by group and kind of its resource.
fn stored(dumped: &Dumped) -> BTreeSet<Object> {
    let feeds = dumped.trace.feeds();
    let rows = dumped.trace.rows().unwrap().map(Result::unwrap);
    let mut objects = BTreeSet::new();
    for row in rows {
        let resource = &feeds[&row.event.feed].resource;
        let key = row.event.key;
        let object = (
            resource.group.clone(),
            resource.kind.clone(),
            key.namespace,
            key.name,
        );
        assert!(objects.insert(object.clone()), "{object:?} is stored twice");
    }
    objects
}

fn group(api_version: &str) -> String {
    let (group, _) = api_version.rsplit_once('/').unwrap_or_default();
    group.to_owned()
}

fn of_json(object: &Value, api_version: &str, kind: &str) -> Object {
    let text = |value: &Value, other: &str| value.as_str().unwrap_or(other).to_owned();
    let metadata = &object["metadata"];
    (
        group(&text(&object["apiVersion"], api_version)),
        text(&object["kind"], kind),
        text(&metadata["namespace"], ""),
        text(&metadata["name"], ""),
    )
}

/// Finds the objects in what kubectl wrote as YAML by their indentation alone.
fn of_yaml(text: &str) -> Vec<Object> {
    let first = text.lines().find(|line| *line != "---").unwrap_or_default();
    let is_list = first.starts_with("- ") || text.lines().any(|line| line == "items:");
    let pad = if is_list { "  " } else { "" };
    let mut objects: Vec<Object> = Vec::new();
    let mut in_metadata = false;
    for line in text.lines() {
        if (is_list && line.starts_with("- ")) || (!is_list && objects.is_empty()) {
            objects.push(Object::default());
            in_metadata = false;
        }
        let Some(object) = objects.last_mut() else {
            continue;
        };
        let line = line.replacen("- ", "  ", usize::from(line.starts_with("- ")));
        let Some(line) = line.strip_prefix(pad) else {
            // The head of the list comes behind its items.
            if is_list && !line.is_empty() {
                break;
            }
            continue;
        };
        let value = |key: &str| {
            let value = line.strip_prefix(key)?.strip_prefix(": ")?;
            Some(value.trim_matches(['"', '\'']).to_owned())
        };
        if let Some(api_version) = value("apiVersion") {
            object.0 = group(&api_version);
        } else if let Some(kind) = value("kind") {
            object.1 = kind;
        } else if let Some(namespace) = value("  namespace").filter(|_| in_metadata) {
            object.2 = namespace;
        } else if let Some(name) = value("  name").filter(|_| in_metadata) {
            object.3 = name;
        } else if !line.starts_with(' ') {
            in_metadata = line == "metadata:";
        }
    }
    objects.retain(|object| !object.1.is_empty() && !object.3.is_empty());
    objects
}

#[test]
fn every_object_of_a_must_gather_is_stored_once() {
    let Some(archive) = shared_data("public/must-gather/must-gather-aws.tar.xz") else {
        return;
    };
    let mut expected = BTreeSet::new();
    let mut found = 0;
    for (path, bytes) in unpack(&archive) {
        if path.ends_with(".yaml") {
            let objects = of_yaml(std::str::from_utf8(&bytes).unwrap());
            found += objects.len();
            expected.extend(objects);
        }
    }
    let dumped = import(&[archive.parent().unwrap().to_owned()]);
    let stored = stored(&dumped);
    let missing: Vec<_> = expected.difference(&stored).take(3).collect();
    let invented: Vec<_> = stored.difference(&expected).take(3).collect();
    assert_eq!((missing, invented), (vec![], vec![]));
    let report = &dumped.report;
    assert_eq!(report.unreadable, 0);
    assert!(
        report.guessed_plurals.is_empty(),
        "{:?}",
        report.guessed_plurals
    );
    let repeated = report.notes["objects that were in several files of a dump, stored once"];
    assert_eq!(
        repeated + dumped.lost("in several versions"),
        (found - stored.len()) as u64
    );
    assert_eq!(dumped.lost("`timestamp` was taken"), 1);
    assert!(report.skipped["a log"] > 1000);
}

#[test]
fn every_object_of_a_support_bundle_is_stored() {
    let Some(archive) = shared_data("public/support-bundle.tar.zst") else {
        return;
    };
    let mut expected = BTreeSet::new();
    for (path, bytes) in unpack(&archive) {
        if path.contains("/auth-cani-list/") || path.contains("/image-pull-secrets/") {
            continue;
        }
        if path.ends_with(".yaml") {
            expected.extend(of_yaml(std::str::from_utf8(&bytes).unwrap()));
        } else if path.ends_with(".json") {
            let list: Value = serde_json::from_slice(&bytes).unwrap();
            let kind = list["kind"]
                .as_str()
                .and_then(|kind| kind.strip_suffix("List"));
            let (api_version, kind) = match kind {
                Some(kind) => (list["apiVersion"].as_str().unwrap(), kind),
                None => ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
            };
            let items = list["items"].as_array().into_iter().flatten();
            expected.extend(items.map(|item| of_json(item, api_version, kind)));
        }
    }
    let dumped = import(&[archive]);
    assert_eq!(stored(&dumped), expected);
    assert!(expected.len() > 250);
    assert_eq!(dumped.report.unreadable, 0);
    assert!(dumped.report.guessed_plurals.is_empty());
}

/// Takes out what is never stored.
fn redacted(mut object: Value) -> Value {
    if object["apiVersion"] == "v1" && object["kind"] == "Secret" {
        let members = object.as_object_mut().unwrap();
        members.remove("data");
        members.remove("stringData");
    }
    object
}

#[test]
fn json_and_yaml_of_every_kind_of_kubernetes_give_the_same_objects() {
    let Some(archive) = shared_data("public/kubernetes-api-testdata-HEAD.tar.zst") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut kinds = BTreeSet::new();
    let mut expected: BTreeMap<String, Value> = BTreeMap::new();
    for (path, bytes) in unpack(&archive) {
        let name = path.rsplit('/').next().unwrap();
        let (stem, suffix) = name.rsplit_once('.').unwrap();
        kinds.insert(stem.to_owned());
        if suffix == "pb" {
            write(folder.path(), &format!("{suffix}/{name}"), bytes, 1);
            continue;
        }
        // All of them have the same names, which only one version of an API could keep.
        let id = format!("object-{}", kinds.len());
        let text = String::from_utf8(bytes).unwrap();
        let text = text.replace("nameValue", &id).replace("uidValue", &id);
        write(folder.path(), &format!("{suffix}/{name}"), &text, 1);
        if suffix == "json" {
            let object: Value = serde_json::from_str(&text).unwrap();
            if object["metadata"]["name"].is_string() {
                expected.insert(id, redacted(object));
            }
        }
    }
    assert_eq!(kinds.len(), 193);
    let all = |dumped: &Dumped| -> BTreeMap<String, Value> {
        let state = dumped.last_state().into_iter();
        state.map(|((_, _, name), body)| (name, body)).collect()
    };
    for notation in ["json", "yaml"] {
        let dumped = import(&[folder.path().join(notation)]);
        let found = all(&dumped);
        assert_eq!(found.len(), expected.len(), "{notation}");
        for (name, object) in &expected {
            assert_eq!(&found[name], object, "{notation}");
        }
        let report = &dumped.report;
        assert!(
            report.guessed_plurals.is_empty(),
            "{:?}",
            report.guessed_plurals
        );
        let skipped: u64 = report.skipped.values().sum();
        assert_eq!(skipped as usize, 193 - expected.len());
    }
    let both = import(&[folder.path().to_owned()]);
    assert_eq!(all(&both), expected);
    let repeats: u64 = both
        .report
        .resources
        .values()
        .map(|count| count.duplicates)
        .sum();
    assert_eq!(repeats as usize, expected.len());
    let pb = both
        .report
        .skipped
        .iter()
        .find(|(reason, _)| reason.contains("protobuf"));
    assert_eq!(pb.unwrap().1, &193);
    // The archive itself: versions of an API are versions of the same objects.
    let dumped = import(&[archive]);
    assert_eq!(dumped.report.unreadable, 0);
    let resources: BTreeSet<String> = both.report.resources.keys().cloned().collect();
    assert_eq!(
        dumped
            .report
            .resources
            .keys()
            .cloned()
            .collect::<BTreeSet<_>>(),
        resources
    );
}
