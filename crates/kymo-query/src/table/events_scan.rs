use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{
    Boundedness, ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties,
};

use super::batches::{self, Shape};
use crate::source::{Batches, EventsRequest, EventsScan, Pruning, Source};

/// The operator that reads events out of a trace.
pub(crate) struct EventsExec {
    trace: Arc<str>,
    source: Arc<dyn Source>,
    /// What was asked for; what the source is asked for may have one column more.
    request: EventsRequest,
    shape: Shape,
    pruning: Pruning,
    /// What planning opened and nobody has read yet, one entry for each partition.
    opened: Mutex<Vec<Option<Vec<Batches>>>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl EventsExec {
    /// Plans a scan in at most `partitions` partitions.
    pub(super) fn begin(
        trace: Arc<str>,
        source: Arc<dyn Source>,
        mut request: EventsRequest,
        partitions: usize,
    ) -> Result<Self> {
        let schema: SchemaRef = Arc::new(source.events_schema().project(&request.columns)?);
        let shape = if request.columns.is_empty() {
            request.columns.push(0);
            Shape::Counts(Arc::clone(&schema))
        } else {
            Shape::Rows(Arc::clone(&schema))
        };
        let scan = source.scan(&request)?;
        let partitions = scan.parts.len().clamp(1, partitions.max(1));
        let pruning = scan.pruning;
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self {
            trace,
            source,
            request,
            shape,
            pruning,
            opened: Mutex::new(deal(scan, partitions).map(Some).collect()),
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

    /// Takes the rows of a partition. A plan that is run again (the recursive part of a query)
    /// reads the trace again.
    fn take(&self, partition: usize) -> Result<Vec<Batches>> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let count = opened.len();
        let slot = opened.get_mut(partition).ok_or_else(|| {
            DataFusionError::Internal(format!("no partition {partition} of {count}"))
        })?;
        if let Some(parts) = slot.take() {
            return Ok(parts);
        }
        let fresh = deal(self.source.scan(&self.request)?, count);
        let mut taken = Vec::new();
        for (index, (slot, parts)) in opened.iter_mut().zip(fresh).enumerate() {
            if index == partition {
                taken = parts;
            } else if slot.is_none() {
                *slot = Some(parts);
            }
        }
        Ok(taken)
    }

    fn column_names(&self) -> Vec<&str> {
        match &self.shape {
            Shape::Counts(_) => Vec::new(),
            Shape::Rows(schema) => schema
                .fields()
                .iter()
                .map(|field| field.name().as_str())
                .collect(),
        }
    }
}

/// Deals the parts of a scan out to partitions.
fn deal(scan: EventsScan, partitions: usize) -> impl Iterator<Item = Vec<Batches>> {
    let mut dealt: Vec<Vec<Batches>> = (0..partitions).map(|_| Vec::new()).collect();
    for (index, part) in scan.parts.into_iter().enumerate() {
        if let Some(parts) = dealt.get_mut(index % partitions) {
            parts.push(part);
        }
    }
    dealt.into_iter()
}

impl fmt::Debug for EventsExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventsExec")
            .field("trace", &self.trace)
            .field("request", &self.request)
            .field("pruning", &self.pruning)
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
        write!(f, "{separator}columns=[{}]", self.column_names().join(", "))?;
        let pushed = self.request.conditions.to_string();
        if !pushed.is_empty() {
            write!(f, "{separator}pushed=[{pushed}]")?;
        }
        if let Some(limit) = self.request.limit {
            write!(f, "{separator}limit={limit}")?;
        }
        write!(f, "{separator}{}", self.pruning)
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

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let parts = self.take(partition)?;
        Ok(batches::stream(
            Arc::clone(&self.trace),
            parts,
            self.shape.clone(),
            &self.metrics,
            partition,
        ))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
