//! The list of questions.

use std::collections::BTreeMap;

const LIST: &str = include_str!("questions.sql");

/// A question in two dialects.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) name: String,
    /// It looks into objects.
    pub(crate) json: bool,
    pub(crate) kymo: String,
    pub(crate) duckdb: String,
}

/// Reads the list, with values for the words in braces.
pub(crate) fn questions(values: &BTreeMap<&str, String>) -> Vec<Question> {
    let mut list = LIST.to_owned();
    for (name, value) in values {
        list = list.replace(&format!("{{{name}}}"), value);
    }
    let mut questions: Vec<Question> = Vec::new();
    for part in list.split("\n--- ").skip(1) {
        let (title, sql) = part.split_once('\n').unwrap();
        let sql = sql.trim().to_owned();
        if title == "duckdb" {
            questions.last_mut().unwrap().duckdb = sql;
            continue;
        }
        let name = title.trim_end_matches(" [json]");
        questions.push(Question {
            name: name.to_owned(),
            json: name != title,
            duckdb: sql.clone(),
            kymo: sql,
        });
    }
    questions
}
