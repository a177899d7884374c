//! The parts of a SimKube trace as they stand in the file.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::hash;

/// The version that can be read.
pub(super) const VERSION: u64 = 2;

/// Group, version and kind, written `apps/v1.Deployment` and `v1.Pod`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Gvk {
    pub(super) api_version: String,
    pub(super) kind: String,
}

impl Gvk {
    /// Reads `group/version.Kind`; `None` for what is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (group, rest) = match text.rsplit_once('/') {
            Some((group, rest)) => (group, rest),
            None => ("", text),
        };
        let (version, kind) = rest.split_once('.')?;
        if version.is_empty() || kind.is_empty() || kind.contains('.') || group.contains('/') {
            return None;
        }
        let api_version = if group.is_empty() {
            version.to_owned()
        } else {
            format!("{group}/{version}")
        };
        Some(Self {
            api_version,
            kind: kind.to_owned(),
        })
    }
}

impl fmt::Display for Gvk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.api_version, self.kind)
    }
}

/// What tells one object of a trace from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Who {
    pub(super) gvk: Gvk,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Who {
    /// Reads `apps/v1.Deployment` and `namespace/name`.
    pub(super) fn parse(gvk: &str, name: &str) -> Option<Self> {
        let (namespace, name) = name.split_once('/').unwrap_or(("", name));
        Some(Self {
            gvk: Gvk::parse(gvk)?,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }

    /// Returns a number that stands for it where there are too many to keep their names.
    pub(super) fn number(&self) -> u64 {
        hash::of_text(&[
            &self.gvk.api_version,
            &self.gvk.kind,
            &self.namespace,
            &self.name,
        ])
    }

    /// Whether it is a pod: its lifecycle is its own.
    pub(super) fn is_pod(&self) -> bool {
        self.gvk.api_version == "v1" && self.gvk.kind == "Pod"
    }
}

/// From when to when the containers of a pod ran, in seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Lifecycle {
    /// No container started.
    Empty,
    /// The first container started; not all had ended when the trace was written.
    Running(i64),
    /// The first container started, the last one ended.
    Finished(i64, i64),
}

/// What SimKube was told to do with the objects of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Tracked {
    /// Where pod templates stand in an object, as JSON pointers in which `*` is every item.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) pod_spec_template_paths: Vec<String>,
    /// Whether the lifecycles of the pods were recorded.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) track_lifecycle: bool,
    /// Whether objects were left out that another object owns.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) skip_owned: bool,
}

/// What SimKube was told to record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Config {
    /// By `group/version.Kind`.
    pub(super) tracked_objects: BTreeMap<String, Tracked>,
}

impl Config {
    /// Reads the named or the positional form; what is not known in it is left out.
    pub(super) fn of(value: &Value) -> Self {
        let tracked = match value {
            Value::Array(fields) => fields.first(),
            value => value.get("trackedObjects"),
        };
        let tracked = tracked.and_then(Value::as_object).into_iter().flatten();
        Self {
            tracked_objects: tracked
                .filter(|(gvk, _)| Gvk::parse(gvk).is_some())
                .map(|(gvk, value)| (gvk.clone(), Tracked::of(value)))
                .collect(),
        }
    }

    /// Returns what SimKube was told of a kind.
    pub(super) fn tracked(&self, gvk: &Gvk) -> Option<&Tracked> {
        let tracked = &self.tracked_objects;
        tracked
            .get(&gvk.to_string())
            .or_else(|| tracked.get(&format!("/{gvk}")))
    }
}

impl Tracked {
    fn of(value: &Value) -> Self {
        let field = |position: usize, name: &str| match value {
            Value::Array(fields) => fields.get(position),
            value => value.get(name),
        };
        let is = |field: Option<&Value>| field.and_then(Value::as_bool).unwrap_or_default();
        let paths = match field(0, "podSpecTemplatePaths") {
            Some(Value::Array(paths)) => paths.clone(),
            // The form of old files.
            _ => value
                .get("podSpecTemplatePath")
                .cloned()
                .into_iter()
                .collect(),
        };
        Self {
            pod_spec_template_paths: paths
                .iter()
                .filter_map(|path| path.as_str().map(str::to_owned))
                .collect(),
            track_lifecycle: is(field(1, "trackLifecycle")),
            skip_owned: is(field(2, "skipOwned")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn kinds_are_read_as_simkube_writes_them() {
        let read = |text| Gvk::parse(text).map(|gvk| (gvk.api_version, gvk.kind));
        let is = |api_version: &str, kind: &str| Some((api_version.to_owned(), kind.to_owned()));
        assert_eq!(read("v1.Pod"), is("v1", "Pod"));
        assert_eq!(read("/v1.Pod"), is("v1", "Pod"));
        assert_eq!(read("apps/v1.Deployment"), is("apps/v1", "Deployment"));
        assert_eq!(
            read("batch.example.com/v1alpha1.Job"),
            is("batch.example.com/v1alpha1", "Job")
        );
        for text in ["", "Pod", "v1.", ".Pod", "a/b/v1.Pod", "apps/v1.a.b"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_config_is_read_by_name_by_position_and_in_its_old_form() {
        let tracked = |value| {
            let config = Config::of(&value);
            config.tracked_objects.into_values().next().unwrap()
        };
        let named = json!({"trackedObjects": {"a/v1.B": {
            "podSpecTemplatePaths": ["/spec/x/*/template"], "trackLifecycle": true, "other": 1,
        }}});
        let expected = Tracked {
            pod_spec_template_paths: vec!["/spec/x/*/template".into()],
            track_lifecycle: true,
            skip_owned: false,
        };
        assert_eq!(tracked(named), expected);
        let positional = json!([{"a/v1.B": [["/spec/x/*/template"], true]}]);
        assert_eq!(tracked(positional), expected);
        let old = json!({"trackedObjects": {"a/v1.B": {"podSpecTemplatePath": "/spec/template"}}});
        assert_eq!(tracked(old).pod_spec_template_paths, ["/spec/template"]);
        assert_eq!(Config::of(&json!(5)), Config::default());
    }
}
