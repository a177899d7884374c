use std::path::PathBuf;
use std::sync::Arc;

use kymo_model::{Cause, Certainty, Clock as _, CoverageState, Event, EventType, Request};
use kymo_store::fs::{Filesystem as _, ModelFs};
use kymo_store::{Error, Format, LogRecord, WriterOptions};

use crate::support::{
    self, event, files, load_directory, observed, path, pods, resource, rows, session, trace,
};

/// Makes a fixture: a segment, a closed log and an open one.
fn make(fs: &ModelFs, alter: impl Fn(u64, &mut Event)) {
    let options = WriterOptions {
        rotate_events: 4,
        compact_at: 100,
        ballast_bytes: 0,
        low_water_bytes: 0,
        ..WriterOptions::default()
    };
    let mut writer = support::create_with(fs, options).unwrap();
    writer
        .bind_cluster("3d2ac3cb-6b2b-4d4b-8a86-0a3f7f0f4a10")
        .unwrap();
    writer.begin_session(session()).unwrap();
    let pods = writer.feed(&pods()).unwrap();
    let nodes = writer.feed(&resource("nodes", "Node")).unwrap();
    writer.append(observed(pods, Some("1"))).unwrap();
    writer.append(observed(nodes, Some("1"))).unwrap();
    for rv in 2..14 {
        let (feed, name) = if rv % 3 == 0 {
            (nodes, "node-0")
        } else {
            (pods, "web-0")
        };
        let event_type = if rv < 4 {
            EventType::Added
        } else {
            EventType::Modified
        };
        let mut event = event(feed, event_type, name, rv);
        alter(rv, &mut event);
        writer.append_event(event).unwrap();
        writer.commit().unwrap();
        if rv == 6 {
            writer.maintenance().run_once().unwrap();
        }
    }
    writer
        .append(LogRecord::Transition {
            feed: nodes,
            epoch: 0,
            ts: support::clock().now(),
            state: CoverageState::Denied,
            cause: Cause::Forbidden,
            rv: Some("12".into()),
            detail: Some("nodes is forbidden".into()),
        })
        .unwrap();
    let mut event = event(pods, EventType::Deleted, "web-0", 14);
    alter(14, &mut event);
    writer.append_event(event).unwrap();
    writer.close(Cause::Stop).unwrap();
}

/// Format 1.1 keeps requests, and events that have no body, no version or another than the body.
fn audited(rv: u64, event: &mut Event) {
    if rv.is_multiple_of(2) {
        event.request = Some(Arc::new(Request {
            audit_id: format!("6f1b0c2e-0000-4000-8000-{rv:012}"),
            verb: if rv < 4 { "create" } else { "patch" }.into(),
            subresource: rv.is_multiple_of(4).then(|| "status".into()),
            username: format!("user-{}", rv % 3),
            groups: vec!["system:authenticated".into()],
            impersonated_username: (rv == 6).then(|| "jane".into()),
            user_agent: Some("kubectl/v1.36.2".into()),
            source_ips: vec!["10.0.0.7".into()],
        }));
        event.not_before = Some(event.ts);
    }
    if rv % 4 == 1 {
        (event.certainty, event.body) = (Certainty::Reported, None);
    }
    match rv {
        5 | 10 => event.rv = None,
        4 => event.rv = Some("40".into()),
        14 => (event.rv, event.body) = (None, None),
        _ => {}
    }
}

fn fixture(format: &str) -> PathBuf {
    let formats = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/format");
    formats.join(format).join("trace.kymo")
}

fn assert_reads_as(fixture: &ModelFs, made: &ModelFs, format: Format) {
    let (old, new) = (trace(fixture).unwrap(), trace(made).unwrap());
    assert_eq!(old.format(), format);
    assert!(old.stats().segments > 0 && old.stats().logs > 0);
    assert_eq!(rows(&old).unwrap(), rows(&new).unwrap());
    assert_eq!(old.coverage(), new.coverage());
    assert_eq!(old.identity(), new.identity());
    assert_eq!(old.feeds(), new.feeds());
    support::assert_whole(fixture);
}

/// Fault table row 35.
#[test]
fn a_trace_of_format_1_0_is_read_whole() {
    let fs = load_directory(&fixture("1.0"));
    let made = ModelFs::new();
    make(&made, |_, _| {});
    assert_reads_as(&fs, &made, Format { major: 1, minor: 0 });
    let whole = trace(&fs).unwrap();
    let segment = whole.segments().next().unwrap();
    let file = fs.read(&path().join(&segment.entry().name)).unwrap();
    let has = |column: &[u8]| file.windows(column.len()).any(|bytes| bytes == column);
    assert!(has(b"resource_version_text") && !has(b"impersonated_username"));
    // And it can be written to.
    let mut writer = support::open(&fs).unwrap();
    let feed = writer.feed(&pods()).unwrap();
    let resume = writer.resume(feed).unwrap();
    assert_eq!(resume.rv, Some("14".into()));
    writer
        .append_event(event(feed, EventType::Added, "web-1", 15))
        .unwrap();
    writer.close(Cause::Stop).unwrap();
    assert_eq!(rows(&trace(&fs).unwrap()).unwrap().len(), 14);
}

#[test]
fn a_trace_of_format_1_1_is_read_whole() {
    let made = ModelFs::new();
    make(&made, audited);
    let format = Format { major: 1, minor: 1 };
    assert_reads_as(&load_directory(&fixture("1.1")), &made, format);
}

/// To make the fixture of a new format, add its folder and run this test with
/// `KYMO_WRITE_FIXTURES=1`; fixtures of released formats never change.
#[test]
fn a_trace_of_format_2_0_is_read_whole() {
    let made = ModelFs::new();
    make(&made, audited);
    let folder = fixture("2.0");
    if std::env::var_os("KYMO_WRITE_FIXTURES").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        for name in files(&made) {
            let bytes = made.read(&path().join(&name)).unwrap();
            std::fs::write(folder.join(name), bytes).unwrap();
        }
    }
    let format = Format { major: 2, minor: 0 };
    assert_reads_as(&load_directory(&folder), &made, format);
}

/// Fault table row 35.
#[test]
fn a_trace_of_a_newer_major_format_is_refused() {
    for (name, is_manifest) in [("manifest", true), ("000003.wal", false)] {
        let fs = load_directory(&fixture("1.0"));
        let name = if is_manifest {
            name.to_owned()
        } else {
            files(&fs)
                .into_iter()
                .find(|name| name.ends_with("wal"))
                .unwrap()
        };
        let mut bytes = fs.read(&path().join(&name)).unwrap();
        bytes[8..10].copy_from_slice(&3u16.to_le_bytes());
        let crc = crc32c(&bytes[..92]);
        bytes[92..96].copy_from_slice(&crc.to_le_bytes());
        fs.write(&path().join(&name), &bytes);
        let error = trace(&fs).unwrap_err();
        assert!(
            matches!(error, Error::NewerFormat { .. }),
            "{name}: {error}"
        );
        assert!(
            error
                .to_string()
                .contains("has format 3.0, which is newer than this kymo reads (2.0)"),
            "{error}"
        );
        let before = fs.operations();
        assert!(matches!(support::open(&fs), Err(Error::NewerFormat { .. })));
        assert_eq!(fs.operations(), before, "nothing was changed");
    }
}

#[test]
fn a_path_that_is_not_there_is_an_error_of_the_system() {
    let fs = ModelFs::new();
    assert!(matches!(trace(&fs), Err(Error::Io { .. })));
    let shared = Arc::new(fs.clone());
    assert_eq!(shared.kind(&path()).unwrap(), None);
    assert!(matches!(support::open(&fs), Err(Error::Io { .. })));
}

/// CRC-32C, bit by bit: the fixture is judged by another implementation than the store's.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg())
        })
    })
}
