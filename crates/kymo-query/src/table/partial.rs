//! The table `partial`.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::error::ArrowError;
use serde_json::Value;

/// One row for each resource of which a transform has left out objects or versions, as the steps of
/// the lineage tell: what is missing there says nothing of the cluster.
pub(super) fn partial(steps: &[Value]) -> Result<RecordBatch, ArrowError> {
    let resources: BTreeSet<(&str, &str)> = steps
        .iter()
        .filter_map(|step| step.get("partial")?.as_array())
        .flatten()
        .filter_map(|resource| {
            let text = |name| resource.get(name).and_then(Value::as_str);
            Some((text("api_group")?, text("resource")?))
        })
        .collect();
    let column = |of: fn(&(&str, &str)) -> String| -> ArrayRef {
        let texts = resources.iter().map(|resource| Some(of(resource)));
        Arc::new(texts.collect::<StringArray>())
    };
    RecordBatch::try_from_iter_with_nullable([
        ("api_group", column(|(group, _)| (*group).to_owned()), false),
        (
            "resource",
            column(|(_, resource)| (*resource).to_owned()),
            false,
        ),
    ])
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::AsArray as _;
    use serde_json::json;

    use super::*;

    #[test]
    fn each_resource_comes_once_and_what_is_no_resource_never() {
        let steps = [
            json!({"command": "record"}),
            json!({"partial": [{"api_group": "", "resource": "pods"}, {"resource": "nodes"}, 7]}),
            json!({"partial": [
                {"api_group": "apps", "resource": "deployments"},
                {"api_group": "", "resource": "pods"},
            ]}),
            json!({"partial": "pods"}),
        ];
        let batch = partial(&steps).unwrap();
        let resources = batch.column_by_name("resource").unwrap();
        let resources: Vec<_> = resources.as_string::<i32>().iter().flatten().collect();
        assert_eq!(resources, ["pods", "deployments"]);
        assert_eq!(partial(&[]).unwrap().num_rows(), 0);
    }
}
