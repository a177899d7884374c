//! Takes the index and the lifecycles of a trace apart while they are read.

use std::fmt;

use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use super::shelf::Shelf;
use super::trace::Lifecycle;

/// The hashes of the objects, by kind.
pub(super) struct Index<'a>(pub(super) &'a mut Shelf);

impl<'de> DeserializeSeed<'de> for Index<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Index<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of kinds")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(gvk) = map.next_key::<String>()? {
            map.next_value_seed(IndexOf(self.0, &gvk))?;
        }
        Ok(())
    }
}

/// The hashes of the objects of a kind.
struct IndexOf<'a>(&'a mut Shelf, &'a str);

impl<'de> DeserializeSeed<'de> for IndexOf<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for IndexOf<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of names and hashes")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        loop {
            self.0.begin();
            let Some((name, hash)) = map.next_entry::<String, u64>()? else {
                return Ok(());
            };
            self.0
                .take_index(self.1, &name, hash)
                .map_err(A::Error::custom)?;
        }
    }
}

/// The owner of lifecycles: two texts in an array, which JSON cannot have as a key.
enum OwnerKey {
    Pair(String, String),
    Text,
}

impl<'de> Deserialize<'de> for OwnerKey {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Pair;

        impl<'de> Visitor<'de> for Pair {
            type Value = OwnerKey;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a kind and a name")
            }

            fn visit_str<E>(self, _: &str) -> Result<OwnerKey, E> {
                Ok(OwnerKey::Text)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<OwnerKey, A::Error> {
                let missing = |at| A::Error::invalid_length(at, &"a kind and a name");
                let gvk = seq.next_element()?.ok_or_else(|| missing(0))?;
                let name = seq.next_element()?.ok_or_else(|| missing(1))?;
                Ok(OwnerKey::Pair(gvk, name))
            }
        }

        from.deserialize_any(Pair)
    }
}

/// The lifecycles of pods, by owner.
pub(super) struct Lifecycles<'a>(pub(super) &'a mut Shelf);

impl<'de> DeserializeSeed<'de> for Lifecycles<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Lifecycles<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of owners")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        loop {
            self.0.begin();
            match map.next_key::<OwnerKey>()? {
                Some(OwnerKey::Pair(gvk, name)) => {
                    map.next_value_seed(LifecyclesOf(self.0, &gvk, &name))?;
                }
                Some(OwnerKey::Text) => {
                    map.next_value::<IgnoredAny>()?;
                    self.0
                        .lose_lifecycle("its owner is written as text, as JSON must");
                }
                None => return Ok(()),
            }
        }
    }
}

/// The lifecycles of the pods of an owner, by the hash of the pod's spec.
struct LifecyclesOf<'a>(&'a mut Shelf, &'a str, &'a str);

impl<'de> DeserializeSeed<'de> for LifecyclesOf<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for LifecyclesOf<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of hashes")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self(shelf, gvk, name) = self;
        while let Some(hash) = map.next_key::<u64>()? {
            map.next_value_seed(LifecyclesOfHash {
                shelf,
                gvk,
                name,
                hash,
            })?;
        }
        Ok(())
    }
}

struct LifecyclesOfHash<'a> {
    shelf: &'a mut Shelf,
    gvk: &'a str,
    name: &'a str,
    hash: u64,
}

impl<'de> DeserializeSeed<'de> for LifecyclesOfHash<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for LifecyclesOfHash<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of lifecycles")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut sequence = 0;
        loop {
            self.shelf.begin();
            let Some(lifecycle) = seq.next_element::<Lifecycle>()? else {
                return Ok(());
            };
            self.shelf
                .take_lifecycle((self.gvk, self.name), self.hash, sequence, lifecycle)
                .map_err(A::Error::custom)?;
            sequence += 1;
        }
    }
}
