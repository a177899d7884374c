//! Where in a statement an error is.

use kymo_query::{Error, Position};

use crate::memory::Memory;
use crate::rows::{run, session_over};

fn error(sql: &str) -> Error {
    run(&session_over(Memory::default()), sql).unwrap_err()
}

#[test]
fn names_that_do_not_exist_are_found_in_the_text() {
    for (sql, line, column, length) in [
        ("SELECT *\nFROM evnts", 2, 6, 5),
        ("SELECT *\n  FROM read_csv('x')", 2, 8, 8),
        ("SELECT name,\n  nmae FROM events", 2, 3, 4),
        ("SELECT e.knid FROM events e", 1, 8, 6),
        ("SELECT name,\n       lenght(name) FROM events", 2, 8, 6),
    ] {
        let error = error(sql);
        assert_eq!(error.position(), Some(Position { line, column }), "{sql}");
        assert_eq!(error.length(), length, "{sql}");
        assert!(error.hint().is_some(), "{sql}");
    }
}

#[test]
fn a_syntax_error_is_at_the_word_that_does_not_fit() {
    let error = error("SELECT name\nFORM events");
    assert!(matches!(error, Error::Syntax { .. }), "{error:?}");
    assert_eq!(error.position(), Some(Position { line: 2, column: 6 }));
}

#[test]
fn a_text_in_the_quotes_of_a_name_is_told() {
    let quoted = error("SELECT name FROM events WHERE kind = \"Pod\"");
    assert_eq!(quoted.to_string(), "no column `Pod`");
    assert!(
        quoted.hint().unwrap().contains("single quotes"),
        "{quoted:?}"
    );
    let plain = error("SELECT name FROM events WHERE kind = Pod");
    assert!(plain.hint().unwrap().contains("DESCRIBE"), "{plain:?}");
}

#[test]
fn a_text_that_is_no_time_is_found_and_how_times_are_written_is_told() {
    for (sql, text, column) in [
        ("SELECT name FROM events WHERE ts > '10m'", "10m", Some(36)),
        (
            "SELECT name FROM events WHERE ts > '10m' AND name <> '10m'",
            "10m",
            None,
        ),
        (
            "SELECT name FROM events WHERE ts >= '2024-13-01'",
            "2024-13-01",
            Some(37),
        ),
    ] {
        let error = error(sql);
        assert_eq!(error.to_string(), format!("`{text}` is not a time"));
        let position = column.map(|column| Position { line: 1, column });
        assert_eq!(error.position(), position, "{sql}");
        assert!(error.hint().unwrap().contains("at('10m')"));
    }
}

#[test]
fn a_length_of_time_that_is_only_a_text_is_told() {
    for sql in [
        "SELECT name FROM events WHERE ts > now() - '10m'",
        "SELECT ts + '1 minute' FROM events",
    ] {
        let error = error(sql);
        assert!(
            error.hint().unwrap().contains("interval"),
            "{sql}: {error:?}"
        );
    }
}
