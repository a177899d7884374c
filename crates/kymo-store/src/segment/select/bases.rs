use super::super::SegmentError;
use super::ranges::RowRanges;

/// Which rows of a row group must be read for the versions of some, and how long each is needed.
#[derive(Debug, Default)]
pub(super) struct Bases {
    /// The rows to read: those that are wanted and all that their patches lead back to.
    pub(super) needed: RowRanges,
    /// By row: the row whose version its patch changes, plus one; 0 where it has no patch.
    base: Vec<u32>,
    /// By row: the last needed row whose patch changes its version, plus one; 0 if none does.
    last_use: Vec<u32>,
}

impl Bases {
    /// Finds what `wanted` rows need. `distances` holds the column `base` of the whole row group;
    /// `first` is the number of its first row in the segment, for errors.
    pub(super) fn new(
        wanted: &RowRanges,
        distances: impl IntoIterator<Item = Option<i32>>,
        first: u64,
    ) -> Result<Self, SegmentError> {
        let mut base = Vec::new();
        for (row, distance) in distances.into_iter().enumerate() {
            let before = match distance {
                None | Some(0) => 0,
                Some(distance) => {
                    usize::try_from(distance)
                        .ok()
                        .and_then(|distance| row.checked_sub(distance))
                        .ok_or(SegmentError::Row {
                            row: first + row as u64,
                            what: "its patch refers to a row that holds no version",
                        })?
                        + 1
                }
            };
            base.push(before as u32);
        }
        let mut last_use = vec![0u32; base.len()];
        let mut is_needed = vec![false; base.len()];
        for row in wanted.rows() {
            if let Some(needed) = is_needed.get_mut(row) {
                *needed = true;
            }
        }
        for row in (0..base.len()).rev() {
            let before = base.get(row).copied().unwrap_or(0) as usize;
            if before == 0 || !is_needed.get(row).copied().unwrap_or(false) {
                continue;
            }
            if let (Some(needed), Some(last)) =
                (is_needed.get_mut(before - 1), last_use.get_mut(before - 1))
            {
                *needed = true;
                *last = (*last).max(row as u32 + 1);
            }
        }
        let all = RowRanges::of(0..base.len());
        Ok(Self {
            needed: all.kept(is_needed),
            base,
            last_use,
        })
    }

    /// Returns the row whose version the patch of `row` changes.
    pub(super) fn base(&self, row: usize) -> Option<usize> {
        (self.base.get(row).copied()? as usize).checked_sub(1)
    }

    /// Returns the last row that needs the version of `row`.
    pub(super) fn last_use(&self, row: usize) -> Option<usize> {
        (self.last_use.get(row).copied()? as usize).checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_needs_what_its_patch_leads_back_to_and_nothing_else() {
        // Two objects and a third without a body; the second is kept as a patch against the first.
        let distances = [Some(0), Some(1), Some(1), Some(3), Some(1), None, Some(3)];
        let bases = Bases::new(&RowRanges::of(6..7), distances, 0).unwrap();
        assert_eq!(bases.needed.ranges(), [0..1, 3..4, 6..7]);
        assert_eq!(bases.base(6), Some(3));
        assert_eq!(bases.base(0), None);
        assert_eq!(bases.last_use(0), Some(3));
        assert_eq!(bases.last_use(3), Some(6));
        assert_eq!(bases.last_use(6), None);
    }

    #[test]
    fn a_base_outside_of_the_row_group_is_an_error() {
        for distance in [2, -1, i32::MIN] {
            let error = Bases::new(&RowRanges::of(0..1), [Some(0), Some(distance)], 10);
            assert!(matches!(error, Err(SegmentError::Row { row: 11, .. })));
        }
    }
}
