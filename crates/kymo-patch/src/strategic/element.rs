use std::collections::HashMap;

use serde_json::{Map, Value};

use super::place::Place;
use crate::Error;

/// What tells two elements of a list apart: the element itself, or the value of its merge key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Null,
    Truth(bool),
    Integer(i64),
    /// The bits of a number with a fraction, or of one that is too large.
    Float(u64),
    Text(String),
}

impl Key {
    /// Makes the key of a plain value; `None` for lists and objects.
    pub(super) fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Null,
            Value::Bool(is) => Self::Truth(*is),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(number), _) => Self::Integer(number),
                // Adding 0 makes a negative zero an ordinary one.
                (None, Some(number)) => Self::Float((number + 0.0).to_bits()),
                (None, None) => Self::Text(number.to_string()),
            },
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(_) | Value::Object(_) => return None,
        })
    }
}

/// The type of a list's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Truth,
    Integer,
    Float,
    Text,
    Object,
}

/// Finds the type that all elements have; `None` when there is no element.
pub(super) fn kind<'v>(
    elements: impl IntoIterator<Item = &'v Value>,
    at: &Place<'_>,
) -> Result<Option<Kind>, Error> {
    let mut found = None;
    for element in elements {
        let kind = match element {
            Value::Bool(_) => Some(Kind::Truth),
            Value::Number(number) if number.as_i64().is_some() => Some(Kind::Integer),
            Value::Number(_) => Some(Kind::Float),
            Value::String(_) => Some(Kind::Text),
            Value::Object(_) => Some(Kind::Object),
            Value::Null | Value::Array(_) => None,
        };
        if kind.is_none() || found.is_some_and(|found| Some(found) != kind) {
            return Err(Error::MixedList {
                place: at.to_string(),
            });
        }
        found = kind;
    }
    Ok(found)
}

/// Reads the merge key of an element, where it has one.
pub(super) fn merge_key(
    element: &Map<String, Value>,
    name: &str,
    at: &Place<'_>,
) -> Result<Option<Key>, Error> {
    match element.get(name) {
        None => Ok(None),
        Some(value) => Key::of(value).map(Some).ok_or_else(|| Error::BadMergeKey {
            place: at.to_string(),
            merge_key: name.to_owned(),
        }),
    }
}

/// Where each key comes first in a list.
#[derive(Debug, Default)]
pub(super) struct Positions(HashMap<Key, usize>);

impl Positions {
    pub(super) fn new(keys: &[Key]) -> Self {
        let mut positions = Self::default();
        for (index, key) in keys.iter().enumerate() {
            positions.add(key, index);
        }
        positions
    }

    /// Adds a key, unless it is there already.
    pub(super) fn add(&mut self, key: &Key, index: usize) {
        if !self.0.contains_key(key) {
            self.0.insert(key.clone(), index);
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<usize> {
        self.0.get(key).copied()
    }
}
