//! Pseudonyms: words that depend on a key and on what they stand for, and on nothing else.

use std::collections::{BTreeMap, HashMap};

use crate::failure::Failure;
use crate::key::{KEY_BYTES, Key};

/// Letters of pseudonyms; each is five bits.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
/// The length of most pseudonyms: a letter of four bits and fifteen of five.
pub(crate) const TOKEN: usize = 16;
/// The length of what stands for a hash or a random suffix inside of a name.
pub(crate) const PART: usize = 12;
/// The length of the name of a port, which may have 15 letters.
pub(crate) const PORT: usize = 15;
/// What one known pseudonym takes, in bytes, about.
const TAKEN_BYTES: usize = 56;

macro_rules! domains {
    ($($(#[$meta:meta])* $name:ident = $word:literal,)+) => {
        /// The kind of identifier that a pseudonym stands for. Pseudonyms of different kinds tell
        /// nothing of each other.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) enum Domain { $($(#[$meta])* $name,)+ }

        impl Domain {
            /// Every domain, in the order of their keys.
            const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Returns the word for which its key is derived.
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }
        }
    };
}

domains! {
    /// Names of objects and of what is inside of them; nodes too.
    Name = "name",
    /// Namespaces.
    Namespace = "namespace",
    /// Hashes and random suffixes inside of names.
    Part = "part",
    /// Keys of labels, taints and annotations.
    LabelKey = "label-key",
    /// Values of labels; each key has pseudonyms of its own.
    LabelValue = "label-value",
    /// Groups, plurals, drivers and other names of extensions.
    Api = "api",
    /// Kinds, reasons, types: words of a closed list that are not on it.
    Word = "word",
    /// Parts of image references.
    Image = "image",
    /// Digests and long hashes.
    Digest = "digest",
    /// Labels of host names.
    Host = "host",
    /// Users and groups.
    Actor = "actor",
    /// Unique ids.
    Uid = "uid",
    /// Parts of paths.
    Path = "path",
    /// Keys of `ConfigMap`s and Secrets.
    DataKey = "data-key",
    /// Names of environment variables.
    Environment = "environment",
    /// Names of ports.
    Port = "port",
    /// Hardware addresses.
    Mac = "mac",
    /// Fields that the API does not know.
    Field = "field",
    /// Everything else.
    Opaque = "opaque",
}

/// Makes pseudonyms, and sees to it that no two identifiers share one.
#[derive(Debug)]
pub(crate) struct Tokens {
    keys: Vec<[u8; KEY_BYTES]>,
    /// Which identifier has a pseudonym, as a piece of its digest.
    taken: HashMap<(Domain, u128), u64>,
    limit: usize,
    forgets: bool,
    map: Option<BTreeMap<(Domain, String), String>>,
}

impl Tokens {
    /// `limit` bounds the memory of what is remembered, in bytes; `with_map` keeps originals too.
    pub(crate) fn new(key: &Key, limit: usize, with_map: bool) -> Self {
        Self {
            keys: Domain::ALL
                .iter()
                .map(|domain| key.derive(domain.as_str()))
                .collect(),
            taken: HashMap::new(),
            limit: limit / TAKEN_BYTES,
            forgets: false,
            map: with_map.then(BTreeMap::new),
        }
    }

    /// From now on all that is remembered is forgotten where it would be too much.
    pub(crate) fn forget_when_full(&mut self) {
        self.forgets = true;
    }

    /// Returns the pseudonym of a text, `length` letters and figures, the first one a letter.
    pub(crate) fn token(
        &mut self,
        domain: Domain,
        text: &str,
        length: usize,
    ) -> Result<String, Failure> {
        self.scoped(domain, "", text, length)
    }

    /// Returns the pseudonym that a text has inside of a scope, such as the key of a label.
    pub(crate) fn scoped(
        &mut self,
        domain: Domain,
        scope: &str,
        text: &str,
        length: usize,
    ) -> Result<String, Failure> {
        let mut bytes = self.digest(domain, scope, text).finalize_xof();
        let mut drawn = [0; TOKEN];
        bytes.fill(&mut drawn);
        let mut who = [0; 8];
        bytes.fill(&mut who);
        let mut token = String::with_capacity(length);
        let mut packed: u128 = 0;
        for (place, byte) in drawn.iter().take(length).enumerate() {
            // Ten of the letters are figures; the first one is one of sixteen behind them.
            let letter = if place == 0 {
                10 + (byte & 15)
            } else {
                byte & 31
            };
            packed = packed << 5 | u128::from(letter);
            token.push(char::from(
                ALPHABET.get(usize::from(letter)).copied().unwrap_or(b'a'),
            ));
        }
        let packed = packed << 8 | length as u128;
        let who = u64::from_le_bytes(who);
        match self.taken.get(&(domain, packed)) {
            Some(other) if *other != who => {
                return Err(Failure::Collision {
                    domain: domain.as_str(),
                });
            }
            Some(_) => {}
            None => {
                if self.taken.len() >= self.limit && self.forgets {
                    self.taken.clear();
                } else if self.taken.len() >= self.limit {
                    return Err(Failure::TooManyNames {
                        known: self.taken.len(),
                    });
                }
                self.taken.insert((domain, packed), who);
            }
        }
        self.note(domain, scope, text, &token);
        Ok(token)
    }

    /// Returns `N` bytes that stand for a text; few enough texts never share 16 of them.
    pub(crate) fn bytes<const N: usize>(&self, domain: Domain, text: &str) -> [u8; N] {
        let mut bytes = [0; N];
        self.digest(domain, "", text)
            .finalize_xof()
            .fill(&mut bytes);
        bytes
    }

    /// Remembers what a pseudonym stands for, if that was asked for.
    pub(crate) fn note(&mut self, domain: Domain, scope: &str, text: &str, pseudonym: &str) {
        if let Some(map) = &mut self.map {
            let original = if scope.is_empty() {
                text.to_owned()
            } else {
                format!("{scope}={text}")
            };
            map.entry((domain, original))
                .or_insert_with(|| pseudonym.to_owned());
        }
    }

    /// Returns what pseudonyms stand for, by kind and original.
    pub(crate) fn map(&self) -> impl Iterator<Item = (&'static str, &str, &str)> {
        self.map
            .iter()
            .flatten()
            .map(|((domain, text), token)| (domain.as_str(), text.as_str(), token.as_str()))
    }

    /// Returns how many pseudonyms were given.
    pub(crate) fn len(&self) -> usize {
        self.taken.len()
    }

    fn digest(&self, domain: Domain, scope: &str, text: &str) -> blake3::Hasher {
        // Every domain has a key; they are made together.
        let key = self.keys.get(domain as usize).copied().unwrap_or_default();
        let mut hasher = blake3::Hasher::new_keyed(&key);
        hasher.update(&(scope.len() as u64).to_le_bytes());
        hasher.update(scope.as_bytes());
        hasher.update(text.as_bytes());
        hasher
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        Tokens::new(&Key::new([7; 32]), 1 << 20, false)
    }

    #[test]
    fn a_pseudonym_depends_on_key_kind_scope_and_text_alone() {
        let mut one = tokens();
        let web = one.token(Domain::Name, "web", TOKEN).unwrap();
        assert_eq!(tokens().token(Domain::Name, "web", TOKEN).unwrap(), web);
        let mut seen = vec![web];
        seen.push(one.token(Domain::Name, "web2", TOKEN).unwrap());
        seen.push(one.token(Domain::Namespace, "web", TOKEN).unwrap());
        seen.push(one.scoped(Domain::Name, "a", "web", TOKEN).unwrap());
        let mut other = Tokens::new(&Key::new([8; 32]), 1 << 20, false);
        seen.push(other.token(Domain::Name, "web", TOKEN).unwrap());
        let distinct: std::collections::BTreeSet<_> = seen.iter().collect();
        assert_eq!(distinct.len(), seen.len());
    }

    #[test]
    fn pseudonyms_are_labels_that_begin_with_a_letter() {
        let mut tokens = tokens();
        for number in 0..2_000 {
            let token = tokens
                .token(Domain::Name, &number.to_string(), TOKEN)
                .unwrap();
            assert_eq!(token.len(), TOKEN);
            assert!(token.starts_with(|first: char| first.is_ascii_lowercase()));
            assert!(token.bytes().all(|byte| ALPHABET.contains(&byte)));
        }
    }

    #[test]
    fn two_texts_with_one_pseudonym_end_the_work() {
        let mut tokens = tokens();
        let failure = (0..2_000)
            .find_map(|number| tokens.token(Domain::Part, &number.to_string(), 3).err())
            .unwrap();
        assert!(matches!(failure, Failure::Collision { domain: "part" }));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut tokens = Tokens::new(&Key::new([7; 32]), TAKEN_BYTES * 3, false);
        for name in ["a", "b", "c", "a"] {
            tokens.token(Domain::Name, name, TOKEN).unwrap();
        }
        assert!(matches!(
            tokens.token(Domain::Name, "d", TOKEN),
            Err(Failure::TooManyNames { known: 3 })
        ));
    }
}
