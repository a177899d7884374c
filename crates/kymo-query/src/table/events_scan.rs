use std::fmt;
use std::sync::Arc;

use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, Statistics};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    AcrossPartitions, ConstExpr, EquivalenceProperties, PhysicalSortExpr,
};
use datafusion::physical_plan::execution_plan::{
    Boundedness, ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet,
};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties,
};

use super::batches::{self, Reader};
use super::filters::{Columns, Filters};
use crate::conditions::Key;
use crate::paths::PathColumn;
use crate::source::{Counts, EventsRequest, EventsScan, Predicate, Pruning, Source};

/// The order in which a segment has its rows.
const ORDER: [&str; 6] = ["resource", "namespace", "name", "uid", "api_group", "seq"];

/// How the columns that a source gives become those that the plan was promised.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    schema: SchemaRef,
    columns: Vec<usize>,
    paths: Vec<PathColumn>,
    /// Where the source has the columns of the schema, if not in order.
    order: Option<Vec<usize>>,
}

impl Shape {
    /// Divides a projection into columns and what is made of objects.
    pub(super) fn new(columns: &Columns<'_>, projection: &[usize]) -> Result<Self> {
        let schema = Arc::new(columns.schema.project(projection)?);
        let (of_events, made): (Vec<usize>, Vec<usize>) =
            projection.iter().partition(|index| **index < columns.base);
        let source: Vec<usize> = of_events.iter().chain(&made).copied().collect();
        let order = (source != projection).then(|| {
            let place = |index: &usize| source.iter().position(|known| known == index);
            projection.iter().filter_map(place).collect()
        });
        let paths = made
            .iter()
            .filter_map(|index| columns.paths.get(index - columns.base));
        Ok(Self {
            schema,
            columns: of_events,
            paths: paths.cloned().collect(),
            order,
        })
    }

    /// Returns the schema that the plan was promised.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(super) fn columns(&self) -> &[usize] {
        &self.columns
    }

    pub(super) fn paths(&self) -> &[PathColumn] {
        &self.paths
    }

    /// Returns where the source has the columns of the schema, if not in order.
    pub(super) fn order(&self) -> Option<&[usize]> {
        self.order.as_deref()
    }
}

/// The operator that reads events out of a trace.
pub(crate) struct EventsExec {
    trace: Arc<str>,
    source: Arc<dyn Source>,
    request: EventsRequest,
    shape: Shape,
    scan: EventsScan,
    exact: Vec<String>,
    inexact: Vec<String>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl EventsExec {
    /// Plans a scan.
    pub(super) fn begin(
        trace: Arc<str>,
        source: Arc<dyn Source>,
        request: EventsRequest,
        filters: &Filters,
        shape: Shape,
    ) -> Result<Self> {
        let scan = source.scan(&request)?;
        let mut known = EquivalenceProperties::new(Arc::clone(shape.schema()));
        if scan.is_sorted {
            known.add_ordering(order(&request, shape.schema()));
        }
        known.add_constants(constants(&request, shape.schema()))?;
        let properties = PlanProperties::new(
            known,
            Partitioning::UnknownPartitioning(scan.parts.len().max(1)),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self {
            trace,
            source,
            request,
            shape,
            scan,
            exact: filters.exact.clone(),
            inexact: filters.inexact.clone(),
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// Returns what it reads from.
    pub(crate) fn source(&self) -> &Arc<dyn Source> {
        &self.source
    }

    /// Returns the trace's name in the session.
    pub(crate) fn trace(&self) -> &Arc<str> {
        &self.trace
    }

    /// Returns what was pushed down to the source.
    pub(crate) fn request(&self) -> &EventsRequest {
        &self.request
    }

    fn pruning(&self) -> Pruning {
        self.scan.pruning
    }
}

/// Tells whether all rows have the same value of a column because they must.
fn is_constant(request: &EventsRequest, column: &str) -> bool {
    let values = Key::of_column(column).and_then(|key| request.conditions.one_of.get(&key));
    values.is_some_and(|values| values.len() == 1)
}

/// The order of rows, as far as the schema has the columns.
fn order(request: &EventsRequest, schema: &SchemaRef) -> Vec<PhysicalSortExpr> {
    let options = SortOptions {
        descending: false,
        nulls_first: false,
    };
    ORDER
        .iter()
        .filter(|name| !is_constant(request, name))
        .map_while(|name| Column::new_with_schema(name, schema).ok())
        .map(|column| PhysicalSortExpr::new(Arc::new(column), options))
        .collect()
}

/// The columns that have only one value.
fn constants(request: &EventsRequest, schema: &SchemaRef) -> Vec<ConstExpr> {
    let fields = schema.fields().iter().enumerate();
    let constant = fields.filter(|(_, field)| is_constant(request, field.name()));
    constant
        .map(|(index, field)| {
            let column = Column::new(field.name(), index);
            ConstExpr::new(Arc::new(column), AcrossPartitions::Uniform(None))
        })
        .collect()
}

impl fmt::Debug for EventsExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventsExec")
            .field("trace", &self.trace)
            .field("request", &self.request)
            .field("scan", &self.scan)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for EventsExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, separator) = match format {
            DisplayFormatType::TreeRender => ("", "\n"),
            DisplayFormatType::Default | DisplayFormatType::Verbose => ("EventsExec: ", ", "),
        };
        write!(f, "{name}trace={}", self.trace)?;
        let list = |items: Vec<String>| items.join(", ");
        let events = self.source.events_schema();
        let columns = self.shape.columns().iter();
        let columns = columns.filter_map(|index| events.fields().get(*index));
        let columns = columns.map(|field| field.name().clone()).collect();
        write!(f, "{separator}columns=[{}]", list(columns))?;
        let of_filters = self.request.predicate.iter().flat_map(Predicate::paths);
        let mut paths: Vec<String> = Vec::new();
        for path in self.shape.paths().iter().chain(of_filters) {
            let path = path.to_string();
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        if !paths.is_empty() {
            write!(f, "{separator}paths=[{}]", list(paths))?;
        }
        let mut exact = vec![self.request.conditions.to_string()];
        exact.extend(self.exact.iter().cloned());
        exact.retain(|filter| !filter.is_empty());
        if !exact.is_empty() {
            write!(f, "{separator}pushed=[{}]", list(exact))?;
        }
        if !self.inexact.is_empty() {
            write!(f, "{separator}pruned_by=[{}]", list(self.inexact.clone()))?;
        }
        if let Some(until) = self.request.until {
            let what = if until.ends {
                "until_ended_after"
            } else {
                "until"
            };
            write!(f, "{separator}{what}={}", until.ts)?;
            if until.only_last {
                write!(f, "{separator}versions=last")?;
            }
        }
        if let Some(limit) = self.request.limit {
            write!(f, "{separator}limit={limit}")?;
        }
        write!(f, "{separator}{}", self.pruning())
    }
}

impl ExecutionPlan for EventsExec {
    fn name(&self) -> &'static str {
        "EventsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        self.replace_children(children, options)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let parts = self.scan.parts.len();
        if partition >= parts.max(1) {
            return Err(DataFusionError::Internal(format!(
                "no partition {partition} of {parts}"
            )));
        }
        let count = |name: &'static str| MetricBuilder::new(&self.metrics).counter(name, partition);
        let counts = Counts {
            rows: count("rows_read"),
            versions: count("versions_read"),
            objects: count("objects_built"),
        };
        let consumer = MemoryConsumer::new(format!("EventsExec[{partition}]"));
        Ok(batches::stream(Reader {
            trace: Arc::clone(&self.trace),
            part: self.scan.parts.get(partition).cloned(),
            counts,
            shape: self.shape.clone(),
            baseline: BaselineMetrics::new(&self.metrics, partition),
            memory: consumer.register(context.memory_pool()),
            limit: match context.memory_pool().memory_limit() {
                MemoryLimit::Finite(bytes) => bytes,
                _ => usize::MAX,
            },
            working_bytes: self.request.batch_bytes,
        }))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(self.shape.schema());
        if let (None, Some(rows)) = (args.partition(), self.scan.rows) {
            let parts = self.scan.parts.len();
            let limit = self.request.limit.map(|limit| limit.saturating_mul(parts));
            // Not exact: a count that is not read would say nothing of damage.
            statistics.num_rows = Precision::Inexact(rows.min(limit.unwrap_or(usize::MAX)));
        }
        Ok(Arc::new(statistics))
    }
}
