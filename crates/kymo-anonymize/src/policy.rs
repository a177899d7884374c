//! What of a trace may be kept, as a small YAML file says it.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

use crate::table;
use crate::treatment::Treatment;
use crate::vocabulary;

/// What a policy file may hold at most, in bytes.
const FILE_BYTES: u64 = 1 << 20;

/// Why a policy cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The file cannot be read.
    #[error("cannot read the policy `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The file is too large for a policy.
    #[error("the policy `{}` is larger than 1 MiB", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The text is no policy.
    #[error("the policy `{name}` cannot be read: {message}")]
    Syntax {
        /// The policy.
        name: String,
        /// What the parser says.
        message: String,
    },
    /// There is no such profile.
    #[error("kymo has no policy `{name}`; it has share, vendor and internal")]
    UnknownProfile {
        /// The name.
        name: String,
    },
    /// A rule would let the payload of Secrets through.
    #[error("the policy `{name}` would let `{path}` through, which holds the payload of Secrets")]
    SecretPayload {
        /// The policy.
        name: String,
        /// The path.
        path: String,
    },
    /// A rule names a field that the table does not have.
    #[error(
        "the policy `{name}` names `{path}`, which is no text of a kind that kymo knows; {reason}"
    )]
    UnknownPath {
        /// The policy.
        name: String,
        /// The path.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A rule names a treatment that does not exist.
    #[error(
        "the policy `{name}` wants `{path}` to be treated as `{treatment}`, which kymo does not know"
    )]
    UnknownTreatment {
        /// The policy.
        name: String,
        /// The path.
        path: String,
        /// The word.
        treatment: String,
    },
}

macro_rules! choices {
    ($($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal,)+ })+) => {
        $($(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// Every choice, by its word.
            pub const WORDS: &'static [&'static str] = &[$($word,)+];
        })+
    };
}

choices! {
    /// What becomes of everything that identifies.
    Names {
        /// It is replaced.
        Pseudonyms = "pseudonyms",
        /// It stays; only payloads, environments and commands go.
        Keep = "keep",
    }
    /// What becomes of image references.
    Images {
        /// They are replaced, part by part.
        Pseudonyms = "pseudonyms",
        /// They stay.
        Keep = "keep",
    }
    /// What becomes of the values of labels.
    Labels {
        /// They are replaced.
        Pseudonyms = "pseudonyms",
        /// Those under public keys stay, but for names of objects, hosts and ids.
        KeepPublic = "keep-public",
    }
    /// What becomes of free text.
    Text {
        /// Words that are not public go.
        Strict = "strict",
        /// All of it goes.
        Drop = "drop",
    }
    /// What becomes of times.
    Times {
        /// They move by whole weeks, drawn from the key.
        Weeks = "weeks",
        /// They move by seconds, drawn from the key.
        Seconds = "seconds",
        /// They stay.
        Keep = "keep",
    }
    /// What becomes of quantities.
    Quantities {
        /// They stay.
        Keep = "keep",
        /// They are rounded up to 1, 1.5, 2, 3, 4, 6, 8, 12 … of their unit.
        Bucket = "bucket",
    }
    /// What becomes of versions of objects.
    Versions {
        /// They are numbered anew, in their order, without holes.
        Rank = "rank",
        /// They stay.
        Keep = "keep",
    }
    /// What becomes of managed fields, which say who changed a field.
    ManagedFields {
        /// They go.
        Drop = "drop",
        /// They stay, with pseudonyms of managers and moved times.
        Keep = "keep",
    }
}

/// What of a trace is kept and what becomes of the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnonymizationPolicy {
    /// Its name: that of a profile, or of its file.
    pub name: String,
    /// What becomes of everything that identifies.
    pub names: Names,
    /// What becomes of image references.
    pub images: Images,
    /// What becomes of the values of labels.
    pub labels: Labels,
    /// What becomes of free text.
    pub text: Text,
    /// What becomes of times.
    pub times: Times,
    /// What becomes of quantities.
    pub quantities: Quantities,
    /// What becomes of versions.
    pub versions: Versions,
    /// What becomes of managed fields.
    pub managed_fields: ManagedFields,
    pub(crate) rules: Vec<PolicyRule>,
}

/// A field that is treated otherwise than the table says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PolicyRule {
    /// The kind of the objects; `None` for all.
    pub(crate) kind: Option<String>,
    /// The last fields of the path, the last one first.
    pub(crate) path: Vec<String>,
    pub(crate) treatment: Treatment,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    extends: Option<String>,
    names: Option<Names>,
    images: Option<Images>,
    labels: Option<Labels>,
    text: Option<Text>,
    times: Option<Times>,
    quantities: Option<Quantities>,
    versions: Option<Versions>,
    managed_fields: Option<ManagedFields>,
    #[serde(default)]
    rules: Vec<FileRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRule {
    path: String,
    treatment: String,
}

impl AnonymizationPolicy {
    /// The names of the policies that kymo has.
    pub const PROFILES: &'static [&'static str] = &["share", "vendor", "internal"];

    /// Returns the strict policy for traces that leave the company.
    pub fn share() -> Self {
        Self {
            name: "share".to_owned(),
            names: Names::Pseudonyms,
            images: Images::Pseudonyms,
            labels: Labels::Pseudonyms,
            text: Text::Strict,
            times: Times::Weeks,
            quantities: Quantities::Keep,
            versions: Versions::Rank,
            managed_fields: ManagedFields::Drop,
            rules: Vec::new(),
        }
    }

    /// Returns a policy that kymo has.
    pub fn profile(name: &str) -> Result<Self, PolicyError> {
        let share = Self::share();
        Ok(match name {
            "share" => share,
            "vendor" => Self {
                name: "vendor".to_owned(),
                images: Images::Keep,
                labels: Labels::KeepPublic,
                times: Times::Keep,
                ..share
            },
            "internal" => Self {
                name: "internal".to_owned(),
                names: Names::Keep,
                images: Images::Keep,
                times: Times::Keep,
                versions: Versions::Keep,
                managed_fields: ManagedFields::Keep,
                ..share
            },
            _ => {
                let name = name.to_owned();
                return Err(PolicyError::UnknownProfile { name });
            }
        })
    }

    /// Reads a policy: the name of one that kymo has, or a file.
    pub fn read(name: &str) -> Result<Self, PolicyError> {
        let path = Path::new(name);
        if Self::PROFILES.contains(&name) || (path.extension().is_none() && !path.exists()) {
            return Self::profile(name);
        }
        let failed = |source| PolicyError::Read {
            path: path.to_owned(),
            source,
        };
        if std::fs::metadata(path).map_err(failed)?.len() > FILE_BYTES {
            let path = path.to_owned();
            return Err(PolicyError::TooLarge { path });
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        // The name is told to whoever gets the trace; the directory is nobody's business.
        let stem = path.file_name().unwrap_or_default().to_string_lossy();
        Self::parse(&stem, &text)
    }

    /// Reads the text of a policy.
    pub fn parse(name: &str, text: &str) -> Result<Self, PolicyError> {
        let file: File = serde_saphyr::from_str(text).map_err(|error| PolicyError::Syntax {
            name: name.to_owned(),
            message: error.to_string(),
        })?;
        let base = Self::profile(file.extends.as_deref().unwrap_or("share"))?;
        let rules = file
            .rules
            .iter()
            .map(|rule| rule.check(name))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            name: name.to_owned(),
            names: file.names.unwrap_or(base.names),
            images: file.images.unwrap_or(base.images),
            labels: file.labels.unwrap_or(base.labels),
            text: file.text.unwrap_or(base.text),
            times: file.times.unwrap_or(base.times),
            quantities: file.quantities.unwrap_or(base.quantities),
            versions: file.versions.unwrap_or(base.versions),
            managed_fields: file.managed_fields.unwrap_or(base.managed_fields),
            rules,
        })
    }

    /// Says what decides the output, in a form that is the same whenever that is.
    pub fn canonical(&self) -> String {
        format!("{self:?}")
    }
}

impl FileRule {
    fn check(&self, name: &str) -> Result<PolicyRule, PolicyError> {
        let (name, path) = (name.to_owned(), self.path.clone());
        let Ok(treatment) = self.treatment.parse::<Treatment>() else {
            return Err(PolicyError::UnknownTreatment {
                name,
                path,
                treatment: self.treatment.clone(),
            });
        };
        let mut parts = parts_of(&self.path);
        // A kind begins with a capital letter, a field does not.
        let kind = match parts.first() {
            Some(first) if first.starts_with(|letter: char| letter.is_ascii_uppercase()) => {
                Some(parts.remove(0).to_owned())
            }
            _ => None,
        };
        let unknown = |reason| PolicyError::UnknownPath {
            name: name.clone(),
            path: path.clone(),
            reason,
        };
        let Some(field) = parts.last().copied().filter(|field| !field.is_empty()) else {
            return Err(unknown("a path is `Kind.spec.field` or `field.field`"));
        };
        let is_payload = matches!(parts.first(), Some(&("data" | "stringData" | "binaryData")));
        let may_be_secret = kind.as_deref().is_none_or(|kind| kind == "Secret");
        let hides = matches!(
            treatment,
            Treatment::Drop | Treatment::Empty | Treatment::DataMap | Treatment::DropMap
        );
        if is_payload && may_be_secret && !hides {
            return Err(PolicyError::SecretPayload { name, path });
        }
        let is_public = kind
            .as_deref()
            .is_none_or(|kind| vocabulary::KINDS.has(kind));
        let parent = match parts.len() {
            1 => "",
            length => parts.get(length - 2).copied().unwrap_or_default(),
        };
        if is_public && kind.is_none() && parts.len() < 2 {
            return Err(unknown("name the field that it stands in too"));
        }
        if is_public && table::find(parent, field).is_none() && !in_map(&parts) {
            return Err(unknown("docs/anonymize.md lists them"));
        }
        Ok(PolicyRule {
            kind,
            path: parts.iter().rev().map(|part| (*part).to_owned()).collect(),
            treatment,
        })
    }
}

/// Splits `spec.containers[].name` and `metadata.annotations["acme.io/owner"]`.
fn parts_of(path: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(key) = rest.strip_prefix("[\"") {
            let (key, behind) = key.split_once("\"]").unwrap_or((key, ""));
            parts.push(key);
            rest = behind.strip_prefix('.').unwrap_or(behind);
            continue;
        }
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (part, behind) = rest.split_at(end);
        parts.push(part);
        let behind = behind.strip_prefix("[]").unwrap_or(behind);
        rest = behind.strip_prefix('.').unwrap_or(behind);
    }
    parts
}

/// Tells whether the last part is a key of a map that the table knows, such as an annotation.
fn in_map(parts: &[&str]) -> bool {
    let map = match parts {
        [map, _] => table::find("", map),
        [.., parent, map, _] => table::find(parent, map),
        _ => None,
    };
    map.is_some_and(|(_, treatment)| {
        matches!(
            treatment,
            Treatment::AnnotationMap
                | Treatment::LabelMap
                | Treatment::DataMap
                | Treatment::DropMap
        )
    })
}

impl PolicyRule {
    /// Tells whether a field is meant, whose path is given from its end.
    pub(crate) fn fits<'a>(&self, kind: &str, path: impl Iterator<Item = &'a str>) -> bool {
        if self.kind.as_deref().is_some_and(|own| own != kind) {
            return false;
        }
        let mut path = path;
        let mut own = self.path.iter();
        let all = own.all(|part| path.next() == Some(part.as_str()));
        all && (self.kind.is_none() || path.next().is_none())
    }
}

impl fmt::Display for AnonymizationPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn parse(text: &str) -> Result<AnonymizationPolicy, PolicyError> {
        AnonymizationPolicy::parse("x.yaml", text)
    }

    #[test]
    fn a_policy_changes_what_it_names_of_another() {
        let policy = parse(
            "extends: vendor\ntimes: weeks\nrules:\n- path: Deployment.spec.strategy.type\n  treatment: opaque\n",
        )
        .unwrap();
        assert_eq!(policy.images, Images::Keep);
        assert_eq!(policy.times, Times::Weeks);
        let rule = policy.rules.first().unwrap();
        let fits = |kind, path: &[&str]| rule.fits(kind, path.iter().copied());
        assert!(fits("Deployment", &["type", "strategy", "spec"]));
        assert!(!fits("Job", &["type", "strategy", "spec"]));
        assert!(!fits("Deployment", &["type", "strategy", "spec", "x"]));
        assert!(!fits("Deployment", &["type"]));
    }

    #[rstest]
    #[case("- path: Secret.data", "keep")]
    #[case("- path: Secret.data.password", "keep")]
    #[case("- path: Secret.stringData", "opaque")]
    #[case("- path: data.password", "json")]
    fn the_payload_of_secrets_is_never_let_through(#[case] rule: &str, #[case] treatment: &str) {
        let text = format!("rules:\n{rule}\n  treatment: {treatment}\n");
        let error = parse(&text).unwrap_err();
        assert!(
            matches!(error, PolicyError::SecretPayload { .. }),
            "{error}"
        );
    }

    #[rstest]
    #[case("Deployment.spec.colour", "which is no text of a kind that kymo knows")]
    #[case("name", "name the field that it stands in too")]
    #[case("", "a path is")]
    #[case("Pod", "a path is")]
    fn unknown_paths_are_refused_with_a_reason(#[case] path: &str, #[case] reason: &str) {
        let text = format!("rules:\n- path: {path:?}\n  treatment: keep\n");
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }

    #[rstest]
    #[case("Widget.spec.colour")]
    #[case("ConfigMap.data.mode")]
    #[case("metadata.annotations.acme")]
    #[case("metadata.annotations[\"acme.io/owner\"]")]
    #[case("containers.image")]
    fn paths_of_custom_kinds_and_keys_of_maps_are_taken(#[case] path: &str) {
        let text = format!("rules:\n- path: {path}\n  treatment: keep\n");
        assert!(parse(&text).is_ok());
    }

    #[rstest]
    #[case("colour: red", "colour")]
    #[case("times: years", "years")]
    #[case("extends: nothing", "share, vendor and internal")]
    #[case(
        "rules: [{path: containers.image, treatment: shred}]",
        "which kymo does not know"
    )]
    fn what_is_no_policy_is_refused_with_a_reason(#[case] text: &str, #[case] reason: &str) {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
