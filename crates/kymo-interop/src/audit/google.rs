//! What Cloud Logging makes of an audit event of GKE: a `LogEntry` whose `protoPayload` names the
//! method and the resource and holds request and response.

use std::borrow::Cow;

use kymo_model::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::call::{Actor, Answer, Call, Stage, Target};
use super::event::{NoEvent, Text};
use super::members::{members, object};

/// The service of which the API servers of clusters tell.
const SERVICE: &str = "k8s.io";

/// A log entry, as far as it matters.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct LogEntry<'a> {
    #[serde(borrow)]
    proto_payload: Option<Payload<'a>>,
    #[serde(borrow)]
    timestamp: Option<Text<'a>>,
    #[serde(borrow)]
    insert_id: Option<Text<'a>>,
    #[serde(borrow)]
    operation: Option<Operation<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Operation<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    first: bool,
    last: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Payload<'a> {
    #[serde(borrow)]
    service_name: Option<Text<'a>>,
    #[serde(borrow)]
    method_name: Option<Text<'a>>,
    #[serde(borrow)]
    resource_name: Option<Text<'a>>,
    #[serde(borrow)]
    authentication_info: Option<Authentication<'a>>,
    #[serde(borrow)]
    request_metadata: Option<Caller<'a>>,
    #[serde(borrow)]
    request: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    status: Option<Status>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Authentication<'a> {
    #[serde(borrow)]
    principal_email: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Caller<'a> {
    #[serde(borrow)]
    caller_ip: Option<Text<'a>>,
    #[serde(borrow)]
    caller_supplied_user_agent: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    code: Option<u16>,
}

impl<'a> LogEntry<'a> {
    /// Makes a request of it.
    pub(super) fn into_call(self) -> Result<Call<'a>, NoEvent> {
        let Some(payload) = self.proto_payload else {
            return Err(NoEvent::Other);
        };
        if payload
            .service_name
            .as_ref()
            .is_none_or(|name| name.0 != SERVICE)
        {
            return Err(NoEvent::Other);
        }
        let (Some(method), Some(path)) = (payload.method_name, payload.resource_name) else {
            return Err(NoEvent::Broken(
                "a log entry without method or resource".to_owned(),
            ));
        };
        let (verb, target) = parse(&method.0, &path.0)
            .ok_or_else(|| NoEvent::Broken(format!("an unknown method {}", method.0)))?;
        let at: Timestamp = self
            .timestamp
            .ok_or_else(|| NoEvent::Broken("a log entry without a time".to_owned()))?
            .0
            .parse()
            .map_err(|error: kymo_model::TimeError| NoEvent::Broken(error.to_string()))?;
        let operation = self.operation.unwrap_or_default();
        let goes_on = operation.first && !operation.last;
        let caller = payload.request_metadata.unwrap_or_default();
        let response = body(payload.response)?;
        Ok(Call {
            id: operation
                .id
                .or(self.insert_id)
                .map(|id| id.0)
                .unwrap_or_default(),
            stage: if goes_on {
                Stage::Started
            } else {
                Stage::Complete
            },
            verb: Cow::Owned(verb),
            uri: Cow::default(),
            target: Some(target),
            actor: Actor {
                username: payload
                    .authentication_info
                    .and_then(|info| info.principal_email)
                    .map(|name| name.0)
                    .unwrap_or_default(),
                agent: caller.caller_supplied_user_agent.map(|agent| agent.0),
                ips: caller.caller_ip.map(|ip| ip.0).into_iter().collect(),
                ..Actor::default()
            },
            answer: match payload.status.and_then(|status| status.code) {
                None | Some(0) => Answer::Accepted {
                    code: None,
                    is_status: false,
                    uid: Cow::default(),
                },
                Some(code) => Answer::Refused {
                    code: http_code(code),
                },
            },
            request: body(payload.request)?,
            response,
            is_truncated: false,
            received: None,
            at,
        })
    }
}

/// Takes the member `@type` out, which the API server did not send.
fn body(raw: Option<&RawValue>) -> Result<Option<Cow<'_, str>>, NoEvent> {
    let Some(text) = raw.map(RawValue::get).filter(|text| text.starts_with('{')) else {
        return Ok(None);
    };
    let members = members(text).map_err(|error| NoEvent::Broken(error.to_string()))?;
    if members.iter().all(|(name, _)| name != "@type") {
        return Ok(Some(Cow::Borrowed(text)));
    }
    let kept = members.iter().filter(|(name, _)| name != "@type");
    let text = object(kept.map(|(name, value)| (name.as_ref(), *value)));
    Ok((text != "{}").then_some(Cow::Owned(text)))
}

/// Reads `io.k8s.core.v1.pods.status.patch` and `core/v1/namespaces/NAMESPACE/pods/NAME/status`.
/// The group stands as it is only in the path.
fn parse(method: &str, path: &str) -> Option<(String, Target<'static>)> {
    let mut words = method
        .split('.')
        .skip_while(|word| !is_version(word))
        .skip(1);
    let resource = words.next()?;
    let mut rest: Vec<&str> = words.collect();
    let verb = rest.pop()?;
    let mut segments = path.split('/');
    let (group, version) = (segments.next()?, segments.next()?);
    let segments: Vec<&str> = segments.collect();
    let (namespace, below) = match segments.as_slice() {
        ["namespaces", namespace, below @ ..] if resource != "namespaces" => (*namespace, below),
        all => ("", all),
    };
    let name = below.get(1).copied().unwrap_or_default();
    let owned = |text: &str| Cow::Owned(text.to_owned());
    let target = Target {
        group: owned(if group == "core" { "" } else { group }),
        version: owned(version),
        resource: owned(resource),
        subresource: owned(rest.first().copied().unwrap_or_default()),
        namespace: owned(namespace),
        name: owned(name),
        uid: Cow::default(),
        is_namespaced: !namespace.is_empty(),
    };
    Some((verb.to_owned(), target))
}

fn is_version(word: &str) -> bool {
    word.strip_prefix('v')
        .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

/// The HTTP status that a code of gRPC stands for.
fn http_code(code: u16) -> u16 {
    match code {
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        2 | 13 | 15 => 500,
        other => other.max(400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("io.k8s.core.v1.pods.create", "core/v1/namespaces/a/pods/p", ("create", "", "pods", "", "a", "p"))]
    #[case("io.k8s.core.v1.pods.status.patch", "core/v1/namespaces/a/pods/p/status", ("patch", "", "pods", "status", "a", "p"))]
    #[case("io.k8s.authorization.rbac.v1.clusterroles.update", "rbac.authorization.k8s.io/v1/clusterroles/r", ("update", "rbac.authorization.k8s.io", "clusterroles", "", "", "r"))]
    #[case("io.k8s.core.v1.namespaces.finalize.update", "core/v1/namespaces/a/finalize", ("update", "", "namespaces", "finalize", "", "a"))]
    #[case("org.example.v1alpha1.widgets.deletecollection", "example.org/v1alpha1/namespaces/a/widgets", ("deletecollection", "example.org", "widgets", "", "a", ""))]
    fn methods_and_paths_tell_verb_and_target(
        #[case] method: &str,
        #[case] path: &str,
        #[case] expected: (&str, &str, &str, &str, &str, &str),
    ) {
        let (verb, target) = parse(method, path).unwrap();
        let told = (
            verb.as_str(),
            target.group.as_ref(),
            target.resource.as_ref(),
            target.subresource.as_ref(),
            target.namespace.as_ref(),
            target.name.as_ref(),
        );
        assert_eq!(told, expected);
    }

    #[test]
    fn an_entry_gives_the_object_without_its_type_mark() {
        let text = r#"{"protoPayload":{"@type":"type.googleapis.com/google.cloud.audit.AuditLog",
            "authenticationInfo":{"principalEmail":"someone@example.org"},
            "methodName":"io.k8s.core.v1.configmaps.create","resourceName":"core/v1/namespaces/a/configmaps/c",
            "requestMetadata":{"callerIp":"10.0.0.1","callerSuppliedUserAgent":"kubectl"},
            "response":{"@type":"core.k8s.io/v1.ConfigMap","kind":"ConfigMap","n":1.0e2},"request":{"@type":"x"},
            "serviceName":"k8s.io","status":{}},"insertId":"i","timestamp":"2026-11-21T07:00:00Z",
            "operation":{"id":"o","first":true,"last":true}}"#;
        let entry: LogEntry<'_> = serde_json::from_str(text).unwrap();
        let call = entry.into_call().unwrap();
        assert_eq!(
            call.response.as_deref(),
            Some(r#"{"kind":"ConfigMap","n":1.0e2}"#)
        );
        assert_eq!((call.request.as_deref(), call.id.as_ref()), (None, "o"));
        assert_eq!(call.request().username, "someone@example.org");
        assert!(matches!(call.answer, Answer::Accepted { code: None, .. }));
    }

    #[rstest]
    #[case(r#"{"textPayload":"x"}"#, "other")]
    #[case(
        r#"{"protoPayload":{"serviceName":"container.googleapis.com"}}"#,
        "other"
    )]
    #[case(r#"{"protoPayload":{"serviceName":"k8s.io"}}"#, "without method")]
    #[case(
        r#"{"protoPayload":{"serviceName":"k8s.io","methodName":"x","resourceName":"y"}}"#,
        "unknown method"
    )]
    #[case(r#"{"protoPayload":{"serviceName":"k8s.io","methodName":"io.k8s.core.v1.pods.get","resourceName":"core/v1/pods"}}"#, "without a time")]
    fn what_is_no_request_to_a_cluster_is_told(#[case] text: &str, #[case] expected: &str) {
        let entry: LogEntry<'_> = serde_json::from_str(text).unwrap();
        let told = match entry.into_call().unwrap_err() {
            NoEvent::Other => "other".to_owned(),
            NoEvent::Broken(reason) => reason,
        };
        assert!(told.contains(expected), "{told}");
    }

    #[test]
    fn a_refused_request_has_the_code_of_http() {
        let text = r#"{"protoPayload":{"methodName":"io.k8s.core.v1.pods.delete","resourceName":"core/v1/namespaces/a/pods/p",
            "serviceName":"k8s.io","status":{"code":7,"message":"no"}},"timestamp":"2026-11-21T07:00:00Z"}"#;
        let entry: LogEntry<'_> = serde_json::from_str(text).unwrap();
        assert_eq!(
            entry.into_call().unwrap().answer,
            Answer::Refused { code: 403 }
        );
    }
}
