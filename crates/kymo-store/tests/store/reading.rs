use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use kymo_model::{Cause, EventType};
use kymo_store::WriterOptions;
use kymo_store::fs::ModelFs;

use crate::support::{self, event, pods, rows, session, trace};

/// Lets the other threads have the lock of the model.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(1);

#[test]
fn a_reader_sees_a_growing_prefix_while_logs_are_sealed_and_segments_replaced() {
    let fs = ModelFs::new();
    let mut writer = support::create(&fs).unwrap();
    writer.begin_session(session()).unwrap();
    let feed = writer.feed(&pods()).unwrap();
    let (done, looks) = (AtomicBool::new(false), AtomicU32::new(0));
    let mut maintenance = writer.maintenance();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                maintenance.run_once().unwrap();
                std::thread::sleep(PAUSE);
            }
        });
        scope.spawn(|| {
            let mut last = 0;
            while !done.load(Ordering::SeqCst) {
                let read = trace(&fs).unwrap();
                let found = rows(&read).unwrap();
                assert!(found.len() >= last, "{} after {last}", found.len());
                assert!(found.keys().copied().eq(1..=found.len() as u64), "no holes");
                assert!(
                    read.coverage()
                        .iter()
                        .all(|row| row.cause != Cause::Corrupt)
                );
                last = found.len();
                looks.fetch_add(1, Ordering::SeqCst);
            }
        });
        let mut rv = 0;
        while rv < 120 || (looks.load(Ordering::SeqCst) < 5 && rv < 2000) {
            rv += 1;
            writer
                .append_event(event(feed, EventType::Modified, "a", rv))
                .unwrap();
            writer.commit().unwrap();
            std::thread::sleep(PAUSE);
        }
        done.store(true, Ordering::SeqCst);
    });
    assert!(looks.into_inner() >= 5);
    let appended = writer.next_seq() - 1;
    assert_eq!(rows(&trace(&fs).unwrap()).unwrap().len() as u64, appended);
}

#[test]
fn a_commit_is_due_only_when_there_is_something_to_commit() {
    let fs = ModelFs::new();
    let clock = support::clock();
    let mut writer = kymo_store::Writer::create(
        std::sync::Arc::new(fs),
        &support::path(),
        kymo_store::TraceIdentity::new(None),
        clock.clone(),
        WriterOptions::default(),
    )
    .unwrap();
    assert_eq!(writer.due(), None);
    let feed = writer.feed(&pods()).unwrap();
    writer.commit().unwrap();
    assert_eq!(writer.due(), None);
    let interval = WriterOptions::default().commit_interval;
    clock.advance(interval / 2);
    writer
        .append_event(event(feed, EventType::Added, "a", 1))
        .unwrap();
    assert_eq!(writer.due(), Some(interval / 2));
    clock.advance(interval);
    assert_eq!(writer.due(), Some(std::time::Duration::ZERO));
}

#[test]
fn a_record_too_large_for_a_frame_is_refused_and_the_next_taken() {
    let fs = ModelFs::new();
    let mut writer = support::create(&fs).unwrap();
    let feed = writer.feed(&pods()).unwrap();
    let mut large = event(feed, EventType::Added, "a", 1);
    large.body = Some(vec![b' '; 20 << 20].into());
    let error = writer.append_event(large.clone()).unwrap_err();
    assert!(matches!(error, kymo_store::Error::RecordTooLarge { .. }));
    // A watch line can be 8 MiB.
    large.body = Some(vec![b' '; 8 << 20].into());
    assert_eq!(writer.append_event(large).unwrap(), 1);
    writer.commit().unwrap();
    let read = trace(&fs).unwrap();
    let row = read.rows().unwrap().next().unwrap().unwrap();
    assert_eq!(row.event.body.unwrap().len(), 8 << 20);
}
