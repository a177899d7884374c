//! The documents of a recording.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The API group of KWOK's own documents.
pub(super) const GROUP: &str = "action.kwok.x-k8s.io/";
/// The version of them that is known.
pub(super) const API_VERSION: &str = "action.kwok.x-k8s.io/v1alpha1";
const KIND: &str = "ResourcePatch";

/// A change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResourcePatch {
    /// When it came, since some zero.
    pub(super) duration_nanosecond: i64,
    pub(super) method: Method,
    pub(super) resource: ResourceName,
    pub(super) target: Target,
    /// The object, or a strategic merge patch of it; nothing of a deleted one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) template: Option<Value>,
}

/// What a change does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Method {
    Create,
    Patch,
    Delete,
}

/// The resource of a change. Some writers make the plural of the kind and an `s`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct ResourceName {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) group: String,
    pub(super) version: String,
    pub(super) resource: String,
}

/// The object of a change.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Target {
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) namespace: String,
}

/// What a document is.
pub(super) enum Document {
    /// An object that was there when the recording began.
    Object(Value),
    /// A change.
    Patch(ResourcePatch),
    /// One of KWOK's own, in a version that is not known.
    OtherVersion(String),
}

impl Document {
    /// Reads a document; the reason if it is none of a recording.
    pub(super) fn of(value: Value) -> Result<Self, String> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        if !api_version.starts_with(GROUP) {
            return Ok(Self::Object(value));
        }
        if api_version != API_VERSION {
            return Ok(Self::OtherVersion(api_version.to_owned()));
        }
        if kind != KIND {
            return Err(format!("a {kind} of KWOK, which is no change"));
        }
        let patch: ResourcePatch = serde_json::from_value(value)
            .map_err(|error| format!("not a ResourcePatch: {error}"))?;
        if patch.template.is_none() && patch.method != Method::Delete {
            return Err("a change without its template".to_owned());
        }
        Ok(Self::Patch(patch))
    }
}

#[cfg(test)]
impl ResourcePatch {
    /// Writes the document as KWOK does, its members in the order of their names.
    pub(super) fn to_document(&self) -> Value {
        let mut document = serde_json::to_value(self).unwrap();
        document["apiVersion"] = API_VERSION.into();
        document["kind"] = KIND.into();
        document.sort_all_objects();
        document
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_change_is_read_as_it_is_written() {
        let written = json!({
            "apiVersion": "action.kwok.x-k8s.io/v1alpha1", "durationNanosecond": -5,
            "kind": "ResourcePatch", "method": "delete",
            "resource": { "resource": "nodes", "version": "v1" }, "target": { "name": "a" },
        });
        let Ok(Document::Patch(patch)) = Document::of(written.clone()) else {
            unreachable!()
        };
        assert_eq!(patch.to_document().to_string(), written.to_string());
    }

    #[test]
    fn what_is_of_kwok_and_no_change_is_told_apart() {
        let of = |document: Value| Document::of(document);
        let stage = json!({ "apiVersion": API_VERSION, "kind": "Stage" });
        assert!(of(stage).is_err());
        let patch = json!({ "apiVersion": API_VERSION, "kind": KIND, "method": "leap" });
        assert!(of(patch).is_err());
        let cut = json!({
            "apiVersion": API_VERSION, "kind": KIND, "method": "patch", "durationNanosecond": 1,
            "resource": { "resource": "nodes", "version": "v1" }, "target": { "name": "a" },
        });
        assert!(of(cut).is_err_and(|reason| reason.contains("template")));
        let later = json!({ "apiVersion": "action.kwok.x-k8s.io/v2", "kind": KIND });
        assert!(matches!(of(later), Ok(Document::OtherVersion(_))));
        assert!(matches!(
            of(json!({ "kind": "Pod" })),
            Ok(Document::Object(_))
        ));
    }
}
