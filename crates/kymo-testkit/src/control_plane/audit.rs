//! The API server's audit log.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

/// The audit policy: every request's metadata, once, when it is answered; for a watch also when it
/// starts. The launcher's own questions whether the server is ready are left out.
pub(super) const POLICY: &str = r#"{"apiVersion":"audit.k8s.io/v1","kind":"Policy",
"omitStages":["RequestReceived"],"rules":[
{"level":"None","nonResourceURLs":["/readyz"]},
{"level":"Metadata","omitManagedFields":true}]}"#;

/// A request as the API server saw it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// `ResponseStarted` for a watch that began, `ResponseComplete` for a request that ended.
    pub stage: String,
    /// Path and query.
    #[serde(rename = "requestURI")]
    pub request_uri: String,
    /// `get`, `list`, `watch`, `create` and so on.
    pub verb: String,
    /// Who asked.
    pub user: AuditUser,
    /// The program that asked, as it calls itself.
    #[serde(default)]
    pub user_agent: String,
    /// The answer; `None` when there was none.
    #[serde(default)]
    pub response_status: Option<AuditStatus>,
    /// When the request came, RFC 3339 with microseconds.
    pub request_received_timestamp: String,
}

/// The user of an [`AuditEntry`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AuditUser {
    /// The user's name.
    #[serde(default)]
    pub username: String,
}

/// The answer of an [`AuditEntry`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AuditStatus {
    /// The HTTP status.
    #[serde(default)]
    pub code: u16,
}

/// Reads an audit log; a line that is still being written is left out.
pub(super) fn read(path: &Path) -> Result<Vec<AuditEntry>> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let whole = text
        .rfind('\n')
        .and_then(|end| text.get(..end))
        .unwrap_or_default();
    whole
        .lines()
        .map(|line| {
            serde_json::from_str(line).with_context(|| format!("not an audit entry: {line}"))
        })
        .collect()
}
