//! Row groups on their way into a file: their columns are encoded beside each other.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, FieldRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use parquet::column::writer::ColumnCloseResult;
use parquet::file::metadata::{KeyValue, ParquetMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::reader::ChunkReader;
use parquet::file::writer::SerializedFileWriter;

use super::checksum::ChecksumWriter;
use super::column_digest::{ColumnDigest, is_digested};
use super::{SegmentError, SegmentOptions, physical};

/// Batches that wait for a thread, besides the one that it encodes.
const WAITING: usize = 1;

/// Writes batches as row groups. The bytes are the same for any number of threads.
#[derive(Debug)]
pub(super) struct GroupWriter<W: Write + Send> {
    file: SerializedFileWriter<ChecksumWriter<W>>,
    factory: ArrowRowGroupWriterFactory,
    fields: Vec<FieldRef>,
    threads: usize,
    open: Option<Encoding>,
    groups: usize,
}

/// A row group that is being encoded.
#[derive(Debug)]
enum Encoding {
    Here(Share),
    Beside(Vec<Worker>),
}

/// Some columns of a row group.
#[derive(Debug, Default)]
struct Share {
    columns: Vec<Column>,
    weight: usize,
}

#[derive(Debug)]
struct Column {
    place: usize,
    field: FieldRef,
    leaves: Vec<ArrowColumnWriter>,
    /// `None` of columns without one.
    digest: Option<ColumnDigest>,
}

/// A column that is encoded.
#[derive(Debug)]
struct Encoded {
    place: usize,
    leaves: Vec<ArrowColumnChunk>,
    digest: Option<[u8; 32]>,
}

/// A thread that encodes some columns of one row group.
#[derive(Debug)]
struct Worker {
    batches: SyncSender<RecordBatch>,
    thread: JoinHandle<Result<Vec<Encoded>, SegmentError>>,
}

impl<W: Write + Send> GroupWriter<W> {
    pub(super) fn new(
        output: ChecksumWriter<W>,
        options: &SegmentOptions,
    ) -> Result<Self, SegmentError> {
        let (schema, properties) = (physical::schema(), physical::properties(options)?);
        let fields = schema.fields().iter().cloned().collect();
        let writer = ArrowWriter::try_new(output, schema, Some(properties))?;
        let (file, factory) = writer.into_serialized_writer()?;
        Ok(Self {
            file,
            factory,
            fields,
            threads: options.threads,
            open: None,
            groups: 0,
        })
    }

    /// Adds rows to the present row group.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), SegmentError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let open = match self.open.take() {
            Some(open) => open,
            None => self.begin()?,
        };
        self.open = Some(open.write(batch)?);
        Ok(())
    }

    /// Ends the present row group, if there is one, and returns the digests of its columns in the
    /// order of the schema.
    pub(super) fn flush(&mut self) -> Result<Option<Vec<[u8; 32]>>, SegmentError> {
        let Some(open) = self.open.take() else {
            return Ok(None);
        };
        let mut digests = Vec::with_capacity(self.fields.len());
        let mut group = self.file.next_row_group()?;
        for column in open.close()? {
            for leaf in column.leaves {
                leaf.append_to_row_group(&mut group)?;
            }
            digests.extend(column.digest);
        }
        group.close()?;
        self.groups += 1;
        Ok(Some(digests))
    }

    /// Ends the file: the footer gets `entries`. Returns the length of the file, in bytes.
    pub(super) fn finish(
        mut self,
        entries: impl IntoIterator<Item = KeyValue>,
    ) -> Result<u64, SegmentError> {
        for entry in entries {
            self.file.append_key_value_metadata(entry);
        }
        self.file.inner_mut().hold();
        self.file.finish()?;
        Ok(self.file.inner_mut().release()?)
    }

    /// Adds a row group of another file of the same schema, of which some columns are made anew and
    /// the others copied as they are. Returns the digests of its columns, of those that are copied
    /// out of `known`, which has those of all columns in the order of the schema.
    pub(super) fn copy<R: ChunkReader>(
        &mut self,
        from: &R,
        metadata: &ParquetMetaData,
        group: usize,
        mut made: BTreeMap<&'static str, Vec<ArrayRef>>,
        known: &[[u8; 32]],
    ) -> Result<Vec<[u8; 32]>, SegmentError> {
        let mut encoded = Vec::new();
        for mut column in self.begin_columns()? {
            let Some(arrays) = made.remove(column.field.name().as_str()) else {
                encoded.push((column.leaves.len(), None));
                continue;
            };
            for array in &arrays {
                column.write(array)?;
            }
            encoded.push((column.leaves.len(), Some(column.close()?)));
        }
        let mut digests = Vec::with_capacity(known.len());
        let mut known = known.iter();
        let mut leaf = 0;
        let mut written = self.file.next_row_group()?;
        for (field, (leaves, encoded)) in self.fields.iter().zip(encoded) {
            let mut digest = is_digested(field.name())
                .then(|| known.next().copied())
                .flatten();
            match encoded {
                Some(column) => {
                    for leaf in column.leaves {
                        leaf.append_to_row_group(&mut written)?;
                    }
                    digest = column.digest;
                }
                None => {
                    for leaf in leaf..leaf + leaves {
                        written.append_column(from, as_closed(metadata, group, leaf))?;
                    }
                }
            }
            digests.extend(digest);
            leaf += leaves;
        }
        written.close()?;
        self.groups += 1;
        Ok(digests)
    }

    fn begin(&self) -> Result<Encoding, SegmentError> {
        let mut shares = shares(self.begin_columns()?, self.threads);
        if shares.len() < 2 {
            return Ok(Encoding::Here(shares.pop().unwrap_or_default()));
        }
        let workers: std::io::Result<Vec<Worker>> = shares.into_iter().map(Worker::new).collect();
        Ok(Encoding::Beside(workers?))
    }

    fn begin_columns(&self) -> Result<Vec<Column>, SegmentError> {
        let mut writers = self.factory.create_column_writers(self.groups)?.into_iter();
        let mut columns = Vec::with_capacity(self.fields.len());
        for (place, field) in self.fields.iter().enumerate() {
            let count = leaves(field.data_type());
            columns.push(Column {
                place,
                field: FieldRef::clone(field),
                leaves: writers.by_ref().take(count).collect(),
                digest: is_digested(field.name()).then(ColumnDigest::default),
            });
        }
        Ok(columns)
    }
}

/// Tells of a column of a file as if it had just been written.
fn as_closed(metadata: &ParquetMetaData, group: usize, leaf: usize) -> ColumnCloseResult {
    let rows = metadata.row_group(group);
    let column = rows.column(leaf).clone();
    let index = metadata
        .column_index()
        .and_then(|index| index.get(group)?.get(leaf));
    let offsets = metadata
        .offset_index()
        .and_then(|index| index.get(group)?.get(leaf));
    ColumnCloseResult {
        bytes_written: column.compressed_size().unsigned_abs(),
        rows_written: rows.num_rows().unsigned_abs(),
        metadata: column,
        bloom_filter: None,
        column_index: index
            .filter(|index| !matches!(index, ColumnIndexMetaData::NONE))
            .cloned(),
        offset_index: offsets.cloned(),
    }
}

impl Encoding {
    fn write(mut self, batch: &RecordBatch) -> Result<Self, SegmentError> {
        match &mut self {
            Self::Here(share) => share.write(batch)?,
            Self::Beside(workers) => {
                let is_taken =
                    |worker: &Worker| worker.batches.send(RecordBatch::clone(batch)).is_ok();
                if !workers.iter().all(is_taken) {
                    // One has failed, and tells why.
                    self.close()?;
                    return Err(SegmentError::Io {
                        source: std::io::Error::other("a thread ended before its work"),
                    });
                }
            }
        }
        Ok(self)
    }

    /// Returns the encoded columns in their order.
    fn close(self) -> Result<Vec<Encoded>, SegmentError> {
        let mut columns = match self {
            Self::Here(share) => share.close()?,
            Self::Beside(workers) => {
                // All of them end, whatever becomes of one.
                let ended: Vec<_> = workers.into_iter().map(Worker::end).collect();
                let columns: Result<Vec<Vec<Encoded>>, _> = ended.into_iter().collect();
                columns?.into_iter().flatten().collect()
            }
        };
        columns.sort_by_key(|column| column.place);
        Ok(columns)
    }
}

impl Share {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), SegmentError> {
        for column in &mut self.columns {
            column.write(batch.column(column.place))?;
        }
        Ok(())
    }

    fn close(self) -> Result<Vec<Encoded>, SegmentError> {
        let encoded = self.columns.into_iter().map(Column::close);
        encoded.collect()
    }
}

impl Column {
    fn write(&mut self, array: &ArrayRef) -> Result<(), SegmentError> {
        if let Some(digest) = &mut self.digest {
            digest.update(array)?;
        }
        let found = compute_leaves(&self.field, array)?;
        for (writer, leaf) in self.leaves.iter_mut().zip(&found) {
            writer.write(leaf)?;
        }
        Ok(())
    }

    fn close(self) -> Result<Encoded, SegmentError> {
        let leaves = self.leaves.into_iter().map(ArrowColumnWriter::close);
        Ok(Encoded {
            place: self.place,
            leaves: leaves.collect::<Result<_, _>>()?,
            digest: self.digest.map(ColumnDigest::finish),
        })
    }
}

impl Worker {
    fn new(mut share: Share) -> std::io::Result<Self> {
        let (batches, receive) = sync_channel::<RecordBatch>(WAITING);
        let thread = Builder::new().name("kymo-encode".to_owned());
        let thread = thread.spawn(move || {
            for batch in receive {
                share.write(&batch)?;
            }
            share.close()
        })?;
        Ok(Self { batches, thread })
    }

    fn end(self) -> Result<Vec<Encoded>, SegmentError> {
        drop(self.batches);
        match self.thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// How many columns of Parquet a column of Arrow becomes.
fn leaves(data_type: &DataType) -> usize {
    match data_type {
        DataType::List(item) => leaves(item.data_type()),
        DataType::Struct(fields) => fields.iter().map(|field| leaves(field.data_type())).sum(),
        _ => 1,
    }
}

/// Deals columns out so that each share takes about as long; the same ones on every run.
fn shares(mut columns: Vec<Column>, threads: usize) -> Vec<Share> {
    let mut shares: Vec<Share> = Vec::new();
    shares.resize_with(threads.max(1), Share::default);
    columns.sort_by_key(|column| std::cmp::Reverse(weight(&column.field)));
    for column in columns {
        if let Some(share) = shares.iter_mut().min_by_key(|share| share.weight) {
            share.weight += weight(&column.field);
            share.columns.push(column);
        }
    }
    shares.retain(|share| !share.columns.is_empty());
    shares
}

/// How long a column takes, by that of a column of numbers; what `--bench copy` was seen to spend.
fn weight(field: &FieldRef) -> usize {
    match field.name().as_str() {
        "keyframe" => 24,
        "patch" | "managed_fields_patch" => 16,
        "managed_fields" | "raw" => 8,
        "name" | "uid" | "namespace" => 3,
        _ => 1,
    }
}
