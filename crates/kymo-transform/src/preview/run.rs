use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use kymo_store::Trace;

use super::explain::{does, plan};
use super::{Counted, Difference, Preview, StatementPreview, Survey};
use crate::anonymize::{Anonymization, Before, Order};
use crate::copy::{Watch, Whole};
use crate::merged::Coming;
use crate::pass::{Drafts, Tally};
use crate::plan::{Input, Stage};
use crate::progress::Progress;
use crate::transform::{aside, blocking};
use crate::{Error, Transform};

impl Transform {
    /// Finds what each statement would do, one after the other, and makes no trace. What statements
    /// behind others need of these is made in the directory for temporary files, and removed.
    ///
    /// Statements behind `EXPLAIN` are told and have no effect on those behind them.
    ///
    /// Must be called inside a Tokio runtime.
    pub async fn preview(&self) -> Result<Preview, Error> {
        Order::of_script(self)?;
        let workspace = aside()?;
        let mut partial = BTreeSet::new();
        let mut input: PathBuf = self.input.clone();
        let mut preview = Preview::default();
        let last = self.script.statements.len().saturating_sub(1);
        for (index, statement) in self.script.statements.iter().enumerate() {
            let stage = Stage {
                statements: vec![index],
            };
            if let Some(order) = Order::of(self, statement)? {
                let before = Before::default();
                let anonymization = order.anonymization(self, &input, before);
                let plan = does(&statement.action);
                let mut told = foretold(anonymization, order.policy(), plan).await?;
                if !statement.explain {
                    told.plan = None;
                }
                preview.statements.push(told);
                continue;
            }
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

/// Tells what an anonymization would do. It names no events, and shows no objects.
async fn foretold(
    anonymization: Anonymization,
    policy: &str,
    does: &str,
) -> Result<StatementPreview, Error> {
    let told = blocking(move || anonymization.foretell()).await?;
    let mut plan = vec![
        does.to_owned(),
        format!(
            "gives {} pseudonyms under the policy {policy}; of the texts of a field it changes:",
            told.pseudonyms
        ),
    ];
    let width = told.touched.iter().map(|rule| rule.field.len()).max();
    let width = width.unwrap_or_default();
    let changed = told.touched.iter().filter(|rule| rule.changed > 0);
    plan.extend(changed.map(|rule| {
        let (field, treatment) = (&rule.field, &rule.treatment);
        let (changed, seen) = (rule.changed, rule.seen);
        format!("  {field:width$}  {changed} of {seen}, {treatment}")
    }));
    Ok(StatementPreview {
        counted: Counted {
            changed: told.events,
            touched: told.objects,
            ..Counted::default()
        },
        plan: Some(plan),
        ..StatementPreview::default()
    })
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
    for row in whole.staying(trace, watch.clone())? {
        row?;
    }
    match whole.coming(trace, watch)? {
        None => {}
        Some(Coming::InOrder(mut rows)) => rows.try_for_each(|row| row.map(drop))?,
        Some(Coming::InAnyOrder(parts)) => {
            for mut rows in parts {
                rows.try_for_each(|row| row.map(drop))?;
            }
        }
    }
    let added = tally.lock().unwrap_or_else(PoisonError::into_inner).new;
    let counted = Counted {
        added,
        ..Counted::default()
    };
    Ok((counted, Vec::new()))
}
