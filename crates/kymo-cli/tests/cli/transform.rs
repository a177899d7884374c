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
        "warning: `DELETE FROM EVENTS …` matches nothing in the trace: `kind = 'Unicorn'` is true for no event\n"
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
fn a_dry_run_tells_what_each_statement_would_do_and_writes_nothing() {
    let env = TestEnv::with_trace();
    let script = "DELETE FROM OBJECTS WHERE kind = 'Service' CASCADE;
UPDATE OBJECTS SET object = json_set(object, '/spec/replicas', $replicas) WHERE kind = 'Deployment';
DELETE FROM EVENTS WHERE kind = 'deployment' AND type = 'ADDED'";
    fs::write(env.path("less.sql"), script).unwrap();
    snapshot!(env, ["transform", "edge.kymo", "-f", "less.sql", "-p", "replicas=7", "--dry-run", "-o", "x.parquet"], @r#"
    success: true
    exit_code: 0
    ----- stdout -----
    DELETE FROM OBJECTS WHERE kind = 'Service' CASCADE
      names 5 events, takes away 5 events, touches 3 objects
      - EndpointSlice edge-gateway/edge-auth-vb2q5, event 12
      - Service default/kubernetes, event 5
      - Service edge-gateway/edge-auth, event 11

    UPDATE OBJECTS SET object = json_set(object, '/spec/replicas…
      names 4 events, changes 4 events, touches 1 object
      ~ Deployment edge-gateway/edge-auth, event 13
          /spec/replicas  2 → 7

    DELETE FROM EVENTS WHERE kind = 'deployment' AND type = 'ADD…
      names 0 events, `kind = 'deployment'` is true for no event; did you mean 'Deployment'?

    ----- stderr -----
    nothing was written
    "#);
    assert!(!env.path("x.parquet").exists());
}

#[test]
fn explain_tells_the_plan_of_a_statement_and_writes_nothing() {
    let env = TestEnv::with_trace();
    let explained = "EXPLAIN DELETE FROM EVENTS WHERE kind = 'Pod' AND type = 'DELETED'";
    snapshot!(env, ["transform", "edge.kymo", "-e", "SLICE TO '1h'", "-e", explained], @r#"
    success: true
    exit_code: 0
    ----- stdout -----
    EXPLAIN DELETE FROM EVENTS WHERE kind = 'Pod' AND type = 'DE…
      names 0 events, each part is true for some events, and all of them for none
      reads each event and leaves out those that it names
      asks what is meant, by this plan:
        CooperativeExec
          EventsExec: trace=trace, columns=[seq], pushed=[type in (DELETED), kind in (Pod)], segments=0 of 1, row_groups=0 of 1

    ----- stderr -----
    nothing was written
    "#);
}

#[test]
fn parameters_must_have_values_and_values_parameters() {
    let env = TestEnv::with_trace();
    snapshot!(env, ["transform", "edge.kymo", "-e", "STRETCH TIME BY $factr", "-p", "factor=2", "-o", "x.parquet"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: no value for the parameter `$factr`; did you mean `$factor`?
        |
      1 | STRETCH TIME BY $factr
        |                 ^^^^^^
    hint: give one with `-p name=value`
    "#);
    snapshot!(env, ["transform", "edge.kymo", "-e", "STRETCH TIME BY 2", "-p", "factor=2", "-o", "x.parquet"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: no statement has a parameter `$factor`
    "#);
}

#[test]
fn a_patch_that_does_not_fit_is_told_with_one_that_would() {
    let env = TestEnv::with_trace();
    let patch = r#"PATCH OBJECTS WITH JSON '[{"op":"replace","path":"/spec/paused","value":true}]' WHERE kind = 'Deployment'"#;
    snapshot!(env, ["transform", "edge.kymo", "-e", patch, "-o", "x.parquet"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: the patch does not fit Deployment `edge-gateway/edge-auth`: operation 0 of the JSON patch: operation '/0' failed at path '/spec/paused': path is invalid
        |
      1 | PATCH OBJECTS WITH JSON '[{"op":"replace","path":"/spec/paused","value":true}]' WHERE kind = 'Deployment'
        |                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    hint: `WITH MERGE '{"spec":{"paused":true}}'` sets it whether or not it is there
    "#);
    snapshot!(env, ["transform", "edge.kymo", "-e", "UPDATE EVENTS SET ts = 5", "-o", "x.parquet"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: `ts` is a time, not Int64
        |
      1 | UPDATE EVENTS SET ts = 5
        |                        ^
    hint: write `at('10m')`, or `ts + INTERVAL '1 second'`
    "#);
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
    snapshot!(env, ["transform", "edge.kymo", "-e", "SLICE TO '1m'"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: there is no place for the output
    hint: name one with `-o`, or see what would be done with `--dry-run`
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

#[test]
fn the_manifests_of_a_large_fitted_script_are_in_a_folder_of_its_name() {
    let env = TestEnv::with_trace();
    let note = "x".repeat(600_000);
    let script = format!(
        "SYNTHESIZE ConfigMap 'load/big' AS '{{kind: ConfigMap, apiVersion: v1, data: {{note: {note}}}}}';"
    );
    fs::write(env.path("big.sql"), script).unwrap();
    let run = |args: &[&str]| env.run(args.iter().copied());
    let made = run(&["synth", "-f", "big.sql", "-o", "big.parquet"]);
    assert!(made.status.success(), "{made:?}");
    // A folder that is there is not written to.
    fs::create_dir(env.path("like")).unwrap();
    let fit = ["synth", "--fit", "big.parquet", "-o", "like.sql"];
    let refused = run(&fit);
    assert!(!refused.status.success());
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(
        message.contains("cannot write manifests to `like`"),
        "{message}"
    );
    assert!(!env.path("like.sql").exists());
    fs::remove_dir(env.path("like")).unwrap();
    let fitted = run(&fit);
    assert!(fitted.status.success(), "{fitted:?}");
    let message = String::from_utf8(fitted.stderr).unwrap();
    assert!(
        message.starts_with("wrote 1 manifest to `like`\n"),
        "{message}"
    );
    let text = fs::read_to_string(env.path("like.sql")).unwrap();
    assert!(
        text.contains("FROM 'like/configmap-load-big.yaml'"),
        "{text}"
    );
    let again = run(&["synth", "-f", "like.sql", "-o", "like.parquet"]);
    assert!(again.status.success(), "{again:?}");
}
