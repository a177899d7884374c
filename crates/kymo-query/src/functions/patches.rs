//! Differences between JSON documents, and patches.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, StringBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_OTHER;
use datafusion::logical_expr::{Documentation, ScalarUDF};
use serde_json::Value;

use super::engine::MOST_BYTES;
use super::texts::{LastRead, Taken, TextFunction, Texts, all, excerpt};
use crate::Error;

/// Makes a document of two; an error says what is wrong with them.
type Compute = fn(Value, &Value) -> Result<Value, String>;

/// `json_diff`, `json_patch` and `json_merge`.
pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let diff = Documentation::builder(
        DOC_SECTION_OTHER,
        "The JSON Patch (RFC 6902) that makes the second document of the first.",
        "json_diff(before, after)",
    )
    .with_argument("before", "A JSON document.")
    .with_argument("after", "A JSON document.")
    .with_sql_example(r#"SELECT json_diff('{"a":1}', '{"a":2}')"#)
    .build();
    let patch = Documentation::builder(
        DOC_SECTION_OTHER,
        "The document after a JSON Patch (RFC 6902).",
        "json_patch(document, patch)",
    )
    .with_argument("document", "A JSON document.")
    .with_argument("patch", "A JSON Patch: an array of operations.")
    .with_sql_example(r#"SELECT json_patch('{"a":1}', '[{"op":"remove","path":"/a"}]')"#)
    .build();
    let merge = Documentation::builder(
        DOC_SECTION_OTHER,
        "The document after a merge patch (RFC 7386): null removes a member.",
        "json_merge(document, patch)",
    )
    .with_argument("document", "A JSON document.")
    .with_argument("patch", "A merge patch.")
    .with_sql_example(r#"SELECT json_merge('{"a":1,"b":2}', '{"a":null}')"#)
    .build();
    vec![
        function("json_diff", diff, |before, after| {
            let most = paths(&before, 0).saturating_add(paths(after, 0));
            if most > MOST_BYTES {
                return Err("the paths in the documents are too long".to_owned());
            }
            serde_json::to_value(json_patch::diff(&before, after))
                .map_err(|error| error.to_string())
        }),
        function("json_patch", patch, |mut document, patch| {
            kymo_patch::json_patch(&mut document, patch).map_err(|error| error.to_string())?;
            Ok(document)
        }),
        function("json_merge", merge, |mut document, patch| {
            kymo_patch::merge_patch(&mut document, patch);
            Ok(document)
        }),
    ]
}

fn function(name: &'static str, documentation: Documentation, compute: Compute) -> Arc<ScalarUDF> {
    TextFunction::udf(
        name,
        2..=2,
        Taken::AsJson,
        DataType::Utf8,
        documentation,
        move |texts, rows| documents(name, texts, rows, compute),
    )
}

fn documents(name: &str, texts: &[Texts], rows: usize, compute: Compute) -> Result<ArrayRef> {
    let read = |text: &str| {
        serde_json::from_str::<Value>(text).map_err(|error| {
            exec_datafusion_err!("{name}: `{}` is not JSON: {error}", excerpt(text))
        })
    };
    let mut second_read = LastRead::new();
    let mut results = StringBuilder::new();
    // What the results may have more than the columns that they are made of.
    let mut room = MOST_BYTES;
    for row in 0..rows {
        let Some([first, second]) = all(texts, row) else {
            results.append_null();
            continue;
        };
        let result = compute(read(&first)?, second_read.get(&second, read)?)
            .map_err(|reason| {
                let [first, second] = [excerpt(&first), excerpt(&second)];
                exec_datafusion_err!("{name}: of `{first}` and `{second}`: {reason}")
            })?
            .to_string();
        let mut taken = 0;
        for (texts, text) in texts.iter().zip([&first, &second]) {
            taken += if texts.is_constant() { 0 } else { text.len() };
        }
        let more = bytes(result.len().saturating_sub(taken));
        room = room.checked_sub(more).ok_or_else(|| Error::TooLarge {
            function: name.to_owned(),
            bytes: MOST_BYTES.saturating_add(more),
            limit: MOST_BYTES,
        })?;
        results.append_value(result);
    }
    Ok(Arc::new(results.finish()))
}

/// Returns the length of the paths of all values in a document, which a difference may name.
fn paths(value: &Value, above: u64) -> u64 {
    let below = |name: u64, value| {
        let path = above.saturating_add(name).saturating_add(1);
        path.saturating_add(paths(value, path))
    };
    match value {
        Value::Array(items) => items
            .iter()
            .map(|item| below(20, item))
            .fold(0, u64::saturating_add),
        Value::Object(members) => members
            .iter()
            // `~` and `/` take two characters.
            .map(|(name, item)| below(bytes(name.len()).saturating_mul(2), item))
            .fold(0, u64::saturating_add),
        _ => 0,
    }
}

fn bytes(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_paths_of_a_document_are_bounded_from_above() {
        let document = json!({ "a/b": { "~": [1, { "c": 2 }] } });
        let mut longest = 0;
        for path in [
            "/a~1b",
            "/a~1b/~0",
            "/a~1b/~0/0",
            "/a~1b/~0/1",
            "/a~1b/~0/1/c",
        ] {
            assert!(document.pointer(path).is_some(), "{path}");
            longest += bytes(path.len());
        }
        assert!(paths(&document, 0) >= longest);
        assert_eq!(paths(&json!(1), 0), 0);
    }
}
