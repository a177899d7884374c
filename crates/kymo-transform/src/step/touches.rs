//! The paths that a patch touches.

use kymo_store::segment::{Effect, Touch};
use serde_json::Value;

use crate::language::{Patch, PatchKind};

/// How deep a merge patch may nest.
const MAX_DEPTH: usize = 64;

/// Names the paths that a patch reads or changes; `None` where that cannot be told from it alone.
pub(super) fn touches(patch: &Patch) -> Option<Vec<Touch>> {
    match patch.kind {
        PatchKind::Json => patch.document.as_array()?.iter().map(operation).collect(),
        PatchKind::Merge => {
            let mut touches = Vec::new();
            merged(&patch.document, &mut Vec::new(), &mut touches)?;
            Some(touches)
        }
        // Lists are merged by what is in them.
        PatchKind::Strategic => None,
    }
}

fn operation(operation: &Value) -> Option<Touch> {
    let effect = match operation.get("op")?.as_str()? {
        "add" => Effect::Sets,
        // They fail where nothing is.
        "remove" | "replace" => Effect::Uses,
        _ => return None,
    };
    let names = operation.get("path")?.as_str()?.strip_prefix('/')?;
    let names: Vec<String> = names
        .split('/')
        .map(|name| name.replace("~1", "/").replace("~0", "~"))
        .collect();
    Some(Touch::new(names.iter().map(String::as_str), effect))
}

fn merged<'a>(patch: &'a Value, path: &mut Vec<&'a str>, touches: &mut Vec<Touch>) -> Option<()> {
    let Value::Object(members) = patch else {
        return None;
    };
    if path.len() >= MAX_DEPTH {
        return None;
    }
    if members.is_empty() {
        // What is no object becomes one.
        touches.push(Touch::new(path.iter().copied(), Effect::Uses));
    }
    for (name, value) in members {
        path.push(name);
        match value {
            Value::Object(_) => merged(value, path, touches)?,
            Value::Null => touches.push(Touch::new(path.iter().copied(), Effect::Removes)),
            _ => touches.push(Touch::new(path.iter().copied(), Effect::Sets)),
        }
        path.pop();
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::language::Place;

    fn touched(kind: PatchKind, document: Value) -> Option<Vec<Touch>> {
        touches(&Patch {
            kind,
            document,
            place: Place::default(),
        })
    }

    #[test]
    fn a_merge_patch_sets_its_leaves_and_removes_what_is_null() {
        let patch = json!({"metadata": {"labels": {"a/b": "x"}, "finalizers": null}, "data": {}});
        let expected = vec![
            Touch::new(["metadata", "labels", "a/b"], Effect::Sets),
            Touch::new(["metadata", "finalizers"], Effect::Removes),
            Touch::new(["data"], Effect::Uses),
        ];
        assert_eq!(touched(PatchKind::Merge, patch), Some(expected));
        assert_eq!(touched(PatchKind::Merge, json!("whole")), None);
    }

    #[test]
    fn an_operation_that_fails_where_nothing_is_uses_what_is_there() {
        let patch = json!([
            {"op": "add", "path": "/metadata/labels/a~1b", "value": 1},
            {"op": "replace", "path": "/spec/replicas", "value": 1},
            {"op": "remove", "path": "/spec/containers/0/image"},
        ]);
        let expected = vec![
            Touch::new(["metadata", "labels", "a/b"], Effect::Sets),
            Touch::new(["spec", "replicas"], Effect::Uses),
            Touch::new(["spec", "containers"], Effect::Uses),
        ];
        assert_eq!(touched(PatchKind::Json, patch), Some(expected));
    }

    #[test]
    fn what_looks_at_other_places_or_at_items_cannot_be_told() {
        let copy = json!([{"op": "copy", "from": "/a", "path": "/b"}]);
        assert_eq!(touched(PatchKind::Json, copy), None);
        let whole = json!([{"op": "add", "path": "", "value": {}}]);
        assert_eq!(touched(PatchKind::Json, whole), None);
        assert_eq!(touched(PatchKind::Strategic, json!({"spec": {}})), None);
    }
}
