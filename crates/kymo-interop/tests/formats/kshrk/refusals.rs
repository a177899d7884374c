//! Archives that are refused, and records that are left out.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use kymo_interop::{Error, Format, ImportOptions};
use serde_json::{Value, json};

use super::capture::{Capture, folder_of, packed, pod, zipped};
use super::{PODS, import};
use crate::support::{run, told};
use crate::timeline::time;

fn refused(files: &BTreeMap<String, Vec<u8>>) -> Error {
    let folder = tempfile::tempdir().unwrap();
    let path = zipped(folder.path(), files);
    refused_file(folder.path(), &path)
}

fn refused_file(folder: &Path, path: &Path) -> Error {
    let output = folder.join("out.kymo");
    let options = ImportOptions::new(Some(Format::Kshrk), vec![path.to_owned()], output.clone());
    let error = run(&options).unwrap_err();
    assert!(error.is_bad_input(), "{error}");
    assert!(!output.exists());
    error
}

#[test]
fn newer_encrypted_and_broken_archives_are_refused_with_the_reason() {
    let mut capture = Capture::default();
    capture.list(PODS, 1, 10, &[pod("a", 5)]);
    let with = |name: &str, bytes: &[u8]| {
        let mut files = capture.files(2);
        files.insert(name.to_owned(), bytes.to_vec());
        refused(&files).to_string()
    };
    let without = |name: &str| {
        let mut files = capture.files(2);
        files.remove(name);
        refused(&files).to_string()
    };
    for (error, reason) in [
        (
            with("metadata.json", br#"{"format_version":3}"#),
            "version 3",
        ),
        (
            with("metadata.json", br#"{"format_version":-1}"#),
            "version -1",
        ),
        (with("metadata.json", b"{"), "metadata.json: EOF"),
        (without("metadata.json"), "metadata.json: missing"),
        (without("index.json.zst"), "index.json: missing"),
        (
            with("index.json.zst", &packed(&json!({"/api/v1/pods": 7}))),
            "index.json: invalid type",
        ),
        (
            with("watch-index.json.zst", &packed(&Value::Null)),
            "watch-index.json: invalid type",
        ),
        (
            with("index.json.zst", b"no zstd, no JSON"),
            "index.json: expected",
        ),
        (
            with(
                "index.json.zst",
                &zstd::bulk::compress(&vec![b' '; 200_000], 1).unwrap(),
            ),
            "more than its records need",
        ),
    ] {
        assert!(error.contains(reason), "{reason}: {error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let age = folder.path().join("secret.kshrk");
    fs::write(&age, "age-encryption.org/v1\n-> scrypt x 18\n\u{1}\u{2}").unwrap();
    let error = refused_file(folder.path(), &age).to_string();
    assert!(error.contains("encrypted with age"), "{error}");
    let whole = fs::read(capture.archive(folder.path(), 2)).unwrap();
    let cut = folder.path().join("cut.kshrk");
    fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let error = refused_file(folder.path(), &cut).to_string();
    let reason = "the directory of the archive cannot be read";
    assert!(error.contains(reason), "{error}");
}

#[test]
fn an_index_that_lies_costs_only_the_records_it_lies_about() {
    let mut capture = Capture::default();
    capture
        .list(PODS, 1, 10, &[pod("a", 5)])
        .event(PODS, 5, "MODIFIED", pod("a", 15));
    let other = "/api/v1/namespaces/back/pods";
    let mut files = capture.files(2);
    let lists = json!({"entries": {
        PODS: {"seqs": [0, 7, 8], "times": [time(1000), time(2000)]},
        other: {"seqs": [0], "times": [time(3000)]},
    }});
    files.insert("index.json.zst".to_owned(), packed(&lists));
    let stranger = files[&format!("records/{}/0.json.zst", folder_of(PODS))].clone();
    files.insert(format!("records/{}/0.json.zst", folder_of(other)), stranger);
    files.insert("records/ff/0.json.zst".to_owned(), b"x".to_vec());
    let bad = format!("records/{}/1.json.zst", folder_of(PODS));
    let folder = tempfile::tempdir().unwrap();
    let (report, trace) = import(folder.path(), &zipped(folder.path(), &files));
    assert_eq!(told(&trace), ["listed ADDED a 5", "seen MODIFIED a 15"]);
    let reasons: Vec<&str> = report
        .unreadable_lines
        .iter()
        .map(|line| line.reason.as_str())
        .collect();
    assert_eq!(
        reasons,
        [
            "the index has no time for the record",
            "the index names a record that is not in the archive",
            "the record is of another path",
        ]
    );
    assert_eq!(report.unreadable_lines[1].line, 8);
    // A record that is damaged or cut is counted, and the next one is read.
    for bytes in [&b"\x28\xb5\x2f\xfd\x04"[..], &files[&bad][..20]] {
        let mut files = files.clone();
        files.insert(bad.clone(), bytes.to_vec());
        let folder = tempfile::tempdir().unwrap();
        let (report, trace) = import(folder.path(), &zipped(folder.path(), &files));
        assert_eq!(report.unreadable, 4, "{}", report.summary());
        assert_eq!(told(&trace), ["listed ADDED a 5"]);
    }
}

#[test]
fn a_record_that_is_a_bomb_is_stopped_and_told() {
    let mut capture = Capture::default();
    capture
        .list(PODS, 1, 10, &[pod("a", 5)])
        .list(PODS, 5, 20, &[pod("a", 15)]);
    let mut files = capture.files(2);
    let mut bomb = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    let record = capture.records[1].to_string();
    let (start, _) = record.split_once("\"items\":[").unwrap();
    bomb.write_all(format!("{start}\"items\":[").as_bytes())
        .unwrap();
    let blank = vec![b' '; 1 << 20];
    for _ in 0..70 {
        bomb.write_all(&blank).unwrap();
    }
    let name = format!("records/{}/1.json.zst", folder_of(PODS));
    files.insert(name, bomb.finish().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let (report, trace) = import(folder.path(), &zipped(folder.path(), &files));
    assert_eq!(told(&trace), ["listed ADDED a 5"]);
    let reason = &report.unreadable_lines[0].reason;
    assert!(reason.contains("times its size"), "{reason}");
}

#[test]
fn an_entry_that_leads_out_of_the_archive_is_refused() {
    let mut capture = Capture::default();
    capture.list(PODS, 1, 10, &[pod("a", 5)]);
    let mut files = capture.files(2);
    files.insert("../../../evil.json".to_owned(), b"{}".to_vec());
    assert!(matches!(refused(&files), Error::UnsafeEntry { .. }));
}
