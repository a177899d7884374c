//! Which resource the objects of a kind belong to.

use std::collections::HashMap;
use std::io::{self, Read as _};

use kymo_model::{ResourceType, Scope};
use serde::Deserialize;

use super::piece::{Piece, Pieces};
use crate::import::Named;
use crate::input::{Budget, Damage, Entry};
use crate::kinds;

/// What the dumps tell of kinds that Kubernetes does not have itself.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Plural and reach by group and kind.
    known: HashMap<(String, String), (String, bool)>,
}

#[derive(Deserialize)]
struct Definition {
    spec: DefinitionSpec,
}

#[derive(Deserialize)]
struct DefinitionSpec {
    group: String,
    names: DefinitionNames,
    #[serde(default)]
    scope: String,
}

#[derive(Deserialize)]
struct DefinitionNames {
    kind: String,
    plural: String,
}

/// What an API server says of the resources of a group.
#[derive(Deserialize)]
struct ResourceList {
    kind: String,
    #[serde(rename = "groupVersion")]
    group_version: String,
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    name: String,
    kind: String,
    #[serde(default)]
    namespaced: bool,
}

const DEFINITION: &str = "CustomResourceDefinition";

/// Tells whether objects of this kind define others.
pub(super) fn is_definition(group: &str, kind: &str) -> bool {
    group == "apiextensions.k8s.io" && kind == DEFINITION
}

impl Names {
    /// Learns from a custom resource definition.
    pub(super) fn learn_definition(&mut self, text: &str) {
        let Ok(Definition { spec }) = serde_json::from_str::<Definition>(text) else {
            return;
        };
        let is_namespaced = spec.scope != "Cluster";
        self.known.insert(
            (spec.group, spec.names.kind),
            (spec.names.plural, is_namespaced),
        );
    }

    /// Learns from an API server's list of resources; `false` if it is something else.
    pub(super) fn learn_resources(&mut self, text: &str) -> bool {
        let Ok(list) = serde_json::from_str::<ResourceList>(text) else {
            return false;
        };
        if list.kind != "APIResourceList" {
            return false;
        }
        let (group, _) = kinds::split_api_version(&list.group_version);
        for resource in list.resources {
            // Subresources have names such as `pods/log`.
            if !resource.name.contains('/') {
                let key = (group.to_owned(), resource.kind);
                let value = (resource.name, resource.namespaced);
                self.known.entry(key).or_insert(value);
            }
        }
        true
    }

    /// Learns from the definitions in a file that is read again later.
    pub(super) fn learn_ahead(
        &mut self,
        file: &Entry,
        budget: &Budget,
        limit: usize,
    ) -> Result<(), crate::Error> {
        let learned = self.try_learn_ahead(file, budget, limit);
        match learned {
            // It is told when the file is read for its objects.
            Err(error) if Damage::of(&error).is_some() => Ok(()),
            learned => learned.map_err(|source| super::times::failed(file, source)),
        }
    }

    fn try_learn_ahead(&mut self, file: &Entry, budget: &Budget, limit: usize) -> io::Result<()> {
        let open = || file.open(budget).map_err(io::Error::other);
        if !holds(&mut open()?, DEFINITION.as_bytes())? {
            return Ok(());
        }
        let mut pieces = Pieces::open(open()?, limit)?;
        while let Some(piece) = pieces.next()? {
            if let Piece::Value { text, .. } = piece
                && text.contains(DEFINITION)
            {
                self.learn_definition(&text);
            }
        }
        Ok(())
    }

    /// Names the resource of a kind. `plural` is what the place of its objects says.
    pub(super) fn name(
        &self,
        (group, kind): (&str, &str),
        version: &str,
        plural: Option<&str>,
        has_namespace: bool,
    ) -> Named {
        let key = (group.to_owned(), kind.to_owned());
        let (resource, namespaced, is_guessed) =
            match (kinds::by_kind(group, kind), self.known.get(&key), plural) {
                (Some((resource, namespaced)), _, _) => (resource.to_owned(), namespaced, false),
                (None, Some((resource, namespaced)), _) => (resource.clone(), *namespaced, false),
                (None, None, Some(plural)) => (plural.to_owned(), has_namespace, false),
                (None, None, None) => (kinds::guess_plural(kind), has_namespace, true),
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

/// Tells whether a text holds a word, without holding the text.
fn holds(text: &mut impl io::Read, word: &[u8]) -> io::Result<bool> {
    const STEP: u64 = 64 << 10;
    let mut window = Vec::new();
    loop {
        let kept = window.len().min(word.len());
        window.drain(..window.len() - kept);
        if text.by_ref().take(STEP).read_to_end(&mut window)? == 0 {
            return Ok(false);
        }
        if memchr::memmem::find(&window, word).is_some() {
            return Ok(true);
        }
    }
}

/// Finds apiVersion and kind of the objects in a file of a support bundle by the file's name.
/// Old bundles leave them out.
pub(super) fn of_word(word: &str) -> Option<(String, &'static str)> {
    let plural = match word {
        "pvs" => "persistentvolumes".to_owned(),
        "pvcs" => "persistentvolumeclaims".to_owned(),
        "ingress" => "ingresses".to_owned(),
        "network-policy" => "networkpolicies".to_owned(),
        word => word.replace('-', ""),
    };
    let (group, kind) = kinds::by_plural(&plural)?;
    let version = if group == "autoscaling" { "v2" } else { "v1" };
    let api_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    Some((api_version, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_dump_says_wins_over_its_folders_and_they_over_a_guess() {
        let mut names = Names::default();
        names.learn_definition(
            r#"{"kind":"CustomResourceDefinition","spec":{"group":"e.com","scope":"Cluster",
                "names":{"kind":"Datum","plural":"data"}}}"#,
        );
        assert!(names.learn_resources(
            r#"{"kind":"APIResourceList","groupVersion":"route.openshift.io/v1","resources":[
                {"name":"routes","kind":"Route","namespaced":true},
                {"name":"routes/status","kind":"RouteStatus","namespaced":true}]}"#
        ));
        assert!(!names.learn_resources(r#"{"kind":"Pod"}"#));
        let name = |group: &str, kind: &str, plural: Option<&str>| {
            let named = names.name((group, kind), "v1", plural, true);
            let ResourceType {
                resource,
                namespaced,
                ..
            } = named.resource;
            (resource, namespaced, named.is_guessed)
        };
        assert_eq!(
            name("", "Node", Some("wrong")),
            ("nodes".into(), false, false)
        );
        assert_eq!(
            name("e.com", "Datum", Some("datums")),
            ("data".into(), false, false)
        );
        assert_eq!(
            name("e.com", "Mesh", Some("meshs")),
            ("meshs".into(), true, false)
        );
        assert_eq!(name("e.com", "Mesh", None), ("meshes".into(), true, true));
        assert_eq!(
            name("route.openshift.io", "Route", None),
            ("routes".into(), true, false)
        );
        assert!(name("route.openshift.io", "RouteStatus", None).2);
    }

    #[test]
    fn words_of_support_bundles_are_known() {
        for (word, api_version, kind) in [
            (
                "custom-resource-definitions",
                "apiextensions.k8s.io/v1",
                "CustomResourceDefinition",
            ),
            ("pvcs", "v1", "PersistentVolumeClaim"),
            ("ingress", "networking.k8s.io/v1", "Ingress"),
            ("events", "v1", "Event"),
            ("pods", "v1", "Pod"),
            ("storage-classes", "storage.k8s.io/v1", "StorageClass"),
            (
                "horizontalpodautoscalers",
                "autoscaling/v2",
                "HorizontalPodAutoscaler",
            ),
        ] {
            assert_eq!(
                of_word(word),
                Some((api_version.to_owned(), kind)),
                "{word}"
            );
        }
        assert_eq!(of_word("auth-cani-list"), None);
    }

    #[test]
    fn a_word_is_found_across_the_steps_of_reading() {
        let word = DEFINITION.as_bytes();
        for before in [0, (64 << 10) - 5, 70_000] {
            let mut text = vec![b'x'; before];
            text.extend_from_slice(word);
            text.extend_from_slice(b"yyy");
            assert!(holds(&mut text.as_slice(), word).unwrap());
            text[before] = b'c';
            assert!(!holds(&mut text.as_slice(), word).unwrap());
        }
    }
}
