//! Lists: expired history, deduced deletes, pages that fail, streamed lists.

use std::fmt::Write as _;
use std::time::Duration;

use kymo_model::EventType;
use kymo_watch::Alarm;
use kymo_watch::machine::Input;
use rstest::rstest;

use crate::bench::{Bench, bookmark_line, config, page_text, resuming};

const EXPIRED: &str = "too old resource version: 11 (900)";

fn expire_by_event(bench: &mut Bench) {
    bench.error(410, EXPIRED);
}

fn expire_at_start(bench: &mut Bench) {
    bench.pass(Duration::from_secs(1));
    bench.bookmark(11);
    bench.input(Input::Eof);
    bench.pass(Duration::from_secs(5));
    bench.refuse(410, EXPIRED);
}

/// Fault table row 6.
#[test]
fn history_that_expired_is_a_gap_with_both_versions_and_what_can_be_deduced() {
    let mut bench = Bench::watching();
    bench.pass(Duration::from_secs(40));
    bench.error(410, EXPIRED);
    assert_eq!(
        bench.take(),
        ["unobserved history_expired 11 0s", "page 500"]
    );
    bench.pass(Duration::from_secs(2));
    bench.page(
        950,
        "",
        &[("a", "u1", 3), ("b", "u2", 930), ("c", "u3", 940)],
    );
    assert_eq!(
        bench.take(),
        [
            "MODIFIED b/u2@930 coalesced 0..42s",
            "ADDED c/u3@940 listed 0..42s",
            "observed history_expired 950 42s",
            "mark 950",
            "watch 950",
        ],
        "a is as it was and makes no event"
    );
    bench.input(Input::Opened);
    bench.tick();
    bench.error(410, EXPIRED);
    bench.page(990, "", &[("b", "u2", 930)]);
    let log = bench.take();
    assert!(
        log.contains(&"DELETED a/u1@- inferred 42..44s".to_owned()),
        "{log:?}"
    );
    assert!(
        log.contains(&"DELETED c/u3@- inferred 42..44s".to_owned()),
        "{log:?}"
    );
    let deleted = bench.events.last().unwrap();
    assert_eq!((deleted.rv.as_ref(), deleted.body.as_ref()), (None, None));
    assert_eq!(bench.status().live_objects, 1);
    assert!(matches!(bench.alarms[0], Alarm::HistoryExpired { .. }));
}

#[test]
fn history_lost_by_a_crash_says_so() {
    let mut config = resuming(config(), 10, &[]);
    config.resume.after_crash = true;
    let mut bench = Bench::with(config);
    bench.refuse(410, EXPIRED);
    assert_eq!(
        bench.take(),
        ["watch 10", "unobserved recorder_crash 10 -60s", "page 500"]
    );
}

/// Fault table row 7.
#[rstest]
#[case::as_an_event(expire_by_event)]
#[case::as_a_status(expire_at_start)]
fn a_410_costs_one_list_and_one_watch(#[case] expire: fn(&mut Bench)) {
    let mut bench = Bench::watching();
    bench.requests.clear();
    expire(&mut bench);
    bench.requests.retain(|request| !request.is_stream());
    bench.page(950, "", &[]);
    bench.input(Input::Opened);
    bench.event("ADDED", "d", "u4", 951);
    assert_eq!(bench.requests.len(), 2, "{:?}", bench.requests);
    assert_eq!(bench.take().last().unwrap(), "ADDED d/u4@951 seen");
}

/// Fault table row 7.
#[test]
fn a_410_for_ever_is_not_followed_in_a_hot_loop() {
    let mut bench = Bench::watching();
    bench.requests.clear();
    let mut waited = Duration::ZERO;
    for round in 0..6 {
        bench.refuse(410, EXPIRED);
        if round > 0 {
            waited += bench.tick();
        }
        bench.page(950, "", &[]);
    }
    assert!(waited > Duration::from_secs(20), "{waited:?}");
}

/// Fault table row 7.
#[test]
fn a_410_on_a_page_begins_the_list_again_and_drops_what_it_deduced_so_far() {
    let mut bench = Bench::watching();
    bench.error(410, EXPIRED);
    bench.page(950, "t1", &[("a", "u1", 3)]);
    bench.take();
    bench.refuse(410, "the provided continue parameter is too old");
    assert_eq!(
        bench.take(),
        ["page 1000"],
        "from the beginning, in larger pages"
    );
    bench.page(960, "", &[("b", "u2", 11)]);
    assert_eq!(
        bench.take(),
        [
            "DELETED a/u1@- inferred 0..0s",
            "observed history_expired 960 0s",
            "mark 960",
            "watch 960"
        ]
    );
}

/// Fault table row 8.
#[test]
fn an_object_made_anew_under_its_name_is_two_objects() {
    let mut bench = Bench::watching();
    bench.error(410, EXPIRED);
    bench.take();
    bench.page(950, "", &[("b", "u2", 11), ("a", "u9", 940)]);
    assert_eq!(
        bench.take(),
        [
            "DELETED a/u1@- inferred 0..0s",
            "ADDED a/u9@940 listed 0..0s",
            "observed history_expired 950 0s",
            "mark 950",
            "watch 950"
        ]
    );
}

/// Fault table row 9.
#[rstest]
fn a_list_that_fails_half_way_deduces_nothing_and_goes_on(
    #[values(0, 1, 2)] failing: usize,
    #[values("reset", "500", "garbage")] how: &str,
) {
    let pages = [
        ("", "t1", [("a", "u1", 20)]),
        ("t1", "t2", [("c", "u3", 21)]),
        ("t2", "", [("d", "u4", 22)]),
    ];
    let mut bench = Bench::watching();
    bench.error(410, EXPIRED);
    for (number, (_, token, items)) in pages.iter().enumerate() {
        if number == failing {
            bench.take();
            match how {
                "reset" => bench.input(Input::Failed("connection reset by peer".into())),
                "500" => bench.refuse(500, "etcd leader changed"),
                _ => bench.input(Input::Failed("not a list: EOF".into())),
            }
            assert_eq!(bench.take(), ["hang up"], "nothing is deduced");
            let live = if failing < 2 { 2 } else { 3 };
            assert_eq!(bench.status().live_objects, live);
            bench.tick();
            let page = match pages[number].0 {
                "" => "page 500".to_owned(),
                token => format!("page 500 token {token}"),
            };
            assert_eq!(bench.take(), [page], "the same page again");
        }
        bench.page(950, token, items);
    }
    let log = bench.take().join("; ");
    assert!(log.contains("DELETED b/u2@- inferred"), "{log}");
    assert!(log.ends_with("mark 950; watch 950"), "{log}");
    let deletes = bench
        .events
        .iter()
        .filter(|event| event.event_type == EventType::Deleted);
    assert_eq!(deletes.count(), 1);
}

#[test]
fn pages_of_different_versions_are_not_mixed() {
    let mut bench = Bench::new();
    bench.page(950, "t1", &[("a", "u1", 3)]);
    bench.take();
    bench.page(951, "", &[("b", "u2", 4)]);
    assert_eq!(bench.take(), ["page 1000"], "from the beginning");
    bench.page(952, "", &[("a", "u1", 3), ("b", "u2", 4)]);
    assert_eq!(
        bench.take(),
        [
            "ADDED b/u2@4 listed",
            "observed start 952 0s",
            "mark 952",
            "watch 952"
        ]
    );
}

#[test]
fn a_server_whose_pages_always_differ_is_taken_without_deducing_deletes() {
    let mut bench = Bench::watching();
    bench.error(410, EXPIRED);
    for attempt in 0..4 {
        bench.page(950 + attempt * 2, "t1", &[("a", "u1", 3)]);
        bench.page(951 + attempt * 2, "", &[]);
        if (1..3).contains(&attempt) {
            bench.tick();
        }
    }
    assert_eq!(bench.take().last().unwrap(), "watch 956");
    assert_eq!(bench.status().live_objects, 2);
}

#[test]
fn a_relist_that_shows_an_older_version_opens_a_new_epoch() {
    let mut bench = Bench::watching();
    bench.error(410, EXPIRED);
    bench.take();
    bench.page(5, "t", &[("a", "u1", 3)]);
    bench.page(5, "", &[]);
    assert_eq!(
        bench.take(),
        [
            "unobserved history_rewound 11 0s",
            "MODIFIED a/u1@3 coalesced 0..0s epoch 1",
            "page 500 token t",
            "DELETED b/u2@- inferred 0..0s epoch 1",
            "observed history_rewound 5 0s",
            "mark 5",
            "watch 5"
        ]
    );
}

#[test]
fn a_crash_during_the_first_list_repeats_no_object() {
    let mut config = resuming(config(), 1, &[("a", "u1", 3), ("x", "u8", 3)]);
    config.resume.rv = None;
    let mut bench = Bench::with(config);
    bench.page(10, "", &[("a", "u1", 3), ("b", "u2", 4)]);
    assert_eq!(
        bench.take(),
        [
            "page 500",
            "ADDED b/u2@4 listed -60..0s",
            "DELETED x/u8@- inferred -60..0s",
            "observed start 10 0s",
            "mark 10",
            "watch 10"
        ]
    );
}

#[test]
fn a_page_too_large_to_hold_is_asked_for_in_smaller_parts() {
    let mut bench = Bench::new();
    for _ in 0..5 {
        bench.input(Input::PageTooLarge);
    }
    assert_eq!(
        bench.take(),
        [
            "page 500", "page 125", "page 31", "page 7", "page 1", "hang up"
        ]
    );
}

#[test]
fn an_unreadable_item_is_kept_and_no_delete_is_deduced_from_its_list() {
    let mut bench = Bench::watching();
    bench.error(410, EXPIRED);
    bench.take();
    bench.page_of(
        r#"{"kind":"PodList","metadata":{"resourceVersion":"950"},"items":[{"metadata":7}]}"#,
    );
    assert_eq!(
        bench.take(),
        [
            "UNREADABLE /@- seen",
            "gap uncertain unreadable_line 11..950",
            "observed history_expired 950 0s",
            "mark 950",
            "watch 950"
        ]
    );
    assert_eq!(bench.status().live_objects, 2);
}

fn streaming() -> Bench {
    let mut config = config();
    config.options.streaming_lists = true;
    Bench::with(config)
}

#[test]
fn a_streamed_list_goes_on_as_the_watch() {
    let mut bench = streaming();
    bench.input(Input::Opened);
    bench.event("ADDED", "a", "u1", 3);
    bench.event("ADDED", "b", "u2", 4);
    bench.event("ADDED", "c", "u3", 5);
    bench.event("MODIFIED", "a", "u1", 11);
    bench.event("DELETED", "b", "u2", 12);
    bench.line(&bookmark_line(12, true));
    bench.event("MODIFIED", "a", "u1", 13);
    assert_eq!(
        bench.take(),
        [
            "stream list",
            "ADDED a/u1@3 listed",
            "ADDED b/u2@4 listed",
            "ADDED c/u3@5 listed",
            "MODIFIED a/u1@11 coalesced",
            "DELETED b/u2@12 listed",
            "observed start 12 0s",
            "mark 12",
            "MODIFIED a/u1@13 seen",
        ]
    );
    bench.input(Input::Eof);
    assert_eq!(bench.take(), ["watch 13"]);
}

#[rstest]
#[case::forbidden_parameter(422)]
#[case::unknown_parameter(400)]
fn a_server_without_streamed_lists_is_listed_in_pages_from_then_on(#[case] code: u16) {
    let mut bench = streaming();
    bench.refuse(code, "sendInitialEvents is forbidden for watch");
    bench.page(10, "", &[]);
    bench.refuse(410, EXPIRED);
    assert_eq!(
        bench.take(),
        [
            "stream list",
            "page 500",
            "observed start 10 0s",
            "mark 10",
            "watch 10",
            "unobserved history_expired 10 0s",
            "page 500"
        ]
    );
}

#[test]
fn a_server_that_ignores_the_wish_for_a_streamed_list_is_found_out() {
    let mut bench = streaming();
    bench.input(Input::Opened);
    bench.event("ADDED", "a", "u1", 3);
    bench.bookmark(10);
    bench.bookmark(11);
    assert_eq!(
        bench.take(),
        ["stream list", "ADDED a/u1@3 listed", "page 500"]
    );
    bench.page(12, "", &[("a", "u1", 3)]);
    assert_eq!(bench.take()[0], "observed start 12 0s", "a is not repeated");

    let mut bench = streaming();
    bench.input(Input::Opened);
    bench.tick();
    bench.tick();
    bench.input(Input::Opened);
    bench.tick();
    bench.tick();
    assert_eq!(
        bench.take().last().unwrap(),
        "page 500",
        "nor is silence waited for"
    );
}

#[test]
fn a_streamed_list_that_is_cut_deduces_nothing() {
    let mut config = resuming(config(), 11, &[("a", "u1", 3), ("b", "u2", 4)]);
    config.options.streaming_lists = true;
    let mut bench = Bench::with(config);
    bench.refuse(410, EXPIRED);
    bench.input(Input::Opened);
    bench.event("ADDED", "a", "u1", 3);
    bench.take();
    bench.input(Input::Eof);
    assert_eq!(bench.take(), ["hang up"]);
    bench.tick();
    bench.input(Input::Opened);
    bench.event("ADDED", "b", "u2", 4);
    bench.line(&bookmark_line(950, true));
    assert_eq!(
        bench.take(),
        [
            "stream list",
            "DELETED a/u1@- inferred -60..1s",
            "observed history_expired 950 1s",
            "mark 950"
        ]
    );
}

#[test]
fn a_streamed_list_of_an_older_version_is_repeated_in_pages_in_a_new_epoch() {
    let mut config = resuming(config(), 11, &[("a", "u1", 3)]);
    config.options.streaming_lists = true;
    let mut bench = Bench::with(config);
    bench.refuse(410, EXPIRED);
    bench.input(Input::Opened);
    bench.event("ADDED", "a", "u1", 3);
    bench.line(&bookmark_line(5, true));
    bench.page(5, "", &[("a", "u1", 3)]);
    assert_eq!(
        bench.take()[3..],
        [
            "unobserved history_rewound 11 -60s",
            "page 500",
            "MODIFIED a/u1@3 coalesced -60..0s epoch 1",
            "observed history_rewound 5 0s",
            "mark 5",
            "watch 5"
        ]
    );
}

#[test]
fn an_unreadable_line_of_a_streamed_list_is_kept_the_second_time() {
    let mut config = resuming(config(), 11, &[("a", "u1", 3)]);
    config.options.streaming_lists = true;
    let mut bench = Bench::with(config);
    bench.refuse(410, EXPIRED);
    bench.input(Input::Opened);
    bench.line("{\"type\":\"ADDED\",\"object\":1}");
    bench.input(Input::Opened);
    bench.line("{\"type\":\"ADDED\",\"object\":1}");
    bench.line(&bookmark_line(950, true));
    assert_eq!(
        bench.take()[3..],
        [
            "stream list",
            "UNREADABLE /@- seen",
            "gap uncertain unreadable_line 11..950",
            "observed history_expired 950 0s",
            "mark 950"
        ]
    );
    assert_eq!(bench.status().live_objects, 1, "no delete is deduced");
}

/// Fault table row 22.
#[test]
fn a_restart_of_the_api_server_costs_one_list_and_owns_up_to_the_gap() {
    let mut bench = Bench::watching();
    bench.event("MODIFIED", "a", "u1", 12);
    bench.input(Input::Failed("connection reset by peer".into()));
    for _ in 0..4 {
        bench.input(Input::Failed("connection refused".into()));
        bench.tick();
    }
    bench.refuse(503, "apiserver not ready");
    bench.tick();
    bench.take();
    bench.refuse(410, EXPIRED);
    bench.page(20, "", &[("a", "u1", 18), ("b", "u2", 11)]);
    let log = bench.take();
    assert!(
        log[0].starts_with("unobserved history_expired 12 "),
        "{log:?}"
    );
    assert_eq!(log[1], "page 500");
    assert!(
        log[2].starts_with("MODIFIED a/u1@18 coalesced 0.."),
        "{log:?}"
    );
    assert_eq!(log.last().unwrap(), "watch 20");
}

/// Fault table row 22.
#[test]
fn a_failover_to_a_server_that_has_the_history_is_no_gap() {
    let mut bench = Bench::watching();
    bench.event("MODIFIED", "a", "u1", 12);
    bench.input(Input::Failed("connection reset by peer".into()));
    bench.input(Input::Opened);
    bench.event("MODIFIED", "a", "u1", 13);
    assert_eq!(
        bench.take(),
        ["MODIFIED a/u1@12 seen", "watch 12", "MODIFIED a/u1@13 seen"]
    );
}

/// Fault table row 23.
#[test]
fn a_huge_list_that_outlives_its_history_comes_to_an_end() {
    const OBJECTS: usize = 100_000;
    let names: Vec<(String, String)> = (0..OBJECTS)
        .map(|number| {
            let mut uid = String::new();
            write!(uid, "00000000-0000-4000-8000-{number:012}").unwrap();
            (format!("object-{number}"), uid)
        })
        .collect();
    let list = |bench: &mut Bench, rv: u64| {
        let pages: Vec<_> = names.chunks(500).collect();
        for (number, page) in pages.iter().enumerate() {
            let items: Vec<_> = page
                .iter()
                .map(|(name, uid)| (name.as_str(), uid.as_str(), 3))
                .collect();
            let token = if number + 1 < pages.len() { "more" } else { "" };
            bench.page_of(&page_text(rv, token, &items));
        }
    };
    let mut bench = Bench::new();
    list(&mut bench, 1000);
    assert_eq!(bench.events.len(), OBJECTS);
    assert_eq!(bench.requests.len(), 201);
    // The version of the list has expired by the time the watch starts; the second list brings
    // nothing that must be written, so it is as fast as the server.
    bench.refuse(410, EXPIRED);
    list(&mut bench, 2000);
    bench.input(Input::Opened);
    bench.event(
        "MODIFIED",
        "object-1",
        "00000000-0000-4000-8000-000000000001",
        2001,
    );
    assert_eq!(bench.events.len(), OBJECTS + 1);
    assert_eq!(bench.status().live_objects, OBJECTS);
    assert_eq!(bench.status().counters.gaps, 1);
}

#[test]
fn a_selection_lists_what_left_it_as_deleted() {
    let mut config = resuming(config(), 11, &[("a", "u1", 3)]);
    config.feed.scope.label_selector = Some("app=web".into());
    let mut bench = Bench::with(config);
    bench.refuse(410, EXPIRED);
    bench.page(20, "", &[]);
    assert_eq!(bench.take()[3], "DELETED a/u1@- inferred -60..0s");
}
