use std::time::Duration;

use bytes::Bytes;
use futures::{AsyncBufReadExt, TryStreamExt};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, ListParams, WatchParams};
use kube::core::{PartialObjectMeta, WatchEvent};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::*;
use crate::proxy::{Do, Fault, FaultProxy, Upstream, When};

const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

async fn ask_as(api: &ScriptedApi, uri: &str, accept: &str) -> Response<ReplyBody> {
    let request = Request::get(uri).header("accept", accept);
    let parts = request.body(()).unwrap().into_parts().0;
    api.answer(SeenRequest::of(&parts)).await.unwrap()
}

async fn ask(api: &ScriptedApi, uri: &str) -> Response<ReplyBody> {
    ask_as(api, uri, "application/json").await
}

async fn json_of(response: Response<ReplyBody>) -> Value {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{error}: {bytes:?}"))
}

async fn get(api: &ScriptedApi, uri: &str) -> (u16, Value) {
    let response = ask(api, uri).await;
    (response.status().as_u16(), json_of(response).await)
}

fn config_map(name: &str, value: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"v": value}}, "data": {"k": value}})
}

/// The lines of a watch: type, name and resourceVersion of each.
struct Lines {
    body: ReplyBody,
    rest: Vec<u8>,
}

impl Lines {
    async fn open(api: &ScriptedApi, query: &str) -> Self {
        let uri = format!("/api/v1/configmaps?watch=1{query}");
        let response = ask(api, &uri).await;
        assert_eq!(response.status(), 200);
        Self {
            body: response.into_body(),
            rest: Vec::new(),
        }
    }

    async fn value(&mut self) -> Option<Result<Value, Abort>> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<_> = self.rest.drain(..=end).collect();
                return Some(Ok(serde_json::from_slice(&line).unwrap()));
            }
            match self.body.frame().await? {
                Ok(frame) => self.rest.extend(frame.into_data().unwrap()),
                Err(abort) => return Some(Err(abort)),
            }
        }
    }

    async fn next(&mut self) -> String {
        let value = match self.value().await {
            None => return "end".to_owned(),
            Some(Err(abort)) => return format!("{abort:?}"),
            Some(Ok(value)) => value,
        };
        let object = &value["object"];
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let (name, rv) = (
            &object["metadata"]["name"],
            &object["metadata"]["resourceVersion"],
        );
        let code = object["code"].as_u64().map(|code| code.to_string());
        format!(
            "{} {} {}",
            text(&value["type"]),
            code.unwrap_or_else(|| text(name)),
            text(rv)
        )
    }

    async fn is_silent(&mut self) -> bool {
        timeout(Duration::from_millis(1), self.next())
            .await
            .is_err()
    }
}

#[tokio::test]
async fn a_list_shows_objects_in_order_without_kind_and_with_filled_in_metadata() {
    let api = ScriptedApi::new();
    api.put("configmaps", config_map("b", "1"));
    let rv = api.put("configmaps", config_map("a", "2"));
    let (status, list) = get(&api, "/api/v1/configmaps").await;
    assert_eq!(status, 200);
    assert_eq!(list["kind"], "ConfigMapList");
    assert_eq!(list["metadata"]["resourceVersion"], rv.to_string());
    assert_eq!(list["items"][0]["metadata"]["name"], "a");
    assert_eq!(list["items"][0]["metadata"]["namespace"], "default");
    assert_eq!(list["items"][0]["data"], json!({"k": "2"}));
    assert!(list["items"][0].get("kind").is_none());
    let uids = [0, 1].map(|n| {
        list["items"][n]["metadata"]["uid"]
            .as_str()
            .unwrap()
            .to_owned()
    });
    assert_ne!(uids[0], uids[1]);
    api.put("configmaps", config_map("a", "3"));
    let (_, again) = get(&api, "/api/v1/namespaces/default/configmaps/a").await;
    assert_eq!(again["metadata"]["uid"], uids[0]);
    assert_eq!(again["kind"], "ConfigMap");
    api.delete("configmaps", "a");
    api.put("configmaps", config_map("a", "4"));
    let (_, anew) = get(&api, "/api/v1/namespaces/default/configmaps/a").await;
    assert_ne!(anew["metadata"]["uid"], uids[0]);
    let (status, _) = get(&api, "/api/v1/namespaces/other/configmaps/a").await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn custom_resources_name_their_kind_and_have_their_metadata_last() {
    let widgets = ScriptedResource::new("shop.example", "v2", "widgets", "Widget");
    let api = ScriptedApi::serving(vec![widgets.custom().also_version("v1")]);
    api.put("widgets.shop.example", config_map("a", "1"));
    let response = ask(&api, "/apis/shop.example/v1/widgets").await;
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let text = std::str::from_utf8(&bytes).unwrap();
    assert!(text.find("\"items\"").unwrap() < text.find("\"kind\":\"WidgetList\"").unwrap());
    let list: Value = serde_json::from_str(text).unwrap();
    assert_eq!(list["items"][0]["apiVersion"], "shop.example/v1");
    assert_eq!(list["items"][0]["kind"], "Widget");
}

#[tokio::test]
async fn pages_are_of_the_first_pages_revision_until_it_is_compacted() {
    let api = ScriptedApi::new();
    for name in ["a", "b", "c", "d", "e"] {
        api.put("configmaps", config_map(name, "1"));
    }
    let first = api.revision();
    let (_, page) = get(&api, "/api/v1/configmaps?limit=2").await;
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    assert_eq!(page["metadata"]["remainingItemCount"], 3);
    let token = page["metadata"]["continue"].as_str().unwrap().to_owned();
    api.delete("configmaps", "c");
    let uri = format!("/api/v1/configmaps?limit=2&continue={token}");
    let (_, page) = get(&api, &uri).await;
    assert_eq!(page["items"][0]["metadata"]["name"], "c");
    assert_eq!(page["metadata"]["resourceVersion"], first.to_string());
    let next = page["metadata"]["continue"].as_str().unwrap();
    let (_, last) = get(&api, &format!("/api/v1/configmaps?limit=2&continue={next}")).await;
    assert_eq!(last["items"][0]["metadata"]["name"], "e");
    assert!(last["metadata"].get("continue").is_none());

    api.compact_to(api.revision());
    let (status, refusal) = get(&api, &uri).await;
    assert_eq!((status, &refusal["reason"]), (410, &json!("Expired")));
    let inconsistent = refusal["metadata"]["continue"].as_str().unwrap();
    let (_, page) = get(&api, &format!("/api/v1/configmaps?continue={inconsistent}")).await;
    assert_eq!(page["items"][0]["metadata"]["name"], "d");
    assert_eq!(get(&api, "/api/v1/configmaps?continue=x").await.0, 400);
}

#[tokio::test]
async fn exact_lists_show_the_past_until_it_is_compacted() {
    let api = ScriptedApi::new();
    let past = api.put("configmaps", config_map("a", "1"));
    api.put("configmaps", config_map("a", "2"));
    api.delete("configmaps", "a");
    api.forget_watch_history(api.revision());
    let uri = |rv| format!("/api/v1/configmaps?resourceVersion={rv}&resourceVersionMatch=Exact");
    let (_, list) = get(&api, &uri(past)).await;
    assert_eq!(list["items"][0]["data"]["k"], "1");
    assert_eq!(list["metadata"]["resourceVersion"], past.to_string());
    api.compact_to(past + 1);
    assert_eq!(get(&api, &uri(past)).await.0, 410);
    let (status, refusal) = get(&api, &uri(api.revision() + 5)).await;
    assert_eq!(status, 504);
    assert_eq!(
        refusal["details"]["causes"][0]["reason"],
        "ResourceVersionTooLarge"
    );
    assert_eq!(
        get(&api, "/api/v1/configmaps?resourceVersionMatch=Exact")
            .await
            .0,
        422
    );
    let (_, now) = get(&api, &format!("/api/v1/configmaps?resourceVersion={past}")).await;
    assert_eq!(now["items"], json!([]));
    api.serve_stale(Some(past + 1));
    let (_, stale) = get(&api, "/api/v1/configmaps?resourceVersion=0&limit=1").await;
    assert_eq!(stale["items"][0]["data"]["k"], "2");
}

#[tokio::test]
async fn a_watch_replays_history_and_then_follows() {
    let api = ScriptedApi::new();
    let from = api.revision();
    api.put("configmaps", config_map("a", "1"));
    api.put("configmaps", config_map("a", "2"));
    let mut lines = Lines::open(&api, &format!("&resourceVersion={from}")).await;
    assert_eq!(lines.next().await, format!("ADDED a {}", from + 1));
    assert_eq!(lines.next().await, format!("MODIFIED a {}", from + 2));
    assert!(lines.is_silent().await);
    let rv = api.delete("configmaps", "a");
    assert_eq!(lines.next().await, format!("DELETED a {rv}"));
    api.put("pods", json!({"metadata": {"name": "p"}}));
    assert!(lines.is_silent().await);
    assert_eq!(api.open_watches("configmaps"), 1);
    drop(lines);
    assert_eq!(api.open_watches("configmaps"), 0);
}

#[tokio::test]
async fn a_watch_from_before_the_window_is_one_error_line_with_status_200() {
    let api = ScriptedApi::new();
    let old = api.put("configmaps", config_map("a", "1"));
    let new = api.put("configmaps", config_map("a", "2"));
    api.compact_to(new);
    let mut lines = Lines::open(&api, &format!("&resourceVersion={old}")).await;
    assert_eq!(lines.next().await, "ERROR 410 -");
    assert_eq!(lines.next().await, "end");
    let mut lines = Lines::open(&api, &format!("&resourceVersion={new}")).await;
    assert!(lines.is_silent().await);
}

#[tokio::test]
async fn open_watches_are_told_ended_and_broken_on_demand() {
    let api = ScriptedApi::new();
    let rv = api.revision();
    let open = async |more: &str| Lines::open(&api, &format!("&resourceVersion={rv}{more}")).await;
    let (mut plain, mut marked) = (open("").await, open("&allowWatchBookmarks=true").await);
    api.skip_revisions(7);
    api.bookmark("configmaps");
    assert_eq!(marked.next().await, format!("BOOKMARK - {}", rv + 7));
    assert!(plain.is_silent().await);
    api.send_raw("configmaps", "[1]\n");
    assert_eq!(marked.value().await, Some(Ok(json!([1]))));
    api.end_watches("configmaps");
    assert_eq!(marked.next().await, "end");
    plain.next().await;
    assert_eq!(plain.next().await, "end");
    let mut later = open("&allowWatchBookmarks=true").await;
    assert!(
        later.is_silent().await,
        "signals are for the watches of their time"
    );
    api.fail_watches("configmaps", 410);
    assert_eq!(later.next().await, "ERROR 410 -");
    assert_eq!(later.next().await, "end");
    for abort in [Abort::Cut, Abort::Reset] {
        let mut watch = open("").await;
        api.abort_watches("configmaps", abort);
        assert_eq!(watch.next().await, format!("{abort:?}"));
        assert_eq!(watch.next().await, "end");
    }
}

#[tokio::test]
async fn a_streaming_list_sends_what_exists_and_a_mark() {
    let api = ScriptedApi::new();
    api.put("configmaps", config_map("a", "1"));
    api.put("configmaps", config_map("b", "1"));
    let rv = api.revision();
    let query =
        "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut lines = Lines::open(&api, query).await;
    assert!(lines.next().await.starts_with("ADDED a"));
    assert!(lines.next().await.starts_with("ADDED b"));
    let mark = lines.value().await.unwrap().unwrap();
    let metadata = &mark["object"]["metadata"];
    assert_eq!(mark["type"], "BOOKMARK");
    assert_eq!(metadata["resourceVersion"], rv.to_string());
    assert_eq!(metadata["annotations"]["k8s.io/initial-events-end"], "true");
    api.delete("configmaps", "a");
    assert_eq!(lines.next().await, format!("DELETED a {}", rv + 1));
    let uri = "/api/v1/configmaps?watch=1&sendInitialEvents=true";
    assert_eq!(get(&api, uri).await.0, 422);
    api.set_streaming_lists(false);
    assert_eq!(
        get(&api, &format!("/api/v1/configmaps?watch=1{query}"))
            .await
            .0,
        422
    );
}

#[tokio::test]
async fn a_streaming_list_of_nothing_still_ends_and_follows() {
    let api = ScriptedApi::new();
    let mut lines = Lines::open(&api, "").await;
    assert!(lines.is_silent().await);
    api.put("configmaps", config_map("a", "1"));
    assert!(lines.next().await.starts_with("ADDED a"));
}

#[tokio::test]
async fn under_a_selector_objects_enter_and_leave() {
    let api = ScriptedApi::new();
    let from = api.revision();
    api.put("configmaps", config_map("a", "1"));
    let query = format!("&resourceVersion={from}&labelSelector=v%3D1");
    let mut lines = Lines::open(&api, &query).await;
    assert_eq!(lines.next().await, format!("ADDED a {}", from + 1));
    api.put("configmaps", config_map("a", "2"));
    assert_eq!(lines.next().await, format!("DELETED a {}", from + 2));
    api.put("configmaps", config_map("a", "3"));
    api.put("configmaps", config_map("a", "1"));
    assert_eq!(lines.next().await, format!("ADDED a {}", from + 4));
    api.put("configmaps", config_map("b", "2"));
    for (selector, count) in [("v=1", 1), ("v!%3D1", 1), ("v", 2), ("x", 0), ("v==2", 1)] {
        let (_, list) = get(
            &api,
            &format!("/api/v1/configmaps?labelSelector={selector}"),
        )
        .await;
        assert_eq!(list["items"].as_array().unwrap().len(), count, "{selector}");
    }
    let (_, list) = get(&api, "/api/v1/configmaps?fieldSelector=metadata.name%3Db").await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let (_, list) = get(&api, "/api/v1/namespaces/other/configmaps").await;
    assert_eq!(list["items"], json!([]));
}

#[tokio::test]
async fn a_restart_forgets_history_and_a_rewind_uses_numbers_again() {
    let api = ScriptedApi::new();
    let old = api.put("configmaps", config_map("a", "1"));
    let new = api.put("configmaps", config_map("a", "2"));
    let mut lines = Lines::open(&api, &format!("&resourceVersion={new}")).await;
    api.restart();
    assert_eq!(lines.next().await, "end");
    let mut lines = Lines::open(&api, &format!("&resourceVersion={old}")).await;
    assert_eq!(lines.next().await, "ERROR 410 -");

    let mut before = Lines::open(&api, &format!("&resourceVersion={new}")).await;
    api.rewind(old);
    assert_eq!(before.next().await, "end");
    let (_, list) = get(&api, "/api/v1/configmaps").await;
    assert_eq!(list["items"][0]["data"]["k"], "1");
    assert_eq!(list["metadata"]["resourceVersion"], old.to_string());
    let mut future = Lines::open(&api, &format!("&resourceVersion={new}")).await;
    assert_eq!(api.put("configmaps", config_map("b", "1")), new);
    assert!(
        future.is_silent().await,
        "a watch from the future gets only what is newer"
    );
    api.put("configmaps", config_map("c", "1"));
    assert_eq!(future.next().await, format!("ADDED c {}", new + 1));
}

#[tokio::test]
async fn generated_objects_are_listed_watched_changed_and_deleted() {
    let api = ScriptedApi::new();
    api.generate("configmaps", 5, |n| json!({"data": {"n": n.to_string()}}));
    api.put("configmaps", config_map("z", "1"));
    let key = "generated/generated-0000003";
    let object = json!({"metadata": {"name": "generated-0000003", "namespace": "generated"}});
    api.put("configmaps", object);
    api.delete("configmaps", "generated/generated-0000001");
    let (_, list) = get(&api, "/api/v1/configmaps").await;
    let names = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().unwrap().iter();
        items
            .map(|it| it["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let expected: Vec<_> = ["z"]
        .into_iter()
        .map(str::to_owned)
        .chain([0, 2, 3, 4].map(|n| format!("generated-{n:07}")))
        .collect();
    assert_eq!(names(&list), expected);
    assert_eq!(list["items"][1]["data"]["n"], "0");
    assert!(list["items"][3].get("data").is_none());
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let uri = format!("/api/v1/configmaps?limit=2&continue={token}");
        let (_, page) = get(&api, &uri).await;
        found.extend(names(&page));
        match page["metadata"]["continue"].as_str() {
            Some(next) => next.clone_into(&mut token),
            None => break,
        }
    }
    assert_eq!(found, expected);
    api.delete("configmaps", key);
    let rv = api.churn(
        "configmaps",
        2,
        5,
        |n| json!({"data": {"n": n.to_string()}}),
    );
    let mut lines = Lines::open(&api, &format!("&resourceVersion={}", rv - 5)).await;
    let mut seen = Vec::new();
    for _ in 0..5 {
        let line = lines.next().await;
        seen.push(line.rsplit_once(' ').unwrap().0.to_owned());
    }
    let expected = [
        "ADDED churn-0",
        "ADDED churn-1",
        "MODIFIED churn-0",
        "MODIFIED churn-1",
        "MODIFIED churn-0",
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_hundred_thousand_objects_are_listed_in_pages_of_constant_cost() {
    let api = ScriptedApi::new();
    api.generate(
        "configmaps",
        100_000,
        |n| json!({"data": {"n": n.to_string()}}),
    );
    let (mut count, mut token) = (0, String::new());
    loop {
        let uri = format!("/api/v1/configmaps?limit=10000&continue={token}");
        let bytes = ask(&api, &uri)
            .await
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes();
        let text = std::str::from_utf8(&bytes).unwrap();
        count += text.matches("\"uid\"").count();
        let Some((_, rest)) = text.split_once("\"continue\":\"") else {
            break;
        };
        token = rest.split_once('"').unwrap().0.to_owned();
    }
    assert_eq!(count, 100_000);
}

#[tokio::test]
async fn metadata_alone_is_given_to_those_who_ask_for_it() {
    let api = ScriptedApi::new();
    api.put("configmaps", config_map("a", "1"));
    let list = json_of(ask_as(&api, "/api/v1/configmaps", METADATA).await).await;
    assert_eq!(list["kind"], "PartialObjectMetadataList");
    assert_eq!(list["items"][0]["kind"], "PartialObjectMetadata");
    assert_eq!(list["items"][0]["metadata"]["name"], "a");
    assert!(list["items"][0].get("data").is_none());
    let watch = ask_as(&api, "/api/v1/configmaps?watch=1", METADATA).await;
    let mut lines = Lines {
        body: watch.into_body(),
        rest: Vec::new(),
    };
    let event = lines.value().await.unwrap().unwrap();
    assert_eq!(event["object"]["apiVersion"], "meta.k8s.io/v1");
    assert!(event["object"].get("data").is_none());
}

#[tokio::test]
async fn forbidden_absent_and_unauthorized_are_told_as_the_server_tells_them() {
    let api = ScriptedApi::new();
    api.set_forbidden("configmaps", true);
    assert_eq!(get(&api, "/api/v1/configmaps").await.0, 403);
    assert_eq!(get(&api, "/api/v1/configmaps?watch=1").await.0, 403);
    let review = |resource: &str| {
        let body = json!({"spec": {"resourceAttributes": {"resource": resource, "verb": "list"}}});
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let parts = Request::post(path).body(()).unwrap().into_parts().0;
        let mut request = SeenRequest::of(&parts);
        request.body = Bytes::from(body.to_string());
        request
    };
    for (resource, allowed) in [("configmaps", false), ("pods", true)] {
        let response = api.answer(review(resource)).await.unwrap();
        assert_eq!(response.status(), 201);
        assert_eq!(json_of(response).await["status"]["allowed"], allowed);
    }
    api.set_forbidden("configmaps", false);
    let mut lines = Lines::open(&api, &format!("&resourceVersion={}", api.revision())).await;
    api.remove_resource("configmaps");
    assert_eq!(lines.next().await, "end");
    let (status, refusal) = get(&api, "/api/v1/configmaps").await;
    assert_eq!((status, &refusal["kind"]), (404, &json!("Status")));
    let response = ask(&api, "/apis/shop.example/v1/widgets").await;
    assert_eq!(response.status(), 404);
    assert_eq!(
        response.headers()["content-type"],
        "text/plain; charset=utf-8"
    );
    api.require_token(Some("t"));
    assert_eq!(get(&api, "/api/v1/pods").await.0, 401);
    let refused = RequestMatch::any().method(Method::POST);
    assert_eq!(api.requests_of(&refused).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn scripted_replies_take_the_place_of_answers_in_virtual_time() {
    let api = ScriptedApi::new();
    let gate = Gate::new();
    let second = Duration::from_secs(100);
    let reply = Reply::status(500)
        .header("retry-after", "9")
        .delay_head(second)
        .line("one")
        .delay(second)
        .chunk("two")
        .wait(&gate)
        .chunk("three")
        .abort(Abort::Reset);
    let script = api.script(RequestMatch::lists("pods"), reply);
    assert_eq!(get(&api, "/api/v1/configmaps").await.0, 200);
    let begun = Instant::now();
    let response = ask(&api, "/api/v1/pods").await;
    assert_eq!(response.status(), 500);
    assert_eq!(response.headers()["retry-after"], "9");
    let mut body = response.into_body();
    let mut pieces = Vec::new();
    for _ in 0..2 {
        pieces.push(body.frame().await.unwrap().unwrap().into_data().unwrap());
    }
    assert_eq!(pieces, ["one\n", "two"]);
    assert_eq!(begun.elapsed(), 2 * second);
    assert!(timeout(second, body.frame()).await.is_err());
    gate.open();
    assert_eq!(
        body.frame().await.unwrap().unwrap().into_data().unwrap(),
        "three"
    );
    assert!(matches!(body.frame().await, Some(Err(Abort::Reset))));
    assert!(body.frame().await.is_none());
    assert_eq!(script.used(), 1);
    assert_eq!(get(&api, "/api/v1/pods").await.0, 200);

    api.script(RequestMatch::any(), Reply::abort_at_once(Abort::Cut));
    let parts = Request::get("/version").body(()).unwrap().into_parts().0;
    let answer = api.answer(SeenRequest::of(&parts)).await;
    assert_eq!(answer.unwrap_err(), Abort::Cut);
    api.script(RequestMatch::any(), Reply::silent());
    assert!(timeout(second, ask(&api, "/version")).await.is_err());
    let door = Gate::new();
    api.script(RequestMatch::any(), Reply::serve_after(&door));
    let (answer, ()) = tokio::join!(get(&api, "/version"), async { door.open() });
    assert_eq!(answer.1["gitVersion"], "v1.36.2");
    let script = api.script_times(RequestMatch::any(), 2, Reply::status(503).hang());
    for _ in 0..2 {
        assert_eq!(ask(&api, "/version").await.status(), 503);
    }
    assert_eq!(ask(&api, "/version").await.status(), 200);
    assert_eq!(script.used(), 2);
}

#[tokio::test(start_paused = true)]
async fn under_a_paused_clock_the_time_moves_only_when_nothing_is_left_to_deliver() {
    let api = ScriptedApi::new();
    let from = api.revision();
    api.set_timeouts(true);
    api.set_date("Thu, 01 Jan 2026 00:00:00 GMT");
    api.churn("configmaps", 10, 1000, |_| json!({}));
    let uri = format!("/api/v1/configmaps?watch=1&resourceVersion={from}&timeoutSeconds=300");
    let request = Request::get(uri).body(Vec::new()).unwrap();
    let begun = Instant::now();
    let stream = client(&api).request_stream(request).await.unwrap();
    let mut lines = Box::pin(stream).lines();
    for _ in 0..1000 {
        lines.try_next().await.unwrap().unwrap();
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert!(lines.try_next().await.unwrap().is_none());
    let elapsed = begun.elapsed().as_millis();
    assert!((300_000..300_010).contains(&elapsed), "{elapsed} ms");
    let date = ask(&api, "/version").await.headers()["date"].clone();
    assert_eq!(date, "Thu, 01 Jan 2026 00:00:00 GMT");
}

fn client(api: &ScriptedApi) -> kube::Client {
    kube::Client::new(api.clone(), "default")
}

#[tokio::test]
async fn the_kube_client_discovers_lists_and_watches_within_the_process() {
    let api = ScriptedApi::new();
    let client = client(&api);
    for aggregated in [true, false] {
        api.set_aggregated_discovery(aggregated);
        let discovery = kube::discovery::Discovery::new(client.clone());
        let discovery = if aggregated {
            discovery.run_aggregated().await.unwrap()
        } else {
            discovery.run().await.unwrap()
        };
        let kinds: Vec<_> = discovery
            .groups()
            .flat_map(kube::discovery::ApiGroup::recommended_resources)
            .map(|(resource, _)| format!("{}.{}", resource.plural, resource.group))
            .collect();
        assert_eq!(kinds.len(), 8, "{kinds:?}");
        assert!(kinds.contains(&"deployments.apps".to_owned()));
    }
    api.put("configmaps", config_map("a", "1"));
    let maps: Api<ConfigMap> = Api::all(client.clone());
    let list = maps.list(&ListParams::default().limit(5)).await.unwrap();
    assert_eq!(list.items.len(), 1);
    let rv = list.metadata.resource_version.unwrap();
    let mut watch = Box::pin(maps.watch(&WatchParams::default(), &rv).await.unwrap());
    api.delete("configmaps", "a");
    let event = watch.try_next().await.unwrap().unwrap();
    assert!(matches!(event, WatchEvent::Deleted(map) if map.metadata.name.as_deref() == Some("a")));
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let meta: PartialObjectMeta<Namespace> = namespaces.get_metadata("kube-system").await.unwrap();
    api.set_cluster_uid("other");
    let system = namespaces.get("kube-system").await.unwrap();
    assert_eq!(system.metadata.uid.as_deref(), Some("other"));
    assert!(
        meta.metadata
            .uid
            .is_some_and(|uid| uid.starts_with("5c1b7a6e"))
    );
    assert_eq!(client.apiserver_version().await.unwrap().minor, "36");
    assert!(namespaces.get_opt("none").await.unwrap().is_none());
}

#[tokio::test]
async fn the_kube_client_reads_a_watch_over_a_socket_through_a_proxy() {
    let server = ScriptedServer::start().await.unwrap();
    let from = server.put("configmaps", config_map("a", "1"));
    let upstream = Upstream::http(&server.url()).unwrap();
    let reset = Fault::new(
        "reset",
        When::watching("configmaps").after_events(2),
        Do::Reset,
    );
    let proxy = FaultProxy::start(upstream, [reset]).await.unwrap();
    let config = kube::config::Kubeconfig::from_yaml(&proxy.kubeconfig()).unwrap();
    let options = kube::config::KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(config, &options);
    let client = kube::Client::try_from(config.await.unwrap()).unwrap();
    let uri = format!("/api/v1/configmaps?watch=1&resourceVersion={from}");
    let request = Request::get(uri).body(Vec::new()).unwrap();
    let stream = client.request_stream(request).await.unwrap();
    let mut lines = Box::pin(stream).lines();
    server.until_watched("configmaps", 1).await;
    server.churn("configmaps", 1, 3, |_| json!({}));
    let mut names = Vec::new();
    let error = loop {
        match lines.try_next().await {
            Ok(line) => names.push(line.expect("the stream ended well")),
            Err(error) => break error,
        }
    };
    assert_eq!(names.len(), 2, "{error}");
    assert_eq!(proxy.fired("reset"), 1);
    server.until_watched("configmaps", 0).await;
    assert_eq!(server.requests().len(), 1);
    let path = std::env::temp_dir().join(format!("kymo-kubeconfig-{}", std::process::id()));
    server.write_kubeconfig(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), server.kubeconfig());
    std::fs::remove_file(path).unwrap();
}
