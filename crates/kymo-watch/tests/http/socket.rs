//! A feed over a real socket, against the scripted API.

use std::sync::Arc;
use std::time::Duration;

use kube::{Client, Config};
use kymo_model::{
    Cause, Certainty, CoverageState, Event, EventType, Feed, FeedId, ResourceType, Scope,
    SystemClock, Timestamp,
};
use kymo_model::{Clock as _, Rv};
use kymo_testkit::scripted::{Abort, ScriptedServer};
use kymo_watch::{
    Delivery, FeedConfig, FeedContext, FeedOptions, LiveObject, ResumeFrom, Sink, SinkClosed,
    discover, run_feed,
};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const RESOURCE: &str = "configmaps";

struct Channel(mpsc::UnboundedSender<Delivery>);

impl Sink for Channel {
    async fn deliver(&self, delivery: Delivery) -> Result<(), SinkClosed> {
        self.0.send(delivery).map_err(|_| SinkClosed)
    }
}

/// A feed that runs in a task of its own.
struct Running {
    deliveries: mpsc::UnboundedReceiver<Delivery>,
    cancel: CancellationToken,
    task: JoinHandle<Result<(), SinkClosed>>,
}

impl Running {
    fn start(server: &ScriptedServer, resource: &str, edit: impl FnOnce(&mut FeedConfig)) -> Self {
        let clock = SystemClock::new();
        let cancel = CancellationToken::new();
        let context = FeedContext {
            clients: watch::channel(client(server)).1,
            now: Arc::new(move || Timestamp(0).saturating_add(clock.monotonic())),
            lists: Arc::new(Semaphore::new(2)),
            recheck: watch::channel(0).1,
            cancel: cancel.clone(),
        };
        let mut config = FeedConfig {
            id: FeedId(1),
            feed: Feed {
                resource: ResourceType {
                    group: String::new(),
                    version: "v1".into(),
                    resource: resource.into(),
                    kind: "ConfigMap".into(),
                    namespaced: true,
                },
                scope: Scope::default(),
            },
            options: FeedOptions {
                backoff_min: Duration::from_millis(5),
                ..FeedOptions::default()
            },
            resume: ResumeFrom::default(),
            seed: 1,
        };
        edit(&mut config);
        let (sender, deliveries) = mpsc::unbounded_channel();
        let sink = Channel(sender);
        let task = tokio::spawn(async move { run_feed(context, config, &sink).await });
        Self {
            deliveries,
            cancel,
            task,
        }
    }

    async fn next(&mut self) -> Delivery {
        tokio::time::timeout(Duration::from_mins(2), self.deliveries.recv())
            .await
            .expect("nothing was delivered for 120 s")
            .expect("the feed has ended")
    }

    async fn event(&mut self) -> Event {
        loop {
            if let Delivery::Event(event) = self.next().await {
                return event;
            }
        }
    }

    async fn covered(&mut self, state: CoverageState) -> (Cause, Option<Rv>) {
        loop {
            if let Delivery::Transition(transition) = self.next().await
                && transition.state == state
            {
                return (transition.cause, transition.rv);
            }
        }
    }

    async fn stop(mut self) -> Vec<Delivery> {
        self.cancel.cancel();
        let mut rest = Vec::new();
        while let Some(delivery) = self.deliveries.recv().await {
            rest.push(delivery);
        }
        self.task.await.unwrap().unwrap();
        rest
    }
}

fn client(server: &ScriptedServer) -> Client {
    let mut config = Config::new(server.url().parse().unwrap());
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

fn put(server: &ScriptedServer, name: &str, value: usize) -> u64 {
    server.put(
        RESOURCE,
        json!({"metadata": {"name": name}, "data": {"k": value.to_string()}}),
    )
}

fn body(event: &Event) -> Value {
    serde_json::from_slice(event.body.as_ref().unwrap()).unwrap()
}

/// Waits for the request that shows that a stream has ended.
async fn asked_again(server: &ScriptedServer, requests: usize) {
    let again = async {
        while server.requests().len() == requests {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(2), again)
        .await
        .expect("the stream did not end");
}

/// Fault table rows 1 and 2.
#[tokio::test]
async fn every_change_arrives_once_through_streams_that_end_and_break() {
    let server = ScriptedServer::start().await.unwrap();
    put(&server, "a", 0);
    let mut feed = Running::start(&server, RESOURCE, |_| {});
    let listed = feed.event().await;
    assert_eq!(listed.certainty, Certainty::Listed);
    assert_eq!(body(&listed)["kind"], "ConfigMap");
    feed.covered(CoverageState::Observed).await;
    let mut versions = Vec::new();
    for number in 0..60 {
        let requests = server.requests().len();
        match number % 6 {
            1 => server.end_watches(RESOURCE),
            3 => server.abort_watches(RESOURCE, Abort::Cut),
            5 => server.abort_watches(RESOURCE, Abort::Reset),
            _ => {}
        }
        versions.push(put(&server, "a", number));
        if number % 2 == 1 {
            versions.push(put(&server, "a", number));
            asked_again(&server, requests).await;
        }
    }
    for version in versions {
        let event = feed.event().await;
        assert_eq!(event.rv.as_ref().unwrap().as_str(), version.to_string());
        assert_eq!(event.certainty, Certainty::Seen);
    }
    let rest = feed.stop().await;
    let [Delivery::Transition(stop)] = &rest[..] else {
        panic!("no gap, and an audit without a difference: {rest:?}");
    };
    assert_eq!(stop.cause, Cause::Stop);
}

/// Fault table row 6.
#[tokio::test]
async fn what_was_missed_beyond_the_history_is_deduced_inside_a_gap() {
    for streaming in [true, false] {
        let server = ScriptedServer::start().await.unwrap();
        server.set_streaming_lists(streaming);
        for name in ["kept", "changed", "gone"] {
            put(&server, name, 0);
        }
        let mut feed = Running::start(&server, RESOURCE, |_| {});
        let mut live = Vec::new();
        for _ in 0..3 {
            let event = feed.event().await;
            live.push(LiveObject {
                rv: event.rv.clone().unwrap(),
                key: event.key,
            });
        }
        let (_, from) = feed.covered(CoverageState::Observed).await;
        feed.stop().await;

        server.delete(RESOURCE, "gone");
        put(&server, "changed", 1);
        let last = put(&server, "changed", 2);
        server.compact_to(last);
        let resume = ResumeFrom {
            rv: from.clone(),
            live,
            ..ResumeFrom::default()
        };
        let mut feed = Running::start(&server, RESOURCE, |config| config.resume = resume);
        let gap = feed.covered(CoverageState::Unobserved).await;
        assert_eq!(gap, (Cause::HistoryExpired, from));
        let mut found = Vec::new();
        for _ in 0..2 {
            let event = feed.event().await;
            found.push((event.key.name, event.event_type, event.certainty));
        }
        assert_eq!(
            found,
            [
                ("changed".into(), EventType::Modified, Certainty::Coalesced),
                ("gone".into(), EventType::Deleted, Certainty::Inferred),
            ]
        );
        let (_, to) = feed.covered(CoverageState::Observed).await;
        assert_eq!(to.unwrap().as_str(), last.to_string());
        feed.stop().await;
    }
}

/// A restored backup: the watch from a version of the future is accepted and silent.
#[tokio::test]
async fn a_restored_server_is_found_out_by_its_silence() {
    let server = ScriptedServer::start().await.unwrap();
    let old = put(&server, "a", 0);
    for number in 0..20 {
        put(&server, "b", number);
    }
    let mut feed = Running::start(&server, RESOURCE, |config| {
        config.options.silence = Duration::from_millis(300);
    });
    feed.covered(CoverageState::Observed).await;
    server.rewind(old);
    let (cause, _) = feed.covered(CoverageState::Unobserved).await;
    assert_eq!(cause, Cause::HistoryRewound);
    let again = feed.event().await;
    assert_eq!((again.key.name.as_str(), again.epoch), ("a", 1));
    let gone = feed.event().await;
    assert_eq!(gone.key.name, "b");
    assert_eq!(gone.certainty, Certainty::Inferred);
    let version = put(&server, "a", 7);
    let event = feed.event().await;
    assert_eq!(event.rv.unwrap().as_str(), version.to_string());
    assert_eq!((event.certainty, event.epoch), (Certainty::Seen, 1));
    feed.stop().await;
}

#[tokio::test]
async fn the_payload_of_a_secret_is_not_even_received() {
    let server = ScriptedServer::start().await.unwrap();
    let secret = |value: &str| json!({"metadata": {"name": "s"}, "data": {"k": value}});
    server.put("secrets", secret("aHVudGVyMg=="));
    let mut feed = Running::start(&server, "secrets", |config| {
        config.options.metadata_only = true;
        config.feed.resource.kind = "Secret".into();
    });
    feed.event().await;
    feed.covered(CoverageState::Observed).await;
    server.put("secrets", secret("aHVudGVyMw=="));
    let event = feed.event().await;
    assert_eq!(event.event_type, EventType::Modified);
    let body = body(&event);
    assert_eq!(
        (&body["kind"], &body["apiVersion"]),
        (&json!("Secret"), &json!("v1"))
    );
    let mut members: Vec<&String> = body.as_object().unwrap().keys().collect();
    members.sort_unstable();
    assert_eq!(members, ["apiVersion", "kind", "metadata"]);
    feed.stop().await;
}

#[tokio::test]
async fn both_forms_of_discovery_find_the_same() {
    let server = ScriptedServer::start().await.unwrap();
    let client = client(&server);
    let aggregated = discover(&client).await.unwrap();
    server.set_aggregated_discovery(false);
    let group_by_group = discover(&client).await.unwrap();
    let mut names = [aggregated, group_by_group].map(|catalogue| catalogue.recordable());
    for names in &mut names {
        names.sort_unstable();
    }
    assert_eq!(names[0], names[1]);
    assert!(names[0].iter().any(|resource| resource.resource == "pods"));
    assert!(!names[0].iter().any(ResourceType::is_secret));
}
