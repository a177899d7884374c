//! Any history, cut anywhere, comes out once and in order.

use kymo_model::Certainty;
use kymo_watch::Request;
use kymo_watch::machine::Input;
use proptest::prelude::*;

use crate::bench::{Bench, bookmark_line, event_line};

/// A change of one of a few objects, as the server has it in its history.
#[derive(Clone, Debug)]
struct Change {
    rv: u64,
    event_type: &'static str,
    name: String,
    uid: String,
}

/// How a stream ends after some lines.
#[derive(Clone, Copy, Debug)]
enum End {
    Eof,
    Reset,
    Silence,
    /// A line arrives damaged.
    Damaged,
    /// The last lines come twice.
    Repeated,
}

fn history(steps: &[(u8, u8)]) -> Vec<Change> {
    let mut generations = [None::<u32>; 4];
    let mut made = [0u32; 4];
    let mut rv = 10;
    let mut changes = Vec::new();
    for (object, step) in steps {
        let object = usize::from(object % 4);
        rv += 1 + u64::from(step % 3);
        let (event_type, generation) = match generations[object] {
            None => {
                made[object] += 1;
                generations[object] = Some(made[object]);
                ("ADDED", made[object])
            }
            Some(generation) if step % 4 == 0 => {
                generations[object] = None;
                ("DELETED", generation)
            }
            Some(generation) => ("MODIFIED", generation),
        };
        changes.push(Change {
            rv,
            event_type,
            name: format!("o{object}"),
            uid: format!("o{object}-{generation}"),
        });
    }
    changes
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        Just(End::Eof),
        Just(End::Reset),
        Just(End::Silence),
        Just(End::Damaged),
        Just(End::Repeated),
    ]
}

/// Runs the machine to its next watch request; returns the version asked for.
fn watched_from(bench: &mut Bench) -> u64 {
    for _ in 0..20 {
        match bench.requests.last() {
            Some(Request::Watch { rv, .. }) => {
                let rv = rv.as_str().parse().unwrap();
                bench.requests.clear();
                return rv;
            }
            Some(Request::Probe) => {
                bench.requests.clear();
                bench.page(1_000_000, "", &[]);
            }
            _ => {
                bench.tick();
            }
        }
    }
    panic!("no watch was asked for");
}

proptest! {
    #[test]
    fn every_event_comes_out_once_and_in_order_however_streams_end(
        steps in proptest::collection::vec((any::<u8>(), any::<u8>()), 1..60),
        streams in proptest::collection::vec((0usize..12, end(), any::<bool>()), 0..20),
    ) {
        let history = history(&steps);
        let mut bench = Bench::resumed(10, &[]);
        for (lines, end, bookmark) in streams {
            let from = watched_from(&mut bench);
            bench.input(Input::Opened);
            let after: Vec<&Change> = history.iter().filter(|change| change.rv > from).collect();
            let sent = &after[..lines.min(after.len())];
            for change in sent {
                bench.line(&line(change));
            }
            match end {
                _ if bookmark && after.len() == sent.len() => {
                    let last = sent.last().map_or(from, |change| change.rv);
                    bench.line(&bookmark_line(last, false));
                    bench.input(Input::Eof);
                }
                End::Eof => bench.input(Input::Eof),
                End::Reset => bench.input(Input::Failed("reset".into())),
                End::Silence => {
                    while bench.requests.is_empty() {
                        bench.tick();
                    }
                }
                End::Damaged => match after.get(sent.len()) {
                    Some(change) => {
                        let whole = line(change);
                        bench.line(&whole[..whole.len() / 2]);
                        if bench.requests.is_empty() {
                            // Damaged twice at the same version: it was kept as bytes.
                            return Ok(());
                        }
                    }
                    None => bench.input(Input::Eof),
                },
                End::Repeated => {
                    for change in sent.iter().rev().take(3).rev() {
                        bench.line(&line(change));
                    }
                    bench.input(Input::Eof);
                }
            }
        }
        let from = watched_from(&mut bench);
        bench.input(Input::Opened);
        for change in history.iter().filter(|change| change.rv > from) {
            bench.line(&line(change));
        }
        let expected: Vec<(u64, &str, &str)> = history
            .iter()
            .map(|change| (change.rv, change.event_type, change.uid.as_str()))
            .collect();
        let got: Vec<(u64, &str, &str)> = bench
            .events
            .iter()
            .map(|event| {
                assert_eq!(event.certainty, Certainty::Seen);
                (
                    event.rv.as_ref().unwrap().as_str().parse().unwrap(),
                    event.event_type.as_str(),
                    event.key.uid.as_str(),
                )
            })
            .collect();
        prop_assert_eq!(got, expected);
        prop_assert_eq!(bench.status().epoch, 0);
    }
}

fn line(change: &Change) -> String {
    event_line(change.event_type, &change.name, &change.uid, change.rv)
}
