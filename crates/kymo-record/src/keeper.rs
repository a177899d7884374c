//! One feed, kept running: started, watched, started again.

use std::sync::Arc;
use std::time::Duration;

use kymo_model::{Clock, Feed, FeedId};
use kymo_watch::{FeedConfig, FeedContext, FeedOptions, SinkClosed, run_feed};
use rand::Rng as _;
use tokio::sync::watch;
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

use crate::inlet::{Attached, Entry, Intake};
use crate::sink::{Drain, FeedSink};
use crate::tally::name_of;

/// What every keeper needs.
#[derive(Clone)]
pub(crate) struct Keeping {
    pub(crate) drain: Arc<Drain>,
    pub(crate) context: FeedContext,
    pub(crate) options: FeedOptions,
    pub(crate) clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Keeping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeping").finish_non_exhaustive()
    }
}

/// How one run of a feed ended.
enum End {
    /// It was told to.
    Cancelled,
    /// What it delivered became void, or the ledger takes nothing.
    Void,
    /// It failed.
    Fault(String),
}

impl Keeping {
    /// Runs a feed until `cancel`. Tells its number through `id`.
    pub(crate) async fn keep(
        self,
        feed: Feed,
        cancel: CancellationToken,
        id: watch::Sender<Option<FeedId>>,
    ) {
        let mut intake = self.drain.inlet.intake();
        let mut wait = self.options.backoff_min;
        while !cancel.is_cancelled() {
            let Some(generation) = open(&mut intake, &cancel).await else {
                return;
            };
            let Some(attached) = self.drain.inlet.attach(&feed).await else {
                tokio::time::sleep(self.options.backoff_min).await;
                continue;
            };
            let (number, run) = (attached.id, attached.run);
            id.send_replace(Some(number));
            self.drain.tally.register(&feed, number);
            let started = self.clock.monotonic();
            let end = self
                .run(&feed, attached, &cancel, &mut intake, generation)
                .await;
            match end {
                End::Cancelled => return,
                End::Void => {}
                End::Fault(detail) => {
                    if self.clock.monotonic().saturating_sub(started) > self.options.backoff_reset {
                        wait = self.options.backoff_min;
                    }
                    self.report(&feed, number, run, detail, wait);
                    tokio::select! {
                        () = tokio::time::sleep(jittered(wait)) => {}
                        () = cancel.cancelled() => return,
                    }
                    wait = (wait * 2).min(self.options.backoff_max);
                }
            }
        }
    }

    /// Runs the feed once, in a task of its own, so that a panic ends nothing else.
    async fn run(
        &self,
        feed: &Feed,
        attached: Attached,
        cancel: &CancellationToken,
        intake: &mut watch::Receiver<Intake>,
        generation: u64,
    ) -> End {
        let sink = FeedSink::new(Arc::clone(&self.drain), feed.clone(), &attached);
        let mut options = self.options.clone();
        options.metadata_only |= feed.resource.is_secret();
        let config = FeedConfig {
            id: attached.id,
            feed: feed.clone(),
            options,
            resume: attached.resume,
            seed: rand::rng().random(),
        };
        let mut context = self.context.clone();
        context.cancel = cancel.clone();
        let task = tokio::spawn(async move { run_feed(context, config, &sink).await });
        let mut task = Abandoned(task);
        tokio::select! {
            result = &mut task.0 => match result {
                Ok(Ok(())) if cancel.is_cancelled() => End::Cancelled,
                Ok(Ok(())) => End::Fault("the feed ended by itself".to_owned()),
                Ok(Err(SinkClosed)) => End::Void,
                Err(error) => End::Fault(message(error)),
            },
            _ = intake.wait_for(|intake| *intake != Intake::Open(generation)) => End::Void,
        }
    }

    fn report(&self, feed: &Feed, id: FeedId, run: u64, detail: String, wait: Duration) {
        let tally = &self.drain.tally;
        tally.faults.inc();
        tally.note(format!(
            "{}: failed inside the recorder ({detail}); starting again in {:.1} s",
            name_of(feed),
            wait.as_secs_f64()
        ));
        let fault = Entry::Fault {
            feed: id,
            run,
            detail,
        };
        // A ledger that is gone has nothing to write it to.
        if self.drain.inlet.send(fault).is_err() {
            tracing::debug!("the ledger is closed");
        }
    }
}

/// Ends the task when dropped.
struct Abandoned(tokio::task::JoinHandle<Result<(), SinkClosed>>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits until the ledger takes what comes; `None` when that will not be or is not wanted.
async fn open(intake: &mut watch::Receiver<Intake>, cancel: &CancellationToken) -> Option<u64> {
    let ready = |intake: &Intake| !matches!(intake, Intake::Paused(_));
    let found = tokio::select! {
        found = intake.wait_for(ready) => found.ok().map(|intake| *intake),
        () = cancel.cancelled() => None,
    };
    match found? {
        Intake::Open(generation) => Some(generation),
        Intake::Paused(_) | Intake::Closed => None,
    }
}

fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(rand::rng().random_range(0.8..1.2))
}

/// Returns what a panicked task said.
fn message(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(payload) => panic_message(payload.as_ref()),
        Err(error) => error.to_string(),
    }
}

/// Returns what a panic said.
pub(crate) fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|&text| text.to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}
