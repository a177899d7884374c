//! Values of a document by `JSONPath`.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, ListBuilder, StringBuilder};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_OTHER;
use datafusion::logical_expr::{Documentation, ScalarUDF};
use jsonpath_rust::parser::model::{JpQuery, Segment};
use jsonpath_rust::parser::parse_json_path;
use jsonpath_rust::query::{QueryRef, js_path_process};
use serde_json::Value;

use super::texts::{LastRead, Taken, TextFunction, Texts, all, excerpt};

/// How many `..` a path may have: with each, what is found can be the whole document for every
/// value of it.
const MOST_DESCENTS: usize = 1;

/// `json_path`
pub(super) fn json_path() -> Arc<ScalarUDF> {
    let documentation = Documentation::builder(
        DOC_SECTION_OTHER,
        "What a JSONPath (RFC 9535) finds in a document, as a list: texts as they are, other values \
         as JSON; an empty list if it finds nothing.",
        "json_path(document, path)",
    )
    .with_argument("document", "A JSON document.")
    .with_argument("path", "A JSONPath, such as `$.spec.containers[*].image`.")
    .with_sql_example(
        "SELECT name, json_path(object, '$.spec.containers[*].image') FROM events WHERE kind = 'Pod'",
    )
    .build();
    TextFunction::udf(
        "json_path",
        2..=2,
        Taken::AsJson,
        DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
        documentation,
        compute,
    )
}

fn compute(texts: &[Texts], rows: usize) -> Result<ArrayRef> {
    let mut lists = ListBuilder::new(StringBuilder::new());
    let mut paths = LastRead::new();
    for row in 0..rows {
        let Some([document, path]) = all(texts, row) else {
            lists.append_null();
            continue;
        };
        let path = paths.get(&path, parse)?;
        let document: Value = serde_json::from_str(&document).map_err(|error| {
            exec_datafusion_err!("json_path: `{}` is no JSON: {error}", excerpt(&document))
        })?;
        let found = js_path_process(path, &document)
            .map_err(|error| exec_datafusion_err!("json_path: {error}"))?;
        for value in found.into_iter().map(QueryRef::val) {
            match value {
                Value::Null => lists.values().append_null(),
                Value::String(text) => lists.values().append_value(text),
                other => lists.values().append_value(other.to_string()),
            }
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

fn parse(path: &str) -> Result<JpQuery> {
    let parsed = parse_json_path(path)
        .map_err(|error| exec_datafusion_err!("json_path: `{}`: {error}", excerpt(path)))?;
    let descents = parsed
        .segments
        .iter()
        .filter(|segment| matches!(segment, Segment::Descendant(_)));
    if descents.count() > MOST_DESCENTS {
        return exec_err!("json_path: `{}` has more than one `..`", excerpt(path));
    }
    Ok(parsed)
}
