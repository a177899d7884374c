use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use kymo_anonymize::Policy;
use kymo_interop::{Format, ImportOptions, Limits, MissingTimes, Progress};
use kymo_model::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::argument;
use crate::command_error::CommandError;
use crate::environment;
use crate::signal;
use crate::ui::{Ui, of};

/// The formats.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ImportCommand {
    Watch(WatchArgs),
}

/// Import raw watch streams
///
/// Reads JSON values, a line each or pretty-printed, of the forms `{"recv": TIME, "event": …}`,
/// `{"recv": TIME, "list": …}`, `{"type": …, "object": …}` (what `kubectl get RES --watch
/// --output-watch-events -o json` prints) and lists. A PATH is a file, a folder, a tar or zip
/// archive, each compressed with gzip or zstd or not, or `-` for standard input. A file name such
/// as `apps_v1_deployments.ndjson` tells the resource.
///
/// Streams with receive times are merged in their order. What could not be taken over is
/// reported at the end, and in the trace's lineage. A failed import leaves nothing behind.
#[derive(Debug, clap::Args)]
pub(crate) struct WatchArgs {
    /// Files, folders, archives or `-`
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The trace to make: a directory, or one file if the name ends in `.parquet`
    #[arg(short, long, value_name = "TRACE")]
    output: PathBuf,
    /// The time of the first event, where the input has no receive times (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = argument::time)]
    start: Option<Timestamp>,
    /// The time between two events, with --start
    #[arg(long, value_name = "DURATION", default_value = "1ms", requires = "start", value_parser = argument::duration)]
    interval: Duration,
    /// Take the time at which each event is read, for a stream that is just being written
    #[arg(long, conflicts_with = "start")]
    live: bool,
    /// Drop metadata.managedFields, which say who changed a field
    #[arg(long)]
    no_managed_fields: bool,
    /// The longest line or item of a list; longer ones are reported and left out
    #[arg(long, value_name = "SIZE", default_value = "8MiB", value_parser = argument::size)]
    max_value: u64,
    /// How much the input may decompress to
    #[arg(long, value_name = "SIZE", default_value = "256GiB", value_parser = argument::size)]
    max_decoded: u64,
    /// How many times its size an input may decompress to
    #[arg(long, value_name = "N", default_value_t = 2000)]
    max_ratio: u64,
}

/// Imports, and tells what was lost.
pub(crate) async fn import(ui: &Ui, command: ImportCommand) -> Result<(), CommandError> {
    let ImportCommand::Watch(args) = command;
    let clock = environment::clock()?;
    let mut options = ImportOptions::new(Some(Format::Watch), args.paths, args.output);
    options.policy = Policy {
        managed_fields: !args.no_managed_fields,
    };
    options.limits = Limits {
        value_bytes: usize::try_from(args.max_value).unwrap_or(usize::MAX),
        decoded_bytes: args.max_decoded,
        ratio: args.max_ratio,
        ..Limits::default()
    };
    options.seed = environment::seed()?;
    options.missing_times = match args.start {
        Some(start) => MissingTimes::Counted {
            start,
            interval: args.interval,
        },
        None if args.live => MissingTimes::Now,
        None => MissingTimes::Refuse,
    };
    let is_live = args.live;
    let stop = CancellationToken::new();
    signal::cancel_on_signal(&stop)?;
    let shown = ui.clone();
    let work = tokio::task::spawn_blocking(move || {
        let line = shown.progress();
        kymo_interop::import(&options, &clock, &mut |progress| {
            line.set(&match progress {
                Progress::Reading { events, .. } => format!("{} read", of(events, "event")),
                Progress::Sealing => "sealing".to_owned(),
            });
            // A live stream ends with its writer, which the same interrupt ends.
            if stop.is_cancelled() && !is_live {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
    });
    let report = work
        .await
        .map_err(|error| CommandError::bug("the import panicked").caused_by(&error))??;
    ui.message(&report.summary());
    Ok(())
}
