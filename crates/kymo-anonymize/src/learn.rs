//! The first reading: what every text of a trace is known to be.

use std::net::IpAddr;

use kymo_model::{ObjectKey, Request, ResourceType};
use serde_json::{Map, Value};

use crate::anonymizer::Anonymizer;
use crate::failure::Failure;
use crate::names::Known;
use crate::object::Beside;
use crate::table;
use crate::treatment::Treatment;
use crate::vocabulary;

impl Anonymizer {
    /// Learns what names an event holds. Every event must be shown before the first is replaced.
    pub fn learn(
        &mut self,
        resource: &ResourceType,
        key: &ObjectKey,
        object: Option<&Value>,
        request: Option<&Request>,
    ) -> Result<(), Failure> {
        if self.keeps_names() {
            return Ok(());
        }
        self.learn_text(Known::Namespace, &key.namespace)?;
        self.learn_own(&resource.kind, &key.name)?;
        if let Some(request) = request {
            self.learn_text(Known::Actor, &request.username)?;
            for actor in request.impersonated_username.iter().chain(&request.groups) {
                self.learn_text(Known::Actor, actor)?;
            }
        }
        if let Some(object) = object {
            let kind = object.get("kind").and_then(Value::as_str);
            let kind = kind.unwrap_or(&resource.kind);
            // The names of Events are made of those of other objects.
            if kind != "Event" {
                self.names.learn_object(kind, object)?;
            }
            if let Value::Object(members) = object {
                self.learn_members(members, "", 0)?;
            }
        }
        Ok(())
    }

    fn learn_own(&mut self, kind: &str, name: &str) -> Result<(), Failure> {
        match kind {
            "Event" => Ok(()),
            "Namespace" => self.learn_text(Known::Namespace, name),
            "CustomResourceDefinition" | "APIService" | "CSIDriver" => {
                self.learn_text(Known::Api, name)
            }
            "User" | "Group" => self.learn_text(Known::Actor, name),
            _ => self.learn_text(Known::Name, name),
        }
    }

    fn learn_members(
        &mut self,
        members: &Map<String, Value>,
        parent: &str,
        depth: usize,
    ) -> Result<(), Failure> {
        let beside = Beside::of(members);
        for (field, value) in members {
            // The object's own name is known from its key.
            let is_own = depth == 1 && parent == "metadata" && field == "name";
            if field == "managedFields" || is_own {
                continue;
            }
            let treatment = table::find(parent, field).map(|(_, treatment)| treatment);
            self.learn_value(value, field, treatment, &beside, depth + 1)?;
        }
        Ok(())
    }

    fn learn_value(
        &mut self,
        value: &Value,
        field: &str,
        treatment: Option<Treatment>,
        beside: &Beside,
        depth: usize,
    ) -> Result<(), Failure> {
        match (value, treatment) {
            (Value::Array(items), _) => {
                for item in items {
                    self.learn_value(item, field, treatment, beside, depth + 1)?;
                }
                Ok(())
            }
            (Value::String(text), Some(treatment)) => self.learn_leaf(treatment, text, beside),
            (Value::Object(members), Some(Treatment::LabelMap))
                if members.values().all(Value::is_string) =>
            {
                for (key, value) in members {
                    self.learn_text(Known::LabelKey, key)?;
                    if let (Some(known), Some(value)) = (Self::label_names(key), value.as_str()) {
                        self.learn_text(known, value)?;
                    }
                }
                Ok(())
            }
            (
                Value::Object(_),
                Some(
                    Treatment::AnnotationMap
                    | Treatment::QuantityMap
                    | Treatment::DropMap
                    | Treatment::Drop
                    | Treatment::Empty,
                ),
            ) => Ok(()),
            (Value::Object(members), _) => {
                let parent = if vocabulary::FIELDS.has(field) {
                    field
                } else {
                    "*"
                };
                self.learn_members(members, parent, depth)
            }
            _ => Ok(()),
        }
    }

    fn learn_leaf(
        &mut self,
        treatment: Treatment,
        text: &str,
        beside: &Beside,
    ) -> Result<(), Failure> {
        let kind = beside.kind.as_deref().unwrap_or_default();
        match treatment {
            Treatment::Name => self.learn_own(kind, text),
            Treatment::Namespace => self.learn_text(Known::Namespace, text),
            Treatment::Image => self.learn_text(Known::Image, text),
            Treatment::Actor if kind == "ServiceAccount" => self.learn_text(Known::Name, text),
            Treatment::Actor => self.learn_text(Known::Actor, text),
            Treatment::Host => self.learn_text(Known::Host, text),
            Treatment::LabelKey => self.learn_text(Known::LabelKey, text),
            Treatment::LabelValue => match beside.key.as_deref().and_then(Self::label_names) {
                Some(known) => self.learn_text(known, text),
                None => Ok(()),
            },
            Treatment::Api if text.contains('.') => self.learn_text(Known::Api, text),
            _ => Ok(()),
        }
    }

    /// Learns a text unless everybody has it or its form already tells what it is.
    fn learn_text(&mut self, known: Known, text: &str) -> Result<(), Failure> {
        let is_public = match known {
            Known::LabelKey => vocabulary::LABEL_KEYS.has(text),
            Known::Api => vocabulary::API.has(text),
            Known::Actor => {
                text.starts_with("system:")
                    || vocabulary::NAMES.has(text)
                    || vocabulary::API.has(text)
            }
            _ => vocabulary::NAMES.has(text),
        };
        let is_figure = text.bytes().all(|byte| byte.is_ascii_digit());
        if is_public || is_figure || text == "*" || text.parse::<IpAddr>().is_ok() {
            return Ok(());
        }
        self.names.learn(known, text)
    }
}
