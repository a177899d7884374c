use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kymo_model::ResourceType;

use crate::{Error, Selection};

/// What recording does to every resource.
pub(super) const VERBS: [&str; 2] = ["list", "watch"];

/// The roles that a selection needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roles {
    /// For what is read over the whole cluster.
    pub cluster: Option<ClusterRole>,
    /// For what is read in single namespaces, one role each.
    pub namespaced: Vec<Role>,
}

impl Roles {
    /// Writes the roles as YAML documents for `kubectl apply -f -`.
    ///
    /// # Errors
    ///
    /// When the encoder fails, which is a bug.
    pub fn to_yaml(&self) -> Result<String, Error> {
        let yaml = |source| Error::Yaml {
            source: Box::new(source),
        };
        let mut documents = Vec::new();
        if let Some(role) = &self.cluster {
            documents.push(serde_saphyr::to_string(role).map_err(yaml)?);
        }
        for role in &self.namespaced {
            documents.push(serde_saphyr::to_string(role).map_err(yaml)?);
        }
        Ok(documents
            .iter()
            .map(|document| document.trim_end())
            .collect::<Vec<_>>()
            .join("\n---\n")
            + "\n")
    }
}

/// Returns the least roles with which `resources` can be recorded in the selection's namespaces.
///
/// Where the whole cluster is recorded, the role also allows to list the namespace kube-system,
/// whose uid is the cluster's identity. Without that a trace can be made, but appending to it
/// takes the user's word that it is the same cluster.
pub fn role(resources: &[ResourceType], selection: &Selection, name: &str) -> Roles {
    let (namespaced, wide): (Vec<_>, Vec<_>) = resources
        .iter()
        .partition(|resource| resource.namespaced && !selection.namespaces.is_empty());
    let mut rules = rules(&wide);
    let lists_namespaces = wide
        .iter()
        .any(|resource| resource.group.is_empty() && resource.resource == "namespaces");
    if selection.namespaces.is_empty() && !lists_namespaces {
        rules.push(PolicyRule {
            api_groups: Some(vec![String::new()]),
            resources: Some(vec!["namespaces".to_owned()]),
            resource_names: Some(vec!["kube-system".to_owned()]),
            verbs: vec!["list".to_owned()],
            non_resource_urls: None,
        });
    }
    let metadata = |namespace: Option<&String>| ObjectMeta {
        name: Some(name.to_owned()),
        namespace: namespace.cloned(),
        ..ObjectMeta::default()
    };
    let namespaces: BTreeSet<&String> = if namespaced.is_empty() {
        BTreeSet::new()
    } else {
        selection.namespaces.iter().collect()
    };
    Roles {
        cluster: (!rules.is_empty()).then(|| ClusterRole {
            metadata: metadata(None),
            rules: Some(rules),
            ..ClusterRole::default()
        }),
        namespaced: namespaces
            .into_iter()
            .map(|namespace| Role {
                metadata: metadata(Some(namespace)),
                rules: Some(self::rules(&namespaced)),
            })
            .collect(),
    }
}

/// One rule for each API group, everything in alphabetical order.
fn rules(resources: &[&ResourceType]) -> Vec<PolicyRule> {
    let mut groups: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for resource in resources {
        groups
            .entry(&resource.group)
            .or_default()
            .insert(&resource.resource);
    }
    groups
        .into_iter()
        .map(|(group, names)| PolicyRule {
            api_groups: Some(vec![group.to_owned()]),
            resources: Some(names.into_iter().map(str::to_owned).collect()),
            verbs: VERBS.map(str::to_owned).to_vec(),
            ..PolicyRule::default()
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn resource(group: &str, name: &str, namespaced: bool) -> ResourceType {
        ResourceType {
            group: group.into(),
            version: "v1".into(),
            resource: name.into(),
            kind: String::new(),
            namespaced,
        }
    }

    #[test]
    fn the_role_of_a_whole_cluster_names_every_resource_and_the_identity() {
        let resources = [
            resource("", "pods", true),
            resource("apps", "deployments", true),
            resource("", "nodes", false),
        ];
        let yaml = role(&resources, &Selection::default(), "kymo")
            .to_yaml()
            .unwrap();
        insta::assert_snapshot!(yaml, @r#"
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRole
        metadata:
          name: kymo
        rules:
        - apiGroups:
          - ""
          resources:
          - nodes
          - pods
          verbs:
          - list
          - watch
        - apiGroups:
          - apps
          resources:
          - deployments
          verbs:
          - list
          - watch
        - apiGroups:
          - ""
          resourceNames:
          - kube-system
          resources:
          - namespaces
          verbs:
          - list
        "#);
    }

    #[test]
    fn with_namespaces_no_right_over_the_cluster_is_needed() {
        let resources = [resource("", "pods", true), resource("", "events", true)];
        let selection = Selection {
            namespaces: vec!["b".into(), "a".into(), "a".into()],
            ..Selection::default()
        };
        let roles = role(&resources, &selection, "kymo");
        assert_eq!(roles.cluster, None);
        insta::assert_snapshot!(roles.to_yaml().unwrap(), @r#"
        apiVersion: rbac.authorization.k8s.io/v1
        kind: Role
        metadata:
          name: kymo
          namespace: a
        rules:
        - apiGroups:
          - ""
          resources:
          - events
          - pods
          verbs:
          - list
          - watch
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: Role
        metadata:
          name: kymo
          namespace: b
        rules:
        - apiGroups:
          - ""
          resources:
          - events
          - pods
          verbs:
          - list
          - watch
        "#);
    }

    #[test]
    fn a_named_resource_without_namespaces_needs_the_cluster() {
        let resources = [resource("", "pods", true), resource("", "nodes", false)];
        let selection = Selection {
            namespaces: vec!["a".into()],
            ..Selection::default()
        };
        let roles = role(&resources, &selection, "kymo");
        let rules = roles.cluster.unwrap().rules.unwrap();
        assert_eq!(rules.len(), 1);
        assert_eq!(rules[0].resources, Some(vec!["nodes".to_owned()]));
        assert_eq!(roles.namespaced.len(), 1);
    }

    #[test]
    fn no_rule_says_everything() {
        let resources = [resource("", "pods", true)];
        let yaml = role(&resources, &Selection::default(), "kymo")
            .to_yaml()
            .unwrap();
        assert!(!yaml.contains('*'), "{yaml}");
    }
}
