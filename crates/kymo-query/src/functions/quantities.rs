//! Quantities, and what pods ask for.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_OTHER;
use datafusion::logical_expr::{Documentation, ScalarUDF};
use kymo_model::{parse_quantity, pod_requests};

use super::texts::{Taken, TextFunction, all, excerpt};

/// `quantity`, `requests`, `cpu` and `memory`.
pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        quantity(),
        requests(),
        requests_of(
            "cpu",
            "The cores that a pod asks for, by the scheduler's rule.",
            "SELECT sum(cpu(object)) FROM events WHERE kind = 'Pod' AND type = 'ADDED'",
        ),
        requests_of(
            "memory",
            "The bytes of memory that a pod asks for, by the scheduler's rule.",
            "SELECT max(memory(object)) FROM events WHERE kind = 'Pod'",
        ),
    ]
}

fn quantity() -> Arc<ScalarUDF> {
    let documentation = Documentation::builder(
        DOC_SECTION_OTHER,
        "A Kubernetes quantity as a number of base units: cores, bytes, pieces.",
        "quantity(text)",
    )
    .with_argument("text", "A quantity, such as `500m` or `1.5Gi`.")
    .with_sql_example("SELECT quantity('1.5Gi')")
    .build();
    TextFunction::udf(
        "quantity",
        1..=1,
        Taken::AsText,
        DataType::Float64,
        documentation,
        |texts, rows| {
            let values = (0..rows).map(|row| {
                let Some([text]) = all(texts, row) else {
                    return Ok(None);
                };
                parse_quantity(&text)
                    .map(Some)
                    .map_err(|error| exec_datafusion_err!("quantity: {error}"))
            });
            numbers(values)
        },
    )
}

fn requests() -> Arc<ScalarUDF> {
    let documentation = Documentation::builder(
        DOC_SECTION_OTHER,
        "What a pod asks of a node, by the scheduler's rule, in base units; 0 if nothing asks for \
         the resource.",
        "requests(object, resource)",
    )
    .with_argument("object", "A pod as JSON.")
    .with_argument("resource", "A resource, such as `nvidia.com/gpu`.")
    .with_sql_example(
        "SELECT name, requests(object, 'ephemeral-storage') FROM events WHERE kind = 'Pod'",
    )
    .build();
    TextFunction::udf(
        "requests",
        2..=2,
        Taken::AsJson,
        DataType::Float64,
        documentation,
        |texts, rows| {
            let values = (0..rows).map(|row| match all(texts, row) {
                Some([pod, resource]) => requested("requests", &pod, &resource).map(Some),
                None => Ok(None),
            });
            numbers(values)
        },
    )
}

/// A function with the name of the resource that it tells.
fn requests_of(
    name: &'static str,
    description: &'static str,
    example: &'static str,
) -> Arc<ScalarUDF> {
    let syntax = format!("{name}(object)");
    let documentation = Documentation::builder(DOC_SECTION_OTHER, description, syntax)
        .with_argument("object", "A pod as JSON.")
        .with_sql_example(example)
        .build();
    TextFunction::udf(
        name,
        1..=1,
        Taken::AsJson,
        DataType::Float64,
        documentation,
        move |texts, rows| {
            let values = (0..rows).map(|row| match all(texts, row) {
                Some([pod]) => requested(name, &pod, name).map(Some),
                None => Ok(None),
            });
            numbers(values)
        },
    )
}

fn requested(function: &str, pod: &str, resource: &str) -> Result<f64> {
    let pod = serde_json::from_str(pod).map_err(|error| {
        exec_datafusion_err!("{function}: `{}` is not JSON: {error}", excerpt(pod))
    })?;
    let requests =
        pod_requests(&pod).map_err(|error| exec_datafusion_err!("{function}: {error}"))?;
    Ok(requests.get(resource).copied().unwrap_or(0.0))
}

fn numbers(values: impl Iterator<Item = Result<Option<f64>>>) -> Result<ArrayRef> {
    let array: Float64Array = values.collect::<Result<_>>()?;
    Ok(Arc::new(array))
}
