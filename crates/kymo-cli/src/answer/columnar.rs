use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::ipc::writer::FileWriter;
use datafusion_functions_json::{JSON_UNION_DATA_TYPE, JsonUnionEncoder};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::json;
use crate::command_error::CommandError;

/// A row group of Parquet is ended at this many bytes in memory.
const ROW_GROUP_BYTES: usize = 32 << 20;

/// An answer in columns, for programs: dictionaries are unpacked, and what `->` gives is JSON as
/// text, because not every reader knows those types.
pub(crate) struct Columnar<W: Write + Send> {
    schema: SchemaRef,
    writer: Writer<W>,
}

enum Writer<W: Write + Send> {
    Parquet(Box<ArrowWriter<W>>),
    Arrow(Box<FileWriter<W>>),
}

impl<W: Write + Send> Columnar<W> {
    /// Writes a Parquet file. Whole seconds become milliseconds, because it has no time of
    /// seconds.
    pub(super) fn parquet(out: W, schema: &Schema) -> Result<Self, CommandError> {
        let schema = plain_schema(schema, |data_type| match data_type {
            DataType::Timestamp(TimeUnit::Second, zone) => {
                DataType::Timestamp(TimeUnit::Millisecond, zone)
            }
            other => other,
        })?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        let writer = ArrowWriter::try_new(out, Arc::clone(&schema), Some(properties))?;
        Ok(Self {
            schema,
            writer: Writer::Parquet(Box::new(writer)),
        })
    }

    /// Writes an Arrow IPC file.
    pub(super) fn arrow(out: W, schema: &Schema) -> Result<Self, CommandError> {
        let schema = plain_schema(schema, |data_type| data_type)?;
        let writer = FileWriter::try_new(out, &schema)?;
        Ok(Self {
            schema,
            writer: Writer::Arrow(Box::new(writer)),
        })
    }

    /// Writes the rows of a batch.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), CommandError> {
        let columns = batch.columns().iter().zip(self.schema.fields());
        let columns = columns
            .map(|(column, field)| plain_column(column, field.data_type()))
            .collect::<Result<_, _>>()?;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        match &mut self.writer {
            Writer::Parquet(writer) => {
                writer.write(&batch)?;
                if writer.in_progress_size() >= ROW_GROUP_BYTES {
                    writer.flush()?;
                }
            }
            Writer::Arrow(writer) => writer.write(&batch)?,
        }
        Ok(())
    }

    /// Writes the end of the file.
    pub(super) fn finish(self) -> Result<(), CommandError> {
        match self.writer {
            Writer::Parquet(mut writer) => {
                writer.finish()?;
                writer.inner_mut().flush()?;
            }
            Writer::Arrow(mut writer) => {
                writer.finish()?;
                writer.get_mut().flush()?;
            }
        }
        Ok(())
    }
}

fn plain_schema(
    schema: &Schema,
    change: impl Fn(DataType) -> DataType,
) -> Result<SchemaRef, CommandError> {
    let fields = schema.fields().iter().map(|field| {
        let plain = match field.data_type() {
            union if *union == *JSON_UNION_DATA_TYPE => DataType::Utf8,
            DataType::Dictionary(_, values) => values.as_ref().clone(),
            other => other.clone(),
        };
        if has_union(&plain) {
            let name = field.name();
            return Err(CommandError::usage(format!(
                "the column `{name}` holds values of different types"
            ))
            .hint("cast it to VARCHAR, or use `->>` instead of `->`"));
        }
        Ok(Field::new(field.name(), change(plain), true))
    });
    Ok(Arc::new(Schema::new(
        fields.collect::<Result<Vec<_>, _>>()?,
    )))
}

/// Tells whether values of one type can be of several, which no Parquet column can.
fn has_union(data_type: &DataType) -> bool {
    match data_type {
        DataType::Union(..) => true,
        DataType::Dictionary(_, values) => has_union(values),
        DataType::Struct(fields) => fields.iter().any(|field| has_union(field.data_type())),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _)
        | DataType::RunEndEncoded(_, item) => has_union(item.data_type()),
        _ => false,
    }
}

fn plain_column(column: &ArrayRef, plain: &DataType) -> Result<ArrayRef, CommandError> {
    if *column.data_type() == *JSON_UNION_DATA_TYPE
        && let Some(union) = JsonUnionEncoder::from_union(column.as_union().clone())
    {
        let texts = (0..union.len()).map(|row| json::text(&union.get_value(row)));
        return Ok(Arc::new(texts.collect::<StringArray>()));
    }
    Ok(cast(column, plain)?)
}

/// A type that Parquet does not have is the statement's fault.
impl From<ParquetError> for CommandError {
    fn from(error: ParquetError) -> Self {
        match error {
            ParquetError::External(error) => match error.downcast::<io::Error>() {
                Ok(error) => (*error).into(),
                Err(error) => Self::bug(error.to_string()),
            },
            error => Self::usage("the answer cannot be written as Parquet").caused_by(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Seek as _;

    use arrow::array::{DictionaryArray, Int64Array, TimestampSecondArray};
    use arrow::datatypes::Int32Type;
    use arrow::ipc::reader::FileReader;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

    use super::*;

    fn batches() -> [RecordBatch; 2] {
        ["Pod", "Node"].map(|kind| {
            let kinds: ArrayRef = Arc::new(DictionaryArray::<Int32Type>::from_iter([kind]));
            let times: ArrayRef = Arc::new(TimestampSecondArray::from(vec![Some(7)]));
            let numbers: ArrayRef = Arc::new(Int64Array::from(vec![None]));
            RecordBatch::try_from_iter([("kind", kinds), ("time", times), ("n", numbers)]).unwrap()
        })
    }

    #[test]
    fn a_file_of_either_format_holds_all_batches_in_plain_columns() {
        let batches = batches();
        let schema = batches[0].schema();
        let files = [tempfile::tempfile(), tempfile::tempfile()].map(Result::unwrap);
        let [parquet, arrow] = files.each_ref().map(|file| file.try_clone().unwrap());
        for mut writer in [
            Columnar::parquet(parquet, &schema).unwrap(),
            Columnar::arrow(arrow, &schema).unwrap(),
        ] {
            for batch in &batches {
                writer.write(batch).unwrap();
            }
            writer.finish().unwrap();
        }
        let [parquet, mut arrow] = files;
        let read = ParquetRecordBatchReader::try_new(parquet, 10).unwrap();
        let read: Vec<RecordBatch> = read.map(Result::unwrap).collect();
        let [read] = read.as_slice() else {
            unreachable!()
        };
        let kinds: Vec<_> = read.column(0).as_string::<i32>().iter().collect();
        assert_eq!(kinds, [Some("Pod"), Some("Node")]);
        assert_eq!(
            *read.column(1).data_type(),
            DataType::Timestamp(TimeUnit::Millisecond, None)
        );
        arrow.rewind().unwrap();
        let read = FileReader::try_new(arrow, None).unwrap();
        let kinds: Vec<String> = read
            .map(|batch| {
                batch
                    .unwrap()
                    .column(0)
                    .as_string::<i32>()
                    .value(0)
                    .to_owned()
            })
            .collect();
        assert_eq!(kinds, ["Pod", "Node"]);
    }
}
