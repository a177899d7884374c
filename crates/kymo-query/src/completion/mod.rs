//! What a word that is begun can become.

mod place;
mod words;

use std::collections::BTreeSet;

use datafusion::common::TableReference;
use datafusion::common::utils::quote_identifier;

use self::place::{Place, Used, Wanted, place, used};
use self::words::KEYWORDS;
use crate::QuerySession;

/// What the word before the cursor can become.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completions {
    /// Where the word begins, in bytes.
    pub start: usize,
    /// What it can be, in the order in which to offer it.
    pub words: Vec<String>,
}

impl QuerySession {
    /// Returns what the word before the cursor can become; `cursor` is in bytes.
    ///
    /// Tables are offered where a table is named, else the columns of the tables that the text
    /// names, functions and keywords.
    pub async fn complete(&self, text: &str, cursor: usize) -> Completions {
        let before = text.get(..cursor).unwrap_or(text);
        let place = place(before);
        let words = match place.wanted {
            Wanted::Nothing => Vec::new(),
            Wanted::Table => self.complete_table(&place),
            Wanted::Expression => self.complete_expression(&place, &used(text)).await,
        };
        Completions {
            start: place.start,
            words,
        }
    }

    /// Returns the tables whose names begin so.
    pub fn tables_beginning(&self, begun: &str) -> Vec<String> {
        self.complete_table(&place(begun))
    }

    /// Returns the functions whose names begin so.
    pub fn functions_beginning(&self, begun: &str) -> Vec<String> {
        let mut names = self.function_names();
        names.retain(|name| begins(name, begun));
        names.into_iter().collect()
    }

    fn complete_table(&self, place: &Place<'_>) -> Vec<String> {
        let traces = self.table_names();
        let is_only = traces.len() == 1;
        let mut words = Vec::new();
        for (trace, tables) in &traces {
            let is_asked = place.qualifier.is_some_and(|asked| is_name(trace, asked));
            for table in tables {
                let table = quote_identifier(table);
                if is_asked || (is_only && place.qualifier.is_none()) {
                    words.push(table.into_owned());
                } else if place.qualifier.is_none() {
                    words.push(format!("{}.{table}", quote_identifier(trace)));
                }
            }
        }
        words.retain(|word| begins(word, place.begun));
        words.sort();
        words
    }

    async fn complete_expression(&self, place: &Place<'_>, used: &[Used]) -> Vec<String> {
        let mut columns = BTreeSet::new();
        for table in used.iter().filter(|table| is_meant(table, place.qualifier)) {
            columns.extend(self.columns_of(table).await);
        }
        columns.retain(|column| begins(column, place.begun));
        let mut words: Vec<String> = columns.into_iter().collect();
        if place.qualifier.is_some() {
            if words.is_empty() {
                // `prod.` begins a table.
                words = self.complete_table(place);
            }
            return words;
        }
        if place.begun.is_empty() && !words.is_empty() {
            return words;
        }
        let functions = self.functions_beginning(place.begun);
        words.extend(functions.into_iter().map(|name| format!("{name}(")));
        let is_lower = place.begun.starts_with(|c: char| c.is_lowercase());
        let keywords = KEYWORDS.iter().filter(|word| begins(word, place.begun));
        words.extend(keywords.map(|word| {
            if is_lower {
                word.to_lowercase()
            } else {
                (*word).to_owned()
            }
        }));
        words
    }

    async fn columns_of(&self, table: &Used) -> Vec<String> {
        let reference = match table.name.as_slice() {
            [table] => TableReference::bare(table.as_str()),
            [trace, table] => TableReference::partial(trace.as_str(), table.as_str()),
            _ => return Vec::new(),
        };
        let Ok(provider) = self.context().table_provider(reference).await else {
            return Vec::new();
        };
        let schema = provider.schema();
        let fields = schema.fields().iter();
        fields
            .map(|field| quote_identifier(field.name()).into_owned())
            .collect()
    }
}

fn is_meant(table: &Used, qualifier: Option<&str>) -> bool {
    let Some(asked) = qualifier else { return true };
    let name = table.alias.as_ref().or(table.name.last());
    name.is_some_and(|name| is_name(name, asked)) || is_name(&table.name.join("."), asked)
}

fn is_name(name: &str, asked: &str) -> bool {
    name.eq_ignore_ascii_case(asked.trim_matches('"'))
}

fn begins(word: &str, begun: &str) -> bool {
    word.get(..begun.len())
        .is_some_and(|beginning| beginning.eq_ignore_ascii_case(begun))
}
