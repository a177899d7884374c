//! From a source's blocking iterators to the engine's streams.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet};
use datafusion::physical_plan::stream::RecordBatchReceiverStream;

use crate::Error;
use crate::source::Batches;

/// Batches that wait between the reading thread and the engine.
const WAITING_BATCHES: usize = 2;

/// What the engine wants of the batches.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// Their columns, which have this schema.
    Rows(SchemaRef),
    /// Only how many rows they have; the schema has no column.
    Counts(SchemaRef),
}

impl Shape {
    fn schema(&self) -> &SchemaRef {
        match self {
            Self::Rows(schema) | Self::Counts(schema) => schema,
        }
    }

    /// Gives a source's batch the schema that the plan promised, or says that it has another.
    fn cut(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let columns = match self {
            Self::Rows(_) => batch.columns().to_vec(),
            Self::Counts(_) => Vec::new(),
        };
        let schema = Arc::clone(self.schema());
        Ok(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }
}

/// Reads the parts one after the other on a thread that may block.
///
/// The thread stops at the next batch once nobody reads the stream any more. A panic while
/// decoding ends the stream with [`Error::Decode`].
pub(super) fn stream(
    trace: Arc<str>,
    parts: Vec<Batches>,
    shape: Shape,
    metrics: &ExecutionPlanMetricsSet,
    partition: usize,
) -> SendableRecordBatchStream {
    let baseline = BaselineMetrics::new(metrics, partition);
    let schema = Arc::clone(shape.schema());
    let mut builder = RecordBatchReceiverStream::builder(schema, WAITING_BATCHES);
    let output = builder.tx();
    builder.spawn_blocking(move || {
        for mut part in parts {
            loop {
                let timer = baseline.elapsed_compute().timer();
                let next = next_batch(&trace, &mut part);
                drop(timer);
                let batch = match next {
                    Ok(Some(batch)) => shape.cut(&batch),
                    Ok(None) => break,
                    Err(error) => Err(DataFusionError::from(error)),
                };
                let failed = batch.is_err();
                if let Ok(batch) = &batch {
                    baseline.record_output(batch.num_rows());
                }
                if output.blocking_send(batch).is_err() || failed {
                    return Ok(());
                }
            }
        }
        Ok(())
    });
    builder.build()
}

fn next_batch(trace: &str, part: &mut Batches) -> std::result::Result<Option<RecordBatch>, Error> {
    match catch_unwind(AssertUnwindSafe(|| part.next())) {
        Ok(next) => next.transpose(),
        Err(panic) => Err(Error::Decode {
            trace: trace.to_owned(),
            message: panic_message(panic.as_ref()),
        }),
    }
}

/// Returns what a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
