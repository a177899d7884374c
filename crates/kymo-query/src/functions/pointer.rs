//! Reaching into JSON documents by a pointer.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, StringBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_OTHER;
use datafusion::logical_expr::{Documentation, ScalarUDF};
use serde_json::Value;

use super::texts::{Taken, TextFunction, Texts, all, excerpt};

/// `json_pointer`
pub(super) fn json_pointer() -> Arc<ScalarUDF> {
    let documentation = Documentation::builder(
        DOC_SECTION_OTHER,
        "The value to which a JSON Pointer (RFC 6901) points, as `->>` gives it: texts without \
         quotes, all else as JSON; null if there is none.",
        "json_pointer(document, pointer)",
    )
    .with_argument("document", "A JSON document.")
    .with_argument("pointer", "A pointer, such as `/spec/containers/0/image`.")
    .with_sql_example("SELECT json_pointer(object, '/spec/nodeName') FROM events")
    .build();
    TextFunction::udf(
        "json_pointer",
        2..=2,
        Taken::AsJson,
        DataType::Utf8,
        documentation,
        values,
    )
}

fn values(texts: &[Texts], rows: usize) -> Result<ArrayRef> {
    let mut results = StringBuilder::new();
    for row in 0..rows {
        let Some([document, pointer]) = all(texts, row) else {
            results.append_null();
            continue;
        };
        if !(pointer.is_empty() || pointer.starts_with('/')) {
            return exec_err!(
                "json_pointer: `{}` is not a JSON Pointer such as `/spec/nodeName`",
                excerpt(&pointer)
            );
        }
        let document: Value = serde_json::from_str(&document).map_err(|error| {
            exec_datafusion_err!(
                "json_pointer: `{}` is not JSON: {error}",
                excerpt(&document)
            )
        })?;
        match document.pointer(&pointer) {
            None | Some(Value::Null) => results.append_null(),
            Some(Value::String(text)) => results.append_value(text),
            Some(other) => results.append_value(other.to_string()),
        }
    }
    Ok(Arc::new(results.finish()))
}
