//! What is said of gaps.

use kymo_query::{Limits, QuerySession};

use crate::memory::Memory;
use crate::rows::{begin, session_over};
use crate::traces;

fn notes(sql: &str) -> Vec<String> {
    let session = session_over(Memory::default());
    begin(&session, sql).unwrap().gap_notes().to_vec()
}

#[test]
fn a_gap_is_told_once_for_the_resource_that_has_it() {
    assert_eq!(
        notes(
            "SELECT a.name FROM events a JOIN events b ON a.uid = b.uid WHERE a.kind = 'Pod' AND b.kind = 'Pod'"
        ),
        ["1 gap of 42 s in pods; see `coverage`"]
    );
    assert_eq!(
        notes("SELECT count(*) FROM events"),
        [
            "1 gap of 42 s in pods; see `coverage`",
            "1 gap without a known end in secrets (denied); see `coverage`",
        ]
    );
}

#[test]
fn only_the_part_of_a_gap_that_a_query_asks_for_is_told() {
    assert_eq!(
        notes(
            "SELECT name FROM events WHERE resource = 'pods' \
             AND ts >= '2026-11-21T02:00:40Z' AND ts < '2026-11-21T02:00:50Z'"
        ),
        ["1 gap of 9 s in pods; see `coverage`"]
    );
}

#[test]
fn a_query_that_meets_no_gap_says_nothing() {
    for sql in [
        "SELECT name FROM events WHERE kind = 'Node'",
        "SELECT name FROM events WHERE kind = 'Pod' AND ts < '2026-11-21T02:00:09Z'",
        "SELECT name FROM events WHERE kind = 'Pod' AND kind = 'Node'",
        "SELECT * FROM coverage",
        "SELECT 1",
    ] {
        assert_eq!(notes(sql), Vec::<String>::new(), "{sql}");
    }
}

#[test]
fn a_trace_that_was_stopped_has_no_gap_at_its_end() {
    let trace = traces::half_sealed("story");
    let session = QuerySession::open(&[trace.named()], Limits::default()).unwrap();
    let notes = |sql: &str| begin(&session, sql).unwrap().gap_notes().to_vec();
    assert_eq!(
        notes("SELECT count(*) FROM events"),
        [
            "1 gap of 42 s in pods; see `coverage`",
            "1 gap of 1 min 3 s in secrets (denied); see `coverage`",
        ]
    );
    assert_eq!(
        notes("SELECT count(*) FROM events WHERE kind = 'Deployment'"),
        Vec::<String>::new()
    );
}
