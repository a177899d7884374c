//! Reads on one thread what another one writes.

use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::item::What;
use super::merge::{Merge, Timed};
use crate::Error;

/// Batches that wait for the writer.
const WAITING: usize = 4;
/// A batch is full with this many items or bytes of objects.
const BATCH_ITEMS: usize = 512;
const BATCH_BYTES: usize = 1 << 20;
/// How often a caller is asked whether to go on while nothing comes.
const PATIENCE: Duration = Duration::from_millis(200);

/// Items that are read on a thread of their own.
pub(super) struct Pipeline {
    batches: Receiver<Vec<Timed>>,
    reader: JoinHandle<Result<Merge, Error>>,
}

impl Pipeline {
    /// Starts to read.
    pub(super) fn start(merge: Merge) -> Self {
        let (sender, batches) = sync_channel(WAITING);
        let reader = thread::spawn(move || read(merge, &sender));
        Self { batches, reader }
    }

    /// Takes items until the end or until `is_going_on` says no, which it is asked at least five
    /// times a second. Returns what was read from, for its last words.
    pub(super) fn drain(
        self,
        mut take: impl FnMut(Timed) -> Result<(), Error>,
        mut is_going_on: impl FnMut() -> ControlFlow<()>,
    ) -> Result<Merge, Error> {
        loop {
            match self.batches.recv_timeout(PATIENCE) {
                Ok(batch) => batch.into_iter().try_for_each(&mut take)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            // A reader that waits for its input is left to itself.
            if is_going_on().is_break() {
                return Err(Error::Cancelled);
            }
        }
        self.reader
            .join()
            .unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// Reads to the end, or until nobody takes the batches.
fn read(mut merge: Merge, sender: &SyncSender<Vec<Timed>>) -> Result<Merge, Error> {
    loop {
        let mut batch = Vec::with_capacity(BATCH_ITEMS);
        let mut bytes = 0;
        let mut is_end = false;
        while batch.len() < BATCH_ITEMS && bytes < BATCH_BYTES {
            let Some(timed) = merge.next()? else {
                is_end = true;
                break;
            };
            if let What::Object(object) = &timed.item.what {
                bytes += object.body.as_ref().map_or(0, |body| body.len());
            }
            batch.push(timed);
        }
        if (!batch.is_empty() && sender.send(batch).is_err()) || is_end {
            return Ok(merge);
        }
    }
}
