//! What the lists of a dump prove: where an object that they do not show is gone.

use std::collections::BTreeSet;
use std::sync::Arc;

use kymo_model::Rv;

use super::layout::Told;

/// The namespaces of the objects of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Seen {
    /// It has no objects.
    #[default]
    None,
    /// All are in this one.
    One(Arc<str>),
    /// More than one.
    Several,
}

impl Seen {
    /// Takes one more object.
    pub(super) fn add(&mut self, namespace: &Arc<str>) {
        match self {
            Self::None => *self = Self::One(Arc::clone(namespace)),
            Self::One(known) if known == namespace => {}
            _ => *self = Self::Several,
        }
    }
}

/// A list of objects of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// What its objects say.
    pub(super) seen: Seen,
    /// What the place of the file says.
    pub(super) told: Told,
    /// Its version.
    pub(super) rv: Option<Rv>,
    /// Whether it could be read to its end with all items.
    pub(super) is_whole: bool,
}

/// Where a missing object is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Everywhere; with the version of the list, if there is one.
    Cluster(Option<Rv>),
    /// In these namespaces, perhaps none.
    Namespaces(BTreeSet<Arc<str>>),
}

impl Proof {
    /// Puts together what the lists of a kind prove.
    ///
    /// A list of objects of several namespaces can only be one of all namespaces; one of objects
    /// of a single namespace is taken as a list of that one, and an empty one proves nothing
    /// unless its place tells what it is a list of.
    pub(super) fn of(lists: &[Listed], is_namespaced: bool) -> Self {
        let mut namespaces = BTreeSet::new();
        let mut whole = lists.iter().filter(|list| list.is_whole);
        let is_of_cluster = |list: &&Listed| {
            !is_namespaced
                || (list.seen == Seen::Several && !matches!(list.told, Told::Namespace(_)))
        };
        if let Some(list) = whole.clone().find(is_of_cluster) {
            let is_only = whole.nth(1).is_none();
            return Self::Cluster(list.rv.clone().filter(|_| is_only));
        }
        for list in whole {
            match (&list.told, &list.seen) {
                (Told::Namespace(told), Seen::One(seen)) if **told == **seen => {
                    namespaces.insert(Arc::clone(seen));
                }
                (Told::Namespace(told), Seen::None) => {
                    namespaces.insert(Arc::from(told.as_str()));
                }
                (Told::Nothing | Told::Cluster, Seen::One(seen)) if !seen.is_empty() => {
                    namespaces.insert(Arc::clone(seen));
                }
                _ => {}
            }
        }
        Self::Namespaces(namespaces)
    }

    /// Tells whether a missing object of the namespace is gone.
    pub(super) fn covers(&self, namespace: &str) -> bool {
        match self {
            Self::Cluster(_) => true,
            Self::Namespaces(namespaces) => namespaces.contains(namespace),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(seen: &[&str], told: Told) -> Listed {
        let mut listed = Listed {
            seen: Seen::None,
            told,
            rv: Some("7".into()),
            is_whole: true,
        };
        for namespace in seen {
            listed.seen.add(&Arc::from(*namespace));
        }
        listed
    }

    fn namespaces(names: &[&str]) -> Proof {
        Proof::Namespaces(names.iter().map(|name| Arc::from(*name)).collect())
    }

    #[test]
    fn a_list_proves_what_it_is_a_list_of() {
        let shop = || Told::Namespace("shop".to_owned());
        for (seen, told, expected) in [
            (
                &["a", "b", "a"][..],
                Told::Nothing,
                Proof::Cluster(Some("7".into())),
            ),
            (&["a", "a"], Told::Nothing, namespaces(&["a"])),
            (&[], Told::Nothing, namespaces(&[])),
            (&[""], Told::Nothing, namespaces(&[])),
            (&[], Told::Cluster, namespaces(&[])),
            (&[], shop(), namespaces(&["shop"])),
            (&["shop"], shop(), namespaces(&["shop"])),
            (&["a"], shop(), namespaces(&[])),
            (&["a", "shop"], shop(), namespaces(&[])),
        ] {
            assert_eq!(
                Proof::of(&[list(seen, told.clone())], true),
                expected,
                "{seen:?} {told:?}"
            );
        }
        let cluster = Proof::of(&[list(&[], Told::Nothing)], false);
        assert_eq!(cluster, Proof::Cluster(Some("7".into())));
        assert!(cluster.covers("any"));
    }

    #[test]
    fn lists_add_up_unless_they_are_cut() {
        let mut cut = list(&["c"], Told::Nothing);
        cut.is_whole = false;
        let both = [
            list(&["a"], Told::Nothing),
            list(&["b"], Told::Nothing),
            cut.clone(),
        ];
        let proof = Proof::of(&both, true);
        assert_eq!(proof, namespaces(&["a", "b"]));
        assert!(proof.covers("a") && !proof.covers("c"));
        assert_eq!(Proof::of(&[cut.clone()], true), namespaces(&[]));
        // Two lists have two versions.
        let all = list(&["a", "b"], Told::Nothing);
        assert_eq!(Proof::of(&[all.clone(), all], true), Proof::Cluster(None));
    }
}
