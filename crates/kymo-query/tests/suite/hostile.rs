//! Sources and statements that misbehave end in an error, never in a crash or a hang.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt;
use kymo_query::{Error, ErrorKind, Limits};

use crate::memory::{Memory, Mischief};
use crate::rows::{RUNTIME, begin, run, session_over, session_with};

#[test]
fn a_panic_while_decoding_is_an_error_of_the_trace() {
    let session = session_over(Memory::that(Mischief::Panic));
    let error = run(&session, "SELECT name FROM events").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert_eq!(
        error.to_string(),
        "the trace `story` cannot be decoded: index 7 is out of bounds"
    );
    // The session still works.
    assert_eq!(run(&session, "SELECT 1").unwrap(), ["1"]);
}

#[test]
fn a_panic_while_beginning_to_read_is_an_error_of_the_trace() {
    let session = session_over(Memory::that(Mischief::PanicAtOnce));
    let error = run(&session, "SELECT name FROM events").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.to_string().contains("no such row group"), "{error}");
}

#[test]
fn an_error_of_the_store_comes_through_an_aggregate_whole() {
    let session = session_over(Memory::that(Mischief::Fail));
    let error = run(
        &session,
        "SELECT kind, count(*) FROM events GROUP BY kind ORDER BY 2",
    )
    .unwrap_err();
    assert!(matches!(error, Error::Store { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Data);
    assert_eq!(
        error.to_string(),
        "`000007.parquet` is damaged at byte 4711: a checksum does not match"
    );
}

#[test]
fn batches_of_another_shape_are_an_error() {
    let session = session_over(Memory::that(Mischief::WrongColumns));
    assert!(run(&session, "SELECT name FROM events").is_err());
}

#[test]
fn a_query_without_end_is_stopped_at_its_time_limit() {
    let limits = Limits {
        timeout: Some(Duration::from_millis(200)),
        ..Limits::default()
    };
    for sql in [
        "SELECT count(*) FROM events",
        "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n",
    ] {
        let session = session_with(Memory::that(Mischief::Endless), limits.clone());
        let error = run(&session, sql).unwrap_err();
        assert!(matches!(error, Error::Timeout { .. }), "{sql}: {error:?}");
        assert_eq!(error.kind(), ErrorKind::Limit);
    }
}

#[test]
fn dropping_an_answer_stops_the_thread_that_reads() {
    let source = Memory::that(Mischief::Endless);
    let counts = Arc::clone(&source.counts);
    let session = session_over(source);
    let mut answer = begin(&session, "SELECT name FROM events").unwrap();
    let first = RUNTIME.block_on(answer.next()).unwrap();
    assert!(first.is_ok());
    drop(answer);
    // A part that was about to be opened may still be opened, and closed at once.
    let mut read = usize::MAX;
    for _ in 0..1_200 {
        std::thread::sleep(Duration::from_millis(50));
        let batches = counts.batches.load(Ordering::Relaxed);
        if counts.open.load(Ordering::Relaxed) == 0 && batches == read {
            return;
        }
        read = batches;
    }
    panic!("it reads on");
}

#[test]
fn an_answer_ends_after_its_first_error() {
    let session = session_over(Memory::that(Mischief::Fail));
    let mut answer = begin(&session, "SELECT name FROM events").unwrap();
    RUNTIME.block_on(async {
        let mut errors = 0;
        while let Some(batch) = answer.next().await {
            errors += u32::from(batch.is_err());
        }
        assert_eq!(errors, 1);
        assert!(answer.next().await.is_none());
    });
}
