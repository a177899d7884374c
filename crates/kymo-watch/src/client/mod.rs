//! One feed over `kube::Client`.
//!
//! [`run_feed`] carries out what a [`FeedMachine`](crate::machine::FeedMachine) wants: it sends
//! requests, splits answers into lines and pages, keeps deadlines, and delivers to a [`Sink`].
//!
//! Streams are asked for with `Accept-Encoding: identity`; a server that compresses all the same
//! is decompressed member by member. HTTP statuses and error bodies are read here, not by kube,
//! so that a status of a proxy is told from one of the API.

mod exchange;
mod reader;
mod refusal;
mod run;

use std::fmt;
use std::sync::Arc;

use kube::Client;
use kymo_model::Timestamp;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use self::run::Run;
use crate::{FeedConfig, Sink, SinkClosed};

pub(crate) use self::exchange::get;

/// Returns the session time; see [`kymo_model::SessionClock`].
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What all feeds of a recorder share.
#[derive(Clone)]
pub struct FeedContext {
    /// The client for the next request. Send a new one after [`Alarm::Unauthorized`].
    ///
    /// Build it from a `kube::Config` with `default_retry = false`: the feed owns its waits, so
    /// that a throttled server is visible as coverage. Leave `read_timeout` unset: the feed has
    /// its own watchdog.
    ///
    /// [`Alarm::Unauthorized`]: crate::Alarm::Unauthorized
    pub clients: watch::Receiver<Client>,
    /// The session time.
    pub now: Now,
    /// How many lists may run at once.
    pub lists: Arc<Semaphore>,
    /// Changes when discovery found something new: forbidden and absent feeds try again.
    pub recheck: watch::Receiver<u64>,
    /// Ends the feed: last audit, transition `stop`, return. Drop the future to end it at once.
    pub cancel: CancellationToken,
}

impl fmt::Debug for FeedContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedContext").finish_non_exhaustive()
    }
}

/// Runs one feed until it is cancelled.
///
/// A panic in it unwinds through the future: run it in a task of its own and treat a panicked
/// task as gap `recorder_fault`. While [`Sink::deliver`] is pending nothing else happens, also
/// not the end asked for by `cancel`: a sink that waits for long must answer [`SinkClosed`] then.
///
/// # Errors
/// When the sink is closed.
pub async fn run_feed<S: Sink>(
    context: FeedContext,
    config: FeedConfig,
    sink: &S,
) -> Result<(), SinkClosed> {
    // One box per feed instead of a large future in the caller's.
    Box::pin(Run::new(context, config, sink).run()).await
}
