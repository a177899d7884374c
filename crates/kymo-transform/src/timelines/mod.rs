//! Whole timelines that move: `STRETCH ARRIVALS` and `STRETCH LIFETIMES`.
//!
//! Objects are moved in *trees*, so that owners and what they own, an object and the Events about
//! it, a node and its Lease stay together. The root of a tree is an object that came into being
//! while the trace was recorded, or one that was there before; what a `CronJob` makes is a tree of
//! its own, because it does not count it. Nodes and namespaces are *places*: they are there from
//! before the first of what is in them until after the last.

mod forest;
mod moves;

use std::collections::HashMap;
use std::sync::Arc;

use crate::Error;
use crate::draft::Draft;
use crate::language::Place;
use crate::step::moved;
use crate::times::TimeMap;

pub(crate) use forest::Forest;
pub(crate) use moves::plan;

/// Moves the times of each object by a map of its own.
#[derive(Clone, Debug)]
pub(crate) struct Timelines {
    /// Where the times of objects go, by the keys of their uids; those that are not here stay.
    maps: Arc<HashMap<Key, TimeMap>>,
    /// The statement.
    place: Place,
}

/// What stands for a uid: less than the text, so that many fit into memory.
pub(crate) type Key = [u8; 16];

/// Returns what stands for a uid.
pub(crate) fn key(uid: &str) -> Key {
    let mut key = Key::default();
    blake3::Hasher::new()
        .update(uid.as_bytes())
        .finalize_xof()
        .fill(&mut key);
    key
}

impl Timelines {
    pub(crate) fn row(&self, draft: Draft) -> Result<Draft, Error> {
        let uid = &draft.event.key.uid;
        if uid.is_empty() {
            return Ok(draft);
        }
        match self.maps.get(&key(uid)) {
            Some(map) => moved(draft, *map, self.place),
            None => Ok(draft),
        }
    }
}
