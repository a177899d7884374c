//! The queries that kymo ships, over the story.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kymo_interop::{Format, ImportOptions, import};
use kymo_model::{Clock, SystemClock};
use kymo_query::{Limits, Parameter, Parameters, QuerySession};

use crate::rows::{RUNTIME, cells, run};
use crate::{traces, trouble};

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../queries"))
}

fn queries() -> BTreeMap<String, String> {
    std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

#[test]
fn every_query_says_what_it_answers_in_which_unit_and_by_which_clock() {
    for (name, text) in queries() {
        let mut lines = text.lines();
        for field in ["Question:", "Columns:", "Unit:", "Clock:", "Source:"] {
            assert!(
                lines.any(|line| line.starts_with(&format!("-- {field} "))),
                "{name} does not say its {field}"
            );
        }
    }
}

#[test]
fn every_query_gives_the_known_answer_over_the_story() {
    let expected: BTreeMap<&str, &[&str]> = BTreeMap::from([
        (
            "events-per-kind",
            &[
                "Pod||7|3|3|3|1|2026-11-21T02:00:01Z|2026-11-21T02:01:02Z",
                "Deployment|apps|2|1|1|1|0|2026-11-21T02:00:00Z|2026-11-21T02:01:01Z",
                "Node||1|1|1|0|0|2026-11-21T02:00:00Z|2026-11-21T02:00:00Z",
            ][..],
        ),
        (
            "gaps",
            &[
                "secrets|*|denied|forbidden|2026-11-21T02:00:00Z|2026-11-21T02:01:03Z|63.0",
                "pods|*|unobserved|history_expired|2026-11-21T02:00:10Z|2026-11-21T02:00:52Z|42.0",
            ],
        ),
        (
            "busiest-objects",
            &[
                "Pod|shop|web-0|p0|2|2026-11-21T02:00:01Z|2026-11-21T02:01:00Z|2.0338983050847457",
                "Deployment|shop|web|d1|1|2026-11-21T02:00:00Z|2026-11-21T02:01:01Z|0.9836065573770492",
                "Pod|shop|web-1|p1|1|2026-11-21T02:00:04Z|2026-11-21T02:00:52Z|1.25",
            ],
        ),
        (
            "lifetimes",
            &["Pod|shop|web-0|p0|2026-11-21T02:00:01Z|2026-11-21T02:01:00Z|59.0|seen"],
        ),
        (
            "pod-startup",
            &[
                "pod_startup|2|25.0|2.0|48.0|48.0|48.0|1|0|0",
                "create_to_schedule|2|24.25|0.5|48.0|48.0|48.0|1|0|0",
                "schedule_to_run|2|0.75|0.0|1.5|1.5|1.5|1|0|0",
            ],
        ),
        ("who-changed", &[]),
    ]);
    let trace = traces::half_sealed("story");
    let session = QuerySession::open(&[trace.named()], Limits::default()).unwrap();
    let queries = queries();
    for (name, expected) in expected {
        let found = run(&session, &queries[name]).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(found, expected, "{name}");
    }
}

/// Returns the values that the header of a query gives as an example.
fn example(text: &str) -> Parameters {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("-- Example:"));
    let values = line.unwrap_or_default().split_whitespace();
    values
        .map(|value| {
            let (name, value) = value.split_once('=').unwrap();
            (name.to_owned(), Parameter::read(value))
        })
        .collect()
}

/// With `KYMO_WRITE_ANSWERS` in the environment the answers are written down.
fn compare_with_written_answers(trace: &Path, folder: &str) {
    // Sums of fractions depend on the order of rows, and that on the number of threads.
    let limits = Limits {
        threads: Some(1),
        ..Limits::default()
    };
    let session = QuerySession::open(&[("trace".into(), trace.to_path_buf())], limits).unwrap();
    let mut differing = String::new();
    for (name, text) in queries() {
        let answer = RUNTIME.block_on(async {
            let answer = session.sql_with(&text, &example(&text)).await?;
            let columns = answer.schema().fields().iter();
            let columns: Vec<String> = columns.map(|field| field.name().clone()).collect();
            let rows = cells(&answer.collect().await?);
            let lines = std::iter::once(columns)
                .chain(rows)
                .map(|row| row.join("|") + "\n");
            Ok::<String, kymo_query::Error>(lines.collect())
        });
        let answer = answer.unwrap_or_else(|error| panic!("{name}: {error}"));
        let path = answers().join(folder).join(format!("{name}.txt"));
        if std::env::var_os("KYMO_WRITE_ANSWERS").is_some() {
            std::fs::write(&path, &answer).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        if written != answer {
            let _infallible = write!(differing, "{name}:\nwritten:\n{written}found:\n{answer}");
        }
    }
    assert!(differing.is_empty(), "{differing}");
}

fn answers() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/library"))
}

fn fixtures() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures"))
}

#[test]
fn every_query_gives_the_answer_that_is_written_down_over_the_shipped_recording() {
    compare_with_written_answers(&fixtures().join("rollout.parquet"), "rollout");
}

#[test]
fn every_query_gives_the_answer_that_is_written_down_over_a_cluster_that_scales() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("autoscaling");
    let streams = vec![fixtures().join("autoscaling")];
    let options = ImportOptions::new(Some(Format::Watch), streams, trace.clone());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    import(&options, &clock, &mut |_| ControlFlow::Continue(())).unwrap();
    compare_with_written_answers(&trace, "autoscaling");
}

#[test]
fn every_query_is_in_the_table_of_measures_and_every_query_of_the_table_is_there() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/measures.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| "));
    let named: BTreeSet<&str> = rows
        .filter_map(|row| {
            row.split(" | ")
                .nth(1)?
                .strip_prefix('`')?
                .strip_suffix('`')
        })
        .collect();
    let queries = queries();
    let shipped: BTreeSet<&str> = queries.keys().map(String::as_str).collect();
    assert_eq!(named, shipped);
}

#[test]
fn every_answer_that_is_written_down_is_of_a_query() {
    let queries = queries();
    for folder in ["rollout", "autoscaling"] {
        for entry in std::fs::read_dir(answers().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            assert!(
                queries.contains_key(path.file_stem().unwrap().to_str().unwrap()),
                "{path:?}"
            );
        }
    }
}

#[test]
fn an_audit_log_tells_who_changed_what() {
    let trace = traces::audited("audit");
    let session = QuerySession::open(&[trace.named()], Limits::default()).unwrap();
    assert_eq!(
        run(&session, &queries()["who-changed"]).unwrap(),
        [
            "jane@example.com|NULL|apps|deployments|update|NULL|kubectl/v1.36.2|2|2|1|0|2026-11-21T02:00:11Z|2026-11-21T02:00:12Z",
            "ci|NULL||configmaps|create|NULL|kubectl/v1.36.2|1|1|1|1|2026-11-21T02:00:20Z|2026-11-21T02:00:20Z",
            "ci|NULL||configmaps|delete|NULL|kubectl/v1.36.2|1|1|1|0|2026-11-21T02:00:21Z|2026-11-21T02:00:21Z",
            "jane@example.com|NULL|apps|deployments|create|NULL|kubectl/v1.36.2|1|1|1|0|2026-11-21T02:00:00Z|2026-11-21T02:00:00Z",
            "jane@example.com|NULL|apps|deployments|delete|NULL|kubectl/v1.36.2|1|1|1|0|2026-11-21T02:00:30Z|2026-11-21T02:00:30Z",
            "ops|admin|apps|deployments|patch|scale|kubectl/v1.36.2|1|1|1|1|2026-11-21T02:00:10Z|2026-11-21T02:00:10Z",
            "system:serviceaccount:kube-system:deployment-controller|NULL|apps|deployments|update|status|kube-controller-manager|1|1|1|0|2026-11-21T02:00:02Z|2026-11-21T02:00:02Z",
        ]
    );
}

#[test]
fn trouble_is_found() {
    let trace = trouble::trace();
    let session = QuerySession::open(&[trace.named()], Limits::default()).unwrap();
    let queries = queries();
    for (name, expected) in [
        (
            "unschedulable",
            "Unschedulable|Insufficient cpu|1|12.0|12.0|0",
        ),
        ("flapping-pods", "shop|flappy|node-a|2|5.0"),
        ("restarts", "shop|crashy|2|4.0|Running"),
        (
            "node-failures",
            "node-a|2026-11-21T02:00:10Z|NodeStatusUnknown|4.0|ready|1|0|0",
        ),
    ] {
        assert_eq!(run(&session, &queries[name]).unwrap(), [expected], "{name}");
    }
}
