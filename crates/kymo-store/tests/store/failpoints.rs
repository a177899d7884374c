use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use kymo_model::{Cause, EventType, SystemClock};
use kymo_store::fs::RealFs;
use kymo_store::{Trace, TraceIdentity, Writer, WriterOptions, failpoint};

use crate::support::{event, observed, pods, rows, session};

const POINT: &str = "KYMO_TEST_FAILPOINT";
const DIRECTORY: &str = "KYMO_TEST_DIRECTORY";

fn options() -> WriterOptions {
    WriterOptions {
        rotate_events: 3,
        compact_at: 2,
        ballast_bytes: 4096,
        ..WriterOptions::default()
    }
}

/// Does nothing by itself: the test below runs it in a process of its own, which dies in it.
#[test]
fn writes_until_it_is_killed() {
    let (Ok(point), Ok(directory)) = (std::env::var(POINT), std::env::var(DIRECTORY)) else {
        return;
    };
    let (name, passes) = point.split_once('=').unwrap();
    failpoint::abort_at(name, passes.parse().unwrap()).unwrap();
    let directory = Path::new(&directory);
    let path = directory.join("a.kymo");
    let clock = Arc::new(SystemClock::new());
    let identity = TraceIdentity::new(None);
    let mut writer = Writer::create(Arc::new(RealFs), &path, identity, clock, options()).unwrap();
    std::fs::write(directory.join("created"), "").unwrap();
    writer.begin_session(session()).unwrap();
    let feed = writer.feed(&pods()).unwrap();
    writer.append(observed(feed, Some("1"))).unwrap();
    for rv in 2..20 {
        let seq = writer
            .append_event(event(feed, EventType::Modified, "a", rv))
            .unwrap();
        writer.commit().unwrap();
        std::fs::write(directory.join("acknowledged"), seq.to_string()).unwrap();
        if rv % 4 == 0 {
            writer.maintenance().run_once().unwrap();
        }
    }
}

/// Fault table row 25.
#[test]
fn a_process_killed_at_every_failpoint_leaves_a_trace_that_goes_on() {
    for name in failpoint::ALL {
        for passes in [0, 2] {
            let root = tempfile::tempdir().unwrap();
            let status = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "failpoints::writes_until_it_is_killed"])
                .env(POINT, format!("{name}={passes}"))
                .env(DIRECTORY, root.path())
                .output()
                .unwrap();
            let signal = std::os::unix::process::ExitStatusExt::signal(&status.status);
            assert_eq!(signal, Some(6), "{name} did not fire: {status:?}");
            if !root.path().join("created").exists() {
                assert_eq!(name, failpoint::MANIFEST_BEFORE_SYNC);
                continue;
            }
            let acknowledged = std::fs::read_to_string(root.path().join("acknowledged"))
                .map_or(0, |text| text.parse::<u64>().unwrap());
            let path = root.path().join("a.kymo");
            let found = rows(&Trace::open(&path).unwrap()).unwrap();
            let last = found.len() as u64;
            assert!(last >= acknowledged, "{name}: {last} of {acknowledged}");
            assert!(found.keys().copied().eq(1..=last), "{name}");
            let clock = Arc::new(SystemClock::new());
            let mut writer = Writer::open(Arc::new(RealFs), &path, clock, options()).unwrap();
            let feed = writer.feed(&pods()).unwrap();
            writer
                .append_event(event(feed, EventType::Modified, "a", 90))
                .unwrap();
            writer.seal_now().unwrap();
            writer.close(Cause::Stop).unwrap();
            assert_eq!(
                rows(&Trace::open(&path).unwrap()).unwrap().len() as u64,
                last + 1
            );
            let report = kymo_store::check(&path).unwrap();
            assert!(!report.is_damaged(), "{name}: {:?}", report.findings);
        }
    }
}
