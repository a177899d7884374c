//! The same events in every wrapper give the same trace.

use std::fs;

use kymo_interop::Limits;
use serde_json::{Value, json};

use super::traps::{answered, event, log, object, told};
use super::{import, import_text};
use crate::support::run;

fn story() -> Vec<Value> {
    vec![
        answered(1, "create", &object(7, "1")),
        event(2, "get", json!({})),
        answered(3, "update", &object(8, "2")),
        event(
            4,
            "delete",
            json!({ "responseStatus": { "status": "Success", "code": 200 } }),
        ),
    ]
}

const EXPECTED: [&str; 3] = ["ADDED 7 seen", "MODIFIED 8 seen", "DELETED - seen"];

fn assert_is_the_story(text: &str) {
    let (report, events) = import_text(text);
    assert_eq!(told(&events), EXPECTED, "{text}");
    assert_eq!(report.unreadable, 0, "{}", report.summary());
    assert_eq!(report.notes["left out: get requests"], 1);
}

fn lines(events: impl IntoIterator<Item = Value>) -> String {
    log(&events.into_iter().collect::<Vec<_>>())
}

#[test]
fn plain_pretty_and_batched_events_are_read_alike() {
    assert_is_the_story(&log(&story()));
    let pretty: Vec<String> = story().iter().map(|event| format!("{event:#}")).collect();
    assert_is_the_story(&pretty.join("\n"));
    assert_is_the_story(&Value::from(story()).to_string());
    assert_is_the_story(&format!("{:#}\n", Value::from(story())));
    let items: Vec<Value> = story()
        .into_iter()
        .map(|mut event| {
            let members = event.as_object_mut().unwrap();
            members.remove("kind");
            members.remove("apiVersion");
            event
        })
        .collect();
    let batch = json!({ "kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": items });
    assert_is_the_story(&batch.to_string());
    assert_is_the_story(&format!("{batch:#}"));
}

#[test]
fn the_envelopes_of_clouds_and_shippers_are_taken_off() {
    let azure = |event: Value| {
        json!({
            "time": "2026-11-21T07:00:00Z", "category": "kube-audit",
            "operationName": "Microsoft.ContainerService/managedClusters/diagnosticLogs/Read",
            "properties": { "log": event.to_string(), "stream": "stdout", "pod": "kube-apiserver-0" },
        })
    };
    assert_is_the_story(&lines(story().into_iter().map(azure)));
    let records: Vec<Value> = story().into_iter().map(azure).collect();
    assert_is_the_story(&lines([json!({ "records": records })]));

    let amazon = |event: Value| json!({ "id": "1", "timestamp": 1_763_708_400_000u64, "message": event.to_string() });
    let messages: Vec<Value> = story().into_iter().map(amazon).collect();
    assert_is_the_story(&lines([
        json!({ "messageType": "DATA_MESSAGE", "logStream": "kube-apiserver-audit-0", "logEvents": messages }),
    ]));
    let exported: Vec<String> = story()
        .iter()
        .map(|event| format!("2026-11-21T07:00:00.000Z {event}"))
        .collect();
    assert_is_the_story(&exported.join("\n"));

    let docker =
        |event: Value| json!({ "log": format!("{event}\n"), "stream": "stdout", "time": "t" });
    assert_is_the_story(&lines(story().into_iter().map(docker)));
    let elastic = |event: Value| json!({ "_index": "audit", "_source": event });
    assert_is_the_story(&lines(story().into_iter().map(elastic)));
}

/// What Cloud Logging makes of a request.
fn google(second: u32, method: &str, request: Option<Value>, response: Option<Value>) -> Value {
    let marked = |object: Value| {
        let mut marked = json!({ "@type": "core.k8s.io/v1.ConfigMap" });
        for (name, value) in object.as_object().unwrap() {
            marked[name] = value.clone();
        }
        marked
    };
    let mut payload = json!({
        "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
        "authenticationInfo": { "principalEmail": "someone@example.org" },
        "methodName": format!("io.k8s.core.v1.configmaps.{method}"),
        "requestMetadata": { "callerIp": "10.0.0.1", "callerSuppliedUserAgent": "kubectl" },
        "resourceName": "core/v1/namespaces/a/configmaps/c",
        "serviceName": "k8s.io", "status": {},
    });
    for (name, object) in [("request", request), ("response", response)] {
        if let Some(object) = object {
            payload[name] = marked(object);
        }
    }
    json!({
        "insertId": format!("{method}-{second}"), "logName": "projects/p/logs/cloudaudit.googleapis.com%2Factivity",
        "operation": { "id": format!("{method}-{second}"), "first": true, "last": true, "producer": "k8s.io" },
        "protoPayload": payload, "resource": { "type": "k8s_cluster" },
        "timestamp": format!("2026-11-21T07:00:{second:02}.001000Z"),
    })
}

#[test]
fn what_gke_logs_has_another_shape_and_the_same_story() {
    let mut created = object(7, "1");
    created["metadata"]["creationTimestamp"] = json!("2026-11-21T07:00:01Z");
    let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Success", "details": { "uid": "u" } });
    let mut refused = google(5, "update", None, None);
    refused["protoPayload"]["status"] =
        json!({ "code": 10, "message": "the object has been modified" });
    let entries = [
        // An apply that creates: no code tells.
        google(1, "patch", None, Some(created.clone())),
        google(2, "get", None, Some(created)),
        google(3, "update", None, Some(object(8, "2"))),
        google(4, "delete", None, Some(status)),
        refused,
    ];
    let text = format!("{:#}\n", Value::from(entries.to_vec()));
    let (report, events) = import_text(&text);
    assert_eq!(told(&events), EXPECTED);
    assert_eq!(report.notes["left out: refused requests (409)"], 1);
    let (_, first) = &events[0];
    let request = first.request.as_ref().unwrap();
    assert_eq!(request.username, "someone@example.org");
    assert_eq!(request.source_ips, ["10.0.0.1"]);
    let text = std::str::from_utf8(first.body.as_deref().unwrap()).unwrap();
    assert!(!text.contains("@type"), "{text}");
}

#[test]
fn the_format_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    fs::write(&path, log(&story())).unwrap();
    let output = folder.path().join("out.kymo");
    let options = kymo_interop::ImportOptions::new(None, vec![path], output);
    assert_eq!(run(&options).unwrap().events(), 3);
}

#[test]
fn a_batch_longer_than_the_limit_is_read_event_by_event() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.json");
    let batch = json!({ "kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": story() });
    fs::write(&path, batch.to_string()).unwrap();
    let mut options = kymo_interop::ImportOptions::new(
        Some(kymo_interop::Format::Audit),
        vec![path],
        folder.path().join("out.kymo"),
    );
    options.limits = Limits {
        value_bytes: 1200,
        ..Limits::default()
    };
    let report = run(&options).unwrap();
    assert_eq!(
        (report.events(), report.unreadable),
        (3, 0),
        "{}",
        report.summary()
    );
}

#[test]
fn a_log_without_a_change_is_no_error_and_one_without_an_event_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    fs::write(&path, log(&[event(2, "get", json!({}))])).unwrap();
    let (report, _) = import(folder.path(), vec![path.clone()]);
    assert_eq!(report.events(), 0);
    fs::write(&path, "{\"kind\":\"Pod\"}\n").unwrap();
    let output = folder.path().join("none.kymo");
    let options = kymo_interop::ImportOptions::new(
        Some(kymo_interop::Format::Audit),
        vec![path],
        output.clone(),
    );
    assert!(run(&options).unwrap_err().is_bad_input());
    assert!(!output.exists());
}
