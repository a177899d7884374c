use std::collections::HashMap;
use std::sync::Arc;

use kymo_model::{ObjectHead, ResourceType, Scope};

use crate::import::Named;
use crate::kinds;

/// Finds the resource of each object of one stream.
#[derive(Debug)]
pub(crate) struct Naming {
    /// What the file's name says.
    from_file: Option<ResourceType>,
    known: HashMap<(String, String), Arc<Named>>,
    last: Option<Arc<Named>>,
}

impl Naming {
    /// Starts with a file name such as `apps_v1_deployments`.
    pub(crate) fn new(file_stem: &str) -> Self {
        Self {
            from_file: kinds::from_file_stem(file_stem),
            known: HashMap::new(),
            last: None,
        }
    }

    /// Returns the resource of the object before, or the one of the file.
    pub(crate) fn current(&self) -> Option<Arc<Named>> {
        let from_file = || {
            let resource = self.from_file.clone()?;
            Some(Arc::new(Named {
                resource,
                is_guessed: false,
                scope: Scope::default(),
            }))
        };
        self.last.clone().or_else(from_file)
    }

    /// Returns the `apiVersion` and `kind` that the file's name gives to items without them.
    pub(crate) fn fallback(&self) -> Option<(String, String)> {
        let resource = self.from_file.as_ref()?;
        (!resource.kind.is_empty()).then(|| (resource.api_version(), resource.kind.clone()))
    }

    /// Finds the resource of an object; `None` when it does not tell its kind.
    pub(crate) fn of(&mut self, head: &ObjectHead) -> Option<Arc<Named>> {
        if let Some(last) = &self.last
            && last.resource.kind == head.kind
            && is_api_version(&last.resource, &head.api_version)
        {
            return Some(Arc::clone(last));
        }
        if head.kind.is_empty() || head.api_version.is_empty() {
            return None;
        }
        let is_namespaced = !head.namespace.is_empty();
        let named = self.of_kind(&head.api_version, &head.kind, is_namespaced);
        self.last = Some(Arc::clone(&named));
        Some(named)
    }

    /// Finds the resource of a list.
    pub(crate) fn of_list(&mut self, api_version: &str, item_kind: &str) -> Option<Arc<Named>> {
        if item_kind.is_empty() || api_version.is_empty() {
            return self.current();
        }
        Some(self.of_kind(api_version, item_kind, true))
    }

    fn of_kind(&mut self, api_version: &str, kind: &str, is_namespaced: bool) -> Arc<Named> {
        let key = (api_version.to_owned(), kind.to_owned());
        if let Some(named) = self.known.get(&key) {
            return Arc::clone(named);
        }
        let named = Arc::new(self.name(api_version, kind, is_namespaced));
        self.known.insert(key, Arc::clone(&named));
        named
    }

    fn name(&self, api_version: &str, kind: &str, is_namespaced: bool) -> Named {
        let (group, version) = kinds::split_api_version(api_version);
        let built_in = kinds::by_kind(group, kind);
        let is_of_file = |file: &&ResourceType| {
            file.group == group
                && (file.kind == kind || (file.kind.is_empty() && built_in.is_none()))
        };
        let (resource, namespaced, is_guessed) = match (self.from_file.as_ref(), built_in) {
            (Some(file), _) if is_of_file(&file) && !file.kind.is_empty() => {
                (file.resource.clone(), file.namespaced, false)
            }
            (Some(file), None) if is_of_file(&file) => {
                (file.resource.clone(), is_namespaced, false)
            }
            (_, Some((resource, namespaced))) => (resource.to_owned(), namespaced, false),
            _ => (kinds::guess_plural(kind), is_namespaced, true),
        };
        Named {
            resource: ResourceType {
                group: group.to_owned(),
                version: version.to_owned(),
                resource,
                kind: kind.to_owned(),
                namespaced,
            },
            is_guessed,
            scope: Scope::default(),
        }
    }
}

fn is_api_version(resource: &ResourceType, api_version: &str) -> bool {
    match api_version.rsplit_once('/') {
        Some((group, version)) => resource.group == group && resource.version == version,
        None => resource.group.is_empty() && resource.version == api_version,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(api_version: &str, kind: &str, namespace: &str) -> ObjectHead {
        ObjectHead {
            api_version: api_version.into(),
            kind: kind.into(),
            namespace: namespace.into(),
            ..ObjectHead::default()
        }
    }

    fn name(stem: &str, head: &ObjectHead) -> (String, bool, bool) {
        let named = Naming::new(stem).of(head).unwrap();
        let resource = named.resource.group_resource().to_string();
        (resource, named.resource.namespaced, named.is_guessed)
    }

    #[test]
    fn the_file_name_wins_over_guessing_and_the_table_over_the_file_name() {
        let custom = head("example.com/v1", "Datum", "a");
        assert_eq!(
            name("example.com_v1_data", &custom),
            ("data.example.com".into(), true, false)
        );
        assert_eq!(
            name("x", &custom),
            ("datums.example.com".into(), true, true)
        );
        let deployment = head("apps/v1", "Deployment", "a");
        assert_eq!(
            name("core_v1_pods", &deployment),
            ("deployments.apps".into(), true, false)
        );
        assert_eq!(
            name("", &head("v1", "Node", "")),
            ("nodes".into(), false, false)
        );
        assert_eq!(
            name("", &head("e.com/v1", "Mesh", "")),
            ("meshes.e.com".into(), false, true)
        );
        assert_eq!(Naming::new("core_v1_pods").of(&head("", "", "")), None);
    }
}
