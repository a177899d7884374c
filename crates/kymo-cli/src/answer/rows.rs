use std::io;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::json::writer::{NullableEncoder, make_encoder};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::json;
use crate::command_error::CommandError;

/// Calls `each` with the texts of every row; nulls are `None`, nested values are JSON.
pub(super) fn for_each(
    batch: &RecordBatch,
    each: &mut dyn FnMut(&[Option<String>]) -> io::Result<()>,
) -> Result<(), CommandError> {
    let options = json::options();
    let schema = batch.schema();
    let display = FormatOptions::new().with_display_error(false);
    let mut cells = Vec::with_capacity(batch.num_columns());
    for (field, array) in schema.fields().iter().zip(batch.columns()) {
        cells.push(if array.data_type().is_nested() {
            Cell::Json(make_encoder(field, array.as_ref(), &options)?)
        } else {
            Cell::Plain(ArrayFormatter::try_new(array.as_ref(), &display)?)
        });
    }
    let mut row: Vec<Option<String>> = Vec::with_capacity(cells.len());
    for index in 0..batch.num_rows() {
        row.clear();
        for (cell, array) in cells.iter_mut().zip(batch.columns()) {
            row.push(cell.text(index, array.as_ref())?);
        }
        each(&row)?;
    }
    Ok(())
}

enum Cell<'a> {
    Json(NullableEncoder<'a>),
    Plain(ArrayFormatter<'a>),
}

impl Cell<'_> {
    fn text(&mut self, index: usize, array: &dyn Array) -> Result<Option<String>, ArrowError> {
        // A column of nothing but null has no marks that say so.
        if array.is_null(index) || *array.data_type() == DataType::Null {
            return Ok(None);
        }
        match self {
            Self::Plain(formatter) => formatter.value(index).try_to_string().map(Some),
            Self::Json(encoder) => {
                let mut bytes = Vec::new();
                encoder.encode(index, &mut bytes);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                Ok((text != "null").then_some(text))
            }
        }
    }
}
