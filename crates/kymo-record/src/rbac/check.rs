use std::fmt;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::Api;
use kube::api::PostParams;
use kymo_model::{GroupResource, ResourceType};

use super::role::VERBS;
use crate::{Cluster, Error, Selection, transport};

/// How many questions are asked at once.
const PARALLEL: usize = 8;

/// A verb on a resource, somewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// Such as `list`; `*` for all.
    pub verb: String,
    /// The resource; `*` in group `*` for all.
    pub resource: GroupResource,
    /// The namespace; `None` for the whole cluster.
    pub namespace: Option<String>,
}

/// Writes `list pods in every namespace` or `watch deployments.apps in shop`.
impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = GroupResource::new("*", "*");
        if self.resource == all {
            f.write_str("do everything")?;
        } else {
            write!(f, "{} {}", self.verb, self.resource)?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in {namespace}"),
            None => f.write_str(" in the whole cluster"),
        }
    }
}

/// What we may do, compared with what recording needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// Needed and not allowed: these feeds will be `denied`.
    pub missing: Vec<Permission>,
    /// Allowed and not needed, and dangerous to have.
    pub excess: Vec<Permission>,
}

impl Check {
    /// Tells whether recording has what it needs and nothing dangerous besides.
    pub fn is_least(&self) -> bool {
        self.missing.is_empty() && self.excess.is_empty()
    }
}

/// Asks the server (`SelfSubjectAccessReview`) what we may do.
///
/// # Errors
///
/// When the server does not answer or does not let us ask.
pub async fn check(
    cluster: &Cluster,
    resources: &[ResourceType],
    selection: &Selection,
) -> Result<Check, Error> {
    let needed = needed(resources, selection);
    let dangerous = dangerous(resources, selection);
    Ok(Check {
        missing: asked(cluster, needed, false).await?,
        excess: asked(cluster, dangerous, true).await?,
    })
}

fn needed(resources: &[ResourceType], selection: &Selection) -> Vec<Permission> {
    let mut permissions = Vec::new();
    for feed in resources
        .iter()
        .flat_map(|resource| selection.feeds_of(resource))
    {
        for verb in VERBS {
            permissions.push(Permission {
                verb: verb.to_owned(),
                resource: feed.resource.group_resource(),
                namespace: feed.scope.namespace.clone(),
            });
        }
    }
    permissions
}

/// `list` and `watch` on Secrets show their content just as `get` does.
fn dangerous(resources: &[ResourceType], selection: &Selection) -> Vec<Permission> {
    let scopes: Vec<Option<String>> = if selection.namespaces.is_empty() {
        vec![None]
    } else {
        selection.namespaces.iter().cloned().map(Some).collect()
    };
    let records_secrets = resources.iter().any(ResourceType::is_secret);
    let mut permissions = Vec::new();
    for namespace in scopes {
        for verb in ["get", "list", "watch"] {
            if records_secrets && VERBS.contains(&verb) {
                continue;
            }
            permissions.push(Permission {
                verb: verb.to_owned(),
                resource: GroupResource::new("", "secrets"),
                namespace: namespace.clone(),
            });
        }
        permissions.push(Permission {
            verb: "*".to_owned(),
            resource: GroupResource::new("*", "*"),
            namespace,
        });
    }
    permissions
}

/// Returns those of the permissions about which the server says `allowed`.
async fn asked(
    cluster: &Cluster,
    permissions: Vec<Permission>,
    allowed: bool,
) -> Result<Vec<Permission>, Error> {
    let mut found: Vec<Permission> = stream::iter(permissions)
        .map(|permission| async move {
            let answer = is_allowed(cluster, &permission).await?;
            Ok::<_, Error>((answer == allowed).then_some(permission))
        })
        .buffered(PARALLEL)
        .try_filter_map(|permission| std::future::ready(Ok(permission)))
        .try_collect()
        .await?;
    found.dedup();
    Ok(found)
}

async fn is_allowed(cluster: &Cluster, permission: &Permission) -> Result<bool, Error> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some(permission.resource.group.clone()),
                resource: Some(permission.resource.resource.clone()),
                verb: Some(permission.verb.clone()),
                namespace: permission.namespace.clone(),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let api: Api<SelfSubjectAccessReview> = Api::all(cluster.client().clone());
    let answer = api
        .create(&PostParams::default(), &review)
        .await
        .map_err(|error| transport::classify(cluster.server(), "asking what we may do", &error))?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

#[cfg(test)]
mod tests {
    use super::super::role::tests::resource;
    use super::*;

    fn words(permissions: &[Permission]) -> Vec<String> {
        permissions.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_feed_needs_list_and_watch() {
        let resources = [resource("apps", "deployments", true)];
        assert_eq!(
            words(&needed(&resources, &Selection::default())),
            [
                "list deployments.apps in the whole cluster",
                "watch deployments.apps in the whole cluster",
            ]
        );
    }

    #[test]
    fn rights_on_secrets_are_too_much_unless_secrets_are_recorded() {
        let selection = Selection {
            namespaces: vec!["a".into()],
            ..Selection::default()
        };
        assert_eq!(
            words(&dangerous(&[], &selection)),
            [
                "get secrets in a",
                "list secrets in a",
                "watch secrets in a",
                "do everything in a",
            ]
        );
        let secrets = [resource("", "secrets", true)];
        assert_eq!(
            words(&dangerous(&secrets, &Selection::default())),
            [
                "get secrets in the whole cluster",
                "do everything in the whole cluster",
            ]
        );
    }
}
