use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use kymo_model::{Cause, Clock, Feed};
use kymo_store::fs::{Filesystem, RealFs};
use kymo_store::{LogRecord, SessionInfo, Writer};
use kymo_watch::{Catalogue, FeedContext};
use tokio::sync::{Notify, Semaphore, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::budget::{Budget, PARALLEL_LISTS};
use crate::discovery::Rediscovery;
use crate::endpoint::Endpoint;
use crate::gate::Gate;
use crate::inlet::{Entry, Inlet, Intake};
use crate::keeper::{Keeping, panic_message};
use crate::ledger::{Closed, Ledger, Surroundings};
use crate::maintenance::Upkeep;
use crate::plan::{Plan, Summary, Warning};
use crate::session::SessionTime;
use crate::sink::Drain;
use crate::status::{Observer, Status};
use crate::supervisor::Supervisor;
use crate::tally::Tally;
use crate::veil::Veil;
use crate::{Cluster, Config, Error, credentials, trace};

/// How often the status is told and the clock compared.
const STATUS_PERIOD: Duration = Duration::from_millis(500);

/// A difference of clocks that the user should know of, in nanoseconds.
const CLOCK_OFFSET_TO_TELL: i64 = 5_000_000_000;

/// The part of the stop limit that the log may take; feeds have the rest.
const LEDGER_SHARE: f64 = 0.4;

/// The part of the stop limit that the last audit may take.
const AUDIT_SHARE: f64 = 0.4;

const LEDGER: &str = "kymo-ledger";

/// A recorder that has its cluster and its trace and has not begun.
pub struct Recorder {
    config: Config,
    budget: Budget,
    clock: Arc<dyn Clock>,
    time: Arc<SessionTime>,
    cluster: Cluster,
    catalogue: Catalogue,
    plan: Plan,
    writer: Writer,
    veil: Option<Veil>,
    tally: Arc<Tally>,
    endpoint: Option<Endpoint>,
    status: watch::Sender<Status>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder")
            .field("config", &self.config)
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

impl Recorder {
    /// Connects to the cluster, finds out what to record and opens the trace.
    ///
    /// # Errors
    ///
    /// Everything that speaks against beginning; see [`Error`]. A trace that was just made for
    /// it stays, empty and whole.
    pub async fn connect(config: Config, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        Self::connect_with(config, clock, Arc::new(RealFs)).await
    }

    /// Like [`Recorder::connect`], with the trace in another file system.
    ///
    /// # Errors
    ///
    /// As [`Recorder::connect`].
    pub async fn connect_with(
        mut config: Config,
        clock: Arc<dyn Clock>,
        fs: Arc<dyn Filesystem>,
    ) -> Result<Self, Error> {
        let budget = Budget::divide(config.memory_budget)?;
        budget.fit_feed(&mut config.feed);
        let for_audit = config.stop_limit.mul_f64(AUDIT_SHARE);
        config.feed.audit_on_stop = config.feed.audit_on_stop.min(for_audit);
        budget.fit_writer(&mut config.writer);
        let endpoint = match config.metrics {
            Some(address) => Some(Endpoint::bind(address).await?),
            None => None,
        };
        let cluster = Cluster::connect(&config.connection, clock.as_ref()).await?;
        let catalogue = cluster.catalogue(cluster.client()).await?;
        let resources = config.selection.resources_of(&catalogue)?;
        let feeds: Vec<Feed> = resources
            .iter()
            .flat_map(|resource| config.selection.feeds_of(resource))
            .collect();
        if let Some(feed) = feeds.first() {
            cluster.check_selector(feed).await?;
        }
        let (config, opened, veil) = {
            let (cluster, clock) = (cluster.clone(), Arc::clone(&clock));
            blocking(move || {
                let mut veil = config.anonymize.as_ref().map(Veil::new);
                let opened = trace::open(&config, &cluster, &clock, &fs, veil.as_mut());
                opened.map(|opened| (config, opened, veil))
            })
            .await?
        };
        let mut warnings: Vec<Warning> = opened.warning.into_iter().collect();
        warnings.extend(catalogue.failures.iter().map(Warning::from));
        warnings.extend(
            cluster
                .clock_offset_ns()
                .filter(|offset| offset.abs() > CLOCK_OFFSET_TO_TELL)
                .map(|offset| Warning::ClockOffset {
                    seconds: offset / 1_000_000_000,
                }),
        );
        let plan = Plan {
            server: cluster.server().to_owned(),
            server_version: cluster.server_version().map(str::to_owned),
            cluster_uid: cluster.uid().map(str::to_owned),
            feeds,
            resumed: opened.resumed,
            warnings,
        };
        Ok(Self {
            time: Arc::new(SessionTime::new(Arc::clone(&clock))),
            tally: Arc::new(Tally::new(budget.total)),
            writer: opened.writer,
            veil,
            config,
            budget,
            clock,
            cluster,
            catalogue,
            plan,
            endpoint,
            status: watch::Sender::default(),
        })
    }

    /// Returns what will be recorded.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Returns how recording goes: a new snapshot twice a second.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Returns where metrics and health are served.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.endpoint.as_ref().map(Endpoint::address)
    }

    /// Records until `shutdown`, or until the configured time is over, and returns within the
    /// configured limit then.
    ///
    /// # Errors
    ///
    /// When the trace can no longer be written, for another reason than a full disk or one that
    /// loses a write: these are waited out.
    pub async fn run(self, shutdown: CancellationToken) -> Result<Summary, Error> {
        let Self {
            config,
            budget,
            clock,
            time,
            cluster,
            catalogue,
            plan,
            mut writer,
            veil,
            tally,
            endpoint,
            status,
        } = self;
        let began = time.now();
        let session = SessionInfo {
            number: 0,
            started: began,
            tool: config.tool.clone(),
            command: config.command.clone(),
            cluster_uid: cluster.uid().map(str::to_owned),
            server_version: cluster.server_version().map(str::to_owned),
            dropped: config.policy.dropped(),
            clock_offset_ns: cluster.clock_offset_ns(),
        };
        let (session, writer, veil) = blocking(move || {
            let Some(mut veil) = veil else {
                return Ok((writer.begin_session(session)?, writer, None));
            };
            let tool = session.tool.clone();
            let session = veil
                .session(session)
                .map_err(|source| Error::Anonymize { source })?;
            let number = writer.begin_session(session)?;
            writer.append(LogRecord::Lineage(veil.step(&tool)))?;
            Ok((number, writer, Some(veil)))
        })
        .await?;

        let (intake, intake_view) = watch::channel(Intake::Open(0));
        let (entries, received) = mpsc::channel();
        let upkeep = Upkeep::start(writer.maintenance(), Arc::clone(&tally))?;
        let ledger = Ledger::new(
            writer,
            session,
            plan.feeds,
            received,
            Surroundings {
                veil,
                intake,
                tally: Arc::clone(&tally),
                time: Arc::clone(&time),
                clock: Arc::clone(&clock),
            },
        );
        let mut closed = spawn(ledger)?;
        let inlet = Inlet::new(entries, Gate::new(budget.in_flight), intake_view);

        // Feeds, discovery and credentials end first; what only looks on ends last.
        // Should this future be dropped, the guards end them all, and the ledger ends with them.
        let feeds = CancellationToken::new();
        let lookers = CancellationToken::new();
        let guards = (feeds.clone().drop_guard(), lookers.clone().drop_guard());
        let (clients, clients_view) = watch::channel(cluster.client().clone());
        let (recheck, recheck_view) = watch::channel(0);
        let drain = Arc::new(Drain {
            inlet: inlet.clone(),
            policy: config.policy,
            tally: Arc::clone(&tally),
            unauthorized: Notify::new(),
            types_changed: Notify::new(),
        });
        let keeping = Keeping {
            drain: Arc::clone(&drain),
            context: FeedContext {
                clients: clients_view.clone(),
                now: {
                    let time = Arc::clone(&time);
                    Arc::new(move || time.now())
                },
                lists: Arc::new(Semaphore::new(PARALLEL_LISTS)),
                recheck: recheck_view,
                cancel: feeds.clone(),
            },
            options: config.feed.clone(),
            clock: Arc::clone(&clock),
        };
        let mut supervisor = Supervisor::new(keeping, config.selection.clone(), feeds.clone());
        supervisor
            .reconcile(&config.selection.served_of(&catalogue))
            .await;
        let rediscovery = Rediscovery {
            cluster: cluster.clone(),
            selection: config.selection.clone(),
            clients: clients_view,
            drain: Arc::clone(&drain),
            interval: config.discovery_interval,
            recheck,
        };
        let supervision = tokio::spawn(rediscovery.run(supervisor, catalogue, feeds.clone()));
        let mut around = JoinSet::new();
        around.spawn(credentials::renew(cluster, drain, clients, feeds.clone()));
        around.spawn(tell(
            status.clone(),
            Observer::new(began, budget.total),
            Arc::clone(&tally),
            Arc::clone(&time),
            inlet.clone(),
            lookers.clone(),
        ));
        if let Some(endpoint) = endpoint {
            around.spawn(endpoint.serve(Arc::clone(&tally), status.subscribe(), lookers.clone()));
        }

        let over = async {
            match config.duration {
                Some(duration) => tokio::time::sleep(duration).await,
                None => std::future::pending().await,
            }
        };
        let early = tokio::select! {
            () = shutdown.cancelled() => None,
            () = over => None,
            result = &mut closed => Some(result),
        };

        let stopping = clock.monotonic();
        feeds.cancel();
        upkeep.stop();
        let for_ledger = config.stop_limit.mul_f64(LEDGER_SHARE);
        let for_feeds = config.stop_limit.saturating_sub(for_ledger).mul_f64(0.9);
        let (feed_count, feeds_ended) = match supervision.await {
            Ok(supervisor) => (supervisor.len(), supervisor.join(for_feeds).await),
            Err(error) => {
                tally.note(format!("supervision failed: {error}"));
                (0, false)
            }
        };
        let result = if early.is_some() {
            early
        } else {
            let stop = Entry::Stop { cause: Cause::Stop };
            if inlet.send(stop).is_err() {
                tracing::debug!("the ledger is closed");
            }
            tokio::time::timeout(for_ledger, &mut closed).await.ok()
        };
        let passed = clock.monotonic().saturating_sub(stopping);
        let left = config.stop_limit.mul_f64(0.9).saturating_sub(passed);
        upkeep.join(left).await;
        drop(guards);
        around.shutdown().await;
        let ledger_ended = match result {
            Some(Ok(Ok(closed))) => closed.clean,
            Some(Ok(Err(error))) => return Err(error),
            Some(Err(_)) => false,
            None => {
                tracing::warn!("the disk is too slow: the end of the session is not in the trace");
                false
            }
        };
        Ok(Summary {
            session,
            events: tally.events.get(),
            received_bytes: tally.received_bytes.get(),
            durable_bytes: tally.durable_bytes.get(),
            gaps: tally.gap_count(),
            feeds: feed_count,
            duration: time.now().since(began),
            clean: feeds_ended && ledger_ended,
        })
    }
}

/// Connects and records in one; see [`Recorder`].
///
/// # Errors
///
/// As [`Recorder::connect`] and [`Recorder::run`].
pub async fn record(
    config: Config,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
) -> Result<Summary, Error> {
    Recorder::connect(config, clock).await?.run(shutdown).await
}

/// Starts the thread that owns the log; the channel tells how it ended.
fn spawn(ledger: Ledger) -> Result<oneshot::Receiver<Result<Closed, Error>>, Error> {
    let (tell, closed) = oneshot::channel();
    thread::Builder::new()
        .name(LEDGER.to_owned())
        .spawn(move || {
            let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| ledger.run()));
            let result = match ran {
                Ok(result) => result.map_err(Error::from),
                Err(payload) => Err(Error::Panicked {
                    name: LEDGER,
                    message: panic_message(payload.as_ref()),
                }),
            };
            if tell.send(result).is_err() {
                tracing::debug!("nobody waited for the end of the log");
            }
        })
        .map_err(|source| Error::Thread {
            name: LEDGER,
            source,
        })?;
    Ok(closed)
}

/// Tells the status and compares the clocks until cancelled.
async fn tell(
    status: watch::Sender<Status>,
    mut observer: Observer,
    tally: Arc<Tally>,
    time: Arc<SessionTime>,
    inlet: Inlet,
    cancel: CancellationToken,
) {
    let mut ticks = tokio::time::interval(STATUS_PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Some(step) = time.check()
            && inlet.send(Entry::ClockStep(step)).is_err()
        {
            tracing::debug!("the ledger is closed");
        }
        status.send_replace(observer.observe(&tally, time.now(), inlet.held()));
    }
}

/// Runs what waits for the disk beside the tasks.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::Panicked {
            name: "opening",
            message: error.to_string(),
        }),
    }
}
