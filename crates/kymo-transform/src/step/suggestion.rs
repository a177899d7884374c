//! The merge patch that would have done what an operation could not.

use serde_json::{Map, Value};

/// How many characters of a patch are shown.
const MOST_CHARACTERS: usize = 120;

/// Returns what to write instead of an operation of a JSON patch that does not fit; `None` where a
/// merge patch cannot say it, as inside of arrays.
pub(super) fn merge(operations: &Value, index: usize) -> Option<String> {
    let operation = operations.get(index)?;
    let (value, does) = match operation.get("op")?.as_str()? {
        "add" | "replace" => (
            operation.get("value")?.clone(),
            "sets it whether or not it is there",
        ),
        "remove" => (Value::Null, "takes it away where it is there"),
        _ => return None,
    };
    let names = operation.get("path")?.as_str()?.strip_prefix('/')?;
    let is_place = |name: &str| name == "-" || name.bytes().all(|byte| byte.is_ascii_digit());
    if names.split('/').any(is_place) {
        return None;
    }
    let patch = names.rsplit('/').fold(value, |value, name| {
        let name = name.replace("~1", "/").replace("~0", "~");
        Value::Object(Map::from_iter([(name, value)]))
    });
    let patch = patch.to_string().replace('\'', "''");
    (patch.chars().count() <= MOST_CHARACTERS).then(|| format!("`WITH MERGE '{patch}'` {does}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_operation_has_a_merge_patch_unless_it_is_about_a_place_in_an_array() {
        let operations = json!([
            {"op": "replace", "path": "/spec/replicas", "value": 5},
            {"op": "remove", "path": "/metadata/labels/a~1b"},
            {"op": "add", "path": "/spec/containers/0/image", "value": "x"},
            {"op": "test", "path": "/spec", "value": 1},
        ]);
        assert_eq!(
            merge(&operations, 0).unwrap(),
            r#"`WITH MERGE '{"spec":{"replicas":5}}'` sets it whether or not it is there"#
        );
        assert_eq!(
            merge(&operations, 1).unwrap(),
            r#"`WITH MERGE '{"metadata":{"labels":{"a/b":null}}}'` takes it away where it is there"#
        );
        assert_eq!(merge(&operations, 2), None);
        assert_eq!(merge(&operations, 3), None);
        assert_eq!(merge(&operations, 4), None);
    }
}
