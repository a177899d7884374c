use std::fmt;

use serde_json::Value;

use crate::Error;

/// Where in a patch something is; written out only for an error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    above: Option<&'a Place<'a>>,
    key: &'a str,
}

impl<'a> Place<'a> {
    pub(super) fn root() -> Self {
        Self {
            above: None,
            key: "",
        }
    }

    pub(super) fn below(&'a self, key: &'a str) -> Self {
        Self {
            above: Some(self),
            key,
        }
    }

    /// Says that a value has the wrong type.
    pub(super) fn r#type(&self, value: &Value, wanted: &'static str) -> Error {
        let is = match value {
            Value::Null => "null",
            Value::Bool(_) => "a truth",
            Value::Number(_) => "a number",
            Value::String(_) => "text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        Error::Type {
            place: self.to_string(),
            is,
            wanted,
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.above {
            None => f.write_str("the patch"),
            Some(above) if above.above.is_none() => f.write_str(self.key),
            Some(above) => write!(f, "{above}.{}", self.key),
        }
    }
}
