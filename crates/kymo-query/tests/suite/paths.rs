//! Paths into objects go down to the scan through every kind of plan, and change no answer.

use kymo_query::{Limits, QuerySession};
use rstest::rstest;

use crate::rows::run;
use crate::traces;

/// All rows with all columns, out of which no path goes down.
const WHOLE: &str = "(SELECT *, object || '' AS whole FROM events LIMIT 1000000)";

fn session_over(trace: &traces::Story) -> QuerySession {
    let limits = Limits {
        threads: Some(2),
        ..Limits::default()
    };
    QuerySession::open(&[trace.named()], limits).unwrap()
}

fn explain(session: &QuerySession, sql: &str) -> String {
    run(session, &format!("EXPLAIN {sql}")).unwrap().join("\n")
}

/// Asks with `EVENTS` and `OBJECT` in place of the table and its column.
#[rstest]
#[case::shown("SELECT seq, OBJECT -> 'status' ->> 'phase' FROM EVENTS ORDER BY seq")]
#[case::in_a_filter(
    "SELECT seq FROM EVENTS WHERE OBJECT -> 'status' ->> 'phase' = 'Running' ORDER BY seq"
)]
#[case::as_an_order("SELECT name FROM EVENTS ORDER BY OBJECT -> 'status' ->> 'phase', seq")]
#[case::as_a_group(
    "SELECT OBJECT -> 'spec' ->> 'nodeName' AS node, count(*) FROM EVENTS GROUP BY node ORDER BY node"
)]
#[case::in_having(
    "SELECT uid FROM EVENTS GROUP BY uid HAVING max(OBJECT -> 'status' ->> 'phase') = 'Succeeded'"
)]
#[case::distinct(
    "SELECT DISTINCT OBJECT -> 'spec' -> 'containers' -> 0 ->> 'image' AS i FROM EVENTS ORDER BY i"
)]
#[case::in_a_choice(
    "SELECT seq, CASE WHEN OBJECT ? 'status' THEN json_length(OBJECT, 'status') ELSE -1 END FROM EVENTS ORDER BY seq"
)]
#[case::of_a_join(
    "SELECT a.seq, b.seq, a.OBJECT -> 'spec' ->> 'nodeName', b.OBJECT -> 'status' ->> 'phase' \
    FROM EVENTS AS a JOIN EVENTS AS b ON a.uid = b.uid AND a.seq < b.seq ORDER BY 1, 2"
)]
#[case::of_the_empty_side_of_a_join(
    "SELECT a.seq, json_length(b.OBJECT, 'status'), b.OBJECT -> 'status' ->> 'phase' \
    FROM EVENTS AS a LEFT JOIN EVENTS AS b ON b.seq = a.seq + 1 AND b.kind = 'Pod' ORDER BY 1"
)]
#[case::as_a_join_key(
    "SELECT pod.seq, node.name FROM EVENTS AS pod JOIN EVENTS AS node \
    ON pod.OBJECT -> 'spec' ->> 'nodeName' = node.name ORDER BY 1"
)]
#[case::of_a_union(
    "SELECT seq, o -> 'status' ->> 'phase' FROM (SELECT seq, OBJECT AS o FROM EVENTS AS a WHERE kind = 'Pod' \
    UNION ALL SELECT seq, OBJECT FROM EVENTS AS b WHERE kind = 'Node') AS u ORDER BY seq"
)]
#[case::of_a_rule(
    "SELECT seq, cpu(OBJECT), requests(OBJECT, 'memory'), condition(OBJECT, 'Ready')['status'] FROM EVENTS ORDER BY seq"
)]
#[case::of_a_jsonpath(
    "SELECT seq, json_path(OBJECT, '$.spec.containers[*].image'), pod_status(OBJECT)['status'] FROM EVENTS ORDER BY seq"
)]
#[case::of_a_pointer(
    "SELECT seq, json_pointer(OBJECT, '/spec/containers/0/image') FROM EVENTS ORDER BY seq"
)]
#[case::in_a_window(
    "SELECT seq, lag(OBJECT -> 'status' ->> 'phase') OVER (PARTITION BY uid ORDER BY seq) FROM EVENTS ORDER BY seq"
)]
#[case::of_the_version_before(
    "SELECT seq, o -> 'status' ->> 'phase', before -> 'status' ->> 'phase' FROM \
    (SELECT seq, OBJECT AS o, lag(OBJECT) OVER (PARTITION BY uid ORDER BY seq) AS before FROM EVENTS) AS v ORDER BY seq"
)]
#[case::of_the_last_version(
    "SELECT uid, o -> 'status' ->> 'phase' FROM \
    (SELECT uid, last_value(OBJECT ORDER BY seq) AS o FROM EVENTS GROUP BY uid) AS v ORDER BY uid"
)]
#[case::of_a_common_table(
    "WITH p AS (SELECT seq, OBJECT AS o FROM EVENTS WHERE kind = 'Pod') SELECT count(*) FROM p JOIN p AS q \
    ON p.o -> 'spec' ->> 'nodeName' = q.o -> 'spec' ->> 'nodeName'"
)]
#[case::in_a_subquery(
    "SELECT seq, (SELECT max(b.OBJECT -> 'status' ->> 'phase') FROM EVENTS AS b WHERE b.uid = a.uid) FROM EVENTS AS a ORDER BY seq"
)]
#[case::in_a_set(
    "SELECT seq FROM EVENTS AS a WHERE name IN (SELECT OBJECT -> 'spec' ->> 'nodeName' FROM EVENTS AS b) ORDER BY seq"
)]
#[case::of_two_unions_without_names(
    "SELECT count(*) FROM (SELECT seq AS s, OBJECT AS o FROM EVENTS AS a UNION ALL SELECT seq, OBJECT FROM EVENTS AS b) \
    JOIN (SELECT seq AS t, OBJECT AS p FROM EVENTS AS c UNION ALL SELECT seq, OBJECT FROM EVENTS AS d) \
    ON o -> 'status' ->> 'phase' = p -> 'status' ->> 'phase'"
)]
fn a_path_is_read_instead_of_the_object(#[case] question: &str) {
    let trace = traces::half_sealed("story");
    let session = session_over(&trace);
    let sql = question
        .replace("EVENTS", "events")
        .replace("OBJECT", "object");
    let whole = question.replace("EVENTS", WHOLE).replace("OBJECT", "whole");
    let found = run(&session, &sql).unwrap();
    assert_eq!(found, run(&session, &whole).unwrap());
    assert!(!found.is_empty());
    assert_reads_paths_only(&explain(&session, &sql));
}

fn assert_reads_paths_only(plan: &str) {
    assert!(plan.contains("paths=["), "{plan}");
    for columns in plan.split("columns=[").skip(1) {
        let columns = columns.split(']').next().unwrap();
        assert!(
            columns.split(", ").all(|column| column != "object"),
            "{plan}"
        );
    }
}

#[rstest]
#[case::a_view(
    "SELECT name, phase FROM pods WHERE namespace = 'shop'",
    "namespace in (shop)"
)]
#[case::a_view_as_of("SELECT name, phase FROM pods AS OF '3s'", "pods")]
#[case::versions(
    "SELECT name, object -> 'status' ->> 'phase' FROM versions WHERE kind = 'Pod'",
    "kind in (Pod)"
)]
#[case::objects(
    "SELECT name, object -> 'spec' ->> 'replicas' FROM objects WHERE resource = 'deployments'",
    "resource in (deployments)"
)]
fn tables_made_of_events_read_paths_and_leave_out_rows(#[case] sql: &str, #[case] pushed: &str) {
    let trace = traces::half_sealed("story");
    let session = session_over(&trace);
    assert!(!run(&session, sql).unwrap().is_empty());
    let plan = explain(&session, sql);
    assert_reads_paths_only(&plan);
    let scan = plan.split("pushed=[").nth(1).unwrap();
    assert!(scan.contains(pushed), "{plan}");
}

#[rstest]
#[case::shown("SELECT OBJECT, OBJECT -> 'status' ->> 'phase' FROM EVENTS ORDER BY seq")]
#[case::the_key_is_not_constant("SELECT OBJECT ->> lower('KIND' || name) FROM EVENTS ORDER BY seq")]
#[case::of_any_row(
    "SELECT count(o -> 'status') FROM (SELECT uid, max(OBJECT) AS o FROM EVENTS GROUP BY uid) AS v"
)]
fn the_object_is_read_where_it_is_needed(#[case] question: &str) {
    let trace = traces::half_sealed("story");
    let session = session_over(&trace);
    let sql = question
        .replace("EVENTS", "events")
        .replace("OBJECT", "object");
    let whole = question.replace("EVENTS", WHOLE).replace("OBJECT", "whole");
    assert_eq!(run(&session, &sql).unwrap(), run(&session, &whole).unwrap());
    let plan = explain(&session, &sql);
    assert!(plan.contains("object"), "{plan}");
}

#[test]
fn explain_analyze_counts_what_was_read() {
    let trace = traces::sealed("story");
    let session = session_over(&trace);
    let count = |sql: &str, name: &str| -> usize {
        let lines = run(&session, &format!("EXPLAIN ANALYZE {sql}")).unwrap();
        let text = lines.join("\n");
        let name = format!("{name}=");
        let counts = text.split(&name).skip(1);
        counts
            .map(|rest| {
                let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
                digits.unwrap().parse::<usize>().unwrap()
            })
            .sum()
    };
    let by_path = "SELECT seq FROM events WHERE object -> 'status' ->> 'phase' = 'Succeeded'";
    assert_eq!(count(by_path, "objects_built"), 0);
    assert_eq!(count(by_path, "versions_read"), 10);
    let shown = "SELECT object FROM events WHERE object -> 'status' ->> 'phase' = 'Succeeded'";
    assert_eq!(count(shown, "objects_built"), 1);
    let typed = "SELECT name FROM events WHERE kind = 'Pod'";
    assert_eq!(count(typed, "versions_read"), 0);
    assert!(count(typed, "rows_read") > 0);
}
