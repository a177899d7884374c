//! A segment that differs from another one only in what revisions do to bodies: columns that stay
//! the same are copied as they are compressed, and of the others only what changes is made anew.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray as _, BooleanArray, ListArray, PrimitiveArray,
    RecordBatch, StringArray, StringBuilder, StructArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{filter, nullif};
use arrow::datatypes::{Int32Type, Int64Type};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::ChunkReader;

use super::chain::MANAGED;
use super::checksum::ChecksumWriter;
use super::group_writer::GroupWriter;
use super::physical;
use super::reader::SegmentReader;
use super::revision::{Revisions, Verdict};
use super::select::RowRanges;
use super::shadow::Parts;
use super::writer::footer;
use super::{SegmentError, SegmentMeta, SegmentOptions, SegmentSummary};

const PATCH: &str = "patch";
const MANAGED_PATCH: &str = "managed_fields_patch";
/// The paths alone of their operations.
const PATHS: &str = "patch.list.item.path";
const MANAGED_PATHS: &str = "managed_fields_patch.list.item.path";
/// The columns of whole bodies.
const KEYFRAMES: [&str; 2] = ["keyframe", "managed_fields"];
/// The columns that [`Revisions::clears`] tells of.
const CLEARED: [&str; 3] = ["generation", "created", "deleted"];

/// What revisions change in a segment whose rows need not be put together for that.
#[derive(Debug)]
pub(crate) struct Revised<R: ChunkReader> {
    reader: SegmentReader<R>,
    /// With the places and the bounds of pages.
    metadata: ParquetMetaData,
    /// What is done to rows; nothing comes first.
    revisions: Vec<Option<Arc<Revisions>>>,
    groups: Vec<Changes>,
    /// The smallest and the largest seq.
    bounds: Option<(u64, u64)>,
}

/// Which columns of each row group were made anew.
#[derive(Debug, Default)]
pub(crate) struct Made {
    columns: Vec<Vec<&'static str>>,
}

/// What changes in a row group.
#[derive(Debug, Default)]
struct Changes {
    /// Where rows end to which the same is done, and what that is.
    runs: Vec<(usize, usize)>,
    /// Rows with whole bodies to which something is done.
    whole: RowRanges,
    /// Columns of patches out of which operations go.
    goes: Vec<&'static str>,
    /// Columns that are cleared in some rows, and what does that.
    clears: Vec<(usize, &'static str)>,
}

impl<R: ChunkReader + 'static> Revised<R> {
    /// Finds what changes if `done` is done to events, by their numbers, which it is asked once for
    /// each; `None` if rows must be put together.
    ///
    /// What it is asked may fail in ways of its own, `E`; `failed` makes one of those.
    pub(crate) fn find<E>(
        reader: &SegmentReader<R>,
        mut done: impl FnMut(u64) -> Result<Option<Arc<Revisions>>, E>,
        failed: impl Fn(SegmentError) -> E,
    ) -> Result<Option<Self>, E> {
        if !reader.can_be_copied() {
            return Ok(None);
        }
        let mut revised = Self {
            reader: reader.clone(),
            metadata: with_pages(reader).map_err(&failed)?,
            revisions: vec![None],
            groups: Vec::new(),
            bounds: None,
        };
        for group in 0..reader.num_row_groups() {
            let mut indices = Vec::new();
            for seqs in revised.read(group, &["seq"]).map_err(&failed)? {
                let seqs = seqs.map_err(&failed)?;
                for seq in numbers::<Int64Type>(&seqs, "seq")
                    .map_err(&failed)?
                    .values()
                {
                    let seq = seq.unsigned_abs();
                    let revisions = done(seq)?;
                    indices.push(revised.index_of(revisions));
                    revised.bounds = Some(
                        revised
                            .bounds
                            .map_or((seq, seq), |(first, last)| (first.min(seq), last.max(seq))),
                    );
                }
            }
            let Some(changes) = revised.changes(group, &indices).map_err(&failed)? else {
                return Ok(None);
            };
            revised.groups.push(changes);
        }
        Ok(Some(revised))
    }

    /// Finds what changes in a row group, of which `indices` say what is done to each row; `None` if
    /// rows must be put together.
    fn changes(&self, group: usize, indices: &[usize]) -> Result<Option<Changes>, SegmentError> {
        let mut changes = Changes::of(indices);
        let mut number = 0usize;
        for batch in self.read(group, &["base", "raw", PATHS])? {
            let batch = batch?;
            let bases = numbers::<Int32Type>(&batch, "base")?;
            let raws = batch.column_by_name("raw");
            let raws = raws.ok_or(SegmentError::Column { column: "raw" })?;
            let patches = Patches::of(&batch, PATCH)?;
            for row in 0..batch.num_rows() {
                let distance = bases
                    .is_valid(row)
                    .then(|| bases.value(row).unsigned_abs() as usize);
                if let Some(distance @ 1..) = distance {
                    let base = number
                        .checked_sub(distance)
                        .and_then(|base| indices.get(base));
                    if base != indices.get(number) {
                        return Ok(None);
                    }
                }
                if let Some(revisions) = self.at(indices.get(number)) {
                    match distance {
                        None if raws.is_valid(row) => return Ok(None),
                        None => {}
                        Some(0) => changes.whole.push(number..number + 1),
                        Some(_) => match patches.verdict(row, revisions) {
                            Verdict::Stays => {}
                            Verdict::Goes => changes.goes(PATCH),
                            Verdict::Unknown => return Ok(None),
                        },
                    }
                }
                number += 1;
            }
        }
        let done = changes
            .runs
            .iter()
            .filter_map(|(_, index)| self.at(Some(index)));
        let done: Vec<&Arc<Revisions>> = done.collect();
        for (place, name) in CLEARED.into_iter().enumerate() {
            let clears = |revisions: &&Arc<Revisions>| revisions.clears().get(place) == Some(&true);
            if done.iter().any(clears) {
                changes.clears.push((place, name));
            }
        }
        if !done.iter().any(|revisions| revisions.meets(MANAGED)) {
            return Ok(Some(changes));
        }
        let mut rows = indices.iter();
        for batch in self.read(group, &[MANAGED_PATHS])? {
            let batch = batch?;
            let patches = Patches::of(&batch, MANAGED_PATCH)?;
            for row in 0..batch.num_rows() {
                let Some(revisions) = self.at(rows.next()) else {
                    continue;
                };
                match patches.verdict(row, revisions) {
                    Verdict::Stays => {}
                    Verdict::Goes => changes.goes(MANAGED_PATCH),
                    Verdict::Unknown => return Ok(None),
                }
            }
        }
        Ok(Some(changes))
    }

    fn read(&self, group: usize, columns: &[&str]) -> Result<super::ColumnBatches, SegmentError> {
        let rows = RowRanges::of(0..self.reader.group_rows(group)?);
        self.reader.bodies_of(group, &rows, columns)
    }

    /// Returns the place of revisions among those that are known.
    fn index_of(&mut self, revisions: Option<Arc<Revisions>>) -> usize {
        let is_known = |known: &Option<Arc<Revisions>>| match (known, &revisions) {
            (None, None) => true,
            (Some(known), Some(revisions)) => Arc::ptr_eq(known, revisions),
            _ => false,
        };
        self.revisions.iter().position(is_known).unwrap_or_else(|| {
            self.revisions.push(revisions);
            self.revisions.len() - 1
        })
    }

    fn at(&self, index: Option<&usize>) -> Option<&Arc<Revisions>> {
        self.revisions.get(*index?)?.as_ref()
    }

    /// Writes the segment.
    pub(crate) fn write<W: Write + Send>(
        &self,
        output: W,
        meta: &SegmentMeta,
        options: &SegmentOptions,
    ) -> Result<(SegmentSummary, Made), SegmentError> {
        let mut file = GroupWriter::new(ChecksumWriter::new(output), options)?;
        let mut digests = Vec::new();
        let mut made = Made::default();
        for (group, changes) in self.groups.iter().enumerate() {
            let columns = self.changed(group, changes)?;
            made.columns.push(columns.keys().copied().collect());
            let known = self.reader.column_digests(group);
            digests.push(file.copy(self.reader.input(), &self.metadata, group, columns, known)?);
        }
        let rows = self.reader.num_rows();
        let (entries, digest) = footer(rows, &digests, meta)?;
        let summary = SegmentSummary {
            rows,
            first_seq: self.bounds.map(|(first, _)| first),
            last_seq: self.bounds.map(|(_, last)| last),
            digest,
            bytes: file.finish(entries)?,
        };
        Ok((summary, made))
    }

    /// Compares what was written with what should have been: columns that were made by their
    /// digests, copied ones byte by byte.
    pub(crate) fn is_held_by<S: ChunkReader + 'static>(
        &self,
        written: &SegmentReader<S>,
        made: &Made,
    ) -> Result<bool, SegmentError> {
        if written.num_row_groups() != self.groups.len()
            || written.num_rows() != self.reader.num_rows()
        {
            return Ok(false);
        }
        for (group, made) in made.columns.iter().enumerate() {
            if !written.has_columns_of(&self.reader, group, made)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes the columns of a row group that change.
    fn changed(
        &self,
        group: usize,
        changes: &Changes,
    ) -> Result<BTreeMap<&'static str, Vec<ArrayRef>>, SegmentError> {
        let mut columns = BTreeMap::new();
        if !changes.whole.is_empty() {
            let bodies = self.bodies(group, changes)?;
            for (place, name) in KEYFRAMES.into_iter().enumerate() {
                let texts = bodies
                    .iter()
                    .map(|body| body.get(place).and_then(Option::as_deref));
                if let Some(arrays) = self.with_bodies(group, changes, name, texts)? {
                    columns.insert(name, arrays);
                }
            }
        }
        for name in &changes.goes {
            let mut arrays: Vec<ArrayRef> = Vec::new();
            let mut number = 0;
            for batch in self.read(group, &[name])? {
                let batch = batch?;
                let patches = Patches::of(&batch, name)?;
                let of_row = |row: usize| self.at(changes.of_row(number + row).as_ref());
                arrays.push(Arc::new(patches.left(of_row)?));
                number += batch.num_rows();
            }
            columns.insert(*name, arrays);
        }
        for (place, name) in &changes.clears {
            let mut arrays: Vec<ArrayRef> = Vec::new();
            let mut number = 0;
            for batch in self.read(group, &[name])? {
                let batch = batch?;
                let column = batch.column_by_name(name);
                let column = column.ok_or(SegmentError::Column { column: name })?;
                let is_cleared = |row: usize| {
                    let revisions = self.at(changes.of_row(number + row).as_ref());
                    revisions.is_some_and(|revisions| revisions.clears().get(*place) == Some(&true))
                };
                let cleared: BooleanArray =
                    (0..column.len()).map(|row| Some(is_cleared(row))).collect();
                arrays.push(nullif(column, &cleared)?);
                number += batch.num_rows();
            }
            columns.insert(*name, arrays);
        }
        Ok(columns)
    }

    /// Returns what becomes of whole bodies, as the texts of [`KEYFRAMES`].
    fn bodies(
        &self,
        group: usize,
        changes: &Changes,
    ) -> Result<Vec<[Option<String>; 2]>, SegmentError> {
        let first = self.reader.first_row(group)?;
        let mut bodies = Vec::with_capacity(changes.whole.len());
        let events = self.reader.events(group, &changes.whole)?;
        for (row, event) in changes.whole.rows().zip(events) {
            let (number, event) = (first + row as u64, event?);
            let failed = |source| SegmentError::Revision {
                row: number,
                source,
            };
            let (Some(revisions), Some(body)) =
                (self.at(changes.of_row(row).as_ref()), &event.event.body)
            else {
                return Err(SegmentError::Row {
                    row: number,
                    what: "it has no version",
                });
            };
            let mut object: serde_json::Value =
                serde_json::from_slice(body).map_err(|error| failed(error.into()))?;
            revisions
                .revise(&mut object, event.seq, event.event.feed, &event.event.key)
                .map_err(failed)?;
            let text = serde_json::to_vec(&object).map_err(|error| failed(error.into()))?;
            let parts = Parts::split(&text, None).map_err(|_| SegmentError::Row {
                row: number,
                what: "its body cannot be taken apart",
            })?;
            let managed = parts.managed.as_str();
            let managed = (!managed.is_empty()).then(|| managed.to_owned());
            bodies.push([Some(parts.body.as_str().to_owned()), managed]);
        }
        Ok(bodies)
    }

    /// Puts texts in the place of those of whole bodies; `None` if they are the same.
    fn with_bodies<'a>(
        &self,
        group: usize,
        changes: &Changes,
        name: &'static str,
        texts: impl Iterator<Item = Option<&'a str>>,
    ) -> Result<Option<Vec<ArrayRef>>, SegmentError> {
        let mut bodies = changes.whole.rows().zip(texts).peekable();
        let mut arrays: Vec<ArrayRef> = Vec::new();
        let (mut number, mut is_same) = (0, true);
        for batch in self.read(group, &[name])? {
            let batch = batch?;
            let column = super::batch::text(&batch, name)?;
            let mut builder = StringBuilder::with_capacity(column.len(), column.value_data().len());
            for recorded in &column {
                let body = bodies.next_if(|(row, _)| *row == number);
                let text = body.map_or(recorded, |(_, text)| text);
                is_same &= text == recorded;
                builder.append_option(text);
                number += 1;
            }
            arrays.push(Arc::new(builder.finish()));
        }
        Ok((!is_same).then_some(arrays))
    }
}

impl Changes {
    /// Begins with what is done to each row.
    fn of(indices: &[usize]) -> Self {
        let mut changes = Self::default();
        for (row, index) in indices.iter().enumerate() {
            match changes.runs.last_mut() {
                Some((end, last)) if last == index => *end = row + 1,
                _ => changes.runs.push((row + 1, *index)),
            }
        }
        changes
    }

    fn goes(&mut self, column: &'static str) {
        if !self.goes.contains(&column) {
            self.goes.push(column);
        }
    }

    /// Returns the place of what is done to a row.
    fn of_row(&self, row: usize) -> Option<usize> {
        let run = self.runs.partition_point(|(end, _)| *end <= row);
        self.runs.get(run).map(|(_, index)| *index)
    }
}

/// Reads where pages lie and what they hold.
fn with_pages<R: ChunkReader + 'static>(
    reader: &SegmentReader<R>,
) -> Result<ParquetMetaData, SegmentError> {
    let metadata = ParquetMetaData::clone(reader.metadata());
    let mut metadata = ParquetMetaDataReader::new_with_metadata(metadata)
        .with_page_index_policy(PageIndexPolicy::Optional);
    metadata.read_page_indexes(reader.input())?;
    Ok(metadata.finish()?)
}

/// Finds a column of numbers.
fn numbers<'a, T: ArrowPrimitiveType>(
    batch: &'a RecordBatch,
    column: &'static str,
) -> Result<&'a PrimitiveArray<T>, SegmentError> {
    batch
        .column_by_name(column)
        .and_then(|array| array.as_primitive_opt())
        .ok_or(SegmentError::Column { column })
}

/// A column of patches.
struct Patches<'a> {
    list: &'a ListArray,
    items: &'a StructArray,
    paths: &'a StringArray,
}

impl<'a> Patches<'a> {
    fn of(batch: &'a RecordBatch, name: &'static str) -> Result<Self, SegmentError> {
        let wrong = SegmentError::Column { column: name };
        let patches = batch.column_by_name(name).and_then(|column| {
            let list = column.as_list_opt::<i32>()?;
            let items = list.values().as_struct_opt()?;
            let paths = items.column_by_name("path")?.as_string_opt()?;
            Some(Self { list, items, paths })
        });
        patches.ok_or(wrong)
    }

    fn operations(&self, row: usize) -> std::ops::Range<usize> {
        let offsets = self.list.value_offsets();
        match (offsets.get(row), offsets.get(row + 1)) {
            (Some(start), Some(end)) if self.list.is_valid(row) => *start as usize..*end as usize,
            _ => 0..0,
        }
    }

    /// Tells what becomes of the operations of a row: the most that becomes of one.
    fn verdict(&self, row: usize, revisions: &Revisions) -> Verdict {
        let mut worst = Verdict::Stays;
        for item in self.operations(row) {
            match revisions.verdict(self.paths.value(item)) {
                Verdict::Stays => {}
                Verdict::Goes => worst = Verdict::Goes,
                Verdict::Unknown => return Verdict::Unknown,
            }
        }
        worst
    }

    /// Returns the column without the operations that go.
    fn left<'r>(
        &self,
        revisions: impl Fn(usize) -> Option<&'r Arc<Revisions>>,
    ) -> Result<ListArray, SegmentError> {
        let mut stays = vec![false; self.items.len()];
        let mut offsets = vec![0];
        let mut end = 0;
        let mut is_there = Vec::with_capacity(self.list.len());
        for row in 0..self.list.len() {
            let (before, revisions) = (end, revisions(row));
            for item in self.operations(row) {
                let is_left = revisions.is_none_or(|revisions| {
                    revisions.verdict(self.paths.value(item)) == Verdict::Stays
                });
                if let Some(stays) = stays.get_mut(item) {
                    *stays = is_left;
                }
                end += i32::from(is_left);
            }
            offsets.push(end);
            is_there.push(end > before);
        }
        let stays = BooleanArray::from(stays);
        let fields = physical::op_fields();
        let wrong = SegmentError::Column { column: PATCH };
        let columns: Option<Vec<&ArrayRef>> = fields
            .iter()
            .map(|field| self.items.column_by_name(field.name()))
            .collect();
        let columns: Result<Vec<ArrayRef>, _> = columns
            .ok_or(wrong)?
            .into_iter()
            .map(|column| filter(column, &stays))
            .collect();
        let items = StructArray::try_new(fields, columns?, None)?;
        Ok(ListArray::try_new(
            Arc::new(physical::op_item()),
            OffsetBuffer::new(offsets.into()),
            Arc::new(items),
            Some(NullBuffer::from(is_there)),
        )?)
    }
}
