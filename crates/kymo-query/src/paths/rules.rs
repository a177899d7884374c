//! The functions with rules of Kubernetes, each of which reads a few paths.

use datafusion::common::ScalarValue;
use jsonpath_rust::parser::model::{Segment, Selector};
use jsonpath_rust::parser::parse_json_path;
use kymo_store::segment::JsonPath;

use super::registry::{Reading, Reads};

/// What [`kymo_model::pod_requests`] reads.
const OF_REQUESTS: [&[&str]; 7] = [
    &["spec", "containers"],
    &["spec", "initContainers"],
    &["spec", "overhead"],
    &["spec", "resources"],
    &["status", "conditions"],
    &["status", "containerStatuses"],
    &["status", "initContainerStatuses"],
];

pub(super) fn functions() -> impl Iterator<Item = (&'static str, Reading)> {
    let condition: Reading = |_| Some(cut(&[&["status", "conditions"]]));
    let requests: Reading = |_| Some(cut(&OF_REQUESTS));
    // What is null or has an odd form makes a difference: the members are read whole.
    let pod_status: Reading = |_| {
        Some(cut(&[
            &["metadata", "deletionTimestamp"],
            &["spec"],
            &["status"],
        ]))
    };
    [
        ("condition", condition),
        ("cpu", requests),
        ("json_path", json_path),
        ("json_pointer", pointer),
        ("memory", requests),
        ("pod_status", pod_status),
        ("requests", requests),
    ]
    .into_iter()
}

fn cut(paths: &[&[&str]]) -> Reads {
    let paths = paths
        .iter()
        .map(|names| JsonPath::of_names(names.iter().copied()));
    Reads::Cut(paths.collect())
}

/// Reads what the first names of a `JSONPath` lead to.
fn json_path(arguments: &[ScalarValue]) -> Option<Reads> {
    let [path] = arguments else { return None };
    let text = path.try_as_str()??;
    // A filter can begin at the root again.
    let query = parse_json_path(text).ok()?;
    if text.matches('$').count() > 1 {
        return None;
    }
    let segments = query.segments.iter();
    let names = segments.map_while(|segment| match segment {
        Segment::Selector(Selector::Name(name)) if is_word(name) => Some(name.as_str()),
        _ => None,
    });
    let names: Vec<&str> = names.collect();
    (!names.is_empty()).then(|| cut(&[&names]))
}

/// Tells whether a name needs no quotes and cannot be an index.
fn is_word(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Reads what the first names of a pointer lead to. Behind them may be the index of an item, which
/// means another item once those before it are cut away.
fn pointer(arguments: &[ScalarValue]) -> Option<Reads> {
    let [pointer] = arguments else { return None };
    let tokens = pointer.try_as_str()??.strip_prefix('/')?.split('/');
    let names: Vec<String> = tokens
        .take_while(|token| token.parse::<i64>().is_err() && *token != "-")
        .map(|token| token.replace("~1", "/").replace("~0", "~"))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    (!names.is_empty()).then(|| cut(&[&names]))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_function_is_one_of_the_session() {
        let all = crate::functions::scalar_functions(BTreeMap::new());
        for (name, _) in functions() {
            assert!(all.iter().any(|function| function.name() == name), "{name}");
        }
    }

    #[test]
    fn a_jsonpath_is_read_up_to_what_is_no_plain_name() {
        let names = |text: &str| match json_path(&[ScalarValue::from(text)]) {
            Some(Reads::Cut(paths)) => paths[0].to_string(),
            other => {
                assert_eq!(other, None);
                String::new()
            }
        };
        for (path, read) in [
            ("$.spec.containers[*].image", "/spec/containers"),
            ("$.spec.rules[?@.host == 'a'].http", "/spec/rules"),
            ("$.metadata.labels['a/b']", "/metadata/labels"),
            ("$.spec['0']", "/spec"),
            ("$.spec..image", "/spec"),
            ("$", ""),
            ("$..image", ""),
            ("$[0]", ""),
            ("$.spec[?@.name == $.metadata.name]", ""),
            ("spec", ""),
        ] {
            assert_eq!(names(path), read, "{path}");
        }
    }

    #[test]
    fn a_pointer_is_read_up_to_its_first_index() {
        let names = |text: &str| match pointer(&[ScalarValue::from(text)]) {
            Some(Reads::Cut(paths)) => Some(paths[0].to_string()),
            other => {
                assert_eq!(other, None);
                None
            }
        };
        assert_eq!(names("/spec/nodeName").as_deref(), Some("/spec/nodeName"));
        assert_eq!(
            names("/spec/containers/0/image").as_deref(),
            Some("/spec/containers")
        );
        assert_eq!(
            names("/metadata/labels/a~1b").as_deref(),
            Some("/metadata/labels/a~1b")
        );
        for whole in ["", "/0", "/-", "spec"] {
            assert_eq!(names(whole), None, "{whole}");
        }
    }
}
