//! In which order the elements of a merged list come.

use serde_json::Value;

use super::element::{Key, Positions};
use super::place::Place;
use crate::Error;

/// An element with its key.
#[derive(Debug)]
pub(super) struct Keyed {
    pub(super) key: Key,
    pub(super) value: Value,
}

/// Up to this length the server sorts by insertion, which decides where elements without a place
/// come.
const INSERTED: usize = 20;

/// Orders a merged list: those that `wanted` names as it says, the others as at the server before,
/// and both lists joined so that what the server had keeps its order as well as it can.
pub(super) fn arrange(
    elements: Vec<Keyed>,
    wanted: &Positions,
    server: &Positions,
    at: &Place<'_>,
) -> Result<Vec<Value>, Error> {
    let (ours, theirs): (Vec<_>, Vec<_>) = elements
        .into_iter()
        .partition(|element| wanted.get(&element.key).is_some());
    let ours = sort(ours, wanted, at)?;
    let theirs = sort(theirs, server, at)?;
    Ok(join(theirs, ours, server))
}

/// Sorts by the place of each key.
fn sort(
    elements: Vec<Keyed>,
    positions: &Positions,
    at: &Place<'_>,
) -> Result<Vec<(Option<usize>, Keyed)>, Error> {
    let mut placed: Vec<_> = elements
        .into_iter()
        .map(|element| (positions.get(&element.key), element))
        .collect();
    if placed.iter().all(|(place, _)| place.is_some()) {
        placed.sort_by_key(|(place, _)| *place);
    } else if placed.len() <= INSERTED {
        insert_each(&mut placed);
    } else {
        return Err(Error::Order {
            place: at.to_string(),
        });
    }
    Ok(placed)
}

/// Sorts by insertion, where whatever has no place goes before all that it meets.
fn insert_each(placed: &mut [(Option<usize>, Keyed)]) {
    for end in 1..placed.len() {
        for at in (1..=end).rev() {
            let Some([(left, _), (right, _)]) = placed.get(at - 1..=at) else {
                break;
            };
            if matches!((left, right), (Some(left), Some(right)) if right >= left) {
                break;
            }
            placed.swap(at - 1, at);
        }
    }
}

/// Joins two sorted lists; `ours` come first unless the server had them the other way round.
fn join(
    theirs: Vec<(Option<usize>, Keyed)>,
    ours: Vec<(Option<usize>, Keyed)>,
    server: &Positions,
) -> Vec<Value> {
    let mut joined = Vec::with_capacity(theirs.len() + ours.len());
    let mut theirs = theirs.into_iter().peekable();
    for (_, our) in ours {
        let place = server.get(&our.key);
        while let Some((_, their)) =
            theirs.next_if(|(their, _)| matches!((their, place), (Some(t), Some(o)) if *t < o))
        {
            joined.push(their.value);
        }
        joined.push(our.value);
    }
    joined.extend(theirs.map(|(_, their)| their.value));
    joined
}
