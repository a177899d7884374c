//! The functions with rules of Kubernetes, each of which reads a few paths.

use datafusion::common::ScalarValue;
use kymo_store::segment::JsonPath;

use super::registry::{Reading, Reads};

/// What [`kymo_model::pod_requests`] reads.
const OF_REQUESTS: [[&str; 2]; 7] = [
    ["spec", "containers"],
    ["spec", "initContainers"],
    ["spec", "overhead"],
    ["spec", "resources"],
    ["status", "conditions"],
    ["status", "containerStatuses"],
    ["status", "initContainerStatuses"],
];

pub(super) fn functions() -> impl Iterator<Item = (&'static str, Reading)> {
    let condition: Reading = |_| Some(cut([["status", "conditions"]]));
    let requests: Reading = |_| Some(cut(OF_REQUESTS));
    [
        ("condition", condition),
        ("cpu", requests),
        ("json_pointer", pointer),
        ("memory", requests),
        ("requests", requests),
    ]
    .into_iter()
}

fn cut<const N: usize>(paths: [[&str; 2]; N]) -> Reads {
    Reads::Cut(paths.into_iter().map(JsonPath::of_names).collect())
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
    let path = JsonPath::of_names(names.iter().map(String::as_str));
    (!names.is_empty()).then(|| Reads::Cut(vec![path]))
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
