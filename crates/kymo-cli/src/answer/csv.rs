use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use super::{is_text, rows};
use crate::command_error::CommandError;

/// CSV with a header. A text that a spreadsheet would take for a formula gets a `'` in front.
pub(crate) struct Csv<W> {
    out: W,
    guarded: Vec<bool>,
}

impl<W: Write> Csv<W> {
    /// Writes the header; `raw` leaves formulas alone.
    pub(super) fn new(mut out: W, schema: &Schema, raw: bool) -> io::Result<Self> {
        let fields = schema.fields();
        let names: Vec<Option<String>> = fields
            .iter()
            .map(|field| Some(field.name().clone()))
            .collect();
        write_row(&mut out, &names, &vec![!raw; names.len()])?;
        let guarded = fields
            .iter()
            .map(|field| !raw && is_text(field.data_type()))
            .collect();
        Ok(Self { out, guarded })
    }

    /// Writes the rows of a batch.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), CommandError> {
        let Self { out, guarded } = self;
        rows::for_each(batch, &mut |row| write_row(out, row, guarded))
    }

    /// Writes what is held back.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn write_row(out: &mut dyn Write, row: &[Option<String>], guarded: &[bool]) -> io::Result<()> {
    let mut line = String::new();
    for (index, (cell, guarded)) in row.iter().zip(guarded).enumerate() {
        if index > 0 {
            line.push(',');
        }
        let cell = cell.as_deref().unwrap_or_default();
        let is_formula = *guarded && cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
        if is_formula || cell.contains([',', '"', '\n', '\r']) {
            line.push('"');
            if is_formula {
                line.push('\'');
            }
            line.push_str(&cell.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(cell);
        }
    }
    line.push('\n');
    out.write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    fn csv(raw: bool) -> String {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![
            Some("=1+1"),
            Some("a,\"b\""),
            None,
            Some("-"),
        ]));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![-1, 2, 3, 4]));
        let batch = RecordBatch::try_from_iter([("text", texts), ("number", numbers)]).unwrap();
        let mut out = Vec::new();
        let mut csv = Csv::new(&mut out, &batch.schema(), raw).unwrap();
        csv.write(&batch).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn quotes_are_doubled_and_formulas_disarmed_but_not_numbers() {
        assert_eq!(
            csv(false),
            "text,number\n\"'=1+1\",-1\n\"a,\"\"b\"\"\",2\n,3\n\"'-\",4\n"
        );
        assert!(csv(true).contains("\n=1+1,-1\n"));
    }
}
