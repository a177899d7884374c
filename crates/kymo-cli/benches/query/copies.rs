//! A larger trace made of copies of another: the same events again and again, each time later, in other namespaces and
//! under other uids.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use kymo_model::{Cause, Clock as _, Event, ManualClock, Timestamp};
use kymo_store::fs::RealFs;
use kymo_store::segment::Row;
use kymo_store::{SessionInfo, Trace, TraceIdentity, Writer, WriterOptions};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

const SEED: u64 = 7;

/// Nanoseconds between two copies.
const PAUSE: i64 = 1_000_000_000;

/// Writes copies of all events of a trace, sealed and compacted as a recorder leaves them.
pub(crate) fn write(trace: &Path, copies: u32, output: &Path) {
    let trace = Trace::open(trace).unwrap();
    let mut rows: Vec<Row> = trace.rows().unwrap().map(Result::unwrap).collect();
    rows.sort_unstable_by_key(|row| row.seq);
    let first = rows.iter().map(|row| row.event.ts.0).min().unwrap();
    let last = rows.iter().map(|row| row.event.ts.0).max().unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp(first)));
    let fs = Arc::new(RealFs);
    let identity = TraceIdentity::new(None);
    let options = WriterOptions::default();
    let mut writer = Writer::create(fs, output, identity, clock.clone(), options).unwrap();
    writer
        .begin_session(SessionInfo {
            number: 1,
            started: clock.now(),
            tool: "bench".into(),
            command: "copies".into(),
            cluster_uid: None,
            server_version: None,
            dropped: Vec::new(),
            clock_offset_ns: None,
        })
        .unwrap();
    let mut random = StdRng::seed_from_u64(SEED);
    for copy in 0..copies {
        let mask: [u8; 16] = if copy == 0 { [0; 16] } else { random.random() };
        let later = i64::from(copy) * (last - first + PAUSE);
        for row in &rows {
            let feed = writer.feed(&trace.feeds()[&row.event.feed]).unwrap();
            let mut event = copied(&row.event, copy, mask);
            event.feed = feed;
            event.ts = Timestamp(event.ts.0 + later);
            event.not_before = event.not_before.map(|ts| Timestamp(ts.0 + later));
            event.epoch = copy + 1;
            writer.append_event(event).unwrap();
        }
        writer.commit().unwrap();
        writer.maintenance().run_once().unwrap();
    }
    writer.seal_now().unwrap();
    writer.close(Cause::Stop).unwrap();
}

fn copied(event: &Event, copy: u32, mask: [u8; 16]) -> Event {
    let mut event = event.clone();
    if copy == 0 {
        return event;
    }
    event.key.uid = String::from_utf8(with_other_uids(event.key.uid.as_bytes(), mask)).unwrap();
    if !event.key.namespace.is_empty() {
        event.key.namespace = format!("{}-{copy}", event.key.namespace);
    }
    event.body = event.body.map(|body| {
        let body = with_other_namespaces(&body, copy);
        Arc::from(with_other_uids(&body, mask))
    });
    event
}

const NAMESPACE: &str = "\"namespace\":\"";

/// Gives each namespace that an object names a number.
fn with_other_namespaces(body: &[u8], copy: u32) -> Vec<u8> {
    let text = String::from_utf8_lossy(body);
    let mut parts = text.split(NAMESPACE);
    let mut made = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        made.push_str(NAMESPACE);
        let (namespace, after) = part.split_once('"').unwrap_or((part, ""));
        made.push_str(namespace);
        if !namespace.is_empty() {
            write!(made, "-{copy}").unwrap();
        }
        made.push('"');
        made.push_str(after);
    }
    made.into_bytes()
}

/// Where a UUID has its hyphens.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];
const UUID_BYTES: usize = 36;

/// Gives each UUID in a text other digits, the same ones wherever it stands.
fn with_other_uids(text: &[u8], mask: [u8; 16]) -> Vec<u8> {
    let mut made = text.to_vec();
    let mut from = 0;
    while from + UUID_BYTES <= made.len() {
        let uuid = &mut made[from..from + UUID_BYTES];
        if !is_uuid(uuid) {
            from += 1;
            continue;
        }
        let digits = (0..UUID_BYTES).filter(|place| !HYPHENS.contains(place));
        for (place, mask) in digits.zip(mask.iter().flat_map(|byte| [byte >> 4, byte & 15])) {
            let digit = char::from(uuid[place]).to_digit(16).unwrap() ^ u32::from(mask);
            uuid[place] = char::from_digit(digit, 16).unwrap() as u8;
        }
        from += UUID_BYTES;
    }
    made
}

fn is_uuid(text: &[u8]) -> bool {
    text.iter().enumerate().all(|(place, byte)| {
        if HYPHENS.contains(&place) {
            *byte == b'-'
        } else {
            matches!(byte, b'0'..=b'9' | b'a'..=b'f')
        }
    })
}
