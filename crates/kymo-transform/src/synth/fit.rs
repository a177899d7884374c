use std::path::Path;

use kymo_store::Trace;
use kymo_synth::Profile;

pub use kymo_synth::Distance;

use super::run::Synth;
use crate::Error;
use crate::language::Script;

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
    let failed = |error: kymo_synth::Error| match error {
        kymo_synth::Error::Store { source } => source.into(),
        other => Error::Statement {
            message: other.to_string(),
            place: crate::language::Place::default(),
            hint: None,
        },
    };
    let text = kymo_synth::fit(&recorded).map_err(failed)?;
    let script = Script::parse(&text).map_err(|error| Error::Answer {
        message: error.to_string(),
    })?;
    let folder = tempfile::tempdir().map_err(|source| Error::Workspace {
        path: std::env::temp_dir(),
        source,
    })?;
    let out = folder.path().join("made.parquet");
    Synth::new(script, folder.path())
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
