//! A scripted server, a trace in memory, and a recorder between them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kymo_model::{Cause, Coverage, CoverageState, Event, EventType, SystemClock};
use kymo_record::{Config, Error, Recorder, Status, Summary};
use kymo_store::Trace;
use kymo_store::fs::{Filesystem, ModelFs};
use kymo_testkit::scripted::{RequestMatch, ScriptedServer};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Nothing in these tests takes so long unless it is broken.
const LIMIT: Duration = Duration::from_mins(2);

pub(crate) const TRACE: &str = "/trace";

pub(crate) struct Rig {
    pub(crate) server: ScriptedServer,
    pub(crate) fs: ModelFs,
    directory: TempDir,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        let rig = Self {
            server: ScriptedServer::start().await.unwrap(),
            fs: ModelFs::new(),
            directory: tempfile::tempdir().unwrap(),
        };
        rig.server.write_kubeconfig(&rig.kubeconfig()).unwrap();
        rig
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.directory.path().join("kubeconfig")
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Records the named resources, with short waits.
    pub(crate) fn config(&self, resources: &[&str]) -> Config {
        let mut config = Config::new(TRACE);
        config.connection.kubeconfig = Some(self.kubeconfig());
        config.selection.resources = resources.iter().map(|&name| name.to_owned()).collect();
        config.feed.backoff_min = Duration::from_millis(20);
        config.feed.backoff_max = Duration::from_millis(200);
        config.feed.recheck = Duration::from_millis(300);
        config.feed.disconnect_grace = Duration::from_millis(500);
        config.feed.audit_every = None;
        config.discovery_interval = Duration::from_secs(1);
        config
    }

    pub(crate) async fn connect(&self, config: Config) -> Result<Recorder, Error> {
        self.connect_to(config, Arc::new(self.fs.clone())).await
    }

    pub(crate) async fn connect_to(
        &self,
        config: Config,
        fs: Arc<dyn Filesystem>,
    ) -> Result<Recorder, Error> {
        Recorder::connect_with(config, Arc::new(SystemClock::new()), fs).await
    }

    /// Starts recording the named resources and waits until each has been listed.
    pub(crate) async fn record(&self, resources: &[&str]) -> Running {
        let mut running = Running::start(self.connect(self.config(resources)).await.unwrap());
        running.until(|status| status.ready).await;
        running
    }

    /// Puts a config map with a number in it.
    pub(crate) fn put(&self, resource: &str, name: &str, number: u64) -> u64 {
        self.server.put(
            resource,
            serde_json::json!({"metadata": {"name": name}, "data": {"number": number.to_string()}}),
        )
    }

    /// Returns how often a resource was listed, audits left out.
    pub(crate) fn lists(&self, resource: &str) -> usize {
        let streamed = RequestMatch::watches(resource).query("sendInitialEvents", "true");
        let pages = self
            .server
            .requests_of(&RequestMatch::lists(resource))
            .into_iter()
            .filter(|request| {
                let accept = request.header("accept").unwrap_or_default();
                !accept.contains("PartialObjectMetadata")
            });
        pages.count() + self.server.requests_of(&streamed).len()
    }

    pub(crate) fn read(&self) -> Recorded {
        Recorded::read(&self.fs)
    }
}

pub(crate) struct Running {
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) shutdown: CancellationToken,
    task: JoinHandle<Result<Summary, Error>>,
}

impl Running {
    pub(crate) fn start(recorder: Recorder) -> Self {
        let shutdown = CancellationToken::new();
        Self {
            status: recorder.status(),
            task: tokio::spawn(recorder.run(shutdown.clone())),
            shutdown,
        }
    }

    /// Waits until the status is as said.
    pub(crate) async fn until(&mut self, condition: impl FnMut(&Status) -> bool) {
        let found = tokio::time::timeout(LIMIT, self.status.wait_for(condition)).await;
        let found = found.is_ok_and(|found| found.is_ok());
        assert!(found, "stuck at {:?}", self.status.borrow().clone());
    }

    /// Waits until so many events were handed to the log and nothing waits to become durable.
    pub(crate) async fn until_durable(&mut self, events: u64) {
        self.until(|status| {
            status.events >= events && status.lag.is_zero() && status.in_flight_bytes == 0
        })
        .await;
    }

    pub(crate) async fn stop(self) -> Summary {
        self.shutdown.cancel();
        self.end().await.unwrap()
    }

    pub(crate) async fn end(self) -> Result<Summary, Error> {
        tokio::time::timeout(LIMIT, self.task)
            .await
            .expect("the recorder does not end")
            .unwrap()
    }

    /// Ends it without a word, as a kill does.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.is_err());
    }
}

/// What a trace holds.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) trace: Trace,
    pub(crate) events: Vec<(String, Event)>,
    pub(crate) coverage: Vec<(String, Coverage)>,
}

impl Recorded {
    pub(crate) fn read(fs: &ModelFs) -> Self {
        Self::open(Arc::new(fs.clone()), Path::new(TRACE))
    }

    pub(crate) fn open(fs: Arc<dyn Filesystem>, path: &Path) -> Self {
        let trace = Trace::open_with(fs, path).unwrap();
        let feeds = trace.feeds().clone();
        let name = |id| {
            feeds
                .get(&id)
                .map(|feed| feed.resource.group_resource().to_string())
                .unwrap_or_default()
        };
        let mut rows: Vec<_> = trace.rows().unwrap().map(Result::unwrap).collect();
        rows.sort_by_key(|row| row.seq);
        let events = rows
            .into_iter()
            .map(|row| (name(row.event.feed), row.event))
            .collect();
        let coverage = trace
            .coverage()
            .iter()
            .map(|row| (row.feed.map(name).unwrap_or_default(), row.clone()))
            .collect();
        Self {
            trace,
            events,
            coverage,
        }
    }

    /// Writes the events of a resource: `ADDED a 101`.
    pub(crate) fn events_of(&self, resource: &str) -> Vec<String> {
        self.events
            .iter()
            .filter(|(of, _)| of == resource)
            .map(|(_, event)| {
                let rv = event.rv.as_ref().map_or("-", |rv| rv.as_str());
                format!("{} {} {rv}", event.event_type, event.key.name)
            })
            .collect()
    }

    /// Returns the versions of a resource's objects, in order.
    pub(crate) fn versions_of(&self, resource: &str) -> Vec<u64> {
        self.events
            .iter()
            .filter(|(of, event)| of == resource && event.event_type != EventType::Unreadable)
            .filter_map(|(_, event)| event.rv.as_ref()?.as_str().parse().ok())
            .collect()
    }

    /// Writes the coverage of a resource: `observed start`.
    pub(crate) fn coverage_of(&self, resource: &str) -> Vec<String> {
        self.coverage
            .iter()
            .filter(|(of, _)| of == resource)
            .map(|(_, row)| format!("{} {}", row.state, row.cause))
            .collect()
    }

    /// Tells whether a stretch of the resource, or of all, has this state and cause.
    pub(crate) fn has(&self, resource: &str, state: CoverageState, cause: Cause) -> bool {
        self.coverage.iter().any(|(of, row)| {
            (of == resource || of.is_empty()) && row.state == state && row.cause == cause
        })
    }
}

/// Asserts that the versions are exactly those, each once and in order.
pub(crate) fn assert_versions(found: &[u64], expected: impl IntoIterator<Item = u64>) {
    let expected: Vec<u64> = expected.into_iter().collect();
    assert_eq!(found, expected);
}
