use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use kymo_model::{Cause, EventType, SystemClock};
use kymo_store::fs::{ModelFs, RealFs};
use kymo_store::{Error, TraceIdentity, Writer, WriterOptions};

use crate::support::{self, event, pods, session};

fn real(path: &std::path::Path) -> Result<Writer, Error> {
    Writer::create(
        Arc::new(RealFs),
        path,
        TraceIdentity::new(None),
        Arc::new(SystemClock::new()),
        WriterOptions::default(),
    )
}

/// Fault table row 33.
#[test]
fn a_second_writer_is_refused_with_the_process_of_the_first() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a.kymo");
    let first = real(&path).unwrap();
    let clock = Arc::new(SystemClock::new());
    let options = WriterOptions::default();
    let error = Writer::open(Arc::new(RealFs), &path, clock.clone(), options.clone()).unwrap_err();
    assert!(error.is_locked());
    let expected = format!("is being written by process {}", std::process::id());
    assert!(error.to_string().contains(&expected), "{error}");
    // Maintenance can still write, so it keeps the lock.
    let maintenance = first.maintenance();
    first.close(Cause::Stop).unwrap();
    let open = || Writer::open(Arc::new(RealFs), &path, clock.clone(), options.clone());
    assert!(open().unwrap_err().is_locked());
    drop(maintenance);
    drop(open().unwrap());
}

/// Fault table row 34.
#[test]
fn a_trace_of_another_cluster_is_refused() {
    let fs = ModelFs::new();
    let mut writer = support::create(&fs).unwrap();
    writer.bind_cluster("cluster-a").unwrap();
    writer.bind_cluster("cluster-a").unwrap();
    drop(writer);
    let mut writer = support::open(&fs).unwrap();
    let error = writer.bind_cluster("cluster-b").unwrap_err();
    assert!(matches!(&error, Error::OtherCluster { expected, found, .. }
        if expected == "cluster-a" && found == "cluster-b"));
    let identity = support::trace(&fs).unwrap().identity().clone();
    assert_eq!(identity.cluster_uid.as_deref(), Some("cluster-a"));
}

#[test]
fn a_directory_with_other_things_in_it_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("notes.txt"), "mine").unwrap();
    assert!(matches!(real(root.path()), Err(Error::Exists { .. })));
    let open = Writer::open(
        Arc::new(RealFs),
        root.path(),
        Arc::new(SystemClock::new()),
        WriterOptions::default(),
    );
    assert!(matches!(open, Err(Error::NotATrace { .. })));
    let names: Vec<_> = std::fs::read_dir(root.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "nothing was added");
}

#[test]
fn every_file_is_for_the_owner_only() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a.kymo");
    let mut writer = real(&path).unwrap();
    writer.begin_session(session()).unwrap();
    let feed = writer.feed(&pods()).unwrap();
    writer
        .append_event(event(feed, EventType::Added, "a", 1))
        .unwrap();
    writer.seal_now().unwrap();
    writer
        .append_event(event(feed, EventType::Added, "b", 2))
        .unwrap();
    writer.close(Cause::Stop).unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    let mut extensions = Vec::new();
    for entry in std::fs::read_dir(&path).unwrap() {
        let entry = entry.unwrap().path();
        assert_eq!(mode(&entry), 0o600, "{}", entry.display());
        extensions.extend(entry.extension().map(std::ffi::OsStr::to_os_string));
    }
    extensions.sort();
    assert_eq!(extensions, ["parquet", "wal"]);
}

#[test]
fn an_unknown_feed_is_refused() {
    let fs = ModelFs::new();
    let mut writer = support::create(&fs).unwrap();
    let unknown = kymo_model::FeedId(7);
    let error = writer
        .append_event(event(unknown, EventType::Added, "a", 1))
        .unwrap_err();
    assert!(matches!(error, Error::UnknownFeed { .. }));
    assert!(writer.resume(unknown).is_err());
}
