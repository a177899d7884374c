use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use kymo_store::fs::FileChunks;
use kymo_store::segment::{
    ColumnBatches, JsonPath, RowRanges, SegmentError, Version, Versions, Wanted,
};

use super::super::body::{Body, Objects, Shown, find};
use super::super::wide::Wide;
use super::super::{Batches, Counts, EventsRequest, Until};
use super::heads::Heads;
use super::keys::matching;
use super::{Sealed, Unit};
use crate::Error;
use crate::conditions::Conditions;

/// Rows of a batch, at most.
const BATCH_ROWS: usize = 8_192;

/// Rows for which it is found out which are wanted before the wanted ones are read, where the
/// objects themselves are wanted.
const CHUNK_ROWS: usize = 16_384;

/// How the units of a scan are read.
#[derive(Clone, Debug)]
pub(in super::super) struct Plan {
    conditions: Conditions,
    until: Option<Until>,
    /// What is read first to know which rows are wanted, where objects are wanted: they cost more
    /// than anything else.
    first: Option<Wide>,
    /// What is read.
    wide: Wide,
    limit: usize,
    batch_bytes: usize,
    cluster: Option<String>,
}

impl Plan {
    /// Plans to read what is asked for.
    pub(in super::super) fn new(
        request: &EventsRequest,
        batch_bytes: usize,
        cluster: Option<String>,
    ) -> Self {
        let output = Wide::of_output(request);
        let shows_objects = shown(&output).contains(&Shown::Object);
        let predicate = request.predicate.as_ref().filter(|p| p.has_expr());
        let (first, wide) = match predicate {
            Some(predicate) if shows_objects => (Some(Wide::of_predicate(predicate)), output),
            _ => (None, Wide::new(request)),
        };
        Self {
            conditions: request.conditions.clone(),
            until: request.until,
            first,
            wide,
            limit: request.limit.unwrap_or(usize::MAX),
            batch_bytes,
            cluster,
        }
    }
}

fn shown(wide: &Wide) -> Vec<Shown> {
    wide.items().iter().filter_map(Shown::of_item).collect()
}

/// Reads units one after the other.
pub(in super::super) fn batches(units: Vec<Unit>, plan: Plan, counts: &Counts) -> Batches {
    let mut reader = Reader {
        left: plan.limit,
        plan: Arc::new(plan),
        units: units.into(),
        chunks: VecDeque::new(),
        open: None,
        counts: counts.clone(),
    };
    let mut failed = false;
    let batches = std::iter::from_fn(move || {
        if failed {
            return None;
        }
        let batch = reader.next_batch().transpose();
        failed = !matches!(batch, Some(Ok(_)));
        batch
    });
    Box::new(batches)
}

struct Reader {
    plan: Arc<Plan>,
    units: VecDeque<Unit>,
    /// Rows of the first unit that are still to be read.
    chunks: VecDeque<RowRanges>,
    open: Option<Excerpt>,
    /// Rows that are still wanted.
    left: usize,
    counts: Counts,
}

impl Reader {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>, Error> {
        while self.left > 0 {
            let Some(open) = &mut self.open else {
                if !self.open_next()? {
                    break;
                }
                continue;
            };
            let Some((rows, arrays)) = open.next_arrays()? else {
                self.open = None;
                continue;
            };
            if let Some(batch) = self.plan.wide.pick(&arrays, rows)? {
                let batch = batch.slice(0, batch.num_rows().min(self.left));
                self.left -= batch.num_rows();
                return Ok(Some(batch));
            }
        }
        self.open = None;
        Ok(None)
    }

    /// Opens the next rows; tells whether there are any.
    fn open_next(&mut self) -> Result<bool, Error> {
        let Some(unit) = self.units.front() else {
            return Ok(false);
        };
        let Some(rows) = self.chunks.pop_front() else {
            // The unit was read, or not yet looked at.
            let plan = &self.plan;
            let rows = matching(unit, &plan.conditions, plan.until, &self.counts);
            let rows = rows.map_err(|source| unit.segment.failed(source))?;
            self.chunks = chunks(&rows, self.plan.first.is_some());
            if self.chunks.is_empty() {
                self.units.pop_front();
            }
            return Ok(true);
        };
        let rows = match &self.plan.first {
            Some(first) => self.wanted(unit, &rows, first)?,
            None => rows,
        };
        self.open = Some(Excerpt::new(
            unit,
            &rows,
            &self.plan.wide,
            &self.plan,
            &self.counts,
        )?);
        if self.chunks.is_empty() {
            self.units.pop_front();
        }
        Ok(true)
    }

    /// Finds out which rows are wanted.
    fn wanted(&self, unit: &Unit, rows: &RowRanges, first: &Wide) -> Result<RowRanges, Error> {
        let mut excerpt = Excerpt::new(unit, rows, first, &self.plan, &self.counts)?;
        let mut keep = Vec::with_capacity(rows.len());
        while let Some((rows, arrays)) = excerpt.next_arrays()? {
            match first.keeps(&arrays, rows)? {
                Some(keeps) => keep.extend(keeps.values().iter()),
                None => keep.extend(std::iter::repeat_n(true, rows)),
            }
        }
        Ok(rows.kept(keep))
    }
}

/// Cuts rows into chunks if that is asked for.
fn chunks(rows: &RowRanges, cut: bool) -> VecDeque<RowRanges> {
    if rows.is_empty() {
        return VecDeque::new();
    }
    if !cut {
        return VecDeque::from([rows.clone()]);
    }
    let mut chunks = VecDeque::new();
    let mut chunk = RowRanges::default();
    for range in rows.ranges() {
        let mut range = range.clone();
        while !range.is_empty() {
            let end = range.end.min(range.start + CHUNK_ROWS - chunk.len());
            chunk.push(range.start..end);
            range.start = end;
            if chunk.len() == CHUNK_ROWS {
                chunks.push_back(std::mem::take(&mut chunk));
            }
        }
    }
    if !chunk.is_empty() {
        chunks.push_back(chunk);
    }
    chunks
}

/// Some rows of a unit that are being read.
struct Excerpt {
    segment: Sealed,
    wide: Wide,
    heads: Heads,
    columns: Option<ColumnBatches>,
    /// Columns of the present batch that are made, and how many of its rows were handed out.
    batch: Option<(Vec<Option<ArrayRef>>, usize, usize)>,
    objects: Objects,
    versions: Option<Versions<FileChunks>>,
    counts: Counts,
    bodies: bool,
    batch_bytes: usize,
    /// Rows that are not read yet.
    left: usize,
}

impl Excerpt {
    fn new(
        unit: &Unit,
        rows: &RowRanges,
        wide: &Wide,
        plan: &Plan,
        counts: &Counts,
    ) -> Result<Self, Error> {
        let segment = unit.segment.clone();
        let failed = |source| segment.failed(source);
        let heads = Heads::new(wide.items(), &segment, plan.cluster.as_deref());
        let shown = shown(wide);
        let objects = Objects::new(&shown);
        let bodies = shown.contains(&Shown::Object);
        let (mut columns, mut versions) = (None, None);
        if !rows.is_empty() && !heads.columns().is_empty() {
            counts.rows.add(rows.len());
            let batches = segment
                .reader
                .columns(unit.group, Some(rows), heads.columns(), BATCH_ROWS)
                .map_err(failed)?;
            columns = Some(batches);
        }
        if !rows.is_empty() && !shown.is_empty() {
            let wanted = Wanted {
                paths: objects.paths().to_vec(),
                bodies,
            };
            let found = segment.reader.versions(unit.group, rows, &wanted);
            let found = found.map_err(failed)?;
            counts.versions.add(found.rows_read());
            versions = Some(found);
        }
        Ok(Self {
            left: rows.len(),
            wide: wide.clone(),
            heads,
            columns,
            batch: None,
            objects,
            versions,
            counts: counts.clone(),
            bodies,
            batch_bytes: plan.batch_bytes,
            segment,
        })
    }

    /// Returns the next rows with all columns that are read.
    fn next_arrays(&mut self) -> Result<Option<(usize, Vec<ArrayRef>)>, Error> {
        if self.batch.is_none() && !self.read_heads()? {
            return Ok(None);
        }
        let Some((heads, rows, done)) = self.batch.take() else {
            return Ok(None);
        };
        let mut end = rows;
        if let Some(versions) = &mut self.versions {
            end = done;
            while end < rows && (end == done || self.objects.bytes() < self.batch_bytes) {
                let version = versions
                    .advance()
                    .map_err(|source| self.segment.failed(source))?;
                let Some(version) = version else {
                    return Err(self.segment.failed(SegmentError::Row {
                        row: end as u64,
                        what: "there is no such row",
                    }));
                };
                self.objects
                    .push(&SealedBody::new(&version, &self.segment))?;
                end += 1;
            }
            if self.bodies {
                self.counts.objects.add(end - done);
            }
        }
        let mut objects = self.objects.finish().into_iter();
        let arrays = heads.iter().filter_map(|head| match head {
            Some(array) => Some(array.slice(done, end - done)),
            None => objects.next(),
        });
        let arrays = arrays.collect();
        if end < rows {
            self.batch = Some((heads, rows, end));
        }
        Ok(Some((end - done, arrays)))
    }

    /// Reads the typed columns of the next rows; tells whether there are any.
    fn read_heads(&mut self) -> Result<bool, Error> {
        let failed = |source| self.segment.failed(source);
        let batch = match &mut self.columns {
            Some(columns) => columns.next().transpose().map_err(failed)?,
            None => None,
        };
        let rows = match (&batch, &self.columns) {
            (Some(batch), _) => batch.num_rows(),
            (None, Some(_)) if self.left > 0 => {
                return Err(self.segment.failed(SegmentError::Row {
                    row: 0,
                    what: "its row group ends too early",
                }));
            }
            // Nothing but the number of rows is wanted.
            (None, _) if self.versions.is_none() => self.left,
            (None, _) => self.left.min(BATCH_ROWS),
        };
        if rows == 0 {
            return Ok(false);
        }
        self.left = self.left.saturating_sub(rows);
        let heads = self.heads.make(batch.as_ref(), rows, self.wide.items());
        self.batch = Some((heads.map_err(failed)?, rows, 0));
        Ok(true)
    }
}

/// The object of a sealed row.
struct SealedBody<'a> {
    version: &'a Version<'a>,
    segment: &'a Sealed,
    /// The text of one that is kept as it came.
    raw: Option<Cow<'a, str>>,
}

impl<'a> SealedBody<'a> {
    fn new(version: &'a Version<'a>, segment: &'a Sealed) -> Self {
        Self {
            raw: version.raw().map(String::from_utf8_lossy),
            version,
            segment,
        }
    }
}

impl Body for SealedBody<'_> {
    fn is_there(&self) -> bool {
        self.version.has_body()
    }

    fn kept(&self) -> Option<&str> {
        self.raw.as_deref()
    }

    fn value(&self, index: usize, path: &JsonPath) -> Option<Cow<'_, str>> {
        match &self.raw {
            Some(raw) => find(raw, path).map(Cow::Borrowed),
            None => self.version.value(index),
        }
    }

    fn text(&self) -> Result<Option<Cow<'_, str>>, Error> {
        if let Some(raw) = &self.raw {
            return Ok(Some(Cow::Borrowed(raw)));
        }
        let body = self
            .version
            .body()
            .map_err(|source| self.segment.failed(source))?;
        Ok(body.map(|body| match body {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Cow::Owned(text),
                Err(error) => Cow::Owned(String::from_utf8_lossy(error.as_bytes()).into_owned()),
            },
        }))
    }
}
