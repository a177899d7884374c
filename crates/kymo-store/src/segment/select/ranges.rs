use std::ops::Range;

use parquet::arrow::arrow_reader::RowSelection;

/// Rows of a row group, counted from its first: ranges in order that do not touch each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowRanges {
    ranges: Vec<Range<usize>>,
    rows: usize,
}

impl RowRanges {
    /// Returns the rows of one range.
    pub fn of(rows: Range<usize>) -> Self {
        let mut ranges = Self::default();
        ranges.push(rows);
        ranges
    }

    /// Adds rows, which must come behind those that are there.
    pub fn push(&mut self, rows: Range<usize>) {
        if rows.is_empty() {
            return;
        }
        self.rows += rows.len();
        match self.ranges.last_mut() {
            Some(last) if last.end == rows.start => last.end = rows.end,
            _ => self.ranges.push(rows),
        }
    }

    /// Returns how many rows they are.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Returns the ranges in order.
    pub fn ranges(&self) -> &[Range<usize>] {
        &self.ranges
    }

    /// Returns the rows in order.
    pub fn rows(&self) -> impl Iterator<Item = usize> + '_ {
        self.ranges.iter().cloned().flatten()
    }

    /// Returns the rows for which `keep`, asked for each in order, says so; an answer that is
    /// missing is no.
    #[must_use]
    pub fn kept(&self, keep: impl IntoIterator<Item = bool>) -> Self {
        let mut kept = Self::default();
        for (row, keep) in self.rows().zip(keep) {
            if keep {
                kept.push(row..row + 1);
            }
        }
        kept
    }

    /// Returns them for the Parquet reader, in a row group of `total` rows.
    pub(super) fn selection(&self, total: usize) -> RowSelection {
        let ranges = self.ranges.iter().cloned();
        RowSelection::from_consecutive_ranges(ranges, total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_become_one() {
        let mut rows = RowRanges::of(2..4);
        rows.push(4..5);
        rows.push(7..7);
        rows.push(8..10);
        assert_eq!(rows.ranges(), [2..5, 8..10]);
        assert_eq!(rows.len(), 5);
        assert_eq!(rows.rows().collect::<Vec<_>>(), [2, 3, 4, 8, 9]);
    }

    #[test]
    fn rows_are_kept_one_by_one() {
        let mut rows = RowRanges::of(2..5);
        rows.push(8..10);
        let kept = rows.kept([false, true, true, true]);
        assert_eq!(kept.ranges(), [3..5, 8..9]);
        assert!(rows.kept([]).is_empty());
    }
}
