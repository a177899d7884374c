//! Answers of queries as text: a table, CSV, JSON, one JSON object a line.

mod csv;
mod json;
mod rows;

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};

use crate::command_error::CommandError;
use crate::ui::{Align, Table};
use csv::Csv;
use json::JsonText;

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// A table for people, cut to the width of the terminal
    Table,
    /// Comma-separated values with a header
    Csv,
    /// One JSON array of objects
    Json,
    /// One JSON object a line
    Ndjson,
}

/// Writes the batches of one answer.
pub(crate) enum AnswerWriter<'a> {
    Table(Table, Box<dyn Write + 'a>),
    Csv(Csv<Box<dyn Write + 'a>>),
    Json(JsonText<Box<dyn Write + 'a>>),
}

impl<'a> AnswerWriter<'a> {
    /// Starts an answer of the columns of `schema`. `width` limits a table; `raw` leaves CSV
    /// cells as they are.
    pub(crate) fn new(
        format: Format,
        schema: &Schema,
        width: Option<usize>,
        raw: bool,
        out: Box<dyn Write + 'a>,
    ) -> Result<Self, CommandError> {
        Ok(match format {
            Format::Table => {
                let columns = schema.fields().iter().map(|field| {
                    let align = match field.data_type() {
                        number if number.is_numeric() => Align::Right,
                        _ => Align::Left,
                    };
                    (field.name().clone(), align)
                });
                Self::Table(Table::new(columns.collect(), width), out)
            }
            Format::Csv => Self::Csv(Csv::new(out, schema, raw)?),
            Format::Json => Self::Json(JsonText::array(out)),
            Format::Ndjson => Self::Json(JsonText::lines(out)),
        })
    }

    /// Writes a batch.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), CommandError> {
        match self {
            Self::Table(table, out) => rows::for_each(batch, &mut |row| {
                let cells = row
                    .iter()
                    .map(|cell| cell.clone().unwrap_or_else(|| "NULL".to_owned()));
                table.push(&cells.collect::<Vec<_>>(), out.as_mut())
            }),
            Self::Csv(csv) => csv.write(batch),
            Self::Json(json) => json.write(batch),
        }
    }

    /// Writes what is left.
    pub(crate) fn finish(self) -> Result<(), CommandError> {
        match self {
            Self::Table(table, mut out) => {
                table.finish(out.as_mut())?;
                out.flush()?;
            }
            Self::Csv(mut csv) => csv.flush()?,
            Self::Json(json) => json.finish()?,
        }
        Ok(())
    }
}

/// Tells whether cells of a type are text that others wrote.
fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_text(values),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Union(..) => true,
        _ => false,
    }
}
