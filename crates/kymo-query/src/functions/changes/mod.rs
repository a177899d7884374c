//! What changed between two versions of an object, and which field manager changed it.

mod managers;

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, ListBuilder, StringBuilder, StructBuilder};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_OTHER;
use datafusion::logical_expr::{Documentation, ScalarUDF};
use json_patch::PatchOperation;
use json_patch::jsonptr::Pointer;
use serde_json::Value;

use self::managers::Managers;
use super::texts::{Taken, TextFunction, Texts, all, excerpt};

/// The fields of a change.
const FIELDS: [&str; 5] = ["path", "op", "old", "new", "manager"];

/// What changes with every version, so that it tells nothing.
const LEFT_OUT: [&str; 2] = ["/metadata/managedFields", "/metadata/resourceVersion"];

/// `object_changes`
pub(super) fn object_changes() -> Arc<ScalarUDF> {
    let documentation = Documentation::builder(
        DOC_SECTION_OTHER,
        "What changed from one version of an object to the next: a list of structs with `path` (a \
         JSON Pointer), `op` (`add`, `remove` or `replace`), `old` and `new` (as JSON) and \
         `manager`, which is the field manager that set it last, where managedFields tell. Changes of \
         managedFields and of the resource version are left out.",
        "object_changes(old, new)",
    )
    .with_argument("old", "An object as JSON.")
    .with_argument("new", "The same object, later.")
    .with_sql_example(
        r#"SELECT object_changes('{"spec":{"replicas":1}}', '{"spec":{"replicas":3}}')"#,
    )
    .build();
    TextFunction::udf(
        "object_changes",
        2..=2,
        Taken::AsJson,
        DataType::List(item()),
        documentation,
        compute,
    )
}

fn fields() -> Fields {
    FIELDS
        .into_iter()
        .map(|name| Field::new(name, DataType::Utf8, true))
        .collect()
}

fn item() -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Struct(fields()), true))
}

fn compute(texts: &[Texts], rows: usize) -> Result<ArrayRef> {
    let change = StructBuilder::from_fields(fields(), 0);
    let mut lists = ListBuilder::new(change).with_field(item());
    for row in 0..rows {
        let Some([old, new]) = all(texts, row) else {
            lists.append_null();
            continue;
        };
        for change in changes(read(&old)?, &read(&new)?) {
            let values = lists.values();
            let texts = [
                Some(change.path),
                Some(change.op.to_owned()),
                change.old.map(|value| value.to_string()),
                change.new.map(|value| value.to_string()),
                change.manager,
            ];
            for (index, text) in texts.into_iter().enumerate() {
                if let Some(field) = values.field_builder::<StringBuilder>(index) {
                    field.append_option(text);
                }
            }
            values.append(true);
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

fn read(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| {
        exec_datafusion_err!("object_changes: `{}` is no JSON: {error}", excerpt(text))
    })
}

/// One value that is not as it was.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    path: String,
    op: &'static str,
    old: Option<Value>,
    new: Option<Value>,
    manager: Option<String>,
}

/// Compares two versions; `old` becomes `new` on the way, because places in arrays move.
fn changes(mut old: Value, new: &Value) -> Vec<Change> {
    let first = old.clone();
    let (before, managers) = (Managers::of(&first), Managers::of(new));
    let mut found = Vec::new();
    for operation in json_patch::diff(&old, new).0 {
        let path = operation.path().as_str().to_owned();
        let was = old.pointer(&path).cloned();
        let (op, new) = match &operation {
            PatchOperation::Add(add) => ("add", Some(add.value.clone())),
            PatchOperation::Replace(replace) => ("replace", Some(replace.value.clone())),
            _ => ("remove", None),
        };
        let manager = if new.is_some() {
            None
        } else {
            before.of_place(operation.path(), &old)
        };
        if json_patch::patch(&mut old, std::slice::from_ref(&operation)).is_err() {
            break;
        }
        if is_left_out(&path) {
            continue;
        }
        // Who removed a value is not told; who had set it may be.
        let manager = if new.is_some() {
            managers.of_place(operation.path(), &old)
        } else {
            manager
        };
        let was = was.filter(|_| op != "add");
        found.push(Change {
            path,
            op,
            old: was,
            new,
            manager,
        });
    }
    found
}

fn is_left_out(path: &str) -> bool {
    LEFT_OUT.iter().any(|own| {
        path.strip_prefix(own)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// Returns the tokens of a pointer.
fn tokens(pointer: &Pointer) -> impl Iterator<Item = String> {
    pointer.tokens().map(|token| token.decoded().into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_path_that_changed_is_told_with_both_values() {
        let old = json!({"metadata": {"resourceVersion": "1"},
            "spec": {"replicas": 1, "paused": true}});
        let new = json!({"metadata": {"resourceVersion": "2"},
            "spec": {"replicas": 3}, "status": {"replicas": 3}});
        let mut found = changes(old, &new);
        found.sort_by(|one, other| one.path.cmp(&other.path));
        let told: Vec<_> = found
            .iter()
            .map(|change| {
                (
                    change.path.as_str(),
                    change.op,
                    change.old.clone(),
                    change.new.clone(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("/spec/paused", "remove", Some(json!(true)), None),
                ("/spec/replicas", "replace", Some(json!(1)), Some(json!(3))),
                ("/status", "add", None, Some(json!({"replicas": 3}))),
            ]
        );
    }

    #[test]
    fn an_old_value_is_that_of_its_place_when_earlier_places_have_moved() {
        let old = json!({"a": ["x", "y", "z"]});
        let new = json!({"a": ["y", "w"]});
        let mut replayed = old.clone();
        for change in changes(old, &new) {
            assert_eq!(
                replayed.pointer(&change.path).cloned(),
                change.old,
                "{change:?}"
            );
            let operation = match change.new {
                Some(value) => json!({"op": change.op, "path": change.path, "value": value}),
                None => json!({"op": change.op, "path": change.path}),
            };
            let operation: PatchOperation = serde_json::from_value(operation).unwrap();
            json_patch::patch(&mut replayed, &[operation]).unwrap();
        }
        assert_eq!(replayed, new);
    }

    #[test]
    fn the_manager_is_who_set_the_field() {
        let managed = |replicas: &str, status: &str| {
            json!([
                {"manager": "kubectl", "operation": "Update", "time": "2026-11-21T02:00:00Z",
                    "fieldsV1": {"f:spec": {"f:template": {}}}},
                {"manager": replicas, "operation": "Update", "time": "2026-11-21T02:00:05Z",
                    "fieldsV1": {"f:spec": {"f:replicas": {}}}},
                {"manager": status, "operation": "Update", "subresource": "status",
                    "time": "2026-11-21T02:00:06Z",
                    "fieldsV1": {"f:status": {"f:conditions":
                        {".": {}, "k:{\"type\":\"Ready\"}": {".": {}, "f:status": {}}}}}},
            ])
        };
        let object = |replicas: u64, ready: &str| {
            json!({"metadata": {"managedFields": managed("autoscaler", "kubelet")},
                "spec": {"replicas": replicas},
                "status": {"conditions": [{"type": "Initialized", "status": "True"},
                    {"type": "Ready", "status": ready}]}})
        };
        let found = changes(object(1, "False"), &object(2, "True"));
        let told: Vec<_> = found
            .iter()
            .map(|change| (change.path.as_str(), change.manager.as_deref()))
            .collect();
        assert_eq!(
            told,
            [
                ("/spec/replicas", Some("autoscaler")),
                ("/status/conditions/1/status", Some("kubelet")),
            ]
        );
    }
}
