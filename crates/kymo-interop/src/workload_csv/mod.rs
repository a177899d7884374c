//! Tables of nodes and pods, as data sets of clusters are published.
//!
//! A mapping says what the columns are: one that kymo has, or the user's own. The first line of a
//! file tells which table it is. A node is listed at the zero of the table's times, or with the
//! first pod where times are dates; a pod is added when it was created, modified when it was
//! scheduled and deleted when it was deleted.

mod calendar;
mod loading;
mod mapping;
mod mapping_file;
mod objects;
mod reader;
mod rows;
mod schema;
mod tables;
mod units;

use crate::Error;
use crate::import::{Context, ReadItems};
use crate::input::{Entry, Sample};
use reader::TableReader;
use tables::{Layout, shipped};

pub use schema::workload_mapping_schema;

/// Says why an entry of a folder or archive is not taken.
pub(crate) fn why_skipped(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    if name.starts_with(['_', '.']) {
        return Some("its name begins with `_` or `.`");
    }
    (!name.ends_with(".csv")).then_some("not .csv")
}

/// Tells whether the first line of an entry has the columns of a table.
pub(crate) fn detect(sample: &Sample<'_>) -> bool {
    let line = sample.start.split(|byte| *byte == b'\n').next();
    let mut csv = csv::ReaderBuilder::new();
    let csv = csv.has_headers(false).flexible(true);
    let mut record = csv::ByteRecord::new();
    let read = csv
        .from_reader(line.unwrap_or_default())
        .read_byte_record(&mut record);
    read.is_ok() && Layout::of(shipped(), &titles(&record)).is_some()
}

/// Makes one reader of all entries: nodes and pods lie in files of their own.
pub(crate) fn open(
    entries: Vec<Entry>,
    context: &Context,
) -> Result<Vec<Box<dyn ReadItems>>, Error> {
    Ok(vec![Box::new(TableReader::open(entries, context)?)])
}

/// Returns the titles of a file's first line.
fn titles(record: &csv::ByteRecord) -> Vec<&str> {
    record
        .iter()
        .map(|title| std::str::from_utf8(title).unwrap_or_default())
        .map(|title| title.trim_start_matches('\u{feff}').trim())
        .collect()
}
