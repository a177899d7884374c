//! Peak memory of an import, whatever the size of its input.
//!
//! Inputs of 50 MB and of 500 MB that speak of the same 2,000 live objects are made on the fly and
//! imported from a pipe, each by a process of its own, whose peak resident size is printed.
//! `KYMO_BENCH_MEGABYTES` sets other sizes.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]

use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::{env, fs};

use kymo_interop::{Format, ImportOptions, import};
use kymo_model::{Clock, SystemClock, Timestamp};
use serde_json::{Value, json};

const OBJECTS: u64 = 2000;
/// The time of the first change.
const START: Timestamp = Timestamp(1_780_000_000_000_000_000);
/// Names the format to a process that imports.
const CHILD: &str = "KYMO_BENCH_IMPORTS";

/// A kind of input: its name, its format, and how the change with a number looks in it.
type Source = (&'static str, Format, fn(u64) -> Value);

const SOURCES: [Source; 4] = [
    ("watch lines", Format::Watch, |number| {
        let event_type = if number < OBJECTS {
            "ADDED"
        } else {
            "MODIFIED"
        };
        let event = json!({ "type": event_type, "object": config_map(number) });
        json!({ "recv": time(number), "event": event })
    }),
    ("audit lines with answers", Format::Audit, |number| {
        let verb = if number < OBJECTS { "create" } else { "update" };
        let object = config_map(number);
        audit(
            number,
            verb,
            &json!({ "level": "RequestResponse", "responseObject": object }),
        )
    }),
    ("audit lines with patches", Format::Audit, |number| {
        if number < OBJECTS {
            let object = config_map(number);
            let members = json!({ "level": "RequestResponse", "responseObject": object });
            return audit(number, "create", &members);
        }
        let patch = json!({ "data": { "settings": settings(number) } });
        audit(
            number,
            "patch",
            &json!({ "level": "Request", "requestObject": patch }),
        )
    }),
    (
        "records of the scheduler simulator",
        Format::Kss,
        |number| {
            let event = if number < OBJECTS { "Add" } else { "Update" };
            json!({ "time": time(number), "event": event, "resource": config_map(number) })
        },
    ),
];

fn main() {
    if let Some(output) = env::var_os(CHILD) {
        return import_stdin(PathBuf::from(output));
    }
    let sizes = env::var("KYMO_BENCH_MEGABYTES").unwrap_or_else(|_| "50,500".to_owned());
    let sizes: Vec<u64> = sizes.split(',').map(|size| size.parse().unwrap()).collect();
    for (name, format, line) in SOURCES {
        for megabytes in &sizes {
            let (events, peak) = measure(format, line, megabytes * 1_000_000);
            println!("{name}, {megabytes} MB, {events} events: peak {peak} MB");
        }
    }
}

/// Imports so many bytes of lines; tells the number of events and the peak in megabytes.
fn measure(format: Format, line: fn(u64) -> Value, bytes: u64) -> (u64, u64) {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.kymo");
    let mut child = Command::new(env::current_exe().unwrap())
        .arg(format.as_str())
        .env(CHILD, &output)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufWriter::with_capacity(1 << 20, child.stdin.take().unwrap());
    let mut written = 0;
    let mut number = 0;
    while written < bytes {
        let text = line(number).to_string();
        writeln!(lines, "{text}").unwrap();
        written += text.len() as u64 + 1;
        number += 1;
    }
    lines.flush().unwrap();
    drop(lines);
    let told = child.wait_with_output().unwrap();
    assert!(told.status.success());
    let told = String::from_utf8(told.stdout).unwrap();
    let (events, peak) = told.trim().split_once(' ').unwrap();
    (events.parse().unwrap(), peak.parse().unwrap())
}

/// What the process does that imports.
fn import_stdin(output: PathBuf) {
    let format = env::args().nth(1).unwrap().parse().unwrap();
    let options = ImportOptions::new(Some(format), vec![PathBuf::from("-")], output);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let report = import(&options, &clock, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!((report.unreadable, report.damaged.len()), (0, 0));
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB"))
        .unwrap();
    let peak: u64 = peak.trim().parse().unwrap();
    println!("{} {}", report.events(), peak * 1024 / 1_000_000);
}

/// The change with a number is one of the object with that number modulo [`OBJECTS`].
fn config_map(number: u64) -> Value {
    let object = number % OBJECTS;
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": format!("settings-{object}"),
            "namespace": "shop",
            "uid": format!("uid-{object}"),
            "resourceVersion": (number + 1).to_string(),
            "creationTimestamp": START.to_string(),
        },
        "data": { "settings": settings(number) },
    })
}

/// Two kilobytes, most of which differ each time.
fn settings(number: u64) -> String {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let lines: Vec<String> = (0..60)
        .map(|line| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            format!("setting-{line} = {state:x}")
        })
        .collect();
    lines.join("\n")
}

/// Ten milliseconds after the one before.
fn time(number: u64) -> String {
    Timestamp(START.0 + number as i64 * 10_000_000).to_string()
}

fn audit(number: u64, verb: &str, members: &Value) -> Value {
    let object = number % OBJECTS;
    let mut event = json!({
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "auditID": format!("id-{number}"),
        "stage": "ResponseComplete",
        "requestURI": format!("/api/v1/namespaces/shop/configmaps/settings-{object}"),
        "verb": verb,
        "user": { "username": "someone" },
        "objectRef": {
            "resource": "configmaps", "namespace": "shop", "apiVersion": "v1",
            "name": format!("settings-{object}"),
        },
        "responseStatus": { "metadata": {}, "code": if verb == "create" { 201 } else { 200 } },
        "requestReceivedTimestamp": time(number),
        "stageTimestamp": time(number),
    });
    let event_members = event.as_object_mut().unwrap();
    event_members.extend(members.as_object().unwrap().clone());
    event
}
