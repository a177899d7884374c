use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use kymo_model::{EventType, ObjectKey, ResourceType};
use uuid::Uuid;

use super::addresses::Addresses;
use super::names::{Kinds, Names};
use crate::Error;
use crate::draft::Draft;

/// Where the Leases of nodes are, in every cluster.
pub(super) const LEASES_OF_NODES: &str = "kube-node-lease";

/// An object by plural, namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ObjectName {
    pub(crate) resource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// One copy of a graph of objects: which objects belong to it, and what they are called in it.
#[derive(Debug, Default)]
pub(crate) struct Renaming {
    /// What makes the uids of this copy other than those of every other: seed, trace, statement.
    /// Without it nothing is new, and only references change.
    pub(crate) label: String,
    /// Its number, from 1; the recorded graph is 0.
    pub(crate) copy: u64,
    /// The namespaces that are copied with everything in them.
    pub(crate) namespaces: Names,
    pub(crate) nodes: Names,
    pub(crate) volumes: Names,
    /// Whether all else that lives in no namespace is copied.
    pub(crate) rest: Names,
    /// Single objects that are copied under other names.
    pub(crate) objects: HashMap<ObjectName, String>,
    /// Uids that are known to become others.
    pub(crate) uids: HashMap<String, String>,
    /// What has addresses and ports of its own; nothing without it.
    pub(crate) addresses: Option<Arc<Addresses>>,
    pub(crate) kinds: Arc<Kinds>,
}

impl Renaming {
    /// Returns the uid of the copy of an object.
    pub(crate) fn uid(&self, original: &str) -> String {
        if let Some(known) = self.uids.get(original) {
            return known.clone();
        }
        if original.is_empty() || self.label.is_empty() {
            return original.to_owned();
        }
        let text = format!("kymo/{}/{}/{original}", self.label, self.copy);
        Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes()).to_string()
    }

    /// Returns namespace and name of the copy of an object; `None` if it is not copied.
    pub(crate) fn place<'a>(
        &'a self,
        resource: &str,
        namespaced: bool,
        namespace: &'a str,
        name: &'a str,
    ) -> Option<(Cow<'a, str>, Cow<'a, str>)> {
        if !self.objects.is_empty() {
            let object = ObjectName {
                resource: resource.to_owned(),
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            };
            if let Some(new) = self.objects.get(&object) {
                let namespace = self
                    .namespaces
                    .of(namespace)
                    .unwrap_or(Cow::Borrowed(namespace));
                return Some((namespace, Cow::Borrowed(new)));
            }
        }
        if resource == "leases"
            && namespace == LEASES_OF_NODES
            && let Some(node) = self.nodes.of(name)
        {
            return Some((Cow::Borrowed(namespace), node));
        }
        if namespaced {
            let namespace = self.namespaces.of(namespace)?;
            return Some((namespace, Cow::Borrowed(name)));
        }
        let names = match resource {
            "namespaces" => &self.namespaces,
            "nodes" | "csinodes" => &self.nodes,
            "persistentvolumes" => &self.volumes,
            _ => &self.rest,
        };
        Some((Cow::Borrowed(""), names.of(name)?))
    }

    /// Returns who the copy of an object is; `None` if it is not copied.
    pub(crate) fn key(&self, key: &ObjectKey, resource: &ResourceType) -> Option<ObjectKey> {
        let (namespace, name) = self.place(
            &resource.resource,
            resource.namespaced || !key.namespace.is_empty(),
            &key.namespace,
            &key.name,
        )?;
        Some(ObjectKey {
            namespace: namespace.into_owned(),
            name: name.into_owned(),
            uid: self.uid(&key.uid),
        })
    }

    /// Makes the copy of a row; `None` if the object is not copied. What could not be read is not.
    pub(crate) fn row(
        &self,
        draft: &Draft,
        resource: &ResourceType,
    ) -> Result<Option<Draft>, Error> {
        self.renamed(draft.copy(), resource)
    }

    /// Makes the copy of a row out of the row itself.
    pub(crate) fn renamed(
        &self,
        mut draft: Draft,
        resource: &ResourceType,
    ) -> Result<Option<Draft>, Error> {
        if draft.event.event_type == EventType::Unreadable {
            return Ok(None);
        }
        let Some(key) = self.key(&draft.event.key, resource) else {
            return Ok(None);
        };
        draft.is_new = true;
        draft.event.request = None;
        let home = std::mem::replace(&mut draft.event.key, key.clone()).namespace;
        if let Some(object) = draft.object()? {
            self.object(object, &key, &home);
        }
        Ok(Some(draft))
    }

    /// Changes what a row refers to; it stays who it is.
    pub(crate) fn references(&self, draft: &mut Draft) -> Result<(), Error> {
        if draft.event.event_type == EventType::Unreadable {
            return Ok(());
        }
        let Names::Others(nodes) = &self.nodes else {
            return Ok(());
        };
        let mentions = draft.text()?.is_some_and(|text| {
            nodes
                .keys()
                .any(|node| memchr::memmem::find(text, node.as_bytes()).is_some())
        });
        if mentions {
            let key = draft.event.key.clone();
            if let Some(object) = draft.object()? {
                self.object(object, &key, &key.namespace);
            }
        }
        Ok(())
    }
}
