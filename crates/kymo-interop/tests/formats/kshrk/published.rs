//! Published captures, compared with what is read of them without the import.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use super::capture::folder_of;
use super::import;
use crate::support::shared_data;

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What an archive holds, read without any code of the import.
#[derive(Default)]
struct Expected {
    counts: BTreeMap<(String, String), u64>,
    objects: BTreeMap<(String, String, String), Value>,
    left_out: BTreeMap<&'static str, u64>,
}

impl Expected {
    fn of(path: &Path) -> Self {
        let mut this = Self::default();
        let mut zip = zip::ZipArchive::new(fs::File::open(path).unwrap()).unwrap();
        let mut read = |name: &str| -> Value {
            let mut bytes = Vec::new();
            let mut file = zip.by_name(&format!("k8shark-capture/{name}")).unwrap();
            file.read_to_end(&mut bytes).unwrap();
            let decoder = zstd::stream::read::Decoder::new(bytes.as_slice()).unwrap();
            serde_json::from_reader(decoder).unwrap()
        };
        let index = read("index.json.zst");
        for (path, entry) in index.as_object().unwrap() {
            let mut live: BTreeMap<String, String> = BTreeMap::new();
            for seq in entry["seqs"].as_array().unwrap() {
                if path.starts_with("/openapi") {
                    *this
                        .left_out
                        .entry("OpenAPI documents left out")
                        .or_default() += 1;
                    continue;
                }
                let record = read(&format!("records/{}/{seq}.json.zst", folder_of(path)));
                let body = &record["response_body"];
                let is_twin = path.starts_with("/apis/autoscaling/v1/namespaces/")
                    || path.starts_with("/apis/events.k8s.io/v1/namespaces/");
                let what = if path.contains("?as=Table") {
                    Some("tables of lists left out")
                } else if path.contains("/log?") {
                    Some("container logs left out")
                } else if record["response_code"] != 200 {
                    Some("answers with HTTP 405 left out")
                } else if is_twin {
                    Some("records of objects that another version or group shows too")
                } else if body["items"].is_null() {
                    Some("discovery documents left out")
                } else {
                    None
                };
                match what {
                    Some(what) => *this.left_out.entry(what).or_default() += 1,
                    None => this.list(path, body, &mut live),
                }
            }
        }
        this
    }

    fn list(&mut self, path: &str, list: &Value, live: &mut BTreeMap<String, String>) {
        let parts: Vec<&str> = path.split('/').collect();
        let plural = *parts.last().unwrap();
        let resource = match parts[1] {
            "api" => plural.to_owned(),
            _ => format!("{plural}.{}", parts[2]),
        };
        let mut before = std::mem::take(live);
        for item in list["items"].as_array().unwrap() {
            let uid = item["metadata"]["uid"].as_str().unwrap().to_owned();
            let rv = item["metadata"]["resourceVersion"]
                .as_str()
                .unwrap()
                .to_owned();
            let event_type = match before.remove(&uid) {
                Some(known) if known == rv => None,
                Some(_) => Some("MODIFIED"),
                None => Some("ADDED"),
            };
            if let Some(event_type) = event_type {
                let mut object = item.clone();
                object["apiVersion"] = list["apiVersion"].clone();
                object["kind"] = list["kind"].as_str().unwrap().strip_suffix("List").into();
                if let Some(annotations) = object["metadata"].get_mut("annotations") {
                    annotations.as_object_mut().unwrap().remove(LAST_APPLIED);
                }
                *self
                    .counts
                    .entry((resource.clone(), event_type.to_owned()))
                    .or_default() += 1;
                self.objects
                    .insert((resource.clone(), uid.clone(), rv.clone()), object);
            }
            live.insert(uid, rv);
        }
        for _ in before {
            *self
                .counts
                .entry((resource.clone(), "DELETED".to_owned()))
                .or_default() += 1;
        }
    }
}

#[test]
fn the_published_captures_come_over_version_for_version() {
    for name in ["auto-discovery", "basic-workloads", "crash-loop"] {
        let Some(path) = shared_data(&format!("public/k8shark/{name}/capture.kshrk")) else {
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let (report, trace) = import(folder.path(), &path);
        assert_eq!(report.unreadable, 0, "{}", report.summary());
        let expected = Expected::of(&path);
        let stats = trace.stats();
        let counts: BTreeMap<(String, String), u64> = stats
            .counts
            .iter()
            .map(|count| {
                let key = (count.resource.to_string(), count.event_type.to_string());
                (key, count.events)
            })
            .collect();
        assert_eq!(counts, expected.counts, "{name}");
        let notes: BTreeMap<&str, u64> = report
            .notes
            .iter()
            .filter(|(what, _)| !what.contains("did not store"))
            .map(|(what, count)| (what.as_str(), *count))
            .collect();
        assert_eq!(notes, expected.left_out, "{name}");
        let feeds = trace.feeds().clone();
        let mut objects = expected.objects;
        for row in trace.rows().unwrap() {
            let event = row.unwrap().event;
            let feed = &feeds[&event.feed];
            assert_eq!(
                feed.scope.namespace.as_deref().unwrap_or_default(),
                event.key.namespace
            );
            let resource = feed.resource.group_resource().to_string();
            let key = (resource, event.key.uid, event.rv.unwrap().to_string());
            let object: Value = serde_json::from_slice(&event.body.unwrap()).unwrap();
            assert_eq!(objects.remove(&key), Some(object), "{key:?}");
        }
        assert!(objects.is_empty(), "{:?}", objects.keys());
        let session = trace.sessions().next().unwrap();
        assert_eq!(session.server_version.as_deref(), Some("v1.36.1"));
    }
}
