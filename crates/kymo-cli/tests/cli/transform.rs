use std::fs;

use crate::environment::{TestEnv, snapshot};

#[test]
fn a_script_makes_a_new_trace_and_says_how_many_events_it_has() {
    let env = TestEnv::with_trace();
    fs::write(
        env.path("less.sql"),
        "-- no services\nDELETE FROM EVENTS WHERE kind = 'Service';",
    )
    .unwrap();
    let args = [
        "transform",
        "edge.kymo",
        "-f",
        "less.sql",
        "-e",
        "KEEP EVENTS WHERE type = 'ADDED'",
    ];
    let output = env.run(args.into_iter().chain(["-o", "less.parquet"]));
    assert!(output.status.success(), "{output:?}");
    let message = String::from_utf8(output.stderr).unwrap();
    let count = |trace: &str, condition: &str| {
        let sql = format!("SELECT count(*) AS n FROM events WHERE {condition}");
        let output = env.run(["query", trace, &sql, "--format", "csv"]);
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().nth(1).unwrap().to_owned()
    };
    let written = count("less.parquet", "true");
    assert_eq!(
        written,
        count("edge.kymo", "kind <> 'Service' AND type = 'ADDED'")
    );
    assert_eq!(
        count("less.parquet", "kind = 'Service' OR type <> 'ADDED'"),
        "0"
    );
    let all = count("edge.kymo", "true");
    assert_eq!(
        message,
        format!("read {all} events, wrote {written} events to `less.parquet`\n")
    );
}

#[test]
fn the_same_trace_script_and_seed_give_the_same_bytes() {
    let env = TestEnv::with_trace();
    for output in ["a.parquet", "b.parquet"] {
        let run = env.run([
            "transform",
            "edge.kymo",
            "-e",
            "STRETCH TIME BY 0.5",
            "-o",
            output,
        ]);
        assert!(run.status.success(), "{run:?}");
    }
    assert_eq!(
        fs::read(env.path("a.parquet")).unwrap(),
        fs::read(env.path("b.parquet")).unwrap()
    );
}

#[test]
fn a_statement_that_matches_nothing_is_a_warning() {
    let env = TestEnv::with_trace();
    let script = "DELETE FROM EVENTS\nWHERE kind = 'Unicorn'";
    let output = env.run([
        "transform",
        "edge.kymo",
        "-e",
        script,
        "-o",
        "x.parquet",
        "--quiet",
    ]);
    assert!(output.status.success(), "{output:?}");
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        message,
        "warning: `DELETE FROM EVENTS …` matches nothing in the trace\n"
    );
}

#[test]
fn what_is_wrong_with_a_script_is_marked_and_nothing_is_written() {
    let env = TestEnv::with_trace();
    fs::write(env.path("half.sql"), "-- half\nSTRETCH TIME BEY 2").unwrap();
    snapshot!(env, ["transform", "edge.kymo", "-e", "SLICE TO '1m'", "-f", "half.sql", "-o", "x.parquet"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: expected `BY`, found `BEY`; did you mean `BY`?
      in `half.sql`:
        |
      2 | STRETCH TIME BEY 2
        |              ^^^
    hint: write `STRETCH {TIME BY factor | {ARRIVALS | LIFETIMES} BY factor [WHERE condition]}`
    "#);
    let wrong = "DELETE FROM OBJECTS\nWHERE kind = 'Pod' AND nmespace = 'shop'";
    snapshot!(env, ["transform", "edge.kymo", "-e", "SLICE TO '1m'", "-e", wrong, "-o", "x.parquet"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: no column `nmespace`; did you mean `namespace`?
        |
      2 | WHERE kind = 'Pod' AND nmespace = 'shop'
        |                        ^^^^^^^^
    hint: `DESCRIBE events` lists the columns of a table
    "#);
    let patch = r#"PATCH OBJECTS WITH JSON '[{"op":"add","path":"spec","value":1}]'"#;
    snapshot!(env, ["transform", "edge.kymo", "-e", patch, "-o", "x.parquet"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: the path `spec` does not begin with `/`
        |
      1 | PATCH OBJECTS WITH JSON '[{"op":"add","path":"spec","value":1}]'
        |                                              ^^^^^^
    hint: a path is a JSON pointer, such as `/spec/replicas`
    "#);
    assert!(!env.path("x.parquet").exists());
}

#[test]
fn there_must_be_a_script_and_a_place_for_the_output() {
    let env = TestEnv::with_trace();
    snapshot!(env, ["transform", "edge.kymo", "-o", "x.parquet"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: there is no script
    hint: give a statement with `-e`, or a file with `-f`
    "#);
    snapshot!(env, ["transform", "edge.kymo", "-e", "SLICE TO '1m'", "-o", "edge.kymo"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: `edge.kymo` exists already
    hint: name a place where nothing is
    "#);
}
