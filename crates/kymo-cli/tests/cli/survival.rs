//! What a recorder survives: a second one, signals, and being killed at any moment.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kymo_model::{Cause, Certainty, Clock as _, CoverageState, SystemClock};
use kymo_store::{Trace, check};
use kymo_testkit::scripted::{ScriptedApi, ScriptedServer};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::environment::TestEnv;

fn recorder(env: &TestEnv) -> Command {
    let mut command = env.live([
        "record",
        "--kubeconfig",
        "config",
        "--resources",
        "configmaps",
        "-o",
        "t.kymo",
    ]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

fn send(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Changes config maps until told to stop, about 2,000 a second.
fn load(api: ScriptedApi) -> (Arc<AtomicBool>, tokio::task::JoinHandle<()>) {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let task = tokio::spawn(async move {
        while !stopped.load(Ordering::Relaxed) {
            api.churn(
                "configmaps",
                50,
                10,
                |n| json!({"data": {"n": n.to_string(), "pad": "x".repeat(500)}}),
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    (stop, task)
}

async fn until_watched(server: &ScriptedServer) {
    let watched = server.api();
    tokio::time::timeout(
        Duration::from_mins(2),
        watched.until_watched("configmaps", 1),
    )
    .await
    .expect("the recorder watches");
}

fn said(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// Fault row 33.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_recorder_refuses_with_the_pid_of_the_first() {
    let env = TestEnv::new();
    let server = ScriptedServer::start().await.unwrap();
    server.write_kubeconfig(&env.path("config")).unwrap();
    let first = recorder(&env).spawn().unwrap();
    until_watched(&server).await;
    let (code, text) = said(recorder(&env).spawn().unwrap());
    assert_eq!(code, Some(3), "{text}");
    assert!(
        text.contains(&format!("is being written by process {}", first.id())),
        "{text}"
    );
    assert!(text.contains("hint: "), "{text}");
    send(&first, Signal::TERM);
    let (code, text) = said(first);
    assert_eq!(code, Some(0), "{text}");
}

/// Fault row 37.
#[tokio::test(flavor = "multi_thread")]
async fn sigterm_and_sigint_under_load_end_in_order_within_5_s() {
    for signal in [Signal::TERM, Signal::INT] {
        let env = TestEnv::new();
        let server = ScriptedServer::start().await.unwrap();
        server.write_kubeconfig(&env.path("config")).unwrap();
        let (stop, task) = load(server.api());
        let child = recorder(&env).spawn().unwrap();
        until_watched(&server).await;
        tokio::time::sleep(Duration::from_millis(700)).await;
        let clock = SystemClock::new();
        send(&child, signal);
        let (code, text) = tokio::task::spawn_blocking(|| said(child)).await.unwrap();
        let took = clock.monotonic();
        stop.store(true, Ordering::Relaxed);
        task.await.unwrap();
        assert_eq!(code, Some(0), "{text}");
        assert!(took <= Duration::from_secs(5), "{took:?}");
        let trace = Trace::open(&env.path("t.kymo")).unwrap();
        assert!(
            trace.stats().events > 100,
            "there was load: {:?}",
            trace.stats()
        );
        let last = trace.coverage().into_iter().next_back().unwrap();
        assert_eq!(
            (last.state, last.cause.as_str()),
            (CoverageState::Unobserved, "stop")
        );
        assert!(!check(&env.path("t.kymo")).unwrap().is_damaged());
    }
}

/// Fault row 25, a short run: `KYMO_KILLS` asks for a longer one.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_moments_nothing_is_lost_and_nothing_is_twice() {
    let kills: u32 = std::env::var("KYMO_KILLS")
        .ok()
        .map_or(12, |text| text.parse().unwrap());
    let seed: u64 = std::env::var("KYMO_KILL_SEED")
        .ok()
        .map_or_else(rand::random, |text| text.parse().unwrap());
    eprintln!("KYMO_KILL_SEED={seed}");
    let mut random = SmallRng::seed_from_u64(seed);
    let env = TestEnv::new();
    let server = ScriptedServer::start().await.unwrap();
    server.write_kubeconfig(&env.path("config")).unwrap();
    let (stop, task) = load(server.api());
    let mut killed = 0;
    for _ in 0..kills {
        let mut child = recorder(&env).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(random.random_range(30..700))).await;
        send(&child, Signal::KILL);
        let status = child.wait().unwrap();
        killed += u32::from(status.code().is_none());
        let opened = Trace::open(&env.path("t.kymo"));
        if env.path("t.kymo/manifest").exists() {
            opened.expect("the trace opens without help");
        }
    }
    assert_eq!(killed, kills, "every kill met a running recorder");
    stop.store(true, Ordering::Relaxed);
    task.await.unwrap();
    // The last run goes on to the present and ends in order.
    let last = recorder(&env).args(["--for", "3s"]).spawn().unwrap();
    let (code, text) = tokio::task::spawn_blocking(|| said(last)).await.unwrap();
    assert_eq!(code, Some(0), "{text}");
    assert!(!check(&env.path("t.kymo")).unwrap().is_damaged());
    assert_every_revision_once(&env.path("t.kymo"), &server.api());
}

/// The history was never cut, so every version since the first list was there to be had.
fn assert_every_revision_once(path: &Path, api: &ScriptedApi) {
    let trace = Trace::open(path).unwrap();
    let (mut seen, mut listed) = (BTreeSet::new(), 0u64);
    let mut keys = BTreeSet::new();
    for row in trace.rows().unwrap() {
        let event = row.unwrap().event;
        let rv: u64 = event.rv.as_ref().unwrap().as_str().parse().unwrap();
        let key = (event.epoch, event.key.uid.clone(), rv, event.event_type);
        assert!(keys.insert(key), "twice: {:?} {rv}", event.key);
        match event.certainty {
            Certainty::Seen => assert!(seen.insert(rv), "twice: {rv}"),
            _ => listed = listed.max(rv),
        }
    }
    let first = *seen.first().expect("something was seen");
    assert!(first > listed, "seen events follow the list");
    let missing: Vec<u64> = (first..=api.revision())
        .filter(|rv| !seen.contains(rv))
        .collect();
    assert!(
        missing.is_empty(),
        "{} of {} missing: {missing:?}",
        missing.len(),
        seen.len()
    );
    let coverage = trace.coverage();
    let (end, before) = coverage.split_last().unwrap();
    assert_eq!(
        (end.state, end.cause),
        (CoverageState::Unobserved, Cause::Stop)
    );
    let gaps: Vec<_> = before
        .iter()
        .filter(|row| row.state != CoverageState::Observed)
        .collect();
    assert!(gaps.is_empty(), "{gaps:?}");
}
