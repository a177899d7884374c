//! Questions whose cost is the start of a process.

use std::env;

use crate::compare::{Warm, values};
use crate::helper::{Ended, Helper};
use crate::{Data, KYMO, median};

/// Runs `kymo query` for small questions and prints what the whole process took.
pub(crate) fn start(helper: &mut Helper, all: &[Data]) {
    let rounds = env::var("KYMO_BENCH_ROUNDS").map_or(11, |text| text.parse().unwrap());
    println!("\nwhole processes, medians of {rounds}: wall and CPU milliseconds, peak memory");
    let output = all[0].full.with_file_name("answer");
    print(
        helper,
        rounds,
        "kymo --version",
        &[KYMO, "--version"],
        &output,
    );
    for data in all {
        let values = values(&Warm::open(&data.trace));
        let asked = [
            (
                "steps of lineage",
                "SELECT count(*) FROM lineage".to_owned(),
            ),
            (
                "one node",
                "SELECT name, ready FROM nodes WHERE valid_to IS NULL ORDER BY name LIMIT 1"
                    .to_owned(),
            ),
            (
                "history of one object",
                format!(
                    "SELECT seq, type, ts, object FROM events WHERE resource = 'pods' AND uid = '{}' ORDER BY seq",
                    values["uid"]
                ),
            ),
            (
                "events of two seconds",
                format!(
                    "SELECT ts, type, kind, name FROM events WHERE ts >= TIMESTAMPTZ '{0}' AND ts < TIMESTAMPTZ '{0}' + INTERVAL '2 seconds' ORDER BY seq",
                    values["at"]
                ),
            ),
        ];
        for (what, sql) in asked {
            let what = format!("{}: {what}", data.name);
            let trace = data.trace.to_str().unwrap();
            print(
                helper,
                rounds,
                &what,
                &[KYMO, "query", trace, &sql, "--format", "ndjson"],
                &output,
            );
        }
    }
}

fn print(
    helper: &mut Helper,
    rounds: usize,
    what: &str,
    command: &[&str],
    output: &std::path::Path,
) {
    let mut ended: Vec<Ended> = (0..rounds).map(|_| helper.run(command, output)).collect();
    assert!(
        ended.iter().all(|ended| ended.status == 0),
        "{what}: {}",
        std::fs::read_to_string(output).unwrap()
    );
    let ended = median(&mut ended, |ended| ended.cost.wall_ms());
    println!(
        "{what:40} {:8.1} {:8.1} {:6.0} MB",
        ended.cost.wall_ms(),
        ended.cost.cpu_ms(),
        ended.peak as f64 / 1e6
    );
}
