use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use unicode_width::UnicodeWidthStr as _;

use super::rows;
use crate::command_error::CommandError;
use crate::ui::escape_line;

/// A line for each value, with the name of its column; for rows that are too wide for a table.
pub(crate) struct Expanded<W> {
    out: W,
    /// The names, padded to one width.
    names: Vec<String>,
    rows: u64,
}

impl<W: Write> Expanded<W> {
    /// Starts an answer.
    pub(super) fn new(out: W, schema: &Schema) -> Self {
        let names: Vec<_> = schema
            .fields()
            .iter()
            .map(|field| escape_line(field.name()).into_owned())
            .collect();
        let width = names.iter().map(|name| name.width()).max().unwrap_or(0);
        let pad = |name: &String| format!("{name}{}  ", " ".repeat(width - name.width()));
        Self {
            names: names.iter().map(pad).collect(),
            out,
            rows: 0,
        }
    }

    /// Writes the rows of a batch.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), CommandError> {
        let Self { out, names, rows } = self;
        rows::for_each(batch, &mut |row| {
            *rows += 1;
            write_row(out, *rows, names, row)
        })
    }

    /// Writes what is held back.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn write_row(
    out: &mut dyn Write,
    number: u64,
    names: &[String],
    row: &[Option<String>],
) -> io::Result<()> {
    let mut text = format!("--- {number}\n");
    for (name, cell) in names.iter().zip(row) {
        let cell = cell.as_deref().map_or("NULL".into(), escape_line);
        let line = format!("{name}{cell}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    out.write_all(text.as_bytes())
}
