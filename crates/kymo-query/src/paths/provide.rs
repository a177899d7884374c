//! Where in a plan the `object` behind a column comes from.

use datafusion::catalog::default_table_source::source_as_provider;
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::expr::{
    AggregateFunction, AggregateFunctionParams, NullTreatment, WindowFunction, WindowFunctionParams,
};
use datafusion::logical_expr::{LogicalPlan, TableScan};
use datafusion::prelude::Expr;

use super::PathColumn;
use crate::table::{EventsTable, OBJECT};

/// Something that a node above wants to be made of a column that holds objects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Want {
    /// The column of the node's output that holds the objects.
    pub(super) column: Column,
    /// What is to be made of each.
    pub(super) path: PathColumn,
}

impl Want {
    fn of(&self, column: &Column) -> Self {
        Self {
            column: column.clone(),
            path: self.path.clone(),
        }
    }
}

/// How a node comes by what is wanted of it.
pub(super) enum Route {
    /// It is the scan that makes it.
    Scan,
    /// An input has it, and the node passes it on.
    Input(usize, Want),
    /// Every input has it (a union).
    Inputs(Vec<Want>),
    /// Its expression with this index picks the object of some row; another expression can pick the
    /// value of the same row.
    Picked(usize, Want),
}

/// Finds out how a node comes by what is wanted; `None` where it does not.
pub(super) fn route(plan: &LogicalPlan, want: &Want) -> Option<Route> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let is_object = want.column.name == OBJECT
                && scan.projected_schema.has_column(&want.column)
                && events(scan)?.can_read_paths();
            is_object.then_some(Route::Scan)
        }
        LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Repartition(_)
        | LogicalPlan::Join(_) => passed_on(plan, want),
        LogicalPlan::SubqueryAlias(alias) => {
            let index = index_of(&alias.schema, &want.column)?;
            let column = Column::from(alias.input.schema().qualified_field(index));
            Some(Route::Input(0, want.of(&column)))
        }
        LogicalPlan::Projection(projection) => {
            let index = index_of(&projection.schema, &want.column)?;
            let column = column_of(projection.expr.get(index)?)?;
            Some(Route::Input(0, want.of(column)))
        }
        LogicalPlan::Window(window) => passed_on(plan, want).or_else(|| {
            let index = index_of(&window.schema, &want.column)?;
            let place = index.checked_sub(window.input.schema().fields().len())?;
            let column = picked(window.window_expr.get(place)?)?;
            Some(Route::Picked(place, want.of(column)))
        }),
        LogicalPlan::Aggregate(aggregate) => {
            let index = index_of(&aggregate.schema, &want.column)?;
            let groups = aggregate.schema.fields().len() - aggregate.aggr_expr.len();
            let place = index.checked_sub(groups)?;
            let column = picked(aggregate.aggr_expr.get(place)?)?;
            Some(Route::Picked(place, want.of(column)))
        }
        LogicalPlan::Union(union) => {
            let index = index_of(&union.schema, &want.column)?;
            let wants = union.inputs.iter().map(|input| {
                let column = Column::from(input.schema().qualified_field(index));
                want.of(&column)
            });
            Some(Route::Inputs(wants.collect()))
        }
        _ => None,
    }
}

/// Tells whether a plan can have a column with what is wanted.
pub(super) fn can_provide(plan: &LogicalPlan, want: &Want) -> bool {
    let inputs = plan.inputs();
    let input = |index: usize, want: &Want| {
        let input = inputs.get(index);
        input.is_some_and(|input| can_provide(input, want))
    };
    match route(plan, want) {
        None => false,
        Some(Route::Scan) => true,
        Some(Route::Input(index, want)) => input(index, &want),
        Some(Route::Picked(_, want)) => input(0, &want),
        Some(Route::Inputs(wants)) => wants
            .iter()
            .enumerate()
            .all(|(index, want)| input(index, want)),
    }
}

/// Returns the table of a scan if it is one of events.
pub(super) fn events(scan: &TableScan) -> Option<EventsTable> {
    let provider = source_as_provider(&scan.source).ok()?;
    provider.downcast_ref::<EventsTable>().cloned()
}

/// Finds the only input that has a column.
pub(super) fn input_with(plan: &LogicalPlan, column: &Column) -> Option<usize> {
    let inputs = plan.inputs();
    let mut with = inputs
        .iter()
        .enumerate()
        .filter(|(_, input)| input.schema().has_column(column));
    let (index, _) = with.next()?;
    with.next().is_none().then_some(index)
}

fn passed_on(plan: &LogicalPlan, want: &Want) -> Option<Route> {
    let index = input_with(plan, &want.column)?;
    Some(Route::Input(index, want.clone()))
}

fn index_of(schema: &DFSchema, column: &Column) -> Option<usize> {
    schema.maybe_index_of_column(column)
}

fn column_of(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Alias(alias) => column_of(&alias.expr),
        _ => None,
    }
}

/// Aggregates and window functions whose result is their first argument in one of the rows, or
/// null.
const PICKING: [&str; 5] = ["first_value", "lag", "last_value", "lead", "nth_value"];

/// Returns the column whose value an expression picks out of some row.
fn picked(expr: &Expr) -> Option<&Column> {
    let (name, args, order_by, treatment) = match expr {
        Expr::Alias(alias) => return picked(&alias.expr),
        Expr::AggregateFunction(AggregateFunction { func, params }) => {
            let AggregateFunctionParams {
                args,
                order_by,
                null_treatment,
                ..
            } = params;
            (func.name(), args, order_by, null_treatment)
        }
        Expr::WindowFunction(function) => {
            let WindowFunction { fun, params } = function.as_ref();
            let WindowFunctionParams {
                args,
                order_by,
                null_treatment,
                ..
            } = params;
            (fun.name(), args, order_by, null_treatment)
        }
        _ => return None,
    };
    let is_picking = PICKING.contains(&name)
        // Which row is picked must not depend on the value, and be the same each time.
        && !order_by.is_empty()
        && *treatment != Some(NullTreatment::IgnoreNulls)
        && args.get(2).is_none_or(is_null);
    is_picking.then(|| column_of(args.first()?)).flatten()
}

fn is_null(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(value, _) if value.is_null())
}

/// Returns an expression that picks another column out of the same row.
pub(super) fn pick_instead(expr: &Expr, column: Column) -> Expr {
    let mut expr = expr.clone().unalias();
    let args = match &mut expr {
        Expr::AggregateFunction(function) => &mut function.params.args,
        Expr::WindowFunction(function) => &mut function.params.args,
        _ => return expr,
    };
    if let Some(first) = args.first_mut() {
        *first = Expr::Column(column);
    }
    expr
}
