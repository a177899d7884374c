//! Who did something: users, groups, clients.

use crate::anonymizer::Anonymizer;
use crate::failure::Failure;
use crate::form::name::is_uuid;
use crate::tokens::{Domain, TOKEN};
use crate::vocabulary;

impl Anonymizer {
    /// Replaces a user, a group, or whoever holds a lease.
    pub(crate) fn actor(&mut self, actor: &str) -> Result<String, Failure> {
        if actor.is_empty() || vocabulary::NAMES.has(actor) || vocabulary::API.has(actor) {
            return Ok(actor.to_owned());
        }
        if let Some(rest) = actor.strip_prefix("system:serviceaccount:")
            && let Some((namespace, name)) = rest.split_once(':')
        {
            let namespace = self.namespace(namespace)?;
            let name = self.name(name)?;
            return Ok(format!("system:serviceaccount:{namespace}:{name}"));
        }
        if let Some(namespace) = actor.strip_prefix("system:serviceaccounts:") {
            return Ok(format!(
                "system:serviceaccounts:{}",
                self.namespace(namespace)?
            ));
        }
        if let Some(node) = actor.strip_prefix("system:node:") {
            return Ok(format!("system:node:{}", self.name(node)?));
        }
        if self.is_name(actor) {
            return self.name(actor);
        }
        // `pod_uid` and `host_uid` hold leases.
        if let Some((holder, id)) = actor.rsplit_once('_')
            && is_uuid(id)
        {
            let holder = self.actor(holder)?;
            return Ok(format!("{holder}_{}", self.uid(id)?));
        }
        if is_uuid(actor) {
            return self.uid(actor);
        }
        if let Some((user, host)) = actor.split_once('@')
            && host.contains('.')
        {
            let user = self.tokens.token(Domain::Actor, user, TOKEN)?;
            return Ok(format!("{user}@{}", self.outer_host(host)?));
        }
        if let Some(address) = self.address_of(actor) {
            return Ok(address);
        }
        if actor.contains(':') {
            return self.parts_of_actor(actor, Domain::Actor);
        }
        self.tokens.token(Domain::Actor, actor, TOKEN)
    }

    /// Replaces each part between colons that is not public: `system:controller:job-controller`
    /// stays as it is.
    pub(crate) fn parts_of_actor(
        &mut self,
        actor: &str,
        domain: Domain,
    ) -> Result<String, Failure> {
        let mut parts = Vec::new();
        let is_system = actor.starts_with("system:");
        for (place, part) in actor.split(':').enumerate() {
            let is_public = (is_system && place == 0)
                || part.is_empty()
                || vocabulary::NAMES.has(part)
                || vocabulary::API.has(part)
                || (is_system && is_part_of_system(part));
            parts.push(if is_public {
                part.to_owned()
            } else {
                self.tokens.token(domain, part, TOKEN)?
            });
        }
        Ok(parts.join(":"))
    }

    /// Keeps what a client calls itself if everybody uses it; where it runs goes.
    pub(crate) fn user_agent(&mut self, agent: &str) -> Result<String, Failure> {
        let product = agent.split(['/', ' ']).next().unwrap_or_default();
        if vocabulary::AGENTS.has(product) {
            return Ok(product.to_owned());
        }
        self.tokens.token(Domain::Actor, product, TOKEN)
    }

    fn address_of(&mut self, text: &str) -> Option<String> {
        text.contains(['.', ':'])
            .then(|| self.address(text))
            .flatten()
    }
}

/// Words of the users and roles that every cluster has.
fn is_part_of_system(part: &str) -> bool {
    const PARTS: &[&str] = &[
        "aggregate-to-admin",
        "aggregate-to-edit",
        "aggregate-to-view",
        "anonymous",
        "apiserver",
        "auth-delegator",
        "authenticated",
        "basic-user",
        "bootstrappers",
        "certificates.k8s.io",
        "certificatesigningrequests",
        "controller",
        "discovery",
        "extension-apiserver-authentication-reader",
        "heapster",
        "kube-aggregator",
        "kube-apiserver",
        "kubeadm",
        "kubelet-api-admin",
        "leader-locking-kube-controller-manager",
        "leader-locking-kube-scheduler",
        "masters",
        "monitoring",
        "node",
        "node-bootstrapper",
        "node-problem-detector",
        "node-proxier",
        "nodeclient",
        "nodes",
        "persistent-volume-provisioner",
        "public-info-viewer",
        "selfnodeclient",
        "service-account-issuer-discovery",
        "serviceaccounts",
        "unauthenticated",
        "volume-scheduler",
    ];
    PARTS.binary_search(&part).is_ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_parts_of_system_users_are_in_order() {
        assert!(super::is_part_of_system("anonymous"));
        assert!(super::is_part_of_system("kubelet-api-admin"));
        assert!(super::is_part_of_system("volume-scheduler"));
        assert!(!super::is_part_of_system("acme"));
    }
}
