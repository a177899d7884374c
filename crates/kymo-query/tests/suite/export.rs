//! `events` as a plain Parquet file.

use std::fs::File;

use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use kymo_query::{Limits, QuerySession, export_events};

use crate::rows::{cells, run};
use crate::traces;

#[test]
fn an_export_has_the_rows_and_columns_of_events() {
    let trace = traces::audited("audit");
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("events.parquet");
    let exported = export_events(&trace.named().1, &output).unwrap();
    assert_eq!(exported.rows, 9);
    let file = File::open(&output).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    let mut found: Vec<String> = cells(&batches).iter().map(|row| row.join("|")).collect();
    let session = QuerySession::open(&[trace.named()], Limits::default()).unwrap();
    let mut expected = run(&session, "SELECT * FROM events").unwrap();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert!(found.iter().any(|row| row.contains("|[10.0.0.7]|")));
}
