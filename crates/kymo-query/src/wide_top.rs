//! A physical rule: the first rows of a sort are found in memory where they fit, and by a sort that can spill where they
//! may not.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::limit::LocalLimitExec;
use datafusion::physical_plan::sorts::sort::SortExec;

/// Texts that are names, and how many bytes one takes at most, roughly.
const NAMES: [&str; 4] = ["namespace", "name", "uid", "resource_version"];
const NAME_BYTES: usize = 64;

/// Any other text may be an object, or as large as one.
const TEXT_BYTES: usize = 16 << 10;

const OTHER_BYTES: usize = 16;

/// Lets the engine keep the first rows of a sort in memory only if they take no more than a part of
/// it: it cannot spill them.
#[derive(Debug)]
pub(crate) struct WideTop {
    bytes: usize,
}

impl WideTop {
    /// Makes the rule for readers that share this memory, in bytes.
    pub(crate) fn new(memory_bytes: usize, readers: usize) -> Self {
        Self {
            bytes: memory_bytes / readers.max(1) / 4,
        }
    }
}

impl PhysicalOptimizerRule for WideTop {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let changed = plan.transform_up(|node| {
            let Some(sort) = node.downcast_ref::<SortExec>() else {
                return Ok(Transformed::no(node));
            };
            let rows = sort.fetch().unwrap_or(0);
            if rows.saturating_mul(row_bytes(&node.schema())) <= self.bytes {
                return Ok(Transformed::no(node));
            }
            let whole = Arc::new(sort.with_fetch(None));
            Ok(Transformed::yes(
                Arc::new(LocalLimitExec::new(whole, rows)) as _
            ))
        })?;
        Ok(changed.data)
    }

    fn name(&self) -> &'static str {
        "wide_top"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn row_bytes(schema: &Schema) -> usize {
    let bytes = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::List(_) => {
            if NAMES.contains(&field.name().as_str()) {
                NAME_BYTES
            } else {
                TEXT_BYTES
            }
        }
        _ => OTHER_BYTES,
    });
    bytes.sum()
}
