//! The objects of a feed that were not deleted.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use kymo_model::{ObjectKey, Rv, Timestamp};

use super::item::Object;

/// What tells one version of an object from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Its resourceVersion.
    Rv(Rv),
    /// A hash of its text, where the source has no resourceVersions.
    Text(u64),
    /// Nothing.
    Unknown,
}

impl Version {
    pub(super) fn of(object: &Object) -> Self {
        match (&object.rv, &object.body) {
            (Some(rv), _) => Self::Rv(rv.clone()),
            (None, Some(body)) => {
                let mut hasher = DefaultHasher::new();
                body.hash(&mut hasher);
                Self::Text(hasher.finish())
            }
            (None, None) => Self::Unknown,
        }
    }

    /// Whether `later` is this version once more. Without resourceVersions only a list repeats: an
    /// event says that something changed.
    pub(super) fn is_repeated_by(&self, later: &Self, is_listed: bool) -> bool {
        match later {
            Self::Rv(_) => self == later,
            Self::Text(_) => is_listed && self == later,
            Self::Unknown => false,
        }
    }

    pub(super) fn is_newer_than(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Rv(this), Self::Rv(other)) => this.is_newer_than(other),
            _ => false,
        }
    }
}

/// An object that was not deleted.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) key: ObjectKey,
    pub(super) version: Version,
    /// When it was last shown as it is.
    pub(super) shown: Timestamp,
}

/// The live objects of a feed by identity, and by name once that is asked for.
#[derive(Debug, Default)]
pub(super) struct LiveObjects {
    by_identity: HashMap<String, Live>,
    /// The identity of the live object of each name; made when a source first leaves out a uid.
    by_name: Option<HashMap<String, String>>,
    /// How many objects of each name got a made uid.
    incarnations: HashMap<String, u32>,
    /// The identities in the order in which they came, where only so many are remembered.
    remembered: Option<(usize, VecDeque<String>)>,
}

/// Two objects are one if their uids say so; where there are none, their names.
pub(super) fn identity(key: &ObjectKey) -> String {
    if key.uid.is_empty() {
        name(key)
    } else {
        key.uid.clone()
    }
}

impl LiveObjects {
    /// Remembers only the `most` that came last: their end is not told.
    pub(super) fn forgetting(most: usize) -> Self {
        Self {
            remembered: Some((most, VecDeque::new())),
            ..Self::default()
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_identity.is_empty()
    }

    pub(super) fn get(&self, identity: &str) -> Option<&Live> {
        self.by_identity.get(identity)
    }

    /// Notes that an object was shown as it was before.
    pub(super) fn show_again(&mut self, identity: &str, ts: Timestamp) {
        if let Some(live) = self.by_identity.get_mut(identity) {
            live.shown = ts;
        }
    }

    /// Returns the uid of the live object of that name.
    pub(super) fn uid_of(&mut self, key: &ObjectKey) -> Option<String> {
        let live = self.of_name(key)?;
        (!live.key.uid.is_empty()).then(|| live.key.uid.clone())
    }

    /// Takes the live object that had the name of another one: two cannot have it at a time.
    pub(super) fn take_namesake(&mut self, key: &ObjectKey) -> Option<Live> {
        let other = self.of_name(key)?;
        if key.uid.is_empty() || other.key.uid.is_empty() || other.key.uid == key.uid {
            return None;
        }
        let identity = identity(&other.key);
        self.remove(&identity)
    }

    fn of_name(&mut self, key: &ObjectKey) -> Option<&Live> {
        let by_identity = &self.by_identity;
        let by_name = self.by_name.get_or_insert_with(|| {
            by_identity
                .iter()
                .map(|(identity, live)| (name(&live.key), identity.clone()))
                .collect()
        });
        by_identity.get(by_name.get(&name(key))?)
    }

    /// Returns the live object of that name whose uid the source did not tell yet.
    pub(super) fn by_name_alone(&self, key: &ObjectKey) -> Option<&Live> {
        // There is none unless a source left out a uid.
        self.by_name.as_ref()?;
        self.by_identity.get(&name(key))
    }

    /// Counts the objects of a name, from 0.
    pub(super) fn next_incarnation(&mut self, key: &ObjectKey) -> u32 {
        let count = self.incarnations.entry(name(key)).or_default();
        let incarnation = *count;
        *count += 1;
        incarnation
    }

    pub(super) fn insert(&mut self, identity: String, live: Live) {
        if let Some(by_name) = &mut self.by_name {
            by_name.insert(name(&live.key), identity.clone());
            // An object that was known by its name alone is the one that now tells its uid.
            if !live.key.uid.is_empty() {
                self.by_identity.remove(&name(&live.key));
            }
        }
        let Some((most, order)) = &mut self.remembered else {
            self.by_identity.insert(identity, live);
            return;
        };
        if self.by_identity.insert(identity.clone(), live).is_none() {
            order.push_back(identity);
        }
        let oldest = (order.len() > *most).then(|| order.pop_front()).flatten();
        if let Some(oldest) = oldest {
            self.remove(&oldest);
        }
    }

    pub(super) fn remove(&mut self, identity: &str) -> Option<Live> {
        let live = self.by_identity.remove(identity)?;
        if let Some(by_name) = &mut self.by_name {
            let name = name(&live.key);
            if by_name.get(&name).is_some_and(|known| known == identity) {
                by_name.remove(&name);
            }
        }
        Some(live)
    }

    /// Removes an object, also where it was known by its name alone.
    pub(super) fn remove_known(&mut self, identity: &str, key: &ObjectKey) {
        if self.remove(identity).is_none() && self.by_name.is_some() {
            self.remove(&name(key));
        }
    }

    /// Takes the objects of a scope that a list of a version did not show, in the order of their
    /// identities. What came to be after the list stays.
    pub(super) fn take_missing(
        &mut self,
        listed: &HashSet<String>,
        namespace: Option<&str>,
        rv: Option<&Rv>,
    ) -> Vec<Live> {
        let is_after_list = |live: &Live| match (&live.version, rv) {
            (Version::Rv(live), Some(list)) => live.is_newer_than(list),
            _ => false,
        };
        let mut gone: Vec<String> = self
            .by_identity
            .iter()
            .filter(|(_, live)| namespace.is_none_or(|namespace| live.key.namespace == namespace))
            .filter(|(identity, live)| !listed.contains(*identity) && !is_after_list(live))
            .map(|(identity, _)| identity.clone())
            .collect();
        gone.sort();
        gone.iter()
            .filter_map(|identity| self.remove(identity))
            .collect()
    }
}

fn name(key: &ObjectKey) -> String {
    format!("{}/{}", key.namespace, key.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, uid: &str) -> ObjectKey {
        ObjectKey {
            namespace: "a".into(),
            name: name.into(),
            uid: uid.into(),
        }
    }

    fn put(live: &mut LiveObjects, key: ObjectKey) {
        let version = Version::Unknown;
        live.insert(
            identity(&key),
            Live {
                key,
                version,
                shown: Timestamp(0),
            },
        );
    }

    #[test]
    fn an_object_known_by_its_name_is_the_one_that_later_tells_its_uid() {
        let mut live = LiveObjects::default();
        assert_eq!(live.uid_of(&key("p", "")), None);
        put(&mut live, key("p", ""));
        assert!(live.by_name_alone(&key("p", "u")).is_some());
        put(&mut live, key("p", "u"));
        assert!(live.by_name_alone(&key("p", "u")).is_none());
        assert_eq!(live.uid_of(&key("p", "")).as_deref(), Some("u"));
        put(&mut live, key("q", ""));
        live.remove_known("v", &key("q", "v"));
        assert!(live.by_name_alone(&key("q", "v")).is_none());
    }

    #[test]
    fn objects_whose_end_is_not_told_are_forgotten() {
        let mut live = LiveObjects::forgetting(2);
        for uid in ["u1", "u2", "u1", "u3"] {
            put(&mut live, key(uid, uid));
        }
        assert!(live.get("u1").is_none());
        assert!(live.get("u2").is_some() && live.get("u3").is_some());
    }
}
