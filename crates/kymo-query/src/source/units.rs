//! Which row groups are read, and by whom.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray as _, BooleanArray, StringArray, UInt64Array,
};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, ScalarValue};
use kymo_model::{FeedId, Timestamp};
use kymo_store::fs::FileChunks;
use kymo_store::segment::{SegmentMeta, SegmentReader};

use super::sealed::{Sealed, Unit};
use super::tail::accepts_feed;
use super::{EventsRequest, Pruning, Until};
use crate::Error;
use crate::conditions::{Conditions, Key};

/// No reader gets fewer rows of a segment than this only so that there are more readers.
const LEAST_ROWS: usize = 16_384;

/// Returns how many segments are needed, from the oldest on: behind the last one with a row that is
/// not after the time, all of them can be missing.
fn needed_segments(
    segments: &[Sealed],
    until: Option<Until>,
    tail_from: Option<Timestamp>,
) -> usize {
    let Some(until) = until.filter(|until| !until.ends) else {
        return segments.len();
    };
    if tail_from.is_some_and(|from| from <= until.ts) {
        return segments.len();
    }
    let is_needed = |segment: &Sealed| {
        let first = segment.reader.meta().first_ts;
        first.is_none_or(|first| first <= until.ts)
    };
    segments
        .iter()
        .rposition(is_needed)
        .map_or(0, |last| last + 1)
}

/// Finds the row groups that can hold a wanted row, by segment. Segments are in the order of their
/// events; what is not sealed is not before `tail_from`.
pub(super) fn units(
    segments: &[Sealed],
    request: &EventsRequest,
    tail_from: Option<Timestamp>,
) -> Result<(Vec<Vec<Unit>>, Pruning), Error> {
    let mut pruning = Pruning {
        segments: segments.len(),
        ..Pruning::default()
    };
    let mut all = Vec::new();
    let needed = needed_segments(segments, request.until, tail_from);
    for (index, segment) in segments.iter().enumerate() {
        let reader = &segment.reader;
        pruning.row_groups += reader.num_row_groups();
        if index >= needed || !can_hold(reader.meta(), &request.conditions) {
            continue;
        }
        let keep = match &request.predicate {
            Some(predicate) => predicate.can_be_in(&RowGroups { reader }),
            None => vec![true; reader.num_row_groups()],
        };
        let mut units = Vec::new();
        for (group, keep) in keep.into_iter().enumerate() {
            if keep {
                let rows = reader.group_rows(group);
                let rows = rows.map_err(|source| segment.failed(source))?;
                units.push(Unit {
                    segment: segment.clone(),
                    group,
                    rows: 0..rows,
                });
            }
        }
        pruning.row_groups_read += units.len();
        if !units.is_empty() {
            pruning.segments_read += 1;
            all.push(units);
        }
    }
    Ok((all, pruning))
}

/// Tells whether a segment can hold an event that meets the conditions. Where it does not say what
/// it holds, it can.
pub(super) fn can_hold(meta: &SegmentMeta, conditions: &Conditions) -> bool {
    let in_time = !matches!((meta.first_ts, conditions.to), (Some(first), Some(to)) if first > to)
        && !matches!((meta.last_ts, conditions.from), (Some(last), Some(from)) if last < from);
    let feed = |id: &FeedId| meta.feeds.iter().find(|(known, _)| known == id);
    let has_some = meta.counts.iter().any(|(id, event_type, events)| {
        *events > 0
            && conditions.accepts(Key::Type, event_type.as_str())
            && feed(id).is_none_or(|(_, feed)| accepts_feed(conditions, feed))
    });
    in_time && (has_some || meta.counts.is_empty())
}

/// Columns of `events` of which a segment tells bounds.
const BOUNDED: [&str; 8] = [
    "seq",
    "ts",
    "type",
    "api_group",
    "resource",
    "kind",
    "namespace",
    "name",
];

/// What the footer of a segment tells of its row groups.
struct RowGroups<'a> {
    reader: &'a SegmentReader<FileChunks>,
}

impl RowGroups<'_> {
    /// Returns bounds of a column as `events` has it: what the file keeps as null is empty there.
    fn bound(&self, column: &Column, of_min: bool) -> Option<ArrayRef> {
        let name = column.name.as_str();
        if !BOUNDED.contains(&name) {
            return None;
        }
        let bounds = self.reader.bounds(name).ok()??;
        let bound = if of_min { bounds.min } else { bounds.max };
        if !matches!(name, "kind" | "namespace" | "name") {
            return Some(bound);
        }
        let texts: &StringArray = bound.as_string_opt()?;
        let groups = texts.iter().enumerate().map(|(group, text)| {
            let nulls = bounds
                .nulls
                .is_valid(group)
                .then(|| bounds.nulls.value(group))?;
            match (nulls, name, of_min) {
                (0, ..) => text,
                // The kind of a row without one may be in its body.
                (_, "kind", _) => None,
                (_, _, true) => Some(""),
                (nulls, ..) => {
                    let rows = self.reader.group_rows(group).ok()? as u64;
                    if nulls == rows { Some("") } else { text }
                }
            }
        });
        Some(Arc::new(groups.collect::<StringArray>()))
    }
}

impl PruningStatistics for RowGroups<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bound(column, true)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bound(column, false)
    }

    fn num_containers(&self) -> usize {
        self.reader.num_row_groups()
    }

    fn null_counts(&self, _: &Column) -> Option<ArrayRef> {
        None
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        let groups = 0..self.reader.num_row_groups();
        let rows = groups.map(|group| Some(self.reader.group_rows(group).ok()? as u64));
        Some(Arc::new(rows.collect::<UInt64Array>()))
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

/// Rows of units.
pub(super) fn rows_of(units: &[Unit]) -> usize {
    units.iter().map(|unit| unit.rows.len()).sum()
}

/// Deals segments, and what is not sealed as one more, out to readers. Returns the units of each
/// reader and which reader has what is not sealed. Where there are enough readers, none has rows of
/// two segments, or of a segment and of what is not sealed: its rows are then in order.
pub(super) fn deal(
    segments: Vec<Vec<Unit>>,
    has_tail: bool,
    readers: usize,
) -> (Vec<Vec<Unit>>, Option<usize>) {
    let sources = segments.len() + usize::from(has_tail);
    if sources > readers.max(1) {
        return deal_whole(segments, has_tail, readers.max(1));
    }
    let mut shares: Vec<usize> = segments.iter().map(|_| 1).collect();
    let rows: Vec<usize> = segments.iter().map(|units| rows_of(units)).collect();
    for _ in sources..readers {
        // The source with the most rows for each of its readers gets one more.
        let most = (0..shares.len()).max_by_key(|index| {
            rows.get(*index)
                .zip(shares.get(*index))
                .map(|(rows, share)| rows / share)
        });
        let Some(index) = most else { break };
        let (Some(share), Some(rows)) = (shares.get_mut(index), rows.get(index)) else {
            break;
        };
        if rows / (*share + 1) < LEAST_ROWS {
            break;
        }
        *share += 1;
    }
    let mut dealt: Vec<Vec<Unit>> = Vec::new();
    for (units, share) in segments.into_iter().zip(shares) {
        dealt.extend(cut(units, share));
    }
    let tail = has_tail.then(|| {
        dealt.push(Vec::new());
        dealt.len() - 1
    });
    (dealt, tail)
}

/// Gives each segment to the reader that has the fewest rows, the largest first.
fn deal_whole(
    mut segments: Vec<Vec<Unit>>,
    has_tail: bool,
    readers: usize,
) -> (Vec<Vec<Unit>>, Option<usize>) {
    segments.sort_by_key(|units| std::cmp::Reverse(rows_of(units)));
    let mut dealt: Vec<Vec<Unit>> = vec![Vec::new(); readers];
    for units in segments {
        let least = dealt.iter_mut().min_by_key(|units| rows_of(units));
        if let Some(least) = least {
            least.extend(units);
        }
    }
    let least = (0..dealt.len()).min_by_key(|index| dealt.get(*index).map(|units| rows_of(units)));
    (dealt, least.filter(|_| has_tail))
}

/// Cuts the rows of a segment into pieces of the same size, in order.
fn cut(units: Vec<Unit>, pieces: usize) -> Vec<Vec<Unit>> {
    let each = rows_of(&units).div_ceil(pieces.max(1)).max(1);
    let mut cut = vec![Vec::new()];
    let mut room = each;
    for mut unit in units {
        while !unit.rows.is_empty() {
            if room == 0 {
                cut.push(Vec::new());
                room = each;
            }
            let end = unit.rows.end.min(unit.rows.start + room);
            let rows = unit.rows.start..end;
            unit.rows.start = end;
            room -= rows.len();
            if let Some(piece) = cut.last_mut() {
                piece.push(Unit {
                    rows,
                    ..unit.clone()
                });
            }
        }
    }
    cut
}
