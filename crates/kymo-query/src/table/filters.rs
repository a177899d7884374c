//! What the scan of events makes of a query's filters.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::tree_node::TreeNode as _;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::TableProviderFilterPushDown;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::expr_rewriter::unnormalize_col;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use datafusion::physical_optimizer::pruning::{PruningPredicate, PruningPredicateBuilder};
use datafusion::prelude::Expr;

use super::pushdown;
use crate::conditions::Conditions;
use crate::paths::PathColumn;
use crate::source::Predicate;

/// The column with whole objects.
pub(crate) const OBJECT: &str = "object";

/// Columns that cost so much that filters over them are left to the engine.
const COSTLY: [&str; 2] = [OBJECT, "patch"];

/// The columns of a scan: those of `events`, and behind them what is made of objects.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns<'a> {
    pub(super) schema: &'a SchemaRef,
    /// How many of them are columns of `events`.
    pub(super) base: usize,
    pub(super) paths: &'a [PathColumn],
    /// The source can evaluate filters.
    pub(super) takes_predicates: bool,
}

/// What became of filters.
#[derive(Clone, Debug, Default)]
pub(super) struct Filters {
    pub(super) conditions: Conditions,
    pub(super) predicate: Option<Predicate>,
    /// What the scan makes sure of, for EXPLAIN, without the conditions.
    pub(super) exact: Vec<String>,
    /// What it only uses to leave out row groups.
    pub(super) inexact: Vec<String>,
}

impl Columns<'_> {
    /// Tells what the scan can make of a filter.
    pub(super) fn support(&self, filter: &Expr) -> TableProviderFilterPushDown {
        if pushdown::conditions(filter).is_some() {
            return TableProviderFilterPushDown::Exact;
        }
        if !self.takes_predicates || !is_plain(filter) {
            return TableProviderFilterPushDown::Unsupported;
        }
        let columns = filter.column_refs();
        if columns
            .iter()
            .all(|column| !COSTLY.contains(&column.name.as_str()))
        {
            return TableProviderFilterPushDown::Exact;
        }
        // The expression is only looked at, so it needs no session.
        let physical = |expr: Expr, columns: &DFSchema| {
            let context = PhysicalPlanningContext::default();
            create_physical_expr(&expr, columns, &ExecutionProps::new(), &context)
        };
        match self.pruning(std::slice::from_ref(filter), &physical) {
            Ok(Some(_)) => TableProviderFilterPushDown::Inexact,
            _ => TableProviderFilterPushDown::Unsupported,
        }
    }

    /// Takes the filters that were found to be supported.
    pub(super) fn filters(&self, filters: &[Expr], session: &dyn Session) -> Result<Filters> {
        let physical = |expr, columns: &DFSchema| session.create_physical_expr(expr, columns);
        let mut found = Filters::default();
        let mut exact = Vec::new();
        for filter in filters {
            if let Some(conditions) = pushdown::conditions(filter) {
                for condition in conditions {
                    found.conditions.and(condition);
                }
                continue;
            }
            match self.support(filter) {
                TableProviderFilterPushDown::Exact => {
                    found.exact.push(filter.human_display().to_string());
                    exact.push(filter.clone());
                }
                TableProviderFilterPushDown::Inexact => {
                    found.inexact.push(filter.human_display().to_string());
                }
                TableProviderFilterPushDown::Unsupported => {}
            }
        }
        if !self.takes_predicates {
            return Ok(found);
        }
        let mut predicate = Predicate::new();
        if let Some(all) = conjunction(exact) {
            predicate = self.evaluated(all, predicate, &physical)?;
        }
        if let Some(pruning) = self.pruning(filters, &physical)? {
            predicate = predicate.with_pruning(pruning);
        }
        found.predicate = Some(predicate);
        Ok(found)
    }

    /// Adds an expression over the columns that it reads.
    fn evaluated(
        &self,
        filter: Expr,
        predicate: Predicate,
        physical: &ToPhysical<'_>,
    ) -> Result<Predicate> {
        let names: BTreeSet<String> = filter
            .column_refs()
            .into_iter()
            .map(|column| column.name.clone())
            .collect();
        let indices: Vec<usize> = (0..self.schema.fields().len())
            .filter(|index| names.contains(self.schema.field(*index).name()))
            .collect();
        let schema = Arc::new(self.schema.project(&indices)?);
        let columns = DFSchema::try_from(Arc::clone(&schema))?;
        let expr = physical(unnormalize_col(filter), &columns)?;
        let (columns, paths): (Vec<usize>, Vec<usize>) =
            indices.into_iter().partition(|index| *index < self.base);
        let paths = paths
            .iter()
            .filter_map(|index| self.paths.get(index - self.base));
        Ok(predicate.with_expr(columns, paths.cloned().collect(), expr))
    }

    /// Returns what filters say of bounds; `None` if that is nothing.
    fn pruning(
        &self,
        filters: &[Expr],
        physical: &ToPhysical<'_>,
    ) -> Result<Option<Arc<PruningPredicate>>> {
        let Some(all) = conjunction(filters.iter().cloned()) else {
            return Ok(None);
        };
        let columns = DFSchema::try_from(Arc::clone(self.schema))?;
        let expr = physical(unnormalize_col(all), &columns)?;
        let builder = PruningPredicateBuilder::new().with_file_schema(Arc::clone(self.schema));
        Ok(builder.build(expr))
    }
}

/// Makes an expression over columns that can be evaluated.
type ToPhysical<'a> = dyn Fn(Expr, &DFSchema) -> Result<Arc<dyn PhysicalExpr>> + 'a;

/// Tells whether a filter depends on nothing but the row.
fn is_plain(filter: &Expr) -> bool {
    let has_other = filter.exists(|expr| {
        Ok(matches!(
            expr,
            Expr::AggregateFunction(_)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::OuterReferenceColumn(..)
                | Expr::Placeholder(_)
                | Expr::ScalarSubquery(_)
                | Expr::ScalarVariable(..)
                | Expr::SetComparison(_)
                | Expr::WindowFunction(_)
        ))
    });
    matches!(has_other, Ok(false)) && !filter.is_volatile()
}
