use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kymo_query::Parameter;
use kymo_transform::{Distance, Progress, Synth};
use tokio_util::sync::CancellationToken;

use super::query::{given_once, parameter};
use super::transform::Rows;
use super::transform::script::ScriptText;
use crate::answer::NewFile;
use crate::command_error::CommandError;
use crate::environment;
use crate::signal::cancel_on_signal;
use crate::ui::{Ui, of};

/// Make a trace of a cluster that never was
///
/// A script of `SYNTHESIZE` statements says which nodes and workloads there are, when they come and
/// how long they live; other statements may follow and change what was made. docs/synthesize.md
/// tells what each clause does.
///
/// The same script and seed give the same bytes.
#[derive(Debug, clap::Args)]
pub(crate) struct SynthArgs {
    /// Read statements from this file; several are run in their order. Paths in it are from where
    /// it is
    #[arg(short, long = "file", value_name = "SCRIPT")]
    files: Vec<PathBuf>,
    /// Run this statement; several are run in their order, behind those of files
    #[arg(short = 'e', long = "execute", value_name = "STATEMENT")]
    statements: Vec<String>,
    /// The value of `$NAME` in the statements, in place of the one that the script says
    #[arg(short, long = "param", value_name = "NAME=VALUE", value_parser = parameter)]
    parameters: Vec<(String, Parameter)>,
    /// Write a script that makes the like of this trace instead, and say how like it is. The
    /// manifests of a large one are put into a folder of its name beside it
    #[arg(long, value_name = "TRACE", conflicts_with_all = ["files", "statements", "parameters"])]
    fit: Option<PathBuf>,
    /// The trace to make, one `.parquet` file, or with `--fit` the script; must not exist
    #[arg(short, long, value_name = "TRACE")]
    output: PathBuf,
    /// What is drawn depends on this number [default: 0]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// Makes a trace; SIGINT and SIGTERM end it without an output.
pub(crate) async fn synth(ui: &Ui, args: &SynthArgs) -> Result<(), CommandError> {
    if let Some(trace) = &args.fit {
        return fit(ui, trace, args).await;
    }
    let parameters = given_once(&args.parameters)?;
    let text = ScriptText::read(&args.files, &args.statements, &parameters)?;
    let script = text.parse()?;
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
    let base = args.files.first().and_then(|file| file.parent());
    let synth = Synth::new(script, base.unwrap_or(Path::new("")))
        .seed(seed.unwrap_or_default())
        .watched_by(Arc::clone(&rows) as Arc<dyn Progress>);
    let line = ui.progress();
    let mut running = std::pin::pin!(synth.run(&args.output));
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    let done = loop {
        tokio::select! {
            biased;
            done = &mut running => break done,
            _ = tick.tick() => line.set(&of(rows.read.load(Ordering::Relaxed), "step")),
        }
    };
    drop(line);
    let report = done.map_err(|error| text.explain(&error))?;
    let written = of(report.summary.rows, "event");
    ui.message(&format!("wrote {written} to `{}`", args.output.display()));
    Ok(())
}

/// Writes a script that makes the like of a trace.
async fn fit(ui: &Ui, trace: &Path, args: &SynthArgs) -> Result<(), CommandError> {
    let file = NewFile::create(&args.output)?;
    // What belongs to `like.sql` is in `like`.
    let folder = args.output.with_extension("");
    let folder = if folder == args.output {
        args.output.with_extension("manifests")
    } else {
        folder
    };
    let name = folder.file_name().map(|name| name.to_string_lossy());
    let name = name.unwrap_or_default();
    let fitted = kymo_transform::fit(trace, args.seed.unwrap_or_default(), &name)
        .await
        .map_err(|error| CommandError::of_transform(&error))?;
    if !fitted.files.is_empty() {
        write_manifests(&folder, &fitted.files)?;
    }
    let mut writer = file.writer()?;
    let written = writer.write_all(fitted.text.as_bytes());
    let written = written.and_then(|()| writer.flush());
    written.map_err(|error| CommandError::environment("cannot write").caused_by(&error))?;
    file.finish()?;
    if !fitted.files.is_empty() {
        let manifests = of(fitted.files.len() as u64, "manifest");
        ui.message(&format!("wrote {manifests} to `{}`", folder.display()));
    }
    tell(ui, &fitted.distance);
    Ok(())
}

/// Writes the manifests of a script to a new folder; there is none of them if one cannot be written.
fn write_manifests(folder: &Path, files: &[(String, String)]) -> Result<(), CommandError> {
    let failed = |error: std::io::Error| {
        let what = format!("cannot write manifests to `{}`", folder.display());
        CommandError::environment(&what).caused_by(&error)
    };
    std::fs::create_dir(folder).map_err(failed)?;
    for (path, text) in files {
        let name = Path::new(path).file_name().unwrap_or_default();
        if let Err(error) = std::fs::write(folder.join(name), text) {
            // The first error is the one to tell.
            std::fs::remove_dir_all(folder).ok();
            return Err(failed(error));
        }
    }
    Ok(())
}

/// Says how far apart a trace and what was made after it are.
fn tell(ui: &Ui, distance: &Distance) {
    for (kind, recorded, made) in &distance.counts {
        ui.message(&format!(
            "{kind}: {} recorded, {made} made",
            of(*recorded, "event")
        ));
    }
    for (what, found) in [
        ("startup", distance.startup),
        ("lifetime", distance.lifetime),
    ] {
        if let Some(found) = found {
            ui.message(&format!(
                "{what} of pods: Kolmogorov-Smirnov distance {found:.3}"
            ));
        }
    }
}
