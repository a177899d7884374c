//! Which objects are live, in little memory.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use kymo_model::{ObjectKey, Rv};
use uuid::Uuid;

/// Who an object is: its uid as 16 bytes, or a text where the uid is none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Identity {
    Uuid([u8; 16]),
    /// A uid of another form; `namespace/name` behind a NUL where there is none.
    Text(Box<str>),
}

impl Identity {
    pub(crate) fn of(key: &ObjectKey) -> Self {
        if key.uid.is_empty() {
            return Self::Text(format!("\0{}/{}", key.namespace, key.name).into());
        }
        match Uuid::try_parse(&key.uid) {
            // Only the canonical form can be written back as it was.
            Ok(uuid)
                if *uuid
                    .as_hyphenated()
                    .encode_lower(&mut Uuid::encode_buffer())
                    == *key.uid =>
            {
                Self::Uuid(uuid.into_bytes())
            }
            _ => Self::Text(key.uid.as_str().into()),
        }
    }

    fn uid(&self) -> String {
        match self {
            Self::Uuid(bytes) => Uuid::from_bytes(*bytes).as_hyphenated().to_string(),
            Self::Text(text) if text.starts_with('\0') => String::new(),
            Self::Text(text) => text.to_string(),
        }
    }
}

/// A version in 16 bytes: nearly all are numbers of 64 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Version {
    Number(u64),
    Text(Box<Rv>),
}

impl Version {
    fn of(rv: &Rv) -> Self {
        match rv.as_str().parse::<u64>() {
            Ok(number) if rv.is_ordered() => Self::Number(number),
            _ => Self::Text(Box::new(rv.clone())),
        }
    }

    fn rv(&self) -> Rv {
        match self {
            Self::Number(number) => Rv::new(number.to_string()),
            Self::Text(rv) => rv.as_ref().clone(),
        }
    }
}

#[derive(Debug)]
struct Entry {
    name: Box<str>,
    version: Version,
    namespace: u32,
    /// The last pass (relist or audit) that met it.
    pass: u32,
}

/// The live objects of one feed: uid, version, namespace and name, not the bodies.
///
/// One object takes about 140 bytes with a name of 40 characters
/// (`cargo test -p kymo-watch --test memory -- --nocapture`).
#[derive(Debug, Default)]
pub(crate) struct LiveTable {
    uuids: HashMap<[u8; 16], Entry>,
    others: HashMap<Box<str>, Entry>,
    namespaces: Vec<Box<str>>,
    namespace_numbers: HashMap<Box<str>, u32>,
    pass: u32,
}

/// Which live object has a name, while a relist runs.
#[derive(Debug, Default)]
pub(crate) struct NameIndex {
    hasher: RandomState,
    by_hash: HashMap<u64, Identity>,
}

impl LiveTable {
    pub(crate) fn len(&self) -> usize {
        self.uuids.len() + self.others.len()
    }

    fn get(&self, identity: &Identity) -> Option<&Entry> {
        match identity {
            Identity::Uuid(uuid) => self.uuids.get(uuid),
            Identity::Text(text) => self.others.get(text),
        }
    }

    fn get_mut(&mut self, identity: &Identity) -> Option<&mut Entry> {
        match identity {
            Identity::Uuid(uuid) => self.uuids.get_mut(uuid),
            Identity::Text(text) => self.others.get_mut(text),
        }
    }

    /// Returns the version under which an object is live.
    pub(crate) fn version(&self, identity: &Identity) -> Option<Rv> {
        self.get(identity).map(|entry| entry.version.rv())
    }

    /// Tells whether an object is live.
    pub(crate) fn contains(&self, identity: &Identity) -> bool {
        self.get(identity).is_some()
    }

    /// Forgets at which versions the objects are live; none is then at any version.
    pub(crate) fn forget_versions(&mut self) {
        for entry in self.uuids.values_mut().chain(self.others.values_mut()) {
            // No server sends version 0 of an object, and `Version::of` keeps it as a text.
            entry.version = Version::Number(0);
        }
    }

    /// Tells whether an object is live at just this version.
    pub(crate) fn is_at(&self, identity: &Identity, rv: &Rv) -> bool {
        self.get(identity)
            .is_some_and(|entry| entry.version == Version::of(rv))
    }

    /// Makes an object live at a version; what passes have met it is kept.
    pub(crate) fn insert(&mut self, identity: Identity, key: &ObjectKey, rv: &Rv) {
        let version = Version::of(rv);
        if let Some(entry) = self.get_mut(&identity) {
            entry.version = version;
            return;
        }
        let entry = Entry {
            name: key.name.as_str().into(),
            version,
            namespace: self.namespace_number(&key.namespace),
            pass: 0,
        };
        match identity {
            Identity::Uuid(uuid) => self.uuids.insert(uuid, entry),
            Identity::Text(text) => self.others.insert(text, entry),
        };
    }

    pub(crate) fn remove(&mut self, identity: &Identity) -> bool {
        match identity {
            Identity::Uuid(uuid) => self.uuids.remove(uuid).is_some(),
            Identity::Text(text) => self.others.remove(text).is_some(),
        }
    }

    /// Returns the full key of a live object.
    pub(crate) fn key(&self, identity: &Identity) -> Option<ObjectKey> {
        let entry = self.get(identity)?;
        Some(ObjectKey {
            namespace: self.namespace_name(entry.namespace).to_owned(),
            name: entry.name.to_string(),
            uid: identity.uid(),
        })
    }

    /// Begins to mark the objects that a list shows; forgets the marks of the pass before.
    pub(crate) fn begin_pass(&mut self) {
        if self.pass == u32::MAX {
            self.pass = 0;
            for entry in self.uuids.values_mut().chain(self.others.values_mut()) {
                entry.pass = 0;
            }
        }
        self.pass += 1;
    }

    /// Marks an object as met by the pass.
    pub(crate) fn meet(&mut self, identity: &Identity) {
        let pass = self.pass;
        if let Some(entry) = self.get_mut(identity) {
            entry.pass = pass;
        }
    }

    /// Returns the objects that the pass has not met, ordered by key.
    pub(crate) fn unmet(&self) -> Vec<(ObjectKey, Identity)> {
        let uuids = self
            .uuids
            .iter()
            .map(|(uuid, entry)| (entry, Identity::Uuid(*uuid)));
        let others = self
            .others
            .iter()
            .map(|(text, entry)| (entry, Identity::Text(text.clone())));
        let mut unmet: Vec<_> = uuids
            .chain(others)
            .filter(|(entry, _)| entry.pass != self.pass)
            .filter_map(|(_, identity)| Some((self.key(&identity)?, identity)))
            .collect();
        unmet.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        unmet
    }

    /// Indexes the live objects by name, for the time of a relist.
    pub(crate) fn name_index(&self) -> NameIndex {
        let mut index = NameIndex::default();
        index.by_hash.reserve(self.len());
        for (uuid, entry) in &self.uuids {
            let hash = self.name_hash(&index, entry);
            index.by_hash.insert(hash, Identity::Uuid(*uuid));
        }
        for (text, entry) in &self.others {
            let hash = self.name_hash(&index, entry);
            index.by_hash.insert(hash, Identity::Text(text.clone()));
        }
        index
    }

    /// Returns the live object that has the name of `key` but is another one.
    pub(crate) fn namesake(&self, index: &NameIndex, key: &ObjectKey) -> Option<Identity> {
        let hash = index.hash(&key.namespace, &key.name);
        let identity = index.by_hash.get(&hash)?;
        let entry = self.get(identity)?;
        (*entry.name == *key.name
            && self.namespace_name(entry.namespace) == key.namespace
            && *identity != Identity::of(key))
        .then(|| identity.clone())
    }

    fn name_hash(&self, index: &NameIndex, entry: &Entry) -> u64 {
        index.hash(self.namespace_name(entry.namespace), &entry.name)
    }

    fn namespace_number(&mut self, namespace: &str) -> u32 {
        if let Some(number) = self.namespace_numbers.get(namespace) {
            return *number;
        }
        let number = self.namespaces.len() as u32;
        self.namespaces.push(namespace.into());
        self.namespace_numbers.insert(namespace.into(), number);
        number
    }

    fn namespace_name(&self, number: u32) -> &str {
        self.namespaces
            .get(number as usize)
            .map_or("", |namespace| namespace)
    }
}

impl NameIndex {
    fn hash(&self, namespace: &str, name: &str) -> u64 {
        self.hasher.hash_one((namespace, name))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn key(namespace: &str, name: &str, uid: &str) -> ObjectKey {
        ObjectKey {
            namespace: namespace.into(),
            name: name.into(),
            uid: uid.into(),
        }
    }

    #[rstest]
    #[case("8aa11f46-ee57-4250-a6c7-3fe1b4fb3c39", "18446744073709551615")]
    #[case("8AA11F46-EE57-4250-A6C7-3FE1B4FB3C39", "18446744073709551616")]
    #[case("8aa11f46ee574250a6c73fe1b4fb3c39", "007")]
    #[case("42", "abc")]
    #[case("", "1")]
    fn keys_and_versions_come_back_as_they_were(#[case] uid: &str, #[case] rv: &str) {
        let mut table = LiveTable::default();
        let key = key("shop", "web-0", uid);
        let identity = Identity::of(&key);
        table.insert(identity.clone(), &key, &rv.into());
        assert_eq!(table.key(&identity), Some(key));
        assert_eq!(table.version(&identity), Some(rv.into()));
        assert!(table.is_at(&identity, &rv.into()));
        assert!(!table.is_at(&identity, &"2".into()));
        assert!(table.remove(&identity));
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn a_pass_tells_what_it_has_not_met() {
        let mut table = LiveTable::default();
        let keys = [key("a", "x", "1"), key("a", "y", "2"), key("", "z", "3")];
        for key in &keys {
            table.insert(Identity::of(key), key, &"5".into());
        }
        table.begin_pass();
        table.meet(&Identity::of(&keys[1]));
        table.insert(Identity::of(&keys[1]), &keys[1], &"6".into());
        let unmet: Vec<_> = table.unmet().into_iter().map(|(key, _)| key).collect();
        assert_eq!(unmet, [keys[2].clone(), keys[0].clone()]);
        table.begin_pass();
        assert_eq!(table.unmet().len(), 3);
    }

    #[test]
    fn marks_survive_the_end_of_their_numbers() {
        let mut table = LiveTable::default();
        let key = key("a", "x", "1");
        table.insert(Identity::of(&key), &key, &"5".into());
        table.pass = u32::MAX - 1;
        table.begin_pass();
        table.meet(&Identity::of(&key));
        assert_eq!(table.unmet().len(), 0);
        table.begin_pass();
        assert_eq!(table.unmet().len(), 1);
    }

    #[test]
    fn a_namesake_is_another_object_of_the_same_name() {
        let mut table = LiveTable::default();
        let old = key("a", "x", "1");
        table.insert(Identity::of(&old), &old, &"5".into());
        let index = table.name_index();
        assert_eq!(
            table.namesake(&index, &key("a", "x", "2")),
            Some(Identity::of(&old))
        );
        assert_eq!(table.namesake(&index, &old), None);
        assert_eq!(table.namesake(&index, &key("b", "x", "2")), None);
    }
}
