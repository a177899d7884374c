use std::borrow::Cow;
use std::sync::LazyLock;

use kymo_model::{GroupResource, ResourceType};
use memchr::memmem::{self, Finder};
use thiserror::Error;

use crate::members::{Fate, Members};

/// The annotation in which `kubectl apply` repeats the whole object, Secret data included.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The fields of a Secret that are kept; all others are its payload (`data`, `stringData`) or
/// may hold a copy of it, and go.
pub const SECRET_FIELDS: [&str; 5] = ["apiVersion", "kind", "metadata", "type", "immutable"];

/// Why an object could not be redacted, and so must not be stored.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// Its text is not JSON.
    #[error("an object of {resource} is not JSON: {source}")]
    Json {
        /// The resource it came from.
        resource: GroupResource,
        /// What the parser found, and where.
        source: serde_json::Error,
    },
    /// Its text is JSON, but of no object.
    #[error("an object of {resource} is JSON, but not an object")]
    NotAnObject {
        /// The resource it came from.
        resource: GroupResource,
    },
}

/// What is taken out of objects before they are stored.
///
/// The payload of Secrets and the annotation [`LAST_APPLIED`] always go; there is no way to ask
/// for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether `metadata.managedFields` stay. They say who changed a field.
    pub managed_fields: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            managed_fields: true,
        }
    }
}

impl Policy {
    /// Says in words what is dropped, for the metadata of the trace.
    pub fn dropped(&self) -> Vec<String> {
        let mut words = vec![
            "data and stringData of Secrets".to_owned(),
            format!("the annotation {LAST_APPLIED}"),
        ];
        if !self.managed_fields {
            words.push("metadata.managedFields".to_owned());
        }
        words
    }

    /// Returns what may be kept of a line that could not be read: nothing where it may hold a
    /// Secret, else all of it.
    pub fn unreadable<'a>(&self, resource: &ResourceType, line: &'a [u8]) -> &'a [u8] {
        if resource.is_secret() || names_secret(line) {
            return &[];
        }
        line
    }
}

/// Takes out of an object's JSON text what `policy` drops; every other byte stays as it is.
///
/// An object that nothing is taken from is returned as it came. When [`LAST_APPLIED`] was the
/// only annotation, `annotations` stays as `{}`, so that exactly the dropped members are missing.
/// A Secret is known by its resource and by its own `apiVersion` and `kind`.
///
/// # Errors
///
/// A text that is looked into and is not a JSON object is an error. A text in which nothing
/// hints at anything to drop is not looked into: check it before, as
/// [`kymo_model::WatchLine::parse`] does.
pub fn redact<'a>(
    policy: &Policy,
    resource: &ResourceType,
    text: &'a str,
) -> Result<Cow<'a, str>, Error> {
    if !resource.is_secret() && !is_suspect(*policy, text) {
        return Ok(Cow::Borrowed(text));
    }
    let json = |source| Error::Json {
        resource: resource.group_resource(),
        source,
    };
    let members = Members::parse(text)
        .map_err(json)?
        .ok_or_else(|| Error::NotAnObject {
            resource: resource.group_resource(),
        })?;
    let is_secret = resource.is_secret() || is_secret(&members);
    let rewritten = members
        .rewrite(|member| {
            Ok(match member.name.as_ref() {
                "metadata" => replaced(metadata(*policy, member.value)?),
                name if is_secret && !SECRET_FIELDS.contains(&name) => Fate::Drop,
                _ => Fate::Keep,
            })
        })
        .map_err(json)?;
    Ok(rewritten.map_or(Cow::Borrowed(text), Cow::Owned))
}

fn metadata(policy: Policy, text: &str) -> Result<Option<String>, serde_json::Error> {
    let Some(members) = Members::parse(text)? else {
        return Ok(None);
    };
    members.rewrite(|member| {
        Ok(match member.name.as_ref() {
            "annotations" => replaced(annotations(member.value)?),
            "managedFields" if !policy.managed_fields => Fate::Drop,
            _ => Fate::Keep,
        })
    })
}

fn annotations(text: &str) -> Result<Option<String>, serde_json::Error> {
    let Some(members) = Members::parse(text)? else {
        return Ok(None);
    };
    members.rewrite(|member| {
        Ok(if member.name == LAST_APPLIED {
            Fate::Drop
        } else {
            Fate::Keep
        })
    })
}

fn replaced(rewritten: Option<String>) -> Fate {
    rewritten.map_or(Fate::Keep, Fate::Replace)
}

/// What is looked for in every object: preparing a search takes longer than most of them are.
static APPLIED: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(LAST_APPLIED));
/// The beginning of the word that would be the `kind` of a Secret or of a list of them.
static SECRET: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new("\"Secret"));

/// Tells whether anything in the text hints at something to drop. Cheap, and never wrong in the
/// direction that matters: names can be spelled otherwise only with escapes.
fn is_suspect(policy: Policy, text: &str) -> bool {
    let bytes = text.as_bytes();
    APPLIED.find(bytes).is_some()
        || names_secret(bytes)
        || contains(bytes, r"\u")
        || contains(bytes, r"\/")
        || (!policy.managed_fields && contains(bytes, "managedFields"))
}

/// Tells whether the word that would be the `kind` of a Secret stands in the bytes.
fn names_secret(bytes: &[u8]) -> bool {
    SECRET.find_iter(bytes).any(|at| {
        let rest = bytes.get(at + SECRET.needle().len()..);
        rest.is_some_and(|rest| rest.starts_with(b"\"") || rest.starts_with(b"List\""))
    })
}

fn contains(bytes: &[u8], needle: &str) -> bool {
    memmem::find(bytes, needle.as_bytes()).is_some()
}

fn is_secret(members: &Members<'_>) -> bool {
    let is = |name: &str, expected: &str| {
        members
            .values_of(name)
            .any(|value| serde_json::from_str::<String>(value).is_ok_and(|value| value == expected))
    };
    is("kind", "Secret") && is("apiVersion", "v1")
}
