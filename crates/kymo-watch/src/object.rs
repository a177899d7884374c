use std::borrow::Cow;

use kymo_model::{HeadError, ObjectText, ResourceType};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Puts `kind` and `apiVersion` in front of an item of a list that lacks them; the rest stays byte
/// for byte. The text must be a JSON object.
pub(crate) fn complete<'a>(object: &ObjectText<'a>, kind: &str, api_version: &str) -> Cow<'a, str> {
    let head = &object.head;
    let text = object.text;
    let (lacks_kind, lacks_version) = (
        head.kind.is_empty() && !kind.is_empty(),
        head.api_version.is_empty() && !api_version.is_empty(),
    );
    let Some(rest) = text.strip_prefix('{') else {
        return Cow::Borrowed(text);
    };
    if !lacks_kind && !lacks_version {
        return Cow::Borrowed(text);
    }
    let mut completed = String::with_capacity(text.len() + kind.len() + api_version.len() + 26);
    completed.push('{');
    if lacks_kind {
        push_member(&mut completed, "kind", kind);
    }
    if lacks_version {
        push_member(&mut completed, "apiVersion", api_version);
    }
    completed.push_str(rest);
    Cow::Owned(completed)
}

/// Keeps nothing of an object but its metadata, under the kind of the resource.
///
/// The server was asked for `PartialObjectMetadata`; should it have sent the whole object all the
/// same, the rest ends here.
pub(crate) fn metadata_only(
    object: &ObjectText<'_>,
    resource: &ResourceType,
) -> Result<String, HeadError> {
    #[derive(Deserialize)]
    struct Metadata<'a> {
        #[serde(borrow)]
        metadata: Option<&'a RawValue>,
    }
    let found: Metadata<'_> = serde_json::from_str(object.text)?;
    let metadata = found.metadata.ok_or(HeadError::NoMetadata)?.get();
    let mut text = String::with_capacity(metadata.len() + 96);
    text.push('{');
    push_member(&mut text, "kind", &resource.kind);
    push_member(&mut text, "apiVersion", &resource.api_version());
    text.push_str("\"metadata\":");
    text.push_str(metadata);
    text.push('}');
    Ok(text)
}

fn push_member(text: &mut String, name: &str, value: &str) {
    text.push('"');
    text.push_str(name);
    text.push_str("\":");
    // Kinds and versions come from the server: they are escaped like any other string.
    text.push_str(&serde_json::Value::from(value).to_string());
    text.push(',');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> ObjectText<'_> {
        ObjectText::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn only_what_is_lacking_is_put_in() {
        let bare = r#"{ "metadata":{"name":"a"},"spec":{"n":1.0e2}}"#;
        assert_eq!(
            complete(&object(bare), "Pod", "v1"),
            r#"{"kind":"Pod","apiVersion":"v1", "metadata":{"name":"a"},"spec":{"n":1.0e2}}"#
        );
        let with_kind = r#"{"kind":"Pod","metadata":{}}"#;
        assert_eq!(
            complete(&object(with_kind), "Other", "v1"),
            r#"{"apiVersion":"v1","kind":"Pod","metadata":{}}"#
        );
        let with_both = r#"{"kind":"Pod","apiVersion":"v1","metadata":{}}"#;
        assert!(matches!(
            complete(&object(with_both), "Other", "v2"),
            Cow::Borrowed(text) if text == with_both
        ));
    }

    #[test]
    fn nothing_but_metadata_is_kept_of_a_whole_secret() {
        let secret = ResourceType {
            group: String::new(),
            version: "v1".into(),
            resource: "secrets".into(),
            kind: "Secret".into(),
            namespaced: true,
        };
        let kept = r#"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"s","uid":"u"}}"#;
        for text in [
            r#"{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"s","uid":"u"}}"#,
            r#"{"data":{"password":"aHVudGVyMg=="},"metadata":{"name":"s","uid":"u"},"stringData":{"a":"b"},"kind":"Secret","apiVersion":"v1"}"#,
        ] {
            assert_eq!(metadata_only(&object(text), &secret).unwrap(), kept);
        }
    }
}
