//! The strategic merge of the API server.
//!
//! Two lists that the schema calls merged are joined element by element; all other lists are
//! replaced. Directives in the patch say what plain JSON cannot:
//!
//! | directive | meaning |
//! |---|---|
//! | `$patch: replace` | in an object: it is what follows; in a list: the list is the other elements |
//! | `$patch: delete` | the object becomes empty, the element goes |
//! | `$retainKeys: [..]` | all other fields of the object go |
//! | `$setElementOrder/F: [..]` | in which order the elements of the list `F` are |
//! | `$deleteFromPrimitiveList/F: [..]` | which elements go from the list `F` of plain values |

mod element;
mod list;
mod order;
mod place;
mod taken;

use std::collections::HashSet;

use serde_json::{Map, Value};

use self::list::Lists;
use self::place::Place;
use self::taken::{as_written, put, without_directives};
use crate::table::{Field, Schema, Shape};
use crate::{Error, depth};

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder";
const DELETE: &str = "$deleteFromPrimitiveList";

/// Applies a strategic merge patch. After an error the object is what it was.
///
/// `schema` is that of the object's kind, from [`schema`](crate::schema()); `None` is an error, as
/// custom resources have no strategic merge. The empty patch changes nothing.
///
/// Fields that the kind does not have, which the server drops, are kept.
pub fn strategic_merge(
    object: &mut Value,
    patch: &Value,
    schema: Option<&Schema>,
) -> Result<(), Error> {
    let schema = schema.ok_or(Error::NoSchema)?;
    depth::check(patch, 0)?;
    let (Value::Object(before), Value::Object(patch)) = (&*object, patch) else {
        return Err(Error::NotObjects);
    };
    let mut after = before.clone();
    merge_object(&mut after, patch, Some(schema), &Place::root())?;
    *object = Value::Object(after);
    Ok(())
}

/// Merges a patch into an object; `schema` is `None` below what has no fields of its own.
fn merge_object(
    object: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    schema: Option<&Schema>,
    at: &Place<'_>,
) -> Result<(), Error> {
    if let Some(directive) = patch.get(PATCH) {
        return replace_or_empty(object, patch, directive, schema, at);
    }
    if let Some(keys) = patch.get(RETAIN_KEYS) {
        retain(object, patch, keys, at)?;
    }
    let mut done = HashSet::new();
    for (key, order) in patch.iter().filter(|(key, _)| key.starts_with(ORDER)) {
        let name = directed(key, ORDER, at)?;
        if merge_in_order(object, patch.get(name), name, order, schema, at)? {
            done.insert(name);
        }
    }
    for (key, value) in patch {
        let is_directive = key == RETAIN_KEYS || key.starts_with(ORDER) || key.starts_with(DELETE);
        if !is_directive && !done.contains(key.as_str()) {
            merge_field(object, key, value, schema, at, false)?;
        }
    }
    for (key, value) in patch.iter().filter(|(key, _)| key.starts_with(DELETE)) {
        merge_field(object, directed(key, DELETE, at)?, value, schema, at, true)?;
    }
    Ok(())
}

/// Reads the name of the field out of `$directive/field`.
fn directed<'k>(key: &'k str, prefix: &str, at: &Place<'_>) -> Result<&'k str, Error> {
    key.strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('/'))
        .ok_or_else(|| Error::Directive {
            place: at.to_string(),
            directive: key.to_owned(),
        })
}

fn replace_or_empty(
    object: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    directive: &Value,
    schema: Option<&Schema>,
    at: &Place<'_>,
) -> Result<(), Error> {
    match directive.as_str() {
        Some("replace") => {
            object.clear();
            for (key, value) in patch {
                if key != PATCH && !taken::is_directive(key) && !value.is_null() {
                    put(object, key, as_written(value), schema);
                }
            }
            Ok(())
        }
        Some("delete") => {
            object.clear();
            Ok(())
        }
        _ => Err(Error::Directive {
            place: at.to_string(),
            directive: directive.to_string(),
        }),
    }
}

/// Removes the fields that `$retainKeys` does not name.
fn retain(
    object: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    keys: &Value,
    at: &Place<'_>,
) -> Result<(), Error> {
    let keys = keys.as_array().ok_or_else(|| at.r#type(keys, "a list"))?;
    let mut retained = HashSet::new();
    for key in keys {
        match key {
            Value::String(key) => {
                retained.insert(key.as_str());
            }
            Value::Array(_) | Value::Object(_) => return Err(at.r#type(key, "a name")),
            _ => {}
        }
    }
    for (key, value) in patch {
        let is_checked = key != RETAIN_KEYS
            && !value.is_null()
            && !key.starts_with(DELETE)
            && !key.starts_with(ORDER);
        if is_checked && !retained.contains(key.as_str()) {
            return Err(Error::RetainKeys {
                place: at.to_string(),
            });
        }
    }
    object.retain(|key, _| retained.contains(key.as_str()));
    Ok(())
}

/// Merges one field; `deletes` says that the value lists what goes from a list of plain values.
fn merge_field(
    object: &mut Map<String, Value>,
    key: &str,
    value: &Value,
    schema: Option<&Schema>,
    above: &Place<'_>,
    deletes: bool,
) -> Result<(), Error> {
    let at = &above.below(key);
    if value.is_null() {
        object.shift_remove(key);
        return Ok(());
    }
    let merged = match (object.get_mut(key), value) {
        (Some(Value::Object(current)), Value::Object(patch)) => {
            let field = field_of(schema, key, at)?;
            if field.replaces {
                as_written(value)
            } else {
                let below = (field.shape == Shape::Struct).then(|| field.of()).flatten();
                let mut current = std::mem::take(current);
                merge_object(&mut current, patch, below, at)?;
                Value::Object(current)
            }
        }
        (Some(Value::Array(current)), Value::Array(patch)) => {
            let field = list_of(schema, key, at)?;
            if field.merges || deletes {
                let lists = Lists { field, at, deletes };
                Value::Array(lists.merge(std::mem::take(current), patch)?.elements)
            } else {
                as_written(value)
            }
        }
        _ if deletes => return Ok(()),
        (_, value) => {
            let Some(value) = without_directives(value) else {
                object.shift_remove(key);
                return Ok(());
            };
            value
        }
    };
    put(object, key, merged, schema);
    Ok(())
}

/// Merges a list whose order the patch sets; returns whether there was a list at all.
fn merge_in_order(
    object: &mut Map<String, Value>,
    patch: Option<&Value>,
    key: &str,
    order: &Value,
    schema: Option<&Schema>,
    above: &Place<'_>,
) -> Result<bool, Error> {
    let at = &above.below(key);
    let list = |value: &Value| at.r#type(value, "a list");
    let order = order.as_array().ok_or_else(|| list(order))?;
    let patch = match patch {
        Some(value) => Some(value.as_array().ok_or_else(|| list(value))?),
        None => None,
    };
    let current = match object.get_mut(key) {
        Some(Value::Array(items)) => Some(items),
        Some(other) => return Err(list(other)),
        None => None,
    };
    let field = list_of(schema, key, at)?;
    let lists = Lists {
        field,
        at,
        deletes: false,
    };
    let merged = lists.merge_in_order(current.map(std::mem::take), patch, order)?;
    let Some(merged) = merged else {
        return Ok(false);
    };
    put(object, key, Value::Array(merged), schema);
    Ok(true)
}

fn field_of<'s>(schema: Option<&'s Schema>, key: &str, at: &Place<'_>) -> Result<&'s Field, Error> {
    container(schema, key, false, at)
}

fn list_of<'s>(schema: Option<&'s Schema>, key: &str, at: &Place<'_>) -> Result<&'s Field, Error> {
    let field = container(schema, key, true, at)?;
    if field.shape == Shape::List {
        Ok(field)
    } else {
        Err(Error::Type {
            place: at.to_string(),
            is: "a list",
            wanted: "an object",
        })
    }
}

fn container<'s>(
    schema: Option<&'s Schema>,
    key: &str,
    is_list: bool,
    at: &Place<'_>,
) -> Result<&'s Field, Error> {
    schema
        .and_then(|schema| schema.container(key, is_list))
        .ok_or_else(|| Error::UnknownField {
            place: at.to_string(),
        })
}
