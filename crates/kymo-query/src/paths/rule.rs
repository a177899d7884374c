use std::collections::HashMap;
use std::sync::Arc;

use datafusion::catalog::default_table_source::provider_as_source;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Aggregate, Distinct, LogicalPlan, Projection, TableScan, TableScanBuilder, Union, Window,
};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};
use datafusion::prelude::Expr;

use super::PathColumn;
use super::provide::{Route, Want, can_provide, events, input_with, pick_instead, route};
use super::registry::{ObjectFunctions, Reads};
use crate::table::OBJECT;

/// Lets functions over `object` work on columns that the scan makes of the paths that they read.
#[derive(Debug)]
pub(crate) struct ObjectPaths {
    functions: ObjectFunctions,
}

impl ObjectPaths {
    /// Makes the rule for some functions.
    pub(crate) fn new(functions: ObjectFunctions) -> Self {
        Self { functions }
    }
}

impl OptimizerRule for ObjectPaths {
    fn name(&self) -> &'static str {
        "object_paths"
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        if !self.has_calls(&plan)? {
            return Ok(Transformed::no(plan));
        }
        // All that a rewritten plan saves is time: what cannot be rewritten runs as it stands.
        match self.root(plan.clone()) {
            Ok(rewritten) if has_same_output(&rewritten.data, &plan) => Ok(rewritten),
            _ => Ok(Transformed::no(plan)),
        }
    }
}

/// Larger plans are left as they are; nothing here goes deeper than a plan has nodes.
const MOST_NODES: usize = 1_000;

/// A plan and where it has what was wanted of it, in the order of the wants.
struct Provided {
    plan: LogicalPlan,
    columns: Vec<Column>,
    changed: bool,
}

/// What a node wants of one input, without doubles.
#[derive(Default)]
struct Asked(Vec<Want>);

impl Asked {
    fn add(&mut self, want: Want) {
        if !self.0.contains(&want) {
            self.0.push(want);
        }
    }
}

/// Where the inputs of a node have what it asked for.
type Found = HashMap<(usize, Want), Column>;

impl ObjectPaths {
    /// Tells whether there is anything to do in a plan.
    fn has_calls(&self, plan: &LogicalPlan) -> Result<bool> {
        let (mut found, mut nodes) = (false, 0);
        plan.apply_with_subqueries(|node| {
            nodes += 1;
            node.apply_expressions(|expr| {
                found |= expr.exists(|expr| Ok(self.call(expr).is_some()))?;
                Ok(TreeNodeRecursion::Continue)
            })?;
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(found && nodes <= MOST_NODES)
    }

    /// Returns the column of objects that a call works on, and what it reads of them.
    fn call(&self, expr: &Expr) -> Option<(Column, Reads)> {
        let Expr::ScalarFunction(ScalarFunction { func, args }) = expr else {
            return None;
        };
        let (object, arguments) = args.split_first()?;
        let column = column_under(object)?;
        let reads = self.functions.reads(func, arguments)?;
        Some((column.clone(), reads))
    }

    /// Rewrites a plan whose output must stay as it is.
    fn root(&self, plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        let schema = Arc::clone(plan.schema());
        let provided = self.node(plan, &[])?;
        let plan = restore(provided.plan, &schema)?;
        Ok(Transformed::new_transformed(plan, provided.changed))
    }

    /// Rewrites a node and all below it so that it has columns for what is wanted, all of which it
    /// can provide. Its output may get other columns too.
    fn node(&self, plan: LogicalPlan, wants: &[Want]) -> Result<Provided> {
        let subqueries = plan.map_subqueries(|subquery| self.root(subquery))?;
        let (plan, mut changed) = (subqueries.data, subqueries.transformed);
        if let LogicalPlan::Distinct(Distinct::On(_)) = plan {
            // The engine replaces it before; it cannot be built anew.
            return Ok(Provided {
                plan,
                columns: Vec::new(),
                changed,
            });
        }
        if let LogicalPlan::TableScan(scan) = plan {
            let mut provided = self.scan(scan, wants)?;
            provided.changed |= changed;
            return Ok(provided);
        }
        let mut asked: Vec<Asked> = plan.inputs().iter().map(|_| Asked::default()).collect();
        let has_own = self.ask_for_calls(&plan, &mut asked)?;
        for want in wants {
            match route(&plan, want) {
                Some(Route::Input(index, want)) => {
                    if let Some(asked) = asked.get_mut(index) {
                        asked.add(want);
                    }
                }
                Some(Route::Picked(_, want)) => {
                    if let Some(asked) = asked.first_mut() {
                        asked.add(want);
                    }
                }
                Some(Route::Inputs(wants)) => {
                    for (asked, want) in asked.iter_mut().zip(wants) {
                        asked.add(want);
                    }
                }
                Some(Route::Scan) | None => {}
            }
        }
        let passes_on = passes_columns_on(&plan);
        let (mut inputs, mut found) = (Vec::new(), Found::new());
        for (index, (input, asked)) in plan.inputs().into_iter().zip(&asked).enumerate() {
            let schema = Arc::clone(input.schema());
            let provided = self.node(input.clone(), &asked.0)?;
            changed |= provided.changed;
            for (want, column) in asked.0.iter().zip(provided.columns) {
                found.insert((index, want.clone()), column);
            }
            inputs.push(if passes_on || !asked.0.is_empty() {
                provided.plan
            } else {
                restore(provided.plan, &schema)?
            });
        }
        if !changed {
            return Ok(Provided {
                plan,
                columns: Vec::new(),
                changed,
            });
        }
        let plan = if has_own {
            self.replace_calls(plan, &found)?
        } else {
            plan
        };
        build(&plan, inputs, wants, &found)
    }

    /// Asks inputs for what the node's own calls read; tells whether there are any.
    fn ask_for_calls(&self, plan: &LogicalPlan, asked: &mut [Asked]) -> Result<bool> {
        let inputs = plan.inputs();
        let mut any = false;
        plan.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Some((index, want)) = self.want_of(expr, plan)
                    && inputs
                        .get(index)
                        .is_some_and(|input| can_provide(input, &want))
                    && let Some(asked) = asked.get_mut(index)
                {
                    asked.add(want);
                    any = true;
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        Ok(any)
    }

    /// Returns what a call wants, and of which input.
    fn want_of(&self, expr: &Expr, plan: &LogicalPlan) -> Option<(usize, Want)> {
        let (column, reads) = self.call(expr)?;
        let index = input_with(plan, &column)?;
        let path = path_column(&reads);
        Some((index, Want { column, path }))
    }

    fn replace_calls(&self, plan: LogicalPlan, found: &Found) -> Result<LogicalPlan> {
        let before = plan.clone();
        let names = NamePreserver::new(&plan);
        let replaced = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let replaced = expr.transform_down(|expr| {
                let column = self
                    .want_of(&expr, &before)
                    .and_then(|want| found.get(&want));
                let (Some(column), Some((_, reads))) = (column, self.call(&expr)) else {
                    return Ok(Transformed::no(expr));
                };
                let call = over_column(expr, &reads, column.clone());
                Ok(Transformed::new(call, true, TreeNodeRecursion::Jump))
            })?;
            Ok(replaced.update_data(|expr| name.restore(expr)))
        })?;
        Ok(replaced.data)
    }

    /// Gives a scan of events columns for what is wanted, and for what its own filters read.
    fn scan(&self, scan: TableScan, wants: &[Want]) -> Result<Provided> {
        let mut paths: Vec<PathColumn> = wants.iter().map(|want| want.path.clone()).collect();
        for filter in &scan.filters {
            filter.apply(|expr| {
                if let Some((column, reads)) = self.call(expr)
                    && column.name == OBJECT
                {
                    paths.push(path_column(&reads));
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        let table = match events(&scan) {
            Some(table) if !paths.is_empty() && table.can_read_paths() => table,
            _ => {
                return Ok(Provided {
                    plan: LogicalPlan::TableScan(scan),
                    columns: Vec::new(),
                    changed: false,
                });
            }
        };
        let (table, indices) = table.with_paths(&paths);
        let column = |path: &PathColumn| Column::new(Some(scan.table_name.clone()), path.name());
        let filters = scan.filters.into_iter().map(|filter| {
            let replaced = filter.transform_down(|expr| match self.call(&expr) {
                Some((object, reads)) if object.name == OBJECT => {
                    let call = over_column(expr, &reads, column(&path_column(&reads)));
                    Ok(Transformed::new(call, true, TreeNodeRecursion::Jump))
                }
                _ => Ok(Transformed::no(expr)),
            });
            replaced.map(|replaced| replaced.data)
        });
        let filters = filters.collect::<Result<_>>()?;
        let all = 0..scan.source.schema().fields().len();
        let mut projection = scan.projection.unwrap_or_else(|| all.collect());
        for index in indices {
            if !projection.contains(&index) {
                projection.push(index);
            }
        }
        let columns = wants.iter().map(|want| column(&want.path)).collect();
        let scan =
            TableScanBuilder::new(scan.table_name.clone(), provider_as_source(Arc::new(table)))
                .with_projection(Some(projection))
                .with_filters(filters)
                .with_fetch(scan.fetch)
                .with_statistics_requests(scan.statistics_requests)
                .build()?;
        Ok(Provided {
            plan: LogicalPlan::TableScan(scan),
            columns,
            changed: true,
        })
    }
}

fn path_column(reads: &Reads) -> PathColumn {
    match reads {
        Reads::Value(path) | Reads::Presence(path) => PathColumn::Value(path.clone()),
        Reads::Cut(paths) => PathColumn::Cut(paths.clone()),
    }
}

/// Returns what stands for a call once there is a column with what it reads.
fn over_column(call: Expr, reads: &Reads, column: Column) -> Expr {
    let column = Expr::Column(column);
    match (reads, call) {
        (Reads::Presence(_), _) => column.is_not_null(),
        (reads, Expr::ScalarFunction(mut function)) => {
            if let Some(object) = function.args.first_mut() {
                replace_column(object, column);
            }
            if matches!(reads, Reads::Value(_)) {
                function.args.truncate(1);
            }
            Expr::ScalarFunction(function)
        }
        (_, call) => call,
    }
}

/// The column itself, or cast from one type of text to another.
fn column_under(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Alias(alias) => column_under(&alias.expr),
        Expr::Cast(cast) if cast.field.data_type().is_string() => column_under(&cast.expr),
        _ => None,
    }
}

/// Puts another in the place of [`column_under`].
fn replace_column(expr: &mut Expr, column: Expr) {
    match expr {
        Expr::Alias(alias) => replace_column(&mut alias.expr, column),
        Expr::Cast(cast) => replace_column(&mut cast.expr, column),
        expr => *expr = column,
    }
}

/// Tells whether columns that an input gets in addition do no harm: the node passes them on, or
/// names what it puts out.
fn passes_columns_on(plan: &LogicalPlan) -> bool {
    matches!(
        plan,
        LogicalPlan::Aggregate(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Join(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::Projection(_)
            | LogicalPlan::Repartition(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Window(_)
    )
}

/// Builds a node over new inputs, with columns for what is wanted of it.
fn build(
    plan: &LogicalPlan,
    inputs: Vec<LogicalPlan>,
    wants: &[Want],
    found: &Found,
) -> Result<Provided> {
    // What the inputs have is found by what was asked of the node as it was.
    let columns: Vec<Column> = wants
        .iter()
        .filter_map(|want| match route(plan, want)? {
            Route::Input(index, want) => found.get(&(index, want)).cloned(),
            Route::Picked(_, want) => found.get(&(0, want)).cloned(),
            Route::Inputs(_) => Some(Column::new_unqualified(want.path.name())),
            Route::Scan => None,
        })
        .collect();
    let rebuilt = |plan: &LogicalPlan, inputs| plan.with_new_exprs(plan.expressions(), inputs);
    let provided = |plan, columns| {
        Ok(Provided {
            plan,
            columns,
            changed: true,
        })
    };
    match plan {
        LogicalPlan::SubqueryAlias(alias) => {
            let name = alias.alias.clone();
            let columns = columns
                .into_iter()
                .map(|column| Column::new(Some(name.clone()), column.name))
                .collect();
            provided(rebuilt(plan, inputs)?, columns)
        }
        LogicalPlan::Projection(projection) => {
            let mut exprs = projection.expr.clone();
            for column in &columns {
                let expr = Expr::Column(column.clone());
                if !exprs.contains(&expr) {
                    exprs.push(expr);
                }
            }
            provided(plan.with_new_exprs(exprs, inputs)?, columns)
        }
        LogicalPlan::Union(union) => {
            let branches = inputs.into_iter().zip(&union.inputs).enumerate();
            let branches = branches.map(|(index, (input, before))| {
                branch(input, before.schema(), index, plan, wants, found)
            });
            let union = Union::try_new(branches.collect::<Result<_>>()?)?;
            provided(LogicalPlan::Union(union), columns)
        }
        LogicalPlan::Window(_) | LogicalPlan::Aggregate(_) => {
            let picks = picks(plan, wants, &columns);
            let columns = picks
                .iter()
                .zip(columns)
                .map(|(pick, column)| match pick {
                    Some(pick) => Column::new_unqualified(pick.schema_name().to_string()),
                    None => column,
                })
                .collect();
            provided(with_picks(plan, inputs, picks)?, columns)
        }
        _ => provided(rebuilt(plan, inputs)?, columns),
    }
}

/// For each want that an expression of the node answers by picking a row: the expression that picks
/// what is wanted instead.
fn picks(plan: &LogicalPlan, wants: &[Want], columns: &[Column]) -> Vec<Option<Expr>> {
    let exprs = match plan {
        LogicalPlan::Window(window) => &window.window_expr,
        LogicalPlan::Aggregate(aggregate) => &aggregate.aggr_expr,
        _ => return Vec::new(),
    };
    wants
        .iter()
        .zip(columns)
        .map(|(want, column)| match route(plan, want)? {
            Route::Picked(place, _) => Some(pick_instead(exprs.get(place)?, column.clone())),
            _ => None,
        })
        .collect()
}

fn with_picks(
    plan: &LogicalPlan,
    mut inputs: Vec<LogicalPlan>,
    picks: Vec<Option<Expr>>,
) -> Result<LogicalPlan> {
    let input = Arc::new(inputs.swap_remove(0));
    let add = |exprs: &[Expr]| {
        let mut exprs = exprs.to_vec();
        for pick in picks.into_iter().flatten() {
            if !exprs.contains(&pick) {
                exprs.push(pick);
            }
        }
        exprs
    };
    match plan {
        LogicalPlan::Window(window) => {
            let window = Window::try_new(add(&window.window_expr), input)?;
            Ok(LogicalPlan::Window(window))
        }
        LogicalPlan::Aggregate(aggregate) => {
            let groups = aggregate.group_expr.clone();
            let aggregate = Aggregate::try_new(input, groups, add(&aggregate.aggr_expr))?;
            Ok(LogicalPlan::Aggregate(aggregate))
        }
        other => other.with_new_exprs(other.expressions(), vec![Arc::unwrap_or_clone(input)]),
    }
}

/// Returns an input of a union with its columns as they were, and behind them what is wanted.
fn branch(
    input: LogicalPlan,
    before: &DFSchema,
    index: usize,
    union: &LogicalPlan,
    wants: &[Want],
    found: &Found,
) -> Result<Arc<LogicalPlan>> {
    let mut exprs: Vec<Expr> = before.iter().map(Expr::from).collect();
    for want in wants {
        let Some(Route::Inputs(mut branches)) = route(union, want) else {
            continue;
        };
        if index < branches.len()
            && let Some(column) = found.get(&(index, branches.swap_remove(index)))
        {
            exprs.push(Expr::Column(column.clone()).alias(want.path.name()));
        }
    }
    let projection = Projection::try_new(exprs, Arc::new(input))?;
    Ok(Arc::new(LogicalPlan::Projection(projection)))
}

/// Tells whether two plans have the same columns.
fn has_same_output(plan: &LogicalPlan, other: &LogicalPlan) -> bool {
    let (schema, other) = (plan.schema(), other.schema());
    schema.logically_equivalent_names_and_types(other)
}

/// Takes away the columns that a plan got in addition.
fn restore(plan: LogicalPlan, schema: &DFSchema) -> Result<LogicalPlan> {
    let same = plan.schema().fields().len() == schema.fields().len()
        && plan
            .schema()
            .iter()
            .zip(schema.iter())
            .all(|(a, b)| a.0 == b.0 && a.1.name() == b.1.name());
    if same {
        return Ok(plan);
    }
    let exprs: Vec<Expr> = schema.iter().map(Expr::from).collect();
    let projection = Projection::try_new(exprs, Arc::new(plan))?;
    Ok(LogicalPlan::Projection(projection))
}
