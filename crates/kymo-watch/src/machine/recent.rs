use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};

use kymo_model::{EventType, Rv};

use crate::live::Identity;

/// How far back a repeated line is recognised.
const REMEMBERED: usize = 256;

/// The last events of a stream, to tell a repeated line from a rewind.
///
/// It is asked only about events whose version is not newer than the position, so a false match
/// cannot lose one that belongs in the trace.
#[derive(Debug, Default)]
pub(super) struct Recent {
    hasher: RandomState,
    hashes: VecDeque<u64>,
}

impl Recent {
    pub(super) fn remember(&mut self, identity: &Identity, event_type: EventType, rv: &Rv) {
        if self.hashes.len() == REMEMBERED {
            self.hashes.pop_front();
        }
        let hash = self.hasher.hash_one((identity, event_type, rv));
        self.hashes.push_back(hash);
    }

    pub(super) fn holds(&self, identity: &Identity, event_type: EventType, rv: &Rv) -> bool {
        let hash = self.hasher.hash_one((identity, event_type, rv));
        self.hashes.contains(&hash)
    }

    pub(super) fn clear(&mut self) {
        self.hashes.clear();
    }
}
