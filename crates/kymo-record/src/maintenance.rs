//! The thread that seals closed logs and compacts segments, beside the ledger.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use kymo_store::Maintenance;

use crate::Error;
use crate::tally::Tally;

/// How often to look for work.
const PERIOD: Duration = Duration::from_secs(2);

/// How long to wait after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(15);

const NAME: &str = "kymo-maintenance";

/// The thread; it ends when told to, after the step that it is in.
#[derive(Debug)]
pub(crate) struct Upkeep {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Upkeep {
    /// Starts the thread.
    pub(crate) fn start(mut maintenance: Maintenance, tally: Arc<Tally>) -> Result<Self, Error> {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name(NAME.to_owned())
            .spawn(move || work(&mut maintenance, &told, &tally))
            .map_err(|source| Error::Thread { name: NAME, source })?;
        Ok(Self { stop, thread })
    }

    /// Tells the thread to end.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
    }

    /// Waits until the thread has ended, but not longer than `limit`: a step may take long, and
    /// what it leaves half done is done again by the next one.
    pub(crate) async fn join(self, limit: Duration) {
        let ended = async {
            while !self.thread.is_finished() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(limit, ended).await.is_err() {
            tracing::info!("sealing goes on while recording ends");
        }
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A failure is told and tried again: the log keeps everything until it is sealed.
fn work(maintenance: &mut Maintenance, stop: &AtomicBool, tally: &Tally) {
    while !stop.load(Ordering::Relaxed) {
        let wait = match maintenance.run_once() {
            Ok(work) => {
                tally.sealed_logs.inc_by(work.sealed_logs as u64);
                tally
                    .compacted_segments
                    .inc_by(work.compacted_segments as u64);
                PERIOD
            }
            Err(error) => {
                tally.seal_failures.inc();
                tally.note(format!("sealing failed and is tried again: {error}"));
                AFTER_FAILURE
            }
        };
        std::thread::park_timeout(wait);
    }
}
