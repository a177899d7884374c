use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use futures::{Stream, StreamExt};
use tokio::time::Sleep;

use crate::Error;
use crate::error::{Phase, translate};
use crate::table::panic_message;

/// The rows that a statement gives, as they come.
///
/// It ends after the first error. Dropping it ends the query.
pub struct Answer {
    schema: SchemaRef,
    stream: Option<SendableRecordBatchStream>,
    deadline: Option<Deadline>,
    notes: Vec<String>,
}

impl Answer {
    pub(crate) fn new(
        stream: SendableRecordBatchStream,
        deadline: Option<Deadline>,
        notes: Vec<String>,
    ) -> Self {
        Self {
            schema: stream.schema(),
            stream: Some(stream),
            deadline,
            notes,
        }
    }

    /// Returns the columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Returns what the trace did not observe of what the statement asks, a line for each
    /// resource and few in all; empty when everything was observed.
    pub fn gap_notes(&self) -> &[String] {
        &self.notes
    }

    /// Reads all rows into memory.
    pub async fn collect(mut self) -> Result<Vec<RecordBatch>, Error> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next().await {
            batches.push(batch?);
        }
        Ok(batches)
    }

    fn poll_batch(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<RecordBatch, Error>>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(None);
        };
        if let Some(deadline) = &mut self.deadline
            && let Poll::Ready(error) = deadline.poll(context)
        {
            return Poll::Ready(Some(Err(error)));
        }
        match catch_unwind(AssertUnwindSafe(|| stream.poll_next_unpin(context))) {
            Ok(Poll::Ready(Some(Err(error)))) => {
                Poll::Ready(Some(Err(translate(error, Phase::Running))))
            }
            Ok(Poll::Ready(Some(Ok(batch)))) => Poll::Ready(Some(Ok(batch))),
            Ok(Poll::Ready(None)) => Poll::Ready(None),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => Poll::Ready(Some(Err(Error::Panicked {
                message: panic_message(panic.as_ref()),
            }))),
        }
    }
}

impl Stream for Answer {
    type Item = Result<RecordBatch, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let polled = this.poll_batch(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            this.stream = None;
        }
        polled
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("schema", &self.schema)
            .field("notes", &self.notes)
            .finish_non_exhaustive()
    }
}

/// The moment at which a query has used up its time.
pub(crate) struct Deadline {
    limit: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl Deadline {
    /// Starts to count. Must be called inside a Tokio runtime.
    pub(crate) fn after(limit: Duration) -> Self {
        Self {
            limit,
            sleep: Box::pin(tokio::time::sleep(limit)),
        }
    }

    /// Waits for it; returns the error to give.
    pub(crate) async fn passed(&mut self) -> Error {
        self.sleep.as_mut().await;
        Error::Timeout { limit: self.limit }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Error> {
        self.sleep
            .as_mut()
            .poll(context)
            .map(|()| Error::Timeout { limit: self.limit })
    }
}
