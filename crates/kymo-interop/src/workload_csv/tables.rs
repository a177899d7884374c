//! The data sets that are known, and which of their tables a file is.
//!
//! A data set is added by a mapping file in `mappings`, as long as its rows are nodes or pods.

use std::fmt::Write as _;
use std::sync::LazyLock;

use super::mapping::{Mapping, Origin, Role, Source, Subject, Table};

const SHIPPED: [(&str, &str); 2] = [
    ("openb.yaml", include_str!("mappings/openb.yaml")),
    ("helios.yaml", include_str!("mappings/helios.yaml")),
];

/// Returns the mappings that kymo has.
pub(super) fn shipped() -> &'static [Mapping] {
    // A test reads all of them.
    static MAPPINGS: LazyLock<Vec<Mapping>> = LazyLock::new(|| {
        let read = SHIPPED.iter();
        read.filter_map(|(name, text)| Mapping::parse(name, text).ok())
            .collect()
    });
    &MAPPINGS
}

/// A table, and where its columns stand in a file.
#[derive(Debug)]
pub(super) struct Layout<'a> {
    pub(super) mapping: &'a Mapping,
    pub(super) table: &'a Table,
    /// What a column is, and its place.
    places: Vec<(Role, usize)>,
    /// Titles that the table does not have.
    pub(super) unknown: Vec<String>,
}

impl<'a> Layout<'a> {
    /// Finds the table of a file by its first line.
    pub(super) fn of(mappings: &'a [Mapping], titles: &[&str]) -> Option<Self> {
        let needed = |table: &Table| {
            let columns = table.columns();
            columns.filter(|(_, is_optional)| !is_optional).count()
        };
        let (mapping, table) = mappings
            .iter()
            .flat_map(|mapping| mapping.tables.iter().map(move |table| (mapping, table)))
            .filter(|(_, table)| lacks(table, titles).is_empty())
            .max_by_key(|(_, table)| needed(table))?;
        let place = |source: &Source| match &source.from {
            Origin::Column { title, .. } => titles.iter().position(|found| found == title),
            Origin::Value(_) => None,
        };
        let sources = table.sources.iter();
        let places: Vec<_> = sources
            .filter_map(|source| Some((source.role, place(source)?)))
            .collect();
        let is_unknown = |at: &usize| !places.iter().any(|(_, place)| place == at);
        let unknown = titles.iter().enumerate().filter(|(at, _)| is_unknown(at));
        Some(Self {
            mapping,
            table,
            unknown: unknown.map(|(_, title)| (*title).to_owned()).collect(),
            places,
        })
    }

    /// Returns the place of a column, if the file has it.
    pub(super) fn place(&self, role: Role) -> Option<usize> {
        let place = self.places.iter().find(|(found, _)| *found == role)?;
        Some(place.1)
    }
}

/// Returns the columns of a table that a file would have to have.
pub(super) fn lacks<'a>(table: &'a Table, titles: &[&str]) -> Vec<&'a str> {
    table
        .columns()
        .filter(|(title, is_optional)| !is_optional && !titles.contains(title))
        .map(|(title, _)| title)
        .collect()
}

/// Lists what is known, for people.
pub(super) fn known(mappings: &[Mapping]) -> String {
    let mut text = String::new();
    for mapping in mappings {
        for table in &mapping.tables {
            let separator = if text.is_empty() { "" } else { "; " };
            let subject = plural(table.subject);
            // Writing to a string does not fail.
            let _ = write!(text, "{separator}{subject} of {}: ", mapping.name);
            let titles: Vec<String> = table
                .columns()
                .map(|(title, is_optional)| {
                    if is_optional {
                        format!("({title})")
                    } else {
                        title.to_owned()
                    }
                })
                .collect();
            text.push_str(&titles.join(", "));
        }
    }
    text
}

/// Returns the key of a table.
pub(super) fn plural(subject: Subject) -> &'static str {
    match subject {
        Subject::Node => "nodes",
        Subject::Pod => "pods",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_mapping_can_be_read() {
        for (name, text) in SHIPPED {
            let read = Mapping::parse(name, text);
            assert!(read.is_ok(), "{:?}", read.err());
        }
        assert_eq!(shipped().len(), SHIPPED.len());
    }

    #[test]
    fn a_table_is_known_by_its_columns_in_any_order() {
        let titles = ["gpu", "extra", "memory_mib", "sn", "cpu_milli"];
        let layout = Layout::of(shipped(), &titles).unwrap();
        assert_eq!(layout.table.subject, Subject::Node);
        assert_eq!(layout.place(Role::Name), Some(3));
        assert_eq!(layout.place(Role::GpuModel), None);
        assert_eq!(layout.unknown, ["extra"]);
        assert!(Layout::of(shipped(), &["sn", "cpu_milli"]).is_none());
        assert!(Layout::of(shipped(), &[]).is_none());
    }

    #[test]
    fn what_is_known_is_listed_with_what_may_be_missing() {
        let known = known(shipped());
        assert!(known.starts_with("nodes of Alibaba"), "{known}");
        assert!(known.contains("sn, cpu_milli, memory_mib, gpu, (model); pods of"));
        assert!(known.contains("(scheduled_time), (deletion_time); pods of SenseTime Helios: "));
        assert!(known.ends_with("state, start_time, end_time"), "{known}");
    }
}
