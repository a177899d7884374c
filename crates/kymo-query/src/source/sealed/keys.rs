use std::collections::BTreeSet;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray as _, BooleanArray, RecordBatch, StringArray,
};
use datafusion::arrow::compute::kernels::cmp::distinct;
use datafusion::arrow::compute::or;
use datafusion::arrow::datatypes::{Int32Type, TimestampNanosecondType};
use kymo_store::segment::{RowRanges, SegmentError};
use uuid::Uuid;

use super::super::logical::schema;
use super::super::wide::Item;
use super::super::{Counts, Until};
use super::Unit;
use super::heads::{Heads, uid_columns};
use crate::conditions::{Conditions, Key};

/// Rows that are read at a time to see whether they meet conditions.
const BATCH_ROWS: usize = 8_192;

/// Keys in the order in which they are looked at: what tells most for least comes first. Rows that
/// one does not let through are not read for the next.
const ORDER: [Key; 13] = [
    Key::Resource,
    Key::Kind,
    Key::ApiGroup,
    Key::Namespace,
    Key::Type,
    Key::Name,
    Key::Uid,
    Key::Verb,
    Key::Username,
    Key::Subresource,
    Key::ImpersonatedUsername,
    Key::UserAgent,
    Key::AuditId,
];

/// Finds the rows of a unit that meet conditions.
pub(in super::super) fn matching(
    unit: &Unit,
    conditions: &Conditions,
    until: Option<Until>,
    counts: &Counts,
) -> Result<RowRanges, SegmentError> {
    let mut rows = RowRanges::of(unit.rows.clone());
    for key in ORDER {
        if let Some(values) = conditions.one_of.get(&key)
            && !rows.is_empty()
        {
            counts.rows.add(rows.len());
            rows = match key {
                Key::Uid => with_uid(unit, &rows, values)?,
                key => with_word(unit, &rows, key, values)?,
            };
        }
    }
    if (conditions.from.is_some() || conditions.to.is_some()) && !rows.is_empty() {
        counts.rows.add(rows.len());
        rows = in_time(unit, &rows, conditions)?;
    }
    let last = unit.segment.reader.meta().last_ts;
    if let Some(until) = until
        && !rows.is_empty()
        // Events of an object are told apart by their kind, which may be in bodies.
        && !unit.segment.has_unknown_kinds()
        && (until.only_last || last.is_none_or(|last| last > until.ts))
    {
        counts.rows.add(rows.len());
        rows = needed_until(unit, &rows, until)?;
    }
    Ok(rows)
}

/// Keeps the rows for which a test of each batch of columns says so.
fn kept(
    unit: &Unit,
    rows: &RowRanges,
    columns: &[&str],
    test: impl Fn(&RecordBatch) -> Result<BooleanArray, SegmentError>,
) -> Result<RowRanges, SegmentError> {
    let reader = &unit.segment.reader;
    let mut keep = Vec::with_capacity(rows.len());
    for batch in reader.columns(unit.group, Some(rows), columns, BATCH_ROWS)? {
        keep.extend(test(&batch?)?.iter().map(|keep| keep == Some(true)));
    }
    Ok(rows.kept(keep))
}

fn in_time(
    unit: &Unit,
    rows: &RowRanges,
    conditions: &Conditions,
) -> Result<RowRanges, SegmentError> {
    kept(unit, rows, &["ts"], |batch| {
        let ts = batch.column_by_name("ts");
        let ts = ts.and_then(|ts| ts.as_primitive_opt::<TimestampNanosecondType>());
        let ts = ts.ok_or(SegmentError::Column { column: "ts" })?;
        Ok(BooleanArray::from_unary(ts, |ts| {
            conditions.from.is_none_or(|from| ts >= from.0)
                && conditions.to.is_none_or(|to| ts <= to.0)
        }))
    })
}

/// What tells an object from the one in the row before.
const OBJECT: [&str; 6] = [
    "resource",
    "api_group",
    "namespace",
    "name",
    "uid",
    "uid_text",
];

/// Keeps the rows that are not after a time, and after each of them one more: it may be the next of
/// the same object. The last row before the time may also be in an earlier segment; what may follow
/// it here is the first row of its object. Where only last versions are needed, a row that the next
/// one of its object replaces by the time is left out.
fn needed_until(unit: &Unit, rows: &RowRanges, until: Until) -> Result<RowRanges, SegmentError> {
    let tells_objects = until.only_last || !unit.segment.is_first;
    let mut columns = vec!["ts"];
    if tells_objects {
        columns.extend(OBJECT);
    }
    // What stands before the first row is not known here.
    let mut follows = true;
    let reader = &unit.segment.reader;
    let mut keep: Vec<bool> = Vec::with_capacity(rows.len());
    for batch in reader.columns(unit.group, Some(rows), &columns, BATCH_ROWS)? {
        let batch = batch?;
        let ts = batch.column_by_name("ts");
        let ts = ts.and_then(|ts| ts.as_primitive_opt::<TimestampNanosecondType>());
        let ts = ts.ok_or(SegmentError::Column { column: "ts" })?;
        let begins = if tells_objects {
            Some(begins_object(&batch)?)
        } else {
            None
        };
        for (row, ts) in ts.values().iter().enumerate() {
            let begins = begins.as_ref();
            // Of the first row of a batch it is not known, and held to be so.
            let begins = begins.is_some_and(|begins| row == 0 || begins.value(row - 1));
            let is_before = *ts <= until.ts.0;
            if until.only_last
                && is_before
                && follows
                && !begins
                && let Some(replaced) = keep.last_mut()
            {
                *replaced = false;
            }
            keep.push(is_before || follows || begins);
            follows = is_before;
        }
    }
    Ok(rows.kept(keep))
}

/// Tells for each row but the first of a batch whether it is of another object than the one before.
fn begins_object(batch: &RecordBatch) -> Result<BooleanArray, SegmentError> {
    let rows = batch.num_rows().saturating_sub(1);
    let mut begins = BooleanArray::from(vec![false; rows]);
    for name in OBJECT {
        let column = batch.column_by_name(name);
        let column = column.ok_or(SegmentError::Column { column: name })?;
        let (before, after) = (
            column.slice(0, rows),
            column.slice(1.min(column.len()), rows),
        );
        begins = or(&begins, &distinct(&before, &after)?)?;
    }
    Ok(begins)
}

fn with_uid(
    unit: &Unit,
    rows: &RowRanges,
    values: &BTreeSet<String>,
) -> Result<RowRanges, SegmentError> {
    let wanted: BTreeSet<[u8; 16]> = values
        .iter()
        .filter_map(|value| Uuid::try_parse(value).ok())
        .map(Uuid::into_bytes)
        .collect();
    kept(unit, rows, &["uid", "uid_text"], |batch| {
        let (bytes, texts) = uid_columns(batch)?;
        let is_wanted = |row| {
            if bytes.is_valid(row) {
                // Only the usual form of a UUID is kept as bytes.
                <[u8; 16]>::try_from(bytes.value(row)).is_ok_and(|uid| {
                    wanted.contains(&uid) && values.contains(&Uuid::from_bytes(uid).to_string())
                })
            } else if texts.is_valid(row) {
                values.contains(texts.value(row))
            } else {
                values.contains("")
            }
        };
        Ok((0..bytes.len()).map(|row| Some(is_wanted(row))).collect())
    })
}

fn with_word(
    unit: &Unit,
    rows: &RowRanges,
    key: Key,
    values: &BTreeSet<String>,
) -> Result<RowRanges, SegmentError> {
    let index = schema().index_of(key.column())?;
    let items = [Item::Column(index)];
    let heads = Heads::new(&items, &unit.segment, None);
    kept(unit, rows, heads.columns(), |batch| {
        let made = heads.make(Some(batch), batch.num_rows(), &items)?;
        let array = made.into_iter().flatten().next();
        let array = array.ok_or(SegmentError::Column {
            column: key.column(),
        })?;
        is_one_of(&array, values).ok_or(SegmentError::Column {
            column: key.column(),
        })
    })
}

/// Tells which values of a column are among some; null is not.
fn is_one_of(array: &ArrayRef, values: &BTreeSet<String>) -> Option<BooleanArray> {
    if let Some(words) = array.as_dictionary_opt::<Int32Type>() {
        let known: &StringArray = words.values().as_string_opt()?;
        let is_wanted: Vec<bool> = known
            .iter()
            .map(|word| word.is_some_and(|word| values.contains(word)))
            .collect();
        let keys = words.keys().iter();
        let wanted = keys.map(|key| Some(*is_wanted.get(usize::try_from(key?).ok()?)?));
        return Some(wanted.map(|wanted| Some(wanted == Some(true))).collect());
    }
    let texts: &StringArray = array.as_string_opt()?;
    if let (1, Some(value)) = (values.len(), values.first()) {
        let texts = texts.iter();
        return Some(
            texts
                .map(|text| Some(text == Some(value.as_str())))
                .collect(),
        );
    }
    let texts = texts.iter();
    Some(
        texts
            .map(|text| Some(text.is_some_and(|text| values.contains(text))))
            .collect(),
    )
}
