//! The table `lineage`.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::error::ArrowError;
use serde_json::Value;

/// The texts that a step of kymo has beside its details.
const TEXTS: [&str; 3] = ["command", "tool", "at"];

/// One row for each step by which a trace came to be, oldest first: what was done, with what, when,
/// and all that is told of it as JSON.
pub(super) fn lineage(steps: &[Value]) -> Result<RecordBatch, ArrowError> {
    let numbers: Int64Array = (1..).take(steps.len()).map(Some).collect();
    let mut columns = vec![("step", Arc::new(numbers) as ArrayRef, false)];
    for name in TEXTS {
        let texts: StringArray = steps
            .iter()
            .map(|step| step.get(name).and_then(Value::as_str))
            .collect();
        columns.push((name, Arc::new(texts), true));
    }
    let details: StringArray = steps.iter().map(|step| Some(step.to_string())).collect();
    columns.push(("details", Arc::new(details), false));
    RecordBatch::try_from_iter_with_nullable(columns)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::AsArray as _;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_step_of_another_tool_is_told_as_it_is() {
        let steps = [
            json!({"tool": "kymo 0.1.0", "command": "import audit", "at": "2026-11-21T02:00:00Z"}),
            json!(["made elsewhere"]),
        ];
        let batch = lineage(&steps).unwrap();
        assert_eq!(batch.num_rows(), 2);
        let commands = batch.column_by_name("command").unwrap();
        assert_eq!(commands.as_string::<i32>().value(0), "import audit");
        assert!(commands.is_null(1));
        let details = batch.column_by_name("details").unwrap();
        assert_eq!(details.as_string::<i32>().value(1), r#"["made elsewhere"]"#);
    }
}
