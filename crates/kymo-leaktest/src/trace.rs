use kymo_model::Event;
use kymo_store::Trace;
use serde_json::Value;

use crate::Error;
use crate::identify::Identifier;
use crate::token::{Class, Tokens};

/// API groups whose names are Kubernetes' own and have no domain.
const OWN_GROUPS: [&str; 6] = ["", "apps", "autoscaling", "batch", "extensions", "policy"];

/// Tells whether an API group is Kubernetes' own.
pub(crate) fn is_own_group(group: &str) -> bool {
    OWN_GROUPS.contains(&group) || group.ends_with(".k8s.io")
}

/// Returns what identifies in a trace.
pub(crate) fn tokens(trace: &Trace) -> Result<Tokens, Error> {
    let mut identifier = Identifier::default();
    for feed in trace.feeds().values() {
        let resource = &feed.resource;
        if !is_own_group(&resource.group) {
            for text in [&resource.group, &resource.kind, &resource.resource] {
                identifier.text(None, Class::Type, "feeds", text);
            }
        }
    }
    if let Ok(meta) = serde_json::to_value(trace.meta()) {
        identifier.shapes("metadata", &meta);
    }
    for row in trace.rows()? {
        let row = row?;
        row_tokens(&mut identifier, trace, row.seq, &row.event);
    }
    Ok(identifier.into_tokens())
}

fn row_tokens(identifier: &mut Identifier, trace: &Trace, seq: u64, event: &Event) {
    let key = &event.key;
    let here = Some(seq);
    identifier.text(here, Class::Name, "namespace", &key.namespace);
    identifier.text(here, Class::Name, "name", &key.name);
    identifier.text(here, Class::Id, "uid", &key.uid);
    if let Some(request) = &event.request {
        identifier.text(here, Class::User, "username", &request.username);
        for group in &request.groups {
            identifier.text(here, Class::User, "groups", group);
        }
        if let Some(user) = &request.impersonated_username {
            identifier.text(here, Class::User, "impersonated_username", user);
        }
        for ip in &request.source_ips {
            identifier.shapes("source_ips", &Value::String(ip.clone()));
        }
        identifier.text(here, Class::Id, "audit_id", &request.audit_id);
    }
    let Some(body) = &event.body else {
        return;
    };
    if let Ok(body) = serde_json::from_slice::<Value>(body) {
        let feed = trace.feeds().get(&event.feed);
        let is_own = feed.is_some_and(|feed| is_own_group(&feed.resource.group));
        identifier.object(seq, &body, is_own);
    }
}
