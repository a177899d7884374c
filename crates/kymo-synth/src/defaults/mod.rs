//! What the API server fills in where a manifest says nothing.

mod pod;
mod workload;

pub(crate) use pod::{admitted, template};
pub(crate) use workload::{cron_job, daemon_set, deployment, job, service, stateful_set};

use serde_json::{Map, Value};

/// Sets a member that is not there or is null.
pub(super) fn or_insert(members: &mut Map<String, Value>, name: &str, value: Value) {
    match members.get_mut(name) {
        Some(Value::Null) | None => {
            members.insert(name.to_owned(), value);
        }
        Some(_) => {}
    }
}

/// Returns a member as an object, which it is made if it is none.
pub(crate) fn object<'a>(
    members: &'a mut Map<String, Value>,
    name: &str,
) -> &'a mut Map<String, Value> {
    as_object(members.entry(name.to_owned()).or_insert(Value::Null))
}

/// Returns a value as an object, which it is made if it is none.
pub(crate) fn as_object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value
        .as_object_mut()
        .unwrap_or_else(|| unreachable!("it was made an object"))
}

/// Returns the objects of a list.
pub(super) fn each<'a>(
    members: &'a mut Map<String, Value>,
    name: &str,
) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    let list = members.get_mut(name).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter_map(Value::as_object_mut)
}
