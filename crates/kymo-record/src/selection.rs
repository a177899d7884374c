//! From what was asked for and what is served to what is recorded.

use kymo_model::{Feed, ResourceType, Scope};
use kymo_watch::discovery::{Catalogue, UnknownResource, is_denied};

use crate::{Error, Selection};

impl Selection {
    /// Returns the resources to record.
    pub(crate) fn resources_of(&self, catalogue: &Catalogue) -> Result<Vec<ResourceType>, Error> {
        let resources = if self.resources.is_empty() {
            self.all(catalogue)
        } else {
            self.named(catalogue)?
        };
        if resources.is_empty() {
            return Err(Error::NothingToRecord);
        }
        Ok(resources)
    }

    /// Returns the resources to record, leaving out what is not served at present.
    pub(crate) fn served_of(&self, catalogue: &Catalogue) -> Vec<ResourceType> {
        if self.resources.is_empty() {
            return self.all(catalogue);
        }
        let mut found = Vec::new();
        for word in &self.resources {
            if let Ok(served) = catalogue.resolve(word)
                && served.watchable
                && !found.contains(&served.resource)
            {
                found.push(served.resource.clone());
            }
        }
        found
    }

    fn all(&self, catalogue: &Catalogue) -> Vec<ResourceType> {
        let mut resources = catalogue.recordable();
        if self.secrets {
            resources.extend(
                catalogue
                    .resources
                    .iter()
                    .filter(|served| served.watchable && served.resource.is_secret())
                    .map(|served| served.resource.clone()),
            );
        }
        resources.retain(|resource| resource.namespaced || self.namespaces.is_empty());
        resources
    }

    fn named(&self, catalogue: &Catalogue) -> Result<Vec<ResourceType>, Error> {
        let mut found = Vec::new();
        for word in &self.resources {
            let served =
                catalogue
                    .resolve(word)
                    .map_err(
                        |UnknownResource { word, suggestion }| Error::UnknownResource {
                            word,
                            suggestion,
                        },
                    )?;
            let resource = served.resource.group_resource();
            if !served.watchable {
                return Err(Error::NotWatchable { resource });
            }
            if is_denied(&served.resource) && !served.resource.is_secret() {
                return Err(Error::Denied { resource });
            }
            if !found.contains(&served.resource) {
                found.push(served.resource.clone());
            }
        }
        Ok(found)
    }

    /// Returns the feeds that record a resource: one, or one for each namespace.
    pub(crate) fn feeds_of(&self, resource: &ResourceType) -> Vec<Feed> {
        let feed = |namespace: Option<&String>| Feed {
            resource: resource.clone(),
            scope: Scope {
                namespace: namespace.cloned(),
                label_selector: self.label_selector.clone(),
            },
        };
        if !resource.namespaced || self.namespaces.is_empty() {
            return vec![feed(None)];
        }
        let mut namespaces: Vec<&String> = self.namespaces.iter().collect();
        namespaces.sort();
        namespaces.dedup();
        namespaces
            .into_iter()
            .map(|name| feed(Some(name)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use kymo_watch::ServedResource;

    use super::*;

    fn catalogue() -> Catalogue {
        let served =
            |group: &str, resource: &str, kind: &str, namespaced, watchable| ServedResource {
                resource: ResourceType {
                    group: group.into(),
                    version: "v1".into(),
                    resource: resource.into(),
                    kind: kind.into(),
                    namespaced,
                },
                singular: kind.to_lowercase(),
                short_names: Vec::new(),
                watchable,
            };
        Catalogue {
            resources: vec![
                served("", "pods", "Pod", true, true),
                served("", "nodes", "Node", false, true),
                served("", "secrets", "Secret", true, true),
                served("", "bindings", "Binding", true, false),
                served(
                    "certificates.k8s.io",
                    "certificatesigningrequests",
                    "CertificateSigningRequest",
                    false,
                    true,
                ),
            ],
            failures: Vec::new(),
        }
    }

    fn names(selection: &Selection) -> Vec<String> {
        selection
            .resources_of(&catalogue())
            .unwrap()
            .iter()
            .map(|resource| resource.group_resource().to_string())
            .collect()
    }

    fn selection(resources: &[&str], namespaces: &[&str]) -> Selection {
        Selection {
            resources: resources.iter().map(|&word| word.to_owned()).collect(),
            namespaces: namespaces.iter().map(|&name| name.to_owned()).collect(),
            ..Selection::default()
        }
    }

    #[test]
    fn credentials_are_left_out_unless_asked_for_and_never_in_full() {
        assert_eq!(names(&selection(&[], &[])), ["pods", "nodes"]);
        let mut with_secrets = selection(&[], &[]);
        with_secrets.secrets = true;
        assert_eq!(names(&with_secrets), ["pods", "nodes", "secrets"]);
        assert_eq!(names(&selection(&["secrets"], &[])), ["secrets"]);
        assert!(matches!(
            selection(&["certificatesigningrequests"], &[]).resources_of(&catalogue()),
            Err(Error::Denied { .. })
        ));
    }

    #[test]
    fn namespaces_leave_out_what_has_none_unless_it_is_named() {
        assert_eq!(names(&selection(&[], &["a"])), ["pods"]);
        let named = selection(&["pods", "nodes", "pods"], &["b", "a", "b"]);
        assert_eq!(names(&named), ["pods", "nodes"]);
        let feeds: Vec<String> = named
            .resources_of(&catalogue())
            .unwrap()
            .iter()
            .flat_map(|resource| named.feeds_of(resource))
            .map(|feed| format!("{} {}", feed.resource.resource, feed.scope))
            .collect();
        assert_eq!(feeds, ["pods a", "pods b", "nodes *"]);
    }

    #[test]
    fn what_cannot_be_recorded_is_refused_by_name() {
        assert!(matches!(
            selection(&["bindings"], &[]).resources_of(&catalogue()),
            Err(Error::NotWatchable { .. })
        ));
        assert!(matches!(
            selection(&["podz"], &[]).resources_of(&catalogue()),
            Err(Error::UnknownResource { word, .. }) if word == "podz"
        ));
        assert!(
            selection(&["podz", "pods"], &[])
                .served_of(&catalogue())
                .len()
                == 1
        );
    }
}
