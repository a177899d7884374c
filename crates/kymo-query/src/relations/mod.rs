//! Tables that are SQL over other tables of the same trace.
//!
//! Each is a file of SQL in this folder. It is planned when a statement first names it, and becomes
//! a part of that statement's plan: what the statement does not ask for is not read.

mod custom;
mod kinds;
mod lazy;

use std::collections::BTreeMap;

use kymo_model::{Feed, FeedId};

use self::custom::CustomResource;
use self::lazy::Definition;
pub(crate) use self::lazy::{Planner, Relation};

/// The relations of every trace: name and definition.
const RELATIONS: [(&str, &str); 5] = [
    ("changes", include_str!("changes.sql")),
    ("known", include_str!("known.sql")),
    ("versions", include_str!("versions.sql")),
    ("objects", include_str!("objects.sql")),
    ("owners", include_str!("owners.sql")),
];

/// The API groups of Kubernetes itself whose names have a dot; others with a dot are custom.
const BUILT_IN_GROUPS: [&str; 14] = [
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// Returns the relations of a trace that has these feeds, by name.
pub(crate) fn relations(feeds: &[(FeedId, Feed)]) -> BTreeMap<String, Relation> {
    let fixed = RELATIONS
        .into_iter()
        .chain(
            kinds::views()
                .iter()
                .map(|(name, text)| (name.as_str(), text.as_str())),
        )
        .map(|(name, text)| (name.to_owned(), Definition::Fixed(text)));
    let custom = feeds.iter().filter_map(|(_, feed)| {
        let resource = &feed.resource;
        let group = resource.group.as_str();
        let is_built_in = !group.contains('.') || BUILT_IN_GROUPS.contains(&group);
        let custom = CustomResource {
            group: resource.group.clone(),
            resource: resource.resource.clone(),
            namespaced: resource.namespaced,
        };
        (!is_built_in).then(|| (custom.name(), Definition::Custom(custom)))
    });
    // What is built in wins.
    custom
        .chain(fixed)
        .map(|(name, definition)| (name, Relation::new(definition)))
        .collect()
}
