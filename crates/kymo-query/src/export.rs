//! The table `events` as a plain Parquet file, for tools that do not know the layout of a trace.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::error::DataFusionError;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;

use crate::error::{Phase, translate};
use crate::{Counts, Error, EventsRequest, Source, TraceSource};

/// Whole objects compress well together: a row group is ended at this many bytes in memory.
const ROW_GROUP_BYTES: usize = 32 << 20;

/// What an export wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Events.
    pub rows: u64,
    /// Size of the file, in bytes.
    pub bytes: u64,
}

/// Writes every event of a trace with all columns of `events`, the whole object among them, to a
/// new file of mode 0600, in the order of objects. Memory is bounded whatever the trace's size.
///
/// Whole seconds are written as milliseconds, because Parquet has no time of seconds. The file gets
/// its name when it is complete; [`Error::Export`] if it exists already or cannot be written.
pub fn export_events(trace: &Path, output: &Path) -> Result<Exported, Error> {
    let failed = |source| Error::Export {
        path: output.to_owned(),
        source: Arc::new(source),
    };
    if fs::symlink_metadata(output).is_ok() {
        return Err(failed(io::ErrorKind::AlreadyExists.into()));
    }
    let source = TraceSource::open(trace)?;
    let mut temporary = output.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(failed)?;
    let written = write(&source, file, output).and_then(|exported| {
        fs::rename(&temporary, output).map_err(failed)?;
        Ok(exported)
    });
    if written.is_err() {
        fs::remove_file(&temporary).ok();
    }
    written
}

fn write(source: &TraceSource, file: File, output: &Path) -> Result<Exported, Error> {
    let failed = |error: ParquetError| match error {
        ParquetError::External(error) if error.is::<io::Error>() => Error::Export {
            path: output.to_owned(),
            source: Arc::new(io::Error::other(error)),
        },
        error => translate(DataFusionError::from(error), Phase::Running),
    };
    let schema = plain_schema(&source.events_schema());
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build();
    let mut writer =
        ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties)).map_err(failed)?;
    let request = EventsRequest {
        columns: (0..schema.fields().len()).collect(),
        parts: 1,
        ..EventsRequest::default()
    };
    let mut rows = 0;
    for part in source.scan(&request)?.parts {
        for batch in part.open(&Counts::default())? {
            let batch = plain_batch(&batch?, &schema)?;
            rows += batch.num_rows() as u64;
            writer.write(&batch).map_err(failed)?;
            if writer.in_progress_size() >= ROW_GROUP_BYTES {
                writer.flush().map_err(failed)?;
            }
        }
    }
    writer.finish().map_err(failed)?;
    let bytes = writer.bytes_written() as u64;
    writer.inner().sync_all().map_err(|source| Error::Export {
        path: output.to_owned(),
        source: Arc::new(source),
    })?;
    Ok(Exported { rows, bytes })
}

/// Seconds become milliseconds; the rest stays.
fn plain_schema(schema: &SchemaRef) -> SchemaRef {
    let fields: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            DataType::Timestamp(TimeUnit::Second, zone) => {
                let milliseconds = DataType::Timestamp(TimeUnit::Millisecond, zone.clone());
                Arc::new(Field::new(field.name(), milliseconds, field.is_nullable()))
            }
            _ => Arc::clone(field),
        })
        .collect();
    Arc::new(Schema::new(fields))
}

fn plain_batch(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, Error> {
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| cast(column, field.data_type()))
        .collect::<Result<_, _>>();
    columns
        .and_then(|columns| RecordBatch::try_new(Arc::clone(schema), columns))
        .map_err(|error| translate(DataFusionError::from(error), Phase::Running))
}
