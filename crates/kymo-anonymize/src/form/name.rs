//! Names of objects and of what is inside of them, and ids.

use crate::anonymizer::Anonymizer;
use crate::failure::Failure;
use crate::names::{Parts, is_ordinal, is_random};
use crate::tokens::{Domain, PART, PORT, TOKEN};
use crate::vocabulary;

/// The longest name of an object.
const NAME_LETTERS: usize = 253;
/// The longest label of a name.
const LABEL_LETTERS: usize = 63;
/// How often a name may be derived from another.
const DEPTH: usize = 8;

impl Anonymizer {
    /// Replaces a name; one that was derived from another is derived from the other's pseudonym.
    pub(crate) fn name(&mut self, name: &str) -> Result<String, Failure> {
        self.name_at(name, DEPTH)
    }

    /// Replaces the name of an object, which some kinds have to spell otherwise.
    pub(crate) fn object_name(&mut self, kind: &str, name: &str) -> Result<String, Failure> {
        if name.is_empty() {
            return Ok(String::new());
        }
        match kind {
            "Namespace" => self.namespace(name),
            "CustomResourceDefinition" | "APIService" | "CSIDriver" => self.api(name),
            "IPAddress" => self.host(name),
            "User" | "Group" => self.actor(name),
            _ => self.name(name),
        }
    }

    /// Tells whether a text that may be something else is the name of an object. Where nothing is
    /// learned, all that could be one is: a node is a host and a holder of leases, and one name.
    pub(crate) fn is_name(&self, text: &str) -> bool {
        self.names.is_name(text)
    }

    fn name_at(&mut self, name: &str, depth: usize) -> Result<String, Failure> {
        if name.is_empty() || vocabulary::NAMES.has(name) {
            return Ok(name.to_owned());
        }
        let Some(depth) = depth.checked_sub(1) else {
            return self.tokens.token(Domain::Name, name, TOKEN);
        };
        let replaced = match self.names.parts(name) {
            Parts::Derived(stem, rest) => {
                let stem = self.name_at(stem, depth)?;
                let rest = self.name_rest(rest, depth)?;
                Some(format!("{stem}-{rest}"))
            }
            Parts::Mirrored(rest, node) => {
                let rest = self.name_at(rest, depth)?;
                let node = self.name_at(node, depth)?;
                Some(format!("{rest}-{node}"))
            }
            Parts::Joined(template, pod) => {
                let template = self.name_at(template, depth)?;
                let pod = self.name_at(pod, depth)?;
                Some(format!("{template}-{pod}"))
            }
            Parts::Whole => self.whole(name, depth)?,
        };
        let is_label = !name.contains('.') && name.len() <= LABEL_LETTERS;
        let limit = if is_label {
            LABEL_LETTERS
        } else {
            NAME_LETTERS
        };
        match replaced {
            Some(replaced) if replaced.len() <= limit => {
                self.tokens.note(Domain::Name, "", name, &replaced);
                Ok(replaced)
            }
            _ => self.tokens.token(Domain::Name, name, TOKEN),
        }
    }

    /// Replaces a name that nothing is known of by what its letters tell.
    fn whole(&mut self, name: &str, depth: usize) -> Result<Option<String>, Failure> {
        if let Some(rest) = name.strip_prefix("sh.helm.release.v1.")
            && let Some((release, revision)) = rest.rsplit_once(".v")
            && is_ordinal(revision)
        {
            let release = self.name_at(release, depth)?;
            return Ok(Some(format!("sh.helm.release.v1.{release}.v{revision}")));
        }
        if name.contains(':') {
            return self.parts_of_actor(name, Domain::Name).map(Some);
        }
        if let Some((object, time)) = name.rsplit_once('.')
            && let Some(time) = self.shift.hex_nanos(time)
        {
            let object = self.name_at(object, depth)?;
            return Ok(Some(format!("{object}.{time}")));
        }
        if name.contains('.') {
            return self.dotted(name, Domain::Name).map(Some);
        }
        if let Some(at) = name.len().checked_sub(36)
            && let Some((stem, id)) = name.split_at_checked(at)
            && is_uuid(id)
        {
            let id = self.uid(id)?;
            let stem = match stem.strip_suffix('-') {
                Some(plain @ ("pvc" | "pv" | "snapshot" | "snapcontent" | "csi" | "apiserver")) => {
                    format!("{plain}-")
                }
                Some(stem) => self.name_at(stem, depth)? + "-",
                None if stem.is_empty() => String::new(),
                None => return Ok(None),
            };
            return Ok(Some(stem + &id));
        }
        Ok(None)
    }

    /// Replaces each label of a name with dots.
    pub(crate) fn dotted(&mut self, name: &str, domain: Domain) -> Result<String, Failure> {
        let mut labels = Vec::new();
        for label in name.split('.') {
            labels.push(match label {
                "" | "*" => label.to_owned(),
                label => self.tokens.token(domain, label, TOKEN)?,
            });
        }
        Ok(labels.join("."))
    }

    /// Replaces what stands behind the name from which another was derived.
    fn name_rest(&mut self, rest: &str, depth: usize) -> Result<String, Failure> {
        let parts: Vec<&str> = rest.split('-').collect();
        let is_made = |part: &&str| {
            is_ordinal(part)
                || is_random(part)
                || self.shift.minutes(part).is_some()
                || matches!(*part, "token" | "dockercfg")
        };
        if !parts.iter().all(is_made) {
            return self.name_at(rest, depth);
        }
        let mut replaced = Vec::with_capacity(parts.len());
        for part in parts {
            replaced.push(
                if is_ordinal(part) || matches!(part, "token" | "dockercfg") {
                    part.to_owned()
                } else if let Some(minutes) = self.shift.minutes(part) {
                    minutes
                } else {
                    self.part(part)?
                },
            );
        }
        Ok(replaced.join("-"))
    }

    /// Replaces a hash or a random suffix.
    pub(crate) fn part(&mut self, part: &str) -> Result<String, Failure> {
        self.tokens.token(Domain::Part, part, PART)
    }

    /// Replaces the stem of generated names.
    pub(crate) fn generate_name(&mut self, stem: &str) -> Result<String, Failure> {
        match stem.strip_suffix('-') {
            Some(name) => Ok(self.name(name)? + "-"),
            None => self.name(stem),
        }
    }

    /// Replaces a namespace.
    pub(crate) fn namespace(&mut self, namespace: &str) -> Result<String, Failure> {
        if namespace.is_empty() || vocabulary::NAMES.has(namespace) || namespace == "*" {
            return Ok(namespace.to_owned());
        }
        self.tokens.token(Domain::Namespace, namespace, TOKEN)
    }

    /// Replaces an id by one of the same form; spelled otherwise it is still the same one.
    pub(crate) fn uid(&mut self, id: &str) -> Result<String, Failure> {
        if id.is_empty() {
            return Ok(String::new());
        }
        let is_bare = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_bare && !is_uuid(id) {
            // A mirror pod has the hash of its file for an id, a node sometimes its name.
            return if self.is_name(id) {
                self.name(id)
            } else {
                self.tokens.token(Domain::Uid, id, TOKEN)
            };
        }
        let canonical: String = id
            .chars()
            .filter(|letter| *letter != '-')
            .map(|letter| letter.to_ascii_lowercase())
            .collect();
        let mut bytes: [u8; 16] = self.tokens.bytes(Domain::Uid, &canonical);
        if let Some(version) = bytes.get_mut(6) {
            *version = *version & 0x0f | 0x40;
        }
        if let Some(variant) = bytes.get_mut(8) {
            *variant = *variant & 0x3f | 0x80;
        }
        let digits = data_encoding::HEXLOWER.encode(&bytes);
        let mut replaced = if is_bare {
            digits
        } else {
            let mut dashed = String::with_capacity(36);
            for (place, digit) in digits.chars().enumerate() {
                if matches!(place, 8 | 12 | 16 | 20) {
                    dashed.push('-');
                }
                dashed.push(digit);
            }
            dashed
        };
        if id.bytes().any(|byte| matches!(byte, b'A'..=b'F')) {
            replaced.make_ascii_uppercase();
        }
        self.tokens.note(Domain::Uid, "", id, &replaced);
        Ok(replaced)
    }

    /// Replaces the id of a container; its runtime stays.
    pub(crate) fn container_id(&mut self, id: &str) -> Result<String, Failure> {
        let Some((runtime, id)) = id.split_once("://") else {
            return self.opaque(id);
        };
        let runtime = self.word(runtime)?;
        let id = self.hash(id)?;
        Ok(format!("{runtime}://{id}"))
    }

    /// Replaces a long hexadecimal number by another of the same length.
    pub(crate) fn hash(&mut self, hash: &str) -> Result<String, Failure> {
        if hash.len() < 20 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return self.tokens.token(Domain::Digest, hash, TOKEN);
        }
        let bytes: [u8; 64] = self.tokens.bytes(Domain::Digest, hash);
        let mut digits = data_encoding::HEXLOWER.encode(&bytes);
        digits.truncate(hash.len());
        self.tokens.note(Domain::Digest, "", hash, &digits);
        Ok(digits)
    }

    /// Replaces the number of a user or a group of Linux that was assigned by a cluster; small ones
    /// mean the same everywhere.
    pub(crate) fn account(&mut self, id: u64) -> u64 {
        if id < 1 << 16 {
            return id;
        }
        let bytes: [u8; 4] = self.tokens.bytes(Domain::Uid, &format!("account {id}"));
        (1 << 30) + u64::from(u32::from_le_bytes(bytes) >> 2)
    }

    /// Replaces the name of a port; a number stays.
    pub(crate) fn port_name(&mut self, name: &str) -> Result<String, Failure> {
        if is_ordinal(name) || vocabulary::WORDS.has(name) {
            return Ok(name.to_owned());
        }
        self.tokens.token(Domain::Port, name, PORT)
    }

    /// Replaces a key of a `ConfigMap` or a Secret.
    pub(crate) fn data_key(&mut self, key: &str) -> Result<String, Failure> {
        if matches!(
            key,
            "ca.crt" | "tls.crt" | "tls.key" | "token" | "namespace"
        ) {
            return Ok(key.to_owned());
        }
        self.tokens.token(Domain::DataKey, key, TOKEN)
    }

    /// Replaces the name of an environment variable.
    pub(crate) fn environment_name(&mut self, name: &str) -> Result<String, Failure> {
        if vocabulary::ENVIRONMENT.has(name) {
            return Ok(name.to_owned());
        }
        let name = self.tokens.token(Domain::Environment, name, TOKEN)?;
        Ok(name.to_ascii_uppercase())
    }
}

/// Tells whether a text is a UUID with its dashes.
pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
