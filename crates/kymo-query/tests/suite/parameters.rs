//! Values for the `$name`s of a statement, and a time that is held.

use kymo_query::{Error, Limits, Parameter, Parameters, Position, QuerySession};

use crate::rows::{RUNTIME, cells, run};
use crate::{story, traces};

fn ask(sql: &str, parameters: &[(&str, &str)]) -> Result<Vec<String>, Error> {
    let trace = traces::half_sealed("story");
    let session = QuerySession::open(&[trace.named()], Limits::default())?;
    let parameters: Parameters = parameters
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Parameter::read(value)))
        .collect();
    let batches = RUNTIME.block_on(async {
        let answer = session.sql_with(sql, &parameters).await?;
        answer.collect().await
    })?;
    let rows = cells(&batches).into_iter();
    Ok(rows.map(|row| row.join("|")).collect())
}

#[test]
fn values_stand_where_a_literal_can() {
    for (sql, parameters, answer) in [
        (
            "SELECT DISTINCT name FROM events WHERE kind = $kind AND ts < at($until)",
            &[("kind", "Deployment"), ("until", "10s")][..],
            &["web"][..],
        ),
        (
            "SELECT seq FROM events WHERE ts > $since ORDER BY seq LIMIT $n",
            &[("since", "2026-11-21T02:00:52Z"), ("n", "2")],
            &["8", "9"],
        ),
        (
            "SELECT $a + 1, $b, $a",
            &[("a", "-4"), ("b", "x")],
            &["-3|x|-4"],
        ),
        (
            "SELECT $1 IS NULL, NOT $2",
            &[("1", "null"), ("2", "true")],
            &["true|false"],
        ),
        (
            "SELECT count(*) FROM events WHERE name = $n",
            &[("n", "'5'")],
            &["0"],
        ),
        (
            "SELECT $x",
            &[("x", "1; DROP TABLE events --'")],
            &["1; DROP TABLE events --'"],
        ),
        (
            "WITH w AS (SELECT name FROM events WHERE kind = $k) SELECT count(*) FROM w WHERE name IN (SELECT $n)",
            &[("k", "Pod"), ("n", "web-2")],
            &["1"],
        ),
    ] {
        assert_eq!(ask(sql, parameters).unwrap(), answer, "{sql}");
    }
}

#[test]
fn a_name_without_a_value_and_a_value_without_a_name_are_errors() {
    let error = ask(
        "SELECT name\nFROM events WHERE kind = $kind",
        &[("kinds", "Pod")],
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "no value for the parameter `$kind`; did you mean `$kinds`?"
    );
    assert_eq!(
        error.position(),
        Some(Position {
            line: 2,
            column: 26
        })
    );
    let error = ask("SELECT $1", &[]).unwrap_err();
    assert_eq!(error.to_string(), "no value for the parameter `$1`");
    let error = ask("SELECT 1", &[("kind", "Pod")]).unwrap_err();
    assert_eq!(error.to_string(), "the statement has no parameter `$kind`");
}

#[test]
fn now_can_be_held() {
    let trace = traces::sealed("story");
    let session = QuerySession::open(&[trace.named()], Limits::default()).unwrap();
    let session = session.at_time(story::at(1_000));
    assert_eq!(
        run(&session, "SELECT now(), current_date").unwrap(),
        ["2026-11-21T02:00:01|2026-11-21"]
    );
}
