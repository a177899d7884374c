//! `schema/*.json`: the columns of a segment and of `events`, for tools that are not kymo.

use std::fs::File;
use std::path::{Path, PathBuf};

use datafusion::arrow::datatypes::{DataType, Field, SchemaRef, TimeUnit};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use kymo_query::{Source as _, TraceSource};
use kymo_store::Format;
use serde_json::{Value, json};

use crate::traces;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns the columns of a segment in a trace, as any reader of Parquet finds them.
fn segment_columns(trace: &Path) -> SchemaRef {
    let segment = std::fs::read_dir(trace)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|ending| ending == "parquet"))
        .unwrap();
    let file = File::open(segment).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    reader.schema().clone()
}

/// Describes a type in words that do not depend on a library.
fn describe(data_type: &DataType) -> Value {
    let unit = |unit: &TimeUnit| match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    };
    match data_type {
        DataType::Boolean => json!("bool"),
        DataType::Int32 => json!("int32"),
        DataType::Int64 => json!("int64"),
        DataType::Utf8 => json!("string"),
        DataType::Binary => json!("binary"),
        DataType::FixedSizeBinary(width) => json!(format!("binary({width})")),
        DataType::Timestamp(of, Some(zone)) => json!(format!("timestamp({}, {zone})", unit(of))),
        // How a reader holds repeated words is its own affair.
        DataType::Dictionary(_, of) => describe(of),
        DataType::List(item) => json!({"list": describe(item.data_type())}),
        DataType::Struct(fields) => json!({"struct": members(fields)}),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) => json!({"map": members(pair)}),
            other => panic!("a map of {other}"),
        },
        other => panic!("no word for {other}"),
    }
}

fn members<'a>(fields: impl IntoIterator<Item = &'a std::sync::Arc<Field>>) -> Value {
    fields.into_iter().map(|field| column(field)).collect()
}

fn column(field: &Field) -> Value {
    json!({
        "name": field.name(),
        "type": describe(field.data_type()),
        "nullable": field.is_nullable(),
    })
}

/// Writes a document with a line for each column.
fn document(what: &str, columns: &[Value]) -> String {
    let lines: Vec<String> = columns
        .iter()
        .map(|column| format!("    {column}"))
        .collect();
    let format = Format::CURRENT;
    format!(
        "{{\n  \"what\": \"{what}\",\n  \"format\": \"{format}\",\n  \"columns\": [\n{}\n  ]\n}}\n",
        lines.join(",\n")
    )
}

fn assert_current(name: &str, text: &str) {
    let path = root().join("schema").join(name);
    if std::env::var_os("KYMO_WRITE_SCHEMA").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(
        std::fs::read_to_string(&path).unwrap_or_default(),
        text,
        "schema/{name} is out of date: run this test with KYMO_WRITE_SCHEMA=1"
    );
}

#[test]
fn the_columns_of_a_segment_are_written_down() {
    let trace = traces::sealed("story");
    let current = segment_columns(&trace.named().1);
    let first = segment_columns(&root().join("fixtures/format/1.0/trace.kymo"));
    let columns: Vec<Value> = current
        .fields()
        .iter()
        .map(|field| {
            let mut column = column(field);
            let is_old = first.field_with_name(field.name()).is_ok();
            column["since"] = json!(if is_old { "1.0" } else { "1.1" });
            column
        })
        .collect();
    assert_current(
        "segment.json",
        &document("the columns of a segment", &columns),
    );
    for field in first.fields() {
        let found = current.field_with_name(field.name()).unwrap();
        assert_eq!(
            found.data_type(),
            field.data_type(),
            "a column never changes"
        );
    }
    let layout = std::fs::read_to_string(root().join("docs/layout.md")).unwrap();
    for field in current.fields() {
        let name = format!("`{}`", field.name());
        assert!(
            layout.contains(&name),
            "docs/layout.md does not tell of {name}"
        );
    }
}

#[test]
fn the_columns_of_events_are_written_down() {
    let trace = traces::sealed("story");
    let source = TraceSource::open(&trace.named().1).unwrap();
    let schema = source.events_schema();
    let columns: Vec<Value> = schema.fields().iter().map(|field| column(field)).collect();
    assert_current(
        "events.json",
        &document("the columns of the table `events`", &columns),
    );
}
