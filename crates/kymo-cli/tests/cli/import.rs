use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use crate::environment::{TestEnv, fixture, snapshot};

#[test]
fn an_import_tells_what_came_over_and_what_did_not() {
    let env = TestEnv::new();
    let streams = env.path("streams");
    fs::create_dir(&streams).unwrap();
    let pods = fs::read_to_string(fixture().join("core_v1_pods.ndjson")).unwrap();
    let (first, rest) = pods.split_once('\n').unwrap();
    let cut = &first[..900];
    fs::write(
        streams.join("core_v1_pods.ndjson"),
        format!("{cut}\n{rest}"),
    )
    .unwrap();
    fs::write(streams.join("_notes.ndjson"), "{}").unwrap();
    snapshot!(env, ["import", "watch", "streams", "-o", "edge.kymo"], @r#"
    success: true
    exit_code: 0
    ----- stdout -----

    ----- stderr -----
    imported 9 events of 1 resource from 1 stream
      from 2026-11-21T02:08:31.264291717Z to 2026-11-21T02:10:27.040558710Z
      1 bookmark
      1 object whose first event is not ADDED
      1 value that could not be read
      unreadable: streams/core_v1_pods.ndjson:1: not JSON: EOF while parsing a string at line 1 column 900
      skipped 1 file: its name begins with `_` or `.`: streams/_notes.ndjson
    "#);
}

#[test]
fn an_import_that_cannot_be_done_says_why_and_leaves_nothing() {
    let env = TestEnv::new();
    fs::write(env.path("notes.txt"), "hello\n").unwrap();
    fs::create_dir(env.path("empty")).unwrap();
    fs::create_dir(env.path("taken.kymo")).unwrap();
    let event = r#"{"type":"ADDED","object":{"kind":"Node","apiVersion":"v1","metadata":{"name":"n","uid":"u","resourceVersion":"1"}}}"#;
    fs::write(env.path("kubectl.json"), event).unwrap();
    snapshot!(env, ["import", "watch", "nowhere", "-o", "new.kymo"], @r#"
    success: false
    exit_code: 3
    ----- stdout -----

    ----- stderr -----
    error: cannot open `nowhere`: No such file or directory (os error 2)
    "#);
    snapshot!(env, ["import", "watch", "empty", "-o", "new.kymo"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: nothing to import in `empty`
    hint: `kymo import FORMAT --help` tells what is read
    "#);
    snapshot!(env, ["import", "watch", "notes.txt", "-o", "new.kymo"], @r#"
    success: false
    exit_code: 4
    ----- stdout -----

    ----- stderr -----
    error: nothing in `notes.txt` is of the format `watch`; the first that was not read: notes.txt:1: not a JSON object
    hint: `kymo import FORMAT --help` tells what is read
    "#);
    snapshot!(env, ["import", "watch", "kubectl.json", "-o", "new.kymo"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: `kubectl.json` has no receive times
    hint: give the first time with `--start 2026-11-21T02:07:16Z`; `kymo import watch` also takes `--live`, for the time of reading
    "#);
    snapshot!(env, ["import", "watch", "kubectl.json", "--live", "-o", "taken.kymo"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: output `taken.kymo` exists already
    hint: name a trace that does not exist yet
    "#);
    snapshot!(env, ["import", "watch", "kubectl.json", "--live", "-o", "missing/new.kymo"], @r#"
    success: false
    exit_code: 3
    ----- stdout -----

    ----- stderr -----
    error: cannot write `missing/new.kymo`: No such file or directory (os error 2) at path "[HOME]/missing/.kymo-import-[RANDOM]"
    "#);
    let mut left: Vec<_> = fs::read_dir(env.path(""))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["empty", "kubectl.json", "notes.txt", "taken.kymo"]);
}

#[test]
fn a_word_that_is_no_format_is_told_with_those_that_are() {
    let env = TestEnv::new();
    let output = env.run(["import", "wach", "pods.ndjson", "-o", "new.kymo"]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.starts_with("error: `wach` is no format\nhint: the formats are: "),
        "{told}"
    );
    for format in kymo_interop::Format::ALL {
        assert!(told.contains(format.as_str()), "{told}");
        assert_ne!(
            env.run(["import", format.as_str(), "--help"]).status.code(),
            Some(2)
        );
    }
    fs::write(env.path("pods.ndjson"), "{}").unwrap();
    let output = env.run(["import", "pods.ndjson", "-o", "new.kymo"]);
    let told = String::from_utf8(output.stderr).unwrap();
    let hint = "hint: `kymo import auto PATH...` finds the format out\n";
    assert!(told.ends_with(hint), "{told}");
}

#[test]
fn the_format_is_found_out_and_the_loss_report_is_written_as_json() {
    let env = TestEnv::new();
    let pods = fixture().join("core_v1_pods.ndjson");
    let pods = pods.to_str().unwrap();
    let import = |trace: &str, report: &str| {
        env.run([
            "import",
            "auto",
            pods,
            "-q",
            "-o",
            trace,
            "--loss-report",
            report,
        ])
    };
    let output = import("a.kymo", "loss.json");
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    let report = fs::read(env.path("loss.json")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["resources"]["pods"]["modified"], 8);
    assert_eq!(report["unreadable"], 0);

    let output = import("b.kymo", "-");
    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed, report);
    snapshot!(env, ["import", "auto", pods, "-q", "-o", "c.kymo", "--loss-report", "no/loss.json"], @r#"
    success: false
    exit_code: 3
    ----- stdout -----

    ----- stderr -----
    error: the trace is made, but the loss report `no/loss.json` cannot be written
      caused by: No such file or directory (os error 2)
    "#);
}

#[test]
fn standard_input_is_imported_as_it_comes() {
    let env = TestEnv::new();
    let mut child = env
        .command(["import", "watch", "-", "--live", "-o", "nodes.parquet"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let event = |event_type: &str, rv: u32| {
        format!(
            "{{\n  \"type\": \"{event_type}\",\n  \"object\": {{\n    \"kind\": \"Node\", \"apiVersion\": \"v1\",\n    \"metadata\": {{\"name\": \"n\", \"uid\": \"u\", \"resourceVersion\": \"{rv}\"}}\n  }}\n}}\n"
        )
    };
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all((event("ADDED", 5) + &event("MODIFIED", 6)).as_bytes())
        .unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let inspected = env.run(["inspect", "nodes.parquet", "--format", "json"]);
    let inspected: serde_json::Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!(inspected["events"], 2);
    assert_eq!(inspected["resources"][0]["resource"], "nodes");
    assert_eq!(inspected["first"], "2026-11-22T08:00:00.000000000Z");
}

#[test]
fn standard_input_may_be_compressed_and_may_be_an_archive() {
    let text = fs::read(fixture().join("core_v1_pods.ndjson")).unwrap();
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    tar.append_data(&mut header, "core_v1_pods.ndjson", text.as_slice())
        .unwrap();
    let tar = tar.into_inner().unwrap();
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file(
        "core_v1_pods.ndjson",
        zip::write::SimpleFileOptions::default(),
    )
    .unwrap();
    zip.write_all(&text).unwrap();
    let zip = zip.finish().unwrap().into_inner();
    let cases = [
        gzip(&text),
        tar.clone(),
        gzip(&tar),
        zip.clone(),
        gzip(&zip),
    ];
    for format in ["watch", "auto"] {
        for bytes in [text.clone()].iter().chain(&cases) {
            let env = TestEnv::new();
            let mut child = env
                .command(["import", format, "-", "-o", "pods.kymo"])
                .stdin(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut stdin = child.stdin.take().unwrap();
            // What follows the end of an archive need not be read.
            if let Err(error) = stdin.write_all(bytes) {
                assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
            }
            drop(stdin);
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{output:?}");
            let told = String::from_utf8(output.stderr).unwrap();
            assert!(
                told.starts_with("imported 10 events of 1 resource"),
                "{told}"
            );
        }
    }
}

#[test]
fn more_files_than_may_be_open_are_imported() {
    let env = TestEnv::new();
    let streams = env.path("streams");
    fs::create_dir(&streams).unwrap();
    let line = |number: usize, second: usize| {
        format!(
            r#"{{"recv":"2026-11-21T02:07:{second:02}Z","event":{{"type":"ADDED","object":{{"kind":"Node","apiVersion":"v1","metadata":{{"name":"{number}-{second}","uid":"{number}-{second}","resourceVersion":"5"}}}}}}}}"#
        ) + "\n"
    };
    for number in 0..400 {
        let text = line(number, 1) + &line(number, 30) + &line(number, 59);
        fs::write(streams.join(format!("{number}.ndjson")), text).unwrap();
    }
    let kymo = env.command([
        "import",
        "watch",
        "streams",
        "-q",
        "-o",
        "nodes.kymo",
        "--loss-report",
        "-",
    ]);
    let script = format!(
        "ulimit -n 200; exec {} {}",
        kymo.get_program().display(),
        kymo.get_args()
            .map(|arg| arg.to_str().unwrap())
            .collect::<Vec<_>>()
            .join(" "),
    );
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &script]).current_dir(env.path(""));
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["resources"]["nodes"]["added"], 1200);
    assert_eq!(report["backward_times"], 0);
}

#[test]
fn a_mapping_that_cannot_be_used_is_told_with_its_place() {
    let env = TestEnv::new();
    fs::write(env.path("tasks.csv"), "task,begun\nt-1,5\n").unwrap();
    let mapping = "name: own\ntimes: {unit: h, zero: epoch}\n";
    fs::write(env.path("unit.yaml"), mapping).unwrap();
    let mapping = "name: own\ntimes: {unit: s, zero: epoch}\n\
        pods: {name: {column: task}, created: {column: submitted}}\n";
    fs::write(env.path("column.yaml"), mapping).unwrap();
    let import = |mapping| {
        let words = ["import", "workload-csv", "tasks.csv", "-o", "new.kymo"];
        let output = env.run([&words[..], &["--mapping", mapping]].concat());
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, told) = import("unit.yaml");
    assert_eq!(code, Some(2), "{told}");
    assert!(
        told.starts_with("error: `unit.yaml`, line 2, column 15: "),
        "{told}"
    );
    let (code, told) = import("column.yaml");
    assert_eq!(code, Some(2), "{told}");
    assert_eq!(
        told,
        "error: `tasks.csv`, line 1: it is no table of the mapping `column.yaml`: \
         it lacks `submitted` for `pods`\n"
    );
    assert!(!env.path("new.kymo").exists());
}
