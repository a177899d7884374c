mod leaktest;
mod report;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kymo_anonymize::{AnonymizationPolicy, Key};
use kymo_transform::{Anonymization, Progress};
use tokio_util::sync::CancellationToken;

use self::report::{Files, explain, open_map};
use crate::argument;
use crate::command_error::CommandError;
use crate::signal::cancel_on_signal;
use crate::ui::{Ui, of};

/// Make a copy of a trace that tells nothing of where it came from
///
/// Names, hosts, addresses, ids, images and messages become pseudonyms that depend on a secret key:
/// the same key gives the same ones, so that traces can be joined, and without it they cannot be
/// traced back. The copy still schedules as the original did. docs/anonymize.md tells what becomes
/// of each field, and what is still to be learned from the copy.
///
/// The trace is never changed. The same trace, key and policy give the same bytes.
///
/// With --verify, everything that identifies in a trace is searched for in all that another one holds:
/// values, keys, what is encoded inside them, and the bytes of its files and pages, in upper and lower
/// case and other spellings.
///
/// Exit status of --verify: 0 nothing survived; 1 something did.
#[derive(Debug, clap::Args)]
pub(crate) struct AnonymizeArgs {
    /// The trace to read
    #[arg(value_name = "TRACE", required_unless_present_any = ["open_map", "verify"])]
    trace: Option<PathBuf>,
    /// The trace to make, one `.parquet` file; must not exist
    #[arg(
        short,
        long,
        value_name = "TRACE",
        required_unless_present_any = ["open_map", "verify"]
    )]
    output: Option<PathBuf>,
    /// The secret: a file of 32 bytes, as they are, in hexadecimal or in base64, for its owner alone
    #[arg(long, value_name = "FILE", required_unless_present_any = ["new_key", "open_map", "verify"])]
    key_file: Option<PathBuf>,
    /// Make a new secret, write it to this file and use it
    #[arg(long, value_name = "FILE", conflicts_with = "key_file")]
    new_key: Option<PathBuf>,
    /// What is kept: `share`, `vendor`, `internal`, or a YAML file
    #[arg(long, value_name = "POLICY", default_value = "share")]
    policy: String,
    /// Say which rule touched which field, how often, and what came out
    #[arg(long)]
    explain: bool,
    /// Write the same as JSON to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write what each pseudonym stands for to this file. It is as secret as the trace
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Encrypt that file with the key in this one
    #[arg(long, value_name = "FILE")]
    map_key: Option<PathBuf>,
    /// Show a map that was encrypted, and do nothing else
    #[arg(
        long,
        value_name = "FILE",
        requires = "map_key",
        conflicts_with_all = ["trace", "output", "key_file", "new_key", "map", "report", "explain"]
    )]
    open_map: Option<PathBuf>,
    /// Memory for what is known of names to stay under
    #[arg(long, value_name = "SIZE", default_value = "512MiB", value_parser = argument::size)]
    memory_limit: u64,
    /// Search OUT for whatever identifies in ORIGINAL, and do nothing else
    #[arg(
        long,
        num_args = 2,
        value_names = ["ORIGINAL", "OUT"],
        conflicts_with_all = [
            "trace", "output", "key_file", "new_key", "map", "map_key", "open_map", "report", "explain"
        ]
    )]
    verify: Vec<PathBuf>,
    /// How many survivors are told
    #[arg(long, value_name = "N", default_value_t = 20, requires = "verify")]
    show: usize,
}

/// Anonymizes; SIGINT and SIGTERM end it without an output.
pub(crate) async fn anonymize(ui: &Ui, args: &AnonymizeArgs) -> Result<(), CommandError> {
    if let [original, out] = args.verify.as_slice() {
        return leaktest::verify(ui, original, out, args.show);
    }
    if let (Some(map), Some(key)) = (&args.open_map, &args.map_key) {
        return open_map(ui, map, key);
    }
    let (Some(trace), Some(output)) = (&args.trace, &args.output) else {
        return Err(CommandError::usage("there is no trace"));
    };
    let policy = AnonymizationPolicy::read(&args.policy)?;
    let map_key = args.map_key.as_deref().map(Key::read).transpose()?;
    if map_key.is_some() && args.map.is_none() {
        return Err(CommandError::usage("there is no map to encrypt").hint("give `--map FILE`"));
    }
    let files = Files::create(args.report.as_deref(), args.map.as_deref(), map_key)?;
    let key = match (&args.key_file, &args.new_key) {
        (Some(path), _) => Key::read(path)?,
        (None, Some(path)) => Key::generate(path)?,
        (None, None) => return Err(CommandError::usage("there is no key")),
    };
    let stop = CancellationToken::new();
    cancel_on_signal(&stop)?;
    let rows = Arc::new(Rows {
        read: AtomicU64::new(0),
        stop,
    });
    let mut anonymization = Anonymization::new(trace, key, policy.clone())
        .memory(usize::try_from(args.memory_limit).unwrap_or(usize::MAX))
        .watched_by(Arc::clone(&rows) as Arc<dyn Progress>);
    if args.map.is_some() {
        anonymization = anonymization.with_map();
    }
    let line = ui.progress();
    let target = output.clone();
    let mut running = std::pin::pin!(tokio::task::spawn_blocking(
        move || anonymization.run(&target)
    ));
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    let done = loop {
        tokio::select! {
            biased;
            done = &mut running => break done,
            _ = tick.tick() => line.set(&of(rows.read.load(Ordering::Relaxed), "event")),
        }
    };
    drop(line);
    let done = match done {
        Ok(done) => done.map_err(|error| CommandError::of_transform(&error))?,
        Err(error) => return Err(CommandError::bug(error.to_string())),
    };
    files.write(&policy, &done)?;
    if args.explain {
        explain(ui, &done.touched)?;
    }
    let (read, written) = (of(done.read, "event"), of(done.summary.rows, "event"));
    ui.message(&format!(
        "read {read}, wrote {written} with {} under the policy {policy} to `{}`",
        of(done.pseudonyms as u64, "pseudonym"),
        output.display()
    ));
    Ok(())
}

/// Counts what is read and ends the work after a signal.
struct Rows {
    read: AtomicU64,
    stop: CancellationToken,
}

impl Progress for Rows {
    fn row(&self) -> bool {
        self.read.fetch_add(1, Ordering::Relaxed);
        !self.stop.is_cancelled()
    }
}
