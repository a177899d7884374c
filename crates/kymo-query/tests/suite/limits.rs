//! What a query may use, and that it cannot use more.

use std::os::unix::fs::PermissionsExt;

use kymo_query::{Error, ErrorKind, Limits};

use crate::memory::Memory;
use crate::rows::{run, session_with};

/// About 40 MB of distinct text to group.
const GROUP: &str = "WITH n AS (SELECT a.seq * 10000 + b.seq * 1000 + c.seq * 100 + d.seq * 10 + e.seq AS i \
    FROM events a, events b, events c, events d, events e) \
    SELECT count(*) FROM (SELECT DISTINCT repeat(CAST(i AS VARCHAR), 100) FROM n)";

fn limits(memory_bytes: usize, spill_bytes: u64) -> Limits {
    Limits {
        memory_bytes,
        spill_bytes,
        threads: Some(2),
        ..Limits::default()
    }
}

#[test]
fn groups_that_do_not_fit_into_memory_are_spilled() {
    let room = tempfile::tempdir().unwrap();
    let limits = Limits {
        spill_directory: Some(room.path().to_owned()),
        ..limits(24 << 20, 1 << 30)
    };
    let session = session_with(Memory::default(), limits);
    let own: Vec<_> = std::fs::read_dir(room.path()).unwrap().collect();
    assert_eq!(own.len(), 1);
    let mode = own[0].as_ref().unwrap().metadata().unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o700);
    let analyzed = run(&session, &format!("EXPLAIN ANALYZE {GROUP}")).unwrap();
    let spilled = analyzed
        .join("\n")
        .lines()
        .any(|line| line.contains("spill_count=") && !line.contains("spill_count=0"));
    assert!(spilled, "{analyzed:#?}");
    drop(session);
    assert_eq!(std::fs::read_dir(room.path()).unwrap().count(), 0);
}

#[test]
fn a_query_that_needs_more_than_memory_and_disk_allow_ends_in_an_error() {
    for limits in [limits(8 << 20, 0), limits(24 << 20, 1 << 20)] {
        let session = session_with(Memory::default(), limits);
        let error = run(&session, GROUP).unwrap_err();
        assert!(matches!(error, Error::Resources { .. }), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Limit);
    }
}

#[test]
fn a_spill_directory_that_is_not_there_is_told() {
    let limits = Limits {
        spill_directory: Some("/nonexistent/kymo".into()),
        ..Limits::default()
    };
    let source: std::sync::Arc<dyn kymo_query::Source> = std::sync::Arc::new(Memory::default());
    let error = kymo_query::QuerySession::over(&[("a".into(), source)], limits).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Environment);
    assert!(error.to_string().contains("/nonexistent/kymo"), "{error}");
}

/// Doubles a text thirty times.
fn doubled(twice: &str) -> String {
    let steps = (1..=30).map(|step| {
        let last = step - 1;
        format!(", t{step} AS (SELECT {twice} AS x FROM t{last})")
    });
    let steps: String = steps.collect();
    format!("WITH t0 AS (SELECT name AS x FROM events){steps} SELECT length(x) FROM t30")
}

#[test]
fn a_function_cannot_make_a_large_value_out_of_a_small_one() {
    let session = session_with(Memory::default(), Limits::default());
    for sql in [
        "SELECT repeat('x', 2000000000)",
        "SELECT length(repeat(name, 100000000)) FROM events",
        "SELECT lpad('x', 2000000000)",
        "SELECT rpad(name, CAST(seq AS INT) + 100000000) FROM events",
        "SELECT regexp_replace(repeat('x', 100000), '', repeat('y', 1000), 'g')",
        "SELECT length(regexp_replace(repeat(name, 10000), '(.*)', repeat('\\1', 10000))) FROM events",
        &doubled("x || x"),
        &doubled("concat(x, x)"),
        &doubled("concat_ws('-', x, x)"),
        "SELECT length(repeat('x', 60000000) || name) FROM events",
        "SELECT length(concat(name, repeat('x', 60000000))) FROM events",
        "SELECT length(concat_ws(repeat('x', 60000000), name, kind, uid)) FROM events",
    ] {
        let error = run(&session, sql).unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{sql}: {error:?}");
        assert_eq!(error.kind(), ErrorKind::Limit);
    }
    assert_eq!(run(&session, "SELECT repeat('ab', 3)").unwrap(), ["ababab"]);
    assert_eq!(run(&session, "SELECT lpad('7', 3, '0')").unwrap(), ["007"]);
    for (sql, answer) in [
        ("SELECT regexp_replace('aXbX', 'X', '-', 'g')", "a-b-"),
        (
            "SELECT regexp_replace('aXbX', '([a-z])X', '<\\1>')",
            "<a>bX",
        ),
        (
            "SELECT DISTINCT regexp_replace('b' || kind, '^b', '') = kind FROM events",
            "true",
        ),
        ("SELECT 'a' || 1 || 'b'", "a1b"),
        ("SELECT ('a' || NULL) IS NULL", "true"),
        ("SELECT concat_ws('-', 'a', NULL, 'b')", "a-b"),
        ("SELECT array_to_string([1] || [2], ',')", "1,2"),
        ("SELECT ('{\"a\": \"x\"}' -> 'a') || '!'", "x!"),
        (
            "SELECT count(*) FROM events WHERE 'x' || kind LIKE 'x' || '%' AND name || kind = ''",
            "0",
        ),
    ] {
        assert_eq!(run(&session, sql).unwrap(), [answer], "{sql}");
    }
    // Most of what could be produced is not: rows are taken few at a time.
    let long = "SELECT sum(length(regexp_replace(repeat('x', 5000) || seq, '[0-9]', repeat('y', 10000), 'g'))) > 0 FROM events";
    assert_eq!(run(&session, long).unwrap(), ["true"]);
}
