//! An optimizer rule: a plan that only keeps versions which began before a time does not need the events after it, but
//! for the ones that end those versions.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::catalog::default_table_source::{provider_as_source, source_as_provider};
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{Column, Result, ScalarValue};
use datafusion::logical_expr::expr::NullTreatment;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    BinaryExpr, Filter, LogicalPlan, Operator, TableScan, TableScanBuilder, Window,
};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};
use datafusion::prelude::Expr;
use kymo_model::Timestamp;

use crate::source::Until;
use crate::table::EventsTable;

/// What an object is known by: filters over these leave its events together.
const IDENTITY: [&str; 6] = ["api_group", "resource", "kind", "namespace", "name", "uid"];

/// What must tell objects apart where a window looks at the next event of each.
const APART: [&str; 3] = ["api_group", "name", "uid"];

/// Tells scans up to which time events are needed.
#[derive(Debug)]
pub(crate) struct ReadUntil;

impl OptimizerRule for ReadUntil {
    fn name(&self) -> &'static str {
        "read_until"
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        plan.transform_down_with_subqueries(|node| {
            let needed = needed(&node);
            node.map_children(|child| Ok(cut(child, needed.as_ref())))
        })
    }
}

/// The columns of its input that a node needs; `None` for all of them.
fn needed(node: &LogicalPlan) -> Option<BTreeSet<Column>> {
    match node {
        LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_) => {
            let expressions = node.expressions();
            let columns = expressions.iter().flat_map(Expr::column_refs);
            Some(columns.cloned().collect())
        }
        _ => None,
    }
}

/// Gives the scan below a filter its time, if it has one. Between the two may only be what keeps
/// the events of each object together and in order.
fn cut(plan: LogicalPlan, needed: Option<&BTreeSet<Column>>) -> Transformed<LogicalPlan> {
    let until = match below_names(&plan, needed) {
        Some((filter, needed)) => until(filter, needed.as_ref()),
        None => None,
    };
    let Some(until) = until else {
        return Transformed::no(plan);
    };
    let rewritten = plan.clone().transform_down(|node| match node {
        LogicalPlan::TableScan(scan) => with_until(scan, until),
        other => Ok(Transformed::no(other)),
    });
    rewritten.unwrap_or_else(|_| Transformed::no(plan))
}

/// Looks through what gives a plan another name, for a filter.
fn below_names<'a>(
    plan: &'a LogicalPlan,
    needed: Option<&BTreeSet<Column>>,
) -> Option<(&'a Filter, Option<BTreeSet<Column>>)> {
    match plan {
        LogicalPlan::Filter(filter) => Some((filter, needed.cloned())),
        LogicalPlan::SubqueryAlias(alias) => {
            let inner = needed.map(|columns| {
                let places = columns
                    .iter()
                    .filter_map(|column| alias.schema.maybe_index_of_column(column));
                let schema = alias.input.schema();
                places
                    .map(|place| Column::from(schema.qualified_field(place)))
                    .collect()
            });
            below_names(&alias.input, inner.as_ref())
        }
        _ => None,
    }
}

/// Finds out up to which time the events below a filter are needed.
fn until(filter: &Filter, needed: Option<&BTreeSet<Column>>) -> Option<Until> {
    let window = window_below(&filter.input)?;
    looks_at_next(window)?;
    let conjuncts = split_conjunction(&filter.predicate);
    let times = conjuncts.iter().filter_map(|conjunct| {
        let (column, ts) = not_after(conjunct)?;
        let column = resolve(&filter.input, column)?;
        (resolve_to_scan(&window.input, &column)? == "ts").then_some(ts)
    });
    let ts = times.min()?;
    let ends = |conjunct| end_bound(conjunct).filter(|bound| is_end(filter, window, bound.column));
    // Whether an event after the time is there at all makes no difference to these.
    let others = conjuncts.iter().filter(|conjunct| {
        let bound = ends(conjunct);
        bound.is_none_or(|bound| bound.after > ts.0)
    });
    let leaves_replaced_out = conjuncts
        .iter()
        .filter_map(|conjunct| ends(conjunct))
        .any(|bound| bound.after >= ts.0);
    let mut used: BTreeSet<Column> = others
        .flat_map(|conjunct| conjunct.column_refs())
        .cloned()
        .collect();
    match needed {
        Some(needed) => used.extend(needed.iter().cloned()),
        None => used.extend(filter.input.schema().columns()),
    }
    let own = window.input.schema();
    let is_of_row = |column: &Column| {
        let resolved = resolve(&filter.input, column);
        resolved.is_some_and(|column| own.has_column(&column))
    };
    Some(Until {
        ts,
        ends: !used.iter().all(is_of_row),
        only_last: leaves_replaced_out && is_by_object(window),
    })
}

/// `column <= time`
fn not_after(expr: &Expr) -> Option<(&Column, Timestamp)> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else {
        return None;
    };
    let (column, op, value) = match (left.as_ref(), right.as_ref()) {
        (Expr::Column(column), Expr::Literal(value, _)) => (column, *op, value),
        (Expr::Literal(value, _), Expr::Column(column)) => (column, op.swap()?, value),
        _ => return None,
    };
    let ScalarValue::TimestampNanosecond(Some(ns), _) = value else {
        return None;
    };
    let ns = match op {
        Operator::LtEq | Operator::Eq => *ns,
        Operator::Lt => ns.checked_sub(1)?,
        _ => return None,
    };
    Some((column, Timestamp(ns)))
}

/// `column IS NULL OR column > after`, in nanoseconds.
struct EndBound<'a> {
    column: &'a Column,
    after: i64,
}

/// Reads a condition that is true of every version that ends after a time, and of those that do not
/// end.
fn end_bound(expr: &Expr) -> Option<EndBound<'_>> {
    let Expr::BinaryExpr(BinaryExpr {
        left,
        op: Operator::Or,
        right,
    }) = expr
    else {
        return None;
    };
    let (Expr::IsNull(null), Expr::BinaryExpr(later)) = (left.as_ref(), right.as_ref()) else {
        return None;
    };
    let BinaryExpr { left, op, right } = later;
    let Expr::Literal(ScalarValue::TimestampNanosecond(Some(ns), _), _) = right.as_ref() else {
        return None;
    };
    let after = match op {
        Operator::Gt => *ns,
        Operator::GtEq => ns.checked_sub(1)?,
        _ => return None,
    };
    match null.as_ref() {
        Expr::Column(column) if left == null => Some(EndBound { column, after }),
        _ => None,
    }
}

/// Tells whether a column is the time of the next event.
fn is_end(filter: &Filter, window: &Window, column: &Column) -> bool {
    let made = || {
        let column = resolve(&filter.input, column)?;
        let place = window.schema.maybe_index_of_column(&column)?;
        let own = window.input.schema().fields().len();
        let Expr::WindowFunction(function) =
            unaliased(window.window_expr.get(place.checked_sub(own)?)?)
        else {
            return None;
        };
        match function.params.args.as_slice() {
            [Expr::Column(column)] => resolve_to_scan(&window.input, column),
            _ => None,
        }
    };
    made().is_some_and(|name| name == "ts")
}

/// Tells whether a window takes no two objects of a resource together, whatever their uids, nor of
/// two resources, if the events are not of one.
fn is_by_object(window: &Window) -> bool {
    let is_of_one_resource = is_of_one_resource(&window.input);
    window.window_expr.iter().all(|expr| {
        let Expr::WindowFunction(function) = unaliased(expr) else {
            return false;
        };
        let parts = function.params.partition_by.iter();
        let apart: BTreeSet<String> = parts
            .filter_map(|expr| match expr {
                Expr::Column(column) => resolve_to_scan(&window.input, column),
                _ => None,
            })
            .collect();
        let has = |name: &str| apart.contains(name);
        APART.into_iter().all(has) && has("namespace") && (is_of_one_resource || has("resource"))
    })
}

/// Tells whether all rows of a scan below names and filters are of one resource.
fn is_of_one_resource(plan: &LogicalPlan) -> bool {
    let is_resource =
        |expr: &Expr| matches!(expr, Expr::Column(column) if column.name == "resource");
    match plan {
        LogicalPlan::TableScan(scan) => scan.filters.iter().any(|filter| {
            let Expr::BinaryExpr(BinaryExpr { left, op, right }) = filter else {
                return false;
            };
            *op == Operator::Eq && is_resource(left) && matches!(right.as_ref(), Expr::Literal(..))
        }),
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) | LogicalPlan::Filter(_) => {
            plan.inputs().into_iter().all(is_of_one_resource)
        }
        _ => false,
    }
}

fn window_below(plan: &LogicalPlan) -> Option<&Window> {
    match plan {
        LogicalPlan::Window(window) => Some(window),
        LogicalPlan::Projection(projection) => window_below(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => window_below(&alias.input),
        _ => None,
    }
}

/// Makes sure that a window looks at nothing but the next event of the same object.
fn looks_at_next(window: &Window) -> Option<()> {
    for expr in &window.window_expr {
        let Expr::WindowFunction(function) = unaliased(expr) else {
            return None;
        };
        let params = &function.params;
        let is_lead = function.fun.name() == "lead"
            && params.args.len() == 1
            && params.filter.is_none()
            && params.null_treatment != Some(NullTreatment::IgnoreNulls);
        if !is_lead {
            return None;
        }
        let name = |expr: &Expr| match expr {
            Expr::Column(column) => resolve_to_scan(&window.input, column),
            _ => None,
        };
        let apart: Vec<String> = params
            .partition_by
            .iter()
            .map(name)
            .collect::<Option<_>>()?;
        let is_apart = APART
            .iter()
            .all(|column| apart.iter().any(|name| name == column));
        let [order] = params.order_by.as_slice() else {
            return None;
        };
        let is_in_order = order.asc && name(&order.expr)? == "seq";
        let is_of_object = apart.iter().all(|name| IDENTITY.contains(&name.as_str()));
        if !is_apart || !is_in_order || !is_of_object {
            return None;
        }
    }
    Some(())
}

fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        other => other,
    }
}

/// Follows a column down to the window.
fn resolve(plan: &LogicalPlan, column: &Column) -> Option<Column> {
    if matches!(plan, LogicalPlan::Window(_)) {
        return Some(column.clone());
    }
    let (input, column) = one_down(plan, column)?;
    resolve(input, &column)
}

/// Follows a column down to a scan of events; returns its name there.
fn resolve_to_scan(plan: &LogicalPlan, column: &Column) -> Option<String> {
    match plan {
        LogicalPlan::TableScan(_) => Some(column.name.clone()),
        LogicalPlan::Filter(filter) => {
            keeps_objects(&filter.predicate, &filter.input)?;
            resolve_to_scan(&filter.input, column)
        }
        _ => {
            let (input, column) = one_down(plan, column)?;
            resolve_to_scan(input, &column)
        }
    }
}

fn one_down<'a>(plan: &'a LogicalPlan, column: &Column) -> Option<(&'a LogicalPlan, Column)> {
    match plan {
        LogicalPlan::Projection(projection) => {
            let place = projection.schema.maybe_index_of_column(column)?;
            match unaliased(projection.expr.get(place)?) {
                Expr::Column(column) => Some((&projection.input, column.clone())),
                _ => None,
            }
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let place = alias.schema.maybe_index_of_column(column)?;
            let column = Column::from(alias.input.schema().qualified_field(place));
            Some((&alias.input, column))
        }
        _ => None,
    }
}

/// Makes sure that a filter lets through all events of an object or none.
fn keeps_objects(filter: &Expr, input: &LogicalPlan) -> Option<()> {
    for column in filter.column_refs() {
        let name = resolve_to_scan(input, column)?;
        IDENTITY.contains(&name.as_str()).then_some(())?;
    }
    (!filter.is_volatile()).then_some(())
}

fn with_until(scan: TableScan, until: Until) -> Result<Transformed<LogicalPlan>> {
    let keeps_objects = scan.filters.iter().all(|filter| {
        let columns = filter.column_refs();
        let mut names = columns.iter().map(|column| column.name.as_str());
        names.all(|name| IDENTITY.contains(&name)) && !filter.is_volatile()
    });
    let provider = source_as_provider(&scan.source)?;
    let table = provider.downcast_ref::<EventsTable>();
    // A node above may have said already that nobody sees when versions ended.
    let is_known = |known: Until| {
        known.ts == until.ts && known.ends <= until.ends && known.only_last >= until.only_last
    };
    let Some(table) = table.filter(|table| {
        keeps_objects && scan.fetch.is_none() && !table.until().is_some_and(is_known)
    }) else {
        return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
    };
    let source = provider_as_source(Arc::new(table.with_until(until)));
    let scan = TableScanBuilder::new(scan.table_name, source)
        .with_projection(scan.projection)
        .with_filters(scan.filters)
        .with_fetch(scan.fetch)
        .with_statistics_requests(scan.statistics_requests)
        .build()?;
    Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
}
