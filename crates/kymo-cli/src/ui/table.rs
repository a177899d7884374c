use std::io::{self, Write};

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::escape_line;

/// Where a column's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// Text.
    Left,
    /// Text that is of no use in part, such as a time; it is cut last, as numbers are.
    #[cfg_attr(
        not(feature = "query"),
        expect(dead_code, reason = "only answers of queries have times of their own")
    )]
    Whole,
    /// Numbers.
    Right,
}

/// Rows are held back until this many are known, to measure the columns.
const SAMPLE_ROWS: usize = 1000;
/// A column is not made narrower than this.
const MIN_WIDTH: usize = 4;
/// A text is not made narrower than this as long as nothing else is.
const MIN_TEXT: usize = 8;
const SEPARATOR: &str = "  ";

/// A plain table that fits a width; rows stream through once the columns are measured.
#[derive(Debug)]
pub(crate) struct Table {
    headers: Vec<String>,
    align: Vec<Align>,
    limit: Option<usize>,
    sample: Vec<Vec<String>>,
    widths: Option<Vec<usize>>,
}

impl Table {
    /// Starts a table with its columns; `limit` is the width to fit.
    pub(crate) fn new(columns: Vec<(String, Align)>, limit: Option<usize>) -> Self {
        let (headers, align) = columns
            .into_iter()
            .map(|(name, align)| (escape_line(&name).into_owned(), align))
            .unzip();
        Self {
            headers,
            align,
            limit,
            sample: Vec::new(),
            widths: None,
        }
    }

    /// Adds a row; writes to `out` when the columns are measured.
    pub(crate) fn push(&mut self, row: &[String], out: &mut dyn Write) -> io::Result<()> {
        let row: Vec<String> = row
            .iter()
            .map(|cell| escape_line(cell).into_owned())
            .collect();
        if let Some(widths) = &self.widths {
            return write_row(out, &row, widths, &self.align);
        }
        self.sample.push(row);
        if self.sample.len() >= SAMPLE_ROWS {
            self.flush(out)?;
        }
        Ok(())
    }

    /// Writes what is held back.
    pub(crate) fn finish(mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.widths.is_none() {
            self.flush(out)?;
        }
        Ok(())
    }

    fn flush(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let mut widths: Vec<usize> = self.headers.iter().map(|name| name.width()).collect();
        for row in &self.sample {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        if let Some(limit) = self.limit {
            fit(&mut widths, &self.align, limit);
        }
        write_row(out, &self.headers, &widths, &self.align)?;
        let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
        write_row(out, &rules, &widths, &self.align)?;
        for row in std::mem::take(&mut self.sample) {
            write_row(out, &row, &widths, &self.align)?;
        }
        self.widths = Some(widths);
        Ok(())
    }
}

/// Makes columns narrower so that the sum fits: texts first, and what is whole if that is not
/// enough.
fn fit(widths: &mut [usize], align: &[Align], limit: usize) {
    let separators = SEPARATOR.len() * widths.len().saturating_sub(1);
    let limit = limit.saturating_sub(separators);
    let is_text = |align: &Align| *align == Align::Left;
    let columns = widths.iter_mut().zip(align);
    let (texts, whole): (Vec<_>, Vec<_>) = columns.partition(|(_, align)| is_text(align));
    let mut texts: Vec<&mut usize> = texts.into_iter().map(|(width, _)| width).collect();
    let whole: usize = whole.into_iter().map(|(width, _)| *width).sum();
    let room = limit.saturating_sub(whole);
    if room >= texts.len() * MIN_TEXT {
        lower(&mut texts, room);
    } else {
        lower(&mut widths.iter_mut().collect::<Vec<_>>(), limit);
    }
}

/// Lowers the widest columns to a common width so that the sum fits.
fn lower(widths: &mut [&mut usize], limit: usize) {
    let widest = widths.iter().map(|width| **width).max().unwrap_or(0);
    let sum = |cap: usize| widths.iter().map(|width| (**width).min(cap)).sum::<usize>();
    if sum(widest) <= limit {
        return;
    }
    let (mut low, mut high) = (MIN_WIDTH.min(widest), widest);
    while low < high {
        let middle = (low + high).div_ceil(2);
        if sum(middle) <= limit {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    for width in widths {
        **width = (**width).min(low);
    }
}

fn write_row(
    out: &mut dyn Write,
    row: &[String],
    widths: &[usize],
    align: &[Align],
) -> io::Result<()> {
    let mut line = String::new();
    for (index, ((cell, width), align)) in row.iter().zip(widths).zip(align).enumerate() {
        if index > 0 {
            line.push_str(SEPARATOR);
        }
        let text = clip(cell, *width);
        let padding = " ".repeat(width.saturating_sub(text.width()));
        match align {
            Align::Left | Align::Whole => {
                line.push_str(&text);
                line.push_str(&padding);
            }
            Align::Right => {
                line.push_str(&padding);
                line.push_str(&text);
            }
        }
    }
    out.write_all(line.trim_end().as_bytes())?;
    out.write_all(b"\n")
}

/// Cuts a text to a width; `…` stands for what is missing.
fn clip(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut clipped = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        clipped.push(c);
    }
    clipped.push('…');
    clipped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(rows: &[[&str; 2]], limit: Option<usize>) -> String {
        let columns = vec![
            ("name".to_owned(), Align::Left),
            ("n".to_owned(), Align::Right),
        ];
        let mut table = Table::new(columns, limit);
        let mut out = Vec::new();
        for row in rows {
            let row: Vec<String> = row.iter().map(ToString::to_string).collect();
            table.push(&row, &mut out).unwrap();
        }
        table.finish(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_stand_right_and_lines_have_no_trailing_blanks() {
        assert_eq!(
            render(&[["a", "1"], ["long-name", "200"]], None),
            "name         n\n---------  ---\na            1\nlong-name  200\n",
        );
    }

    #[test]
    fn wide_cells_are_cut_to_the_terminal() {
        let text = render(&[["0123456789012345678901234567890", "7"]], Some(20));
        assert_eq!(text.lines().last(), Some("0123456789012345…  7"));
        let text = render(&[["日本語日本語日本語", "7"]], Some(14));
        assert_eq!(text.lines().last(), Some("日本語日本…  7"));
    }

    #[test]
    fn times_and_numbers_are_cut_only_when_texts_are_short() {
        let columns = || {
            vec![
                ("time".to_owned(), Align::Whole),
                ("text".to_owned(), Align::Left),
                ("n".to_owned(), Align::Right),
            ]
        };
        let row = [
            "2026-11-21T02:00:00Z",
            "a text of some length",
            "1234567890",
        ]
        .map(str::to_owned);
        let last = |limit| {
            let mut table = Table::new(columns(), Some(limit));
            let mut out = Vec::new();
            table.push(&row, &mut out).unwrap();
            table.finish(&mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            text.lines().last().unwrap().to_owned()
        };
        assert_eq!(last(45), "2026-11-21T02:00:00Z  a text of …  1234567890");
        assert_eq!(last(30), "2026-11…  a text …  1234567…");
    }

    #[test]
    fn cells_stay_on_their_line() {
        assert!(render(&[["a\nb\x1b[2J", "1"]], None).contains("a\\nb\\x1b[2J"));
    }

    #[test]
    fn an_empty_table_has_its_header() {
        assert_eq!(render(&[], Some(80)), "name  n\n----  -\n");
    }
}
