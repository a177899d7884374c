//! Bad files: what kymo says of each, with which exit status, and that nothing is left behind.

use std::fs;
use std::io::{Cursor, Write as _};

use crate::environment::{TestEnv, fixture, snapshot};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zip(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file(name, zip::write::SimpleFileOptions::default())
        .unwrap();
    zip.write_all(bytes).unwrap();
    zip.finish().unwrap().into_inner()
}

fn pods() -> Vec<u8> {
    fs::read(fixture().join("core_v1_pods.ndjson")).unwrap()
}

/// A home with one file, and the check that there is nothing else in the end.
struct Case {
    env: TestEnv,
    name: &'static str,
}

impl Case {
    fn new(name: &'static str, bytes: &[u8]) -> Self {
        let env = TestEnv::new();
        fs::write(env.path(name), bytes).unwrap();
        Self { env, name }
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        let left: Vec<_> = fs::read_dir(self.env.path(""))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| name != self.name)
            .collect();
        assert!(
            left.is_empty() || std::thread::panicking(),
            "{left:?} is left"
        );
    }
}

#[test]
fn a_truncated_file_gives_what_is_in_front_of_the_cut() {
    let whole = gzip(&pods());
    let env = TestEnv::new();
    fs::write(
        env.path("core_v1_pods.ndjson.gz"),
        &whole[..whole.len() - 100],
    )
    .unwrap();
    let output = env.run([
        "import",
        "watch",
        "core_v1_pods.ndjson.gz",
        "-o",
        "new.kymo",
    ]);
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8(output.stderr).unwrap();
    let said = [
        "imported ",
        "\n  ends early: core_v1_pods.ndjson.gz:",
        ": the compressed data ends early\n",
        "\nwarning: 1 file could not be read to the end; what is in front of the damage was imported\n",
    ];
    assert!(said.iter().all(|part| told.contains(part)), "{told}");
    assert!(env.run(["check", "new.kymo"]).status.success());

    let case = Case::new("core_v1_pods.ndjson.gz", &whole[..40]);
    snapshot!(case.env, ["import", "watch", "core_v1_pods.ndjson.gz", "-o", "new.kymo"], @r#"
    success: false
    exit_code: 4
    ----- stdout -----

    ----- stderr -----
    error: nothing in `core_v1_pods.ndjson.gz` is of the format `watch`; the first that was not read: core_v1_pods.ndjson.gz:1: near byte 40: the compressed data ends early
    hint: `kymo import FORMAT --help` tells what is read
    "#);
}

#[test]
fn a_version_that_is_not_known_is_refused() {
    let trace = r#"{"version":7,"config":{"trackedObjects":{}},"events":[],"index":{},"pod_lifecycles":{}}"#;
    let case = Case::new("trace.json", trace.as_bytes());
    snapshot!(case.env, ["import", "simkube", "trace.json", "-o", "new.kymo"], @r#"
    success: false
    exit_code: 4
    ----- stdout -----

    ----- stderr -----
    error: `trace.json` is of version 7 of its format; version 2 of SimKube's traces is what can be read
    "#);
}

#[test]
fn files_of_several_formats_are_not_guessed_at() {
    let case = Case::new("pods.json", &pods());
    let record = r#"{"time":"2026-11-21T02:07:16Z","event":"Add","resource":{"kind":"Node","apiVersion":"v1","metadata":{"name":"n"}}}"#;
    let folder = tempfile::tempdir().unwrap();
    let records = folder.path().join("records.json");
    fs::write(&records, record).unwrap();
    let mut settings = case.env.settings();
    settings.add_filter(records.to_str().unwrap(), "[RECORDS]");
    settings.bind(|| {
        let args = [
            "import",
            "auto",
            "pods.json",
            records.to_str().unwrap(),
            "-o",
            "new.kymo",
        ];
        insta_cmd::assert_cmd_snapshot!(case.env.command(args), @r#"
        success: false
        exit_code: 4
        ----- stdout -----

        ----- stderr -----
        error: the input is of several formats: watch (`pods.json`), kss (`[RECORDS]`)
        hint: name the format: `kymo import FORMAT PATH...`
        "#);
    });
    let nothing = Case::new("notes.txt", b"hello\n");
    snapshot!(nothing.env, ["import", "auto", "notes.txt", "-o", "new.kymo"], @r#"
    success: false
    exit_code: 4
    ----- stdout -----

    ----- stderr -----
    error: nothing in `notes.txt` is of a format that is known
    hint: name the format: `kymo import FORMAT PATH...`
    "#);
}

#[test]
fn a_lying_length_is_refused() {
    let text = pods();
    let mut lying = zip("core_v1_pods.ndjson", &text);
    let length = (text.len() as u32).to_le_bytes();
    for at in 0..lying.len() - 4 {
        if lying[at..at + 4] == length {
            lying[at..at + 4].copy_from_slice(&12u32.to_le_bytes());
        }
    }
    let case = Case::new("pods.zip", &lying);
    snapshot!(case.env, ["import", "watch", "pods.zip", "-o", "new.kymo"], @r#"
    success: false
    exit_code: 4
    ----- stdout -----

    ----- stderr -----
    error: cannot read `pods.zip!core_v1_pods.ndjson`: the archive says that the entry has 12 bytes, but it has more
    "#);
}

#[test]
fn a_line_that_is_not_utf8_is_counted_and_costs_no_other() {
    let mut text = pods();
    text[300] = 0xff;
    let env = TestEnv::new();
    fs::write(env.path("core_v1_pods.ndjson"), text).unwrap();
    let output = env.run(["import", "watch", "core_v1_pods.ndjson", "-o", "new.kymo"]);
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.starts_with("imported 9 events of 1 resource"),
        "{told}"
    );
    assert!(
        told.contains("\n  1 value that could not be read\n"),
        "{told}"
    );
    assert!(
        told.contains("\n  unreadable: core_v1_pods.ndjson:1: "),
        "{told}"
    );
}

#[test]
fn a_bomb_is_refused() {
    let case = Case::new("pods.ndjson.gz", &gzip(&vec![b'\n'; 2 << 20]));
    snapshot!(case.env, ["import", "watch", "pods.ndjson.gz", "--max-decoded", "1MiB", "-o", "new.kymo"], @r#"
    success: false
    exit_code: 4
    ----- stdout -----

    ----- stderr -----
    error: cannot read `pods.ndjson.gz`: the input decompresses to more than 1048576 bytes
    hint: if you trust the file, allow more with `--max-decoded`, `--max-ratio` or `--max-entries`
    "#);
    let case = Case::new("bomb.gz", &gzip(&vec![b'\n'; 70 << 20]));
    snapshot!(case.env, ["import", "watch", "bomb.gz", "--max-ratio", "100", "-o", "new.kymo"], @r#"
    success: false
    exit_code: 4
    ----- stdout -----

    ----- stderr -----
    error: cannot read `bomb.gz`: the input decompresses to more than 100 times its size
    hint: if you trust the file, allow more with `--max-decoded`, `--max-ratio` or `--max-entries`
    "#);
}

#[test]
fn an_entry_that_leads_out_of_its_archive_is_refused() {
    let case = Case::new("evil.zip", &zip("../../core_v1_pods.ndjson", &pods()));
    snapshot!(case.env, ["import", "auto", "evil.zip", "-o", "new.kymo"], @r#"
    success: false
    exit_code: 4
    ----- stdout -----

    ----- stderr -----
    error: archive `evil.zip` has an entry whose path leads outside: `../../core_v1_pods.ndjson`
    "#);
}

#[test]
fn an_archive_with_too_many_entries_is_refused() {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for number in 0..5 {
        zip.start_file(
            format!("{number}.json"),
            zip::write::SimpleFileOptions::default(),
        )
        .unwrap();
    }
    let case = Case::new("many.zip", &zip.finish().unwrap().into_inner());
    snapshot!(case.env, ["import", "watch", "many.zip", "--max-entries", "4", "-o", "new.kymo"], @r#"
    success: false
    exit_code: 4
    ----- stdout -----

    ----- stderr -----
    error: archive `many.zip` has more than 4 entries
    hint: if you trust the file, allow more with `--max-decoded`, `--max-ratio` or `--max-entries`
    "#);
}
