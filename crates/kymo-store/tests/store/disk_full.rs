use kymo_model::{Cause, CoverageState, EventType};
use kymo_store::Error;
use kymo_store::fs::{Fault, ModelFs};

use crate::support::{self, Ledger, event, observed, pods, rows, session, trace};

/// Writes on through a full disk as a recorder does; returns how often it was full.
fn record(fs: &ModelFs, ledger: &mut Ledger) -> Result<u32, Error> {
    let mut full = 0;
    let mut writer = support::create(fs)?;
    ledger.created = true;
    writer.begin_session(session())?;
    let feed = writer.feed(&pods())?;
    writer.append(observed(feed, Some("1")))?;
    let mut rv = 2;
    while rv < 16 {
        let step = ledger
            .append(&mut writer, event(feed, EventType::Modified, "web", rv))
            .and_then(|()| ledger.commit(&mut writer))
            .and_then(|()| {
                if rv % 6 == 0 {
                    writer.maintenance().run_once().map(|_| ())
                } else {
                    Ok(())
                }
            });
        match step {
            Ok(()) => rv += 1,
            Err(error) if error.is_disk_full() => {
                full += 1;
                ledger.void();
                assert!(full < 10, "never ends");
                while !writer.try_resume_after_disk_full()? {
                    fs.set_capacity(None);
                }
                let resume = writer.resume(feed)?;
                let last = resume
                    .rv
                    .expect("a version")
                    .as_str()
                    .parse::<u64>()
                    .unwrap();
                // The server sends again what comes behind the durable version.
                rv = last + 1;
                writer.append(observed(feed, Some(&last.to_string())))?;
            }
            Err(error) => return Err(error),
        }
    }
    writer.close(Cause::Stop)?;
    Ok(full)
}

/// Fault table row 29.
#[test]
fn no_space_at_any_operation_stops_the_writer_and_loses_nothing() {
    let fs = ModelFs::new();
    assert_eq!(record(&fs, &mut Ledger::default()).unwrap(), 0);
    let total = fs.operations();
    let mut stopped = 0;
    for operation in 1..=total {
        let fs = ModelFs::new();
        fs.fail_at(operation, Fault::NoSpace);
        let mut ledger = Ledger::default();
        let result = record(&fs, &mut ledger);
        assert_eq!(fs.fired(), 1, "operation {operation} of {total}");
        let what = fs.log()[operation as usize - 1].clone();
        match result {
            Ok(full) => stopped += full,
            Err(error) if !ledger.created => {
                assert!(error.is_disk_full() || error.is_fsync_failed(), "{error}");
                continue;
            }
            Err(error) if error.is_fsync_failed() || error.is_disk_full() => {}
            Err(error) => panic!("{what}: {error}"),
        }
        let after = fs.after_kill();
        ledger.compare(&rows(&trace(&after).unwrap()).unwrap());
        drop(support::open(&after).unwrap_or_else(|error| panic!("{what}: {error}")));
        support::assert_whole(&after);
        ledger.compare(&rows(&trace(&after).unwrap()).unwrap());
    }
    assert!(stopped > 5, "{stopped}");
}

/// Fault table row 29.
#[test]
fn a_full_disk_becomes_a_gap_and_ends_by_itself() {
    let fs = ModelFs::new();
    let mut ledger = Ledger::default();
    let mut writer = support::create(&fs).unwrap();
    writer.begin_session(session()).unwrap();
    let feed = writer.feed(&pods()).unwrap();
    writer.append(observed(feed, Some("1"))).unwrap();
    ledger
        .append(&mut writer, event(feed, EventType::Added, "web", 2))
        .unwrap();
    ledger.commit(&mut writer).unwrap();
    fs.set_capacity(Some(fs.used() + 100));

    ledger
        .append(&mut writer, event(feed, EventType::Modified, "web", 3))
        .unwrap();
    let error = writer.commit().unwrap_err();
    assert!(error.is_disk_full(), "{error}");
    assert!(writer.is_disk_full());
    let refused = writer.append_event(event(feed, EventType::Modified, "web", 4));
    assert!(refused.unwrap_err().is_disk_full());
    assert!(!writer.try_resume_after_disk_full().unwrap());

    let coverage = trace(&fs).unwrap().coverage();
    let gap = coverage.last().unwrap();
    assert_eq!(
        (gap.state, gap.cause, gap.to_ts),
        (CoverageState::Unobserved, Cause::DiskFull, None)
    );
    assert_eq!(
        gap.from_rv,
        Some("3".into()),
        "the ballast held the last words"
    );

    fs.set_capacity(None);
    assert!(writer.try_resume_after_disk_full().unwrap());
    let resume = writer.resume(feed).unwrap();
    assert_eq!(resume.rv, Some("3".into()));
    assert_eq!(resume.state, Some(CoverageState::Unobserved));
    writer.append(observed(feed, Some("3"))).unwrap();
    writer
        .append_event(event(feed, EventType::Modified, "web", 4))
        .unwrap();
    writer.close(Cause::Stop).unwrap();
    let rows = rows(&trace(&fs).unwrap()).unwrap();
    assert_eq!(rows.len(), 3);
    let states: Vec<_> = trace(&fs)
        .unwrap()
        .coverage()
        .iter()
        .map(|row| row.cause)
        .collect();
    assert_eq!(states, [Cause::Start, Cause::DiskFull, Cause::Start]);
}
