//! Audits: comparing the live objects with the server's at one version.

use std::time::Duration;

use kymo_model::CoverageState;
use kymo_watch::Alarm;
use kymo_watch::machine::{AuditInput, Input};

use crate::bench::{Bench, config};

/// A feed that has just begun its first audit, at version 12, with a (u1@3) and b (u2@11).
fn auditing() -> Bench {
    let mut config = config();
    config.options.audit_every = Some(Duration::from_mins(15));
    config.options.silence = Duration::from_secs(10_000);
    let mut bench = Bench::watching_with(config);
    bench.pass(Duration::from_mins(15));
    bench.bookmark(12);
    assert_eq!(bench.take(), ["mark 12", "audit 12"]);
    bench
}

const BOTH: &[(&str, &str, u64)] = &[("a", "u1", 3), ("b", "u2", 11)];

#[test]
fn an_audit_without_a_difference_leaves_only_its_count() {
    let mut bench = auditing();
    bench.audit_page(12, "t1", &BOTH[..1]);
    bench.audit_page(12, "", &BOTH[1..]);
    assert_eq!(bench.take(), ["audit 12 token t1"]);
    assert_eq!(bench.status().counters.audits, 1);
    bench.pass(Duration::from_secs(899));
    bench.bookmark(13);
    assert_eq!(bench.take(), ["mark 13"], "the next is not due");
    bench.pass(Duration::from_secs(1));
    bench.bookmark(14);
    assert_eq!(bench.take(), ["mark 14", "audit 14"]);
}

#[test]
fn what_changes_during_an_audit_is_no_difference() {
    let mut bench = auditing();
    bench.event("MODIFIED", "a", "u1", 13);
    bench.event("ADDED", "c", "u3", 14);
    bench.event("DELETED", "b", "u2", 15);
    bench.event("MODIFIED", "c", "u3", 16);
    bench.take();
    bench.audit_page(12, "", BOTH);
    assert_eq!(bench.take(), [""; 0]);
    assert_eq!(bench.status().counters.discrepancies, 0);
    assert_eq!(bench.status().counters.audits, 1);
}

/// A DELETED that the server never sent: the part of fault table row 13 without a server.
/// Fault table row 13.
#[test]
fn a_swallowed_delete_is_found_and_repaired_by_one_audit() {
    let mut bench = auditing();
    bench.audit_page(12, "", &BOTH[..1]);
    assert_eq!(
        bench.take(),
        [
            "gap uncertain discrepancy 10..12",
            "DELETED b/u2@- inferred 0..900s"
        ]
    );
    assert_eq!(bench.status().live_objects, 1);
    assert_eq!(bench.status().coverage, Some(CoverageState::Observed));
    assert!(matches!(
        bench.alarms[..],
        [Alarm::Discrepancy { objects: 1, .. }]
    ));
}

/// Fault table row 13.
#[test]
fn a_swallowed_change_is_repaired_by_a_list_at_the_version_of_the_feed() {
    let mut bench = auditing();
    bench.event("ADDED", "c", "u3", 13);
    bench.take();
    bench.audit_page(12, "", &[("a", "u1", 3), ("b", "u2", 12), ("d", "u4", 12)]);
    assert_eq!(
        bench.take(),
        ["gap uncertain discrepancy 10..13", "page 500 at 13"]
    );
    bench.page(
        13,
        "",
        &[
            ("a", "u1", 3),
            ("b", "u2", 12),
            ("c", "u3", 13),
            ("d", "u4", 12),
        ],
    );
    assert_eq!(
        bench.take(),
        [
            "MODIFIED b/u2@12 coalesced 0..900s",
            "ADDED d/u4@12 listed 0..900s",
            "mark 13",
            "watch 13"
        ],
        "nothing after 13 is passed over"
    );
}

#[test]
fn a_repair_that_must_list_at_the_newest_owns_up_to_the_gap() {
    let mut bench = auditing();
    bench.audit_page(12, "", &[("a", "u1", 7), ("b", "u2", 11)]);
    bench.take();
    bench.refuse(410, "too old resource version");
    assert_eq!(bench.take(), ["unobserved discrepancy 12 900s", "page 500"]);
    bench.page(30, "", &[("a", "u1", 7), ("b", "u2", 11)]);
    assert_eq!(
        bench.take(),
        [
            "MODIFIED a/u1@7 coalesced 0..900s",
            "observed discrepancy 30 900s",
            "mark 30",
            "watch 30"
        ]
    );
}

#[test]
fn an_audit_that_the_server_cannot_serve_is_left_out() {
    for failure in ["410: expired", "400: bad request", "connection reset"] {
        let mut bench = auditing();
        bench.input(Input::Audit(AuditInput::Failed(failure.into())));
        assert_eq!(bench.take(), ["hang up audit"]);
        bench.event("MODIFIED", "a", "u1", 13);
        assert_eq!(bench.take(), ["MODIFIED a/u1@13 seen"]);
        assert_eq!(bench.status().counters.audits, 0);
    }
}

#[test]
fn an_audit_at_another_version_than_asked_for_is_left_out() {
    let mut bench = auditing();
    bench.audit_page(13, "", &[]);
    assert_eq!(bench.take(), ["hang up audit"]);
    assert_eq!(bench.status().live_objects, 2);
}

#[test]
fn a_list_ends_the_audit_that_runs() {
    let mut bench = auditing();
    bench.error(410, "too old resource version");
    assert_eq!(
        bench.take(),
        [
            "unobserved history_expired 12 900s",
            "hang up audit",
            "page 500"
        ]
    );
}

fn stopping() -> Bench {
    let mut config = config();
    config.options.audit_on_stop = Duration::from_secs(2);
    let mut bench = Bench::watching_with(config);
    bench.input(Input::Stop);
    assert_eq!(bench.take(), ["audit 11", "hang up"]);
    bench
}

#[test]
fn a_clean_stop_ends_with_an_audit() {
    let mut bench = stopping();
    bench.audit_page(11, "", BOTH);
    assert_eq!(
        bench.take(),
        ["unobserved stop 11 0s", "hang up", "stopped"]
    );
    assert_eq!(bench.status().counters.audits, 1);
}

#[test]
fn a_difference_found_at_the_stop_is_told_and_not_repaired_by_a_list() {
    let mut bench = stopping();
    bench.audit_page(11, "", &[("b", "u2", 9)]);
    assert_eq!(
        bench.take(),
        [
            "gap uncertain discrepancy 10..11",
            "DELETED a/u1@- inferred 0..0s",
            "unobserved stop 11 0s",
            "hang up",
            "stopped"
        ]
    );
}

#[test]
fn a_second_stop_does_not_wait_for_the_audit() {
    let mut bench = stopping();
    bench.input(Input::Stop);
    assert_eq!(
        bench.take(),
        [
            "hang up audit",
            "unobserved stop 11 0s",
            "hang up",
            "stopped"
        ]
    );
}
