use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::Builder;

use kymo_model::{Feed, FeedId};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::{ChunkReader, Length};

use super::batch::{Batch, Need};
use super::checksum::Checked;
use super::column_digest::{ColumnDigest, ColumnDigests, group_digest, is_digested};
use super::decode::{Decoder, body_of, row_of};
use super::kept_rows::KeptRows;
use super::physical;
use super::select::{
    Bounds, ColumnBatches, Events, Excerpt, RowRanges, Versions, Wanted, open_excerpt, with_words,
};
use super::stored::{Digest, segment_digest};
use super::writer::{KEY_COLUMNS, KEY_DIGEST, KEY_FORMAT, KEY_GROUPS, KEY_META, KEY_ROWS, hex};
use super::{Row, SegmentError, SegmentMeta, SegmentSummary};
use crate::Format;

/// A column chunk that says to be larger than this is refused.
const MAX_CHUNK_BYTES: u64 = 4 << 30;
/// Rows are read in batches of about this many bytes.
const BATCH_BYTES: u64 = 16 << 20;
/// Many readers side by side have batches of this many bytes at least.
const LEAST_BATCH_BYTES: u64 = 256 << 10;
/// And of no more than this many rows.
const BATCH_ROWS: u64 = 4096;
/// Chosen rows are read from row groups of no more than this many rows.
const MAX_GROUP_ROWS: u64 = 1 << 24;

/// Reads one segment. Cloning shares the file and the metadata.
#[derive(Debug)]
pub struct SegmentReader<R: ChunkReader> {
    input: Checked<R>,
    parquet: ArrowReaderMetadata,
    /// The same with the places of pages and words as dictionaries, read when first needed.
    indexed: Arc<OnceLock<ArrowReaderMetadata>>,
    info: Arc<Info>,
}

#[derive(Debug)]
struct Info {
    meta: SegmentMeta,
    feeds: HashMap<u32, Feed>,
    group_digests: Vec<[u8; 32]>,
    /// Of the columns of each row group; `None` before format 2.0.
    column_digests: Option<Vec<Vec<[u8; 32]>>>,
    digest: [u8; 32],
    /// The number of the first row of each row group.
    starts: Vec<u64>,
    rows: u64,
}

impl<R: ChunkReader> Clone for SegmentReader<R> {
    fn clone(&self) -> Self {
        Self {
            input: self.input.clone(),
            parquet: self.parquet.clone(),
            indexed: self.indexed.clone(),
            info: self.info.clone(),
        }
    }
}

impl<R: ChunkReader + 'static> SegmentReader<R> {
    /// Opens a segment: reads its footer and checks that it can be one of ours.
    pub fn open(input: R) -> Result<Self, SegmentError> {
        let input = Checked::open(input)?;
        let options = ArrowReaderOptions::new()
            .with_skip_arrow_metadata(true)
            .with_page_index_policy(PageIndexPolicy::Skip);
        let parquet = ArrowReaderMetadata::load(&input, options)?;
        let info = read_info(parquet.metadata())?;
        for field in physical::schema().fields() {
            let is_readable = match parquet.schema().field_with_name(field.name()) {
                Ok(found) => physical::is_readable_as(found.data_type(), field),
                Err(_) => physical::is_of_1_1(field.name()),
            };
            if !is_readable {
                return Err(SegmentError::NotASegment {
                    reason: "a column is missing or has another type",
                });
            }
        }
        Ok(Self {
            input,
            parquet,
            indexed: Arc::new(OnceLock::new()),
            info: Arc::new(info),
        })
    }

    /// Returns what the segment says of itself.
    pub fn meta(&self) -> &SegmentMeta {
        &self.info.meta
    }

    /// Returns the number of rows.
    pub fn num_rows(&self) -> u64 {
        self.info.rows
    }

    /// Returns the number of row groups; each can be read on its own.
    pub fn num_row_groups(&self) -> usize {
        self.info.starts.len()
    }

    /// Returns the digest that the segment was sealed with.
    pub fn digest(&self) -> [u8; 32] {
        self.info.digest
    }

    /// Tells whether its row groups can become some of another segment as they are.
    pub(super) fn can_be_copied(&self) -> bool {
        let ours = physical::schema();
        let columns = self
            .parquet
            .schema()
            .fields()
            .iter()
            .map(|field| field.name());
        self.info.column_digests.is_some()
            && columns.eq(ours.fields().iter().map(|field| field.name()))
    }

    pub(super) fn metadata(&self) -> &ParquetMetaData {
        self.parquet.metadata()
    }

    pub(super) fn input(&self) -> &Checked<R> {
        &self.input
    }

    /// Returns the digests of the columns of a row group, in the order of the schema.
    pub(super) fn column_digests(&self, group: usize) -> &[[u8; 32]] {
        let groups = self.info.column_digests.as_deref().unwrap_or_default();
        groups.get(group).map(Vec::as_slice).unwrap_or_default()
    }

    /// Tells whether a row group has the columns of that of another segment, byte by byte, but for
    /// those that were `made`, which are compared with their own digests.
    pub(super) fn has_columns_of<S: ChunkReader + 'static>(
        &self,
        other: &SegmentReader<S>,
        group: usize,
        made: &[&'static str],
    ) -> Result<bool, SegmentError> {
        let is_made = |name: &str| made.contains(&name);
        let schema = physical::schema();
        let digested = schema.fields().iter().map(|field| field.name());
        let digested = digested.filter(|name| is_digested(name));
        let digests = self
            .column_digests(group)
            .iter()
            .zip(other.column_digests(group));
        for (name, (own, others)) in digested.zip(digests) {
            if !is_made(name) {
                if own != others {
                    return Ok(false);
                }
                continue;
            }
            let mut digest = ColumnDigest::default();
            let rows = RowRanges::of(0..self.group_rows(group)?);
            for batch in self.bodies_of(group, &rows, &[name.as_str()])? {
                for column in batch?.columns() {
                    digest.update(column)?;
                }
            }
            if digest.finish() != *own {
                return Ok(false);
            }
        }
        let own = self.parquet.metadata().row_group(group).columns();
        let others = other.parquet.metadata().row_group(group).columns();
        for (own, others) in own.iter().zip(others) {
            let root = own.column_path().parts().first();
            if root.is_some_and(|root| is_made(root)) {
                continue;
            }
            let ((start, length), (other_start, other_length)) =
                (own.byte_range(), others.byte_range());
            let is_same = length == other_length
                && self.input.get_bytes(start, length as usize)?
                    == other.input.get_bytes(other_start, length as usize)?;
            if !is_same {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns a feed that the rows may name.
    pub(crate) fn feed(&self, id: u32) -> Option<&Feed> {
        self.info.feeds.get(&id)
    }

    /// Reads every row with its whole body, in key order.
    ///
    /// At the end of each row group its digest is checked: a row group whose end was reached
    /// without an error was read as it was written.
    pub fn rows(&self) -> Result<Rows<R>, SegmentError> {
        self.rows_of((0..self.num_row_groups()).collect())
    }

    /// Reads every row as [`Self::rows`] does, so few at once that as many `readers` beside each other
    /// hold about as much as one would.
    pub(crate) fn rows_beside(&self, readers: usize) -> Result<Rows<R>, SegmentError> {
        let mut rows = self.rows()?;
        rows.cursor.batch_bytes = (BATCH_BYTES / readers.max(1) as u64).max(LEAST_BATCH_BYTES);
        Ok(rows)
    }

    /// Reads the rows of some row groups, in key order.
    pub(crate) fn rows_of(&self, groups: Vec<usize>) -> Result<Rows<R>, SegmentError> {
        let mut cursor = self.cursor(groups, Need::All)?;
        cursor.digest = Some(self.check());
        Ok(Rows {
            cursor,
            decoder: Decoder::default(),
            failed: false,
        })
    }

    /// Reads every row in key order with its body as it lies in the segment, to be written to
    /// another one. Digests of row groups are checked as by [`Self::rows`].
    pub fn kept_rows(&self) -> Result<KeptRows<R>, SegmentError> {
        let mut cursor = self.cursor((0..self.num_row_groups()).collect(), Need::All)?;
        cursor.digest = Some(self.check());
        Ok(KeptRows::new(cursor))
    }

    /// Reads the typed columns of every row, in key order: events without bodies.
    ///
    /// Digests of row groups are not checked, because they cover bodies; checksums are.
    pub fn heads(&self) -> Result<Heads<R>, SegmentError> {
        self.heads_of((0..self.num_row_groups()).collect())
    }

    /// Like [`Self::heads`], for some row groups.
    pub(crate) fn heads_of(&self, groups: Vec<usize>) -> Result<Heads<R>, SegmentError> {
        Ok(Heads {
            cursor: self.cursor(groups, Need::Columns)?,
            failed: false,
        })
    }

    /// Returns what the footer tells of a column in every row group: `seq`, `ts`, `type`, `kind`,
    /// `api_group`, `resource`, `namespace`, `name`, `uid`, `created` and `resource_version` have
    /// bounds. `None` if the file has no such column.
    pub fn bounds(&self, column: &str) -> Result<Option<Bounds>, SegmentError> {
        Bounds::read(&self.parquet, column)
    }

    /// Returns the number of rows of a row group.
    pub fn group_rows(&self, group: usize) -> Result<usize, SegmentError> {
        let first = self.first_row(group)?;
        let next = self.info.starts.get(group + 1);
        let rows = next.copied().unwrap_or(self.info.rows) - first;
        if rows > MAX_GROUP_ROWS {
            return Err(SegmentError::TooLarge {
                what: "a row group (in rows)",
                bytes: rows,
                limit: MAX_GROUP_ROWS,
            });
        }
        Ok(rows as usize)
    }

    /// Returns the number of the first row of a row group.
    pub(super) fn first_row(&self, group: usize) -> Result<u64, SegmentError> {
        let first = self.info.starts.get(group).copied();
        first.ok_or(SegmentError::NotASegment {
            reason: "it has no such row group",
        })
    }

    /// Reads typed columns of a row group, of all its rows or of some, in batches of at most
    /// `batch_rows`. Columns that the file does not have are left out.
    pub fn columns(
        &self,
        group: usize,
        rows: Option<&RowRanges>,
        columns: &[&str],
        batch_rows: usize,
    ) -> Result<ColumnBatches, SegmentError> {
        match rows {
            Some(rows) => self.check_rows(group, rows)?,
            None => self.check_rows(group, &RowRanges::default())?,
        }
        let excerpt = Excerpt {
            group,
            rows,
            columns,
            batch_rows,
        };
        let parquet = self.indexed()?;
        open_excerpt(self.input.clone(), parquet, excerpt).map(ColumnBatches::new)
    }

    /// Puts the versions of some rows of a row group together, in order. Only those rows are read
    /// and the ones that their patches refer to, directly or through others.
    pub fn versions(
        &self,
        group: usize,
        rows: &RowRanges,
        wanted: &Wanted,
    ) -> Result<Versions<R>, SegmentError> {
        self.check_rows(group, rows)?;
        Versions::new(self, group, rows, wanted)
    }

    /// Reads some rows of a row group as events with their bodies, in order, and no others than
    /// [`Self::versions`] does.
    pub fn events(&self, group: usize, rows: &RowRanges) -> Result<Events<R>, SegmentError> {
        self.check_rows(group, rows)?;
        Events::new(self, group, rows)
    }

    fn check_rows(&self, group: usize, rows: &RowRanges) -> Result<(), SegmentError> {
        let total = self.group_rows(group)?;
        if rows.ranges().last().is_some_and(|last| last.end > total) {
            return Err(SegmentError::NotASegment {
                reason: "it has no such rows",
            });
        }
        Ok(())
    }

    /// Reads columns of some rows as the file has them, in batches of a few megabytes.
    pub(super) fn bodies_of(
        &self,
        group: usize,
        rows: &RowRanges,
        columns: &[&str],
    ) -> Result<ColumnBatches, SegmentError> {
        let indexed = self.indexed()?;
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let parquet = ArrowReaderMetadata::try_new(Arc::clone(indexed.metadata()), options)?;
        let excerpt = Excerpt {
            group,
            rows: Some(rows),
            columns,
            batch_rows: self.batch_rows(group, BATCH_BYTES),
        };
        open_excerpt(self.input.clone(), parquet, excerpt).map(ColumnBatches::new)
    }

    fn batch_rows(&self, group: usize, batch_bytes: u64) -> usize {
        let metadata = self.parquet.metadata().row_group(group);
        let rows = u64::try_from(metadata.num_rows()).unwrap_or(0).max(1);
        let per_row = metadata.total_byte_size().unsigned_abs() / rows + 1;
        (batch_bytes / per_row).clamp(16, BATCH_ROWS) as usize
    }

    /// Returns the metadata with the places of pages.
    fn indexed(&self) -> Result<ArrowReaderMetadata, SegmentError> {
        if let Some(indexed) = self.indexed.get() {
            return Ok(indexed.clone());
        }
        let metadata = ParquetMetaData::clone(self.parquet.metadata());
        let mut reader = ParquetMetaDataReader::new_with_metadata(metadata)
            .with_offset_index_policy(PageIndexPolicy::Optional);
        reader.read_page_indexes(&self.input)?;
        let metadata = Arc::new(reader.finish()?);
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let indexed = with_words(&ArrowReaderMetadata::try_new(metadata, options)?)?;
        Ok(self.indexed.get_or_init(|| indexed).clone())
    }

    /// Begins to compare what is read with the digests.
    fn check(&self) -> Check {
        match self.info.column_digests {
            Some(_) => Check::Columns(ColumnDigests::new()),
            None => Check::Rows(Box::default()),
        }
    }

    pub(super) fn cursor(&self, groups: Vec<usize>, need: Need) -> Result<Cursor<R>, SegmentError> {
        if groups.iter().any(|group| *group >= self.num_row_groups()) {
            return Err(SegmentError::NotASegment {
                reason: "it has no such row group",
            });
        }
        Ok(Cursor {
            reader: self.clone(),
            need,
            groups: groups.into_iter(),
            batch_bytes: BATCH_BYTES,
            open: None,
            batch: None,
            index: 0,
            number: 0,
            digest: None,
        })
    }

    /// Reads everything and compares it with the digest, as many row groups at once as there are
    /// `threads`; checks that patches refer to versions, and applies none.
    pub(crate) fn verify_stored(&self, threads: usize) -> Result<SegmentSummary, SegmentError> {
        let groups = self.num_row_groups();
        let next = AtomicUsize::new(0);
        let found = Mutex::new(BTreeMap::new());
        let work = || {
            loop {
                let group = next.fetch_add(1, Ordering::Relaxed);
                if group >= groups {
                    return;
                }
                let contents = self.verify_group(group);
                if contents.is_err() {
                    // The others end with the row groups that they are at.
                    next.store(groups, Ordering::Relaxed);
                }
                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                found.insert(group, contents);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads.min(groups) {
                // Where no more threads can be had, fewer do it.
                drop(Builder::new().spawn_scoped(scope, work));
            }
            work();
        });
        let (mut rows, mut bounds) = (0u64, None);
        let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        for contents in found.into_values() {
            let (more, of_group) = contents?;
            rows += more;
            bounds = wider(bounds, of_group);
        }
        Ok(self.summary(rows, bounds))
    }

    /// Reads a row group and compares its columns with their digests; rows are not put together.
    /// Returns the number of its rows, and the smallest and the largest seq.
    fn verify_group(&self, group: usize) -> Result<(u64, Option<(u64, u64)>), SegmentError> {
        let mut cursor = self.cursor(vec![group], Need::All)?;
        cursor.digest = Some(self.check());
        let (mut rows, mut bounds) = (0u64, None);
        while let Some(batch) = cursor.advance_batch()? {
            rows += batch.rows() as u64;
            bounds = wider(bounds, batch.seqs());
        }
        Ok((rows, bounds))
    }

    fn summary(&self, rows: u64, bounds: Option<(u64, u64)>) -> SegmentSummary {
        SegmentSummary {
            rows,
            first_seq: bounds.map(|(first, _)| first),
            last_seq: bounds.map(|(_, last)| last),
            digest: self.info.digest,
            bytes: self.input.len(),
        }
    }

    /// Reads everything and compares it with the digest.
    pub fn verify(&self) -> Result<SegmentSummary, SegmentError> {
        let (mut rows, mut bounds) = (0u64, None);
        for row in self.rows()? {
            let seq = row?.seq;
            rows += 1;
            bounds = wider(bounds, Some((seq, seq)));
        }
        Ok(self.summary(rows, bounds))
    }
}

/// Returns the bounds of what is within one or the other.
fn wider(a: Option<(u64, u64)>, b: Option<(u64, u64)>) -> Option<(u64, u64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (one, None) | (None, one) => one,
    }
}

fn read_info(metadata: &ParquetMetaData) -> Result<Info, SegmentError> {
    let not = |reason| SegmentError::NotASegment { reason };
    let file = metadata.file_metadata();
    let value = |key: &str| {
        file.key_value_metadata()?
            .iter()
            .find(|entry| entry.key == key)?
            .value
            .as_deref()
    };
    let format = value(KEY_FORMAT).ok_or_else(|| not("it was not written by kymo"))?;
    let major = format
        .split_once('.')
        .and_then(|(major, _)| major.parse::<u16>().ok())
        .ok_or_else(|| not("its format is not a version"))?;
    if !(Format { major, minor: 0 }).is_readable() {
        return Err(SegmentError::NewerFormat {
            found: format.to_owned(),
            supported: Format::CURRENT.to_string(),
        });
    }
    let json = value(KEY_META).ok_or_else(|| not("it has no metadata"))?;
    let group_digests = value(KEY_GROUPS).unwrap_or_default().split(',');
    let group_digests: Option<Vec<[u8; 32]>> = group_digests
        .filter(|text| !text.is_empty())
        .map(|text| unhex(text)?.first().copied())
        .collect();
    let group_digests = group_digests.ok_or_else(|| not("a digest is not hexadecimal"))?;
    let column_digests = match value(KEY_COLUMNS) {
        Some(text) if major >= 2 => {
            let groups = text.split(',').filter(|text| !text.is_empty());
            let groups: Option<Vec<Vec<[u8; 32]>>> = groups.map(unhex).collect();
            let groups = groups.ok_or_else(|| not("a digest is not hexadecimal"))?;
            if !groups
                .iter()
                .map(|columns| group_digest(columns))
                .eq(group_digests.iter().copied())
            {
                return Err(not(
                    "the digests of its columns are not those of its row groups",
                ));
            }
            Some(groups)
        }
        None if major >= 2 => return Err(not("it has no digests of columns")),
        _ => None,
    };
    let digest = segment_digest(&group_digests, json);
    let expected = value(KEY_DIGEST).unwrap_or_default();
    if expected != hex(&digest) {
        return Err(SegmentError::Digest {
            expected: expected.to_owned(),
            found: hex(&digest),
        });
    }
    let mut starts = Vec::new();
    let mut rows = 0u64;
    for group in metadata.row_groups() {
        starts.push(rows);
        rows += u64::try_from(group.num_rows()).map_err(|_| not("a row group has no length"))?;
        for column in group.columns() {
            let bytes = u64::try_from(column.uncompressed_size())
                .map_err(|_| not("a column has no length"))?;
            if bytes > MAX_CHUNK_BYTES {
                return Err(SegmentError::TooLarge {
                    what: "a column",
                    bytes,
                    limit: MAX_CHUNK_BYTES,
                });
            }
        }
    }
    if starts.len() != group_digests.len() {
        return Err(not("it has not one digest for each row group"));
    }
    if value(KEY_ROWS) != Some(rows.to_string().as_str()) {
        return Err(not("it has not as many rows as it says"));
    }
    let meta: SegmentMeta =
        serde_json::from_str(json).map_err(|source| SegmentError::Metadata { source })?;
    let feeds = meta
        .feeds
        .iter()
        .map(|(FeedId(id), feed)| (*id, feed.clone()))
        .collect();
    Ok(Info {
        meta,
        feeds,
        group_digests,
        column_digests,
        digest,
        starts,
        rows,
    })
}

/// Reads digests as hexadecimal, one behind the other.
fn unhex(text: &str) -> Option<Vec<[u8; 32]>> {
    if !text.is_ascii() || !text.len().is_multiple_of(64) {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len())
        .step_by(64)
        .map(|start| {
            let mut digest = [0; 32];
            for (place, slot) in digest.iter_mut().enumerate() {
                *slot = byte(start + place * 2)?;
            }
            Some(digest)
        })
        .collect()
}

/// What is read, for its comparison with what was written.
#[derive(Debug)]
pub(super) enum Check {
    /// Before format 2.0.
    Rows(Box<Digest>),
    Columns(ColumnDigests),
}

/// Walks the rows of some row groups.
#[derive(Debug)]
pub(super) struct Cursor<R: ChunkReader> {
    reader: SegmentReader<R>,
    need: Need,
    groups: std::vec::IntoIter<usize>,
    batch_bytes: u64,
    open: Option<(usize, ParquetRecordBatchReader)>,
    batch: Option<Arc<Batch>>,
    /// The present row in the batch, plus one.
    index: usize,
    /// The number of the present row in the segment, plus one.
    number: u64,
    /// Over the rows of the present row group, where it is to be checked.
    digest: Option<Check>,
}

/// What [`Cursor::advance`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A row; see [`Cursor::present`].
    Row {
        /// Whether it is the first of its row group.
        begins_group: bool,
    },
    End,
}

impl<R: ChunkReader + 'static> Cursor<R> {
    pub(super) fn reader(&self) -> &SegmentReader<R> {
        &self.reader
    }

    /// Goes to the next row.
    pub(super) fn advance(&mut self) -> Result<Step, SegmentError> {
        let mut begins_group = false;
        loop {
            if let Some(batch) = &self.batch
                && self.index < batch.rows()
            {
                self.index += 1;
                self.number += 1;
                return Ok(Step::Row { begins_group });
            }
            self.batch = None;
            if let Some((group, batches)) = &mut self.open {
                if let Some(columns) = batches.next().transpose()? {
                    let batch = Batch::new(&columns, self.need)?;
                    match &mut self.digest {
                        None => {}
                        Some(Check::Columns(digests)) => digests.update(&columns)?,
                        Some(Check::Rows(digest)) => {
                            for (index, number) in (0..batch.rows()).zip(self.number..) {
                                digest.row(&batch.row(index, number)?);
                            }
                        }
                    }
                    self.batch = Some(Arc::new(batch));
                    self.index = 0;
                    continue;
                }
                let group = *group;
                self.open = None;
                self.end_group(group)?;
            }
            let Some(group) = self.groups.next() else {
                return Ok(Step::End);
            };
            self.open = Some((group, self.open_group(group)?));
            self.number = self.reader.info.starts.get(group).copied().unwrap_or(0);
            begins_group = true;
        }
    }

    /// Goes to the end of the next rows that are read together, and returns these.
    fn advance_batch(&mut self) -> Result<Option<&Batch>, SegmentError> {
        if self.advance()? == Step::End {
            return Ok(None);
        }
        if let Some(batch) = &self.batch {
            let rest = batch.rows().saturating_sub(self.index);
            self.index += rest;
            self.number += rest as u64;
        }
        Ok(self.batch.as_deref())
    }

    /// Returns the present row and its number in the segment.
    pub(super) fn present(&self) -> Result<(u64, super::stored::Stored<'_>), SegmentError> {
        let number = self.number.saturating_sub(1);
        let batch = self.batch.as_ref().ok_or(SegmentError::Row {
            row: number,
            what: "there is no such row",
        })?;
        Ok((number, batch.row(self.index.saturating_sub(1), number)?))
    }

    /// Returns the batch that the present row is in, and its place there.
    pub(super) fn place(&self) -> Option<(&Arc<Batch>, usize)> {
        let batch = self.batch.as_ref()?;
        Some((batch, self.index.saturating_sub(1)))
    }

    fn open_group(&self, group: usize) -> Result<ParquetRecordBatchReader, SegmentError> {
        let parquet = &self.reader.parquet;
        let batch_rows = self.reader.batch_rows(group, self.batch_bytes);
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(
            self.reader.input.clone(),
            parquet.clone(),
        );
        let mask = ProjectionMask::columns(builder.parquet_schema(), self.need.columns());
        Ok(builder
            .with_row_groups(vec![group])
            .with_projection(mask)
            .with_batch_size(batch_rows)
            .build()?)
    }

    fn end_group(&mut self, group: usize) -> Result<(), SegmentError> {
        let info = &self.reader.info;
        let end = info.starts.get(group + 1).copied().unwrap_or(info.rows);
        if self.number != end {
            return Err(SegmentError::Row {
                row: self.number,
                what: "its row group ends too early or too late",
            });
        }
        let found = match &mut self.digest {
            None => return Ok(()),
            Some(Check::Rows(digest)) => digest.take(),
            Some(Check::Columns(digests)) => group_digest(&digests.take()),
        };
        let expected = info.group_digests.get(group).copied().unwrap_or_default();
        if found != expected {
            return Err(SegmentError::Digest {
                expected: hex(&expected),
                found: hex(&found),
            });
        }
        Ok(())
    }
}

/// See [`SegmentReader::rows`]. Ends after the first error.
#[derive(Debug)]
pub struct Rows<R: ChunkReader> {
    cursor: Cursor<R>,
    decoder: Decoder,
    failed: bool,
}

impl<R: ChunkReader + 'static> Rows<R> {
    fn read(&mut self) -> Result<Option<Row>, SegmentError> {
        let Step::Row { begins_group } = self.cursor.advance()? else {
            return Ok(None);
        };
        let (number, stored) = self.cursor.present()?;
        if begins_group {
            self.decoder = Decoder::starting_at(number);
        }
        let feed = self
            .cursor
            .reader()
            .feed(stored.feed)
            .ok_or(SegmentError::UnknownFeed {
                row: number,
                feed: stored.feed,
            })?;
        let docs = self.decoder.advance(&stored, feed)?;
        let body = body_of(number, &stored, feed, docs.as_deref())?;
        Ok(Some(row_of(&stored, body.map(Arc::from))))
    }
}

impl<R: ChunkReader + 'static> Iterator for Rows<R> {
    type Item = Result<Row, SegmentError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let row = self.read().transpose();
        self.failed = !matches!(row, Some(Ok(_)));
        row
    }
}

/// See [`SegmentReader::heads`]. Ends after the first error.
#[derive(Debug)]
pub struct Heads<R: ChunkReader> {
    cursor: Cursor<R>,
    failed: bool,
}

impl<R: ChunkReader + 'static> Heads<R> {
    fn read(&mut self) -> Result<Option<Row>, SegmentError> {
        match self.cursor.advance()? {
            Step::End => Ok(None),
            Step::Row { .. } => Ok(Some(row_of(&self.cursor.present()?.1, None))),
        }
    }
}

impl<R: ChunkReader + 'static> Iterator for Heads<R> {
    type Item = Result<Row, SegmentError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let row = self.read().transpose();
        self.failed = !matches!(row, Some(Ok(_)));
        row
    }
}
