use std::fs;

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
      1 file skipped
      unreadable: streams/core_v1_pods.ndjson:1: not JSON: EOF while parsing a string at line 1 column 900
      skipped: streams/_notes.ndjson: its name begins with `_` or `.`
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
    error: no watch stream in `empty`
    hint: streams in folders and archives end in .ndjson, .jsonl or .json, and .gz or .zst
    "#);
    snapshot!(env, ["import", "watch", "notes.txt", "-o", "new.kymo"], @r#"
    success: false
    exit_code: 4
    ----- stdout -----

    ----- stderr -----
    error: nothing in `notes.txt` is a watch event or a list; the first line that was not read: notes.txt:1: not a JSON object
    hint: `kymo import watch --help` tells what is read
    "#);
    snapshot!(env, ["import", "watch", "kubectl.json", "-o", "new.kymo"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: `kubectl.json` has no receive times
    hint: give the time of the first event with `--start 2026-11-21T02:07:16Z`, or `--live` to take the time of reading
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
fn standard_input_is_imported_as_it_comes() {
    use std::io::Write as _;
    use std::process::Stdio;
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
