//! Labels, selectors, taints and the words of the API.

use crate::anonymizer::Anonymizer;
use crate::failure::Failure;
use crate::names::{Known, is_random};
use crate::policy::Labels;
use crate::tokens::{Domain, TOKEN};
use crate::vocabulary;

/// What the value of a label under a public key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ValueOf {
    Name,
    Namespace,
    Uid,
    /// A hash, or the name of a revision.
    Revision,
    Word,
    Api,
    Zone,
    Region,
    /// The key's own.
    Own,
}

fn value_of(key: &str) -> ValueOf {
    match key {
        "kubernetes.io/hostname"
        | "job-name"
        | "batch.kubernetes.io/job-name"
        | "statefulset.kubernetes.io/pod-name"
        | "kubernetes.io/service-name"
        | "metadata.name"
        | "karpenter.sh/nodepool"
        | "kueue.x-k8s.io/queue-name"
        | "kueue.x-k8s.io/podset"
        | "jobset.sigs.k8s.io/jobset-name" => ValueOf::Name,
        "kubernetes.io/metadata.name" | "metadata.namespace" => ValueOf::Namespace,
        "controller-uid" | "batch.kubernetes.io/controller-uid" | "kueue.x-k8s.io/job-uid" => {
            ValueOf::Uid
        }
        "pod-template-hash" | "controller-revision-hash" | "controller.kubernetes.io/hash" => {
            ValueOf::Revision
        }
        "kubernetes.io/os"
        | "kubernetes.io/arch"
        | "beta.kubernetes.io/os"
        | "beta.kubernetes.io/arch"
        | "karpenter.sh/capacity-type"
        | "eks.amazonaws.com/capacityType"
        | "kubernetes.io/bootstrapping"
        | "ipaddress.kubernetes.io/ip-family" => ValueOf::Word,
        "endpointslice.kubernetes.io/managed-by"
        | "endpoints.kubernetes.io/managed-by"
        | "ipaddress.kubernetes.io/managed-by" => ValueOf::Api,
        _ if key.ends_with("/zone") => ValueOf::Zone,
        _ if key.ends_with("/region") => ValueOf::Region,
        _ => ValueOf::Own,
    }
}

impl Anonymizer {
    /// Replaces the key of a label, a taint or an annotation; public ones stay.
    pub(crate) fn label_key(&mut self, key: &str) -> Result<String, Failure> {
        self.qualified_key(key, &vocabulary::LABEL_KEYS)
    }

    pub(crate) fn qualified_key(
        &mut self,
        key: &str,
        public: &vocabulary::List,
    ) -> Result<String, Failure> {
        if key.is_empty() || public.has(key) {
            return Ok(key.to_owned());
        }
        let Some((prefix, name)) = key.split_once('/') else {
            return self.tokens.token(Domain::LabelKey, key, TOKEN);
        };
        let name = self.tokens.scoped(Domain::LabelKey, prefix, name, TOKEN)?;
        let prefix = if prefix == "kubernetes.io" || vocabulary::API.has(prefix) {
            prefix.to_owned()
        } else {
            self.domain_name(prefix)?
        };
        Ok(format!("{prefix}/{name}"))
    }

    /// Replaces the value of a label; each key has pseudonyms of its own.
    pub(crate) fn label_value(&mut self, key: &str, value: &str) -> Result<String, Failure> {
        if value.is_empty() || matches!(value, "true" | "false") || is_small_number(value) {
            return Ok(value.to_owned());
        }
        let what = value_of(key);
        let scope = match what {
            ValueOf::Name => return self.short_name(value),
            ValueOf::Namespace => return self.namespace(value),
            ValueOf::Uid => return self.uid(value),
            ValueOf::Revision if is_random(value) => return self.part(value),
            ValueOf::Revision => return self.name(value),
            ValueOf::Word if vocabulary::WORDS.has(value) => return Ok(value.to_owned()),
            ValueOf::Api if vocabulary::API.has(value) => return Ok(value.to_owned()),
            ValueOf::Zone => "zone",
            ValueOf::Region => "region",
            ValueOf::Own | ValueOf::Word | ValueOf::Api => key,
        };
        let keeps = self.policy.labels == Labels::KeepPublic
            && vocabulary::LABEL_KEYS.has(key)
            && self.names.known(value).is_none();
        if keeps {
            return Ok(value.to_owned());
        }
        self.tokens.scoped(Domain::LabelValue, scope, value, TOKEN)
    }

    /// Replaces a name that stands where a label's value does.
    fn short_name(&mut self, name: &str) -> Result<String, Failure> {
        let replaced = self.name(name)?;
        if replaced.len() <= 63 {
            return Ok(replaced);
        }
        self.tokens.token(Domain::Name, name, TOKEN)
    }

    /// Replaces keys and values in a selector written as text; one that is not understood goes.
    pub(crate) fn selector(&mut self, selector: &str) -> Result<String, Failure> {
        let mut terms = Vec::new();
        for term in terms_of(selector) {
            let term = term.trim();
            terms.push(if let Some((key, values)) = set_term(term) {
                let (key, operator) = key;
                let mut replaced = Vec::new();
                for value in values.split(',') {
                    replaced.push(self.label_value(key, value.trim())?);
                }
                let key = self.label_key(key)?;
                format!("{key} {operator} ({})", replaced.join(","))
            } else if let Some(key) = term.strip_prefix('!') {
                format!("!{}", self.label_key(key.trim())?)
            } else if let Some((key, operator, value)) = equal_term(term) {
                let value = self.label_value(key, value)?;
                format!("{}{operator}{value}", self.label_key(key)?)
            } else {
                self.label_key(term)?
            });
        }
        Ok(terms.join(","))
    }

    /// Keeps a word of the API's closed lists, and numbers; any other becomes a pseudonym.
    pub(crate) fn word(&mut self, word: &str) -> Result<String, Failure> {
        if word.is_empty() || vocabulary::WORDS.has(word) || is_index_list(word) {
            return Ok(word.to_owned());
        }
        let token = self.tokens.token(Domain::Word, word, TOKEN)?;
        Ok(like(word, token))
    }

    /// Keeps a public kind; the pseudonym of any other looks like a kind.
    pub(crate) fn kind_word(&mut self, kind: &str) -> Result<String, Failure> {
        if kind.is_empty() || vocabulary::KINDS.has(kind) {
            return Ok(kind.to_owned());
        }
        if let Some(item) = kind.strip_suffix("List").filter(|item| !item.is_empty()) {
            return Ok(self.kind_word(item)? + "List");
        }
        let token = self.tokens.token(Domain::Word, kind, TOKEN)?;
        Ok(like(kind, token))
    }

    /// Replaces a group that is not public; the version stays.
    pub(crate) fn api_version(&mut self, text: &str) -> Result<String, Failure> {
        match text.split_once('/') {
            Some((group, version)) => {
                let version = self.word(version)?;
                Ok(format!("{}/{version}", self.api(group)?))
            }
            None => self.word(text),
        }
    }

    /// Keeps a public name of the API; replaces any other label by label.
    pub(crate) fn api(&mut self, name: &str) -> Result<String, Failure> {
        if name.is_empty() || vocabulary::API.has(name) {
            return Ok(name.to_owned());
        }
        if let Some((first, rest)) = name.split_once('/') {
            let first = self.api(first)?;
            return Ok(format!("{first}/{}", self.api(rest)?));
        }
        // `widgets.acme.io`, `v1.apps`: a plural or a version, and a group.
        if let Some((first, group)) = name.split_once('.') {
            let is_version = vocabulary::WORDS.has(first);
            if vocabulary::API.has(group) || is_version || vocabulary::API.has(first) {
                let first = if is_version {
                    first.to_owned()
                } else {
                    self.api_label(first)?
                };
                return Ok(format!("{first}.{}", self.api(group)?));
            }
        }
        if name.contains('.') {
            return self.domain_name(name);
        }
        self.api_label(name)
    }

    fn api_label(&mut self, label: &str) -> Result<String, Failure> {
        if label == "*" || vocabulary::API.has(label) {
            return Ok(label.to_owned());
        }
        self.tokens.token(Domain::Api, label, TOKEN)
    }

    /// Replaces each label of the domain of an API.
    fn domain_name(&mut self, name: &str) -> Result<String, Failure> {
        let mut labels = Vec::new();
        for label in name.split('.') {
            labels.push(match label {
                "" => String::new(),
                label => self.tokens.token(Domain::Api, label, TOKEN)?,
            });
        }
        Ok(labels.join("."))
    }

    /// Replaces an annotation's value: what has a form that tells nothing stays, the rest goes.
    pub(crate) fn annotation_value(&self, value: &str) -> String {
        if is_small_number(value) || matches!(value, "true" | "false" | "yes" | "no") {
            return value.to_owned();
        }
        self.shift.text(value).unwrap_or_default()
    }

    /// Replaces the value of an annotation that schedulers and controllers read.
    pub(crate) fn annotation(&mut self, key: &str, value: &str) -> Result<String, Failure> {
        match key {
            "kubernetes.io/config.hash"
            | "kubernetes.io/config.mirror"
            | "kubernetes.io/service-account.uid" => self.uid(value),
            "kubernetes.io/config.source"
            | "volume.kubernetes.io/storage-provisioner"
            | "volume.beta.kubernetes.io/storage-provisioner"
            | "pv.kubernetes.io/provisioned-by" => self.api(value),
            "volume.kubernetes.io/selected-node"
            | "kubernetes.io/service-account.name"
            | "kubectl.kubernetes.io/default-container"
            | "scheduling.k8s.io/group-name"
            | "volume.beta.kubernetes.io/storage-class"
            | "kueue.x-k8s.io/queue-name" => self.name(value),
            _ => Ok(self.annotation_value(value)),
        }
    }

    /// Tells what a label under a public key names, for the dictionary.
    pub(crate) fn label_names(key: &str) -> Option<Known> {
        match value_of(key) {
            ValueOf::Name => Some(Known::Name),
            ValueOf::Namespace => Some(Known::Namespace),
            _ => None,
        }
    }
}

/// Spells a pseudonym as the word that it stands for: a kind begins with a capital.
fn like(word: &str, mut token: String) -> String {
    if word.starts_with(|first: char| first.is_ascii_uppercase())
        && let Some(first) = token.get_mut(..1)
    {
        first.make_ascii_uppercase();
    }
    token
}

/// Tells whether a text is a number that is too small to be the id of anything.
pub(crate) fn is_small_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    (1..=5).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Tells whether a text is a list of indexes, `0-3,7`.
fn is_index_list(text: &str) -> bool {
    text.split([',', '-'])
        .all(|part| (1..=5).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()))
}

/// Splits a selector at the commas that are not inside of a set.
fn terms_of(selector: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let mut begin = 0;
    let mut depth = 0_u32;
    for (at, byte) in selector.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                terms.extend(selector.get(begin..at));
                begin = at + 1;
            }
            _ => {}
        }
    }
    terms.extend(selector.get(begin..));
    terms.retain(|term| !term.trim().is_empty());
    terms
}

/// Reads `key in (a,b)` and `key notin (a,b)`.
fn set_term(term: &str) -> Option<((&str, &str), &str)> {
    let (head, values) = term.strip_suffix(')')?.split_once('(')?;
    let mut words = head.split_whitespace();
    let (key, operator) = (words.next()?, words.next()?);
    (words.next().is_none() && matches!(operator, "in" | "notin"))
        .then_some(((key, operator), values))
}

/// Reads `key=value`, `key==value` and `key!=value`.
fn equal_term(term: &str) -> Option<(&str, &'static str, &str)> {
    for operator in ["!=", "==", "="] {
        if let Some((key, value)) = term.split_once(operator) {
            return Some((key.trim(), operator, value.trim()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_split_outside_of_sets() {
        assert_eq!(
            terms_of("a=b,c in (d,e),!f,,g"),
            ["a=b", "c in (d,e)", "!f", "g"]
        );
        assert_eq!(set_term("c in (d,e)"), Some((("c", "in"), "d,e")));
        assert_eq!(set_term("c of (d,e)"), None);
        assert_eq!(equal_term("a != b"), Some(("a", "!=", "b")));
        assert_eq!(equal_term("a"), None);
    }
}
