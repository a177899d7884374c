use std::collections::HashMap;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::Expr;
use kymo_store::segment::JsonPath;

use super::{json, rules};

/// What a function reads of the object that is its first argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// The value at a path; `f(object, …)` is then `f(value)`.
    Value(JsonPath),
    /// Only whether there is something at a path, if there is an object.
    Presence(JsonPath),
    /// The values at these paths of names; `f(object, …)` is then `f(cut, …)`, where `cut` is the
    /// object less everything else.
    Cut(Vec<JsonPath>),
}

/// Tells what a function reads, given its other arguments, which are constants; `None` if it needs
/// the whole object after all.
pub(super) type Reading = fn(&[ScalarValue]) -> Option<Reads>;

/// The functions over objects that are known to read only some paths, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct ObjectFunctions {
    by_name: HashMap<&'static str, Reading>,
}

impl ObjectFunctions {
    /// Returns those that every session has.
    pub(crate) fn new() -> Self {
        let functions = json::functions().chain(rules::functions());
        Self {
            by_name: functions.collect(),
        }
    }

    /// Returns what a call reads of its first argument; `None` where it needs all of it, or is no
    /// function over objects.
    pub(super) fn reads(&self, function: &ScalarUDF, arguments: &[Expr]) -> Option<Reads> {
        let reading = self.by_name.get(function.name())?;
        let constants: Option<Vec<ScalarValue>> = arguments
            .iter()
            .map(|argument| match argument {
                Expr::Literal(value, _) => Some(value.clone()),
                _ => None,
            })
            .collect();
        reading(&constants?)
    }
}
