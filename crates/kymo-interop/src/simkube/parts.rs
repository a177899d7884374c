//! Takes a trace apart while it is read, so that no more than one object is in memory.
//!
//! The same visitors read `MessagePack` and JSON, structures by name or by position, and their
//! fields in any order.

use std::fmt;

use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::Value;

use super::part_maps::{Index, Lifecycles};
use super::shelf::Shelf;
use super::trace::{Config, VERSION};

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Part {
    Version,
    Config,
    Events,
    Index,
    PodLifecycles,
    #[serde(other)]
    Unknown,
}

const PARTS: [(Part, &str); 5] = [
    (Part::Version, "version"),
    (Part::Config, "config"),
    (Part::Events, "events"),
    (Part::Index, "index"),
    (Part::PodLifecycles, "pod_lifecycles"),
];

/// A whole trace.
pub(super) struct TraceParts<'a>(pub(super) &'a mut Shelf);

impl<'de> DeserializeSeed<'de> for TraceParts<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TraceParts<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a SimKube trace")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = Vec::with_capacity(PARTS.len());
        while let Some(part) = map.next_key::<Part>()? {
            self.0.begin();
            let name = PARTS.iter().find(|(known, _)| *known == part);
            if let Some((part, name)) = name {
                if seen.contains(part) {
                    return Err(A::Error::duplicate_field(name));
                }
                seen.push(*part);
            }
            match part {
                Part::Version => self.0.take_version(map.next_value()?)?,
                Part::Config => self.0.take_config(Config::of(&map.next_value::<Value>()?)),
                Part::Events => map.next_value_seed(Events(self.0))?,
                Part::Index => map.next_value_seed(Index(self.0))?,
                Part::PodLifecycles => map.next_value_seed(Lifecycles(self.0))?,
                Part::Unknown => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            self.0.begin();
        }
        for (part, name) in PARTS {
            if !seen.contains(&part) {
                return Err(A::Error::missing_field(name));
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let missing = |at| A::Error::invalid_length(at, &"five parts");
        self.0
            .take_version(seq.next_element()?.ok_or_else(|| missing(0))?)?;
        let config: Value = seq.next_element()?.ok_or_else(|| missing(1))?;
        self.0.take_config(Config::of(&config));
        seq.next_element_seed(Events(self.0))?
            .ok_or_else(|| missing(2))?;
        seq.next_element_seed(Index(self.0))?
            .ok_or_else(|| missing(3))?;
        seq.next_element_seed(Lifecycles(self.0))?
            .ok_or_else(|| missing(4))?;
        Ok(())
    }
}

/// The array of events.
struct Events<'a>(&'a mut Shelf);

impl<'de> DeserializeSeed<'de> for Events<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Events<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        loop {
            self.0.begin();
            if seq.next_element_seed(TraceEvent(self.0))?.is_none() {
                return Ok(());
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum EventPart {
    Ts,
    AppliedObjs,
    DeletedObjs,
    #[serde(other)]
    Unknown,
}

/// One event.
struct TraceEvent<'a>(&'a mut Shelf);

impl<'de> DeserializeSeed<'de> for TraceEvent<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TraceEvent<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut ts, mut has_applied, mut has_deleted) = (None, false, false);
        while let Some(part) = map.next_key::<EventPart>()? {
            match part {
                EventPart::Ts if ts.is_some() => return Err(A::Error::duplicate_field("ts")),
                EventPart::Ts => ts = Some(map.next_value()?),
                EventPart::AppliedObjs if has_applied => {
                    return Err(A::Error::duplicate_field("applied_objs"));
                }
                EventPart::AppliedObjs => {
                    has_applied = true;
                    map.next_value_seed(applied(self.0))?;
                }
                EventPart::DeletedObjs if has_deleted => {
                    return Err(A::Error::duplicate_field("deleted_objs"));
                }
                EventPart::DeletedObjs => {
                    has_deleted = true;
                    map.next_value_seed(deleted(self.0))?;
                }
                EventPart::Unknown => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let ts = ts.ok_or_else(|| A::Error::missing_field("ts"))?;
        if !has_applied {
            return Err(A::Error::missing_field("applied_objs"));
        }
        if !has_deleted {
            return Err(A::Error::missing_field("deleted_objs"));
        }
        self.0.end_event(ts).map_err(A::Error::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let missing = |at| A::Error::invalid_length(at, &"three parts");
        let ts = seq.next_element()?.ok_or_else(|| missing(0))?;
        seq.next_element_seed(applied(self.0))?
            .ok_or_else(|| missing(1))?;
        seq.next_element_seed(deleted(self.0))?
            .ok_or_else(|| missing(2))?;
        self.0.end_event(ts).map_err(A::Error::custom)
    }
}

/// The objects of an event.
struct Objects<'a> {
    shelf: &'a mut Shelf,
    are_deleted: bool,
}

impl<'de> DeserializeSeed<'de> for Objects<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Objects<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        loop {
            let at = self.shelf.begin();
            let Some(object) = seq.next_element::<Value>()? else {
                self.shelf.begin();
                return Ok(());
            };
            self.shelf
                .take_object(at, &object, self.are_deleted)
                .map_err(A::Error::custom)?;
        }
    }
}

fn applied(shelf: &mut Shelf) -> Objects<'_> {
    Objects {
        shelf,
        are_deleted: false,
    }
}

fn deleted(shelf: &mut Shelf) -> Objects<'_> {
    Objects {
        shelf,
        are_deleted: true,
    }
}

impl Shelf {
    /// Refuses a version that is not known, before anything else is read.
    fn take_version<E: serde::de::Error>(&mut self, version: u64) -> Result<(), E> {
        if version == VERSION {
            self.has_version = true;
            return Ok(());
        }
        self.refused_version = Some(version);
        Err(E::custom(format_args!("version {version}")))
    }
}
