use std::sync::Arc;

use datafusion::arrow::array::{Array as _, AsArray as _, BooleanArray, RecordBatch};
use datafusion::arrow::compute::prep_null_mask_filter;
use datafusion::common::pruning::PruningStatistics;
use datafusion::error::DataFusionError;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::pruning::PruningPredicate;

use crate::Error;
use crate::error::{Phase, translate};
use crate::paths::PathColumn;

/// A condition that is evaluated on columns and paths, and what it tells of row groups.
#[derive(Clone, Debug, Default)]
pub struct Predicate {
    columns: Vec<usize>,
    paths: Vec<PathColumn>,
    expr: Option<Arc<dyn PhysicalExpr>>,
    pruning: Option<Arc<PruningPredicate>>,
}

impl Predicate {
    /// Makes a predicate that is true for every row.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Demands that an expression is true over a batch of these columns and, behind them, paths.
    pub(crate) fn with_expr(
        mut self,
        columns: Vec<usize>,
        paths: Vec<PathColumn>,
        expr: Arc<dyn PhysicalExpr>,
    ) -> Self {
        (self.columns, self.paths, self.expr) = (columns, paths, Some(expr));
        self
    }

    /// Adds what is known of bounds that wanted rows have.
    pub(crate) fn with_pruning(mut self, pruning: Arc<PruningPredicate>) -> Self {
        self.pruning = Some(pruning);
        self
    }

    /// Returns the columns that it reads, as indices into the schema of `events`.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Returns what it reads of objects.
    pub fn paths(&self) -> &[PathColumn] {
        &self.paths
    }

    /// Tells whether rows have to be looked at.
    pub fn has_expr(&self) -> bool {
        self.expr.is_some()
    }

    /// Tells for each row whether it is wanted; the batch begins with [`Self::columns`] and then
    /// [`Self::paths`].
    pub fn keeps(&self, batch: &RecordBatch) -> Result<BooleanArray, Error> {
        let Some(expr) = &self.expr else {
            return Ok(BooleanArray::from(vec![true; batch.num_rows()]));
        };
        let value = expr
            .evaluate(batch)
            .and_then(|value| value.into_array(batch.num_rows()))
            .map_err(|error| translate(error, Phase::Running))?;
        let Some(keeps) = value.as_boolean_opt() else {
            let message = "a filter is not boolean".to_owned();
            return Err(translate(
                DataFusionError::Internal(message),
                Phase::Running,
            ));
        };
        Ok(match keeps.null_count() {
            0 => keeps.clone(),
            _ => prep_null_mask_filter(keeps),
        })
    }

    /// Tells for each of several sets of rows whether it can hold a wanted one.
    pub(crate) fn can_be_in(&self, sets: &dyn PruningStatistics) -> Vec<bool> {
        let all = || vec![true; sets.num_containers()];
        match &self.pruning {
            // What cannot be decided is read.
            Some(pruning) => pruning.prune(sets).unwrap_or_else(|_| all()),
            None => all(),
        }
    }
}
