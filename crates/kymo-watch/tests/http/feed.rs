//! A feed over HTTP.

use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use kube::Client;
use kymo_model::{Feed, FeedId, ObjectKey, ResourceType, Scope, Timestamp};
use kymo_watch::{
    Alarm, Delivery, FeedConfig, FeedContext, FeedOptions, FeedStatus, LiveObject, Phase,
    ResumeFrom, Sink, SinkClosed, run_feed,
};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::server::{End, Reply, serve};

/// Remembers what it is given; says stop when it has enough events.
#[derive(Clone, Default)]
struct Kept {
    texts: Arc<Mutex<Vec<String>>>,
    bodies: Arc<Mutex<Vec<String>>>,
    alarms: Arc<Mutex<Vec<Alarm>>>,
    phases: Arc<Mutex<Vec<Phase>>>,
    /// After this many events the feed is cancelled.
    enough: usize,
    cancel: CancellationToken,
    /// How long each delivery takes.
    slow: Duration,
    /// After this many deliveries the sink is closed.
    closed_after: Option<usize>,
}

impl Kept {
    fn until(events: usize) -> Self {
        Self {
            enough: events,
            ..Self::default()
        }
    }

    fn texts(&self) -> Vec<String> {
        self.texts.lock().unwrap().clone()
    }

    fn events(&self) -> Vec<String> {
        let is_event = |text: &String| text.chars().next().unwrap().is_uppercase();
        self.texts().into_iter().filter(is_event).collect()
    }
}

impl Sink for Kept {
    async fn deliver(&self, delivery: Delivery) -> Result<(), SinkClosed> {
        if !self.slow.is_zero() {
            tokio::time::sleep(self.slow).await;
        }
        let text = match &delivery {
            Delivery::Event(event) => {
                let body = event.body.as_deref().unwrap_or_default();
                let body = String::from_utf8_lossy(body).into_owned();
                self.bodies.lock().unwrap().push(body);
                let rv = event.rv.as_ref().map_or("-", |rv| rv.as_str());
                format!(
                    "{} {}@{rv} {}",
                    event.event_type, event.key.name, event.certainty
                )
            }
            Delivery::Mark { rv, .. } => format!("mark {rv}"),
            Delivery::Transition(transition) => {
                format!("{} {}", transition.state, transition.cause)
            }
            Delivery::Gap(gap) => format!("gap {} {}", gap.state, gap.cause),
        };
        let mut texts = self.texts.lock().unwrap();
        texts.push(text);
        if self.closed_after.is_some_and(|after| texts.len() > after) {
            return Err(SinkClosed);
        }
        drop(texts);
        if self.enough > 0 && self.events().len() >= self.enough {
            self.cancel.cancel();
        }
        Ok(())
    }

    fn alarm(&self, feed: FeedId, alarm: &Alarm) {
        assert_eq!(feed, FeedId(1));
        self.alarms.lock().unwrap().push(alarm.clone());
    }

    fn status(&self, _feed: FeedId, status: &FeedStatus) {
        self.phases.lock().unwrap().push(status.phase);
    }
}

fn config() -> FeedConfig {
    FeedConfig {
        id: FeedId(1),
        feed: Feed {
            resource: ResourceType {
                group: "apps".into(),
                version: "v1".into(),
                resource: "things".into(),
                kind: "Thing".into(),
                namespaced: true,
            },
            scope: Scope::default(),
        },
        options: FeedOptions {
            streaming_lists: false,
            audit_every: None,
            audit_on_stop: Duration::ZERO,
            ..FeedOptions::default()
        },
        resume: ResumeFrom::default(),
        seed: 1,
    }
}

fn resuming(rv: &str) -> FeedConfig {
    let mut config = config();
    config.resume.rv = Some(rv.into());
    config
}

fn context(client: Client, cancel: CancellationToken) -> FeedContext {
    let began = Instant::now();
    FeedContext {
        clients: watch::channel(client).1,
        now: Arc::new(move || Timestamp(0).saturating_add(began.elapsed())),
        lists: Arc::new(Semaphore::new(2)),
        recheck: watch::channel(0).1,
        cancel,
    }
}

async fn run(client: Client, config: FeedConfig, sink: &Kept) {
    let context = context(client, sink.cancel.clone());
    let feed = run_feed(context, config, sink);
    tokio::time::timeout(Duration::from_hours(1), feed)
        .await
        .expect("the feed did not come to its end")
        .unwrap();
}

/// Answers a watch with a stream, and the question for the server's version with 10.
fn answer(path: &str, events: &[String], end: End) -> Reply {
    if path.contains("watch=1") {
        Reply::stream(events, end)
    } else {
        Reply::json(r#"{"metadata":{"resourceVersion":"10"},"items":[]}"#)
    }
}

fn event(rv: usize) -> String {
    format!(
        r#"{{"type":"MODIFIED","object":{{"kind":"Thing","apiVersion":"apps/v1","metadata":{{"name":"a","namespace":"n","uid":"u","resourceVersion":"{rv}"}},"x":{rv}.0e0}}}}"#
    )
}

fn list(rv: usize, token: &str, names: &[&str]) -> Reply {
    let items: Vec<String> = names
        .iter()
        .map(|name| {
            format!(r#"{{"metadata":{{"name":"{name}","uid":"{name}","resourceVersion":"1"}}}}"#)
        })
        .collect();
    Reply::json(format!(
        r#"{{"kind":"ThingList","apiVersion":"apps/v1","items":[{}],"metadata":{{"resourceVersion":"{rv}","continue":"{token}"}}}}"#,
        items.join(",")
    ))
}

#[tokio::test(start_paused = true)]
async fn a_feed_lists_pages_watches_resumes_and_stops() {
    let (client, record) = serve(|path, number| {
        Some(match number {
            0 => list(10, "t/1", &["a", "b"]),
            1 => list(10, "", &["c"]),
            2 => Reply::stream(&[event(11), event(12)], End::Clean),
            3 => Reply::stream(&[event(13)], End::Stall),
            _ => panic!("one request too many: {path}"),
        })
    });
    let sink = Kept::until(6);
    run(client, config(), &sink).await;
    assert_eq!(
        record.paths(),
        [
            "/apis/apps/v1/things?limit=500",
            "/apis/apps/v1/things?limit=500&continue=t%2F1",
            "/apis/apps/v1/things?watch=1&resourceVersion=10",
            "/apis/apps/v1/things?watch=1&resourceVersion=12",
        ]
    );
    assert_eq!(
        sink.texts(),
        [
            "ADDED a@1 listed",
            "ADDED b@1 listed",
            "ADDED c@1 listed",
            "observed start",
            "mark 10",
            "MODIFIED a@11 seen",
            "MODIFIED a@12 seen",
            "MODIFIED a@13 seen",
            "unobserved stop",
        ]
    );
    let bodies = sink.bodies.lock().unwrap();
    assert!(bodies[0].starts_with(r#"{"kind":"Thing","apiVersion":"apps/v1","metadata""#));
    assert!(bodies[3].ends_with(r#""x":11.0e0}"#), "{}", bodies[3]);
    for asked in record.asked() {
        assert_eq!(asked.headers["accept-encoding"], "identity");
        assert_eq!(asked.headers["accept"], "application/json");
    }
    let phases = sink.phases.lock().unwrap();
    assert!(phases.starts_with(&[Phase::Listing]), "{phases:?}");
    assert!(phases.ends_with(&[Phase::Stopped]), "{phases:?}");
}

/// Fault table rows 2 and 3.
#[tokio::test(start_paused = true)]
async fn a_connection_cut_at_any_byte_of_a_line_loses_and_repeats_nothing() {
    let text = format!("{}\n{}\n", event(11), event(12));
    for (end, cut) in [End::Clean, End::Reset]
        .into_iter()
        .flat_map(|end| (0..=text.len()).map(move |cut| (end, cut)))
    {
        let first = Bytes::copy_from_slice(&text.as_bytes()[..cut]);
        let (client, record) = serve(move |path, number| {
            Some(match number {
                0 => Reply {
                    end,
                    ..Reply::json(first.clone())
                },
                _ if path.contains("resourceVersion=10&") => {
                    Reply::stream(&[event(11), event(12), event(13)], End::Stall)
                }
                _ if path.contains("resourceVersion=11&") => {
                    Reply::stream(&[event(12), event(13)], End::Stall)
                }
                _ => Reply::stream(&[event(13)], End::Stall),
            })
        });
        let sink = Kept::until(3);
        run(client, resuming("10"), &sink).await;
        assert_eq!(
            sink.texts(),
            [
                "observed start",
                "MODIFIED a@11 seen",
                "MODIFIED a@12 seen",
                "MODIFIED a@13 seen",
                "unobserved stop",
            ],
            "cut after {cut} bytes"
        );
        assert_eq!(
            record.asked().len(),
            2,
            "the cut after {cut} bytes did not happen"
        );
    }
}

/// Fault table row 4.
#[tokio::test(start_paused = true)]
async fn a_dead_connection_is_noticed_within_150_seconds_and_resumed_without_a_gap() {
    let (client, record) = serve(|_, number| {
        Some(match number {
            0 => Reply::stream(&[event(11)], End::Stall),
            _ => Reply::stream(&[event(12)], End::Stall),
        })
    });
    let sink = Kept::until(2);
    run(client, resuming("10"), &sink).await;
    let asked = record.asked();
    assert!(
        asked[1].after <= Duration::from_secs(151),
        "{:?}",
        asked[1].after
    );
    assert!(
        asked[1].after >= Duration::from_secs(149),
        "{:?}",
        asked[1].after
    );
    assert!(
        asked[1].path.contains("resourceVersion=11&"),
        "{}",
        asked[1].path
    );
    assert_eq!(
        sink.texts()[1..3],
        ["MODIFIED a@11 seen", "MODIFIED a@12 seen"]
    );
    assert!(matches!(
        sink.alarms.lock().unwrap()[..],
        [Alarm::Silent { .. }]
    ));
}

/// Fault table row 4.
#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_asked_again() {
    let (client, record) =
        serve(|path, number| (number > 0).then(|| answer(path, &[event(11)], End::Stall)));
    let sink = Kept::until(1);
    run(client, resuming("10"), &sink).await;
    let after = record.asked()[1].after;
    assert!((60..63).contains(&after.as_secs()), "{after:?}");
}

/// Fault table row 5.
#[tokio::test(start_paused = true)]
async fn a_full_sink_stops_the_reading() {
    let chunks: Vec<Bytes> = (11..1000)
        .map(|rv| format!("{}\n", event(rv)).into())
        .collect();
    let (client, record) = serve(move |_, _| {
        Some(Reply {
            chunks: chunks.clone(),
            end: End::Stall,
            ..Reply::json("")
        })
    });
    let sink = Kept {
        slow: Duration::from_hours(1),
        ..Kept::default()
    };
    let feed = run_feed(context(client, sink.cancel.clone()), resuming("10"), &sink);
    tokio::time::timeout(Duration::from_hours(5), feed)
        .await
        .expect_err("it must still be delivering");
    let kept = sink.texts().len();
    assert!((4..=5).contains(&kept), "{kept}");
    assert!(record.chunks_read() <= kept + 1, "{}", record.chunks_read());
    assert_eq!(
        record.asked().len(),
        1,
        "a full sink is no silence of the server"
    );
}

/// Fault table row 7.
#[tokio::test(start_paused = true)]
async fn a_410_as_a_status_of_the_watch_costs_one_list_and_one_watch() {
    let (client, record) = serve(|_, number| {
        Some(match number {
            0 => Reply::status(
                410,
                "{\n  \"kind\": \"Status\",\n  \"code\": 410,\n  \"message\": \"too old\"\n}\n",
            ),
            1 => list(20, "", &["a"]),
            _ => Reply::stream(&[event(21)], End::Stall),
        })
    });
    let sink = Kept::until(2);
    run(client, resuming("10"), &sink).await;
    assert_eq!(record.asked().len(), 3);
    assert_eq!(
        sink.texts()[..3],
        [
            "unobserved history_expired",
            "ADDED a@1 listed",
            "observed history_expired"
        ]
    );
}

/// Fault table row 15.
#[tokio::test(start_paused = true)]
async fn pages_of_a_proxy_make_no_events() {
    let (client, _) = serve(|path, number| {
        Some(match number {
            0 => Reply::status(502, "<html><h1>Bad Gateway</h1></html>"),
            1 => Reply::stream(&["<html>log in</html>".into()], End::Clean)
                .header("content-type", "text/html"),
            _ => answer(path, &[event(11)], End::Stall),
        })
    });
    let sink = Kept::until(1);
    run(client, resuming("10"), &sink).await;
    assert_eq!(
        sink.texts(),
        ["observed start", "MODIFIED a@11 seen", "unobserved stop"]
    );
    let alarms: Vec<String> = sink
        .alarms
        .lock()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(
        alarms[0].contains("502 <html><h1>Bad Gateway"),
        "{alarms:?}"
    );
    assert!(
        alarms[1].contains("the answer is `text/html`"),
        "{alarms:?}"
    );
}

fn member(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Fault table row 16.
#[tokio::test(start_paused = true)]
async fn gzip_members_cut_at_every_byte_give_the_same_bodies() {
    let members: Vec<u8> = (11..16)
        .flat_map(|rv| member(&format!("{}\n", event(rv))))
        .collect();
    let (client, _) = serve(move |_, _| {
        Some(
            Reply {
                chunks: members.chunks(1).map(Bytes::copy_from_slice).collect(),
                end: End::Stall,
                ..Reply::json("")
            }
            .header("content-encoding", "gzip"),
        )
    });
    let sink = Kept::until(5);
    run(client, resuming("10"), &sink).await;
    let bodies = sink.bodies.lock().unwrap();
    for (rv, body) in (11..16).zip(bodies.iter()) {
        let line = event(rv);
        let object = &line[r#"{"type":"MODIFIED","object":"#.len()..line.len() - 1];
        assert_eq!(body, object);
    }
    assert_eq!(bodies.len(), 5);
}

/// Fault table row 17.
#[tokio::test(start_paused = true)]
async fn retry_after_is_obeyed() {
    let (client, record) = serve(|_, number| {
        Some(match number {
            0 => Reply::status(429, "slow down").header("retry-after", "17"),
            _ => Reply::stream(&[event(11)], End::Stall),
        })
    });
    let sink = Kept::until(1);
    run(client, resuming("10"), &sink).await;
    let after = record.asked()[1].after;
    assert!((17..19).contains(&after.as_secs()), "{after:?}");
    assert_eq!(
        sink.texts()[..2],
        ["throttled throttled", "observed throttled"]
    );
}

/// Fault table row 19.
#[tokio::test(start_paused = true)]
async fn a_new_client_is_used_for_the_next_request() {
    let (stale, _) = serve(|_, _| Some(Reply::status(401, "Unauthorized")));
    let (fresh, record) = serve(|_, _| Some(Reply::stream(&[event(11)], End::Stall)));
    let sink = Kept::until(1);
    let (clients, receiver) = watch::channel(stale.clone());
    let context = FeedContext {
        clients: receiver,
        ..context(stale, sink.cancel.clone())
    };
    let rotate = async {
        while sink.alarms.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        clients.send(fresh).unwrap();
    };
    let (result, ()) = tokio::join!(run_feed(context, resuming("10"), &sink), rotate);
    result.unwrap();
    assert_eq!(record.asked().len(), 1);
    assert_eq!(
        sink.texts(),
        ["observed start", "MODIFIED a@11 seen", "unobserved stop"],
        "no gap"
    );
}

#[tokio::test(start_paused = true)]
async fn a_page_too_large_to_hold_is_asked_for_in_parts() {
    let big = "x".repeat(2000);
    let (client, record) = serve(move |path, _| {
        Some(if path.contains("watch=1") {
            Reply::stream(&[event(11)], End::Stall)
        } else if path.contains("limit=500") {
            list(10, "", &[&big])
        } else {
            list(10, "", &["a"])
        })
    });
    let mut config = config();
    config.options.page_bytes = 1000;
    let sink = Kept::until(2);
    run(client, config, &sink).await;
    assert_eq!(
        record.paths()[..2],
        [
            "/apis/apps/v1/things?limit=500",
            "/apis/apps/v1/things?limit=125"
        ]
    );
    assert_eq!(sink.events(), ["ADDED a@1 listed", "MODIFIED a@11 seen"]);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_waits_its_turn_is_not_taken_for_unanswered() {
    let (client, record) = serve(|path, _| {
        Some(if path.contains("watch=1") {
            Reply::stream(&[event(11)], End::Stall)
        } else {
            list(10, "", &[])
        })
    });
    let sink = Kept::until(1);
    let context = context(client, sink.cancel.clone());
    let lists = context.lists.clone();
    let turns = lists.acquire_many_owned(2).await.unwrap();
    let release = async {
        tokio::time::sleep(Duration::from_secs(1000)).await;
        drop(turns);
    };
    let (result, ()) = tokio::join!(run_feed(context.clone(), config(), &sink), release);
    result.unwrap();
    assert_eq!(record.asked().len(), 2);
    assert!(record.asked()[0].after >= Duration::from_secs(1000));
    assert_eq!(
        context.lists.available_permits(),
        2,
        "the turn was given back"
    );
    assert!(sink.alarms.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_an_audit_that_hangs() {
    let (client, record) = serve(|path, number| {
        (!path.contains("resourceVersionMatch=Exact")).then(|| match number {
            0 => Reply::stream(&[event(11)], End::Stall),
            _ => panic!("one request too many: {path}"),
        })
    });
    let mut config = resuming("10");
    config.options.audit_on_stop = Duration::from_secs(2);
    let sink = Kept::until(1);
    let began = Instant::now();
    run(client, config, &sink).await;
    assert_eq!(began.elapsed().as_secs(), 2);
    let audit = &record.asked()[1];
    assert!(
        audit
            .path
            .ends_with("limit=500&resourceVersion=11&resourceVersionMatch=Exact"),
        "{}",
        audit.path
    );
    assert!(
        audit.headers["accept"]
            .to_str()
            .unwrap()
            .contains("PartialObjectMetadataList")
    );
    assert_eq!(sink.texts().last().unwrap(), "unobserved stop");
}

/// The part of fault table row 13 that needs no real server.
#[tokio::test(start_paused = true)]
async fn an_audit_beside_the_watch_repairs_a_swallowed_delete() {
    let bookmark = r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"12"}}}"#;
    let (client, record) = serve(move |path, _| {
        Some(if path.contains("watch=1") {
            Reply::stream(&[event(11), bookmark.to_owned()], End::Stall)
        } else {
            assert!(path.contains("resourceVersion=12"), "{path}");
            list(12, "", &[])
        })
    });
    let mut config = resuming("10");
    config.options.audit_every = Some(Duration::from_nanos(1));
    config.resume.live = vec![LiveObject {
        key: ObjectKey {
            namespace: "n".into(),
            name: "a".into(),
            uid: "u".into(),
        },
        rv: "5".into(),
    }];
    let sink = Kept {
        // So that time passes until the bookmark.
        slow: Duration::from_millis(1),
        ..Kept::until(2)
    };
    run(client, config, &sink).await;
    assert_eq!(
        record.paths().len(),
        2,
        "{:?} {:?}",
        record.paths(),
        sink.texts()
    );
    assert_eq!(
        sink.texts(),
        [
            "observed start",
            "MODIFIED a@11 seen",
            "mark 12",
            "gap uncertain discrepancy",
            "DELETED a@- inferred",
            "unobserved stop",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_recheck_wakes_a_forbidden_feed() {
    let (client, record) = serve(|_, number| {
        Some(match number {
            0 => Reply::status(403, "forbidden"),
            _ => Reply::stream(&[event(11)], End::Stall),
        })
    });
    let sink = Kept::until(1);
    let (rechecks, receiver) = watch::channel(0);
    let context = FeedContext {
        recheck: receiver,
        ..context(client, sink.cancel.clone())
    };
    let recheck = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        rechecks.send(1).unwrap();
    };
    let (result, ()) = tokio::join!(run_feed(context, resuming("10"), &sink), recheck);
    result.unwrap();
    assert_eq!(record.asked()[1].after.as_secs(), 5);
    assert_eq!(
        sink.texts()[..2],
        ["denied forbidden", "observed forbidden"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_closed_sink_ends_the_feed() {
    let (client, _) = serve(|_, _| Some(Reply::stream(&[event(11), event(12)], End::Stall)));
    let sink = Kept {
        closed_after: Some(2),
        ..Kept::default()
    };
    let context = context(client, sink.cancel.clone());
    assert_eq!(
        run_feed(context, resuming("10"), &sink).await,
        Err(SinkClosed)
    );
    assert_eq!(sink.texts().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn of_secrets_only_metadata_is_asked_for() {
    let (client, record) = serve(|_, number| {
        Some(match number {
            0 => list(10, "", &["a"]),
            _ => Reply::stream(&[event(11)], End::Stall),
        })
    });
    let mut config = config();
    config.options.metadata_only = true;
    let sink = Kept::until(2);
    run(client, config, &sink).await;
    let accepts: Vec<String> = record
        .asked()
        .iter()
        .map(|asked| asked.headers["accept"].to_str().unwrap().to_owned())
        .collect();
    assert!(accepts[0].starts_with("application/json;as=PartialObjectMetadataList;"));
    assert!(accepts[1].starts_with("application/json;as=PartialObjectMetadata;"));
    for body in sink.bodies.lock().unwrap().iter() {
        assert!(body.starts_with(r#"{"kind":"Thing","apiVersion":"apps/v1","metadata":{"#));
        assert!(body.ends_with("}}"), "nothing behind the metadata: {body}");
    }
}
