//! Watching etcd from the beginning.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::etcd::Etcd;
use super::history::{History, Revision};

/// How long etcd may take to send what it has already.
const PATIENCE: Duration = Duration::from_mins(1);

/// Collects every change in etcd from revision 1 on, in the background.
///
/// Start it before anything compacts the history.
#[derive(Debug)]
pub struct Oracle {
    etcd: Etcd,
    revisions: Arc<Mutex<Vec<Revision>>>,
    /// The newest revision collected, or why collecting ended.
    progress: watch::Receiver<Result<u64, String>>,
    task: JoinHandle<()>,
}

impl Oracle {
    /// Starts to watch.
    pub async fn start(etcd: Etcd) -> Result<Self> {
        let mut changes = etcd.watch(1).await?;
        let revisions = Arc::new(Mutex::new(Vec::new()));
        let (sender, progress) = watch::channel(Ok(0));
        let collected = Arc::clone(&revisions);
        let task = tokio::spawn(async move {
            loop {
                let step = match changes.next().await {
                    Ok(changes) => collect(&changes, &collected),
                    Err(error) => Err(error),
                };
                match step {
                    Ok(revision) => drop(sender.send(Ok(revision))),
                    Err(error) => {
                        drop(sender.send(Err(format!("{error:#}"))));
                        return;
                    }
                }
            }
        });
        Ok(Self {
            etcd,
            revisions,
            progress,
            task,
        })
    }

    /// Gives the history up to etcd's newest revision at this moment.
    pub async fn history(&self) -> Result<History> {
        let to = self.etcd.revision().await?;
        let mut progress = self.progress.clone();
        let reached =
            progress.wait_for(|progress| progress.as_ref().map_or(true, |reached| *reached >= to));
        match timeout(PATIENCE, reached).await {
            Err(_) => bail!("etcd did not send revision {to} within {PATIENCE:?}"),
            Ok(Err(_)) => bail!("the watch of etcd ended"),
            Ok(Ok(state)) => state.as_ref().map(drop).map_err(|why| anyhow!("{why}"))?,
        }
        let revisions = self
            .revisions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let revisions: Vec<Revision> = revisions.iter().filter(|r| r.rv <= to).cloned().collect();
        Ok(History::new(revisions, to))
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn collect(changes: &[super::Change], into: &Mutex<Vec<Revision>>) -> Result<u64> {
    let mut found = Vec::new();
    let mut newest = 0;
    for change in changes {
        newest = newest.max(change.kv.mod_revision);
        found.extend(Revision::from_change(change)?);
    }
    into.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .extend(found);
    Ok(newest)
}
