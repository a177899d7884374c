//! Versions as they held at a time: what is not read changes no answer.

use std::cell::Cell;

use kymo_query::{Limits, QuerySession};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::random::{Layout, change, write};
use crate::rows::run;
use crate::{story, traces};

/// Questions that keep versions which began before `TIME`; whether they show when those ended, and
/// whether they need only the last version of each object.
const QUESTIONS: [(&str, bool, bool); 9] = [
    (
        "SELECT seq, name, object -> 'spec' ->> 'node' FROM versions \
         WHERE valid_from <= TIME AND (valid_to IS NULL OR valid_to > TIME) ORDER BY seq",
        false,
        true,
    ),
    (
        "SELECT seq, ts, valid_to, ended_by, object FROM (SELECT *, valid_from AS ts FROM versions) \
         WHERE ts <= TIME AND (valid_to IS NULL OR valid_to > TIME) ORDER BY seq",
        true,
        true,
    ),
    (
        "SELECT seq, object FROM versions WHERE valid_from < TIME AND kind = 'Pod' \
         AND (valid_to IS NULL OR valid_to >= TIME) ORDER BY seq",
        false,
        true,
    ),
    (
        "SELECT seq, valid_to FROM versions WHERE TIME > valid_from AND name LIKE '%-1' ORDER BY seq",
        true,
        false,
    ),
    (
        "SELECT resource, count(*) FROM versions WHERE valid_from <= TIME AND ended_by IS NULL \
         GROUP BY resource ORDER BY resource",
        true,
        false,
    ),
    (
        "SELECT seq FROM versions WHERE valid_from <= TIME AND (valid_to IS NULL OR valid_to >= TIME) ORDER BY seq",
        false,
        false,
    ),
    (
        "SELECT count(*), max(valid_from), min(phase) FROM pods AS OF TIME",
        false,
        true,
    ),
    (
        "SELECT a.name, a.resource_version, b.resource_version FROM pods AS OF TIME a JOIN pods AS OF TIME b \
         USING (name, uid) ORDER BY 1, 2, 3",
        false,
        true,
    ),
    (
        "SELECT p.name, p.valid_to FROM pods AS OF TIME p ORDER BY p.name, p.valid_from, p.valid_to",
        true,
        true,
    ),
];

#[test]
fn random_times_have_the_answers_that_a_full_read_gives() {
    let answered = Cell::new(0);
    let config = ProptestConfig {
        cases: 6,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let cases = (
        prop::collection::vec(change(), 30..50),
        prop::collection::vec(0u64..40_000, 3),
    );
    TestRunner::new(config)
        .run(&cases, |(changes, times)| {
            let folder = tempfile::tempdir().unwrap();
            for layout in Layout::ALL {
                let limits = Limits {
                    threads: Some(2),
                    ..Limits::default()
                };
                let traces = [("t".into(), write(&folder, layout, &changes))];
                let session = QuerySession::open(&traces, limits).unwrap();
                for (place, (question, _, _)) in QUESTIONS.iter().enumerate() {
                    let time = format!("TIMESTAMPTZ '{}'", story::at(times[place % times.len()]));
                    // What is not known when a query is planned leaves nothing out.
                    let unknown = format!("(SELECT max({time}) FROM feeds)");
                    let found = run(&session, &question.replace("TIME", &time)).unwrap();
                    let expected = run(&session, &question.replace("TIME", &unknown)).unwrap();
                    answered.set(answered.get() + usize::from(expected.len() > 3));
                    prop_assert_eq!(found, expected, "{:?} at {}: {}", layout, time, question);
                }
            }
            Ok(())
        })
        .unwrap();
    assert!(answered.get() > 30, "{answered:?} answers have some rows");
}

#[test]
fn explain_says_up_to_which_time_events_are_read() {
    let story = traces::half_sealed("story");
    let session = QuerySession::open(&[story.named()], Limits::default()).unwrap();
    let time = "TIMESTAMPTZ '2026-11-21T02:00:02Z'";
    for (question, ends, only_last) in QUESTIONS {
        let sql = format!("EXPLAIN {}", question.replace("TIME", time));
        let plan = run(&session, &sql).unwrap().join("\n");
        let at = |word: &str| format!("{word}=2026-11-21T02:00:0");
        let (word, other) = if ends {
            ("until_ended_after", "until")
        } else {
            ("until", "until_ended_after")
        };
        assert!(plan.contains(&at(word)), "{sql}: {plan}");
        assert_eq!(plan.contains("versions=last"), only_last, "{sql}: {plan}");
        assert!(!plan.contains(&format!(" {}", at(other))), "{sql}: {plan}");
    }
}

#[test]
fn windows_that_look_further_than_the_next_event_read_everything() {
    let session = QuerySession::open(&[traces::sealed("story").named()], Limits::default());
    let session = session.unwrap();
    let life = "PARTITION BY api_group, resource, kind, namespace, name, uid ORDER BY seq";
    for next in [
        format!("lead(ts, 2) OVER ({life})"),
        format!("lag(ts) OVER ({life})"),
        format!("count(*) OVER ({life})"),
        format!("lead(ts) IGNORE NULLS OVER ({life})"),
        "lead(ts) OVER (PARTITION BY kind ORDER BY seq)".to_owned(),
        format!("lead(ts) OVER ({life} DESC)"),
        "lead(ts) OVER (PARTITION BY api_group, name, uid, type ORDER BY seq)".to_owned(),
    ] {
        for filter in ["", "WHERE type <> 'MODIFIED'"] {
            let sql = format!(
                "EXPLAIN SELECT seq, next FROM (SELECT seq, ts, {next} AS next FROM events {filter}) \
                 WHERE ts <= TIMESTAMPTZ '2026-11-21T02:00:02Z'"
            );
            let plan = run(&session, &sql).unwrap().join("\n");
            assert!(!plan.contains("until"), "{sql}: {plan}");
        }
    }
    let sql = "EXPLAIN SELECT seq FROM (SELECT seq, ts, type, lead(ts) OVER (PARTITION BY api_group, name, uid ORDER BY seq) AS next \
        FROM events WHERE type <> 'MODIFIED') WHERE ts <= TIMESTAMPTZ '2026-11-21T02:00:02Z' AND next IS NULL";
    let plan = run(&session, sql).unwrap().join("\n");
    assert!(!plan.contains("until"), "{plan}");
}

#[test]
fn versions_that_another_one_replaced_are_read_unless_windows_go_by_object_and_ends_are_asked_for()
{
    let session = QuerySession::open(&[traces::sealed("story").named()], Limits::default());
    let session = session.unwrap();
    let time = "TIMESTAMPTZ '2026-11-21T02:00:02Z'";
    let by_object = "api_group, resource, namespace, name, uid";
    let by_name = "api_group, namespace, name, uid";
    for (apart, next, filter, end, only_last) in [
        (by_object, "lead(ts)", "", "next > TIME", true),
        (by_name, "lead(ts)", "", "next > TIME", false),
        (
            by_name,
            "lead(ts)",
            "WHERE resource = 'pods'",
            "next > TIME",
            true,
        ),
        (
            by_name,
            "lead(ts)",
            "WHERE kind = 'Pod'",
            "next > TIME",
            false,
        ),
        (
            by_object,
            "lead(ts)",
            "",
            "next > TIME - INTERVAL '1 ms'",
            false,
        ),
        (by_object, "lead(created)", "", "next > TIME", false),
    ] {
        let sql = format!(
            "EXPLAIN SELECT seq FROM (SELECT seq, ts, {next} OVER (PARTITION BY {apart} ORDER BY seq) AS next \
             FROM events {filter}) WHERE ts <= TIME AND (next IS NULL OR {end})"
        )
        .replace("TIME", time);
        let plan = run(&session, &sql).unwrap().join("\n");
        assert!(plan.contains("until"), "{sql}: {plan}");
        assert_eq!(plan.contains("versions=last"), only_last, "{sql}: {plan}");
    }
}
