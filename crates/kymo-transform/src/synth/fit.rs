use std::path::Path;

use kymo_store::Trace;
use kymo_synth::{Fit, FitScript, Plan, Profile, Synthesis, Tuning, Unwatched};

pub use kymo_synth::Distance;

use super::plan::{plan, unread as failed};
use super::run::Synth;
use crate::Error;
use crate::language::{LanguageError, Script, Statement};

/// A script that makes the like of a trace, and how like it is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fitted {
    /// The script.
    pub text: String,
    /// Manifests that it reads, if it would be large with them in it: paths from where it is, and what
    /// is in them.
    pub files: Vec<(String, String)>,
    /// How far apart the trace and what the script makes are.
    pub distance: Distance,
}

/// Writes a script that makes the like of a trace, runs it and compares the two. What the script makes
/// lies in a temporary folder until then. The manifests of a large script are files in `manifests`, a
/// name of a folder.
///
/// Must be called inside a Tokio runtime.
pub async fn fit(trace: &Path, seed: u64, manifests: &str) -> Result<Fitted, Error> {
    let recorded = Trace::open(trace)?;
    let fit = Fit::of(&recorded).map_err(failed)?;
    // What the first one makes tells how much is missing, and how much there is too much of.
    let folder = tempfile::tempdir().map_err(|source| workspace(&std::env::temp_dir(), source))?;
    let first = fit.script(&Tuning::default(), manifests);
    write_files(&first, folder.path())?;
    let script = parsed(&first.text)?;
    let statements: Vec<&Statement> = script.statements.iter().collect();
    let base = Plan {
        seed,
        ..Plan::default()
    };
    let planned = plan(&statements, folder.path(), base)?;
    let made = Synthesis::new(&planned.plan, &Unwatched).map_err(|error| planned.explain(error))?;
    let tally = made.tally().map_err(|error| planned.explain(error))?;
    let tuning = fit.tune(&tally, &made.reasons());
    drop(made);
    let tuned = fit.script(&tuning, manifests);
    write_files(&tuned, folder.path())?;
    let FitScript { text, files } = tuned;
    let out = folder.path().join("made.parquet");
    Synth::new(parsed(&text)?, folder.path())
        .seed(seed)
        .run(&out)
        .await?;
    let (one, other) = (
        Profile::of(&recorded).map_err(failed)?,
        Profile::of(&Trace::open(&out)?).map_err(failed)?,
    );
    Ok(Fitted {
        text,
        files,
        distance: Distance::between(&one, &other),
    })
}

/// Writes the files that a script reads.
fn write_files(script: &FitScript, folder: &Path) -> Result<(), Error> {
    for (path, text) in &script.files {
        let path = folder.join(path);
        let folder = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&path, text))
            .map_err(|source| workspace(&path, source))?;
    }
    Ok(())
}

fn workspace(path: &Path, source: std::io::Error) -> Error {
    Error::Workspace {
        path: path.to_owned(),
        source,
    }
}

fn parsed(text: &str) -> Result<Script, Error> {
    Script::parse(text).map_err(|error| match error {
        LanguageError::TooLong { bytes, limit } => Error::TooLarge { bytes, limit },
        other => Error::Answer {
            message: other.to_string(),
        },
    })
}
