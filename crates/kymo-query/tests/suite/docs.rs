//! The examples of `docs/sql.md`, over the trace that they are about.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use kymo_query::{Limits, QuerySession};

use crate::rows::{RUNTIME, cells, run};

/// An example: its statement, and where in the page its answer lies.
struct Example {
    sql: String,
    answer: std::ops::Range<usize>,
}

fn repository() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Finds every statement, each with the answer that must follow it.
fn examples(page: &str) -> Vec<Example> {
    const BEGIN: &str = "```sql\n";
    const BETWEEN: &str = "```\n```text\n";
    let mut examples = Vec::new();
    let mut at = 0;
    while let Some(found) = page[at..].find(BEGIN) {
        let sql = at + found + BEGIN.len();
        let sql_end = sql + page[sql..].find("```").unwrap();
        assert!(
            page[sql_end..].starts_with(BETWEEN),
            "no answer follows:\n{}",
            &page[sql..sql_end]
        );
        let answer = sql_end + BETWEEN.len();
        let answer_end = answer + page[answer..].find("```").unwrap();
        examples.push(Example {
            sql: page[sql..sql_end].to_owned(),
            answer: answer..answer_end,
        });
        at = answer_end + 3;
    }
    examples
}

/// Writes an answer as `kymo query` does.
fn table(session: &QuerySession, sql: &str) -> String {
    let (schema, rows) = RUNTIME
        .block_on(async {
            let answer = session.sql(sql).await?;
            let schema = answer.schema().clone();
            Ok::<_, kymo_query::Error>((schema, cells(&answer.collect().await?)))
        })
        .unwrap_or_else(|error| panic!("{error}:\n{sql}"));
    let names = schema.fields().iter().map(|field| field.name().clone());
    let names: Vec<String> = names.collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([names[column].chars().count()]).max().unwrap()
    };
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    let dashes: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let mut text = String::new();
    for row in [&names, &dashes].into_iter().chain(&rows) {
        let mut line = String::new();
        for ((cell, width), field) in row.iter().zip(&widths).zip(schema.fields()) {
            if field.data_type().is_numeric() {
                write!(line, "{cell:>width$}  ").unwrap();
            } else {
                write!(line, "{cell:<width$}  ").unwrap();
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

const VIEWS: &str = "<!-- views -->\n";
const END_OF_VIEWS: &str = "<!-- end of views -->";

/// Lists the views of kinds, with the columns that not all of them have.
fn views(session: &QuerySession) -> String {
    let columns = run(
        session,
        "SELECT c.table_name, c.column_name FROM information_schema.columns c
         JOIN information_schema.tables t ON t.table_name = c.table_name
         WHERE t.table_type = 'VIEW' AND t.table_schema = 'rollout'
         ORDER BY c.table_name, c.ordinal_position",
    );
    let mut views: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in columns.unwrap() {
        let (view, column) = row.split_once('|').unwrap();
        let columns = views.entry(view.to_owned()).or_default();
        columns.push(format!("`{column}`"));
    }
    let mut text = String::new();
    for (view, columns) in views {
        let shared = columns.iter().position(|column| column == "`valid_from`");
        let has_metadata = columns.contains(&"`ended_by`".to_owned());
        if let Some(own) = shared.filter(|_| has_metadata && view != "versions") {
            writeln!(text, "- `{view}`: {}", columns[..own].join(", ")).unwrap();
        }
    }
    text
}

/// With `KYMO_WRITE_DOCS` in the environment the answers are written into the page.
#[test]
fn every_example_of_the_page_on_sql_gives_the_answer_that_stands_below_it() {
    let path = repository().join("docs/sql.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let trace = repository().join("fixtures/rollout.parquet");
    let session = QuerySession::open(&[("rollout".into(), trace)], Limits::default()).unwrap();
    let examples = examples(&page);
    assert!(!examples.is_empty());
    let mut answered = page.clone();
    for example in examples.iter().rev() {
        answered.replace_range(example.answer.clone(), &table(&session, &example.sql));
    }
    let (before, rest) = answered.split_once(VIEWS).unwrap();
    let (_, after) = rest.split_once(END_OF_VIEWS).unwrap();
    let answered = format!("{before}{VIEWS}{}{END_OF_VIEWS}{after}", views(&session));
    if std::env::var_os("KYMO_WRITE_DOCS").is_some() {
        std::fs::write(&path, answered).unwrap();
    } else if answered != page {
        let lines = answered.lines().zip(page.lines());
        let differing = lines.filter(|(found, written)| found != written);
        let text: Vec<String> = differing
            .map(|(found, written)| format!("found:   {found}\nwritten: {written}"))
            .collect();
        panic!("docs/sql.md is not what queries give:\n{}", text.join("\n"));
    }
}

#[test]
fn every_function_of_our_own_has_a_section() {
    let page = std::fs::read_to_string(repository().join("docs/sql.md")).unwrap();
    for function in [
        "json_path(",
        "json_pointer(",
        "object_changes(",
        "pod_status(",
        "quantity(",
        "requests(",
        "cpu(",
        "memory(",
        "matches(",
        "condition(",
        "duration(",
        "at(",
        "json_diff(",
        "json_patch(",
        "json_merge(",
    ] {
        let is_there = page
            .lines()
            .any(|line| line.starts_with("### ") && line.contains(&format!("`{function}")));
        assert!(is_there, "{function}");
    }
}
