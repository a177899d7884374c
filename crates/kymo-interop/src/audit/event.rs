//! Events of `audit.k8s.io`: v1, v1beta1, v1alpha1 and what was written in 2017.

use std::borrow::Cow;

use kymo_model::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::call::{Actor, Answer, Call, Stage, Target};

/// A string, borrowed when it holds no escape (a `Cow` alone would always be owned).
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// An event as it stands in the log. `null` stands for absent, as Go's decoder reads it; members
/// that a shipper adds are passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Event<'a> {
    #[serde(borrow)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    api_version: Option<Text<'a>>,
    #[serde(borrow, rename = "auditID")]
    audit_id: Option<Text<'a>>,
    #[serde(borrow)]
    stage: Option<Text<'a>>,
    #[serde(borrow, rename = "requestURI")]
    request_uri: Option<Text<'a>>,
    #[serde(borrow)]
    verb: Option<Text<'a>>,
    #[serde(borrow)]
    user: Option<User<'a>>,
    #[serde(borrow)]
    impersonated_user: Option<User<'a>>,
    #[serde(borrow, rename = "sourceIPs")]
    source_ips: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    user_agent: Option<Text<'a>>,
    #[serde(borrow)]
    object_ref: Option<ObjectRef<'a>>,
    #[serde(borrow)]
    response_status: Option<Status<'a>>,
    #[serde(borrow)]
    request_object: Option<&'a RawValue>,
    #[serde(borrow)]
    response_object: Option<&'a RawValue>,
    #[serde(borrow)]
    request_received_timestamp: Option<Text<'a>>,
    #[serde(borrow)]
    stage_timestamp: Option<Text<'a>>,
    /// What events had before they told the times of their stages.
    #[serde(borrow)]
    timestamp: Option<Text<'a>>,
    annotations: Option<Annotations>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct User<'a> {
    #[serde(borrow)]
    username: Option<Text<'a>>,
    #[serde(borrow)]
    groups: Option<Vec<Text<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ObjectRef<'a> {
    #[serde(borrow)]
    resource: Option<Text<'a>>,
    #[serde(borrow)]
    namespace: Option<Text<'a>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    uid: Option<Text<'a>>,
    #[serde(borrow)]
    api_group: Option<Text<'a>>,
    #[serde(borrow)]
    api_version: Option<Text<'a>>,
    #[serde(borrow)]
    subresource: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status<'a> {
    #[serde(borrow, rename = "status")]
    word: Option<Text<'a>>,
    code: Option<u16>,
    #[serde(borrow)]
    details: Option<Details<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Details<'a> {
    #[serde(borrow)]
    uid: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Annotations {
    #[serde(rename = "audit.k8s.io/truncated")]
    truncated: Option<IgnoredAny>,
}

/// Why a value is not an event that can be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoEvent {
    /// It is something else.
    Other,
    /// It is one, but broken or of a version that is not known.
    Broken(String),
}

impl<'a> Event<'a> {
    /// Makes a request of it.
    pub(super) fn into_call(self) -> Result<Call<'a>, NoEvent> {
        let is_named_otherwise = self.kind.as_ref().is_some_and(|kind| kind.0 != "Event");
        let (Some(stage), Some(verb), false) = (&self.stage, self.verb, is_named_otherwise) else {
            return Err(NoEvent::Other);
        };
        match self.api_version.as_ref().map(|version| version.0.as_ref()) {
            // Shippers drop it, and the items of a list have none.
            None | Some("audit.k8s.io/v1" | "audit.k8s.io/v1beta1" | "audit.k8s.io/v1alpha1") => {}
            Some(other) => {
                return Err(NoEvent::Broken(format!(
                    "an audit event of version {other}"
                )));
            }
        }
        let Some(stage) = Stage::from_word(&stage.0) else {
            return Err(NoEvent::Broken(format!("an unknown stage {}", stage.0)));
        };
        let received = time(self.request_received_timestamp)?;
        let at = match time(self.stage_timestamp)? {
            Some(at) => at,
            None => time(self.timestamp)?
                .or(received)
                .ok_or_else(|| NoEvent::Broken("an audit event without a time".to_owned()))?,
        };
        let user = self.user.unwrap_or_default();
        let uri = text(self.request_uri);
        let target = self.object_ref.and_then(|object| target(object, &uri));
        Ok(Call {
            id: text(self.audit_id),
            stage,
            verb: verb.0,
            target,
            uri,
            actor: Actor {
                username: text(user.username),
                groups: texts(user.groups),
                impersonated: self
                    .impersonated_user
                    .and_then(|user| user.username)
                    .map(|name| name.0),
                agent: self.user_agent.map(|agent| agent.0),
                ips: texts(self.source_ips),
            },
            answer: answer(self.response_status, self.response_object),
            request: body(self.request_object),
            response: body(self.response_object).filter(|text| text.starts_with('{')),
            is_truncated: self
                .annotations
                .is_some_and(|notes| notes.truncated.is_some()),
            received: received.filter(|received| *received <= at),
            at,
        })
    }
}

fn text(text: Option<Text<'_>>) -> Cow<'_, str> {
    text.map(|text| text.0).unwrap_or_default()
}

fn texts(texts: Option<Vec<Text<'_>>>) -> Vec<Cow<'_, str>> {
    texts
        .unwrap_or_default()
        .into_iter()
        .map(|text| text.0)
        .collect()
}

fn time(text: Option<Text<'_>>) -> Result<Option<Timestamp>, NoEvent> {
    let Some(text) = text else { return Ok(None) };
    text.0
        .parse()
        .map(Some)
        .map_err(|error: kymo_model::TimeError| NoEvent::Broken(error.to_string()))
}

/// Keeps a body that is one; shippers put a word in the place of one that is too long for them.
fn body(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let text = raw?.get();
    text.starts_with(['{', '[']).then_some(Cow::Borrowed(text))
}

fn answer<'a>(status: Option<Status<'a>>, response: Option<&'a RawValue>) -> Answer<'a> {
    let Some(status) = status else {
        return Answer::Unknown;
    };
    let is_failure = status.word.as_ref().is_some_and(|word| word.0 == "Failure");
    match status.code {
        Some(code) if code >= 400 || is_failure => Answer::Refused { code },
        None | Some(0) if is_failure => Answer::Refused { code: 0 },
        None | Some(0) if response.is_none() && status.word.is_none() => Answer::Unknown,
        code => Answer::Accepted {
            code: code.filter(|code| *code != 0),
            // A status without this word only repeats the code of an answer that is an object.
            is_status: status.word.is_some_and(|word| word.0 == "Success"),
            uid: text(status.details.and_then(|details| details.uid)),
        },
    }
}

/// Reads what the request is about. A namespace is told as its own namespace; whether other
/// resources live in one is seen from the path.
fn target<'a>(object: ObjectRef<'a>, uri: &str) -> Option<Target<'a>> {
    let resource = text(object.resource);
    if resource.is_empty() {
        return None;
    }
    let group = text(object.api_group);
    let namespace = text(object.namespace);
    let is_core_namespace = group.is_empty() && resource == "namespaces";
    let path = uri.split_once('?').map_or(uri, |(path, _)| path);
    let is_namespaced = !is_core_namespace && (!namespace.is_empty() || is_below_namespace(path));
    Some(Target {
        group,
        version: text(object.api_version),
        subresource: text(object.subresource),
        namespace: if is_namespaced {
            namespace
        } else {
            Cow::default()
        },
        name: text(object.name),
        uid: text(object.uid),
        is_namespaced,
        resource,
    })
}

/// Tells whether a path goes through a namespace to something in it.
fn is_below_namespace(path: &str) -> bool {
    path.split_once("/namespaces/")
        .is_some_and(|(_, below)| below.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn call(text: &str) -> Result<Call<'_>, NoEvent> {
        serde_json::from_str::<Event<'_>>(text).unwrap().into_call()
    }

    const NOW: &str = r#""stageTimestamp":"2026-11-21T07:00:02.5Z""#;

    #[test]
    fn an_event_is_read_with_the_members_that_a_shipper_added_and_without_those_that_it_dropped() {
        let text = format!(
            r#"{{"job":"audit","auditID":"i","stage":"ResponseComplete","verb":"create",
            "requestURI":"/api/v1/namespaces/a/pods?dryRun=All\u0026fieldManager=x",
            "user":{{"username":"u","groups":["g"],"extra":{{"k":["v"]}}}},
            "impersonatedUser":{{"username":"other"}},"sourceIPs":["10.0.0.1"],"userAgent":"kubectl",
            "objectRef":{{"resource":"pods","namespace":"a","name":"p","apiVersion":"v1"}},
            "responseStatus":{{"metadata":{{}},"code":201}},
            "requestObject":"skipped-too-big-size-object","responseObject":{{"kind":"Pod"}},
            "requestReceivedTimestamp":"2026-11-21T07:00:02.25Z",{NOW},"level":"RequestResponse"}}"#
        );
        let call = call(&text).unwrap();
        assert_eq!(call.parameter("dryRun"), Some("All"));
        assert_eq!(call.request, None);
        assert_eq!(call.response.as_deref(), Some(r#"{"kind":"Pod"}"#));
        assert_eq!(call.at.since(call.received.unwrap()).as_millis(), 250);
        let request = call.request();
        assert_eq!(
            (
                request.username.as_str(),
                request.impersonated_username.as_deref()
            ),
            ("u", Some("other"))
        );
        assert_eq!(request.source_ips, ["10.0.0.1"]);
    }

    #[test]
    fn the_shape_of_2017_has_one_time() {
        let text = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1beta1","metadata":{"creationTimestamp":"2017-09-11T19:55:05Z"},
            "timestamp":"2017-09-11T19:55:05Z","stage":"ResponseComplete","verb":"list","objectRef":{"resource":"nodes"}}"#;
        let call = call(text).unwrap();
        assert_eq!(call.at.to_string(), "2017-09-11T19:55:05.000000000Z");
        assert_eq!((call.received, call.answer), (None, Answer::Unknown));
    }

    #[rstest]
    #[case("/api/v1/namespaces/a", "namespaces", "a", ("", false))]
    #[case("/api/v1/namespaces/a/pods/p", "pods", "a", ("a", true))]
    #[case("/api/v1/namespaces/a/pods", "pods", "a", ("a", true))]
    #[case("/api/v1/nodes/n", "nodes", "", ("", false))]
    #[case("", "pods", "a", ("a", true))]
    fn whether_a_resource_lives_in_namespaces_is_seen(
        #[case] uri: &str,
        #[case] resource: &str,
        #[case] namespace: &str,
        #[case] expected: (&str, bool),
    ) {
        let text = format!(
            r#"{{"stage":"Panic","verb":"update","requestURI":"{uri}",{NOW},
            "objectRef":{{"resource":"{resource}","namespace":"{namespace}"}}}}"#
        );
        let target = call(&text).unwrap().target.unwrap();
        assert_eq!((target.namespace.as_ref(), target.is_namespaced), expected);
    }

    #[rstest]
    #[case(r#"{"code":201}"#, Answer::Accepted { code: Some(201), is_status: false, uid: "".into() })]
    #[case(r#"{"status":"Success","code":200,"details":{"uid":"u"}}"#, Answer::Accepted { code: Some(200), is_status: true, uid: "u".into() })]
    #[case(r#"{"status":"Failure","code":404}"#, Answer::Refused { code: 404 })]
    #[case(r#"{"code":500}"#, Answer::Refused { code: 500 })]
    #[case(r#"{"status":"Failure"}"#, Answer::Refused { code: 0 })]
    #[case("{}", Answer::Unknown)]
    #[case("null", Answer::Unknown)]
    fn answers_are_told_apart(#[case] status: &str, #[case] expected: Answer<'_>) {
        let text =
            format!(r#"{{"stage":"ResponseComplete","verb":"x",{NOW},"responseStatus":{status}}}"#);
        assert_eq!(call(&text).unwrap().answer, expected);
    }

    #[rstest]
    #[case(r#"{"kind":"Pod","apiVersion":"v1"}"#, "other")]
    #[case(r#"{"kind":"Event","apiVersion":"v1","reason":"Started"}"#, "other")]
    #[case(
        r#"{"kind":"Event","apiVersion":"audit.k8s.io/v2","stage":"Panic","verb":"get"}"#,
        "version audit.k8s.io/v2"
    )]
    #[case(r#"{"stage":"Later","verb":"get"}"#, "unknown stage Later")]
    #[case(r#"{"stage":"Panic","verb":"get"}"#, "without a time")]
    #[case(
        r#"{"stage":"Panic","verb":"get","stageTimestamp":"today"}"#,
        "not an RFC 3339 time"
    )]
    fn what_is_no_event_is_told(#[case] text: &str, #[case] expected: &str) {
        let told = match call(text).unwrap_err() {
            NoEvent::Other => "other".to_owned(),
            NoEvent::Broken(reason) => reason,
        };
        assert!(told.contains(expected), "{told}");
    }
}
