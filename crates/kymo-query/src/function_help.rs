use std::collections::BTreeSet;

use datafusion::execution::FunctionRegistry as _;
use datafusion::logical_expr::Documentation;

use crate::QuerySession;
use crate::error::nearest;

/// What is to be said of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionHelp {
    /// Its name.
    pub name: String,
    /// How it is called.
    pub syntax: String,
    /// What it does.
    pub description: String,
    /// Its arguments, each with what it is.
    pub arguments: Vec<(String, String)>,
    /// A statement that calls it.
    pub example: Option<String>,
}

impl QuerySession {
    /// Returns what is to be said of a function; `None` if there is none of that name.
    pub fn function(&self, name: &str) -> Option<FunctionHelp> {
        let name = name.to_lowercase();
        let state = self.context().state();
        let scalar = state.scalar_functions().get(&name);
        let aggregate = state.aggregate_functions().get(&name);
        let window = state.window_functions().get(&name);
        let higher_order = state.higher_order_functions().get(&name);
        if scalar.is_none() && aggregate.is_none() && window.is_none() && higher_order.is_none() {
            return None;
        }
        let documentation = scalar
            .and_then(|function| function.documentation())
            .or_else(|| aggregate.and_then(|function| function.documentation()))
            .or_else(|| window.and_then(|function| function.documentation()))
            .or_else(|| higher_order.and_then(|function| function.documentation()));
        Some(help(name, documentation))
    }

    /// Returns the function that was probably meant by a name that does not exist.
    pub fn nearest_function(&self, name: &str) -> Option<String> {
        let names = self.function_names();
        nearest(name, names.iter().map(String::as_str)).map(str::to_owned)
    }

    /// Returns the name of every function.
    pub(crate) fn function_names(&self) -> BTreeSet<String> {
        let state = self.context().state();
        let mut names = BTreeSet::new();
        names.extend(state.udfs());
        names.extend(state.udafs());
        names.extend(state.udwfs());
        names.extend(state.higher_order_functions().keys().cloned());
        names
    }
}

fn help(name: String, documentation: Option<&Documentation>) -> FunctionHelp {
    let Some(documentation) = documentation else {
        return FunctionHelp {
            syntax: format!("{name}(…)"),
            description: String::new(),
            arguments: Vec::new(),
            example: None,
            name,
        };
    };
    FunctionHelp {
        name,
        syntax: documentation.syntax_example.clone(),
        description: documentation.description.clone(),
        arguments: documentation.arguments.clone().unwrap_or_default(),
        example: documentation.sql_example.clone(),
    }
}
