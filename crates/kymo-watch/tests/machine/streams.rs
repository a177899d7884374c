//! Streams that end, fall silent, repeat, go back or cannot be read.

use std::time::Duration;

use kymo_model::{Certainty, EventType};
use kymo_watch::lines::Line;
use kymo_watch::machine::Input;
use kymo_watch::{Alarm, Phase};
use rstest::rstest;

use crate::bench::{Bench, config, event_line, page_text, resuming};

#[test]
fn a_new_feed_lists_then_watches_from_the_version_of_the_list() {
    let mut bench = Bench::new();
    bench.page(10, "", &[("a", "u1", 3), ("b", "u2", 4)]);
    assert_eq!(
        bench.take(),
        [
            "page 500",
            "ADDED a/u1@3 listed",
            "ADDED b/u2@4 listed",
            "observed start 10 0s",
            "mark 10",
            "watch 10",
        ]
    );
    bench.input(Input::Opened);
    bench.event("MODIFIED", "a", "u1", 11);
    bench.bookmark(15);
    bench.event("DELETED", "a", "u1", 16);
    assert_eq!(
        bench.take(),
        ["MODIFIED a/u1@11 seen", "mark 15", "DELETED a/u1@16 seen"]
    );
    assert_eq!(bench.status().live_objects, 1);
    assert_eq!(bench.status().phase, Phase::Watching);
}

#[test]
fn list_items_get_the_kind_that_they_lack_and_stay_byte_for_byte() {
    let mut bench = Bench::new();
    bench.page(10, "", &[("a", "u1", 3)]);
    let body = bench.events[0].body.as_ref().unwrap();
    assert_eq!(
        std::str::from_utf8(body).unwrap(),
        r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","namespace":"shop","uid":"u1","resourceVersion":"3"},"spec":{"n":1.0e2}}"#
    );
}

#[test]
fn a_restarted_feed_resumes_without_a_list_and_without_a_gap() {
    let mut bench = Bench::resumed(10, &[("a", "u1", 3)]);
    bench.input(Input::Opened);
    assert_eq!(bench.take(), ["watch 10"]);
    bench.event("MODIFIED", "a", "u1", 11);
    assert_eq!(
        bench.take(),
        ["observed start 10 0s", "MODIFIED a/u1@11 seen"]
    );
}

#[test]
fn a_quiet_watch_counts_as_accepted_after_two_seconds() {
    let mut bench = Bench::resumed(10, &[]);
    bench.input(Input::Opened);
    assert_eq!(bench.tick(), Duration::from_secs(2));
    assert_eq!(bench.take(), ["watch 10", "observed start 10 2s"]);
}

/// Fault table row 1.
#[test]
fn a_watch_that_the_server_ends_is_resumed_at_once_without_a_gap() {
    let mut bench = Bench::watching();
    for rv in 12..20 {
        bench.event("MODIFIED", "a", "u1", rv);
        bench.input(Input::Eof);
        assert_eq!(
            bench.take(),
            [format!("MODIFIED a/u1@{rv} seen"), format!("watch {rv}")]
        );
        bench.input(Input::Opened);
    }
    assert_eq!(bench.status().counters.reconnects, 8);
    assert_eq!(bench.status().counters.gaps, 0);
}

#[test]
fn a_watch_that_ends_as_soon_as_it_begins_is_not_asked_for_in_a_hot_loop() {
    let mut bench = Bench::watching();
    bench.input(Input::Eof);
    let mut waited = Duration::ZERO;
    for _ in 0..6 {
        bench.input(Input::Opened);
        bench.input(Input::Eof);
        waited += bench.tick();
    }
    assert!(waited > Duration::from_secs(30), "{waited:?}");
    assert_eq!(bench.alarms.len(), 6);
}

/// Fault table row 2.
#[test]
fn a_connection_reset_between_lines_is_resumed_at_once_without_a_gap() {
    let mut bench = Bench::watching();
    bench.event("MODIFIED", "a", "u1", 12);
    bench.input(Input::Failed("connection reset by peer".into()));
    assert_eq!(bench.take(), ["MODIFIED a/u1@12 seen", "watch 12"]);
    assert_eq!(bench.status().counters.gaps, 0);
}

/// Fault table row 4.
#[test]
fn a_silent_connection_is_given_up_after_150_seconds_and_resumed() {
    let mut bench = Bench::watching();
    assert_eq!(bench.tick(), Duration::from_secs(150));
    assert_eq!(bench.take(), ["hang up", "watch 11"]);
    assert!(matches!(bench.alarms[..], [Alarm::Silent { .. }]));
    bench.input(Input::Opened);
    bench.event("MODIFIED", "a", "u1", 12);
    assert_eq!(bench.take(), ["MODIFIED a/u1@12 seen"], "no gap");
}

#[test]
fn the_watchdog_follows_the_interval_of_bookmarks() {
    let mut bench = Bench::watching();
    bench.bookmark(12);
    bench.pass(Duration::from_secs(20));
    bench.bookmark(13);
    assert_eq!(bench.tick(), Duration::from_secs(50));
    bench.input(Input::Opened);
    bench.bookmark(14);
    assert_eq!(bench.tick(), Duration::from_secs(150), "and is forgotten");
}

#[test]
fn bytes_of_a_long_line_keep_a_watch_alive() {
    let mut bench = Bench::watching();
    bench.pass(Duration::from_secs(149));
    bench.input(Input::Progress);
    assert_eq!(bench.tick(), Duration::from_secs(150));
}

/// Fault table row 10.
#[rstest]
#[case::at_once(&[("MODIFIED", "a", "u1", 12), ("MODIFIED", "a", "u1", 12)])]
#[case::of_the_live_version(&[("MODIFIED", "a", "u1", 12), ("MODIFIED", "b", "u2", 13), ("MODIFIED", "a", "u1", 12)])]
#[case::of_an_older_version(&[("MODIFIED", "a", "u1", 12), ("MODIFIED", "a", "u1", 13), ("MODIFIED", "a", "u1", 12)])]
#[case::of_a_delete(&[("DELETED", "a", "u1", 12), ("DELETED", "a", "u1", 12)])]
fn a_repeated_line_is_kept_once_and_counted(#[case] events: &[(&str, &str, &str, u64)]) {
    let mut bench = Bench::watching();
    for (event_type, name, uid, rv) in events {
        bench.event(event_type, name, uid, *rv);
    }
    assert_eq!(bench.events.len(), events.len() - 1);
    assert_eq!(bench.status().counters.duplicates, 1);
    assert_eq!(bench.status().epoch, 0);
}

/// Fault table row 11.
#[rstest]
#[case::an_event(&event_line("MODIFIED", "a", "u1", 9))]
#[case::a_bookmark(r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"}}}"#)]
fn versions_that_go_back_open_a_new_epoch_with_a_list(#[case] line: &str) {
    let mut bench = Bench::watching();
    bench.pass(Duration::from_secs(5));
    bench.line(line);
    assert_eq!(
        bench.take(),
        ["unobserved history_rewound 11 0s", "page 500"]
    );
    bench.page(9, "", &[("a", "u1", 9), ("c", "u3", 8)]);
    assert_eq!(
        bench.take(),
        [
            "MODIFIED a/u1@9 coalesced 0..5s epoch 1",
            "ADDED c/u3@8 listed 0..5s epoch 1",
            "DELETED b/u2@- inferred 0..5s epoch 1",
            "observed history_rewound 9 5s",
            "mark 9",
            "watch 9",
        ]
    );
    bench.input(Input::Opened);
    bench.event("MODIFIED", "a", "u1", 10);
    assert_eq!(bench.take(), ["MODIFIED a/u1@10 seen epoch 1"]);
    assert!(matches!(bench.alarms[..], [Alarm::HistoryRewound { .. }]));
}

#[test]
fn a_server_that_goes_back_again_and_again_is_not_listed_in_a_hot_loop() {
    let mut bench = Bench::watching();
    bench.event("MODIFIED", "a", "u1", 9);
    bench.page(9, "", &[]);
    bench.input(Input::Opened);
    bench.take();
    bench.bookmark(8);
    assert_eq!(
        bench.take(),
        ["unobserved history_rewound 9 0s", "hang up"],
        "the second time in a row it waits"
    );
}

/// A restored etcd: the watch from a version of the future is accepted and stays silent.
#[test]
fn a_silent_watch_from_the_future_is_found_by_a_probe() {
    let mut bench = Bench::resumed(1000, &[("a", "u1", 3)]);
    bench.input(Input::Opened);
    bench.tick();
    assert_eq!(bench.tick(), Duration::from_secs(148));
    assert_eq!(
        bench.take(),
        ["watch 1000", "observed start 1000 2s", "hang up", "probe"]
    );
    bench.page(500, "", &[("a", "u1", 3)]);
    assert_eq!(
        bench.take(),
        ["unobserved history_rewound 1000 2s", "page 500"],
        "nothing of the silence counts as observed"
    );
    bench.page(501, "", &[("a", "u1", 3)]);
    assert_eq!(
        bench.take(),
        [
            "MODIFIED a/u1@3 coalesced -60..150s epoch 1",
            "observed history_rewound 501 150s",
            "mark 501",
            "watch 501"
        ]
    );
}

/// Fault table row 12.
#[test]
fn a_server_that_could_not_be_reached_is_asked_for_its_version_before_the_watch_goes_on() {
    for (version, expected) in [(9, "page 500"), (12, "watch 11")] {
        let mut bench = Bench::watching();
        bench.input(Input::Failed("connection reset by peer".into()));
        assert_eq!(bench.take(), ["watch 11"]);
        bench.input(Input::Failed("connection refused".into()));
        bench.tick();
        assert_eq!(bench.take().last().unwrap(), "probe");
        bench.page(version, "", &[]);
        assert_eq!(bench.take().last().unwrap(), expected);
        assert_eq!(bench.status().epoch, u32::from(version == 9));
    }
}

#[test]
fn a_probe_that_finds_nothing_wrong_resumes() {
    let mut bench = Bench::resumed(1000, &[]);
    bench.input(Input::Opened);
    bench.tick();
    bench.tick();
    bench.page(2000, "", &[]);
    assert_eq!(bench.take().last().unwrap(), "watch 1000");
    assert_eq!(bench.status().epoch, 0);
}

/// Fault table row 14.
#[rstest]
#[case::bad_utf8(b"{\"type\":\"ADDED\",\"object\":{\"a\":\"\xff\"}}", "not UTF-8")]
#[case::wrong_shape(b"{\"type\":\"ADDED\",\"object\":[]}", "not an API object")]
#[case::no_version(
    b"{\"type\":\"ADDED\",\"object\":{\"metadata\":{}}}",
    "no resourceVersion"
)]
fn an_unreadable_line_is_asked_for_again_then_kept_inside_a_gap(
    #[case] raw: &[u8],
    #[case] reason: &str,
) {
    let mut bench = Bench::watching();
    bench.bytes(raw);
    assert_eq!(bench.take(), ["watch 11"], "asked for again");
    bench.input(Input::Opened);
    bench.bytes(raw);
    assert_eq!(bench.take(), ["UNREADABLE /@- seen"]);
    assert_eq!(bench.events[0].body.as_deref(), Some(raw));
    bench.event("MODIFIED", "a", "u1", 13);
    bench.event("MODIFIED", "a", "u1", 14);
    assert_eq!(
        bench.take(),
        [
            "gap uncertain unreadable_line 11..13",
            "MODIFIED a/u1@13 seen",
            "MODIFIED a/u1@14 seen"
        ]
    );
    let [Alarm::UnreadableLine { reason: told, .. }] = &bench.alarms[..] else {
        panic!("{:?}", bench.alarms);
    };
    assert!(told.contains(reason), "{told}");
}

/// Fault table row 14.
#[test]
fn a_line_over_the_cap_is_kept_by_its_beginning() {
    let mut bench = Bench::watching();
    let line = Line::TooLong {
        head: "{\"type\":\"ADDED\",\"obj".into(),
        length: 9 << 20,
    };
    bench.input(Input::Line(&line));
    bench.input(Input::Opened);
    bench.input(Input::Line(&line));
    assert_eq!(
        bench.events[0].body.as_deref(),
        Some(&b"{\"type\":\"ADDED\",\"obj"[..])
    );
    assert_eq!(bench.events[0].event_type, EventType::Unreadable);
}

/// Fault table row 14.
#[test]
fn depth_is_no_reason_not_to_read_a_line() {
    let mut bench = Bench::watching();
    let deep = format!(
        r#"{{"type":"ADDED","object":{{"metadata":{{"name":"d","uid":"u9","resourceVersion":"12"}},"x":{}{}}}}}"#,
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    bench.line(&deep);
    assert_eq!(bench.take(), ["ADDED d/u9@12 seen"]);
}

#[test]
fn a_line_corrupted_once_on_the_wire_leaves_no_trace() {
    let mut bench = Bench::watching();
    bench.line(r#"{"type":"MODIFIED","object":{"met"#);
    bench.input(Input::Opened);
    bench.event("MODIFIED", "a", "u1", 12);
    assert_eq!(bench.take(), ["watch 11", "MODIFIED a/u1@12 seen"]);
    assert_eq!(bench.status().counters.gaps, 0);
}

#[test]
fn an_unreadable_line_sent_again_is_not_kept_again() {
    let mut bench = Bench::watching();
    for _ in 0..4 {
        bench.line("{\"type\":\"ADDED\",\"object\":7}");
        if bench.status().phase == Phase::Watching {
            bench.pass(Duration::from_secs(6));
            bench.input(Input::Eof);
        }
        bench.input(Input::Opened);
    }
    assert_eq!(bench.events.len(), 1);
    bench.bookmark(13);
    assert!(
        bench
            .take()
            .contains(&"gap uncertain unreadable_line 11..13".to_owned())
    );
}

/// Fault table row 15.
#[test]
fn a_page_of_a_proxy_in_a_stream_makes_no_events_and_no_hot_loop() {
    let mut bench = Bench::watching();
    let html: Vec<String> = (0..40).map(|line| format!("<p>busy {line}</p>")).collect();
    bench.line(&html[0]);
    bench.input(Input::Opened);
    for line in &html {
        bench.line(line);
    }
    assert_eq!(bench.events.len(), 16, "kept as bytes, up to a limit");
    assert!(
        bench
            .events
            .iter()
            .all(|event| event.event_type == EventType::Unreadable)
    );
    assert_eq!(bench.status().phase, Phase::Waiting);
    assert!(matches!(
        bench.alarms.last(),
        Some(Alarm::RequestFailed { .. })
    ));
}

/// Fault table row 15.
#[test]
fn a_bare_status_in_a_stream_is_taken_as_the_status_it_is() {
    let mut bench = Bench::watching();
    bench.line(r#"{"kind":"Status","code":410,"reason":"Expired","message":"too old"}"#);
    assert_eq!(
        bench.take(),
        ["unobserved history_expired 11 0s", "page 500"]
    );
}

#[test]
fn of_secrets_only_metadata_is_kept_even_of_unreadable_lines() {
    let mut config = resuming(config(), 10, &[]);
    config.options.metadata_only = true;
    config.feed.resource.kind = "Secret".into();
    let mut bench = Bench::with(config);
    bench.input(Input::Opened);
    bench.line(r#"{"type":"ADDED","object":{"kind":"Secret","data":{"k":"aHVudGVyMg=="},"metadata":{"name":"s","uid":"u","resourceVersion":"11"}}}"#);
    bench.line(r#"{"type":"ADDED","object":{"data":{"k":"aHVudGVyMg=="}}}"#);
    bench.input(Input::Opened);
    bench.line(r#"{"type":"ADDED","object":{"data":{"k":"aHVudGVyMg=="}}}"#);
    let bodies: Vec<&str> = bench
        .events
        .iter()
        .map(|event| std::str::from_utf8(event.body.as_ref().unwrap()).unwrap())
        .collect();
    assert_eq!(
        bodies,
        [
            r#"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"s","uid":"u","resourceVersion":"11"}}"#,
            ""
        ]
    );
}

#[test]
fn versions_without_an_order_are_told_apart_by_equality_only() {
    let mut config = config();
    config.resume.rv = Some("x9".into());
    let mut bench = Bench::with(config);
    bench.input(Input::Opened);
    for rv in ["x7", "x3", "x3", "x5"] {
        bench.line(&event_line("MODIFIED", "a", "u1", 0).replace("\"0\"", &format!("\"{rv}\"")));
    }
    let versions: Vec<_> = bench
        .events
        .iter()
        .map(|event| event.rv.as_ref().unwrap().as_str())
        .collect();
    assert_eq!(versions, ["x7", "x3", "x5"]);
    assert_eq!(bench.status().epoch, 0);
}

#[test]
fn stop_closes_the_coverage_and_what_comes_later_is_ignored() {
    let mut bench = Bench::watching();
    bench.pass(Duration::from_secs(3));
    bench.input(Input::Stop);
    assert_eq!(
        bench.take(),
        ["unobserved stop 11 3s", "hang up", "stopped"]
    );
    bench.event("MODIFIED", "a", "u1", 12);
    bench.page_of(&page_text(20, "", &[]));
    bench.input(Input::Eof);
    bench.input(Input::Stop);
    assert_eq!(bench.take(), [""; 0]);
}

#[test]
fn stop_while_out_of_contact_claims_no_more_than_was_seen() {
    let mut bench = Bench::watching();
    bench.pass(Duration::from_secs(5));
    bench.input(Input::Eof);
    bench.input(Input::Failed("connection refused".into()));
    bench.pass(Duration::from_secs(20));
    bench.input(Input::Stop);
    assert_eq!(
        bench.take(),
        [
            "watch 11",
            "hang up",
            "unobserved stop 11 5s",
            "hang up",
            "stopped"
        ]
    );
}

#[test]
fn every_event_of_a_watch_is_seen() {
    let mut bench = Bench::watching();
    bench.event("ADDED", "c", "u3", 12);
    assert_eq!(bench.events[0].certainty, Certainty::Seen);
    assert_eq!(bench.events[0].not_before, None);
}
