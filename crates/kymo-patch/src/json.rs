use json_patch::{PatchOperation, patch_unsafe};
use serde::Deserialize;
use serde_json::Value;

use crate::{Error, depth};

/// How many operations the API server takes in one JSON patch.
pub const MAX_OPERATIONS: usize = 10_000;

/// How many bytes of JSON the copies of one patch may take, as at the API server.
pub const MAX_COPIED_BYTES: usize = 3 << 20;

/// Applies a JSON patch (RFC 6902). After an error the object is what it was.
///
/// The API server also takes indexes from the end of a list (`/spec/tolerations/-1`) and a `test`
/// for null of what is not there; here they are errors.
pub fn json_patch(object: &mut Value, patch: &Value) -> Result<(), Error> {
    depth::check(patch, 0)?;
    let operations = Vec::<PatchOperation>::deserialize(patch)
        .map_err(|source| Error::NotJsonPatch { source })?;
    if operations.len() > MAX_OPERATIONS {
        return Err(Error::TooManyOperations {
            count: operations.len(),
        });
    }
    let mut patched = object.clone();
    let mut copied = 0;
    for (index, operation) in operations.iter().enumerate() {
        check(&patched, operation, &mut copied)?;
        patch_unsafe(&mut patched, std::slice::from_ref(operation))
            .map_err(|source| Error::Operation { index, source })?;
    }
    *object = patched;
    Ok(())
}

/// Fails where an operation would make the object too large or too deep.
fn check(object: &Value, operation: &PatchOperation, copied: &mut usize) -> Result<(), Error> {
    let above = operation.path().count();
    match operation {
        PatchOperation::Add(add) => depth::check(&add.value, above),
        PatchOperation::Replace(replace) => depth::check(&replace.value, above),
        PatchOperation::Test(test) => depth::check(&test.value, 0),
        PatchOperation::Move(from) => match object.pointer(from.from.as_str()) {
            Some(value) => depth::check(value, above),
            None => Ok(()),
        },
        PatchOperation::Copy(from) => {
            let Some(value) = object.pointer(from.from.as_str()) else {
                return Ok(());
            };
            *copied = copied.saturating_add(size(value));
            if *copied > MAX_COPIED_BYTES {
                return Err(Error::TooMuchCopied);
            }
            depth::check(value, above)
        }
        PatchOperation::Remove(_) => Ok(()),
    }
}

/// Returns the length of a value as JSON, near enough for a bound.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(|item| size(item) + 1).sum::<usize>() + 2,
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| name.len() + size(value) + 4;
            fields.iter().map(field).sum::<usize>() + 2
        }
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn operations_apply_one_after_the_other() {
        let mut object = json!({ "spec": { "replicas": 1, "paused": true, "a/b": [1, 3] } });
        let patch = json!([
            { "op": "test", "path": "/spec/replicas", "value": 1 },
            { "op": "replace", "path": "/spec/replicas", "value": 2 },
            { "op": "add", "path": "/spec/a~1b/1", "value": 2 },
            { "op": "add", "path": "/spec/a~1b/-", "value": 4 },
            { "op": "copy", "from": "/spec/replicas", "path": "/spec/copied" },
            { "op": "move", "from": "/spec/paused", "path": "/spec/moved" },
            { "op": "remove", "path": "/spec/a~1b/0" },
        ]);
        json_patch(&mut object, &patch).unwrap();
        assert_eq!(
            object,
            json!({ "spec": { "replicas": 2, "a/b": [2, 3, 4], "copied": 2, "moved": true } }),
        );
    }

    #[test]
    fn a_patch_that_fails_half_way_leaves_the_object_as_it_was() {
        let mut object = json!({ "a": 1 });
        let patch = json!([
            { "op": "replace", "path": "/a", "value": 2 },
            { "op": "test", "path": "/a", "value": 3 },
        ]);
        let error = json_patch(&mut object, &patch).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("operation 1 of the JSON patch"),
            "{error}"
        );
        assert_eq!(object, json!({ "a": 1 }));
    }

    #[test]
    fn copies_that_double_the_object_again_and_again_are_refused() {
        let mut object = json!({ "a": ["x".repeat(1000)] });
        let patch: Vec<Value> = (0..40)
            .map(|_| json!({ "op": "copy", "from": "/a", "path": "/a/-" }))
            .collect();
        let error = json_patch(&mut object, &Value::Array(patch)).unwrap_err();
        assert!(
            matches!(error, Error::TooMuchCopied | Error::TooDeep),
            "{error}"
        );
        let wide: Vec<Value> = (0..4000)
            .map(|i| json!({ "op": "copy", "from": "/a", "path": format!("/b{i}") }))
            .collect();
        let error = json_patch(&mut object, &Value::Array(wide)).unwrap_err();
        assert!(matches!(error, Error::TooMuchCopied), "{error}");
    }

    #[test]
    fn moves_that_nest_the_object_ever_deeper_are_refused() {
        let mut object = json!({ "a": {}, "b": {} });
        let mut patch = Vec::new();
        for _ in 0..130 {
            patch.push(json!({ "op": "move", "from": "/a", "path": "/b/a" }));
            patch.push(json!({ "op": "move", "from": "/b", "path": "/a" }));
            patch.push(json!({ "op": "add", "path": "/b", "value": {} }));
        }
        let error = json_patch(&mut object, &Value::Array(patch)).unwrap_err();
        assert!(matches!(error, Error::TooDeep), "{error}");
    }

    #[test]
    fn what_is_no_list_of_operations_is_refused() {
        for patch in [
            json!({}),
            json!([{ "op": "leap", "path": "/a" }]),
            json!([{ "op": "add" }]),
        ] {
            let error = json_patch(&mut json!({}), &patch).unwrap_err();
            assert!(matches!(error, Error::NotJsonPatch { .. }), "{error}");
        }
        let patch = vec![json!({ "op": "test", "path": "", "value": {} }); MAX_OPERATIONS + 1];
        let error = json_patch(&mut json!({}), &Value::Array(patch)).unwrap_err();
        assert!(
            matches!(error, Error::TooManyOperations { count: 10_001 }),
            "{error}"
        );
    }
}
