mod preview;
pub(crate) mod script;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kymo_anonymize::{AnonymizationPolicy, Key};
use kymo_query::{Limits, Parameter};
use kymo_transform::language::{Action, Script};
use kymo_transform::{Preview, Progress, Report, Transform};
use tokio_util::sync::CancellationToken;

use self::script::ScriptText;
use crate::argument;
use crate::command_error::CommandError;
use crate::commands::query::{given_once, parameter};
use crate::environment;
use crate::signal::cancel_on_signal;
use crate::ui::{Ui, of};

/// Make a new trace out of a trace with a script
///
/// A script is a list of statements: DELETE, KEEP and SLICE filter, PATCH and UPDATE change objects,
/// SCALE makes more or fewer of what is there, STRETCH and SHIFT move time, MERGE, REPEAT, SYNTHESIZE
/// and INSERT add events, ANONYMIZE replaces what identifies. Conditions are SQL, as in `kymo query`.
/// docs/transform.md tells what each statement does.
///
/// With --dry-run, or `EXPLAIN` before a statement, it is told what statements would do, and no trace
/// is made. The trace is never changed. The same trace, script and seed give the same bytes.
#[derive(Debug, clap::Args)]
pub(crate) struct TransformArgs {
    /// The trace to read
    #[arg(value_name = "TRACE")]
    trace: PathBuf,
    /// Read statements from this file; `-` is standard input. Several are run in their order
    #[arg(short, long = "file", value_name = "SCRIPT")]
    files: Vec<PathBuf>,
    /// Run this statement; several are run in their order, behind those of files
    #[arg(short = 'e', long = "execute", value_name = "STATEMENT")]
    statements: Vec<String>,
    /// The value of `$NAME` in the statements
    #[arg(short, long = "param", value_name = "NAME=VALUE", value_parser = parameter)]
    parameters: Vec<(String, Parameter)>,
    /// The trace to make, one `.parquet` file; must not exist
    #[arg(short, long, value_name = "TRACE")]
    output: Option<PathBuf>,
    /// Tell what each statement would do, with some of the objects, and make no trace
    #[arg(long)]
    dry_run: bool,
    /// What is drawn depends on this number [default: 0]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The secret on which the pseudonyms of ANONYMIZE depend, as `kymo anonymize` reads and makes it
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// What ANONYMIZE keeps where it does not say: `share`, `vendor`, `internal`, or a YAML file
    /// [default: share]
    #[arg(long, value_name = "POLICY", requires = "key_file")]
    policy: Option<String>,
    /// Memory for conditions, and for the names that ANONYMIZE knows, to stay under; of conditions,
    /// what does not fit goes to temporary files
    #[arg(long, value_name = "SIZE", value_parser = argument::size, default_value = "192MiB")]
    memory_limit: u64,
}

/// Transforms; SIGINT and SIGTERM end it without an output.
pub(crate) async fn transform(ui: &Ui, args: &TransformArgs) -> Result<(), CommandError> {
    let parameters = given_once(&args.parameters)?;
    let text = ScriptText::read(&args.files, &args.statements, &parameters)?;
    let script = text.parse()?;
    let explains = script.statements.iter().any(|statement| statement.explain);
    let output = match &args.output {
        _ if args.dry_run || explains => None,
        Some(output) => Some(output),
        None => {
            return Err(CommandError::usage("there is no place for the output")
                .hint("name one with `-o`, or see what would be done with `--dry-run`"));
        }
    };
    let seed = match args.seed {
        Some(seed) => Some(seed),
        None => environment::seed()?,
    };
    let stop = CancellationToken::new();
    cancel_on_signal(&stop)?;
    let rows = Arc::new(Rows {
        read: AtomicU64::new(0),
        stop,
    });
    let limits = Limits {
        memory_bytes: usize::try_from(args.memory_limit).unwrap_or(usize::MAX),
        ..Limits::default()
    };
    let mut transform = Transform::new(&args.trace, script.clone())
        .seed(seed.unwrap_or_default())
        .limits(limits)
        .relative_to(base_of(&args.files))
        .watched_by(Arc::clone(&rows) as Arc<dyn Progress>);
    if let Some(path) = &args.key_file {
        let anonymizes = |action: &Action| matches!(action, Action::Anonymize { .. });
        if !script.statements.iter().any(|one| anonymizes(&one.action)) {
            return Err(CommandError::usage("no statement needs a key")
                .hint("the statement that makes pseudonyms is ANONYMIZE"));
        }
        let policy = AnonymizationPolicy::read(args.policy.as_deref().unwrap_or("share"))?;
        transform = transform.anonymize_with(Key::read(path)?, policy);
    }
    let line = ui.progress();
    let mut running = std::pin::pin!(async {
        match output {
            Some(output) => transform.run(output).await.map(Outcome::Made),
            None => transform.preview().await.map(Outcome::Told),
        }
    });
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    let done = loop {
        tokio::select! {
            biased;
            done = &mut running => break done,
            _ = tick.tick() => line.set(&of(rows.read.load(Ordering::Relaxed), "event")),
        }
    };
    drop(line);
    match done.map_err(|error| text.explain(&error))? {
        Outcome::Made(report) => tell(ui, output, &text, &script, &report),
        Outcome::Told(told) => preview::tell(ui, &text, &script, &told, args.dry_run)?,
    }
    Ok(())
}

/// Returns the directory at which paths in the script begin: that of the first file.
fn base_of(files: &[PathBuf]) -> &Path {
    let file = files.first().filter(|file| file.as_os_str() != "-");
    file.and_then(|file| file.parent())
        .unwrap_or_else(|| Path::new(""))
}

enum Outcome {
    Made(Report),
    Told(Preview),
}

/// Says what came of it, and which statements match nothing.
fn tell(ui: &Ui, output: Option<&PathBuf>, text: &ScriptText, script: &Script, report: &Report) {
    let named = report.named.iter().zip(&report.reasons);
    for (statement, (named, reason)) in script.statements.iter().zip(named) {
        if *named == Some(0) {
            let statement = text.beginning(statement.place);
            let reason = reason.as_ref();
            let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
            ui.warning(&format!(
                "`{statement}` matches nothing in the trace{reason}"
            ));
        }
    }
    let (read, written) = (of(report.read, "event"), of(report.summary.rows, "event"));
    let output = output.map_or_else(String::new, |output| output.display().to_string());
    ui.message(&format!("read {read}, wrote {written} to `{output}`"));
}

/// Counts what is read and ends the work after a signal.
pub(crate) struct Rows {
    pub(crate) read: AtomicU64,
    pub(crate) stop: CancellationToken,
}

impl Progress for Rows {
    fn row(&self) -> bool {
        self.read.fetch_add(1, Ordering::Relaxed);
        !self.stop.is_cancelled()
    }
}
