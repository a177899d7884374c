//! Answers as lines of text.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use kymo_query::{Answer, Error, Limits, QuerySession, Source};
use tokio::runtime::{Builder, Runtime};

use crate::memory::Memory;

/// The runtime of all tests.
pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
});

/// Opens a session over one source by the name `story`.
pub(crate) fn session_over(source: Memory) -> QuerySession {
    session_with(source, Limits::default())
}

pub(crate) fn session_with(source: Memory, limits: Limits) -> QuerySession {
    let source: Arc<dyn Source> = Arc::new(source);
    QuerySession::over(&[("story".into(), source)], limits).unwrap()
}

pub(crate) fn begin(session: &QuerySession, sql: &str) -> Result<Answer, Error> {
    RUNTIME.block_on(session.sql(sql))
}

/// Runs a statement to its end; a line for each row, cells parted by `|`.
pub(crate) fn run(session: &QuerySession, sql: &str) -> Result<Vec<String>, Error> {
    let batches = RUNTIME.block_on(async { session.sql(sql).await?.collect().await })?;
    Ok(cells(&batches)
        .into_iter()
        .map(|row| row.join("|"))
        .collect())
}

pub(crate) fn cells(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<ArrayFormatter<'_>> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            rows.push(
                columns
                    .iter()
                    .map(|column| column.value(row).to_string())
                    .collect(),
            );
        }
    }
    rows
}
