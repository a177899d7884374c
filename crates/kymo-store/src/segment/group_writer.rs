//! Row groups on their way into a file: their columns are encoded beside each other.

use std::io::Write;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, FieldRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use parquet::file::metadata::KeyValue;
use parquet::file::writer::SerializedFileWriter;

use super::checksum::ChecksumWriter;
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
    first_leaf: usize,
    leaves: Vec<ArrowColumnWriter>,
}

/// Encoded columns with their places in the file.
type Chunks = Vec<(usize, ArrowColumnChunk)>;

/// A thread that encodes some columns of one row group.
#[derive(Debug)]
struct Worker {
    batches: SyncSender<RecordBatch>,
    thread: JoinHandle<Result<Chunks, SegmentError>>,
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

    /// Ends the present row group.
    pub(super) fn flush(&mut self) -> Result<(), SegmentError> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        let mut group = self.file.next_row_group()?;
        for (_, chunk) in open.close()? {
            chunk.append_to_row_group(&mut group)?;
        }
        group.close()?;
        self.groups += 1;
        Ok(())
    }

    /// Ends the file: the footer gets `entries`. Returns the length of the file, in bytes.
    pub(super) fn finish(
        mut self,
        entries: impl IntoIterator<Item = KeyValue>,
    ) -> Result<u64, SegmentError> {
        self.flush()?;
        for entry in entries {
            self.file.append_key_value_metadata(entry);
        }
        self.file.inner_mut().hold();
        self.file.finish()?;
        Ok(self.file.inner_mut().release()?)
    }

    fn begin(&self) -> Result<Encoding, SegmentError> {
        let mut writers = self.factory.create_column_writers(self.groups)?.into_iter();
        let mut columns = Vec::with_capacity(self.fields.len());
        let mut leaf = 0;
        for (place, field) in self.fields.iter().enumerate() {
            let count = leaves(field.data_type());
            columns.push(Column {
                place,
                field: FieldRef::clone(field),
                first_leaf: leaf,
                leaves: writers.by_ref().take(count).collect(),
            });
            leaf += count;
        }
        let mut shares = shares(columns, self.threads);
        if shares.len() < 2 {
            return Ok(Encoding::Here(shares.pop().unwrap_or_default()));
        }
        let workers: std::io::Result<Vec<Worker>> = shares.into_iter().map(Worker::new).collect();
        Ok(Encoding::Beside(workers?))
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
    fn close(self) -> Result<Chunks, SegmentError> {
        let mut chunks = match self {
            Self::Here(share) => share.close()?,
            Self::Beside(workers) => {
                // All of them end, whatever becomes of one.
                let ended: Vec<_> = workers.into_iter().map(Worker::end).collect();
                let chunks: Result<Vec<Chunks>, _> = ended.into_iter().collect();
                chunks?.into_iter().flatten().collect()
            }
        };
        chunks.sort_by_key(|(leaf, _)| *leaf);
        Ok(chunks)
    }
}

impl Share {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), SegmentError> {
        for column in &mut self.columns {
            let found = compute_leaves(&column.field, batch.column(column.place))?;
            for (writer, leaf) in column.leaves.iter_mut().zip(&found) {
                writer.write(leaf)?;
            }
        }
        Ok(())
    }

    fn close(self) -> Result<Chunks, SegmentError> {
        let mut chunks = Vec::new();
        for column in self.columns {
            for (place, writer) in column.leaves.into_iter().enumerate() {
                chunks.push((column.first_leaf + place, writer.close()?));
            }
        }
        Ok(chunks)
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

    fn end(self) -> Result<Chunks, SegmentError> {
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
