//! Answers of the query, column by column.

use datafusion::arrow::array::{Array, AsArray, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type, TimeUnit};
use datafusion::arrow::error::ArrowError;
use futures::StreamExt;
use kymo_query::{Answer, QuerySession};

use crate::Error;

/// Asks, and hands out the answer batch by batch.
pub(crate) async fn each_batch(
    session: &QuerySession,
    sql: &str,
    mut take: impl FnMut(&RecordBatch) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut answer: Answer = session.sql(sql).await?;
    while let Some(batch) = answer.next().await {
        take(&batch?)?;
    }
    Ok(())
}

/// Returns a column as whole numbers; times are nanoseconds.
pub(crate) fn numbers(
    batch: &RecordBatch,
    column: usize,
) -> Result<impl Iterator<Item = Option<i64>> + use<>, Error> {
    let array = cast(batch.column(column), &DataType::Int64).map_err(|error| unexpected(&error))?;
    let array = array.as_primitive::<Int64Type>().clone();
    Ok((0..array.len()).map(move |row| array.is_valid(row).then(|| array.value(row))))
}

/// Returns a column of times as nanoseconds.
pub(crate) fn instants(
    batch: &RecordBatch,
    column: usize,
) -> Result<impl Iterator<Item = Option<i64>> + use<>, Error> {
    let nanoseconds = DataType::Timestamp(TimeUnit::Nanosecond, None);
    let array = cast(batch.column(column), &nanoseconds).map_err(|error| unexpected(&error))?;
    let array = cast(&array, &DataType::Int64).map_err(|error| unexpected(&error))?;
    let array = array.as_primitive::<Int64Type>().clone();
    Ok((0..array.len()).map(move |row| array.is_valid(row).then(|| array.value(row))))
}

/// Returns a column as text.
pub(crate) fn texts(batch: &RecordBatch, column: usize) -> Result<StringArray, Error> {
    let array = cast(batch.column(column), &DataType::Utf8).map_err(|error| unexpected(&error))?;
    Ok(array.as_string::<i32>().clone())
}

fn unexpected(error: &ArrowError) -> Error {
    Error::Answer {
        message: error.to_string(),
    }
}

/// Writes a text as a literal of SQL.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
