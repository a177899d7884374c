//! Statements and commands from a file or from standard input.

use std::fs;

use crate::environment::TestEnv;

/// Snapshots a command that reads this.
macro_rules! piped {
    ($env:expr, [$($arg:expr),* $(,)?], $stdin:expr, @$expected:literal) => {{
        let env: &TestEnv = &$env;
        let args: Vec<&std::ffi::OsStr> = vec![$(std::ffi::OsStr::new($arg)),*];
        env.settings().bind(|| {
            insta_cmd::assert_cmd_snapshot!(env.command(args).pass_stdin($stdin), @$expected);
        });
    }};
}

#[test]
fn statements_are_read_from_standard_input() {
    let env = TestEnv::with_trace();
    let two =
        "-- How many?\nSELECT count(*) AS n FROM events WHERE name = ';';\nSELECT 2 AS\n  two";
    piped!(env, ["query", "edge.kymo"], two, @r#"
    success: true
    exit_code: 0
    ----- stdout -----
    n
    -
    0

    two
    ---
      2

    ----- stderr -----
    "#);
    piped!(env, ["query", "edge.kymo", "--format", "csv"], two, @r#"
    success: true
    exit_code: 0
    ----- stdout -----
    n
    0
    two
    2

    ----- stderr -----
    "#);
}

#[test]
fn a_script_ends_at_its_first_failure_and_says_where() {
    let env = TestEnv::with_trace();
    let script = "SELECT 1 AS one;\n\nSELECT nam\nFROM events;\nSELECT 3 AS three;\n";
    piped!(env, ["query", "edge.kymo"], script, @r#"
    success: false
    exit_code: 2
    ----- stdout -----
    one
    ---
      1


    ----- stderr -----
    error: no column `nam`; did you mean `name`?
        |
      3 | SELECT nam
        |        ^^^
    hint: `DESCRIBE events` lists the columns of a table
    "#);
    piped!(env, ["query", "edge.kymo"], "SELECT 1 AS one;\n\\nope\n", @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: no command `\nope`
    hint: `\?` lists the commands
    "#);
    piped!(env, ["query", "edge.kymo"], "-- nothing\n", @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: there is no statement
    hint: give one after the trace, a file with `-f`, or the name of a query with `--query`
    "#);
}

#[test]
fn values_are_those_of_the_command_line_and_those_that_are_set() {
    let env = TestEnv::with_trace();
    let script =
        "SELECT $a AS a;\n\\set b 'x y'\nSELECT $a AS a, $b AS b;\n\\set\n\\unset a\nSELECT $a";
    piped!(env, ["query", "edge.kymo", "-p", "a=1"], script, @r#"
    success: false
    exit_code: 2
    ----- stdout -----
    a
    -
    1

    a  b
    -  ---
    1  x y
    $a = 1
    $b = 'x y'


    ----- stderr -----
    error: no value for the parameter `$a`
        |
      6 | SELECT $a
        |        ^
    "#);
    let script = "SELECT $a AS a; SELECT $b AS b;";
    piped!(env, ["query", "edge.kymo", "-p", "a=1", "-p", "b=2", "-p", "c=3"], script, @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: no statement has a parameter `$c`
    "#);
}

#[test]
fn commands_tell_what_there_is() {
    let env = TestEnv::with_trace();
    piped!(env, ["query", "edge.kymo"], "\\d coverage\n\\df at\n\\df is_*\n", @r#"
    success: true
    exit_code: 0
    ----- stdout -----
    column_name  data_type             is_nullable
    -----------  --------------------  -----------
    feed         Int64                 YES
    api_group    Utf8                  YES
    resource     Utf8                  YES
    scope        Utf8                  YES
    epoch        Int64                 NO
    session      Int64                 NO
    state        Utf8                  NO
    cause        Utf8                  NO
    from_rv      Utf8                  YES
    to_rv        Utf8                  YES
    from_seq     Int64                 YES
    to_seq       Int64                 YES
    from_ts      Timestamp(ns, "UTC")  YES
    to_ts        Timestamp(ns, "UTC")  YES
    detail       Utf8                  YES
    at(text[, trace])
      A time: so long after the start of the trace, with a minus so long before its end, or an RFC 3339 time as it is. With several traces the second argument says which is meant.
      text   A duration, such as `10m` or `-5m`, or an RFC 3339 time.
      trace  The name of a trace.
    Example:
      SELECT count(*) FROM events WHERE ts < at('10m')

    function_name  syntax                      description                                 function_type
    -------------  --------------------------  ------------------------------------------  -------------
    isnan          isnan(numeric_expression)   Returns true if a given number is +NaN or…  SCALAR
    iszero         iszero(numeric_expression)  Returns true if a given number is +0.0 or…  SCALAR

    ----- stderr -----
    "#);
    let output = env.run(["query", "edge.kymo", "SHOW TABLES", "--format", "csv"]);
    assert!(output.status.success(), "{output:?}");
    fs::write(env.path("d.sql"), "\\d").unwrap();
    let output = env.run(["query", "edge.kymo", "-f", "d.sql", "--format", "csv"]);
    let tables = String::from_utf8(output.stdout).unwrap();
    assert!(
        tables.starts_with("trace,name,type\ntrace,coverage,table\ntrace,events,table\n")
            && tables.contains("\ntrace,pods,view\n"),
        "{tables}"
    );
    piped!(env, ["query", "edge.kymo"], "\\df conditoin", @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: no function `conditoin`
    hint: did you mean `condition`?
    "#);
}

#[test]
fn a_row_can_be_shown_with_a_line_for_each_value() {
    let env = TestEnv::with_trace();
    let script = "\\x\nSELECT kind, count(*) AS number, null AS none FROM events \
         GROUP BY kind ORDER BY kind LIMIT 2;\n\\x\nSELECT 1 AS one;\n\\format ndjson\nSELECT 1 AS one;";
    piped!(env, ["query", "edge.kymo"], script, @r#"
    success: true
    exit_code: 0
    ----- stdout -----
    --- 1
    kind    Backup
    number  6
    none    NULL
    --- 2
    kind    ConfigMap
    number  1
    none    NULL

    one
    ---
      1
    {"one":1}

    ----- stderr -----
    Answers are written as expanded
    Answers are written as table
    Answers are written as ndjson
    "#);
}

#[test]
fn files_and_shipped_queries_are_run() {
    let env = TestEnv::with_trace();
    fs::write(env.path("a.sql"), "SELECT 'a' AS a;\n\\i b.sql\n").unwrap();
    fs::write(env.path("b.sql"), "SELECT 'b' AS b").unwrap();
    fs::write(env.path("loop.sql"), "\\i loop.sql").unwrap();
    piped!(env, ["query", "edge.kymo"], "\\i a.sql\n\\run events-per-kind\n\\q\nSELECT 1", @r#"
    success: true
    exit_code: 0
    ----- stdout -----
    a
    -
    a

    b
    -
    b

    kind          api_group     events  objects  added  modified  deleted  first         last
    ------------  ------------  ------  -------  -----  --------  -------  ------------  ------------
    Event                           13       13     13         0        0  2026-11-21T…  2026-11-21T…
    Pod                             10        2      2         8        0  2026-11-21T…  2026-11-21T…
    Backup        storage.exa…       6        3      3         0        3  2026-11-21T…  2026-11-21T…
    Namespace                        6        6      6         0        0  2026-11-21T…  2026-11-21T…
    Deployment    apps               4        1      1         3        0  2026-11-21T…  2026-11-21T…
    EndpointSli…  discovery.k…       3        1      1         2        0  2026-11-21T…  2026-11-21T…
    ReplicaSet    apps               3        1      1         2        0  2026-11-21T…  2026-11-21T…
    Service                          2        2      2         0        0  2026-11-21T…  2026-11-21T…
    ConfigMap                        1        1      1         0        0  2026-11-21T…  2026-11-21T…
    Secret                           1        1      1         0        0  2026-11-21T…  2026-11-21T…
    ServiceAcco…                     1        1      1         0        0  2026-11-21T…  2026-11-21T…

    ----- stderr -----
    "#);
    piped!(env, ["query", "edge.kymo"], "\\i loop.sql", @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: `loop.sql`: files run files too deeply
    "#);
    piped!(env, ["query", "edge.kymo"], "\\run node-balance", @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: no value for the parameter `$at`
         |
      15 |   FROM pods AS OF $at
         |                   ^
    hint: `node-balance` takes at (a time, such as `10m` after the start or `-0s` for the end)
    "#);
    piped!(env, ["query", "edge.kymo"], "\\run evnts-per-kind", @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: kymo ships no query `evnts-per-kind`
    hint: did you mean `events-per-kind`?
    "#);
    piped!(env, ["query", "edge.kymo", "--query", "node-balance"], "", @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: no value for the parameter `$at`
         |
      15 |   FROM pods AS OF $at
         |                   ^
    hint: `node-balance` takes at (a time, such as `10m` after the start or `-0s` for the end)
    "#);
}

#[test]
fn one_file_takes_one_answer() {
    let env = TestEnv::with_trace();
    piped!(env, ["query", "edge.kymo", "-o", "out.csv"], "SELECT 1 AS a; SELECT 2 AS b;", @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: several statements cannot be answered in one file
    "#);
    let output = env.command(["query", "edge.kymo", "-o", "out.csv", "-f", "one.sql"]);
    fs::write(env.path("one.sql"), "SELECT 1 AS a;\n").unwrap();
    let mut command = output;
    assert!(command.output().unwrap().status.success());
    assert_eq!(fs::read_to_string(env.path("out.csv")).unwrap(), "a\n1\n");
}
