use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kymo_anonymize::Policy;
use kymo_interop::{Format, ImportOptions, Limits, LossReport, MissingTimes, Progress};
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
    /// Import files whose format their content tells
    ///
    /// All files must be of one format. A file that the format does not know is reported and left
    /// out.
    Auto(TimedArgs),
    /// Import audit logs of API servers
    ///
    /// Reads events of audit.k8s.io, a line each, pretty-printed or in batches, and what GKE, AKS
    /// and EKS make of them. All logs are read as one, in the order of time.
    Audit(ImportArgs),
    /// Import what `kubectl get`, `cluster-info dump`, must-gather and support bundles hold
    ///
    /// Reads objects and lists in JSON and YAML, and folders and archives of them. Several dumps of
    /// one cluster become a coarse timeline; --start gives the first one's time and each further
    /// one, in the order of the paths, a millisecond more.
    Dump(TimedArgs),
    /// Import captures of k8shark
    ///
    /// Reads `.kshrk` archives of the versions 1 and 2, unpacked ones, and streams of records.
    Kshrk(ImportArgs),
    /// Import records and snapshots of the kube-scheduler-simulator
    ///
    /// Reads the lines that its recorder writes, and what its export gives.
    Kss(ImportArgs),
    /// Import recordings and snapshots of KWOK
    ///
    /// Reads what `kwokctl snapshot` writes, recorded from the API server or from etcd. They hold
    /// times since the start of the command, which is given with --start or told by the Jobs of a
    /// `CronJob` and by Events.
    Kwok(TimedArgs),
    /// Import traces of SimKube
    ///
    /// Reads version 2, as `MessagePack` or as JSON. Lifecycles of pods become pods.
    Simkube(ImportArgs),
    /// Import raw watch streams
    ///
    /// Reads JSON values, a line each or pretty-printed, of the forms `{"recv": TIME, "event": …}`,
    /// `{"recv": TIME, "list": …}`, `{"type": …, "object": …}` (what `kubectl get RES --watch
    /// --output-watch-events -o json` prints) and lists. A file name such as
    /// `apps_v1_deployments.ndjson` tells the resource.
    Watch(StreamArgs),
    /// Import tables of nodes and pods
    ///
    /// Reads CSV files of published data sets of clusters. The first line of a file tells which
    /// table it is; the zero of its times is given with --start. For other tables a mapping says
    /// what their columns are.
    WorkloadCsv(TableArgs),
    /// A word that is no format.
    #[command(external_subcommand)]
    Unknown(Vec<OsString>),
}

// The documentation of a struct that is flattened would become that of the command.
//
// What every format takes.
#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// Files, folders, archives or `-`
    ///
    /// A folder is walked. An archive is tar or zip. All of them may be compressed with gzip, zstd
    /// or xz, which the content tells and not the name. `-` is standard input.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The trace to make: a directory, or one file if the name ends in `.parquet`
    #[arg(short, long, value_name = "TRACE")]
    output: PathBuf,
    /// Write what came over and what was lost to this file, as JSON (`-`: to stdout)
    #[arg(long, value_name = "FILE")]
    loss_report: Option<PathBuf>,
    /// Drop metadata.managedFields, which say who changed a field
    #[arg(long)]
    no_managed_fields: bool,
    #[command(flatten)]
    limits: LimitArgs,
}

// Bounds on what a file may make us do.
#[derive(Debug, clap::Args)]
#[expect(
    clippy::struct_field_names,
    reason = "the options are called so on the command line"
)]
struct LimitArgs {
    /// The longest line, document or item of a list; longer ones are reported and left out
    #[arg(long, value_name = "SIZE", default_value = "8MiB", value_parser = argument::size, help_heading = "Limits")]
    max_value: u64,
    /// How much the input may decompress to
    #[arg(long, value_name = "SIZE", default_value = "256GiB", value_parser = argument::size, help_heading = "Limits")]
    max_decoded: u64,
    /// How many times its size an input may decompress to
    #[arg(
        long,
        value_name = "N",
        default_value_t = 2000,
        help_heading = "Limits"
    )]
    max_ratio: u64,
    /// How many entries an archive may have
    #[arg(
        long,
        value_name = "N",
        default_value_t = 100_000,
        help_heading = "Limits"
    )]
    max_entries: usize,
}

// What formats take that may not tell the time.
#[derive(Debug, clap::Args)]
pub(crate) struct TimedArgs {
    #[command(flatten)]
    import: ImportArgs,
    /// The first time, where the input does not tell it (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = argument::time)]
    start: Option<Timestamp>,
}

// What tables take.
#[derive(Debug, clap::Args)]
pub(crate) struct TableArgs {
    #[command(flatten)]
    timed: TimedArgs,
    /// A YAML file that says what the columns are, in which units, from which zero
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
}

// What formats take that may be written while they are read.
#[derive(Debug, clap::Args)]
pub(crate) struct StreamArgs {
    #[command(flatten)]
    timed: TimedArgs,
    /// The time between two events, with --start
    #[arg(long, value_name = "DURATION", default_value = "1ms", requires = "start", value_parser = argument::duration)]
    interval: Duration,
    /// Take the time at which each event is read, for a stream that is just being written
    #[arg(long, conflicts_with = "start")]
    live: bool,
}

/// One import, whatever its format.
struct Import {
    format: Option<Format>,
    args: ImportArgs,
    missing_times: MissingTimes,
    mapping: Option<PathBuf>,
}

impl Import {
    fn plain(format: Format, args: ImportArgs) -> Self {
        Self {
            format: Some(format),
            args,
            missing_times: MissingTimes::Refuse,
            mapping: None,
        }
    }

    fn timed(format: Option<Format>, args: TimedArgs, interval: Duration) -> Self {
        let counted = |start| MissingTimes::Counted { start, interval };
        Self {
            format,
            args: args.import,
            missing_times: args.start.map_or(MissingTimes::Refuse, counted),
            mapping: None,
        }
    }

    fn of(command: ImportCommand) -> Result<Self, CommandError> {
        let step = Duration::from_millis(1);
        Ok(match command {
            ImportCommand::Auto(args) => Self::timed(None, args, step),
            ImportCommand::Audit(args) => Self::plain(Format::Audit, args),
            ImportCommand::Dump(args) => Self::timed(Some(Format::Dump), args, step),
            ImportCommand::Kshrk(args) => Self::plain(Format::Kshrk, args),
            ImportCommand::Kss(args) => Self::plain(Format::Kss, args),
            ImportCommand::Kwok(args) => Self::timed(Some(Format::Kwok), args, step),
            ImportCommand::Simkube(args) => Self::plain(Format::Simkube, args),
            ImportCommand::Watch(args) => {
                let mut this = Self::timed(Some(Format::Watch), args.timed, args.interval);
                if args.live {
                    this.missing_times = MissingTimes::Now;
                }
                this
            }
            ImportCommand::WorkloadCsv(args) => Self {
                mapping: args.mapping,
                ..Self::timed(Some(Format::WorkloadCsv), args.timed, step)
            },
            ImportCommand::Unknown(words) => return Err(no_format(&words)),
        })
    }
}

/// Imports, and tells what was lost.
pub(crate) async fn import(ui: &Ui, command: ImportCommand) -> Result<(), CommandError> {
    let Import {
        format,
        args,
        missing_times,
        mapping,
    } = Import::of(command)?;
    let clock = environment::clock()?;
    let loss_report = args.loss_report;
    let mut options = ImportOptions::new(format, args.paths, args.output);
    options.policy = Policy {
        managed_fields: !args.no_managed_fields,
    };
    options.limits = Limits {
        value_bytes: usize::try_from(args.limits.max_value).unwrap_or(usize::MAX),
        decoded_bytes: args.limits.max_decoded,
        ratio: args.limits.max_ratio,
        entries: args.limits.max_entries,
    };
    options.seed = environment::seed()?;
    options.missing_times = missing_times;
    options.mapping = mapping;
    let is_live = options.missing_times == MissingTimes::Now;
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
                } => line.set_bytes(bytes, total, &of(events, "event")),
                Progress::Sealing => line.set("sealing"),
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
    if !report.damaged.is_empty() {
        let files = of(report.damaged.len() as u64, "file");
        ui.warning(&format!(
            "{files} could not be read to the end; what is in front of the damage was imported"
        ));
    }
    match loss_report {
        Some(file) => write_report(ui, &file, &report),
        None => Ok(()),
    }
}

fn write_report(ui: &Ui, file: &Path, report: &LossReport) -> Result<(), CommandError> {
    let mut text = serde_json::to_string_pretty(report)
        .map_err(|error| CommandError::bug("the loss report is no JSON").caused_by(&error))?;
    text.push('\n');
    if file.as_os_str() == "-" {
        let mut out = ui.stdout(true);
        out.write_all(text.as_bytes())?;
        return Ok(out.flush()?);
    }
    fs::write(file, text).map_err(|error| {
        let file = file.display();
        let message = format!("the trace is made, but the loss report `{file}` cannot be written");
        CommandError::environment(message).caused_by(&error)
    })
}

fn no_format(words: &[OsString]) -> CommandError {
    let word = words.first().map(OsString::as_os_str).unwrap_or_default();
    let formats: Vec<&str> = Format::ALL.iter().map(|format| format.as_str()).collect();
    let error = CommandError::usage(format!("`{}` is no format", word.display()))
        .hint(format!("the formats are: {}", formats.join(", ")));
    if word == "-" || Path::new(word).exists() {
        error.hint("`kymo import auto PATH...` finds the format out")
    } else {
        error
    }
}
