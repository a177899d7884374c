//! Servers that refuse, throttle or do not know the resource.

use std::time::Duration;

use kymo_model::{CoverageState, WatchStatus};
use kymo_watch::machine::Input;
use kymo_watch::{Alarm, Phase};
use rstest::rstest;

use crate::bench::{Bench, bookmark_line, config};

/// Fault table row 17.
#[rstest]
#[case::too_many_requests(429)]
#[case::not_ready(503)]
fn a_throttled_feed_waits_as_long_as_it_is_asked_to(#[case] code: u16) {
    let mut bench = Bench::watching();
    bench.event("MODIFIED", "a", "u1", 12);
    bench.input(Input::Eof);
    bench.take();
    bench.input(Input::Refused(WatchStatus {
        code,
        message: "slow down".into(),
        retry_after: Some(Duration::from_secs(17)),
        ..WatchStatus::default()
    }));
    assert_eq!(bench.take(), ["throttled throttled 12 0s", "hang up"]);
    let waited = bench.tick();
    assert!((17.0..18.7).contains(&waited.as_secs_f64()), "{waited:?}");
    bench.input(Input::Opened);
    bench.event("MODIFIED", "a", "u1", 13);
    let log = bench.take();
    assert_eq!(log[0], "watch 12");
    assert!(log[1].starts_with("observed throttled 12 "), "{log:?}");
    assert_eq!(log[2], "MODIFIED a/u1@13 seen");
}

/// Fault table row 17.
#[test]
fn a_throttled_page_is_asked_for_again_not_the_whole_list() {
    let mut bench = Bench::new();
    bench.page(10, "t1", &[("a", "u1", 3)]);
    bench.refuse(429, "slow down");
    bench.tick();
    assert_eq!(bench.take().last().unwrap(), "page 500 token t1");
}

/// Fault table row 17.
#[test]
fn throttled_for_ever_is_no_hot_loop() {
    let mut bench = Bench::watching();
    bench.input(Input::Eof);
    let mut waited = Duration::ZERO;
    for _ in 0..10 {
        bench.refuse(429, "slow down");
        waited += bench.tick();
    }
    assert!(waited > Duration::from_mins(2), "{waited:?}");
    assert_eq!(bench.status().coverage, Some(CoverageState::Throttled));
}

/// Fault table row 18.
#[test]
fn a_version_the_server_does_not_know_yet_is_waited_for_then_listed() {
    let message = "Too large resource version: 11, current: 9";
    let mut bench = Bench::watching();
    bench.pass(Duration::from_secs(6));
    bench.input(Input::Eof);
    bench.take();
    for _ in 0..2 {
        bench.input(Input::Refused(WatchStatus {
            code: 504,
            reason: "Timeout".into(),
            message: message.into(),
            retry_after: Some(Duration::from_secs(1)),
        }));
        assert!(bench.tick() >= Duration::from_secs(1));
        assert_eq!(bench.take(), ["hang up", "watch 11"]);
    }
    bench.refuse(504, message);
    bench.tick();
    assert_eq!(bench.take(), ["hang up", "page 500"]);
    bench.page(11, "", &[("a", "u1", 3), ("b", "u2", 11)]);
    assert_eq!(
        bench.take(),
        ["mark 11", "watch 11"],
        "it has caught up: no gap"
    );
}

/// Fault table row 18.
#[test]
fn a_version_the_server_will_never_know_is_a_new_epoch() {
    let mut bench = Bench::watching();
    bench.pass(Duration::from_secs(6));
    bench.input(Input::Eof);
    for _ in 0..3 {
        bench.refuse(504, "Too large resource version: 11, current: 9");
        bench.tick();
    }
    bench.take();
    bench.page(9, "", &[]);
    let log = bench.take();
    assert_eq!(log[0], "unobserved history_rewound 11 0s");
    assert!(log[1].starts_with("DELETED a/u1@- inferred 0.."), "{log:?}");
}

/// Fault table row 19.
#[test]
fn one_401_is_no_gap() {
    let mut bench = Bench::watching();
    bench.event("MODIFIED", "a", "u1", 12);
    bench.input(Input::Eof);
    bench.refuse(401, "Unauthorized");
    assert!(matches!(bench.alarms[..], [Alarm::Unauthorized { .. }]));
    assert!(bench.tick() < Duration::from_secs(2));
    bench.input(Input::Opened);
    bench.event("MODIFIED", "a", "u1", 13);
    assert_eq!(
        bench.take(),
        [
            "MODIFIED a/u1@12 seen",
            "watch 12",
            "hang up",
            "watch 12",
            "MODIFIED a/u1@13 seen"
        ]
    );
}

/// Fault table row 19.
#[test]
fn credentials_that_stay_refused_are_coverage_denied() {
    let mut bench = Bench::watching();
    bench.event("MODIFIED", "a", "u1", 12);
    bench.input(Input::Eof);
    for _ in 0..3 {
        bench.refuse(401, "Unauthorized");
        bench.tick();
    }
    let log = bench.take();
    let denied = log
        .iter()
        .filter(|text| text.starts_with("denied unauthorized 12"));
    assert_eq!(denied.count(), 1, "{log:?}");
    bench.input(Input::Opened);
    bench.tick();
    assert_eq!(bench.status().coverage, Some(CoverageState::Observed));
}

/// Fault table row 20.
#[test]
fn a_forbidden_feed_is_denied_until_it_may_read_again_and_loses_nothing_it_can_resume() {
    let mut bench = Bench::watching();
    bench.pass(Duration::from_secs(10));
    bench.input(Input::Eof);
    bench.refuse(403, "pods is forbidden");
    assert_eq!(
        bench.take(),
        ["watch 11", "denied forbidden 11 10s", "hang up"]
    );
    let waited = bench.tick().as_secs_f64();
    assert!((54.0..66.0).contains(&waited), "{waited}");
    bench.refuse(403, "pods is forbidden");
    assert_eq!(bench.take(), ["watch 11", "hang up"], "told once");
    bench.pass(Duration::from_secs(5));
    bench.input(Input::Recheck);
    bench.input(Input::Opened);
    bench.event("MODIFIED", "a", "u1", 12);
    let log = bench.take();
    assert_eq!(log[0], "watch 11", "as soon as discovery changes");
    assert!(log[1].starts_with("observed forbidden 11 "), "{log:?}");
    assert_eq!(log[2], "MODIFIED a/u1@12 seen");
}

/// Fault table row 20.
#[test]
fn a_feed_forbidden_from_the_start_is_denied_and_lists_later() {
    let mut bench = Bench::new();
    bench.refuse(403, "pods is forbidden");
    bench.tick();
    bench.page(10, "", &[]);
    let log = bench.take();
    assert_eq!(
        log[..4],
        ["page 500", "denied forbidden - 0s", "hang up", "page 500"]
    );
    assert!(log[4].starts_with("observed forbidden 10 "), "{log:?}");
}

#[test]
fn a_recheck_disturbs_no_feed_that_works() {
    let mut bench = Bench::watching();
    bench.input(Input::Recheck);
    assert_eq!(bench.take(), [""; 0]);
    assert_eq!(bench.status().phase, Phase::Watching);
}

/// Fault table row 21.
#[test]
fn a_deleted_crd_leaves_its_last_deletes_then_the_resource_is_absent() {
    let mut bench = Bench::watching();
    bench.event("DELETED", "a", "u1", 12);
    bench.event("DELETED", "b", "u2", 13);
    bench.input(Input::Eof);
    bench.refuse(404, "404 page not found");
    assert_eq!(
        bench.take(),
        [
            "DELETED a/u1@12 seen",
            "DELETED b/u2@13 seen",
            "watch 13",
            "absent not_served 13 0s",
            "hang up"
        ]
    );
    bench.input(Input::Recheck);
    bench.refuse(410, "too old resource version");
    bench.page(40, "", &[("a", "u7", 39)]);
    assert_eq!(
        bench.take(),
        [
            "watch 13",
            "unobserved history_expired 13 0s",
            "page 500",
            "ADDED a/u7@39 listed 0..0s",
            "observed history_expired 40 0s",
            "mark 40",
            "watch 40"
        ],
        "served again"
    );
}

#[test]
fn a_resource_that_cannot_be_watched_is_absent() {
    let mut bench = Bench::new();
    bench.refuse(405, "the server does not allow this method");
    assert_eq!(bench.take()[1], "absent not_served - 0s");
}

#[test]
fn out_of_contact_for_long_is_a_gap_that_closes_without_loss() {
    let mut bench = Bench::watching();
    bench.pass(Duration::from_secs(10));
    bench.input(Input::Failed("connection reset by peer".into()));
    for _ in 0..6 {
        bench.input(Input::Failed("connection refused".into()));
        bench.tick();
    }
    let gap = "unobserved disconnected 11 0s".to_owned();
    let log = bench.take();
    assert_eq!(
        log.iter().filter(|text| **text == gap).count(),
        1,
        "{log:?}"
    );
    bench.page(11, "", &[]);
    assert_eq!(bench.take(), ["watch 11"]);
    bench.input(Input::Opened);
    bench.line(&bookmark_line(11, false));
    let log = bench.take();
    assert!(log[0].starts_with("observed disconnected 11 "), "{log:?}");
}

#[test]
fn a_request_without_an_answer_is_given_up() {
    let mut bench = Bench::watching();
    bench.event("MODIFIED", "a", "u1", 12);
    bench.input(Input::Eof);
    assert_eq!(bench.tick(), Duration::from_mins(1));
    assert_eq!(bench.take().last().unwrap(), "hang up");
    bench.tick();
    assert_eq!(bench.take(), ["probe"]);
    bench.page(12, "", &[]);
    assert_eq!(bench.take(), ["watch 12"]);
}

#[test]
fn watches_end_at_different_times() {
    let seconds: Vec<u32> = (0..20)
        .map(|seed| {
            let mut config = config();
            config.seed = seed;
            config.resume.rv = Some("1".into());
            let bench = Bench::with(config);
            match bench.requests[0] {
                kymo_watch::Request::Watch { seconds, .. } => seconds,
                ref other => panic!("{other:?}"),
            }
        })
        .collect();
    assert!(seconds.iter().all(|seconds| (300..600).contains(seconds)));
    assert!(seconds.iter().any(|other| *other != seconds[0]));
}
