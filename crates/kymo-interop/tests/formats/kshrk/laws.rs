//! Whatever happened, what comes over is what was captured.

use std::collections::BTreeMap;

use kymo_model::EventType;
use kymo_store::Trace;
use serde_json::Value;

use super::capture::{Capture, pod_list};
use super::{PODS, import};
use crate::support::holes;
use crate::timeline::{FIRST_RV, Timeline, time, timelines};

/// The versions of a trace: type, name, uid, version and body, in their order.
fn versions(trace: &Trace) -> Vec<(EventType, String, String, Value)> {
    let mut rows: Vec<_> = trace.rows().unwrap().map(Result::unwrap).collect();
    rows.sort_by_key(|row| row.seq);
    rows.into_iter()
        .map(|row| {
            let event = row.event;
            let body = serde_json::from_slice(&event.body.unwrap()).unwrap();
            (event.event_type, event.key.name, event.key.uid, body)
        })
        .collect()
}

fn version(event_type: EventType, pod: &Value) -> (EventType, String, String, Value) {
    let of = |member: &str| pod["metadata"][member].as_str().unwrap().to_owned();
    (event_type, of("name"), of("uid"), pod.clone())
}

/// A capture with a watch, and with a list at the beginning and after some changes.
fn capture_of(timeline: &Timeline, polls: &[usize], missed: std::ops::Range<usize>) -> Capture {
    let mut capture = Capture::default();
    let first = pod_list(FIRST_RV, &timeline.first);
    capture.answer_at(PODS, &time(0), 200, first);
    for (index, change) in timeline.changes.iter().enumerate() {
        if !missed.contains(&index) {
            capture.event_at(
                PODS,
                &time(change.at),
                change.event_type.as_str(),
                change.pod.clone(),
            );
        }
        if polls.contains(&index) {
            let body = pod_list(timeline.rv(index + 1), &timeline.after(index + 1));
            capture.answer_at(PODS, &time(change.at), 200, body);
        }
    }
    capture
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 16, ..Default::default() })]

    #[test]
    fn a_made_history_comes_back_version_for_version(
        timeline in timelines(),
        polls in proptest::collection::vec(0usize..25, 0..5),
        version_of_format in 1u32..3,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let capture = capture_of(&timeline, &polls, 0..0);
        let (report, trace) = import(folder.path(), &capture.archive(folder.path(), version_of_format));
        let of_list = timeline.first.iter().map(|pod| version(EventType::Added, pod));
        let of_watch = timeline.changes.iter().map(|change| {
            version(change.event_type, &change.pod)
        });
        let expected: Vec<_> = of_list.chain(of_watch).collect();
        proptest::prop_assert_eq!(versions(&trace), expected);
        proptest::prop_assert_eq!(holes(&trace), []);
        proptest::prop_assert_eq!(report.unreadable + report.backward_times, 0);
        // The only loss is the one that every watch of k8shark may have.
        proptest::prop_assert!(report.losses.iter().all(|loss| loss.why.starts_with("watched paths")));
    }

    #[test]
    fn whatever_a_watch_misses_the_state_after_the_next_list_is_right_and_the_hole_is_marked(
        timeline in timelines(),
        start in 0usize..20,
        length in 1usize..10,
    ) {
        let count = timeline.changes.len();
        let missed = start.min(count - 1)..(start + length).min(count);
        // A list right behind the hole, and one at the end.
        let polls = [missed.end - 1, count - 1];
        let folder = tempfile::tempdir().unwrap();
        let capture = capture_of(&timeline, &polls, missed.clone());
        let (_, trace) = import(folder.path(), &capture.archive(folder.path(), 2));
        let mut live = BTreeMap::new();
        for (event_type, _, uid, body) in versions(&trace) {
            match event_type {
                EventType::Deleted => live.remove(&uid),
                _ => live.insert(uid, body),
            };
        }
        let expected = timeline.after(count).into_iter().map(|pod| {
            let (_, _, uid, body) = version(EventType::Added, &pod);
            (uid, body)
        });
        proptest::prop_assert_eq!(live, expected.collect());
        let state = |count: usize| {
            let mut pods: Vec<String> = timeline.after(count).iter().map(Value::to_string).collect();
            pods.sort();
            pods
        };
        // Where no event is left, nothing shows that there was a watch.
        let is_visible = state(missed.start) != state(missed.end) && missed.len() < count;
        proptest::prop_assert_eq!(!holes(&trace).is_empty(), is_visible);
    }
}
