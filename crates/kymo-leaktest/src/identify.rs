use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::Value;

use crate::decode::{Inside, MAX_DEPTH, inside};
use crate::leak::Place;
use crate::token::{Class, Tokens};
use crate::{secret, shape};

/// Finds what identifies in the objects of a trace.
#[derive(Debug, Default)]
pub(crate) struct Identifier {
    tokens: Tokens,
    /// Texts that were looked at, by what they were taken for.
    seen: HashSet<u64>,
    seq: Option<u64>,
    path: String,
    /// Whether the object is of a type of Kubernetes itself.
    is_own: bool,
}

/// What a value is, by the keys above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Role {
    /// Its own key tells.
    Plain,
    /// Every text in it is of a class, keys included where they are free.
    Map(Class),
    /// Every text in it is of a class.
    List(Class),
    /// The list of environment variables.
    Env,
}

impl Identifier {
    /// Takes what an object holds.
    pub(crate) fn object(&mut self, seq: u64, body: &Value, is_own: bool) {
        self.seq = Some(seq);
        self.is_own = is_own;
        self.path.clear();
        self.walk(body, Role::Plain, 0);
    }

    /// Takes one text from beside the objects.
    pub(crate) fn text(&mut self, seq: Option<u64>, class: Class, path: &str, text: &str) {
        self.seq = seq;
        path.clone_into(&mut self.path);
        self.add(class, text);
    }

    /// Takes what has an identifying form from beside the objects.
    pub(crate) fn shapes(&mut self, path: &str, value: &Value) {
        self.seq = None;
        self.is_own = true;
        each_text(&mut path.to_owned(), value, &mut |path, text| {
            path.clone_into(&mut self.path);
            self.any(text);
        });
    }

    pub(crate) fn into_tokens(self) -> Tokens {
        self.tokens
    }

    fn walk(&mut self, value: &Value, role: Role, depth: usize) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let length = self.path.len();
                    self.path.push('.');
                    self.path.push_str(key);
                    if let Role::Map(class) = role {
                        let class = if class == Class::Data {
                            class
                        } else {
                            Class::Label
                        };
                        self.add(class, key);
                    }
                    self.walk(value, child(role, key, value), depth);
                    self.path.truncate(length);
                }
            }
            Value::Array(items) => {
                let length = self.path.len();
                self.path.push_str("[]");
                for item in items {
                    self.walk(item, role, depth);
                }
                self.path.truncate(length);
            }
            Value::String(text) => self.leaf(text, role, depth),
            _ => {}
        }
    }

    fn leaf(&mut self, text: &str, role: Role, depth: usize) {
        let mut hasher = DefaultHasher::new();
        (role, self.is_own, text).hash(&mut hasher);
        if !self.seen.insert(hasher.finish()) {
            return;
        }
        self.any(text);
        let inside = inside(text);
        let is_json = matches!(inside.as_slice(), [Inside::Json(_)]);
        match role {
            _ if is_json => {}
            Role::Map(class) | Role::List(class) => self.add(class, text),
            Role::Plain if !self.is_own && !text.contains(char::is_whitespace) => {
                self.add(Class::Custom, text);
            }
            Role::Plain | Role::Env => {}
        }
        if depth < MAX_DEPTH {
            for found in inside {
                let length = self.path.len();
                self.path.push_str("(inside)");
                match found {
                    Inside::Json(value) => self.walk(&value, Role::Plain, depth + 1),
                    // What is base64 by chance has no meaning.
                    Inside::Text(text) if is_readable(&text) => self.leaf(&text, role, depth + 1),
                    Inside::Text(_) => {}
                }
                self.path.truncate(length);
            }
        }
    }

    /// Takes what identifies by its form, whatever it is called.
    fn any(&mut self, text: &str) {
        let (seq, path) = (self.seq, &self.path);
        let place = || Place {
            seq,
            path: path.clone(),
        };
        let tokens = &mut self.tokens;
        secret::find(text, |token| tokens.add(Class::Secret, token, &place));
        shape::find(text, |class, token| tokens.add(class, token, &place));
    }

    fn add(&mut self, class: Class, text: &str) {
        let (seq, path) = (self.seq, &self.path);
        let place = || Place {
            seq,
            path: path.clone(),
        };
        self.tokens.add(class, text, &place);
    }
}

/// Tells what the value under a key is.
fn child(role: Role, key: &str, value: &Value) -> Role {
    match role {
        Role::Env if key == "value" => return Role::List(Class::Env),
        Role::Env if key == "name" => return Role::List(Class::Env),
        Role::Map(_) | Role::List(_) => return role,
        Role::Plain | Role::Env => {}
    }
    let is_map = value.is_object();
    let is_flat = value
        .as_object()
        .is_some_and(|map| map.values().all(Value::is_string));
    match key {
        "labels" | "matchLabels" | "nodeSelector" if is_map => Role::Map(Class::Label),
        "selector" if is_flat => Role::Map(Class::Label),
        "annotations" if is_map => Role::Map(Class::Annotation),
        "data" | "stringData" | "binaryData" if is_flat => Role::Map(Class::Data),
        "env" => Role::Env,
        "command" | "args" => Role::List(Class::Argument),
        "images" | "image" | "imageID" => Role::List(Class::Image),
        "key" | "value" | "values" | "topologyKey" => Role::List(Class::Label),
        "user" | "username" | "users" | "groups" => Role::List(Class::User),
        "host" | "hosts" | "hostnames" | "externalName" | "url" | "server" => {
            Role::List(Class::Host)
        }
        "providerID" | "machineID" | "systemUUID" | "bootID" | "containerID" | "volumeHandle" => {
            Role::List(Class::Id)
        }
        "name" | "namespace" | "namespaces" | "generateName" | "hostname" | "subdomain"
        | "holderIdentity" | "reportingInstance" | "serviceAccount" => Role::List(Class::Name),
        _ if key.ends_with("Name") || key.ends_with("Namespace") => Role::List(Class::Name),
        _ => Role::Plain,
    }
    .or_structure(value)
}

impl Role {
    /// A value that has keys of its own is asked key by key, unless its keys are free.
    fn or_structure(self, value: &Value) -> Self {
        let has_keys = match value {
            Value::Object(_) => true,
            Value::Array(items) => items.iter().any(Value::is_object),
            _ => false,
        };
        match self {
            Self::List(Class::Image) | Self::Map(_) | Self::Env => self,
            Self::List(_) if has_keys => Self::Plain,
            role => role,
        }
    }
}

fn is_readable(text: &str) -> bool {
    !text.contains(|c: char| c == char::REPLACEMENT_CHARACTER || c.is_control() && c != '\n')
}

/// Visits every text of a value with its path, keys included.
pub(crate) fn each_text(path: &mut String, value: &Value, visit: &mut dyn FnMut(&str, &str)) {
    let length = path.len();
    match value {
        Value::String(text) => visit(path, text),
        Value::Array(items) => {
            path.push_str("[]");
            for item in items {
                each_text(path, item, visit);
            }
        }
        Value::Object(map) => {
            for (key, value) in map {
                path.push('.');
                path.push_str(key);
                visit(path, key);
                each_text(path, value, visit);
                path.truncate(length);
            }
        }
        _ => {}
    }
    path.truncate(length);
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn classes(body: &Value) -> Vec<(Class, String)> {
        let mut identifier = Identifier::default();
        identifier.object(1, body, true);
        let tokens = identifier.into_tokens();
        tokens
            .iter()
            .map(|(token, origin)| (origin.class, token.to_owned()))
            .collect()
    }

    #[rstest]
    #[case(json!({"metadata": {"name": "zebra"}}), Class::Name, "zebra")]
    #[case(json!({"metadata": {"labels": {"zebra.io/x": "blue"}}}), Class::Label, "zebra.io")]
    #[case(json!({"metadata": {"annotations": {"note": "zebra"}}}), Class::Annotation, "zebra")]
    #[case(json!({"spec": {"containers": [{"image": "zebra.io/x:1"}]}}), Class::Image, "zebra.io/x:1")]
    #[case(json!({"spec": {"containers": [{"env": [{"name": "A", "value": "zebra"}]}]}}), Class::Env, "zebra")]
    #[case(json!({"spec": {"containers": [{"args": ["--db=zebra"]}]}}), Class::Argument, "--db=zebra")]
    #[case(json!({"data": {"key": "zebra"}}), Class::Data, "zebra")]
    #[case(json!({"spec": {"tolerations": [{"key": "zebra", "operator": "Exists"}]}}), Class::Label, "zebra")]
    #[case(json!({"spec": {"rules": [{"host": "shop.zebra"}]}}), Class::Host, "shop.zebra")]
    #[case(json!({"status": {"images": [{"names": ["zebra.io/x:1"], "sizeBytes": 1}]}}), Class::Image, "zebra.io/x:1")]
    #[case(json!({"metadata": {"annotations": {"last": "{\"metadata\":{\"name\":\"zebra\"}}"}}}), Class::Name, "zebra")]
    #[case(json!({"message": "no route to 10.9.8.7"}), Class::Ip, "10.9.8.7")]
    fn what_identifies_is_known_by_where_it_stands(
        #[case] body: Value,
        #[case] class: Class,
        #[case] token: &str,
    ) {
        let found = classes(&body);
        assert!(found.contains(&(class, token.to_owned())), "{found:?}");
    }

    #[test]
    fn the_words_of_the_api_identify_nobody() {
        let body = json!({
            "apiVersion": "v1", "kind": "Pod",
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "reason": "ContainersNotReady"}]},
            "spec": {"restartPolicy": "Always", "containers": [{"resources": {"requests": {"cpu": "500m"}}}]}
        });
        assert_eq!(classes(&body), []);
    }
}
