//! Runs `tests/slt/*.slt`, each file in a session of its own.

use std::path::Path;

use async_trait::async_trait;
use datafusion::arrow::datatypes::DataType;
use kymo_query::{Error, Limits, QuerySession};
use sqllogictest::{
    AsyncDB, DBOutput, DefaultColumnType, Runner, default_normalizer, default_validator,
    strict_column_validator,
};

use crate::rows::{RUNTIME, cells};
use crate::traces;

struct Session(QuerySession);

#[async_trait]
impl AsyncDB for Session {
    type Error = Error;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Error> {
        let answer = self.0.sql(sql).await?;
        let types = answer
            .schema()
            .fields()
            .iter()
            .map(|field| column_type(field.data_type()))
            .collect();
        let rows = cells(&answer.collect().await?)
            .into_iter()
            .map(|row| row.iter().map(|cell| visible(cell)).collect())
            .collect();
        Ok(DBOutput::Rows { types, rows })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &'static str {
        "kymo"
    }
}

fn visible(cell: &str) -> String {
    if cell.is_empty() {
        "(empty)".to_owned()
    } else {
        cell.replace('\n', " / ")
    }
}

fn column_type(data_type: &DataType) -> DefaultColumnType {
    match data_type {
        data_type if data_type.is_integer() => DefaultColumnType::Integer,
        data_type if data_type.is_floating() => DefaultColumnType::FloatingPoint,
        data_type if data_type.is_string() => DefaultColumnType::Text,
        DataType::Dictionary(_, values) => column_type(values),
        _ => DefaultColumnType::Any,
    }
}

fn run_file(name: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/slt")
        .join(name);
    RUNTIME.block_on(async {
        let traces = match name {
            "several.slt" => vec![traces::sealed("a"), traces::unsealed("b")],
            "who.slt" => vec![traces::audited("audit")],
            _ => vec![traces::half_sealed("story")],
        };
        let paths: Vec<_> = traces.iter().map(traces::Story::named).collect();
        let mut runner = Runner::new(|| async {
            // Plans depend on the number of threads.
            let limits = Limits {
                threads: Some(2),
                ..Limits::default()
            };
            let session = QuerySession::open(&paths, limits)?;
            Ok::<_, Error>(Session(session))
        });
        runner.with_column_validator(strict_column_validator);
        if std::env::var_os("KYMO_COMPLETE_SLT").is_some() {
            runner
                .update_test_file(
                    &file,
                    "\t",
                    default_validator,
                    default_normalizer,
                    strict_column_validator,
                )
                .await
                .unwrap();
        }
        if let Err(error) = runner.run_file_async(&file).await {
            panic!("{}", error.display(false));
        }
    });
}

macro_rules! files {
    ($($name:ident)+) => {
        $(
            #[test]
            fn $name() {
                run_file(concat!(stringify!($name), ".slt"));
            }
        )+

        #[test]
        fn every_file_is_run() {
            let listed = [$(concat!(stringify!($name), ".slt")),+];
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
            for entry in std::fs::read_dir(folder).unwrap() {
                let name = entry.unwrap().file_name();
                assert!(listed.iter().any(|file| *file == name), "{name:?} is not run");
            }
        }
    };
}

files! {
    conditions edits errors events explain json patches quantities refusals relations selectors several
    tables times who
}
