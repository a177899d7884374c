//! `docs/robustness.md` names a test for every fault, and every test it names exists and says so.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Rows of the table that have no test yet, each with its reason in the document.
const OPEN: [u32; 1] = [24];
const ROWS: std::ops::RangeInclusive<u32> = 1..=38;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sources(folder: &Path, into: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            into.push((path, text));
        }
    }
}

/// Collects the tests whose documentation says which fault they show (`Fault table row 7.` or
/// `Fault table rows 2 and 3.`), by row.
fn tests_by_row() -> BTreeMap<u32, BTreeSet<String>> {
    let mut files = Vec::new();
    sources(&root().join("crates"), &mut files);
    let mut found: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    for (_, text) in &files {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (at, line) in lines.iter().enumerate() {
            let Some((_, rest)) = line.split_once("Fault table row") else {
                continue;
            };
            if !line.starts_with("///") {
                continue;
            }
            let sentence = rest
                .split_terminator(['.', ':', ';', '('])
                .next()
                .unwrap_or_default();
            let rows = sentence
                .split(|c: char| !c.is_ascii_digit())
                .filter_map(|number| number.parse::<u32>().ok());
            let name = lines[at..].iter().find_map(|line| {
                let (_, rest) = line.split_once("fn ")?;
                rest.split(['(', '<']).next().map(str::to_owned)
            });
            for row in rows {
                found.entry(row).or_default().extend(name.clone());
            }
        }
    }
    found
}

/// Reads the rows of the document: number, and the names in back quotes of its last column.
fn rows_of_document() -> BTreeMap<u32, BTreeSet<String>> {
    let text = fs::read_to_string(root().join("docs/robustness.md")).unwrap();
    text.lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.strip_prefix('|')?.split('|').collect();
            let row = cells.first()?.trim().parse().ok()?;
            let names = cells.get(cells.len().checked_sub(2)?)?;
            Some((
                row,
                names
                    .split('`')
                    .skip(1)
                    .step_by(2)
                    .map(str::to_owned)
                    .collect(),
            ))
        })
        .collect()
}

#[test]
fn every_fault_has_a_test_and_the_document_names_it() {
    let (tests, document) = (tests_by_row(), rows_of_document());
    for row in ROWS {
        let named = document
            .get(&row)
            .unwrap_or_else(|| panic!("row {row} is not documented"));
        let exist = tests.get(&row).cloned().unwrap_or_default();
        let unknown: Vec<_> = named.difference(&exist).collect();
        assert!(
            unknown.is_empty(),
            "row {row} names tests that do not say so: {unknown:?}"
        );
        assert_eq!(
            named.is_empty(),
            OPEN.contains(&row) && exist.is_empty(),
            "row {row}: the document names {named:?}, the code has {exist:?}"
        );
    }
}
