//! The table of merge keys.

use std::collections::{BTreeMap, BTreeSet};

use kymo_patch::{Field, Schema, Shape, schema};
use kymo_testkit::control_plane::Options;
use kymo_testkit::control_plane_or_skip;
use serde_json::{Map, Value, json};

fn with_all_versions() -> Options {
    Options {
        api_server_args: vec!["--runtime-config=api/all=true".to_owned()],
        ..Options::default()
    }
}

/// The definitions of an `OpenAPI` document, compared with the table.
struct Comparison<'a> {
    definitions: &'a Map<String, Value>,
    seen: BTreeSet<(String, String)>,
    fields: usize,
    strategies: usize,
    differences: Vec<String>,
}

impl Comparison<'_> {
    fn compare(&mut self, ours: &Schema, theirs: &str) {
        if !self
            .seen
            .insert((ours.name().to_owned(), theirs.to_owned()))
        {
            return;
        }
        let definition = &self.definitions[theirs];
        let ours_by_name: BTreeMap<&str, &Field> = ours.fields().into_iter().collect();
        let none = Map::new();
        let properties = definition["properties"].as_object().unwrap_or(&none);
        for (name, property) in properties {
            self.fields += 1;
            let place = format!("{theirs}.{name}");
            let text = |key: &str| property[key].as_str().unwrap_or_default();
            let key = text("x-kubernetes-patch-merge-key");
            let mut strategies: Vec<&str> = text("x-kubernetes-patch-strategy")
                .split(',')
                .filter(|strategy| !strategy.is_empty())
                .collect();
            strategies.sort_unstable();
            self.strategies += strategies.len();
            let field = ours_by_name.get(name.as_str());
            let mut expected = Vec::new();
            if let Some(field) = field {
                expected.extend(field.merges.then_some("merge"));
                expected.extend(field.replaces.then_some("replace"));
                expected.extend(field.retains_keys.then_some("retainKeys"));
            }
            let our_key = field.and_then(|field| field.merge_key).unwrap_or_default();
            if strategies != expected || key != our_key {
                self.differences.push(format!(
                    "{place}: they say {strategies:?} by `{key}`, we {expected:?} by `{our_key}`",
                ));
            }
            let (shape, element) = if property["type"] == "array" {
                (Some(Shape::List), &property["items"])
            } else if property["additionalProperties"].is_object() {
                (Some(Shape::Map), &property["additionalProperties"])
            } else {
                (None, property)
            };
            let below = element["$ref"]
                .as_str()
                .map(|name| name.trim_start_matches("#/definitions/"));
            match (field.map(|field| field.shape), shape) {
                (ours, Some(theirs)) if ours != Some(theirs) => {
                    self.differences
                        .push(format!("{place}: they say {theirs:?}, we {ours:?}"));
                }
                _ => {}
            }
            // Such as times and quantities, which are plain values.
            let has_fields =
                below.is_some_and(|name| self.definitions[name]["properties"].is_object());
            match (field.and_then(|field| field.of()), below) {
                (Some(ours), Some(theirs)) => self.compare(ours, theirs),
                (None, Some(_)) if has_fields => {
                    self.differences
                        .push(format!("{place}: we do not know its fields"));
                }
                _ => {}
            }
        }
        for (name, field) in ours_by_name {
            if !properties.contains_key(name) && !properties.is_empty() {
                self.differences
                    .push(format!("{theirs} has no `{name}`, we say {field:?}"));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_of_merge_keys_is_what_the_server_says_of_its_kinds() {
    let plane = control_plane_or_skip!(with_all_versions());
    let document = plane.api().get("/openapi/v2").await.expect("OpenAPI");
    let definitions = document["definitions"].as_object().expect("definitions");
    let mut comparison = Comparison {
        definitions,
        seen: BTreeSet::new(),
        fields: 0,
        strategies: 0,
        differences: Vec::new(),
    };
    let mut kinds = BTreeSet::new();
    for operations in document["paths"].as_object().expect("paths").values() {
        let patch = &operations["patch"];
        let takes = patch["consumes"]
            .as_array()
            .is_some_and(|types| types.contains(&json!("application/strategic-merge-patch+json")));
        let kind = &patch["x-kubernetes-group-version-kind"];
        let text = |name: &str| kind[name].as_str().expect("text").to_owned();
        if takes {
            let api_version = match text("group").as_str() {
                "" => text("version"),
                group => format!("{group}/{}", text("version")),
            };
            let answer = patch["responses"]["200"]["schema"]["$ref"]
                .as_str()
                .expect("a schema");
            let name = answer.trim_start_matches("#/definitions/").to_owned();
            kinds.insert((api_version, text("kind"), name));
        }
    }
    for (api_version, kind, name) in &kinds {
        match schema(api_version, kind.as_str()) {
            Some(ours) => comparison.compare(ours, name),
            None => comparison
                .differences
                .push(format!("{api_version} {kind} is not in the table")),
        }
    }
    eprintln!(
        "{} kinds, {} types, {} fields, {} of them with a strategy",
        kinds.len(),
        comparison.seen.len(),
        comparison.fields,
        comparison.strategies,
    );
    assert!(
        comparison.differences.is_empty(),
        "{:#?}",
        comparison.differences
    );
    assert!(kinds.len() > 80 && comparison.strategies > 60);
}
