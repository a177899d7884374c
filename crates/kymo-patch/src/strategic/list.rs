//! Merging two lists.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::element::{Key, Kind, Positions, kind, merge_key};
use super::order::{Keyed, arrange};
use super::place::Place;
use super::taken::{as_written, without_directives};
use super::{PATCH, merge_object};
use crate::Error;
use crate::table::Field;

/// How the lists of one field are merged.
#[derive(Clone, Copy)]
pub(super) struct Lists<'a> {
    pub(super) field: &'a Field,
    pub(super) at: &'a Place<'a>,
    /// Whether the patch lists what goes.
    pub(super) deletes: bool,
}

/// A merged list.
#[derive(Default)]
pub(super) struct Merged {
    pub(super) elements: Vec<Value>,
    /// What the server takes for the order before the patch, where that is not the order before
    /// the patch: new elements come to lie in the memory of deleted ones.
    before: Option<Vec<Key>>,
}

impl Lists<'_> {
    /// Merges the elements of a patch into a list.
    pub(super) fn merge(self, list: Vec<Value>, patch: &[Value]) -> Result<Merged, Error> {
        match kind(list.iter().chain(patch), self.at)? {
            None => Ok(Merged::default()),
            Some(Kind::Object) => self.merge_objects(list, patch),
            Some(_) if self.deletes => Ok(Self::delete(list, patch)),
            Some(_) if self.field.merge_key.is_some() => Err(self.mixed()),
            Some(_) => self.join_plain(list, patch),
        }
    }

    /// Merges the elements of a patch into a list and orders the result. `None` when there is
    /// neither list nor patch.
    pub(super) fn merge_in_order(
        self,
        list: Option<Vec<Value>>,
        patch: Option<&Vec<Value>>,
        order: &[Value],
    ) -> Result<Option<Vec<Value>>, Error> {
        let none = Vec::new();
        let elements = patch.unwrap_or(&none);
        self.check_order(elements, order)?;
        if list.is_none() && patch.is_none() {
            return Ok(None);
        }
        let had_list = list.is_some();
        let list = list.unwrap_or_default();
        if kind(list.iter().chain(elements), self.at)?.is_none() {
            return Err(Error::EmptyOrder {
                place: self.at.to_string(),
            });
        }
        let mut before = self.keys(&list)?;
        let merged = match patch {
            None => list,
            Some(patch) if !had_list => patch.iter().filter_map(without_directives).collect(),
            Some(patch) if self.field.merges => {
                let merged = self.merge(list, patch)?;
                before = merged.before.unwrap_or(before);
                merged.elements
            }
            Some(patch) => patch.iter().map(as_written).collect(),
        };
        let wanted = Positions::new(&self.keys(order)?);
        arrange(
            self.keyed(merged)?,
            &wanted,
            &Positions::new(&before),
            self.at,
        )
        .map(Some)
    }

    fn mixed(self) -> Error {
        Error::MixedList {
            place: self.at.to_string(),
        }
    }

    fn no_key(self) -> Error {
        Error::NoMergeKey {
            place: self.at.to_string(),
            merge_key: self.field.merge_key.unwrap_or_default().to_owned(),
        }
    }

    fn key(self, element: &Value) -> Result<Key, Error> {
        match (self.field.merge_key, element) {
            (Some(name), Value::Object(fields)) => {
                merge_key(fields, name, self.at)?.ok_or_else(|| self.no_key())
            }
            (None, element) => Key::of(element).ok_or_else(|| self.mixed()),
            (Some(_), _) => Err(self.mixed()),
        }
    }

    fn keys(self, list: &[Value]) -> Result<Vec<Key>, Error> {
        list.iter().map(|element| self.key(element)).collect()
    }

    fn keyed(self, list: Vec<Value>) -> Result<Vec<Keyed>, Error> {
        list.into_iter()
            .map(|value| {
                let key = self.key(&value)?;
                Ok(Keyed { key, value })
            })
            .collect()
    }

    /// Removes plain values from a list.
    fn delete(mut list: Vec<Value>, patch: &[Value]) -> Merged {
        let gone: HashSet<Key> = patch.iter().filter_map(Key::of).collect();
        list.retain(|value| Key::of(value).is_none_or(|key| !gone.contains(&key)));
        Merged {
            elements: list,
            before: None,
        }
    }

    /// Joins two lists of plain values; each value comes once.
    fn join_plain(self, list: Vec<Value>, patch: &[Value]) -> Result<Merged, Error> {
        let before = Positions::new(&self.keys(&list)?);
        let wanted = Positions::new(&self.keys(patch)?);
        let mut seen = HashSet::new();
        let mut elements = self.keyed(list.into_iter().chain(patch.iter().cloned()).collect())?;
        elements.retain(|element| seen.insert(element.key.clone()));
        Ok(Merged {
            elements: arrange(elements, &wanted, &before, self.at)?,
            before: None,
        })
    }

    /// Joins two lists of objects by their merge key.
    fn merge_objects(self, list: Vec<Value>, patch: &[Value]) -> Result<Merged, Error> {
        if self.field.merge_key.is_none() {
            return Err(self.mixed());
        }
        let Directives {
            plain,
            deleted,
            replaces,
        } = self.directives(patch)?;
        if replaces {
            let (keys, elements): (Vec<Key>, Vec<Keyed>) = plain
                .into_iter()
                .map(|(key, element)| {
                    (
                        key.clone(),
                        Keyed {
                            key,
                            value: written(element),
                        },
                    )
                })
                .unzip();
            let server = Positions::new(&keys);
            return Ok(Merged {
                elements: arrange(elements, &Positions::default(), &server, self.at)?,
                before: None,
            });
        }
        let had = list.len();
        let mut elements = self.keyed(list)?;
        elements.retain(|element| !deleted.contains(&element.key));
        let mut free = had - elements.len();
        let mut before: Vec<Key> = elements.iter().map(|element| element.key.clone()).collect();
        let server = Positions::new(&before);
        let mut places = Positions::new(&before);
        let mut wanted = Positions::default();
        for (index, (key, element)) in plain.into_iter().enumerate() {
            wanted.add(&key, index);
            let known = places.get(&key).and_then(|place| elements.get_mut(place));
            if let Some(Value::Object(known)) = known.map(|known| &mut known.value) {
                merge_object(known, element, self.field.of(), self.at)?;
                continue;
            }
            places.add(&key, elements.len());
            if free > 0 {
                free -= 1;
                before.push(key.clone());
            }
            let value = written(element);
            elements.push(Keyed { key, value });
        }
        Ok(Merged {
            elements: arrange(elements, &wanted, &server, self.at)?,
            before: Some(before),
        })
    }

    /// Takes the directives out of a patch's elements.
    fn directives(self, patch: &[Value]) -> Result<Directives<'_>, Error> {
        let mut found = Directives::default();
        for element in patch {
            let Value::Object(fields) = element else {
                return Err(self.mixed());
            };
            match fields
                .get(PATCH)
                .map(|directive| (directive, directive.as_str()))
            {
                None => found.plain.push((self.key(element)?, fields)),
                Some((_, Some("delete"))) => {
                    found.deleted.insert(self.key(element)?);
                }
                Some((_, Some("replace"))) => found.replaces = true,
                Some((directive, _)) => {
                    return Err(Error::Directive {
                        place: self.at.to_string(),
                        directive: directive.to_string(),
                    });
                }
            }
        }
        Ok(found)
    }

    /// Fails where the patch's elements are not in the order that it sets.
    fn check_order(self, patch: &[Value], order: &[Value]) -> Result<(), Error> {
        if order.is_empty() {
            return Ok(());
        }
        let mut order = order.iter();
        for element in patch {
            let directive = element.as_object().and_then(|fields| fields.get(PATCH));
            if directive.is_some_and(|directive| directive == "delete") {
                continue;
            }
            let is_found = match directive {
                Some(_) => !order.as_slice().is_empty(),
                None => self.skip_to(&self.key(element)?, &mut order)?,
            };
            if !is_found {
                return Err(Error::Order {
                    place: self.at.to_string(),
                });
            }
        }
        Ok(())
    }

    fn skip_to(self, key: &Key, order: &mut std::slice::Iter<'_, Value>) -> Result<bool, Error> {
        for next in order {
            if self.key(next)? == *key {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What a patch says of the elements of a list.
#[derive(Default)]
struct Directives<'p> {
    plain: Vec<(Key, &'p Map<String, Value>)>,
    deleted: HashSet<Key>,
    replaces: bool,
}

fn written(element: &Map<String, Value>) -> Value {
    as_written(&Value::Object(element.clone()))
}
