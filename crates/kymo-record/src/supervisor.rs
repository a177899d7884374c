//! The set of feeds: what discovery says is started and stopped here.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use kymo_model::{CoverageState, Feed, FeedId, ResourceType};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::Selection;
use crate::keeper::Keeping;
use crate::tally::name_of;

/// How long a feed may take to stop before it is ended.
const STOP: Duration = Duration::from_secs(3);

/// A feed that is kept running.
#[derive(Debug)]
struct Kept {
    cancel: CancellationToken,
    task: JoinHandle<()>,
    id: watch::Receiver<Option<FeedId>>,
}

/// All feeds of a recorder.
#[derive(Debug)]
pub(crate) struct Supervisor {
    keeping: Keeping,
    selection: Selection,
    cancel: CancellationToken,
    feeds: HashMap<Feed, Kept>,
}

impl Supervisor {
    /// `cancel` ends all feeds.
    pub(crate) fn new(keeping: Keeping, selection: Selection, cancel: CancellationToken) -> Self {
        Self {
            keeping,
            selection,
            cancel,
            feeds: HashMap::new(),
        }
    }

    /// Starts the feeds of resources that are new, and stops those that are gone; tells whether
    /// anything changed.
    ///
    /// A feed whose resource discovery does not name is stopped only when the feed itself found
    /// it absent: discovery also leaves out what an aggregated server does not tell for a while,
    /// and the last events of a deleted type may still be on the way.
    pub(crate) async fn reconcile(&mut self, resources: &[ResourceType]) -> bool {
        let wanted: Vec<Feed> = resources
            .iter()
            .flat_map(|resource| self.selection.feeds_of(resource))
            .collect();
        let mut changed = false;
        // All of them count before the first one runs: nobody may take a part for the whole.
        let new = wanted.iter().filter(|feed| !self.feeds.contains_key(feed));
        self.keeping.drain.tally.expect(new);
        for feed in &wanted {
            if self.feeds.contains_key(feed) {
                continue;
            }
            changed = true;
            // The same resource in another version: the new feed goes on where the old one ends.
            for other in self.other_versions(feed) {
                self.stop(&other).await;
            }
            self.start(feed.clone());
        }
        let wanted: HashSet<&Feed> = wanted.iter().collect();
        let gone: Vec<Feed> = self
            .feeds
            .iter()
            .filter(|(feed, kept)| !wanted.contains(feed) && self.is_absent(kept))
            .map(|(feed, _)| feed.clone())
            .collect();
        for feed in gone {
            tracing::info!("{} is no longer served", name_of(&feed));
            changed = true;
            self.end(&feed);
        }
        changed
    }

    /// Returns how many feeds there are.
    pub(crate) fn len(&self) -> usize {
        self.feeds.len()
    }

    fn start(&mut self, feed: Feed) {
        tracing::debug!("{} starts", name_of(&feed));
        let cancel = self.cancel.child_token();
        let (told, id) = watch::channel(None);
        let keeper = self.keeping.clone();
        let task = tokio::spawn(keeper.keep(feed.clone(), cancel.clone(), told));
        self.feeds.insert(feed, Kept { cancel, task, id });
    }

    fn other_versions(&self, feed: &Feed) -> Vec<Feed> {
        self.feeds
            .keys()
            .filter(|other| {
                other.scope == feed.scope
                    && other.resource.group == feed.resource.group
                    && other.resource.resource == feed.resource.resource
            })
            .cloned()
            .collect()
    }

    fn is_absent(&self, kept: &Kept) -> bool {
        let id = *kept.id.borrow();
        id.is_some_and(|id| self.keeping.drain.tally.coverage_of(id) == Some(CoverageState::Absent))
    }

    /// Stops a feed in an orderly way.
    async fn stop(&mut self, feed: &Feed) {
        let Some(mut kept) = self.feeds.remove(feed) else {
            return;
        };
        kept.cancel.cancel();
        if tokio::time::timeout(STOP, &mut kept.task).await.is_err() {
            kept.task.abort();
        }
        self.forget(feed, &kept);
    }

    /// Ends a feed as it stands: its coverage keeps the state that it is in.
    fn end(&mut self, feed: &Feed) {
        if let Some(kept) = self.feeds.remove(feed) {
            kept.task.abort();
            self.forget(feed, &kept);
        }
    }

    fn forget(&self, feed: &Feed, kept: &Kept) {
        let id = *kept.id.borrow();
        self.keeping.drain.tally.forget(feed, id);
    }

    /// Waits until all feeds have ended, which `cancel` makes them do; those that have not within
    /// `limit` are ended. Returns whether none was.
    pub(crate) async fn join(self, limit: Duration) -> bool {
        let mut feeds: Vec<JoinHandle<()>> =
            self.feeds.into_values().map(|kept| kept.task).collect();
        let all = futures::future::join_all(feeds.iter_mut());
        if tokio::time::timeout(limit, all).await.is_ok() {
            return true;
        }
        for task in &feeds {
            task.abort();
        }
        false
    }
}
