use std::path::{Path, PathBuf};
use std::sync::Arc;

use kymo_store::fs::RealFs;
use kymo_store::segment::{SegmentMeta, SegmentOptions, SegmentSummary};
use kymo_store::write_file;
use kymo_synth::{Plan, Synthesis};

use super::plan::{Planned, plan};
use crate::language::{Action, Script, Statement};
use crate::progress::{Progress, Unwatched};
use crate::{Error, Transform, lineage};

/// A script that makes a trace out of nothing.
///
/// It begins with `SYNTHESIZE` statements; others may follow, and change what was made.
pub struct Synth {
    script: Script,
    base: PathBuf,
    seed: u64,
    progress: Arc<dyn Progress>,
}

/// What came of a synthesis.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SynthReport {
    /// Events that were made, before other statements changed them.
    pub made: u64,
    /// The output.
    pub summary: SegmentSummary,
}

impl Synth {
    /// Makes a synthesis of a script. Paths in it are from `base`.
    pub fn new(script: Script, base: &Path) -> Self {
        Self {
            script,
            base: base.to_owned(),
            seed: 0,
            progress: Arc::new(Unwatched),
        }
    }

    /// Sets the seed of everything that is drawn; it is 0 otherwise.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Tells `progress` how far it is.
    #[must_use]
    pub fn watched_by(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = progress;
        self
    }

    async fn write(&self, planned: Planned, out: &Path) -> Result<SegmentSummary, Error> {
        let (text, progress) = (Arc::clone(&self.script.text), Arc::clone(&self.progress));
        write(planned, text, self.seed, progress, out).await
    }

    /// Runs the script and writes the output as one sealed file, which must not exist.
    ///
    /// Must be called inside a Tokio runtime.
    pub async fn run(&self, out: &Path) -> Result<SynthReport, Error> {
        let is_making = |statement: &&Statement| {
            matches!(statement.action, Action::Synthesize(_)) && !statement.explain
        };
        let making: Vec<&Statement> = self
            .script
            .statements
            .iter()
            .take_while(is_making)
            .collect();
        let rest: Vec<Statement> = self
            .script
            .statements
            .iter()
            .skip(making.len())
            .cloned()
            .collect();
        if making.is_empty() {
            let place = self.script.statements.first().map(|first| first.place);
            return Err(Error::Statement {
                message: "there is no trace yet".to_owned(),
                place: place.unwrap_or_default(),
                hint: Some("begin with `SYNTHESIZE`, or use `kymo transform`".to_owned()),
            });
        }
        let planned = plan(
            &making,
            &self.base,
            Plan {
                seed: self.seed,
                ..Plan::default()
            },
        )?;
        if rest.is_empty() {
            let summary = self.write(planned, out).await?;
            return Ok(SynthReport {
                made: summary.rows,
                summary,
            });
        }
        if out.symlink_metadata().is_ok() {
            let path = out.to_owned();
            return Err(kymo_store::Error::Exists { path }.into());
        }
        let workspace = crate::transform::workspace(out)?;
        let made = workspace.path().join("made.parquet");
        let first = self.write(planned, &made).await?;
        let script = Script {
            text: Arc::clone(&self.script.text),
            statements: rest,
        };
        let report = Transform::new(&made, script)
            .seed(self.seed)
            .watched_by(Arc::clone(&self.progress))
            .run(out)
            .await?;
        Ok(SynthReport {
            made: first.rows,
            summary: report.summary,
        })
    }
}

/// Makes what was planned and writes it as a trace.
pub(super) async fn write(
    planned: Planned,
    text: Arc<str>,
    seed: u64,
    progress: Arc<dyn Progress>,
    out: &Path,
) -> Result<SegmentSummary, Error> {
    let out = out.to_owned();
    let watched = Watched(progress);
    crate::transform::blocking(move || {
        let folder = match out.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let synthesis = Synthesis::aside(&planned.plan, &watched, folder)
            .map_err(|error| planned.explain(error))?;
        let rows = synthesis.new_rows().map(|row| {
            if watched.0.row() {
                row.map_err(|error| planned.explain(error))
            } else {
                Err(Error::Stopped)
            }
        });
        let meta = synthesis.meta(lineage::TOOL);
        let summary = write_file(
            Arc::new(RealFs),
            &out,
            rows,
            meta,
            &SegmentOptions::default(),
            |meta: &mut SegmentMeta| lineage::put_made(meta, &text, seed),
        )?;
        Ok(summary)
    })
    .await
}

/// The progress of a transform, as that of a synthesis.
struct Watched(Arc<dyn Progress>);

impl kymo_synth::Progress for Watched {
    fn event(&self) -> bool {
        self.0.row()
    }
}
