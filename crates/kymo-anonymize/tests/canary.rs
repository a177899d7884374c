//! A planted secret must not survive, wherever it stands.

use std::borrow::Cow;

use kymo_anonymize::{Error, LAST_APPLIED, Policy, redact};
use kymo_model::ResourceType;
use rstest::rstest;

const CANARY: &str = "Q0FOQVJZ";

fn resource(name: &str) -> ResourceType {
    ResourceType {
        group: String::new(),
        version: "v1".into(),
        resource: name.into(),
        kind: String::new(),
        namespaced: true,
    }
}

/// Spells the annotation's name in ways that parse to the same.
fn spellings() -> Vec<String> {
    let all_escaped = LAST_APPLIED
        .bytes()
        .fold(String::new(), |text, byte| text + &format!("\\u{byte:04x}"));
    vec![
        LAST_APPLIED.to_owned(),
        LAST_APPLIED.replace('/', r"\/"),
        LAST_APPLIED.replacen('k', r"\u006b", 1),
        LAST_APPLIED.replace("last", r"\u006C\u0061st"),
        all_escaped,
    ]
}

#[rstest]
#[case::data(r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"},"data":{"p":"Q0FOQVJZ"},"type":"Opaque"}"#)]
#[case::string_data(r#"{"metadata":{"name":"a"},"stringData":{"p":"Q0FOQVJZ"}}"#)]
#[case::escaped_field(r#"{"metadata":{"name":"a"},"d\u0061ta":{"p":"Q0FOQVJZ"}}"#)]
#[case::twice(r#"{"data":{"p":"Q0FOQVJZ"},"metadata":{"name":"a"},"data":{"p":"Q0FOQVJZ"}}"#)]
#[case::other_case(r#"{"metadata":{"name":"a"},"Data":{"p":"Q0FOQVJZ"}}"#)]
#[case::data_of_another_shape(r#"{"metadata":{"name":"a"},"data":"Q0FOQVJZ"}"#)]
#[case::table(r#"{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{},"rows":[{"object":{"data":{"p":"Q0FOQVJZ"}}}]}"#)]
#[case::list(
    r#"{"kind":"SecretList","apiVersion":"v1","metadata":{},"items":[{"data":{"p":"Q0FOQVJZ"}}]}"#
)]
fn a_secret_leaves_no_payload(#[case] text: &str) {
    assert!(text.contains(CANARY));
    let kept = redact(&Policy::default(), &resource("secrets"), text).unwrap();
    assert!(!kept.contains(CANARY), "{kept}");
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    assert!(kept.get("metadata").is_some());
}

#[test]
fn the_annotation_of_kubectl_goes_however_it_is_spelled() {
    for spelling in spellings() {
        for (text, expected) in [
            (
                format!(
                    r#"{{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{{"name":"a","annotations":{{"{spelling}":"{{\"data\":{{\"p\":\"{CANARY}\"}}}}"}}}}}}"#
                ),
                r#"{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"a","annotations":{}}}"#,
            ),
            (
                format!(
                    r#"{{"metadata":{{"annotations":{{"a":"\u003c1\/","{spelling}":"{CANARY}","b":"2"}}}},"x":1.0e2}}"#
                ),
                r#"{"metadata":{"annotations":{"a":"\u003c1\/","b":"2"}},"x":1.0e2}"#,
            ),
        ] {
            for name in ["secrets", "configmaps"] {
                let kept = redact(&Policy::default(), &resource(name), &text).unwrap();
                if name == "secrets" {
                    assert!(!kept.contains(CANARY), "{kept}");
                } else {
                    assert_eq!(kept, expected);
                }
            }
        }
    }
}

#[test]
fn a_secret_that_comes_under_another_resource_is_known_by_its_kind() {
    for text in [
        r#"{"apiVersion":"v1","kind":"Secret","metadata":{},"data":{"p":"Q0FOQVJZ"}}"#,
        r#"{"data":{"p":"Q0FOQVJZ"},"kind":"\u0053ecret","apiVersion":"v1","metadata":{}}"#,
    ] {
        let kept = redact(&Policy::default(), &resource("things"), text).unwrap();
        assert!(!kept.contains(CANARY), "{kept}");
    }
    let other = r#"{"apiVersion":"acme.com/v1","kind":"Secret","metadata":{},"data":{"p":"1"}}"#;
    assert!(matches!(
        redact(&Policy::default(), &resource("things"), other).unwrap(),
        Cow::Borrowed(text) if text == other
    ));
}

#[rstest]
#[case(r#"{"metadata":{},"data":{"p":"Q0FOQVJZ"}"#)]
#[case(r#"{"metadata":{"annotations":{"x":}},"data":{"p":"Q0FOQVJZ"}}"#)]
#[case("[]")]
#[case("Q0FOQVJZ")]
#[case("")]
fn a_secret_that_cannot_be_read_is_an_error_without_its_text(#[case] text: &str) {
    let error = redact(&Policy::default(), &resource("secrets"), text).unwrap_err();
    assert!(matches!(
        error,
        Error::Json { .. } | Error::NotAnObject { .. }
    ));
    assert!(!error.to_string().contains(CANARY), "{error}");
    assert!(!format!("{error:?}").contains(CANARY), "{error:?}");
}

#[test]
fn an_unreadable_line_keeps_its_bytes_unless_it_may_hold_a_secret() {
    let policy = Policy::default();
    let line = b"{\"type\":\"ADDED\",\"object\":{\"data\":\"Q0FOQVJZ\xff\"}}";
    assert_eq!(policy.unreadable(&resource("configmaps"), line), line);
    assert!(policy.unreadable(&resource("secrets"), line).is_empty());
    let named = b"{\"type\":\"ADDED\",\"object\":{\"kind\":\"Secret\",\"data\":\"Q0FOQVJZ\xff\"}}";
    assert!(policy.unreadable(&resource("configmaps"), named).is_empty());
}
