//! Who set a field, by `metadata.managedFields`.
//!
//! The form `FieldsV1` is that of structured-merge-diff: `f:name` is a field, `k:{…}` the item of a
//! list that has these keys, `v:value` the item that is this value, `i:n` the item at a place, and
//! `.` the thing itself.

use json_patch::jsonptr::Pointer;
use serde_json::{Map, Value};

use super::tokens;

/// The managers of an object's fields, the one that set something last first.
pub(super) struct Managers<'a> {
    entries: Vec<Entry<'a>>,
}

struct Entry<'a> {
    manager: &'a str,
    time: &'a str,
    fields: &'a Map<String, Value>,
}

impl<'a> Managers<'a> {
    /// Reads them; what is not of the known form is left out.
    pub(super) fn of(object: &'a Value) -> Self {
        let entries = object.pointer("/metadata/managedFields");
        let entries = entries.and_then(Value::as_array).into_iter().flatten();
        let mut entries: Vec<Entry<'_>> = entries
            .filter_map(|entry| {
                Some(Entry {
                    manager: entry.get("manager")?.as_str()?,
                    time: entry
                        .get("time")
                        .and_then(Value::as_str)
                        .unwrap_or_default(),
                    fields: entry.get("fieldsV1")?.as_object()?,
                })
            })
            .collect();
        // Times of the API are of one form, so they sort as texts.
        entries.sort_by(|one, other| other.time.cmp(one.time));
        Self { entries }
    }

    /// Returns the manager that set a place of the object, or else something in it, last.
    pub(super) fn of_place(&self, place: &Pointer, object: &Value) -> Option<String> {
        let found = self
            .entries
            .iter()
            .find(|entry| covers(entry.fields, place, object));
        found.map(|entry| entry.manager.to_owned())
    }
}

/// Tells whether a set of fields has a place, or something below it, or a whole above it.
fn covers(fields: &Map<String, Value>, place: &Pointer, object: &Value) -> bool {
    let mut fields = fields;
    let mut value = Some(object);
    for token in tokens(place) {
        // An empty set is a leaf: all that is in it belongs to it.
        if fields.is_empty() {
            return true;
        }
        let next = if let Some(Value::Array(items)) = value {
            let index: Option<usize> = token.parse().ok();
            let item = index.and_then(|index| items.get(index));
            value = item;
            of_item(fields, index, item)
        } else {
            value = value.and_then(|value| value.get(&token));
            fields.get(&format!("f:{token}"))
        };
        match next.and_then(Value::as_object) {
            Some(next) => fields = next,
            None => return false,
        }
    }
    true
}

/// Finds the fields of an item of a list.
fn of_item<'a>(
    fields: &'a Map<String, Value>,
    index: Option<usize>,
    item: Option<&Value>,
) -> Option<&'a Value> {
    let found = fields.iter().find(|(name, _)| {
        let Some((form, rest)) = name.split_once(':') else {
            return false;
        };
        match form {
            "k" => is_item(rest, |keys: Map<String, Value>| {
                keys.iter()
                    .all(|(key, value)| item.and_then(|item| item.get(key)) == Some(value))
            }),
            "v" => is_item(rest, |value: Value| item == Some(&value)),
            "i" => rest.parse().ok() == index,
            _ => false,
        }
    });
    found.map(|(_, fields)| fields)
}

fn is_item<T: serde::de::DeserializeOwned>(text: &str, is: impl FnOnce(T) -> bool) -> bool {
    serde_json::from_str(text).is_ok_and(is)
}
