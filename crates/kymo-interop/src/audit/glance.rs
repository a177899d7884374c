//! What the import has to know of an object: who it is, and whether it is going.

use std::borrow::Cow;
use std::fmt;

use kymo_model::Timestamp;
use serde::Deserialize;
use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};

use super::event::Text;

/// A look at the beginning of an object.
#[derive(Debug, Default)]
pub(super) struct Glance<'a> {
    pub(super) kind: Cow<'a, str>,
    pub(super) api_version: Cow<'a, str>,
    pub(super) metadata: Metadata<'a>,
}

/// The members of `metadata` that matter; `null` stands for absent.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    namespace: Option<Text<'a>>,
    #[serde(borrow)]
    uid: Option<Text<'a>>,
    #[serde(borrow)]
    resource_version: Option<Text<'a>>,
    #[serde(borrow)]
    creation_timestamp: Option<Text<'a>>,
    deletion_timestamp: Option<IgnoredAny>,
    deletion_grace_period_seconds: Option<i64>,
    finalizers: Option<Vec<IgnoredAny>>,
}

impl Metadata<'_> {
    pub(super) fn name(&self) -> &str {
        self.name.as_ref().map_or("", |text| &text.0)
    }

    pub(super) fn namespace(&self) -> &str {
        self.namespace.as_ref().map_or("", |text| &text.0)
    }

    pub(super) fn uid(&self) -> &str {
        self.uid.as_ref().map_or("", |text| &text.0)
    }

    /// The resourceVersion; `None` where there is none.
    pub(super) fn rv(&self) -> Option<&str> {
        let text = self.resource_version.as_ref()?;
        (!text.0.is_empty()).then_some(text.0.as_ref())
    }

    /// When the object was created, in whole seconds.
    pub(super) fn created(&self) -> Option<Timestamp> {
        self.creation_timestamp.as_ref()?.0.parse().ok()
    }

    /// Whether the object was asked to go.
    pub(super) fn is_going(&self) -> bool {
        self.deletion_timestamp.is_some()
    }

    pub(super) fn has_finalizers(&self) -> bool {
        self.finalizers
            .as_ref()
            .is_some_and(|list| !list.is_empty())
    }

    /// How long the object may take to go.
    pub(super) fn grace(&self) -> Option<i64> {
        self.deletion_grace_period_seconds
    }
}

impl<'a> Glance<'a> {
    /// Looks at an object, no further than it has to. The text must be JSON.
    pub(super) fn of(text: &'a str) -> Result<Self, serde_json::Error> {
        let mut found = Found::default();
        let result = serde_json::Deserializer::from_str(text).deserialize_map(&mut found);
        // The visitor leaves early once it has all three, which the parser reports as an error.
        if !found.is_complete() {
            result?;
        }
        Ok(Self {
            kind: found.kind.unwrap_or_default().0,
            api_version: found.api_version.unwrap_or_default().0,
            metadata: found.metadata.unwrap_or_default(),
        })
    }

    /// Whether the object is a `kind` of an API group, in whatever version.
    pub(super) fn is(&self, group: &str, kind: &str) -> bool {
        let own = self
            .api_version
            .rsplit_once('/')
            .map_or("", |(group, _)| group);
        self.kind == kind && own == group
    }
}

#[derive(Default)]
struct Found<'a> {
    api_version: Option<Text<'a>>,
    kind: Option<Text<'a>>,
    metadata: Option<Metadata<'a>>,
}

impl Found<'_> {
    fn is_complete(&self) -> bool {
        self.api_version.is_some() && self.kind.is_some() && self.metadata.is_some()
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
                "apiVersion" => self.api_version = map.next_value()?,
                "kind" => self.kind = map.next_value()?,
                "metadata" => self.metadata = map.next_value()?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
            if self.is_complete() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// The members of pods and namespaces on which their end depends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Inside<'a> {
    #[serde(borrow)]
    spec: Option<Spec<'a>>,
    #[serde(borrow)]
    status: Option<Status<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec<'a> {
    #[serde(borrow)]
    node_name: Option<Text<'a>>,
    finalizers: Option<Vec<IgnoredAny>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status<'a> {
    #[serde(borrow)]
    phase: Option<Text<'a>>,
}

impl<'a> Inside<'a> {
    /// Looks into an object; one that is broken has nothing inside.
    pub(super) fn of(text: &'a str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// Whether a pod is bound to a node.
    pub(super) fn has_node(&self) -> bool {
        let node = self.spec.as_ref().and_then(|spec| spec.node_name.as_ref());
        node.is_some_and(|node| !node.0.is_empty())
    }

    /// Whether a namespace waits for its content to go.
    pub(super) fn has_finalizers(&self) -> bool {
        let list = self.spec.as_ref().and_then(|spec| spec.finalizers.as_ref());
        list.is_some_and(|list| !list.is_empty())
    }

    /// Whether a pod has ended.
    pub(super) fn has_ended(&self) -> bool {
        let phase = self
            .status
            .as_ref()
            .and_then(|status| status.phase.as_ref());
        phase.is_some_and(|phase| matches!(phase.0.as_ref(), "Succeeded" | "Failed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_looked_at_in_any_order_of_members() {
        let text = r#"{"spec":{"nodeName":"n"},"metadata":{"name":"p","namespace":"a","uid":"u","resourceVersion":"7",
            "deletionTimestamp":"2026-11-21T07:00:00Z","deletionGracePeriodSeconds":30,"finalizers":["f"],
            "creationTimestamp":null},"kind":"Scale","apiVersion":"autoscaling/v1"}"#;
        let glance = Glance::of(text).unwrap();
        let metadata = &glance.metadata;
        assert_eq!(
            (
                metadata.name(),
                metadata.namespace(),
                metadata.uid(),
                metadata.rv()
            ),
            ("p", "a", "u", Some("7"))
        );
        assert!(metadata.is_going() && metadata.has_finalizers());
        assert_eq!((metadata.grace(), metadata.created()), (Some(30), None));
        assert!(glance.is("autoscaling", "Scale") && !glance.is("", "Scale"));
        assert!(Inside::of(text).has_node());
    }

    #[test]
    fn what_is_missing_is_empty_and_what_is_of_another_type_is_an_error() {
        let glance = Glance::of(r#"{"metadata":{}}"#).unwrap();
        assert_eq!((glance.metadata.name(), glance.metadata.rv()), ("", None));
        assert!(!glance.metadata.is_going() && !glance.metadata.has_finalizers());
        assert!(Glance::of("[]").is_err());
        assert!(Glance::of(r#"{"metadata":{"name":7}}"#).is_err());
    }
}
