use std::path::Path;

use kymo_store::Trace;
use kymo_synth::{Fit, Plan, Profile, Synthesis, Tuning, Unwatched};

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
    /// How far apart the trace and what the script makes are.
    pub distance: Distance,
}

/// Writes a script that makes the like of a trace, runs it and compares the two. What the script makes
/// lies in a temporary folder until then.
///
/// Must be called inside a Tokio runtime.
pub async fn fit(trace: &Path, seed: u64) -> Result<Fitted, Error> {
    let recorded = Trace::open(trace)?;
    let fit = Fit::of(&recorded).map_err(failed)?;
    // What the first one makes tells how much is missing, and how much there is too much of.
    let script = parsed(&fit.script(&Tuning::default()))?;
    let statements: Vec<&Statement> = script.statements.iter().collect();
    let base = Plan {
        seed,
        ..Plan::default()
    };
    let planned = plan(&statements, Path::new(""), base)?;
    let made = Synthesis::new(&planned.plan, &Unwatched).map_err(|error| planned.explain(error))?;
    let tally = made.tally().map_err(|error| planned.explain(error))?;
    let tuning = fit.tune(&tally, &made.reasons());
    drop(made);
    let text = fit.script(&tuning);
    let folder = tempfile::tempdir().map_err(|source| Error::Workspace {
        path: std::env::temp_dir(),
        source,
    })?;
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
        distance: Distance::between(&one, &other),
    })
}

fn parsed(text: &str) -> Result<Script, Error> {
    Script::parse(text).map_err(|error| match error {
        LanguageError::TooLong { bytes, limit } => Error::TooLarge { bytes, limit },
        other => Error::Answer {
            message: other.to_string(),
        },
    })
}
