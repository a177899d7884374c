use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use kymo_anonymize::Policy;
use kymo_interop::{Format, ImportOptions, Limits, LossReport, MissingTimes, Progress};
use kymo_model::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::argument;
use crate::command_error::CommandError;
use crate::environment;
use crate::signal;
use crate::ui::{Ui, of};

/// Make a trace out of what another tool recorded
///
/// A PATH is a file, a folder, a tar or zip archive, each compressed with gzip, zstd or xz or not,
/// or `-` for standard input. Several are one import: their changes are brought into one order.
///
/// What a source could not tell is reported at the end, and in the trace's lineage. A failed
/// import leaves nothing behind. docs/import.md tells what each format gives.
#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// What the files are
    #[arg(value_name = "FORMAT", value_parser = formats())]
    format: String,
    /// Files, folders, archives or `-`
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The trace to make: a directory, or one file if the name ends in `.parquet`
    #[arg(short, long, value_name = "TRACE")]
    output: PathBuf,
    /// The time of the first event, where the input does not tell it (RFC 3339)
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
    /// Write what could not be taken over to this file, as JSON
    #[arg(long, value_name = "FILE")]
    loss_report: Option<PathBuf>,
    /// How much the input may decompress to
    #[arg(long, value_name = "SIZE", default_value = "256GiB", value_parser = argument::size)]
    max_decoded: u64,
    /// How many times its size an input may decompress to
    #[arg(long, value_name = "N", default_value_t = 2000)]
    max_ratio: u64,
}

/// The word that asks kymo to find the format out.
const AUTO: &str = "auto";

/// The words of the formats, with what they are.
fn formats() -> impl TypedValueParser<Value = String> {
    let auto = PossibleValue::new(AUTO).help("Find out by content");
    let known = Format::ALL
        .iter()
        .map(|format| PossibleValue::new(format.as_str()).help(format.about()));
    PossibleValuesParser::new(std::iter::once(auto).chain(known))
}

/// Imports, and tells what was lost.
pub(crate) async fn import(ui: &Ui, args: ImportArgs) -> Result<(), CommandError> {
    // Every other word was checked when the command line was read.
    let format = args.format.parse::<Format>().ok();
    let clock = environment::clock()?;
    let mut options = ImportOptions::new(format, args.paths, args.output);
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
            match progress {
                Progress::Reading {
                    events,
                    bytes,
                    total,
                } => line.advance(bytes, total, &of(events, "event")),
                Progress::Sealing => line.set("sealing"),
                _ => {}
            }
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
    if let Some(path) = &args.loss_report {
        write_report(path, &report)?;
    }
    Ok(())
}

/// Writes the report beside its place and moves it there.
fn write_report(path: &Path, report: &LossReport) -> Result<(), CommandError> {
    let failed = |error: io::Error| {
        let message = format!("cannot write `{}`: {error}", path.display());
        CommandError::environment(message)
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    serde_json::to_writer_pretty(&mut file, report).map_err(|error| failed(error.into()))?;
    file.write_all(b"\n").map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
