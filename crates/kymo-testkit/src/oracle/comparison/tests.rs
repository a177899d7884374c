//! The comparison on input made by hand.

use serde_json::{Value, json};

use super::*;

fn pod(name: &str) -> ObjectId {
    ObjectId {
        resource: Resource::new("", "pods"),
        namespace: "a".into(),
        name: name.into(),
    }
}

fn stored(phase: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "x", "namespace": "a", "uid": "u1",
            "annotations": { "kubectl.kubernetes.io/last-applied-configuration": "{}" } },
        "status": { "phase": phase },
    })
}

/// A pod that is made at 5, changes at 7 and ends at 9.
fn history() -> History {
    let revisions = [
        (5, Op::Added, "Pending"),
        (7, Op::Modified, "Running"),
        (9, Op::Deleted, "Running"),
    ]
    .map(|(rv, op, phase)| Revision::new(pod("x"), "u1", rv, op, &stored(phase)));
    History::new(revisions.to_vec(), 10)
}

fn rows() -> Vec<ObservedEvent> {
    history()
        .revisions()
        .iter()
        .map(|revision| {
            let mut body = revision.body().expect("body");
            body["metadata"]
                .as_object_mut()
                .expect("metadata")
                .remove("annotations");
            ObservedEvent {
                group: String::new(),
                resource: "pods".into(),
                namespace: "a".into(),
                name: "x".into(),
                uid: "u1".into(),
                rv: Some(revision.rv),
                op: revision.op,
                certainty: Certainty::Seen,
                body: Some(body),
            }
        })
        .collect()
}

fn covered(from_rv: u64, to_rv: u64, observed: bool) -> Interval {
    Interval {
        group: String::new(),
        resource: "pods".into(),
        namespace: None,
        from_rv,
        to_rv,
        observed,
    }
}

fn faults(rows: &[ObservedEvent], coverage: &[Interval]) -> Vec<Fault> {
    compare(&history(), rows, coverage).expect("compare").faults
}

#[test]
fn a_complete_recording_is_clean_and_counted() {
    let report = compare(&history(), &rows(), &[covered(0, 10, true)]).expect("compare");
    assert_eq!(report.faults, vec![]);
    let tally = report.tally(&Resource::new("", "pods"));
    assert_eq!(
        (tally.expected, tally.matched, tally.outside, tally.bodies),
        (3, 3, 0, 3)
    );
}

#[test]
fn a_missing_change_in_an_observed_stretch_is_a_fault() {
    let mut rows = rows();
    rows.remove(1);
    assert_eq!(
        faults(&rows, &[covered(0, 10, true)]),
        vec![Fault::Missing {
            id: pod("x"),
            rv: 7,
            op: Op::Modified
        }]
    );
}

#[test]
fn a_missing_change_is_no_fault_where_the_recording_admits_a_gap() {
    let mut rows = rows();
    rows.remove(1);
    let coverage = [
        covered(0, 6, true),
        covered(6, 8, false),
        covered(8, 10, true),
    ];
    assert_eq!(faults(&rows, &coverage), vec![]);
}

#[test]
fn a_stretch_begins_behind_its_first_version_and_holds_its_last() {
    let mut rows = rows();
    rows.remove(0);
    assert_eq!(faults(&rows, &[covered(5, 9, true)]), vec![]);
    rows.remove(1);
    assert_eq!(
        faults(&rows, &[covered(5, 9, true)]).len(),
        1,
        "9 is inside"
    );
    assert_eq!(
        faults(&rows, &[covered(5, 8, true)]),
        vec![],
        "9 is outside"
    );
}

#[test]
fn coverage_of_another_namespace_asks_for_nothing() {
    let other = Interval {
        namespace: Some("b".into()),
        ..covered(0, 10, true)
    };
    assert_eq!(faults(&[], &[other]), vec![]);
    let own = Interval {
        namespace: Some("a".into()),
        ..covered(0, 10, true)
    };
    assert_eq!(faults(&[], &[own]).len(), 3);
}

#[test]
fn a_row_that_never_happened_is_a_fault_even_outside_coverage() {
    let mut invented = rows();
    invented.truncate(1);
    invented[0].rv = Some(6);
    assert_eq!(
        faults(&invented, &[]),
        vec![Fault::Invented {
            id: pod("x"),
            rv: Some(6),
            op: Op::Added
        }]
    );
}

#[test]
fn a_row_recorded_twice_is_a_fault() {
    let mut rows = rows();
    rows.push(rows[1].clone());
    assert_eq!(
        faults(&rows, &[covered(0, 10, true)]),
        vec![Fault::Duplicate {
            id: pod("x"),
            rv: Some(7),
            op: Op::Modified
        }]
    );
}

#[test]
fn a_body_that_differs_is_a_fault_with_its_place() {
    let mut rows = rows();
    rows[1].body.as_mut().expect("body")["status"]["phase"] = json!("Failed");
    assert_eq!(
        faults(&rows, &[covered(0, 10, true)]),
        vec![Fault::OtherBody {
            id: pod("x"),
            rv: 7,
            at: vec!["/status/phase".into()]
        }]
    );
}

#[test]
fn a_body_with_the_version_of_another_event_is_a_fault() {
    let mut rows = rows();
    rows[2].body.as_mut().expect("body")["metadata"]["resourceVersion"] = json!("7");
    assert_eq!(
        faults(&rows, &[covered(0, 10, true)]),
        vec![Fault::OtherBody {
            id: pod("x"),
            rv: 9,
            at: vec!["/metadata/resourceVersion".into()]
        }]
    );
}

#[test]
fn another_api_version_is_compared_by_metadata_only() {
    let mut rows = rows();
    let body = rows[1].body.as_mut().expect("body");
    body["apiVersion"] = json!("v2");
    body["status"] = json!({});
    let report = compare(&history(), &rows, &[covered(0, 10, true)]).expect("compare");
    assert_eq!(report.faults, vec![]);
    assert_eq!(report.tally(&Resource::new("", "pods")).metadata_only, 1);
    rows[1].body.as_mut().expect("body")["metadata"]["uid"] = json!("u2");
    assert_eq!(faults(&rows, &[covered(0, 10, true)]).len(), 1);
}

#[test]
fn a_watch_event_must_say_what_happened_and_a_listed_row_need_not() {
    let mut rows = rows();
    rows[1].op = Op::Added;
    assert_eq!(
        faults(&rows, &[covered(0, 10, true)]),
        vec![Fault::OtherOp {
            id: pod("x"),
            rv: 7,
            expected: Op::Modified,
            found: Op::Added
        }]
    );
    rows[1].certainty = Certainty::Listed;
    assert_eq!(faults(&rows, &[covered(0, 10, true)]), vec![]);
    rows[1].op = Op::Deleted;
    assert_eq!(faults(&rows, &[covered(0, 10, true)]).len(), 1);
}

#[test]
fn a_wrong_uid_is_a_fault() {
    let mut rows = rows();
    rows[0].uid = "u2".into();
    assert_eq!(faults(&rows, &[covered(0, 10, true)]).len(), 1);
}

#[test]
fn an_inferred_deletion_must_have_happened_and_only_inside_a_gap() {
    let mut rows = rows();
    rows[2].rv = None;
    rows[2].certainty = Certainty::Inferred;
    let gap = [covered(0, 8, true), covered(8, 10, false)];
    let report = compare(&history(), &rows, &gap).expect("compare");
    assert_eq!(report.faults, vec![]);
    assert_eq!(report.tally(&Resource::new("", "pods")).inferred, 1);

    let all = faults(&rows, &[covered(0, 10, true)]);
    assert!(
        all.contains(&Fault::NeedlesslyInferred {
            id: pod("x"),
            rv: 9
        }),
        "{all:?}"
    );

    rows.push(rows[2].clone());
    assert_eq!(
        faults(&rows, &gap),
        vec![Fault::Duplicate {
            id: pod("x"),
            rv: None,
            op: Op::Deleted
        }]
    );
    rows.truncate(3);
    rows[2].uid = "u2".into();
    assert_eq!(
        faults(&rows, &gap),
        vec![Fault::Invented {
            id: pod("x"),
            rv: None,
            op: Op::Deleted
        }]
    );
}

#[test]
fn payloads_of_secrets_are_not_expected_but_the_rest_is() {
    let id = ObjectId {
        resource: Resource::new("", "secrets"),
        ..pod("x")
    };
    let stored = json!({ "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": { "name": "x", "namespace": "a", "uid": "u1" }, "data": { "k": "dg==" } });
    let history = History::new(vec![Revision::new(id, "u1", 5, Op::Added, &stored)], 5);
    let mut row = rows().remove(0);
    row.resource = "secrets".into();
    row.body = Some(
        json!({ "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": { "name": "x", "namespace": "a", "uid": "u1", "resourceVersion": "5" } }),
    );
    assert_eq!(
        compare(&history, &[row.clone()], &[])
            .expect("compare")
            .faults,
        vec![]
    );
    row.body.as_mut().expect("body")["type"] = json!("Other");
    assert_eq!(
        compare(&history, &[row], &[])
            .expect("compare")
            .faults
            .len(),
        1
    );
}

#[test]
fn a_default_of_the_server_fills_a_gap_in_etcd_and_hides_no_other_value() {
    let id = ObjectId {
        resource: Resource::new("", "persistentvolumeclaims"),
        ..pod("x")
    };
    let phase = |stored: Value, found: &str| {
        let stored = json!({ "apiVersion": "v1", "metadata": { "uid": "u1" }, "status": stored });
        let history = History::new(
            vec![Revision::new(id.clone(), "u1", 5, Op::Added, &stored)],
            5,
        );
        let mut row = rows().remove(0);
        row.resource = "persistentvolumeclaims".into();
        row.body = Some(json!({ "apiVersion": "v1",
            "metadata": { "uid": "u1", "resourceVersion": "5" }, "status": { "phase": found } }));
        compare(&history, &[row], &[]).expect("compare").is_clean()
    };
    assert!(phase(json!({}), "Pending"));
    assert!(!phase(json!({}), "Bound"));
    assert!(!phase(json!({ "phase": "Bound" }), "Pending"));
}
