use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::environment::{TestEnv, snapshot};

const COUNT: &str =
    "SELECT kind, type, count(*) AS n FROM events GROUP BY ALL ORDER BY n DESC, kind, type LIMIT 3";

#[test]
fn answers_come_as_table_csv_json_and_lines() {
    let env = TestEnv::with_trace();
    snapshot!(env, ["query", "edge.kymo", COUNT], @r#"
    success: true
    exit_code: 0
    ----- stdout -----
    kind       type       n
    ---------  --------  --
    Event      ADDED     13
    Pod        MODIFIED   8
    Namespace  ADDED      6

    ----- stderr -----
    "#);
    snapshot!(env, ["query", "edge.kymo", COUNT, "--format", "csv"], @r#"
    success: true
    exit_code: 0
    ----- stdout -----
    kind,type,n
    Event,ADDED,13
    Pod,MODIFIED,8
    Namespace,ADDED,6

    ----- stderr -----
    "#);
    snapshot!(env, ["query", "edge.kymo", COUNT, "--format", "json"], @r#"
    success: true
    exit_code: 0
    ----- stdout -----
    [{"kind":"Event","type":"ADDED","n":13},{"kind":"Pod","type":"MODIFIED","n":8},{"kind":"Namespace","type":"ADDED","n":6}]

    ----- stderr -----
    "#);
    snapshot!(env, ["query", "edge.kymo", COUNT, "--format", "ndjson"], @r#"
    success: true
    exit_code: 0
    ----- stdout -----
    {"kind":"Event","type":"ADDED","n":13}
    {"kind":"Pod","type":"MODIFIED","n":8}
    {"kind":"Namespace","type":"ADDED","n":6}

    ----- stderr -----
    "#);
}

#[test]
fn a_table_fits_the_terminal() {
    let env = TestEnv::with_trace();
    let sql = "SELECT name, labels, object FROM events WHERE kind = 'Service' ORDER BY seq LIMIT 1";
    let output = env.run(["query", "edge.kymo", sql]);
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(
        table.lines().count() == 3 && table.lines().all(|line| line.chars().count() <= 100),
        "{table}"
    );
}

#[test]
fn objects_are_reached_into_and_come_out_as_json() {
    let env = TestEnv::with_trace();
    let sql = "SELECT object -> 'spec' -> 'ports' -> 0 AS port FROM events WHERE kind = 'Service' AND name = 'edge-auth'";
    let output = env.run(["query", "edge.kymo", sql, "--format", "ndjson"]);
    let row: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(row["port"]["port"].is_u64(), "{row}");
}

#[test]
fn a_statement_that_is_wrong_is_shown_with_a_mark() {
    let env = TestEnv::with_trace();
    fs::write(env.path("wrong.sql"), "SELECT kind,\n  nam\nFROM events").unwrap();
    snapshot!(env, ["query", "edge.kymo", "SELECT kind events FROM ,"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: syntax error: Expected: identifier, found: ,
        |
      1 | SELECT kind events FROM ,
        |                         ^
    "#);
    snapshot!(env, ["query", "edge.kymo", "-f", "wrong.sql"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: no column `nam`; did you mean `name`?
        |
      2 |   nam
        |   ^^^
    hint: `DESCRIBE events` lists the columns of a table
    "#);
    snapshot!(env, ["query", "edge.kymo", "SELECT name FROM events WHERE kind = \"Pod\" OR ts > '10m'"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: no column `Pod`
        |
      1 | SELECT name FROM events WHERE kind = "Pod" OR ts > '10m'
        |                                      ^^^
    hint: a text stands between single quotes; double quotes are for names
    "#);
    snapshot!(env, ["query", "edge.kymo", "SELECT name FROM events WHERE kind = 'Pod' OR ts > '10m'"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: `10m` is not a time
        |
      1 | SELECT name FROM events WHERE kind = 'Pod' OR ts > '10m'
        |                                                    ^^^^^
    hint: write it as in '2026-11-21T02:00:00Z', or `at('10m')` for ten minutes after the trace's start and `at('-10m')` before its end
    "#);
    snapshot!(env, ["query", "edge.kymo", "SELECT * FROM evnts"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: no table `evnts`; did you mean `events`?
        |
      1 | SELECT * FROM evnts
        |               ^^^^^
    hint: `SHOW TABLES` lists the tables
    "#);
    snapshot!(env, ["query", "edge.kymo", "SELECT * FROM evnts", "--format", "json"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    {"error":{"kind":"usage","exit_code":2,"message":"no table `evnts`; did you mean `events`?","causes":[],"hints":["`SHOW TABLES` lists the tables"]}}
    "#);
    snapshot!(env, ["query", "edge.kymo", "-f", "missing.sql"], @r#"
    success: false
    exit_code: 3
    ----- stdout -----

    ----- stderr -----
    error: cannot read `missing.sql`
      caused by: No such file or directory (os error 2)
    "#);
}

#[test]
fn several_statements_of_an_argument_are_asked_in_turn() {
    let env = TestEnv::with_trace();
    snapshot!(env, ["query", "edge.kymo", "SELECT 1 AS a; SELECT ';' AS b", "--format", "csv"], @r#"
    success: true
    exit_code: 0
    ----- stdout -----
    a
    1
    b
    ;

    ----- stderr -----
    "#);
    snapshot!(env, ["query", "edge.kymo", "SELECT 1 AS a; SELECT 2 AS b", "-o", "both.csv"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: several statements cannot be answered in one file
    "#);
    assert!(!env.path("both.csv").exists());
}

#[test]
fn what_does_not_read_is_refused() {
    let env = TestEnv::with_trace();
    for sql in [
        "DELETE FROM events",
        "COPY events TO 'out.csv'",
        "SET datafusion.execution.batch_size = 1",
        "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM 'file:///etc/passwd'",
    ] {
        let output = env.run(["query", "edge.kymo", sql]);
        assert_eq!(output.status.code(), Some(2), "{sql}: {output:?}");
        assert!(output.stdout.is_empty(), "{sql}");
    }
    assert!(!env.path("out.csv").exists());
}

#[test]
fn a_gap_inside_the_question_is_told_on_stderr() {
    let env = TestEnv::new();
    let event = |second: u32, rv: u32| {
        format!(
            "{{\"recv\":\"2026-11-21T02:00:{second:02}Z\",\"event\":{{\"type\":\"MODIFIED\",\"object\":{{\"kind\":\"Node\",\"apiVersion\":\"v1\",\"metadata\":{{\"name\":\"n\",\"uid\":\"u\",\"resourceVersion\":\"{rv}\"}}}}}}}}\n"
        )
    };
    let gone = "{\"recv\":\"2026-11-21T02:00:02Z\",\"event\":{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,\"message\":\"too old\"}}}\n";
    fs::write(
        env.path("core_v1_nodes.ndjson"),
        event(1, 1) + gone + &event(44, 9),
    )
    .unwrap();
    let import = env.run(["import", "watch", "core_v1_nodes.ndjson", "-o", "n.kymo"]);
    assert!(import.status.success(), "{import:?}");
    snapshot!(env, ["query", "n.kymo", "SELECT count(*) AS n FROM events"], @r#"
    success: true
    exit_code: 0
    ----- stdout -----
    n
    -
    2

    ----- stderr -----
    note: 3 gaps of 42 s together in nodes (uncertain); see `coverage`
    "#);
}

#[test]
fn values_are_given_on_the_command_line() {
    let env = TestEnv::with_trace();
    let sql = "SELECT DISTINCT kind, name FROM events WHERE kind = $kind AND ts < now() AND name LIKE $like LIMIT $n";
    snapshot!(env, ["query", "edge.kymo", sql, "-p", "kind=Deployment", "-p", "like=edge%", "-p", "n=3"], @r#"
    success: true
    exit_code: 0
    ----- stdout -----
    kind        name
    ----------  ---------
    Deployment  edge-auth

    ----- stderr -----

    "#);
    snapshot!(env, ["query", "edge.kymo", "SELECT name\nFROM events WHERE kind = $kind", "-p", "kid=Pod"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: no value for the parameter `$kind`; did you mean `$kid`?
        |
      2 | FROM events WHERE kind = $kind
        |                          ^
    "#);
    snapshot!(env, ["query", "edge.kymo", "SELECT 1", "-p", "kind=Pod"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: the statement has no parameter `$kind`
    "#);
    snapshot!(env, ["query", "edge.kymo", "SELECT $a", "-p", "a=1", "-p", "a=2"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: the parameter `$a` has two values
    "#);
    snapshot!(env, ["query", "edge.kymo", "SELECT $a", "-p", "a"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: invalid value 'a' for '--param <NAME=VALUE>': `a` is not NAME=VALUE

    For more information, try '--help'.
    "#);
}

#[test]
fn the_time_of_a_query_can_be_held() {
    let env = TestEnv::with_trace();
    snapshot!(env, ["query", "edge.kymo", "SELECT now() AS now", "--format", "csv"], @r#"
    success: true
    exit_code: 0
    ----- stdout -----
    now
    2026-11-22T08:00:00

    ----- stderr -----

    "#);
}

#[test]
fn an_answer_goes_to_a_new_file_in_the_format_that_its_name_says() {
    let env = TestEnv::with_trace();
    for (file, start) in [
        ("count.csv", &b"kind,type,n\n"[..]),
        ("count.ndjson", b"{\"kind\":\"Event\""),
        ("count.json", b"[{\"kind\":\"Event\""),
        ("count.parquet", b"PAR1"),
        ("count.arrow", b"ARROW1"),
        ("count.txt", b"kind       type       n\n"),
    ] {
        let output = env.run(["query", "edge.kymo", COUNT, "-o", file]);
        assert!(
            output.status.success() && output.stdout.is_empty(),
            "{output:?}"
        );
        assert!(
            fs::read(env.path(file)).unwrap().starts_with(start),
            "{file}"
        );
    }
    let piped = env.run(["query", "edge.kymo", COUNT, "--format", "parquet"]);
    assert_eq!(piped.stdout, fs::read(env.path("count.parquet")).unwrap());
    snapshot!(env, ["query", "edge.kymo", COUNT, "-o", "count.csv"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: `count.csv` exists already
    hint: name a place where nothing is
    "#);
    let all = "SELECT *, object -> 'spec' AS spec FROM events";
    for file in ["all.parquet", "all.arrow"] {
        let output = env.run(["query", "edge.kymo", all, "-o", file]);
        assert!(output.status.success(), "{output:?}");
    }
    snapshot!(env, ["query", "edge.kymo", "SELECT make_array(object -> 'spec') AS specs FROM events", "-o", "no.parquet"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: the column `specs` holds values of different types
    hint: cast it to VARCHAR, or use `->>` instead of `->`
    "#);
    let left: Vec<_> = fs::read_dir(env.path(".")).unwrap().collect();
    assert_eq!(left.len(), 9, "{left:?}");
}

#[test]
fn several_traces_are_told_apart_by_name() {
    let env = TestEnv::with_trace();
    let both = "SELECT (SELECT count(*) FROM a.events) - (SELECT count(*) FROM b.events) AS n";
    snapshot!(env, ["query", "a=edge.kymo", "b=edge.kymo", both], @r#"
    success: true
    exit_code: 0
    ----- stdout -----
    n
    -
    0

    ----- stderr -----

    "#);
    snapshot!(env, ["query", "edge.kymo", "b=edge.kymo", both], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: one of several traces has no name: `edge.kymo`
    hint: write `NAME=TRACE`; only the last argument is the statement
    "#);
    snapshot!(env, ["query", "a=edge.kymo", "a=edge.kymo", both], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: `a` cannot be the name of a trace: another trace has it
    "#);
    snapshot!(env, ["query", "edge.kymo"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: there is no statement
    hint: give one after the trace, a file with `-f`, or the name of a query with `--query`
    "#);
}

#[test]
fn a_query_that_is_interrupted_leaves_nothing_behind() {
    let env = TestEnv::with_trace();
    let sql = "SELECT count(*) FROM events a, events b, events c, events d, events e, events f \
        WHERE a.seq + b.seq + c.seq + d.seq + e.seq + f.seq < 0";
    let mut command = env.command(["query", "edge.kymo", sql, "-o", "never.csv"]);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let begun = || {
        let mut files = fs::read_dir(env.path(".")).unwrap();
        files.any(|file| {
            file.unwrap()
                .file_name()
                .as_encoded_bytes()
                .starts_with(b".kymo-query-")
        })
    };
    while !begun() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let process = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "error: interrupted\n"
    );
    let left: Vec<_> = fs::read_dir(env.path(".")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}
