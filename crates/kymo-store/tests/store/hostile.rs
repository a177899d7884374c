use std::os::unix::fs::symlink;

use kymo_model::EventType;
use kymo_store::fs::ModelFs;
use kymo_store::{Error, Trace, check};
use proptest::prelude::*;

use crate::support::{self, event, files, path, pods, session, trace};

fn sample() -> ModelFs {
    let fs = ModelFs::new();
    let mut writer = support::create(&fs).unwrap();
    writer.begin_session(session()).unwrap();
    let feed = writer.feed(&pods()).unwrap();
    for rv in 1..7 {
        writer
            .append_event(event(feed, EventType::Added, "a", rv))
            .unwrap();
        writer.commit().unwrap();
        if rv == 2 {
            writer.seal_now().unwrap();
        }
    }
    drop(writer);
    fs.fork()
}

/// Puts a model's trace on disk.
fn on_disk(fs: &ModelFs) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for name in files(fs) {
        std::fs::write(
            root.path().join(&name),
            fs.read(&path().join(&name)).unwrap(),
        )
        .unwrap();
    }
    root
}

/// Fault table row 36.
#[test]
fn a_link_in_a_trace_is_not_followed() {
    let fs = sample();
    for name in files(&fs).into_iter().filter(|name| name != "manifest") {
        let root = on_disk(&fs);
        let elsewhere = tempfile::tempdir().unwrap();
        let target = elsewhere.path().join("target");
        std::fs::rename(root.path().join(&name), &target).unwrap();
        symlink(&target, root.path().join(&name)).unwrap();
        match Trace::open(root.path()) {
            Ok(read) => {
                let place = read.findings().iter().find(|finding| finding.place == name);
                assert!(place.is_some(), "{name}: {:?}", read.findings());
            }
            Err(error) => assert!(matches!(error, Error::Io { .. }), "{name}: {error}"),
        }
    }
}

/// Fault table row 36: the length of a frame is the largest there can be, and the file is short.
#[test]
fn lying_lengths_neither_panic_nor_allocate() {
    let fs = sample();
    for name in files(&fs) {
        let file = path().join(&name);
        let bytes = fs.read(&file).unwrap();
        for place in 0..bytes.len().saturating_sub(4) {
            let mut bytes = bytes.clone();
            bytes[place..place + 4].copy_from_slice(&u32::MAX.to_le_bytes());
            fs.write(&file, &bytes);
            if let Ok(read) = trace(&fs) {
                let found = read.rows().unwrap().take_while(Result::is_ok).count();
                assert!(found <= 6, "{name}, byte {place}");
            }
        }
        fs.write(&file, &bytes);
    }
}

#[test]
fn what_is_no_trace_is_told_so() {
    let root = tempfile::tempdir().unwrap();
    assert!(matches!(
        Trace::open(root.path()),
        Err(Error::NotATrace { .. })
    ));
    let file = root.path().join("x.parquet");
    std::fs::write(&file, b"PAR1 is not enough PAR1").unwrap();
    assert!(Trace::open(&file).unwrap_err().is_corruption());
    assert!(matches!(
        check(&root.path().join("none")),
        Err(Error::Io { .. })
    ));
    std::fs::write(root.path().join("manifest"), b"kymo.man and nothing else").unwrap();
    assert!(Trace::open(root.path()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Fault table row 36.
    #[test]
    fn any_bytes_as_any_file_open_or_fail_without_a_panic(
        which in 0usize..4,
        keep in 0usize..200,
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let fs = sample();
        let names = files(&fs);
        let file = path().join(&names[which % names.len()]);
        let mut content = fs.read(&file).unwrap();
        content.truncate(keep);
        content.extend(bytes);
        fs.write(&file, &content);
        if let Ok(read) = trace(&fs) {
            let found = read.rows().unwrap().take_while(Result::is_ok).count();
            prop_assert!(found <= 6);
            drop(read.coverage());
            drop(read.stats());
        }
        drop(support::open(&fs));
    }
}
