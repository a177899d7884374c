//! What experts may do after asking for it, and what nobody may.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::environment::TestEnv;

/// Returns every file of a trace with its bytes.
fn content(trace: &Path) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    fs::read_dir(trace)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect()
}

/// Runs statements, one after the other in one session.
fn run(env: &TestEnv, options: &[&str], sql: &str) -> (Option<i32>, String) {
    fs::write(env.path("script.sql"), sql).unwrap();
    let common = ["query", "edge.kymo", "-f", "script.sql", "--format", "csv"];
    let output = env.run([&common, options].concat());
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

const EXPERT: &[&str] = &["--unsafe-sql"];

#[test]
fn views_tables_and_settings_last_as_long_as_the_session() {
    let env = TestEnv::with_trace();
    let before = content(&env.path("edge.kymo"));
    let script = "CREATE VIEW web AS SELECT * FROM pods AS OF '-0s' WHERE namespace = 'edge';
        CREATE TABLE kinds AS SELECT kind, count(*) AS n FROM events GROUP BY kind;
        SET datafusion.execution.batch_size = 77;
        SELECT count(*) > 0 AS web FROM web;
        SELECT n FROM kinds WHERE kind = 'Service';
        SHOW datafusion.execution.batch_size;
        SELECT table_type FROM information_schema.tables WHERE table_name = 'kinds';
        DROP TABLE kinds; DROP VIEW web;";
    let (status, text) = run(&env, EXPERT, script);
    assert_eq!(
        (status, text.as_str()),
        (
            Some(0),
            "web\nfalse\nn\n2\nname,value\ndatafusion.execution.batch_size,77\n\
             table_type\nBASE TABLE\n"
        )
    );
    let (status, text) = run(&env, EXPERT, "SELECT * FROM kinds");
    assert_eq!(status, Some(2), "{text}");
    for statement in script.split_inclusive(';').take(3) {
        let (status, text) = run(&env, &[], statement);
        assert!(status == Some(2) && text.contains("is refused"), "{text}");
    }
    assert_eq!(content(&env.path("edge.kymo")), before);
}

#[test]
fn answers_are_copied_to_new_files_and_files_are_read_as_tables() {
    let env = TestEnv::with_trace();
    let copy =
        "COPY (SELECT kind, name FROM objects WHERE kind = 'Service' ORDER BY name) TO 'out.csv'";
    let script = format!(
        "{copy}; CREATE EXTERNAL TABLE back STORED AS CSV LOCATION 'out.csv' \
         OPTIONS ('format.has_header' 'true'); SELECT * FROM back"
    );
    let (status, text) = run(&env, EXPERT, &script);
    assert_eq!(
        (status, text.as_str()),
        (
            Some(0),
            "count\n2\nkind,name\nService,edge-auth\nService,kubernetes\n"
        )
    );
    let (status, text) = run(&env, EXPERT, copy);
    assert_eq!(status, Some(2));
    assert!(text.contains("never takes the place of another"), "{text}");
    fs::remove_file(env.path("out.csv")).unwrap();
    for statement in script.split(';').take(2) {
        let (status, text) = run(&env, &[], statement);
        assert!(status == Some(2) && text.contains("is refused"), "{text}");
    }
    assert!(!env.path("out.csv").exists());
}

#[test]
fn a_trace_is_never_changed() {
    let env = TestEnv::with_trace();
    let before = content(&env.path("edge.kymo"));
    for (sql, said) in [
        (
            "COPY (SELECT 1) TO 'edge.kymo/x.csv'",
            "never writes into a trace",
        ),
        (
            "COPY (SELECT 1) TO 'edge.kymo'",
            "never takes the place of another",
        ),
        ("DROP TABLE events", "belongs to the trace"),
        ("DROP VIEW pods", "belongs to the trace"),
        (
            "CREATE OR REPLACE TABLE events AS SELECT 1",
            "belongs to the trace",
        ),
        (
            "CREATE OR REPLACE VIEW pods AS SELECT 1",
            "belongs to the trace",
        ),
        (
            "INSERT INTO events SELECT * FROM events",
            "INSERT is refused",
        ),
        ("DELETE FROM events", "DELETE is refused"),
        (
            "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION 'http://127.0.0.1/t.parquet'",
            "nothing of the network",
        ),
    ] {
        let (status, text) = run(&env, EXPERT, sql);
        assert_eq!(status, Some(2), "{sql}: {text}");
        assert!(text.contains(said), "{sql}: {text}");
    }
    let (_, text) = run(
        &env,
        EXPERT,
        "SELECT count(*) AS n FROM events; SELECT 1 FROM pods LIMIT 1",
    );
    assert!(text.starts_with("n\n"), "{text}");
    assert_eq!(content(&env.path("edge.kymo")), before);
}
