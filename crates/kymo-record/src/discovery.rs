//! What the server serves, asked again and again.

use std::sync::Arc;
use std::time::Duration;

use kymo_watch::Catalogue;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::sink::Drain;
use crate::supervisor::Supervisor;
use crate::{Cluster, Selection};

/// How long to wait for more after a change of a type.
const SOON: Duration = Duration::from_millis(300);

/// The shortest time from one question to one that a change prompts.
const PAUSE: Duration = Duration::from_secs(1);

/// After a change of a type, the server's answer follows with some delay: it is asked again after
/// these times.
const AFTER_CHANGE: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(8),
];

/// Asks what is served and lets the supervisor follow.
///
/// It asks at once after a change of a custom resource definition or an API service, which the
/// feeds of these tell where they may be read, and else at every `interval`.
pub(crate) struct Rediscovery {
    pub(crate) cluster: Cluster,
    pub(crate) selection: Selection,
    pub(crate) clients: watch::Receiver<kube::Client>,
    pub(crate) drain: Arc<Drain>,
    pub(crate) interval: Duration,
    /// Counted up whenever something new is served, so that absent feeds try again.
    pub(crate) recheck: watch::Sender<u64>,
}

impl Rediscovery {
    /// Works until cancelled, then returns the supervisor.
    pub(crate) async fn run(
        self,
        mut supervisor: Supervisor,
        first: Catalogue,
        cancel: CancellationToken,
    ) -> Supervisor {
        let mut known = first;
        let mut asked = Instant::now();
        let mut due = asked + self.interval;
        // Which of the waits after a change comes next; past the last one: none.
        let mut next = AFTER_CHANGE.len();
        loop {
            tokio::select! {
                () = cancel.cancelled() => return supervisor,
                () = self.drain.types_changed.notified() => {
                    let soon = (Instant::now() + SOON).max(asked + PAUSE);
                    due = due.min(soon);
                    next = 0;
                    continue;
                }
                () = sleep_until(due) => {}
            }
            let wait = AFTER_CHANGE.get(next).copied().unwrap_or(self.interval);
            next = next.saturating_add(1);
            asked = Instant::now();
            due = asked + wait.min(self.interval);
            let answer = tokio::select! {
                () = cancel.cancelled() => return supervisor,
                answer = self.ask() => answer,
            };
            let Some(found) = answer else { continue };
            if found != known {
                self.recheck.send_modify(|count| *count += 1);
                known = found;
            }
            supervisor
                .reconcile(&self.selection.served_of(&known))
                .await;
        }
    }

    async fn ask(&self) -> Option<Catalogue> {
        let client = self.clients.borrow().clone();
        let tally = &self.drain.tally;
        tally.discoveries.inc();
        match self.cluster.catalogue(&client).await {
            Ok(found) => Some(found),
            Err(error) => {
                tally.discovery_failures.inc();
                tracing::warn!("discovery failed and is tried again: {error}");
                None
            }
        }
    }
}
