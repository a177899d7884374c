use serde::{Deserialize, Serialize};

/// One request to the API server that changed an object, as an audit log tells of it.
///
/// Who changed what: the recorder of a watch does not see it, so only imported events carry one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Request {
    /// The id that every stage of the request has in the audit log; empty where it has none.
    pub audit_id: String,
    /// The verb, such as `create` or `patch`.
    pub verb: String,
    /// The subresource, such as `status`; `None` for the object itself.
    pub subresource: Option<String>,
    /// The user who was authenticated; empty where the log does not tell.
    pub username: String,
    /// The groups of that user.
    pub groups: Vec<String>,
    /// The user in whose name the request was made, if another.
    pub impersonated_username: Option<String>,
    /// What the client calls itself.
    pub user_agent: Option<String>,
    /// Where the request came from, the client first and then proxies.
    pub source_ips: Vec<String>,
}
