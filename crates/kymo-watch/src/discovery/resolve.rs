use std::cmp::Reverse;

use thiserror::Error;

use super::{Catalogue, ServedResource};

/// How alike a name must be to be suggested, from 0 to 1.
const ALIKE: f64 = 0.8;

/// A word that names no resource of the server.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the server serves no resource `{word}`")]
pub struct UnknownResource {
    /// The word.
    pub word: String,
    /// A resource with a name close to it, as kubectl takes it.
    pub suggestion: Option<String>,
}

impl Catalogue {
    /// Finds the resource that a word such as `pods`, `po`, `deployments.apps`,
    /// `deployments.v1.apps` or `Deployment` names.
    ///
    /// A name that several groups serve means the first in the server's order that can be
    /// watched, which is the core group's where it has one.
    ///
    /// # Errors
    /// When none has that name.
    pub fn resolve(&self, word: &str) -> Result<&ServedResource, UnknownResource> {
        let name = word.trim().to_lowercase();
        let (name, group) = match name.split_once('.') {
            Some((name, group)) => (name, Some(group)),
            None => (name.as_str(), None),
        };
        self.resources
            .iter()
            .filter(|served| group.is_none_or(|group| is_in(served, group)))
            .filter_map(|served| Some((rank(served, name)?, served)))
            // The first of the best.
            .min_by_key(|(rank, served)| (Reverse(served.watchable), *rank))
            .map(|(_, served)| served)
            .ok_or_else(|| UnknownResource {
                word: word.to_owned(),
                suggestion: self.suggestion(&word.trim().to_lowercase()),
            })
    }

    fn suggestion(&self, word: &str) -> Option<String> {
        let likeness = |served: &ServedResource| {
            let full = served.resource.group_resource().to_string();
            let names = [
                full.as_str(),
                &served.resource.resource,
                &served.singular,
                &served.resource.kind.to_lowercase(),
            ];
            names
                .iter()
                .filter(|name| !name.is_empty())
                .map(|name| strsim::jaro_winkler(word, name))
                .fold(0.0, f64::max)
        };
        self.resources
            .iter()
            .filter(|served| served.watchable)
            .map(|served| (likeness(served), served))
            .filter(|(likeness, _)| *likeness >= ALIKE)
            .reduce(|best, other| if other.0 > best.0 { other } else { best })
            .map(|(_, served)| served.resource.group_resource().to_string())
    }
}

/// Takes `apps` and `v1.apps`.
fn is_in(served: &ServedResource, group: &str) -> bool {
    let resource = &served.resource;
    group == resource.group
        || group
            .strip_prefix(resource.version.as_str())
            .is_some_and(|rest| rest.strip_prefix('.').unwrap_or(rest) == resource.group)
}

/// Tells by which of its names a resource is called; the lowest is the surest.
fn rank(served: &ServedResource, name: &str) -> Option<u8> {
    if served.resource.resource == name {
        Some(0)
    } else if served.singular == name && !name.is_empty() {
        Some(1)
    } else if served.short_names.iter().any(|short| short == name) {
        Some(2)
    } else if served.resource.kind.to_lowercase() == name && !name.is_empty() {
        Some(3)
    } else {
        None
    }
}
