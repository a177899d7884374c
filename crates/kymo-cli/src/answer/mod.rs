//! Answers of queries: as text for people and programs, and in columns.

mod columnar;
mod csv;
mod expanded;
mod json;
mod new_file;
mod rows;

use std::fmt;
use std::io::Write;
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};

use crate::command_error::CommandError;
use crate::ui::{Align, Table};
use columnar::Columnar;
use csv::Csv;
use expanded::Expanded;
use json::JsonText;
pub(crate) use new_file::NewFile;

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// A table for people, cut to the width of the terminal
    Table,
    /// A line for each value, with the name of its column
    Expanded,
    /// Comma-separated values with a header
    Csv,
    /// One JSON array of objects
    Json,
    /// One JSON object a line
    Ndjson,
    /// A Parquet file
    Parquet,
    /// An Arrow IPC file
    Arrow,
}

impl Format {
    /// Returns the format that the ending of a file's name says.
    pub(crate) fn of_file(path: &Path) -> Option<Self> {
        Some(match path.extension()?.to_str()? {
            "csv" => Self::Csv,
            "json" => Self::Json,
            "ndjson" | "jsonl" => Self::Ndjson,
            "parquet" => Self::Parquet,
            "arrow" | "feather" => Self::Arrow,
            _ => return None,
        })
    }

    /// Tells whether it is not text.
    pub(crate) fn is_binary(self) -> bool {
        matches!(self, Self::Parquet | Self::Arrow)
    }
}

/// As it is typed.
impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "table",
            Self::Expanded => "expanded",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
        })
    }
}

/// Writes the batches of one answer.
pub(crate) enum AnswerWriter<'a> {
    Table(Table, Box<dyn Write + Send + 'a>),
    Expanded(Expanded<Box<dyn Write + Send + 'a>>),
    Csv(Csv<Box<dyn Write + Send + 'a>>),
    Json(JsonText<Box<dyn Write + Send + 'a>>),
    Columnar(Columnar<Box<dyn Write + Send + 'a>>),
}

impl<'a> AnswerWriter<'a> {
    /// Starts an answer of the columns of `schema`. `width` limits a table; `raw` leaves CSV
    /// cells as they are.
    pub(crate) fn new(
        format: Format,
        schema: &Schema,
        width: Option<usize>,
        raw: bool,
        out: Box<dyn Write + Send + 'a>,
    ) -> Result<Self, CommandError> {
        Ok(match format {
            Format::Table => {
                let columns = schema.fields().iter().map(|field| {
                    let align = match field.data_type() {
                        number if number.is_numeric() => Align::Right,
                        time if time.is_temporal() => Align::Whole,
                        _ => Align::Left,
                    };
                    (field.name().clone(), align)
                });
                Self::Table(Table::new(columns.collect(), width), out)
            }
            Format::Expanded => Self::Expanded(Expanded::new(out, schema)),
            Format::Csv => Self::Csv(Csv::new(out, schema, raw)?),
            Format::Json => Self::Json(JsonText::array(out)),
            Format::Ndjson => Self::Json(JsonText::lines(out)),
            Format::Parquet => Self::Columnar(Columnar::parquet(out, schema)?),
            Format::Arrow => Self::Columnar(Columnar::arrow(out, schema)?),
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
            Self::Expanded(expanded) => expanded.write(batch),
            Self::Csv(csv) => csv.write(batch),
            Self::Json(json) => json.write(batch),
            Self::Columnar(columnar) => columnar.write(batch),
        }
    }

    /// Writes what is left.
    pub(crate) fn finish(self) -> Result<(), CommandError> {
        match self {
            Self::Table(table, mut out) => {
                table.finish(out.as_mut())?;
                out.flush()?;
            }
            Self::Expanded(mut expanded) => expanded.flush()?,
            Self::Csv(mut csv) => csv.flush()?,
            Self::Json(json) => json.finish()?,
            Self::Columnar(columnar) => columnar.finish()?,
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
