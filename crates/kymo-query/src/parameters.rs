//! Values for the `$name`s of a statement.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Statement as SqlStatement, Value, ValueWithSpan, VisitMut, VisitorMut,
};

use crate::error::nearest;
use crate::{Error, Position};

/// Values by the names that a statement gives them with a `$` in front.
pub type Parameters = BTreeMap<String, Parameter>;

/// A value for a `$name`. It stands in the statement as a literal, so it is never read as SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// NULL.
    Null,
    /// A truth value.
    Boolean(bool),
    /// A number as it was written.
    Number(String),
    /// A text; SQL reads it as a time or a duration where it needs one.
    Text(String),
}

impl Parameter {
    /// Reads a value as people write it: a number, `true`, `false` and `null` are what they look
    /// like, all else is text; a text in quotes is text whatever it looks like.
    pub fn read(text: &str) -> Self {
        let quoted = text
            .strip_prefix('\'')
            .and_then(|text| text.strip_suffix('\''));
        match (quoted, text) {
            (Some(quoted), _) => Self::Text(quoted.replace("''", "'")),
            (None, "null" | "NULL") => Self::Null,
            (None, "true") => Self::Boolean(true),
            (None, "false") => Self::Boolean(false),
            (None, text) if is_number(text) => Self::Number(text.to_owned()),
            (None, text) => Self::Text(text.to_owned()),
        }
    }

    fn value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Boolean(value) => Value::Boolean(*value),
            Self::Number(text) => Value::Number(text.clone(), false),
            Self::Text(text) => Value::SingleQuotedString(text.clone()),
        }
    }
}

/// Numbers as JSON writes them, so that `007`, `1_000` and `inf` are texts.
fn is_number(text: &str) -> bool {
    serde_json::from_str::<serde_json::Number>(text).is_ok()
}

/// Puts the values in; every `$name` must have one and every value a `$name`.
pub(crate) fn bind(
    statement: Option<&mut SqlStatement>,
    parameters: &Parameters,
) -> Result<(), Error> {
    let mut binder = Binder {
        parameters,
        used: BTreeSet::new(),
    };
    if let Some(sql) = statement
        && let ControlFlow::Break(error) = sql.visit(&mut binder)
    {
        return Err(error);
    }
    let used = binder.used;
    match parameters.keys().find(|name| !used.contains(*name)) {
        Some(name) => Err(Error::Parameter {
            message: format!("the statement has no parameter `${name}`"),
            position: None,
        }),
        None => Ok(()),
    }
}

struct Binder<'a> {
    parameters: &'a Parameters,
    used: BTreeSet<String>,
}

impl VisitorMut for Binder<'_> {
    type Break = Error;

    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<Error> {
        let Value::Placeholder(placeholder) = &value.value else {
            return ControlFlow::Continue(());
        };
        let name = placeholder.strip_prefix('$').unwrap_or(placeholder);
        let Some(parameter) = self.parameters.get(name) else {
            let meant = nearest(name, self.parameters.keys().map(String::as_str));
            let meant = meant.map_or_else(String::new, |name| format!("; did you mean `${name}`?"));
            let start = value.span.start;
            return ControlFlow::Break(Error::Parameter {
                message: format!("no value for the parameter `{placeholder}`{meant}"),
                position: (start.line > 0).then_some(Position {
                    line: start.line,
                    column: start.column,
                }),
            });
        };
        self.used.insert(name.to_owned());
        value.value = parameter.value();
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_what_it_looks_like() {
        for (text, parameter) in [
            ("5", Parameter::Number("5".into())),
            ("-2.5e3", Parameter::Number("-2.5e3".into())),
            ("true", Parameter::Boolean(true)),
            ("null", Parameter::Null),
            ("007", Parameter::Text("007".into())),
            ("inf", Parameter::Text("inf".into())),
            ("10m", Parameter::Text("10m".into())),
            ("'5'", Parameter::Text("5".into())),
            ("'it''s'", Parameter::Text("it's".into())),
            ("it's", Parameter::Text("it's".into())),
            ("'", Parameter::Text("'".into())),
            ("", Parameter::Text(String::new())),
        ] {
            assert_eq!(Parameter::read(text), parameter, "{text}");
        }
    }
}
