use std::fs;

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
fn what_does_not_read_is_refused() {
    let env = TestEnv::with_trace();
    for sql in [
        "DELETE FROM events",
        "COPY events TO 'out.csv'",
        "SET datafusion.execution.batch_size = 1",
        "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
        "SELECT 1; SELECT 2",
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
