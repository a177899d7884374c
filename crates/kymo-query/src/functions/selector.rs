//! Label selectors.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, MapArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, plan_err};
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_OTHER;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use kymo_model::LabelSelector;

use super::texts::{LastRead, Taken, Texts, excerpt, text_type};

/// `matches`
pub(super) fn matches() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(Matches {
        signature: Signature::user_defined(Volatility::Immutable),
        documentation: Documentation::builder(
            DOC_SECTION_OTHER,
            "Whether labels match a label selector, as `kubectl -l` does. Labels that are null \
             match as none do.",
            "matches(labels, selector)",
        )
        .with_argument("labels", "The column `labels`, or a JSON object of texts.")
        .with_argument(
            "selector",
            "A selector, such as `app=web,tier in (a,b),!canary`.",
        )
        .with_sql_example(
            "SELECT DISTINCT name FROM events WHERE matches(labels, 'app=web,!canary')",
        )
        .build(),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Matches {
    signature: Signature,
    documentation: Documentation,
}

impl ScalarUDFImpl for Matches {
    fn name(&self) -> &'static str {
        "matches"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [labels, selector] = types else {
            return plan_err!("matches takes 2 arguments, not {}", types.len());
        };
        let labels_taken = if is_map(labels) {
            Some(labels.clone())
        } else {
            text_type(labels)
        };
        match (labels_taken, text_type(selector)) {
            (Some(labels), Some(selector)) => Ok(vec![labels, selector]),
            _ => {
                plan_err!("matches takes labels and a label selector, not {labels} and {selector}")
            }
        }
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [labels, selectors] = args.args.as_slice() else {
            return plan_err!("matches takes 2 arguments");
        };
        let is_constant = |value: &ColumnarValue| matches!(value, ColumnarValue::Scalar(_));
        let is_constant = is_constant(labels) && is_constant(selectors);
        let rows = if is_constant { 1 } else { args.number_rows };
        let selectors = Texts::of(selectors, Taken::AsText)?;
        let results = if is_map(&labels.data_type()) {
            of_maps(labels.to_array(rows)?.as_map(), &selectors)?
        } else {
            of_json(&Texts::of(labels, Taken::AsJson)?, &selectors, rows)?
        };
        if is_constant {
            return ScalarValue::try_from_array(&results, 0).map(ColumnarValue::Scalar);
        }
        let results: ArrayRef = Arc::new(results);
        Ok(ColumnarValue::Array(results))
    }
}

/// Labels as the column has them.
fn is_map(data_type: &DataType) -> bool {
    let DataType::Map(entries, _) = data_type else {
        return false;
    };
    match entries.data_type() {
        DataType::Struct(fields) => fields
            .iter()
            .all(|field| *field.data_type() == DataType::Utf8),
        _ => false,
    }
}

fn read(text: &str) -> Result<LabelSelector> {
    text.parse()
        .map_err(|error| exec_datafusion_err!("matches: {error}"))
}

fn of_maps(labels: &MapArray, selectors: &Texts) -> Result<BooleanArray> {
    let mut selector_read = LastRead::new();
    let keys = labels.keys().as_string::<i32>();
    let values = labels.values().as_string::<i32>();
    let offsets = labels.value_offsets();
    (0..labels.len())
        .map(|row| {
            let Some(selector) = selectors.get(row) else {
                return Ok(None);
            };
            let selector = selector_read.get(&selector, read)?;
            let range = match offsets.get(row..row + 2) {
                Some(&[start, end]) if labels.is_valid(row) => start as usize..end as usize,
                _ => 0..0,
            };
            Ok(Some(selector.matches(|key| {
                let mut places = range.clone();
                let place = places.find(|place| keys.value(*place) == key)?;
                values.is_valid(place).then(|| values.value(place))
            })))
        })
        .collect()
}

fn of_json(labels: &Texts, selectors: &Texts, rows: usize) -> Result<BooleanArray> {
    let mut selector_read = LastRead::new();
    (0..rows)
        .map(|row| {
            let Some(selector) = selectors.get(row) else {
                return Ok(None);
            };
            let selector = selector_read.get(&selector, read)?;
            let labels: HashMap<String, String> = match labels.get(row) {
                None => HashMap::new(),
                Some(text) => serde_json::from_str(&text).map_err(|error| {
                    exec_datafusion_err!(
                        "matches: `{}` is not a JSON object of texts: {error}",
                        excerpt(&text)
                    )
                })?,
            };
            Ok(Some(
                selector.matches(|key| labels.get(key).map(String::as_str)),
            ))
        })
        .collect()
}
