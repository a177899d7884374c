//! Documents with a value set or taken out.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type, UInt64Type};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, plan_datafusion_err, plan_err};
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_OTHER;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use serde_json::{Map, Value};

use super::engine::MOST_BYTES;
use super::texts::{Taken, TextFunction, Texts, all, excerpt, text_type};
use crate::Error;

/// `json_set` and `json_remove`.
pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let remove = Documentation::builder(
        DOC_SECTION_OTHER,
        "The document without the value to which a JSON Pointer (RFC 6901) points; as it is if there \
         is none.",
        "json_remove(document, pointer)",
    )
    .with_argument("document", "A JSON document.")
    .with_argument("pointer", "A pointer, such as `/spec/nodeName`.")
    .with_sql_example(r#"SELECT json_remove('{"a":1,"b":2}', '/a')"#)
    .build();
    vec![
        Arc::new(ScalarUDF::new_from_impl(JsonSet::new())),
        TextFunction::udf(
            REMOVE,
            2..=2,
            Taken::AsJson,
            DataType::Utf8,
            remove,
            removed,
        ),
    ]
}

const SET: &str = "json_set";
const REMOVE: &str = "json_remove";

fn read(function: &str, text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| {
        exec_datafusion_err!("{function}: `{}` is not JSON: {error}", excerpt(text))
    })
}

/// Splits a pointer into the names on the way.
fn steps(function: &str, pointer: &str) -> Result<Vec<String>> {
    if pointer.is_empty() {
        return Ok(Vec::new());
    }
    let Some(names) = pointer.strip_prefix('/') else {
        return Err(exec_datafusion_err!(
            "{function}: `{}` is not a JSON Pointer such as `/spec/nodeName`",
            excerpt(pointer)
        ));
    };
    let name = |name: &str| name.replace("~1", "/").replace("~0", "~");
    let names: Vec<String> = names.split('/').map(name).collect();
    if names.len() > kymo_patch::MAX_DEPTH {
        return Err(exec_datafusion_err!(
            "{function}: `{}` leads more than {} levels down",
            excerpt(pointer),
            kymo_patch::MAX_DEPTH
        ));
    }
    Ok(names)
}

/// An index as RFC 6901 writes it.
fn index(name: &str) -> Option<usize> {
    let is_index = name == "0" || (!name.starts_with('0') && !name.starts_with('+'));
    name.parse().ok().filter(|_| is_index)
}

/// Sets a value; objects that are missing on the way are made.
fn set(document: &mut Value, steps: &[String], value: Value) -> std::result::Result<(), String> {
    let mut place = document;
    for name in steps {
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        place = match place {
            Value::Object(members) => members.entry(name.as_str()).or_insert(Value::Null),
            Value::Array(items) => {
                let length = items.len();
                if name == "-" || index(name) == Some(length) {
                    items.push(Value::Null);
                }
                let index = if name == "-" {
                    length
                } else {
                    index(name).unwrap_or(usize::MAX)
                };
                items
                    .get_mut(index)
                    .ok_or_else(|| format!("an array of {length} has no place `{name}`"))?
            }
            _ => {
                return Err(format!(
                    "`{name}` is looked for in what is no object or array"
                ));
            }
        };
    }
    *place = value;
    Ok(())
}

/// Takes out a value, if it is there.
fn remove(document: &mut Value, steps: &[String]) {
    let Some((last, way)) = steps.split_last() else {
        *document = Value::Null;
        return;
    };
    let mut place = document;
    for name in way {
        let next = match place {
            Value::Object(members) => members.get_mut(name),
            Value::Array(items) => index(name).and_then(|index| items.get_mut(index)),
            _ => None,
        };
        let Some(next) = next else { return };
        place = next;
    }
    match place {
        Value::Object(members) => {
            members.shift_remove(last);
        }
        Value::Array(items) => {
            if let Some(index) = index(last).filter(|index| *index < items.len()) {
                items.remove(index);
            }
        }
        _ => {}
    }
}

fn removed(texts: &[Texts], rows: usize) -> Result<ArrayRef> {
    let mut results = StringBuilder::new();
    for row in 0..rows {
        let Some([document, pointer]) = all(texts, row) else {
            results.append_null();
            continue;
        };
        let steps = steps(REMOVE, &pointer)?;
        let mut document = read(REMOVE, &document)?;
        remove(&mut document, &steps);
        results.append_value(document.to_string());
    }
    Ok(Arc::new(results.finish()))
}

/// `json_set(document, pointer, value [, pointer, value]...)`
#[derive(Debug)]
struct JsonSet {
    signature: Signature,
    documentation: Documentation,
}

impl JsonSet {
    fn new() -> Self {
        let documentation = Documentation::builder(
            DOC_SECTION_OTHER,
            "The document with a value set where a JSON Pointer (RFC 6901) points. A text becomes a \
             text, a number a number, what `->` gives stays what it is, null becomes null. Objects \
             that are missing on the way are made; `-` is behind the end of an array.",
            "json_set(document, pointer, value[, pointer, value, ...])",
        )
        .with_argument("document", "A JSON document.")
        .with_argument("pointer", "A pointer, such as `/spec/priority`.")
        .with_argument("value", "A text, a number, a truth value or JSON of `->`.")
        .with_sql_example(r#"SELECT json_set('{"spec":{}}', '/spec/priority', 1000)"#)
        .build();
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
            documentation,
        }
    }
}

impl PartialEq for JsonSet {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for JsonSet {}

impl Hash for JsonSet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        SET.hash(state);
    }
}

impl ScalarUDFImpl for JsonSet {
    fn name(&self) -> &'static str {
        SET
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if types.len() < 3 || types.len().is_multiple_of(2) {
            return plan_err!(
                "{SET} takes a document and pairs of a pointer and a value, not {} arguments",
                types.len()
            );
        }
        let coerced = types.iter().enumerate().map(|(at, given)| {
            let is_value = at > 0 && at.is_multiple_of(2);
            let taken = if is_value {
                value_type(given)
            } else {
                text_type(given)
            };
            let wanted = if is_value {
                "values that are texts, numbers, truth values or JSON"
            } else {
                "a document and pointers that are texts"
            };
            taken.ok_or_else(|| plan_datafusion_err!("{SET} takes {wanted}, not {given}"))
        });
        coerced.collect()
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { args.number_rows };
        let results = edited(&args.args, rows)?;
        if is_constant {
            return ScalarValue::try_from_array(&results, 0).map(ColumnarValue::Scalar);
        }
        Ok(ColumnarValue::Array(results))
    }
}

/// Returns the type in which a value is taken; `None` if it is none of JSON.
fn value_type(given: &DataType) -> Option<DataType> {
    match given {
        DataType::Boolean => Some(DataType::Boolean),
        DataType::UInt64 => Some(DataType::UInt64),
        integer if integer.is_integer() => Some(DataType::Int64),
        number if number.is_floating() || number.is_decimal() => Some(DataType::Float64),
        other => text_type(other),
    }
}

/// A column of values to set.
enum Values {
    Texts(Texts),
    /// What `->` gives, as JSON.
    Json(Texts),
    Array(ArrayRef),
}

impl Values {
    fn of(value: &ColumnarValue) -> Result<Self> {
        match value.data_type() {
            DataType::Union(..) => Texts::of(value, Taken::AsJson).map(Self::Json),
            DataType::Boolean | DataType::Int64 | DataType::UInt64 | DataType::Float64 => {
                Ok(Self::Array(value.to_array(1)?))
            }
            _ => Texts::of(value, Taken::AsText).map(Self::Texts),
        }
    }

    /// Returns the value of a row, and how many bytes of a column it takes.
    fn get(&self, row: usize) -> Result<(Value, usize)> {
        match self {
            Self::Texts(texts) => {
                let text = texts
                    .get(row)
                    .map_or(Value::Null, |text| Value::String(text.into_owned()));
                let bytes = if texts.is_constant() {
                    0
                } else {
                    text.as_str().map_or(0, str::len)
                };
                Ok((text, bytes))
            }
            Self::Json(texts) => {
                let text = texts.get(row).unwrap_or(Cow::Borrowed("null"));
                let bytes = if texts.is_constant() { 0 } else { text.len() };
                Ok((read(SET, &text)?, bytes))
            }
            Self::Array(array) => {
                // One value stands for all rows.
                let row = if array.len() == 1 { 0 } else { row };
                Ok((scalar(array, row)?, 0))
            }
        }
    }
}

fn scalar(array: &ArrayRef, row: usize) -> Result<Value> {
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).into(),
        _ => {
            let array = cast(array, &DataType::Float64)?;
            let number = array.as_primitive::<Float64Type>().value(row);
            if !number.is_finite() {
                return Err(exec_datafusion_err!("{SET}: JSON has no number {number}"));
            }
            number.into()
        }
    })
}

fn edited(args: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let Some((document, pairs)) = args.split_first() else {
        return plan_err!("{SET} takes a document");
    };
    let documents = Texts::of(document, Taken::AsJson)?;
    let pairs = pairs
        .chunks_exact(2)
        .map(|pair| {
            if let [pointer, value] = pair {
                return Ok((Texts::of(pointer, Taken::AsText)?, Values::of(value)?));
            }
            plan_err!("{SET} takes pairs")
        })
        .collect::<Result<Vec<_>>>()?;
    let mut results = StringBuilder::new();
    // What the results may have more than the columns that they are made of.
    let mut room = MOST_BYTES;
    'rows: for row in 0..rows {
        let Some(text) = documents.get(row) else {
            results.append_null();
            continue;
        };
        let mut taken = if documents.is_constant() {
            0
        } else {
            text.len()
        };
        let mut document = read(SET, &text)?;
        for (pointers, values) in &pairs {
            let Some(pointer) = pointers.get(row) else {
                results.append_null();
                continue 'rows;
            };
            let (value, bytes) = values.get(row)?;
            taken += bytes;
            set(&mut document, &steps(SET, &pointer)?, value).map_err(|reason| {
                let [text, pointer] = [excerpt(&text), excerpt(&pointer)];
                exec_datafusion_err!("{SET}: `{pointer}` of `{text}`: {reason}")
            })?;
        }
        let result = document.to_string();
        let more = u64::try_from(result.len().saturating_sub(taken)).unwrap_or(u64::MAX);
        room = room.checked_sub(more).ok_or_else(|| Error::TooLarge {
            function: SET.to_owned(),
            bytes: MOST_BYTES.saturating_add(more),
            limit: MOST_BYTES,
        })?;
        results.append_value(result);
    }
    Ok(Arc::new(results.finish()))
}
