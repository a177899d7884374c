//! Label and field selectors, as far as tests need them.

use serde_json::Value;

use super::object::Stored;

#[derive(Clone, Debug)]
enum Demand {
    Is(String, String),
    IsNot(String, String),
    Has(String),
}

/// The objects a request is about: a namespace, label demands and field demands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    namespace: Option<String>,
    labels: Vec<Demand>,
    fields: Vec<Demand>,
}

impl Selection {
    pub(crate) fn new(namespace: Option<&str>, labels: Option<&str>, fields: Option<&str>) -> Self {
        Self {
            namespace: namespace.map(str::to_owned),
            labels: parse(labels),
            fields: parse(fields),
        }
    }

    /// Tells whether every object is selected.
    pub(crate) fn is_all(&self) -> bool {
        self.namespace.is_none() && self.labels.is_empty() && self.fields.is_empty()
    }

    pub(crate) fn takes(&self, stored: &Stored) -> bool {
        let key = &stored.key;
        if self
            .namespace
            .as_ref()
            .is_some_and(|it| *it != key.namespace)
        {
            return false;
        }
        let field = |path: &str| match path {
            "metadata.name" => Some(key.name.clone()),
            "metadata.namespace" => Some(key.namespace.clone()),
            _ => None,
        };
        if !self.fields.iter().all(|demand| demand.holds(field)) {
            return false;
        }
        if self.labels.is_empty() {
            return true;
        }
        let object = stored.fields();
        let labels = object.get("metadata").and_then(|it| it.get("labels"));
        let label = |name: &str| labels?.get(name).and_then(Value::as_str).map(str::to_owned);
        self.labels.iter().all(|demand| demand.holds(label))
    }
}

impl Demand {
    fn holds(&self, value: impl Fn(&str) -> Option<String>) -> bool {
        match self {
            Self::Is(name, wanted) => value(name).as_ref() == Some(wanted),
            Self::IsNot(name, unwanted) => value(name).as_ref() != Some(unwanted),
            Self::Has(name) => value(name).is_some(),
        }
    }
}

fn parse(text: Option<&str>) -> Vec<Demand> {
    let parts = text.unwrap_or_default().split(',');
    parts
        .filter(|part| !part.is_empty())
        .map(|part| {
            if let Some((name, value)) = part.split_once("!=") {
                Demand::IsNot(name.trim().to_owned(), value.trim().to_owned())
            } else if let Some((name, value)) = part.split_once('=') {
                let value = value.trim_start_matches('=').trim();
                Demand::Is(name.trim().to_owned(), value.to_owned())
            } else {
                Demand::Has(part.trim().to_owned())
            }
        })
        .collect()
}
