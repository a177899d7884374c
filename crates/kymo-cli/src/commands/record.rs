use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chrono::DateTime;
use kymo_anonymize::{AnonymizationPolicy, Key, Policy};
use kymo_record::{Anonymize, Config, Connection, Recorder, Selection, Status, Summary};
use tokio_util::sync::CancellationToken;

use crate::argument;
use crate::command_error::CommandError;
use crate::environment;
use crate::signal;
use crate::ui::{Ui, bytes, of};

/// Record a cluster into a trace
///
/// Lists and watches every resource that may be listed and watched, or the ones asked for, and
/// writes each change to TRACE as it comes. A trace that exists is continued where it ended, if
/// it is of the same cluster. Interrupt it to stop: everything received is kept.
///
/// The data of Secrets and the annotation in which kubectl repeats an object are never written. With
/// --anonymize no name is either: pseudonyms are, as `kymo anonymize` makes them, and such a trace is
/// not continued. docs/anonymize.md tells what becomes of each field.
#[derive(Debug, clap::Args)]
pub(crate) struct RecordArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    selection: SelectionArgs,
    /// Only objects with these labels, such as `app=web`
    #[arg(short = 'l', long = "selector", value_name = "SELECTOR")]
    selector: Option<String>,
    /// Stop after this time, such as `10m`; without it, when interrupted
    #[arg(long = "for", value_name = "DURATION", value_parser = argument::duration)]
    duration: Option<Duration>,
    /// The trace: a directory, made if it does not exist [default: recording-TIME.kymo]
    #[arg(short, long, value_name = "TRACE")]
    output: Option<PathBuf>,
    /// Memory to stay under
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = argument::size)]
    memory_budget: u64,
    /// Serve Prometheus metrics and health on this loopback address, such as `127.0.0.1:9464`
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
    /// Drop metadata.managedFields, which say who changed a field
    #[arg(long)]
    no_managed_fields: bool,
    /// Record Secrets too: their metadata, never their data
    #[arg(long)]
    secrets_metadata: bool,
    /// Write pseudonyms in place of everything that identifies; into a new trace
    #[arg(long, requires = "key_file")]
    anonymize: bool,
    /// The secret on which pseudonyms depend, as `kymo anonymize` reads and makes it
    #[arg(long, value_name = "FILE", requires = "anonymize")]
    key_file: Option<PathBuf>,
    /// What is kept: `share`, `vendor`, `internal`, or a YAML file [default: share]
    #[arg(long, value_name = "POLICY", requires = "anonymize")]
    policy: Option<String>,
    /// Append to a trace although it cannot be shown to be of this cluster
    #[arg(long)]
    assume_same_cluster: bool,
}

/// Where the API server is.
#[derive(Debug, clap::Args)]
pub(crate) struct ConnectionArgs {
    /// The context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "CONTEXT")]
    context: Option<String>,
    /// The kubeconfig [default: $KUBECONFIG, ~/.kube/config, or the pod's service account]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

impl ConnectionArgs {
    pub(crate) fn connection(&self) -> Connection {
        Connection {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
        }
    }
}

/// What of the cluster is meant.
#[derive(Debug, clap::Args)]
pub(crate) struct SelectionArgs {
    /// Only this namespace; may be given more than once
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Vec<String>,
    /// All namespaces, and what is in none; the default
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    /// Only these resources, by the names that kubectl takes, such as `pods,deployments.apps`
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    resources: Vec<String>,
}

impl SelectionArgs {
    pub(crate) fn selection(&self, label_selector: Option<String>, secrets: bool) -> Selection {
        Selection {
            resources: self
                .resources
                .iter()
                .map(|name| name.trim().to_owned())
                .collect(),
            namespaces: self.namespace.clone(),
            label_selector,
            secrets,
        }
    }
}

/// How often a line is logged where none can be redrawn.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Records until told to stop.
pub(crate) async fn record(ui: &Ui, args: &RecordArgs) -> Result<(), CommandError> {
    let clock = environment::clock()?;
    let output = args
        .output
        .clone()
        .unwrap_or_else(|| default_output(clock.now()));
    let mut config = Config::new(&output);
    config.connection = args.connection.connection();
    config.selection = args
        .selection
        .selection(args.selector.clone(), args.secrets_metadata);
    config.policy = Policy {
        managed_fields: !args.no_managed_fields,
    };
    if let Some(path) = &args.key_file {
        config.anonymize = Some(Anonymize {
            policy: AnonymizationPolicy::read(args.policy.as_deref().unwrap_or("share"))?,
            key: Key::read(path)?,
        });
    }
    config.duration = args.duration;
    config.memory_budget = args.memory_budget;
    config.metrics = args.metrics;
    config.assume_same_cluster = args.assume_same_cluster;

    let shutdown = CancellationToken::new();
    signal::cancel_on_signal(&shutdown)?;
    // A signal while the server does not answer ends the wait; nothing is recorded yet.
    let recorder = tokio::select! {
        recorder = Recorder::connect(config, clock) => recorder?,
        () = shutdown.cancelled() => return Ok(()),
    };
    let plan = recorder.plan();
    for warning in &plan.warnings {
        ui.warning(&warning.to_string());
    }
    let verb = if plan.resumed {
        "continuing"
    } else {
        "recording"
    };
    let version = plan
        .server_version
        .as_deref()
        .unwrap_or("of unknown version");
    ui.message(&format!(
        "{verb} {} of {} ({version}) in `{}`",
        of(plan.feeds.len() as u64, "feed"),
        plan.server,
        output.display(),
    ));
    if let Some(address) = recorder.metrics_address() {
        ui.message(&format!("metrics on http://{address}/metrics"));
    }
    let mut status = recorder.status();
    let shown = ui.clone();
    let show = tokio::spawn(async move {
        let progress = shown.progress();
        let mut logged = tokio::time::Instant::now();
        let mut forbidden = 0;
        while status.changed().await.is_ok() {
            let snapshot = status.borrow_and_update().clone();
            if snapshot.feeds.denied > forbidden {
                shown.warning(&forbidden_line(snapshot.feeds.denied));
            }
            forbidden = snapshot.feeds.denied;
            let line = status_line(&snapshot);
            if shown.is_interactive() {
                progress.set(&line);
            } else if logged.elapsed() >= LOG_INTERVAL {
                logged = tokio::time::Instant::now();
                shown.message(&line);
            }
        }
    });
    let result = recorder.run(shutdown).await;
    show.abort();
    // It was aborted: how it ended does not matter.
    show.await.ok();
    let summary = result?;
    ui.message(&summary_line(&summary));
    if !summary.clean {
        ui.warning("not everything ended in time; what is durable is whole, and the next session goes on from there");
    }
    Ok(())
}

fn default_output(now: kymo_model::Timestamp) -> PathBuf {
    let time = DateTime::from_timestamp_nanos(now.0).format("%Y%m%dT%H%M%SZ");
    PathBuf::from(format!("recording-{time}.kymo"))
}

fn forbidden_line(feeds: usize) -> String {
    let feeds = of(feeds as u64, "feed");
    format!("the server forbids {feeds}; `kymo rbac --check` tells which permissions are missing")
}

fn status_line(status: &Status) -> String {
    let feeds = &status.feeds;
    let mut parts = vec![
        of(status.events, "event"),
        format!("{:.0}/s", status.events_per_second),
        format!("{} on disk", bytes(status.durable_bytes)),
        format!("lag {:.1} s", status.lag.as_secs_f64()),
        format!("{} of {} feeds observed", feeds.observed, feeds.total()),
        of(status.gaps, "gap"),
    ];
    for (name, number) in feeds.by_name() {
        if number > 0 && !matches!(name, "observed" | "starting") {
            parts.push(format!("{number} {name}"));
        }
    }
    if status.disk_full {
        parts.push("DISK FULL: waiting for space".to_owned());
    }
    parts.extend(
        status
            .last_alarm
            .iter()
            .map(|alarm| format!("last: {alarm}")),
    );
    parts.join("  ")
}

fn summary_line(summary: &Summary) -> String {
    format!(
        "session {}: {} of {} in {:.1} s, {} received, {} written, {}",
        summary.session,
        of(summary.events, "event"),
        of(summary.feeds as u64, "feed"),
        summary.duration.as_secs_f64(),
        bytes(summary.received_bytes),
        bytes(summary.durable_bytes),
        of(summary.gaps, "gap"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use kymo_model::Timestamp;
    use kymo_record::FeedCounts;

    #[test]
    fn the_default_name_tells_when() {
        let now: Timestamp = "2026-11-21T02:07:16.5Z".parse().unwrap();
        assert_eq!(
            default_output(now),
            PathBuf::from("recording-20261121T020716Z.kymo")
        );
    }

    #[test]
    fn the_status_is_one_line() {
        let status = Status {
            events: 12_345,
            events_per_second: 56.7,
            durable_bytes: 3_200_000,
            lag: Duration::from_millis(120),
            feeds: FeedCounts {
                observed: 60,
                denied: 1,
                ..FeedCounts::default()
            },
            gaps: 2,
            ..Status::default()
        };
        assert_eq!(
            status_line(&status),
            "12,345 events  57/s  3.2 MB on disk  lag 0.1 s  60 of 61 feeds observed  2 gaps  1 denied",
        );
    }
}
