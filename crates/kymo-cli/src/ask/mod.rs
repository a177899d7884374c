//! Asks a statement and writes its answer: the way of every statement, from wherever it comes.

mod excerpt;

use std::sync::Arc;

use futures::StreamExt as _;
use kymo_model::Clock;
use kymo_query::{Error, Parameters, QuerySession};

use crate::answer::{AnswerWriter, Format, NewFile};
use crate::command_error::CommandError;
use crate::ui::Ui;
pub(crate) use excerpt::excerpt;

/// A statement, and where it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    /// Its text.
    pub(crate) text: String,
    /// The number of its first line in what was read.
    pub(crate) line: u64,
}

impl Statement {
    /// Takes a text that is one statement.
    pub(crate) fn whole(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            line: 1,
        }
    }
}

/// Asks statements of one session.
pub(crate) struct Asker<'a> {
    /// What the user sees.
    pub(crate) ui: &'a Ui,
    /// What is asked.
    pub(crate) session: Arc<QuerySession>,
    /// What times answers.
    pub(crate) clock: Arc<dyn Clock>,
    /// How answers are written.
    pub(crate) format: Format,
    /// Whether tables are not cut.
    pub(crate) wide: bool,
    /// Whether control characters and formulas are written as they are.
    pub(crate) raw: bool,
    /// Whether the number of rows is told.
    pub(crate) counts_rows: bool,
    /// Whether it is told how long an answer took.
    pub(crate) timing: bool,
}

impl Asker<'_> {
    /// Asks a statement and writes its answer to a file, or to stdout.
    pub(crate) async fn ask(
        &self,
        statement: &Statement,
        parameters: &Parameters,
        file: Option<&NewFile>,
    ) -> Result<(), CommandError> {
        let began = self.clock.monotonic();
        let failed = |error: Error| explain(&error, statement);
        let asked = self.session.sql_with(&statement.text, parameters);
        let mut answer = asked.await.map_err(failed)?;
        for note in answer.gap_notes() {
            self.ui.message(&format!("note: {note}"));
        }
        let schema = answer.schema().clone();
        if schema.fields().is_empty() {
            // A statement that changed the session has no answer.
            while let Some(batch) = answer.next().await {
                batch.map_err(failed)?;
            }
            return Ok(());
        }
        let (out, width) = if let Some(file) = file {
            (file.writer()?, None)
        } else {
            let is_raw = self.raw || self.format.is_binary();
            (self.ui.stdout(is_raw), self.ui.width())
        };
        let width = width.filter(|_| !self.wide);
        let mut writer = AnswerWriter::new(self.format, &schema, width, self.raw, out)?;
        let mut rows = 0;
        while let Some(batch) = answer.next().await {
            let batch = batch.map_err(failed)?;
            rows += batch.num_rows();
            writer.write(&batch)?;
        }
        writer.finish()?;
        if self.counts_rows {
            let noun = if rows == 1 { "row" } else { "rows" };
            self.ui.message(&format!("({rows} {noun})"));
        }
        if self.timing {
            let took = self.clock.monotonic().saturating_sub(began);
            let millis = took.as_secs_f64() * 1e3;
            self.ui.message(&format!("Time: {millis:.1} ms"));
        }
        Ok(())
    }
}

/// Says what is wrong, with the place in the statement.
pub(crate) fn explain(error: &Error, statement: &Statement) -> CommandError {
    let told = CommandError::of_query(error);
    let place = error
        .position()
        .map(|position| (position.line, position.column));
    let shown =
        place.and_then(|place| excerpt(&statement.text, statement.line, place, error.length()));
    match shown {
        Some(excerpt) => told.excerpt(excerpt),
        None => told,
    }
}
