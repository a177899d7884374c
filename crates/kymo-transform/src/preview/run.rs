use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use kymo_store::Trace;

use super::explain::plan;
use super::{Counted, Difference, Preview, StatementPreview, Survey};
use crate::copy::{Watch, Whole};
use crate::pass::{Drafts, Tally};
use crate::plan::{Input, Stage};
use crate::progress::Progress;
use crate::transform::blocking;
use crate::{Error, Transform};

impl Transform {
    /// Finds what each statement would do, one after the other, and makes no trace. What statements
    /// behind others need of these is made in the directory for temporary files, and removed.
    ///
    /// Statements behind `EXPLAIN` are told and have no effect on those behind them.
    ///
    /// Must be called inside a Tokio runtime.
    pub async fn preview(&self) -> Result<Preview, Error> {
        let place = std::env::temp_dir();
        let workspace = tempfile::Builder::new()
            .prefix("kymo-preview-")
            .tempdir()
            .map_err(|source| Error::Workspace {
                path: place,
                source,
            })?;
        let mut partial = BTreeSet::new();
        let mut input: PathBuf = self.input.clone();
        let mut preview = Preview::default();
        let last = self.script.statements.len().saturating_sub(1);
        for (index, statement) in self.script.statements.iter().enumerate() {
            let stage = Stage {
                statements: vec![index],
            };
            let opened = Input::open(&input, &self.limits, &self.base)?;
            let made = workspace.path().join(format!("told-{index}.parquet"));
            let work = self.work(&stage, &opened, &made).await?;
            let mut told = StatementPreview {
                named: work.named.first().copied().flatten(),
                reason: work.reasons.first().cloned().flatten(),
                ..StatementPreview::default()
            };
            if statement.explain {
                told.plan = Some(plan(&statement.action, &opened.session).await?);
            }
            let added = work
                .inserted
                .as_ref()
                .map_or(0, |inserted| inserted.new.len() as u64);
            let (trace, progress) = (Arc::clone(&opened.trace), Arc::clone(&self.progress));
            let survey = Survey::new(Arc::clone(&opened.feeds));
            let surveyed = blocking(move || {
                if let Some(whole) = &work.whole {
                    return counted(whole, &trace, progress);
                }
                let drafts = Drafts::new(trace.rows()?, work.chain, progress, Arc::default());
                let survey = drafts.survey(survey)?;
                Ok((survey.counted, survey.sample))
            })
            .await?;
            (told.counted, told.sample) = surveyed;
            told.counted.added += added;
            preview.statements.push(told);
            if statement.explain || index == last {
                continue;
            }
            let made = workspace.path().join(format!("made-{index}.parquet"));
            let work = self.work(&stage, &opened, &made).await?;
            let target = workspace.path().join(format!("statement-{index}.parquet"));
            self.run_stage(opened, work, &target, None, workspace.path(), &mut partial)
                .await?;
            if input != self.input {
                drop(std::fs::remove_file(&input));
            }
            input = target;
        }
        Ok(preview)
    }
}

/// Counts the rows that a statement about a whole trace adds.
fn counted(
    whole: &Whole,
    trace: &Trace,
    progress: Arc<dyn Progress>,
) -> Result<(Counted, Vec<Difference>), Error> {
    let tally = Arc::new(Mutex::new(Tally::default()));
    let watch = Watch {
        progress,
        tally: Arc::clone(&tally),
    };
    for row in whole.rows(trace, watch)? {
        row?;
    }
    let added = tally.lock().unwrap_or_else(PoisonError::into_inner).new;
    let counted = Counted {
        added,
        ..Counted::default()
    };
    Ok((counted, Vec::new()))
}
