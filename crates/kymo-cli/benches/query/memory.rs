//! Questions that need much, asked with little memory.

use std::fs;

use crate::helper::Helper;
use crate::{Data, KYMO};

const QUESTIONS: [(&str, &str); 8] = [
    (
        "sort of whole objects",
        "SELECT count(*), max(place) FROM (SELECT object, row_number() OVER (ORDER BY length(object), object, seq) AS place FROM events)",
    ),
    (
        "whole objects by time",
        "SELECT ts, kind, name, object FROM events ORDER BY ts, seq",
    ),
    (
        "100 largest objects",
        "SELECT seq, length(object) AS bytes, object FROM events ORDER BY bytes DESC, seq LIMIT 100",
    ),
    (
        "20,000 largest objects",
        "SELECT seq, length(object) AS bytes, object FROM events ORDER BY bytes DESC, seq LIMIT 20000",
    ),
    (
        "last version of each object",
        "SELECT kind, count(*) AS n, sum(length(object)) AS bytes FROM objects GROUP BY kind ORDER BY kind",
    ),
    (
        "distinct objects",
        "SELECT count(*) FROM (SELECT DISTINCT object FROM events)",
    ),
    (
        "versions beside each other",
        "SELECT count(*) FROM versions a JOIN versions b ON a.uid = b.uid AND a.valid_to = b.valid_from WHERE length(a.object) < length(b.object)",
    ),
    (
        "events by uid",
        "SELECT uid, count(*) AS n, min(ts), max(ts), count(DISTINCT resource_version) FROM events GROUP BY uid ORDER BY n DESC, uid LIMIT 10",
    ),
];

/// Runs each question with less and less memory, and prints what the process had at most.
pub(crate) fn memory(helper: &mut Helper, all: &[Data]) {
    for data in all {
        let trace = data.trace.to_str().unwrap();
        let output = data.full.with_file_name("answer");
        println!(
            "\n{}: seconds and peak memory of the process under --memory-limit",
            data.name
        );
        for (what, sql) in QUESTIONS {
            print!("{what:30}");
            for limit in ["8MiB", "32MiB", "64MiB", "512MiB"] {
                let ended = helper.run(
                    &[
                        KYMO,
                        "query",
                        trace,
                        sql,
                        "--format",
                        "ndjson",
                        "--memory-limit",
                        limit,
                    ],
                    &output,
                );
                if ended.status == 0 {
                    print!(
                        "  {limit} {:6.1} s {:5.0} MB",
                        ended.cost.wall_ms() / 1e3,
                        ended.peak as f64 / 1e6
                    );
                } else {
                    let said = fs::read_to_string(&output).unwrap();
                    let said = said
                        .lines()
                        .rev()
                        .find(|line| line.starts_with("error"))
                        .unwrap_or_default()
                        .to_owned();
                    print!("  {limit} failed ({said})");
                }
            }
            println!();
        }
    }
}
