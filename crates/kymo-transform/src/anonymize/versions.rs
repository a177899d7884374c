//! Versions of objects, numbered anew.

use std::collections::BTreeMap;

use kymo_anonymize::{Anonymizer, Versions};
use kymo_model::Rv;
use roaring::RoaringTreemap;

/// The versions of each resource, in order. Those of one resource keep their order and lose the
/// holes between them, which tell how much else was written.
#[derive(Debug)]
pub(crate) struct Ranks {
    policy: Versions,
    /// By the plural: the same objects may be served under two groups.
    known: BTreeMap<String, RoaringTreemap>,
}

impl Ranks {
    pub(crate) fn of(policy: Versions) -> Self {
        Self {
            policy,
            known: BTreeMap::new(),
        }
    }

    /// Learns that a resource has a version.
    pub(crate) fn learn(&mut self, plural: &str, version: Option<&Rv>) {
        if self.policy == Versions::Keep {
            return;
        }
        if let Some(number) = version.and_then(number) {
            match self.known.get_mut(plural) {
                Some(known) => {
                    known.insert(number);
                }
                None => {
                    self.known
                        .insert(plural.to_owned(), RoaringTreemap::from_iter([number]));
                }
            }
        }
    }

    /// Returns the new version of one that was learned.
    pub(crate) fn replace(&self, plural: &str, version: &Rv, anonymizer: &Anonymizer) -> Rv {
        if self.policy == Versions::Keep {
            return version.clone();
        }
        if let (Some(number), Some(known)) = (number(version), self.known.get(plural)) {
            return Rv::new(known.rank(number).to_string());
        }
        // It has no order; only equality means something.
        let token = u128::from_le_bytes(anonymizer.digest(version.as_str()));
        Rv::new(format!("x{token:032x}"))
    }
}

/// Returns a version as a number, if it has an order and 64 bits hold it.
fn number(version: &Rv) -> Option<u64> {
    version
        .is_ordered()
        .then(|| version.as_str().parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kymo_anonymize::{AnonymizationPolicy, Key, Settings};

    #[test]
    fn versions_keep_their_order_without_holes() {
        let policy = AnonymizationPolicy::share();
        let anonymizer = Anonymizer::new(&Key::new([7; 32]), policy, Settings::default());
        let mut ranks = Ranks::of(Versions::Rank);
        for version in ["910", "7", "55", "opaque", "55"] {
            ranks.learn("pods", Some(&Rv::from(version)));
        }
        ranks.learn("nodes", Some(&Rv::from("55")));
        let new = |plural, version: &str| {
            ranks
                .replace(plural, &Rv::from(version), &anonymizer)
                .to_string()
        };
        assert_eq!(new("pods", "7"), "1");
        assert_eq!(new("pods", "55"), "2");
        assert_eq!(new("pods", "910"), "3");
        assert_eq!(new("nodes", "55"), "1");
        assert!(!new("pods", "opaque").contains("opaque"));
        assert_eq!(new("pods", "opaque"), new("nodes", "opaque"));
        let kept = Ranks::of(Versions::Keep);
        assert_eq!(
            kept.replace("pods", &Rv::from("910"), &anonymizer).as_str(),
            "910"
        );
    }
}
