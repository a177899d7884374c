//! Which functions a query can call.
//!
//! The engine's own, less those that make much out of little ([`engine`]), JSON access of the
//! `datafusion-functions-json` crate, and Kubernetes' rules.

mod changes;
mod condition;
mod edits;
mod engine;
mod joined;
mod json_path;
mod patches;
mod pods;
mod pointer;
mod quantities;
mod regexp;
mod selector;
mod texts;
mod time;

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

pub(crate) use self::joined::JoinPlanner;
use crate::Span;

/// Returns every scalar function but the ones for JSON access; `spans` are those of the traces by
/// name.
pub(crate) fn scalar_functions(spans: BTreeMap<String, Option<Span>>) -> Vec<Arc<ScalarUDF>> {
    let mut functions = engine::scalar_functions();
    functions.extend(own_functions(spans));
    functions
}

/// Returns kymo's own functions.
fn own_functions(spans: BTreeMap<String, Option<Span>>) -> Vec<Arc<ScalarUDF>> {
    let mut functions = vec![
        selector::matches(),
        condition::condition(),
        pointer::json_pointer(),
        json_path::json_path(),
        pods::pod_status(),
        changes::object_changes(),
        time::duration(),
        time::at(spans),
    ];
    functions.extend(quantities::functions());
    functions.extend(patches::functions());
    functions.extend(edits::functions());
    functions
}

/// Returns the fields of the structs that functions give.
pub(crate) fn struct_fields() -> impl Iterator<Item = &'static str> {
    condition::field_names()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_of_our_own_is_documented_with_an_example() {
        for function in own_functions(BTreeMap::new()) {
            let documentation = function.documentation().unwrap();
            assert!(documentation.sql_example.is_some(), "{}", function.name());
            assert!(!documentation.description.is_empty(), "{}", function.name());
        }
    }
}
