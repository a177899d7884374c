//! What is hard about audit logs, one by one.

use std::fs;

use kymo_model::{Certainty, CoverageState, Event, EventType};
use kymo_store::Trace;
use serde_json::{Value, json};

use super::{body, events, import, import_text};

/// Makes an event: a request about the `ConfigMap` `c`, asked at a second and answered one
/// millisecond later, with other members in the place of the usual ones.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the members are written down where it is called"
)]
pub(super) fn event(second: u32, verb: &str, members: Value) -> Value {
    let mut event = json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "RequestResponse",
        "auditID": format!("{verb}-{second}"), "stage": "ResponseComplete",
        "requestURI": "/api/v1/namespaces/a/configmaps/c", "verb": verb,
        "user": { "username": "someone" },
        "objectRef": { "resource": "configmaps", "namespace": "a", "name": "c", "apiVersion": "v1" },
        "responseStatus": { "metadata": {}, "code": if verb == "create" { 201 } else { 200 } },
        "requestReceivedTimestamp": format!("2026-11-21T07:00:{second:02}.000000Z"),
        "stageTimestamp": format!("2026-11-21T07:00:{second:02}.001000Z"),
    });
    for (name, value) in members.as_object().unwrap() {
        event[name] = value.clone();
    }
    event
}

/// The `ConfigMap` at a version.
pub(super) fn object(rv: u32, value: &str) -> Value {
    json!({
        "kind": "ConfigMap", "apiVersion": "v1",
        "metadata": { "name": "c", "namespace": "a", "uid": "u", "resourceVersion": rv.to_string() },
        "data": { "value": value },
    })
}

pub(super) fn answered(second: u32, verb: &str, object: &Value) -> Value {
    event(second, verb, json!({ "responseObject": object }))
}

pub(super) fn log(events: &[Value]) -> String {
    let lines: Vec<String> = events.iter().map(ToString::to_string).collect();
    lines.join("\n") + "\n"
}

/// The changes of all objects as `TYPE version certainty`.
pub(super) fn told(events: &[(String, Event)]) -> Vec<String> {
    events
        .iter()
        .map(|(_, event)| {
            let rv = event.rv.as_ref().map_or("-", |rv| rv.as_str());
            format!("{} {rv} {}", event.event_type, event.certainty)
        })
        .collect()
}

fn uncertain(trace: &Trace) -> Vec<String> {
    let rows = trace.coverage();
    rows.iter()
        .filter(|row| row.state == CoverageState::Uncertain)
        .filter_map(|row| row.detail.clone())
        .collect()
}

#[test]
fn a_request_is_told_once_however_many_stages_and_copies_of_it_there_are() {
    let created = answered(1, "create", &object(7, "1"));
    let received = event(
        1,
        "create",
        json!({ "stage": "RequestReceived", "responseStatus": null }),
    );
    let watch = json!({ "stage": "ResponseStarted", "auditID": "w" });
    let (report, events) = import_text(&log(&[
        received,
        created.clone(),
        created,
        event(2, "watch", watch.clone()),
        event(2, "watch", watch),
    ]));
    assert_eq!(told(&events), ["ADDED 7 seen"]);
    assert_eq!(report.notes["left out: requests before their answer"], 1);
    assert_eq!(report.notes["left out: events that were there before"], 1);
    assert_eq!(report.notes["left out: watch requests"], 2);
    assert_eq!(
        report
            .losses
            .iter()
            .filter(|loss| loss.what.as_str() == "changes")
            .count(),
        0
    );
    let (_, event) = &events[0];
    assert_eq!(event.ts.since(event.not_before.unwrap()).as_millis(), 1);
}

#[test]
fn what_was_asked_and_never_answered_leaves_the_resource_uncertain() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let no_answer = |stage: &str| json!({ "stage": stage, "responseStatus": null });
    let failed = json!({ "responseStatus": { "status": "Failure", "code": 504 } });
    let text = log(&[
        answered(1, "create", &object(7, "1")),
        event(2, "update", no_answer("RequestReceived")),
        event(3, "patch", no_answer("Panic")),
        event(4, "update", failed),
        event(5, "get", no_answer("RequestReceived")),
    ]);
    fs::write(&path, text).unwrap();
    let (report, trace) = import(folder.path(), vec![path]);
    assert_eq!(told(&events(&trace)), ["ADDED 7 seen"]);
    let lost = report
        .losses
        .iter()
        .filter(|loss| loss.what.as_str() == "changes");
    assert_eq!(lost.map(|loss| loss.count).sum::<u64>(), 3);
    let mut uncertain = uncertain(&trace);
    uncertain.sort();
    assert_eq!(
        uncertain,
        [
            "patch c: the API server broke down while it answered",
            "update c: an error of the server was answered: it may have changed something",
            "update c: the log does not tell the answer",
        ]
    );
}

#[test]
fn patches_apply_to_the_last_known_object_and_are_marked() {
    let merge = json!({ "data": { "value": "2", "more": "3" } });
    let steps = json!([{ "op": "remove", "path": "/data/more" }]);
    let asked = |second, patch: &Value| {
        event(
            second,
            "patch",
            json!({ "level": "Request", "requestObject": patch }),
        )
    };
    let (report, events) = import_text(&log(&[
        answered(1, "create", &object(7, "1")),
        asked(2, &merge),
        asked(3, &steps),
        asked(
            4,
            &json!([{ "op": "test", "path": "/data/none", "value": 1 }]),
        ),
        asked(5, &merge),
    ]));
    assert_eq!(
        told(&events),
        [
            "ADDED 7 seen",
            "MODIFIED - inferred",
            "MODIFIED - inferred",
            "MODIFIED - reported",
            "MODIFIED - reported",
        ]
    );
    let data = |index: usize| body(&events[index].1).map(|body| body["data"].clone());
    assert_eq!(data(1), Some(json!({ "value": "2", "more": "3" })));
    assert_eq!(data(2), Some(json!({ "value": "2" })));
    assert_eq!(data(3), None);
    assert!(events.iter().all(|(_, event)| event.key.uid == "u"));
    let lost = |why: &str| {
        report
            .losses
            .iter()
            .find(|loss| loss.why.contains(why))
            .unwrap()
            .count
    };
    assert_eq!(lost("does not fit"), 1);
    assert_eq!(lost("what the object was before"), 1);
}

#[test]
fn subresources_change_their_object_or_nothing() {
    let pod = |second: u32, verb: &str, subresource: &str, members: Value| {
        let mut event = event(second, verb, members);
        event["objectRef"] = json!({ "resource": "pods", "namespace": "a", "name": "p", "apiVersion": "v1", "subresource": subresource });
        event["auditID"] = json!(format!("{subresource}-{second}"));
        event
    };
    let object = |rv: &str, spec: Value| {
        json!({
            "kind": "Pod", "apiVersion": "v1",
            "metadata": { "name": "p", "namespace": "a", "uid": "u", "resourceVersion": rv },
            "spec": spec,
        })
    };
    let success =
        json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success" });
    let bound = json!({ "kind": "Binding", "apiVersion": "v1", "metadata": { "name": "p", "namespace": "a" }, "target": { "kind": "Node", "name": "n" } });
    let (report, events) = import_text(&log(&[
        pod(
            1,
            "create",
            "",
            json!({ "responseObject": object("7", json!({})) }),
        ),
        pod(
            2,
            "create",
            "binding",
            json!({ "requestObject": bound, "responseObject": success }),
        ),
        pod(
            3,
            "patch",
            "status",
            json!({ "responseObject": object("9", json!({ "nodeName": "n" })) }),
        ),
        pod(4, "create", "exec", json!({})),
        pod(5, "create", "token", json!({})),
        pod(
            6,
            "create",
            "eviction",
            json!({ "responseObject": success }),
        ),
        pod(
            7,
            "create",
            "eviction",
            json!({ "requestObject": { "deleteOptions": { "dryRun": ["All"] } } }),
        ),
    ]));
    assert_eq!(
        told(&events),
        [
            "ADDED 7 seen",
            "MODIFIED - inferred",
            "MODIFIED 9 seen",
            "MODIFIED - reported"
        ]
    );
    assert_eq!(body(&events[1].1).unwrap()["spec"]["nodeName"], "n");
    let through: Vec<_> = events
        .iter()
        .map(|(_, event)| event.request.as_ref().unwrap().subresource.as_deref())
        .collect();
    assert_eq!(
        through,
        [None, Some("binding"), Some("status"), Some("eviction")]
    );
    assert_eq!(report.notes["left out: requests to exec"], 1);
    assert_eq!(report.notes["left out: dry runs"], 1);
}

#[test]
fn the_shape_of_2017_and_the_keys_that_shippers_add_are_read() {
    let mut old = answered(1, "create", &object(7, "1"));
    for name in ["requestReceivedTimestamp", "stageTimestamp"] {
        old.as_object_mut().unwrap().remove(name);
    }
    old["apiVersion"] = json!("audit.k8s.io/v1beta1");
    old["metadata"] = json!({ "creationTimestamp": "2017-09-11T19:55:05Z" });
    old["timestamp"] = json!("2017-09-11T19:55:05Z");
    let mut shipped = answered(2, "update", &object(8, "2"));
    shipped["job"] = json!("audit");
    shipped["@timestamp"] = json!("2026-11-21T07:00:09Z");
    shipped.as_object_mut().unwrap().remove("apiVersion");
    let (report, events) = import_text(&log(&[old, shipped]));
    assert_eq!(told(&events), ["ADDED 7 seen", "MODIFIED 8 seen"]);
    let (_, first) = &events[0];
    assert_eq!(first.ts.to_string(), "2017-09-11T19:55:05.000000000Z");
    assert_eq!((first.not_before, report.unreadable), (None, 0));
}

#[test]
fn lines_out_of_order_are_put_in_order_and_those_that_come_too_late_are_counted() {
    let mut first = answered(1, "create", &object(7, "1"));
    // Its answer was written last.
    first["stageTimestamp"] = json!("2026-11-21T07:00:05.000000Z");
    let (report, events) = import_text(&log(&[
        answered(2, "update", &object(8, "2")),
        answered(4, "update", &object(9, "3")),
        first.clone(),
    ]));
    assert_eq!(
        told(&events),
        ["ADDED 7 seen", "MODIFIED 8 seen", "MODIFIED 9 seen"]
    );
    assert!(events.is_sorted_by_key(|(_, event)| event.ts));
    assert_eq!(
        report
            .losses
            .iter()
            .filter(|loss| loss.what.as_str() == "order")
            .count(),
        0
    );

    first["stageTimestamp"] = json!("2026-11-21T07:00:59.000000Z");
    let (report, events) = import_text(&log(&[
        answered(2, "update", &object(8, "2")),
        answered(30, "update", &object(9, "3")),
        first,
    ]));
    assert_eq!(events.len(), 3);
    let late = report
        .losses
        .iter()
        .find(|loss| loss.what.as_str() == "order")
        .unwrap();
    assert_eq!(late.count, 1);
}

#[test]
fn rotated_logs_are_read_in_the_order_of_time_with_repeats_where_they_overlap() {
    let all: Vec<Value> = (1..=30)
        .map(|second| {
            let verb = if second == 1 { "create" } else { "update" };
            answered(second, verb, &object(second + 6, "x"))
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    // The newest has the name that comes first, and two overlap.
    fs::write(at("audit.log"), log(&all[20..])).unwrap();
    fs::write(at("audit-1.log"), log(&all[..12])).unwrap();
    fs::write(at("audit-2.log"), log(&all[8..20])).unwrap();
    let paths = ["audit.log", "audit-1.log", "audit-2.log"].map(at).to_vec();
    let (report, trace) = import(folder.path(), paths);
    let events = events(&trace);
    let versions: Vec<u32> = events
        .iter()
        .map(|(_, event)| event.rv.as_ref().unwrap().as_str().parse().unwrap())
        .collect();
    assert_eq!(versions, (7..=36).collect::<Vec<_>>());
    assert!(events.is_sorted_by_key(|(_, event)| event.ts));
    assert_eq!(report.notes["left out: events that were there before"], 4);
}

#[test]
fn the_logs_of_several_api_servers_become_one() {
    let folder = tempfile::tempdir().unwrap();
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for second in 1..=40 {
        let verb = if second == 1 { "create" } else { "update" };
        let log = if second % 3 == 0 { &mut one } else { &mut two };
        log.push(answered(second, verb, &object(second + 6, "x")));
    }
    let at = |name: &str| folder.path().join(name);
    fs::write(at("one.log"), log(&one)).unwrap();
    fs::write(at("two.log"), log(&two)).unwrap();
    let (report, trace) = import(folder.path(), vec![at("one.log"), at("two.log")]);
    let events = events(&trace);
    assert_eq!(events.len(), 40);
    let versions = events.iter().map(|(_, event)| event.rv.clone().unwrap());
    let versions: Vec<u32> = versions.map(|rv| rv.as_str().parse().unwrap()).collect();
    assert!(versions.is_sorted());
    assert_eq!(report.resources["configmaps"].starts_inside, 0);
}

#[test]
fn deletes_are_told_by_their_answers() {
    let collection = json!({
        "kind": "ConfigMapList", "apiVersion": "v1", "metadata": {},
        "items": [{ "metadata": { "name": "d", "namespace": "a", "uid": "v", "resourceVersion": "8" } }],
    });
    let (report, events) = import_text(&log(&[
        answered(1, "create", &object(7, "1")),
        event(
            2,
            "deletecollection",
            json!({ "responseObject": collection }),
        ),
        event(
            3,
            "deletecollection",
            json!({ "level": "Metadata", "auditID": "x" }),
        ),
        event(
            4,
            "delete",
            json!({ "responseStatus": { "status": "Success", "code": 200, "details": { "uid": "u" } } }),
        ),
    ]));
    assert_eq!(
        told(&events),
        ["ADDED 7 seen", "DELETED - inferred", "DELETED - seen"]
    );
    // The items of a list have no kind of their own.
    let gone = body(&events[1].1).unwrap();
    assert_eq!(
        (&gone["kind"], &gone["apiVersion"]),
        (&json!("ConfigMap"), &json!("v1"))
    );
    assert_eq!(events[2].1.key.uid, "u");
    let lost = report
        .losses
        .iter()
        .find(|loss| loss.what.as_str() == "changes")
        .unwrap();
    assert_eq!(lost.count, 1);
}

#[test]
fn an_update_or_an_apply_that_creates_is_an_addition() {
    for verb in ["update", "patch"] {
        let mut created = answered(1, verb, &object(7, "1"));
        created["responseStatus"]["code"] = json!(201);
        let (_, events) = import_text(&log(&[created]));
        assert_eq!(told(&events), ["ADDED 7 seen"]);
    }
}

#[test]
fn a_resource_without_a_kind_in_the_log_and_one_served_in_two_versions_stay_one() {
    let widget = |second: u32, verb: &str, version: &str| {
        let mut event = event(second, verb, json!({ "level": "Metadata" }));
        event["objectRef"] = json!({ "resource": "widgets", "namespace": "a", "name": "w", "apiGroup": "example.org", "apiVersion": version });
        event
    };
    let (report, events) = import_text(&log(&[
        widget(1, "create", "v1"),
        widget(2, "update", "v2"),
    ]));
    assert_eq!(report.resources.len(), 1);
    assert_eq!(told(&events), ["ADDED - reported", "MODIFIED - reported"]);
    assert!(
        events
            .iter()
            .all(|(_, event)| event.certainty == Certainty::Reported)
    );
    assert_eq!(report.resources["widgets.example.org"].starts_inside, 0);
}

#[test]
fn what_cannot_be_read_is_told_with_its_line_and_costs_no_other() {
    let cut = answered(2, "update", &object(8, "2")).to_string();
    let newer = event(3, "update", json!({ "apiVersion": "audit.k8s.io/v2" }));
    let text = format!(
        "{}{}\n{newer}\nI1121 starting\n{{\"a\":\"\\xff\"}}\n{}",
        log(&[answered(1, "create", &object(7, "1"))]),
        &cut[..cut.len() / 2],
        log(&[answered(4, "update", &object(9, "3"))]),
    );
    let (report, events) = import_text(&text);
    assert_eq!(told(&events), ["ADDED 7 seen", "MODIFIED 9 seen"]);
    let lines: Vec<(u64, &str)> = report
        .unreadable_lines
        .iter()
        .map(|line| (line.line, line.reason.split(':').next().unwrap()))
        .collect();
    assert_eq!(
        lines,
        [
            (2, "not JSON"),
            (3, "an audit event of version audit.k8s.io/v2"),
            (4, "not a JSON object"),
            (5, "not JSON"),
        ]
    );
    assert_eq!(events[0].1.event_type, EventType::Added);
}
