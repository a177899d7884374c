//! The last known bodies of live objects, for formats that hold patches.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::{fmt, io};

use kymo_model::GroupResource;

use super::context::Context;
use crate::Error;
use crate::vault::{Chunk, Vault};

/// How many bytes of bodies are held in memory.
const HELD_BYTES: usize = 64 << 20;
/// A file with fewer bytes of garbage is not rewritten.
const LEAST_GARBAGE: u64 = 16 << 20;

/// Names an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BodyKey(Box<str>);

impl BodyKey {
    /// Names an object by its resource, namespace (empty for none) and name.
    pub(crate) fn new(resource: &GroupResource, namespace: &str, name: &str) -> Self {
        let GroupResource { group, resource } = resource;
        Self(format!("{group}\0{resource}\0{namespace}\0{name}").into())
    }
}

/// Bodies by object.
///
/// They are not redacted: beyond a number of bytes those that were put longest ago go to a file
/// without a name, encrypted with a key that is only in memory. The file is rewritten when most of
/// it is garbage.
pub(crate) struct Bodies {
    folder: PathBuf,
    vault: Vault,
    places: HashMap<BodyKey, Place>,
    /// Bodies in memory in the order in which they were put, and some that are there no more.
    turns: VecDeque<(BodyKey, u64)>,
    turn: u64,
    held: usize,
    held_bytes: usize,
    most_held_bytes: usize,
    stored_bytes: u64,
    garbage_bytes: u64,
    least_garbage: u64,
}

enum Place {
    Held { body: Box<str>, turn: u64 },
    Stored(Chunk),
}

impl fmt::Debug for Bodies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bodies")
            .field("objects", &self.places.len())
            .field("held_bytes", &self.held_bytes)
            .field("stored_bytes", &self.stored_bytes)
            .finish_non_exhaustive()
    }
}

impl Bodies {
    /// Starts without bodies.
    pub(crate) fn new(context: &Context) -> Self {
        Self::with_bounds(&context.workshop, HELD_BYTES, LEAST_GARBAGE)
    }

    fn with_bounds(folder: &Path, most_held_bytes: usize, least_garbage: u64) -> Self {
        Self {
            folder: folder.to_owned(),
            vault: Vault::new(folder),
            places: HashMap::new(),
            turns: VecDeque::new(),
            turn: 0,
            held: 0,
            held_bytes: 0,
            most_held_bytes,
            stored_bytes: 0,
            garbage_bytes: 0,
            least_garbage,
        }
    }

    /// Returns the body of an object.
    pub(crate) fn get(&self, key: &BodyKey) -> Result<Option<String>, Error> {
        let chunk = match self.places.get(key) {
            None => return Ok(None),
            Some(Place::Held { body, .. }) => return Ok(Some(body.to_string())),
            Some(Place::Stored(chunk)) => *chunk,
        };
        let mut bytes = Vec::new();
        let read = self.vault.get(chunk, &mut bytes);
        let text = read.and_then(|()| String::from_utf8(bytes).map_err(io::Error::other));
        text.map(Some).map_err(|source| self.failed(source))
    }

    /// Keeps the body of an object in place of the one before.
    pub(crate) fn put(&mut self, key: BodyKey, body: impl Into<Box<str>>) -> Result<(), Error> {
        let body = body.into();
        self.turn += 1;
        self.held += 1;
        self.held_bytes += body.len();
        self.turns.push_back((key.clone(), self.turn));
        let turn = self.turn;
        let before = self.places.insert(key, Place::Held { body, turn });
        self.free(before);
        self.bound()
    }

    /// Forgets the body of an object.
    pub(crate) fn remove(&mut self, key: &BodyKey) -> Result<(), Error> {
        let before = self.places.remove(key);
        self.free(before);
        self.bound()
    }

    fn free(&mut self, place: Option<Place>) {
        match place {
            None => {}
            Some(Place::Held { body, .. }) => {
                self.held -= 1;
                self.held_bytes -= body.len();
            }
            Some(Place::Stored(chunk)) => self.garbage_bytes += chunk.stored_bytes(),
        }
    }

    /// Keeps memory and the file within bounds.
    fn bound(&mut self) -> Result<(), Error> {
        while self.held_bytes > self.most_held_bytes {
            let Some((key, turn)) = self.turns.pop_front() else {
                break;
            };
            self.store(&key, turn)
                .map_err(|source| self.failed(source))?;
        }
        if self.turns.len() > 2 * self.held + 1024 {
            let places = &self.places;
            self.turns.retain(|(key, turn)| is_held(places, key, *turn));
        }
        let is_mostly_garbage = self.garbage_bytes > self.stored_bytes / 2;
        if is_mostly_garbage && self.garbage_bytes > self.least_garbage {
            self.rewrite().map_err(|source| self.failed(source))?;
        }
        Ok(())
    }

    /// Takes a body out of memory, unless it is another one by now.
    fn store(&mut self, key: &BodyKey, turn: u64) -> io::Result<()> {
        let Some(place) = self.places.get_mut(key) else {
            return Ok(());
        };
        if let Place::Held { body, turn: now } = place
            && *now == turn
        {
            let chunk = self.vault.put(body.as_bytes())?;
            self.held -= 1;
            self.held_bytes -= body.len();
            self.stored_bytes += chunk.stored_bytes();
            *place = Place::Stored(chunk);
        }
        Ok(())
    }

    /// Copies what is alive to another file.
    fn rewrite(&mut self) -> io::Result<()> {
        let vault = Vault::new(&self.folder);
        let mut bytes = Vec::new();
        let mut stored_bytes = 0;
        for place in self.places.values_mut() {
            if let Place::Stored(chunk) = place {
                self.vault.get(*chunk, &mut bytes)?;
                *chunk = vault.put(&bytes)?;
                stored_bytes += chunk.stored_bytes();
            }
        }
        self.vault = vault;
        self.stored_bytes = stored_bytes;
        self.garbage_bytes = 0;
        Ok(())
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Write {
            path: self.folder.clone(),
            source,
        }
    }
}

fn is_held(places: &HashMap<BodyKey, Place>, key: &BodyKey, turn: u64) -> bool {
    matches!(places.get(key), Some(Place::Held { turn: now, .. }) if *now == turn)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: impl Into<String>) -> BodyKey {
        BodyKey::new(&GroupResource::new("", "pods"), "a", &name.into())
    }

    /// Text that hardly compresses.
    fn body(number: usize) -> String {
        let parts = (0..100).map(|n| {
            let noise = (number * 1000 + n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            format!("{noise:x}")
        });
        parts.collect::<Vec<_>>().concat()
    }

    #[test]
    fn bodies_beyond_the_bound_come_back_from_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut bodies = Bodies::with_bounds(folder.path(), 10_000, 1 << 20);
        for number in 0..50 {
            bodies.put(key(number.to_string()), body(number)).unwrap();
        }
        assert!(bodies.held_bytes <= 10_000 && bodies.stored_bytes > 10_000);
        bodies.put(key("3"), "new").unwrap();
        bodies.remove(&key("4")).unwrap();
        for number in 0..50 {
            let expected = match number {
                3 => Some("new".to_owned()),
                4 => None,
                _ => Some(body(number)),
            };
            assert_eq!(bodies.get(&key(number.to_string())).unwrap(), expected);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn objects_that_change_again_and_again_do_not_let_the_file_or_the_memory_grow() {
        let folder = tempfile::tempdir().unwrap();
        let mut bodies = Bodies::with_bounds(folder.path(), 5_000, 20_000);
        let mut most = 0;
        for round in 0..30 {
            for number in 0..20 {
                bodies
                    .put(key(number.to_string()), body(number + round))
                    .unwrap();
                most = most.max(bodies.stored_bytes);
                assert!(bodies.turns.len() <= 2 * bodies.held + 1024);
            }
        }
        let live: usize = (0..20).map(|number| body(number + 29).len()).sum();
        assert!(
            most < 2 * live as u64 + 60_000,
            "{most} for {live} live bytes"
        );
        for number in 0..20 {
            assert_eq!(
                bodies.get(&key(number.to_string())).unwrap(),
                Some(body(number + 29))
            );
            bodies.remove(&key(number.to_string())).unwrap();
        }
        assert!(bodies.places.is_empty());
        assert_eq!((bodies.held, bodies.held_bytes), (0, 0));
    }

    #[test]
    fn what_a_body_holds_cannot_be_read_on_the_disk_or_in_a_message() {
        let folder = tempfile::tempdir().unwrap();
        for most_held_bytes in [0, 1000] {
            let mut bodies = Bodies::with_bounds(folder.path(), most_held_bytes, 0);
            bodies.put(key("s"), "LABSECRET").unwrap();
            let is_held = matches!(bodies.places[&key("s")], Place::Held { .. });
            assert_eq!(is_held, most_held_bytes > 0);
            assert!(!format!("{bodies:?}").contains("LABSECRET"));
            assert_eq!(bodies.get(&key("s")).unwrap().as_deref(), Some("LABSECRET"));
        }
    }
}
