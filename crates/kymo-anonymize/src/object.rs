//! An object, field by field.

use kymo_model::ResourceType;
use serde_json::{Map, Value};

use crate::anonymizer::Anonymizer;
use crate::failure::Failure;
use crate::policy::{ManagedFields, Names as NamePolicy};
use crate::redact::{LAST_APPLIED, SECRET_FIELDS};
use crate::table;
use crate::treatment::Treatment;
use crate::vocabulary;

/// What stands beside a text and says what it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beside {
    /// The key of the label whose values these are.
    pub(crate) key: Option<String>,
    /// The kind of the object that is named.
    pub(crate) kind: Option<String>,
    /// Whether the values are names of priority classes.
    pub(crate) is_scope: bool,
}

impl Beside {
    pub(crate) fn of(members: &Map<String, Value>) -> Self {
        let text = |field: &str| {
            members
                .get(field)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        Self {
            key: text("key"),
            kind: text("kind"),
            is_scope: members.contains_key("scopeName"),
        }
    }
}

/// Tells whether a field has the number of a user or a group of Linux.
fn is_account(field: &str) -> bool {
    matches!(
        field,
        "runAsUser" | "runAsGroup" | "fsGroup" | "supplementalGroups"
    )
}

impl Anonymizer {
    /// Replaces what identifies in an object. `version` is its new resourceVersion; without one it
    /// has none.
    pub fn object(
        &mut self,
        resource: &ResourceType,
        object: &mut Value,
        version: Option<&str>,
    ) -> Result<(), Failure> {
        let Value::Object(members) = object else {
            return Err(Failure::NotAnObject);
        };
        let kind = members.get("kind").and_then(Value::as_str);
        kind.unwrap_or(&resource.kind).clone_into(&mut self.kind);
        self.path.clear();
        if resource.is_secret() || self.kind == "Secret" {
            members.retain(|field, _| SECRET_FIELDS.contains(&field.as_str()));
        }
        if let Some(Value::Object(metadata)) = members.get_mut("metadata") {
            match version {
                Some(version) if metadata.contains_key("resourceVersion") => {
                    metadata.insert("resourceVersion".to_owned(), version.into());
                }
                Some(_) => {}
                None => {
                    metadata.remove("resourceVersion");
                }
            }
        }
        self.members(members, "", 0)
    }

    /// Replaces the members of an object that stands in a field.
    fn members(
        &mut self,
        members: &mut Map<String, Value>,
        parent: &str,
        depth: usize,
    ) -> Result<(), Failure> {
        let beside = Beside::of(members);
        let is_own = depth == 1 && parent == "metadata";
        for (field, mut value) in std::mem::take(members) {
            if is_own && field == "resourceVersion" {
                members.insert(field, value);
                continue;
            }
            if field == "managedFields" && parent == "metadata" {
                if self.managed_fields(&mut value)? {
                    members.insert(field, value);
                }
                continue;
            }
            let ruled = self.enter(&field);
            let (rule, treatment) = match ruled {
                Some(treatment) => (None, Some(treatment)),
                None => match table::find(parent, &field) {
                    Some((rule, treatment)) => (Some(rule), Some(treatment)),
                    None => (None, None),
                },
            };
            let treatment = match treatment {
                Some(Treatment::Name) if is_own && field == "name" => {
                    self.own_name(&mut value, rule)?;
                    Some(Treatment::Keep)
                }
                other => other,
            };
            if treatment == Some(Treatment::Drop) {
                self.leave();
                self.ledger.count(rule, Treatment::Drop, "x", "");
                continue;
            }
            if treatment != Some(Treatment::Keep) {
                self.value(&mut value, &field, rule, treatment, &beside, depth + 1)?;
            }
            self.leave();
            let field = if self.keeps_names() || treatment.is_some() {
                field
            } else {
                self.field_name(&field)?
            };
            members.insert(field, value);
        }
        Ok(())
    }

    /// Replaces a value of a field.
    fn value(
        &mut self,
        value: &mut Value,
        field: &str,
        rule: Option<usize>,
        treatment: Option<Treatment>,
        beside: &Beside,
        depth: usize,
    ) -> Result<(), Failure> {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => {
                if let Some(id) = number.as_u64().filter(|_| is_account(field))
                    && !self.keeps_names()
                {
                    *number = self.account(id).into();
                }
            }
            Value::Array(items) => {
                for item in items {
                    self.value(item, field, rule, treatment, beside, depth + 1)?;
                }
            }
            Value::String(text) => {
                let treatment = treatment.unwrap_or(Treatment::Opaque);
                let replaced = self.leaf(treatment, text, beside)?;
                self.ledger.count(rule, treatment, text, &replaced);
                *text = replaced;
            }
            Value::Object(members) => match treatment {
                Some(treatment) if Self::is_map(treatment, members) => {
                    self.map_members(members, rule, treatment, depth)?;
                }
                _ => {
                    let parent = if vocabulary::FIELDS.has(field) {
                        field
                    } else {
                        "*"
                    };
                    self.members(members, parent, depth)?;
                }
            },
        }
        Ok(())
    }

    /// Tells whether members are the entries of a map rather than fields.
    fn is_map(treatment: Treatment, members: &Map<String, Value>) -> bool {
        match treatment {
            Treatment::LabelMap | Treatment::DataMap => members.values().all(Value::is_string),
            Treatment::AnnotationMap
            | Treatment::QuantityMap
            | Treatment::DropMap
            | Treatment::NameMap
            | Treatment::Empty
            | Treatment::Actor => true,
            _ => false,
        }
    }

    fn map_members(
        &mut self,
        members: &mut Map<String, Value>,
        rule: Option<usize>,
        treatment: Treatment,
        depth: usize,
    ) -> Result<(), Failure> {
        if matches!(treatment, Treatment::DropMap | Treatment::Empty) {
            if !members.is_empty() {
                self.ledger.count(rule, treatment, "x", "");
            }
            members.clear();
            return Ok(());
        }
        let none = Beside::default();
        for (key, mut value) in std::mem::take(members) {
            if treatment == Treatment::AnnotationMap && key == LAST_APPLIED {
                continue;
            }
            let ruled = self.enter(&key);
            match &mut value {
                Value::String(text) => {
                    let replaced = match ruled {
                        Some(Treatment::Drop) => {
                            self.leave();
                            continue;
                        }
                        Some(ruled) => self.treat(ruled, text)?,
                        None => self.entry(treatment, &key, text)?,
                    };
                    self.ledger.count(rule, treatment, text, &replaced);
                    *text = replaced;
                }
                other => self.value(other, "*", rule, None, &none, depth + 1)?,
            }
            self.leave();
            let key = self.entry_key(treatment, &key)?;
            members.insert(key, value);
        }
        Ok(())
    }

    /// Replaces the value of an entry of a map.
    fn entry(&mut self, treatment: Treatment, key: &str, text: &str) -> Result<String, Failure> {
        if self.keeps_names() && treatment != Treatment::DataMap {
            return Ok(text.to_owned());
        }
        match treatment {
            Treatment::LabelMap => self.label_value(key, text),
            Treatment::AnnotationMap => self.annotation(key, text),
            other => self.treat(other, text),
        }
    }

    fn entry_key(&mut self, treatment: Treatment, key: &str) -> Result<String, Failure> {
        if self.keeps_names() {
            return Ok(key.to_owned());
        }
        match treatment {
            Treatment::LabelMap | Treatment::Actor => self.label_key(key),
            Treatment::AnnotationMap => self.qualified_key(key, &vocabulary::ANNOTATION_KEYS),
            Treatment::QuantityMap => self.counted(key),
            Treatment::DataMap => self.data_key(key),
            _ => self.name(key),
        }
    }

    /// Replaces the name of what a quota or a container counts.
    fn counted(&mut self, name: &str) -> Result<String, Failure> {
        for prefix in ["requests.", "limits.", "count/"] {
            if let Some(rest) = name.strip_prefix(prefix) {
                return Ok(format!("{prefix}{}", self.api(rest)?));
            }
        }
        if let Some((class, rest)) = name.split_once(".storageclass.storage.k8s.io/") {
            let class = self.name(class)?;
            let rest = self.counted(rest)?;
            return Ok(format!("{class}.storageclass.storage.k8s.io/{rest}"));
        }
        self.api(name)
    }

    /// Replaces a text by what its field and its neighbours say of it.
    fn leaf(
        &mut self,
        treatment: Treatment,
        text: &str,
        beside: &Beside,
    ) -> Result<String, Failure> {
        if self.policy.names == NamePolicy::Keep || text.is_empty() {
            return self.treat(treatment, text);
        }
        let kind = beside.kind.as_deref().unwrap_or_default();
        match treatment {
            Treatment::Name if !kind.is_empty() => self.object_name(kind, text),
            Treatment::Actor if kind == "ServiceAccount" => self.name(text),
            Treatment::LabelValue if beside.is_scope => self.name(text),
            Treatment::LabelValue => {
                let key = beside.key.as_deref().unwrap_or_default();
                self.label_value(key, text)
            }
            _ => self.treat(treatment, text),
        }
    }

    fn own_name(&mut self, value: &mut Value, rule: Option<usize>) -> Result<(), Failure> {
        let Value::String(name) = value else {
            return Ok(());
        };
        if self.keeps_names() {
            return Ok(());
        }
        let kind = std::mem::take(&mut self.kind);
        let replaced = self.object_name(&kind, name)?;
        self.kind = kind;
        self.ledger.count(rule, Treatment::Name, name, &replaced);
        *name = replaced;
        Ok(())
    }

    /// Replaces who changed fields and when; which fields goes. `false`: all of it goes.
    fn managed_fields(&mut self, value: &mut Value) -> Result<bool, Failure> {
        if self.policy.managed_fields == ManagedFields::Drop {
            return Ok(false);
        }
        if self.keeps_names() {
            return Ok(true);
        }
        for entry in value.as_array_mut().into_iter().flatten() {
            let Value::Object(entry) = entry else {
                continue;
            };
            for (field, value) in std::mem::take(entry) {
                let treatment = match field.as_str() {
                    "manager" => Treatment::Actor,
                    "operation" => Treatment::Word,
                    "apiVersion" => Treatment::ApiVersion,
                    "time" => Treatment::Time,
                    "subresource" => Treatment::Api,
                    _ => continue,
                };
                if let Value::String(text) = value {
                    let text = self.treat(treatment, &text)?;
                    entry.insert(field, Value::String(text));
                }
            }
        }
        Ok(true)
    }

    /// Goes into a field; returns what a policy says of it.
    fn enter(&mut self, field: &str) -> Option<Treatment> {
        if self.policy.rules.is_empty() {
            return None;
        }
        self.path.push(field.to_owned());
        let rules = &self.policy.rules;
        rules
            .iter()
            .find(|rule| rule.fits(&self.kind, self.path.iter().rev().map(String::as_str)))
            .map(|rule| rule.treatment)
    }

    fn leave(&mut self) {
        self.path.pop();
    }
}
