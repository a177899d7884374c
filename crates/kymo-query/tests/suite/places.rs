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
