use kymo_model::{Cause, EventType};
use kymo_store::Error;
use kymo_store::fs::{Fault, ModelFs};

use crate::support::{self, Ledger, event, observed, pods, rows, session, trace};

fn record(fs: &ModelFs, ledger: &mut Ledger) -> Result<u32, Error> {
    let mut failed = 0;
    let mut writer = support::create(fs)?;
    ledger.created = true;
    writer.begin_session(session())?;
    let feed = writer.feed(&pods())?;
    writer.append(observed(feed, Some("1")))?;
    let mut rv = 2;
    while rv < 12 {
        let step = ledger
            .append(&mut writer, event(feed, EventType::Modified, "web", rv))
            .and_then(|()| ledger.commit(&mut writer));
        match step {
            Ok(()) => rv += 1,
            Err(error) if error.is_fsync_failed() => {
                failed += 1;
                ledger.void();
                // What the server sends again depends on what is durable.
                let resume = writer.resume(feed)?;
                rv = resume
                    .rv
                    .map_or(2, |rv| rv.as_str().parse::<u64>().unwrap() + 1);
            }
            Err(error) => return Err(error),
        }
    }
    writer.close(Cause::Stop)?;
    Ok(failed)
}

/// Fault table row 30.
#[test]
fn a_failed_sync_is_never_tried_again_on_the_same_file() {
    let fs = ModelFs::new();
    record(&fs, &mut Ledger::default()).unwrap();
    let syncs: Vec<u64> = (1..)
        .zip(fs.log())
        .filter(|(_, entry)| entry.starts_with("sync /") && entry.ends_with(".wal"))
        .map(|(operation, _)| operation)
        .collect();
    assert!(syncs.len() > 10, "{syncs:?}");
    let mut noticed = 0;
    for operation in syncs {
        let fs = ModelFs::new();
        fs.fail_at(operation, Fault::Io);
        let mut ledger = Ledger::default();
        let result = record(&fs, &mut ledger);
        assert_eq!(fs.fired(), 1, "operation {operation}");
        let log = fs.log();
        let file = log[operation as usize - 1].clone();
        let again = log
            .iter()
            .skip(operation as usize)
            .filter(|entry| **entry == file);
        let appended = file.replace("sync", "append");
        let written = log
            .iter()
            .skip(operation as usize)
            .filter(|entry| **entry == appended);
        assert_eq!(again.count() + written.count(), 0, "{file} was used again");
        match result {
            Ok(failed) => noticed += failed,
            // Closing is the last commit.
            Err(error) if error.is_fsync_failed() => noticed += 1,
            // The header of a new log could not be made durable.
            Err(error) => assert!(matches!(error, Error::Io { .. }), "{error}"),
        }
        for seed in 0..3 {
            let after = fs.after_crash(seed);
            ledger.compare(&rows(&trace(&after).unwrap()).unwrap());
            let writer = support::open(&after).unwrap();
            drop(writer);
            support::assert_whole(&after);
        }
    }
    assert!(noticed > 5, "{noticed}");
}

/// Fault table row 30.
#[test]
fn what_a_failed_sync_left_in_the_file_is_void() {
    let fs = ModelFs::new();
    let mut writer = support::create(&fs).unwrap();
    writer.begin_session(session()).unwrap();
    let feed = writer.feed(&pods()).unwrap();
    writer
        .append_event(event(feed, EventType::Added, "kept", 1))
        .unwrap();
    writer.commit().unwrap();
    writer
        .append_event(event(feed, EventType::Added, "void", 2))
        .unwrap();
    // The frame is written, then synced.
    fs.fail_at(fs.operations() + 2, Fault::Io);
    let error = writer.commit().unwrap_err();
    assert!(error.is_fsync_failed(), "{error}");
    assert_eq!(fs.fired(), 1);
    assert_eq!(writer.next_seq(), 2, "the seq is free again");
    writer
        .append_event(event(feed, EventType::Added, "again", 2))
        .unwrap();
    writer.commit().unwrap();
    let found = rows(&trace(&fs).unwrap()).unwrap();
    let names: Vec<_> = found.values().map(|row| row.key.name.as_str()).collect();
    assert_eq!(names, ["kept", "again"]);
    support::assert_whole(&fs);
}
