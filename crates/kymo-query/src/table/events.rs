use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use tokio::task::JoinError;

use super::batches::panic_message;
use super::events_scan::{EventsExec, Shape};
use super::filters::Columns;
use crate::Error;
use crate::paths::PathColumn;
use crate::source::{EventsRequest, Source, Until};

/// The table `events` of one trace.
#[derive(Clone)]
pub(crate) struct EventsTable {
    trace: Arc<str>,
    source: Arc<dyn Source>,
    /// What is made of objects, as columns behind those of the source.
    paths: Vec<PathColumn>,
    schema: SchemaRef,
    until: Option<Until>,
}

impl EventsTable {
    /// Shows the events of a source under the trace's name.
    pub(crate) fn new(trace: Arc<str>, source: Arc<dyn Source>) -> Self {
        let schema = source.events_schema();
        Self {
            trace,
            source,
            paths: Vec::new(),
            schema,
            until: None,
        }
    }

    /// Returns up to which time rows are needed.
    pub(crate) fn until(&self) -> Option<Until> {
        self.until
    }

    /// Returns the table without what is not needed.
    pub(crate) fn with_until(&self, until: Until) -> Self {
        Self {
            until: Some(until),
            ..self.clone()
        }
    }

    /// Tells whether there can be columns made of objects.
    pub(crate) fn can_read_paths(&self) -> bool {
        self.source.takes_predicates()
    }

    /// Returns the table with columns for what is made of objects, and where it has each.
    pub(crate) fn with_paths(&self, paths: &[PathColumn]) -> (Self, Vec<usize>) {
        let mut table = self.clone();
        let base = self.source.events_schema().fields().len();
        let mut indices = Vec::with_capacity(paths.len());
        for path in paths {
            let known = table.paths.iter().position(|known| known == path);
            let place = known.unwrap_or_else(|| {
                table.paths.push(path.clone());
                table.paths.len() - 1
            });
            indices.push(base + place);
        }
        let events = self.source.events_schema();
        let made = table.paths.iter().map(|path| Arc::new(path.field()));
        let fields: Vec<FieldRef> = events.fields().iter().cloned().chain(made).collect();
        table.schema = Arc::new(Schema::new(fields));
        (table, indices)
    }

    fn columns(&self) -> Columns<'_> {
        Columns {
            schema: &self.schema,
            base: self.schema.fields().len() - self.paths.len(),
            paths: &self.paths,
            takes_predicates: self.source.takes_predicates(),
        }
    }
}

fn join_message(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => panic_message(panic.as_ref()),
        Err(error) => error.to_string(),
    }
}

impl fmt::Debug for EventsTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventsTable")
            .field("trace", &self.trace)
            .field("paths", &self.paths)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for EventsTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let columns = self.columns();
        Ok(filters
            .iter()
            .map(|filter| columns.support(filter))
            .collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let columns = self.columns();
        let projection = match projection {
            Some(projection) => projection.clone(),
            None => (0..self.schema.fields().len()).collect(),
        };
        let filters = columns.filters(filters, state)?;
        let shape = Shape::new(&columns, &projection)?;
        if filters.conditions.is_impossible() {
            return Ok(Arc::new(EmptyExec::new(Arc::clone(shape.schema()))));
        }
        let request = EventsRequest {
            columns: shape.columns().to_vec(),
            paths: shape.paths().to_vec(),
            conditions: filters.conditions.clone(),
            predicate: filters.predicate.clone(),
            until: self.until,
            limit,
            parts: state.config().target_partitions().max(1),
            batch_bytes: batch_bytes(state),
        };
        let (trace, source) = (Arc::clone(&self.trace), Arc::clone(&self.source));
        // Reads the ends of files, so it may block, and what it reads is not trusted.
        let begun = tokio::task::spawn_blocking(move || {
            EventsExec::begin(trace, source, request, &filters, shape)
        });
        let exec = begun.await.map_err(|error| {
            DataFusionError::from(Error::Decode {
                trace: self.trace.to_string(),
                message: join_message(error),
            })
        })??;
        Ok(Arc::new(exec))
    }
}

/// Returns how large a batch may be: each reader holds some at a time, and all of them should take
/// no more than a part of the memory that there is.
fn batch_bytes(state: &dyn Session) -> usize {
    use datafusion::execution::memory_pool::MemoryLimit;

    const LEAST: usize = 64 << 10;
    const MOST: usize = 8 << 20;
    let readers = state.config().target_partitions().max(1);
    match state.runtime_env().memory_pool.memory_limit() {
        MemoryLimit::Finite(bytes) => (bytes / readers / 32).clamp(LEAST, MOST),
        _ => MOST,
    }
}
