use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use tokio::task::JoinError;

use super::batches::panic_message;
use super::events_scan::EventsExec;
use super::pushdown;
use crate::Error;
use crate::conditions::Conditions;
use crate::source::{EventsRequest, Source};

/// The table `events` of one trace.
pub(crate) struct EventsTable {
    trace: Arc<str>,
    source: Arc<dyn Source>,
    schema: SchemaRef,
}

impl EventsTable {
    /// Shows the events of a source under the trace's name.
    pub(crate) fn new(trace: Arc<str>, source: Arc<dyn Source>) -> Self {
        let schema = source.events_schema();
        Self {
            trace,
            source,
            schema,
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

    /// A source applies what it is given to every row, so a filter is pushed whole or not at all.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| match pushdown::conditions(filter) {
                Some(_) => TableProviderFilterPushDown::Exact,
                None => TableProviderFilterPushDown::Unsupported,
            })
            .collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let columns = match projection {
            Some(columns) => columns.clone(),
            None => (0..self.schema.fields().len()).collect(),
        };
        let mut conditions = Conditions::default();
        for condition in filters.iter().filter_map(pushdown::conditions).flatten() {
            conditions.and(condition);
        }
        if conditions.is_impossible() {
            let schema = Arc::new(self.schema.project(&columns)?);
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let request = EventsRequest {
            columns,
            conditions,
            limit,
        };
        let (trace, source) = (Arc::clone(&self.trace), Arc::clone(&self.source));
        let partitions = state.config().target_partitions();
        // Reads the ends of files, so it may block, and what it reads is not trusted.
        let begun = tokio::task::spawn_blocking(move || {
            EventsExec::begin(trace, source, request, partitions)
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
