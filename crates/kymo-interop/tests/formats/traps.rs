//! `docs/import.md` names a test for each trap of the formats, and every file of the shared data
//! is counted by a test.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::shared_data;

/// How many traps there are.
const TRAPS: u32 = 14;

/// The files of the shared data, or the folders they are in, and the test that imports them and
/// compares with what it counts in them itself.
const INPUTS: [(&str, &str); 11] = [
    (
        "public/audit2rbac",
        "a_log_of_2017_that_only_reads_gives_an_empty_trace_and_says_so",
    ),
    (
        "public/falco-k8s-audit",
        "the_logs_of_falco_come_over_request_for_request",
    ),
    (
        "public/k8shark",
        "the_published_captures_come_over_version_for_version",
    ),
    (
        "public/kubernetes-api-testdata-HEAD.tar.zst",
        "json_and_yaml_of_every_kind_of_kubernetes_give_the_same_objects",
    ),
    (
        "public/must-gather",
        "every_object_of_a_must_gather_is_stored_once",
    ),
    ("public/openb", "the_public_tables_come_over_row_for_row"),
    (
        "public/simkube",
        "every_public_trace_comes_over_event_for_event",
    ),
    (
        "public/support-bundle.tar.zst",
        "every_object_of_a_support_bundle_is_stored",
    ),
    (
        "recorded/control-plane-2100-pods.tar.zst",
        "the_whole_recording_comes_over_event_for_event_and_object_for_object",
    ),
    (
        "recorded/control-plane-2100-pods.tar.zst",
        "the_log_and_the_watch_streams_of_a_run_agree_on_every_version",
    ),
    (
        "recorded/control-plane-audit-14000.jsonl.zst",
        "the_recorded_log_comes_over_request_for_request",
    ),
];

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// The names of the tests of this package, each with the text of its file.
fn tests() -> Vec<(String, String)> {
    let sources = ["src", "tests"].map(|folder| files(&package().join(folder)));
    let mut tests = Vec::new();
    for file in sources.into_iter().flatten() {
        let text = fs::read_to_string(file).unwrap();
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            is_test |= line == "#[test]" || line == "#[rstest]";
            if let Some(rest) = line.strip_prefix("fn ").filter(|_| is_test) {
                let name = rest.split(['(', '<']).next().unwrap();
                tests.push((name.to_owned(), text.clone()));
                is_test = false;
            }
        }
    }
    tests
}

#[test]
fn every_trap_has_a_test_and_the_document_names_it() {
    let tests: BTreeSet<String> = tests().into_iter().map(|(name, _)| name).collect();
    let document = fs::read_to_string(package().join("../../docs/import.md")).unwrap();
    let mut traps = BTreeSet::new();
    for line in document.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let Some(Ok(trap)) = cells.get(1).map(|cell| cell.parse::<u32>()) else {
            continue;
        };
        let names: Vec<&str> = cells[cells.len() - 2]
            .split('`')
            .skip(1)
            .step_by(2)
            .collect();
        assert!(!names.is_empty(), "trap {trap} has no test");
        for name in names {
            assert!(tests.contains(name), "trap {trap}: there is no test {name}");
        }
        traps.insert(trap);
    }
    assert_eq!(traps, (1..=TRAPS).collect());
}

#[test]
fn every_file_of_the_shared_data_is_counted_by_a_test() {
    let tests = tests();
    for (input, name) in INPUTS {
        let test = tests.iter().find(|(test, _)| test == name);
        let (_, text) = test.unwrap_or_else(|| panic!("there is no test {name}"));
        assert!(text.contains(input), "{name} does not read {input}");
    }
    let mut count = 0;
    for folder in ["public", "recorded"] {
        let Some(folder) = shared_data(folder) else {
            return;
        };
        for file in files(&folder) {
            let path = file.strip_prefix(folder.parent().unwrap()).unwrap();
            let is_read = INPUTS.iter().any(|(input, _)| path.starts_with(input));
            assert!(is_read, "no test reads {}", path.display());
            count += 1;
        }
    }
    assert!(count > 60, "{count} files");
}
