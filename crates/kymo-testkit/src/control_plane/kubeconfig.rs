//! Kubeconfig files.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::credentials::Identity;

/// Which server a kubeconfig names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Server {
    /// The API server itself.
    #[default]
    Api,
    /// Another URL in front of it, such as a proxy on plain HTTP. With `https` the plane's
    /// authority has to have signed the certificate.
    Url(String),
}

/// Who a kubeconfig says the user is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum User {
    /// A member of `system:masters`, with a client certificate.
    #[default]
    Admin,
    /// The bearer of one of [`Options::tokens`](super::Options::tokens), or of a wrong one.
    Token(String),
    /// A new client certificate.
    Certificate {
        /// The user's name, for RBAC.
        name: String,
        /// The user's group, for RBAC.
        group: Option<String>,
    },
    /// Nobody: no credentials at all.
    Anonymous,
}

/// How the user proves it.
pub(super) enum Proof {
    Certificate(Identity),
    Token(String),
    None,
}

/// Writes a kubeconfig. It is JSON, which is YAML too.
pub(super) fn write(path: &Path, url: &str, authority: &str, proof: &Proof) -> Result<()> {
    let mut cluster = json!({ "server": url });
    if url.starts_with("https:") {
        cluster["certificate-authority-data"] = Value::from(STANDARD.encode(authority));
    }
    let user = match proof {
        Proof::Certificate(identity) => json!({
            "client-certificate-data": STANDARD.encode(&identity.certificate),
            "client-key-data": STANDARD.encode(&identity.key),
        }),
        Proof::Token(token) => json!({ "token": token }),
        Proof::None => json!({}),
    };
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "kymo-test",
        "clusters": [{ "name": "kymo-test", "cluster": cluster }],
        "users": [{ "name": "kymo-test", "user": user }],
        "contexts": [{ "name": "kymo-test", "context": { "cluster": "kymo-test", "user": "kymo-test" } }],
    });
    fs::write(path, serde_json::to_string_pretty(&config)?)
        .with_context(|| format!("cannot write {}", path.display()))
}
