//! The fields of Kubernetes objects that say which object is meant.

use std::borrow::Cow;

use kymo_model::ObjectKey;
use serde_json::{Map, Value};

use super::renaming::{ObjectName, Renaming};

/// Where users keep what is theirs: nothing in it is a reference.
const PAYLOADS: [&str; 3] = ["data", "binaryData", "stringData"];
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
const SELECTED_NODE: [&str; 2] = [
    "volume.kubernetes.io/selected-node",
    "volume.beta.kubernetes.io/selected-node",
];
const CONTROLLER_UID: [&str; 2] = ["controller-uid", "batch.kubernetes.io/controller-uid"];
const ACCOUNT: &str = "system:serviceaccount:";
const ACCOUNTS: &str = "system:serviceaccounts:";

impl Renaming {
    /// Changes an object of the namespace `home` into its copy `key`.
    pub(crate) fn object(&self, object: &mut Value, key: &ObjectKey, home: &str) {
        let Value::Object(fields) = object else {
            return;
        };
        for (field, value) in fields.iter_mut() {
            if !PAYLOADS.contains(&field.as_str()) {
                self.walk(field, value, home);
            }
        }
        if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
            let own = [
                ("name", &key.name),
                ("namespace", &key.namespace),
                ("uid", &key.uid),
            ];
            for (field, new) in own {
                if let Some(value) = metadata.get_mut(field) {
                    *value = Value::String(new.clone());
                }
            }
        }
    }

    pub(super) fn walk(&self, field: &str, value: &mut Value, home: &str) {
        match value {
            Value::Object(fields) => self.fields(field, fields, home),
            Value::Array(items) => {
                for item in items {
                    match item {
                        Value::Object(entry) if field == "managedFields" => {
                            if let Some(managed) = entry.get_mut("fieldsV1") {
                                self.managed(managed);
                            }
                        }
                        Value::String(text) => self.listed(field, text),
                        item => self.walk(field, item, home),
                    }
                }
            }
            Value::String(text) => self.scalar(field, text, home),
            Value::Number(number) if field == "nodePort" || field == "healthCheckNodePort" => {
                let port = number.as_u64().and_then(|port| self.port(port));
                if let Some(port) = port {
                    *value = Value::from(port);
                }
            }
            _ => {}
        }
    }

    fn fields(&self, field: &str, fields: &mut Map<String, Value>, home: &str) {
        match field {
            "annotations" => return self.annotations(fields, home),
            "labels" | "matchLabels" | "nodeSelector" | "selector"
                if fields.values().all(Value::is_string) =>
            {
                return self.labels(fields, home);
            }
            "matchExpressions" | "matchFields" => self.expression(fields),
            _ => {}
        }
        let is_reference = self.reference(fields, home);
        for (field, value) in fields.iter_mut() {
            if !(is_reference && field == "namespace") {
                self.walk(field, value, home);
            }
        }
    }

    /// Changes what refers to an object by kind and name. Tells whether it is such a reference.
    fn reference(&self, fields: &mut Map<String, Value>, home: &str) -> bool {
        let text = |field: &str| fields.get(field).and_then(Value::as_str);
        let (Some(kind), Some(name)) = (text("kind"), text("name")) else {
            return false;
        };
        let (resource, namespaced) = self.kinds.get(kind);
        let own = text("namespace").filter(|namespace| !namespace.is_empty());
        // An Event about a node has its name in place of its uid.
        let uid_is_name = text("uid") == Some(name);
        let account = (kind == "User" || kind == "Group").then(|| self.account(name));
        let place = if namespaced {
            self.place(resource, true, own.unwrap_or(home), name)
        } else {
            self.place(resource, false, "", name)
        };
        let place = place.map(|(namespace, name)| (namespace.into_owned(), name.into_owned()));
        let uid = text("uid").map(|uid| self.uid(uid));
        if let Some(Some(account)) = account {
            fields.insert("name".to_owned(), Value::String(account));
        } else if let Some((namespace, name)) = place {
            if own_is_there(fields) && namespaced {
                fields.insert("namespace".to_owned(), Value::String(namespace));
            }
            if let Some(uid) = uid.filter(|uid| !uid.is_empty()) {
                let uid = if uid_is_name { name.clone() } else { uid };
                fields.insert("uid".to_owned(), Value::String(uid));
            }
            fields.insert("name".to_owned(), Value::String(name));
        }
        true
    }

    fn scalar(&self, field: &str, text: &mut String, home: &str) {
        let new: Option<Cow<'_, str>> = match field {
            "namespace" => self.namespaces.of(text),
            "nodeName" | "nominatedNodeName" | "holderIdentity" => self.nodes.of(text),
            "podIP" | "ip" | "hostIP" | "clusterIP" | "loadBalancerIP" | "podCIDR" => {
                self.address(text).map(Cow::Owned)
            }
            // Of a node also its name.
            "address" => self
                .address(text)
                .map(Cow::Owned)
                .or_else(|| self.nodes.of(text)),
            "volumeName" | "persistentVolumeName" => self.volumes.of(text),
            "volumeHandle" if !matches!(self.volumes, super::Names::Same) => {
                Some(Cow::Owned(self.uid(text)))
            }
            "claimName" => self.object_name("persistentvolumeclaims", home, text),
            "hostname" => self.object_name("pods", home, text),
            "containerID" => self.container(text).map(Cow::Owned),
            "machineID" | "systemUUID" | "bootID" => Some(Cow::Owned(self.uid(text))),
            "message" | "note" | "providerID" => self.words(text).map(Cow::Owned),
            _ => None,
        };
        if let Some(new) = new.filter(|new| new != text) {
            *text = new.into_owned();
        }
    }

    /// Changes a text that stands in a list.
    fn listed(&self, field: &str, text: &mut String) {
        let new: Option<Cow<'_, str>> = match field {
            "namespaces" => self.namespaces.of(text),
            "addresses" | "clusterIPs" | "externalIPs" | "podCIDRs" => {
                self.address(text).map(Cow::Owned)
            }
            _ => None,
        };
        if let Some(new) = new.filter(|new| new != text) {
            *text = new.into_owned();
        }
    }

    /// Changes what a selector asks for: names of nodes or of namespaces.
    fn expression(&self, fields: &mut Map<String, Value>) {
        let names = match fields.get("key").and_then(Value::as_str) {
            Some("metadata.name" | "kubernetes.io/hostname") => &self.nodes,
            Some("kubernetes.io/metadata.name") => &self.namespaces,
            _ => return,
        };
        if let Some(Value::Array(values)) = fields.get_mut("values") {
            for value in values {
                let new = value.as_str().and_then(|name| names.of(name));
                if let Some(new) = new.map(Cow::into_owned) {
                    *value = Value::String(new);
                }
            }
        }
    }

    fn labels(&self, labels: &mut Map<String, Value>, home: &str) {
        for (label, value) in labels.iter_mut() {
            let Value::String(text) = value else { continue };
            let new: Option<Cow<'_, str>> = match label.as_str() {
                "kubernetes.io/metadata.name" => self.namespaces.of(text),
                "kubernetes.io/hostname" => self.nodes.of(text),
                "statefulset.kubernetes.io/pod-name" => self.object_name("pods", home, text),
                label if CONTROLLER_UID.contains(&label) => {
                    self.namespaces.of(home).map(|_| Cow::Owned(self.uid(text)))
                }
                _ => None,
            };
            if let Some(new) = new.filter(|new| new != text) {
                *text = new.into_owned();
            }
        }
    }

    fn annotations(&self, annotations: &mut Map<String, Value>, home: &str) {
        for (name, value) in annotations.iter_mut() {
            let Value::String(text) = value else { continue };
            if SELECTED_NODE.contains(&name.as_str()) {
                if let Some(node) = self.nodes.of(text) {
                    *text = node.into_owned();
                }
            } else if name == LAST_APPLIED
                && let Ok(mut applied) = serde_json::from_str::<Value>(text)
            {
                let before = applied.clone();
                self.applied(&mut applied, home);
                if applied != before {
                    *text = format!("{applied}\n");
                }
            }
        }
    }

    /// Changes an object as it was applied: it has no uid.
    fn applied(&self, object: &mut Value, home: &str) {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let kind = text("/kind").unwrap_or_default();
        let (resource, namespaced) = self.kinds.get(kind);
        let name = text("/metadata/name").unwrap_or_default();
        let Some((namespace, name)) = self.place(resource, namespaced, home, name) else {
            return;
        };
        let key = ObjectKey {
            namespace: namespace.into_owned(),
            name: name.into_owned(),
            uid: String::new(),
        };
        // Nobody applies what was applied: this ends.
        if let Some(Value::Object(annotations)) = object.pointer_mut("/metadata/annotations") {
            annotations.remove(LAST_APPLIED);
        }
        self.object(object, &key, home);
    }

    /// Changes the keys of lists whose fields have managers: `k:{"uid":"…"}`.
    fn managed(&self, managed: &mut Value) {
        let Value::Object(fields) = managed else {
            return;
        };
        if fields.keys().any(|key| key.starts_with("k:{")) {
            let old = std::mem::take(fields);
            for (key, value) in old {
                let key = self.managed_key(&key).unwrap_or(key);
                fields.insert(key, value);
            }
        }
        for value in fields.values_mut() {
            self.managed(value);
        }
    }

    fn managed_key(&self, key: &str) -> Option<String> {
        let mut of: Map<String, Value> = serde_json::from_str(key.strip_prefix("k:")?).ok()?;
        for (field, value) in &mut of {
            let new = match (field.as_str(), value.as_str()) {
                ("uid", Some(uid)) => Some(self.uid(uid)),
                ("ip" | "address", Some(address)) => self.address(address),
                _ => None,
            };
            if let Some(new) = new {
                *value = Value::String(new);
            }
        }
        Some(format!("k:{}", Value::Object(of)))
    }

    /// Returns the user or group of the service accounts of a copied namespace.
    fn account(&self, name: &str) -> Option<String> {
        if let Some(rest) = name.strip_prefix(ACCOUNT) {
            let (namespace, account) = rest.split_once(':')?;
            let namespace = self.namespaces.of(namespace)?;
            return Some(format!("{ACCOUNT}{namespace}:{account}"));
        }
        let namespace = self.namespaces.of(name.strip_prefix(ACCOUNTS)?)?;
        Some(format!("{ACCOUNTS}{namespace}"))
    }

    fn object_name(&self, resource: &str, namespace: &str, name: &str) -> Option<Cow<'_, str>> {
        self.objects
            .get(&ObjectName {
                resource: resource.to_owned(),
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            })
            .map(|name| Cow::Borrowed(name.as_str()))
    }

    fn address(&self, address: &str) -> Option<String> {
        self.addresses.as_ref()?.of(address, self.copy)
    }

    fn port(&self, port: u64) -> Option<u64> {
        self.addresses.as_ref()?.port(port, self.copy)
    }

    /// Gives a container another id: the 64 hexadecimal digits behind `://`.
    fn container(&self, id: &str) -> Option<String> {
        const DIGITS: usize = 64;
        if self.label.is_empty() {
            return None;
        }
        let (runtime, digits) = id.split_once("://")?;
        if digits.len() != DIGITS || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let text = format!("{}/{}/{digits}", self.label, self.copy);
        Some(format!(
            "{runtime}://{}",
            blake3::hash(text.as_bytes()).to_hex()
        ))
    }

    /// Changes names in a text for people: those of nodes, and of namespaces before a slash.
    fn words(&self, text: &str) -> Option<String> {
        let mut out = String::with_capacity(text.len() + 16);
        let mut rest = text;
        let mut is_changed = false;
        while !rest.is_empty() {
            let begin = rest.find(is_of_name).unwrap_or(rest.len());
            let (between, word_on) = rest.split_at(begin);
            out.push_str(between);
            let end = word_on
                .find(|letter| !is_of_name(letter))
                .unwrap_or(word_on.len());
            let (word, behind) = word_on.split_at(end);
            rest = behind;
            let word_only = word.trim_end_matches('.');
            let new = if behind.starts_with('/') {
                self.namespaces.of(word_only)
            } else {
                None
            };
            match new.or_else(|| self.nodes.of(word_only)) {
                Some(new) if new != word_only => {
                    is_changed = true;
                    out.push_str(&new);
                    out.push_str(word.get(word_only.len()..).unwrap_or_default());
                }
                _ => out.push_str(word),
            }
        }
        is_changed.then_some(out)
    }
}

fn own_is_there(fields: &Map<String, Value>) -> bool {
    fields
        .get("namespace")
        .and_then(Value::as_str)
        .is_some_and(|namespace| !namespace.is_empty())
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '-' || letter == '.'
}
