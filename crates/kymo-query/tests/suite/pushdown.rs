//! What a source is asked for, and that asking it gives the same rows as filtering afterwards.

use std::cell::Cell;

use kymo_query::{Limits, QuerySession};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::memory::Memory;
use crate::rows::{run, session_over};
use crate::traces;

/// Returns the line of EXPLAIN that tells of the scan, without its indentation.
fn scan_of(session: &QuerySession, sql: &str) -> String {
    let plan = run(session, &format!("EXPLAIN {sql}")).unwrap().join("\n");
    let line = plan
        .lines()
        .find(|line| line.contains("EventsExec"))
        .unwrap_or_else(|| panic!("{sql}: {plan}"));
    let start = line.find("EventsExec").unwrap();
    line[start..].to_owned()
}

fn is_filtered_above(session: &QuerySession, sql: &str) -> bool {
    let plan = run(session, &format!("EXPLAIN {sql}")).unwrap().join("\n");
    plan.contains("FilterExec")
}

#[test]
fn explain_shows_what_is_pushed_and_what_is_not_read() {
    let session = session_over(Memory::default());
    let sql = "SELECT name FROM events WHERE kind = 'Pod' AND uid IN ('p0', 'p1') \
        AND ts >= '2026-11-21T02:00:01Z' AND ts < '2026-11-21T02:00:04Z'";
    assert_eq!(
        scan_of(&session, sql),
        "EventsExec: trace=story, columns=[name], pushed=[kind in (Pod), uid in (p0, p1), \
         ts >= 2026-11-21T02:00:01.000000000Z, ts <= 2026-11-21T02:00:03.999999999Z], \
         segments=1 of 3, row_groups=2 of 6"
    );
    assert!(!is_filtered_above(&session, sql));
    assert_eq!(run(&session, sql).unwrap(), ["web-0", "web-0", "web-0"]);
}

#[test]
fn a_limit_is_pushed_when_every_filter_is() {
    let session = session_over(Memory::default());
    let sql = "SELECT name FROM events WHERE namespace = 'shop' LIMIT 2";
    assert!(scan_of(&session, sql).contains("limit=2"));
    assert_eq!(run(&session, sql).unwrap().len(), 2);
    let sql = "SELECT name FROM events WHERE name LIKE 'web-%' LIMIT 2";
    assert!(!scan_of(&session, sql).contains("limit="));
    assert_eq!(run(&session, sql).unwrap().len(), 2);
}

#[test]
fn counting_reads_one_small_column_and_shows_none() {
    let session = session_over(Memory::default());
    let sql = "SELECT count(*) FROM events WHERE type = 'ADDED'";
    assert!(scan_of(&session, sql).contains("columns=[], pushed=[type in (ADDED)]"));
    assert_eq!(run(&session, sql).unwrap(), ["5"]);
}

#[test]
fn conditions_that_exclude_each_other_read_nothing() {
    let session = session_over(Memory::default());
    let sql = "SELECT name FROM events WHERE uid = 'p0' AND uid IN ('p1', 'p2', 'p3', 'p4')";
    assert_eq!(run(&session, sql).unwrap(), Vec::<String>::new());
    let sql =
        "SELECT name FROM events WHERE ts > '2026-11-21T03:00:00Z' AND ts < '2026-11-21T02:00:00Z'";
    assert_eq!(run(&session, sql).unwrap(), Vec::<String>::new());
}

#[test]
fn a_plan_that_runs_again_reads_again() {
    let session = session_over(Memory::default());
    let sql = "WITH RECURSIVE walk AS (SELECT 1 AS depth UNION ALL \
        SELECT walk.depth + 1 FROM walk JOIN events ON events.seq = walk.depth WHERE walk.depth < 4) \
        SELECT max(depth) FROM walk";
    assert_eq!(run(&session, sql).unwrap(), ["4"]);
}

/// A filter in SQL. `raw` wraps every column so that nothing can be pushed.
#[derive(Clone, Debug)]
struct Filter {
    pushed: String,
    raw: String,
}

const COLUMNS: [&str; 7] = [
    "type",
    "api_group",
    "resource",
    "kind",
    "namespace",
    "name",
    "uid",
];
const WORDS: [&str; 11] = [
    "Pod",
    "Node",
    "pods",
    "deployments",
    "apps",
    "shop",
    "",
    "web-0",
    "p1",
    "ADDED",
    "MODIFIED",
];

const REQUEST_COLUMNS: [&str; 6] = [
    "verb",
    "subresource",
    "username",
    "impersonated_username",
    "user_agent",
    "audit_id",
];
const REQUEST_WORDS: [&str; 8] = [
    "update",
    "delete",
    "scale",
    "ci",
    "ops",
    "kubectl/v1.36.2",
    "6f1b0c2e-0000-4000-8000-000000000004",
    "",
];

fn filter(
    columns: &'static [&'static str],
    words: &'static [&'static str],
) -> impl Strategy<Value = Filter> {
    let text = prop::sample::select(columns);
    let word = prop::sample::select(words);
    let equal = (text.clone(), word.clone(), any::<bool>()).prop_map(|(column, word, swap)| {
        let make = |column: &str| {
            if swap {
                format!("'{word}' = {column}")
            } else {
                format!("{column} = '{word}'")
            }
        };
        Filter {
            pushed: make(column),
            raw: make(&format!("({column} || '')")),
        }
    });
    let within = (text, prop::collection::vec(word, 1..6), any::<bool>()).prop_map(
        |(column, words, negated)| {
            let not = if negated { "NOT " } else { "" };
            let make = |column: &str| format!("{column} {not}IN ('{}')", words.join("', '"));
            Filter {
                pushed: make(column),
                raw: make(&format!("({column} || '')")),
            }
        },
    );
    let operator = prop_oneof![
        Just("<"),
        Just("<="),
        Just(">"),
        Just(">="),
        Just("="),
        Just("<>")
    ];
    let time = (operator, 0_u32..63, any::<bool>()).prop_map(|(operator, second, swap)| {
        let time = format!("'2026-11-21T02:{:02}:{:02}Z'", second / 60, second % 60);
        let make = |column: &str| {
            if swap {
                format!("{time} {operator} {column}")
            } else {
                format!("{column} {operator} {time}")
            }
        };
        Filter {
            pushed: make("ts"),
            raw: make("(ts + INTERVAL '0 seconds')"),
        }
    });
    let leaf = prop_oneof![equal, within, time];
    leaf.prop_recursive(3, 8, 2, |inner| {
        (inner.clone(), inner, any::<bool>()).prop_map(|(left, right, and)| {
            let operator = if and { "AND" } else { "OR" };
            Filter {
                pushed: format!("({} {operator} {})", left.pushed, right.pushed),
                raw: format!("({} {operator} {})", left.raw, right.raw),
            }
        })
    })
}

#[test]
fn pushed_filters_let_the_same_rows_through() {
    let plain = || filter(&COLUMNS, &WORDS);
    same_rows_over(&session_over(Memory::default()), &plain());
    let trace = traces::half_sealed("story");
    let session = QuerySession::open(&[trace.named()], Limits::default()).unwrap();
    same_rows_over(&session, &plain());
    let trace = traces::audited("audit");
    let session = QuerySession::open(&[trace.named()], Limits::default()).unwrap();
    same_rows_over(&session, &filter(&REQUEST_COLUMNS, &REQUEST_WORDS));
}

fn same_rows_over(session: &QuerySession, filter: &impl Strategy<Value = Filter>) {
    let pushed = Cell::new(0_u32);
    let some = Cell::new(0_u32);
    let config = ProptestConfig {
        cases: 80,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    TestRunner::new(config)
        .run(filter, |filter| {
            let select = |table: &str, filter: &str| {
                format!("SELECT seq, kind, name FROM {table} WHERE {filter} ORDER BY seq")
            };
            // A filter does not go down past a limit.
            let raw = select("(SELECT * FROM events LIMIT 1000000)", &filter.raw);
            let expected = run(session, &raw).unwrap();
            let sql = select("events", &filter.pushed);
            let found = run(session, &sql).unwrap();
            let explain = |sql: &str| run(session, &format!("EXPLAIN {sql}")).unwrap().join("\n");
            let (explained, raw) = (explain(&sql), explain(&raw));
            prop_assert!(!raw.contains("pushed=["), "{raw}");
            pushed.set(pushed.get() + u32::from(explained.contains("pushed=[")));
            some.set(some.get() + u32::from(!expected.is_empty()));
            prop_assert_eq!(found, expected, "{}", filter.pushed);
            Ok(())
        })
        .unwrap();
    let (pushed, some) = (pushed.get(), some.get());
    assert!(pushed > 20, "only {pushed} of the filters were pushed");
    assert!(some > 20, "only {some} of the filters let rows through");
}
