//! From a source's blocking iterators to the engine's streams.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_plan::metrics::BaselineMetrics;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinHandle;

use super::events_scan::Shape;
use crate::Error;
use crate::source::{Counts, Part};

/// Batches that wait between the reading thread and the engine.
const WAITING_BATCHES: usize = 2;

/// What reads one partition of a scan.
pub(super) struct Reader {
    pub(super) trace: Arc<str>,
    /// What is read; nothing if there are no rows.
    pub(super) part: Option<Arc<dyn Part>>,
    pub(super) counts: Counts,
    pub(super) shape: Shape,
    pub(super) baseline: BaselineMetrics,
    pub(super) memory: MemoryReservation,
    /// All memory that the query may use, in bytes.
    pub(super) limit: usize,
    /// About what reading takes besides the batches that wait, in bytes.
    pub(super) working_bytes: usize,
}

/// A batch that waits, and the memory that is set aside for it until it is taken.
struct Waiting {
    batch: RecordBatch,
    _memory: MemoryReservation,
}

impl Reader {
    /// Gives a source's batch the schema that the plan promised, or says that it has another.
    fn cut(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let columns = match self.shape.order() {
            None => batch.columns().to_vec(),
            Some(order) => {
                let columns = order.iter().filter_map(|place| batch.columns().get(*place));
                columns.cloned().collect()
            }
        };
        let schema = Arc::clone(self.shape.schema());
        Ok(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }

    /// Sets memory aside for a batch. What others hold does not keep a batch from coming: they give
    /// some back the next time they ask for more. Batches are small, so little is overdrawn.
    fn set_aside(&self, bytes: usize) -> Result<MemoryReservation> {
        let memory = self.memory.new_empty();
        if bytes > self.limit {
            memory.try_grow(bytes)?;
        } else {
            memory.grow(bytes);
        }
        Ok(memory)
    }

    /// Reads everything, on a thread that may block. It stops at the next batch once nobody reads
    /// the stream any more.
    fn read(&self, output: &Sender<Result<Waiting>>) -> Result<()> {
        let Some(part) = &self.part else {
            return Ok(());
        };
        let working = self.memory.new_empty();
        working.grow(self.working_bytes);
        let mut batches = guarded(&self.trace, || part.open(&self.counts))?;
        loop {
            let timer = self.baseline.elapsed_compute().timer();
            let batch = guarded(&self.trace, || batches.next().transpose())?;
            drop(timer);
            let Some(batch) = batch else {
                return Ok(());
            };
            let batch = self.cut(&batch)?;
            let memory = self.set_aside(batch.get_array_memory_size())?;
            self.baseline.record_output(batch.num_rows());
            let waiting = Waiting {
                batch,
                _memory: memory,
            };
            if output.blocking_send(Ok(waiting)).is_err() {
                return Ok(());
            }
        }
    }
}

/// Reads a partition on a thread of its own. A panic while decoding ends the stream with
/// [`Error::Decode`].
pub(super) fn stream(reader: Reader) -> SendableRecordBatchStream {
    let schema = Arc::clone(reader.shape.schema());
    let (output, input) = mpsc::channel(WAITING_BATCHES);
    let thread = tokio::task::spawn_blocking(move || {
        if let Err(error) = reader.read(&output) {
            // Nobody waits for the error if the stream was dropped.
            output.blocking_send(Err(error)).ok();
        }
    });
    let waiting = Waited {
        input,
        thread: Some(thread),
    };
    let batches = stream::unfold(waiting, |mut waiting| async move {
        let next = waiting.next().await?;
        Some((next, waiting))
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, batches))
}

/// The end of the channel at which the engine waits.
struct Waited {
    input: Receiver<Result<Waiting>>,
    thread: Option<JoinHandle<()>>,
}

impl Waited {
    async fn next(&mut self) -> Option<Result<RecordBatch>> {
        if let Some(next) = self.input.recv().await {
            return Some(next.map(|waiting| waiting.batch));
        }
        // A thread that ended without a word must not look like the end of the rows.
        let ended = self.thread.take()?.await;
        ended
            .err()
            .map(|error| Err(DataFusionError::ExecutionJoin(Box::new(error))))
    }
}

/// Runs what may panic over untrusted data.
fn guarded<T>(
    trace: &str,
    run: impl FnOnce() -> std::result::Result<T, Error>,
) -> std::result::Result<T, Error> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(done) => done,
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
