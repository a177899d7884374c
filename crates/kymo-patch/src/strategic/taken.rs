//! What is taken over from a patch as it is.

use serde_json::{Map, Value};

use super::{DELETE, ORDER, PATCH, RETAIN_KEYS};
use crate::table::{Field, Schema, Shape};

/// Tells whether the name of a field is that of a directive, which no kind has as a field.
pub(super) fn is_directive(key: &str) -> bool {
    key == PATCH || key == RETAIN_KEYS || key.starts_with(ORDER) || key.starts_with(DELETE)
}

/// Copies a value that replaces another or is a new element: nulls and directives are ignored, as
/// the server ignores fields that a kind does not have.
pub(super) fn as_written(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .filter(|(key, value)| !is_directive(key) && !value.is_null())
                .map(|(key, value)| (key.clone(), as_written(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(as_written).collect()),
        _ => value.clone(),
    }
}

/// Copies the value of a new field: objects that hold `$patch` are left out, since there is
/// nothing that they could replace or delete. `None` if the value itself is one.
pub(super) fn without_directives(value: &Value) -> Option<Value> {
    match value {
        Value::Object(fields) if fields.contains_key(PATCH) => None,
        Value::Object(fields) => Some(Value::Object(
            fields
                .iter()
                .filter(|(key, value)| !is_directive(key) && !value.is_null())
                .filter_map(|(key, value)| Some((key.clone(), without_directives(value)?)))
                .collect(),
        )),
        Value::Array(items) => Some(Value::Array(
            items.iter().filter_map(without_directives).collect(),
        )),
        _ => Some(value.clone()),
    }
}

/// Puts a field into an object, unless the server leaves it out when it is like that.
pub(super) fn put(
    object: &mut Map<String, Value>,
    key: &str,
    mut value: Value,
    schema: Option<&Schema>,
) {
    let field = schema.and_then(|schema| schema.field(key));
    if let Some(field) = field {
        tidy(&mut value, field);
        if is_left_out(&value, field) {
            object.shift_remove(key);
            return;
        }
    }
    match object.get_mut(key) {
        Some(place) => *place = value,
        None => {
            object.insert(key.to_owned(), value);
        }
    }
}

fn is_left_out(value: &Value, field: &Field) -> bool {
    field.is_left_out
        && match (value, field.shape) {
            (Value::Array(items), Shape::List) => items.is_empty(),
            (Value::Object(fields), Shape::Map) => fields.is_empty(),
            (Value::String(text), Shape::Scalar) => text.is_empty(),
            (Value::Bool(is), Shape::Scalar) => !is,
            (Value::Number(number), Shape::Scalar) => number.as_f64() == Some(0.0),
            _ => false,
        }
}

/// Removes what the server leaves out from a value and all that is in it.
fn tidy(value: &mut Value, field: &Field) {
    let Some(schema) = field.of() else {
        return;
    };
    match (value, field.shape) {
        (Value::Object(fields), Shape::Struct) => tidy_fields(fields, schema),
        (Value::Array(items), Shape::List) => {
            for item in items {
                if let Value::Object(fields) = item {
                    tidy_fields(fields, schema);
                }
            }
        }
        (Value::Object(entries), Shape::Map) => {
            for entry in entries.values_mut() {
                if let Value::Object(fields) = entry {
                    tidy_fields(fields, schema);
                }
            }
        }
        _ => {}
    }
}

fn tidy_fields(fields: &mut Map<String, Value>, schema: &Schema) {
    fields.retain(|key, value| {
        schema.field(key).is_none_or(|field| {
            tidy(value, field);
            !is_left_out(value, field)
        })
    });
}
