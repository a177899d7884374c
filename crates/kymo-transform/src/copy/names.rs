use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use kymo_model::{Feed, FeedId};

/// What becomes of the names of one sort of thing in a copy.
#[derive(Clone, Debug, Default)]
pub(crate) enum Names {
    /// None is copied: what refers to one refers to the recorded one.
    #[default]
    Kept,
    /// All are copied under the names that they have.
    Same,
    /// These are copied, under other names.
    Others(HashMap<String, String>),
}

impl Names {
    /// Returns the name of the copy; `None` if there is none.
    pub(crate) fn of<'a>(&'a self, name: &'a str) -> Option<Cow<'a, str>> {
        match self {
            Self::Kept => None,
            Self::Same => Some(Cow::Borrowed(name)),
            Self::Others(names) => names.get(name).map(|name| Cow::Borrowed(name.as_str())),
        }
    }
}

/// The kinds of a trace: their plural and whether their objects live in namespaces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kinds {
    known: HashMap<String, (String, bool)>,
}

/// Kinds of no namespace that others refer to, whether they are recorded or not.
const OF_THE_CLUSTER: [(&str, &str); 12] = [
    ("ClusterRole", "clusterroles"),
    ("ClusterRoleBinding", "clusterrolebindings"),
    ("CSIDriver", "csidrivers"),
    ("CSINode", "csinodes"),
    ("CustomResourceDefinition", "customresourcedefinitions"),
    ("Group", "groups"),
    ("IngressClass", "ingressclasses"),
    ("Namespace", "namespaces"),
    ("Node", "nodes"),
    ("PersistentVolume", "persistentvolumes"),
    ("StorageClass", "storageclasses"),
    ("User", "users"),
];

impl Kinds {
    /// Knows the kinds that feeds watch.
    pub(crate) fn of(feeds: &BTreeMap<FeedId, Feed>) -> Self {
        let mut known: HashMap<String, (String, bool)> = OF_THE_CLUSTER
            .into_iter()
            .map(|(kind, plural)| (kind.to_owned(), (plural.to_owned(), false)))
            .collect();
        for feed in feeds.values() {
            let resource = &feed.resource;
            known
                .entry(resource.kind.clone())
                .or_insert_with(|| (resource.resource.clone(), resource.namespaced));
        }
        Self { known }
    }

    /// Returns plural and reach of a kind. What is not known is taken to live in a namespace.
    pub(crate) fn get(&self, kind: &str) -> (&str, bool) {
        self.known
            .get(kind)
            .map_or(("", true), |(plural, namespaced)| (plural, *namespaced))
    }
}
