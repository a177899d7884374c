use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer as _, IgnoredAny, MapAccess, Visitor};
use thiserror::Error;

use crate::{ObjectKey, Rv};

/// Why a text is not an API object.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HeadError {
    /// It is not UTF-8.
    #[error("not UTF-8 after byte {valid}")]
    Utf8 {
        /// How many bytes are good.
        valid: usize,
    },
    /// It is not JSON of the right shape.
    #[error("not an API object: {source}")]
    Json {
        /// What the parser found, and where.
        #[from]
        source: serde_json::Error,
    },
    /// It has no `metadata`.
    #[error("not an API object: no `metadata`")]
    NoMetadata,
}

/// The part of an object that the recorder reads: who it is and which version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectHead {
    /// `apiVersion`; empty in the items of a list of a built-in kind.
    pub api_version: String,
    /// `kind`; empty in the items of a list of a built-in kind.
    pub kind: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`; empty for cluster-scoped objects.
    pub namespace: String,
    /// `metadata.uid`; empty where there is none.
    pub uid: String,
    /// `metadata.resourceVersion`; `None` where there is none.
    pub rv: Option<Rv>,
    /// Whether the annotation `k8s.io/initial-events-end` marks the end of a streamed list.
    pub ends_initial_events: bool,
}

impl ObjectHead {
    /// Reads the head of an object's JSON text, parsing no more of it than `metadata`.
    ///
    /// What comes behind kind, apiVersion and metadata is not looked at; check the whole text
    /// before (as [`crate::WatchLine::parse`] does).
    pub fn parse(text: &str) -> Result<Self, HeadError> {
        let mut found = Found::default();
        let result = serde_json::Deserializer::from_str(text).deserialize_map(&mut found);
        // The visitor leaves early once it has all three, which the parser reports as an error.
        if !found.is_complete() {
            result?;
        }
        Self::of(found)
    }

    /// Reads the head of an object's JSON text and checks that the text is one JSON value, in one
    /// pass.
    pub(crate) fn parse_whole(text: &str) -> Result<Self, HeadError> {
        let mut found = Found {
            is_whole: true,
            ..Found::default()
        };
        let mut parser = serde_json::Deserializer::from_str(text);
        parser.deserialize_map(&mut found)?;
        parser.end()?;
        Self::of(found)
    }

    fn of(found: Found<'_>) -> Result<Self, HeadError> {
        let metadata = found.metadata.ok_or(HeadError::NoMetadata)?;
        let ends_initial_events =
            metadata.annotations.initial_events_end.as_deref() == Some("true");
        Ok(Self {
            api_version: found.api_version.unwrap_or_default().into_owned(),
            kind: found.kind.unwrap_or_default().into_owned(),
            name: metadata.name.into_owned(),
            namespace: metadata.namespace.into_owned(),
            uid: metadata.uid.into_owned(),
            rv: (!metadata.resource_version.is_empty())
                .then(|| Rv::new(metadata.resource_version.into_owned())),
            ends_initial_events,
        })
    }

    /// Returns where the object is found and which one it is.
    pub fn key(&self) -> ObjectKey {
        ObjectKey {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            uid: self.uid.clone(),
        }
    }
}

/// An object's JSON text, exactly as it came, with its head read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectText<'a> {
    /// Who it is.
    pub head: ObjectHead,
    /// The text.
    pub text: &'a str,
}

impl<'a> ObjectText<'a> {
    /// Checks that the bytes are one JSON value and reads its head.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, HeadError> {
        let text = std::str::from_utf8(bytes).map_err(|error| HeadError::Utf8 {
            valid: error.valid_up_to(),
        })?;
        let text = text.trim_matches(BLANKS);
        Ok(Self {
            head: ObjectHead::parse_whole(text)?,
            text,
        })
    }

    /// Reads the head of a text that is known to be one JSON value.
    pub(crate) fn from_raw(text: &'a str) -> Result<Self, HeadError> {
        Ok(Self {
            head: ObjectHead::parse(text)?,
            text,
        })
    }
}

/// White space between JSON tokens.
pub(crate) const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

#[derive(Default)]
struct Found<'a> {
    api_version: Option<Cow<'a, str>>,
    kind: Option<Cow<'a, str>>,
    metadata: Option<Metadata<'a>>,
    /// Whether all of the object is read.
    is_whole: bool,
}

impl Found<'_> {
    fn is_complete(&self) -> bool {
        self.api_version.is_some() && self.kind.is_some() && self.metadata.is_some()
    }
}

/// `null` stands for absent, as Go's decoder reads it.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata<'a> {
    #[serde(borrow, deserialize_with = "text_or_null")]
    name: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text_or_null")]
    namespace: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text_or_null")]
    uid: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text_or_null")]
    resource_version: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "annotations_or_null")]
    annotations: Annotations<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Annotations<'a> {
    #[serde(borrow, rename = "k8s.io/initial-events-end")]
    initial_events_end: Option<Cow<'a, str>>,
}

fn text_or_null<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Cow<'de, str>, D::Error> {
    Ok(Option::<Text<'de>>::deserialize(input)?
        .map(|text| text.0)
        .unwrap_or_default())
}

fn annotations_or_null<'de, D: serde::Deserializer<'de>>(
    input: D,
) -> Result<Annotations<'de>, D::Error> {
    Ok(Option::<Annotations<'de>>::deserialize(input)?.unwrap_or_default())
}

/// A string, borrowed when it holds no escape (a `Cow` alone would always be owned).
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> DeserializeSeed<'de> for &mut Found<'de> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Found<'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an API object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(field)) = map.next_key()? {
            match field.as_ref() {
                "apiVersion" => {
                    self.api_version = map.next_value::<Option<Text<'de>>>()?.map(|text| text.0);
                }
                "kind" => self.kind = map.next_value::<Option<Text<'de>>>()?.map(|text| text.0),
                "metadata" => self.metadata = map.next_value()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            if self.is_complete() {
                break;
            }
        }
        while self.is_whole && map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_is_read_in_any_order_of_fields() {
        let text = r#"{"status":{"x":[1,2]},"metadata":{"uid":"u","name":"a\u002db",
            "resourceVersion":"12","namespace":null,"labels":{"uid":"no"}},"kind":"Pod"}"#;
        let head = ObjectHead::parse(text).unwrap();
        assert_eq!(
            head,
            ObjectHead {
                kind: "Pod".into(),
                name: "a-b".into(),
                uid: "u".into(),
                rv: Some("12".into()),
                ..ObjectHead::default()
            }
        );
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert!(matches!(
            ObjectHead::parse("{}"),
            Err(HeadError::NoMetadata)
        ));
        assert!(matches!(
            ObjectHead::parse("[]"),
            Err(HeadError::Json { .. })
        ));
        assert!(matches!(
            ObjectHead::parse(r#"{"metadata":7}"#),
            Err(HeadError::Json { .. })
        ));
        assert!(matches!(
            ObjectText::parse(b"{\"a\":\xff}"),
            Err(HeadError::Utf8 { valid: 5 })
        ));
        assert!(matches!(
            ObjectText::parse(br#"{"kind":"a","apiVersion":"b","metadata":{}}}"#),
            Err(HeadError::Json { .. })
        ));
    }

    #[test]
    fn nesting_does_not_matter() {
        let mut text =
            String::from(r#"{"kind":"A","apiVersion":"v1","metadata":{"name":"n"},"x":"#);
        text.push_str(&"[".repeat(100_000));
        text.push_str(&"]".repeat(100_000));
        text.push('}');
        assert_eq!(ObjectText::parse(text.as_bytes()).unwrap().head.name, "n");
    }
}
