//! Logs that other projects published.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{Counted, events, import};
use crate::support::shared_data;

/// Counts the events of all files, one JSON value after the other.
fn counted(files: &[std::path::PathBuf]) -> Counted {
    let mut counted = Counted::default();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        for value in serde_json::Deserializer::from_str(&text).into_iter::<Value>() {
            let value = value.unwrap();
            if value["auditID"].is_string() {
                counted.take(&value);
            }
        }
    }
    counted
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

#[test]
fn the_logs_of_falco_come_over_request_for_request() {
    let Some(logs) = shared_data("public/falco-k8s-audit") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (report, trace) = import(folder.path(), vec![logs.clone()]);
    counted(&files(&logs)).assert_is(&report, &events(&trace));
    // One file is broken on purpose.
    assert_eq!(report.unreadable, 1);
    assert!(report.unreadable_lines[0].path.ends_with("fal_01_003.json"));
}

#[test]
fn every_log_of_falco_comes_over_alone_too() {
    let Some(logs) = shared_data("public/falco-k8s-audit") else {
        return;
    };
    for file in files(&logs) {
        let folder = tempfile::tempdir().unwrap();
        if file.ends_with("fal_01_003.json") {
            continue;
        }
        let (report, trace) = import(folder.path(), vec![file.clone()]);
        assert_eq!(report.unreadable, 0, "{}", file.display());
        counted(std::slice::from_ref(&file)).assert_is(&report, &events(&trace));
    }
}

#[test]
fn a_log_of_2017_that_only_reads_gives_an_empty_trace_and_says_so() {
    let Some(logs) = shared_data("public/audit2rbac") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (report, trace) = import(folder.path(), vec![logs.clone()]);
    assert_eq!(events(&trace).len(), 0);
    counted(&files(&logs)).assert_is(&report, &[]);
    assert_eq!(report.notes.values().sum::<u64>(), 37);
}
