use std::sync::Arc;

use kymo_model::{Cause, Certainty, EventType};
use kymo_store::fs::ModelFs;
use kymo_store::segment::SegmentOptions;
use kymo_store::{LogRecord, Trace, WriterOptions};

use crate::support::{
    self, event, files, observed, path, pods, resource, rows, said, session, trace,
};

#[test]
fn a_sealed_trace_reads_as_the_log_did() {
    let fs = ModelFs::new();
    let options = WriterOptions {
        rotate_events: u64::MAX,
        ..support::small()
    };
    let mut writer = support::create_with(&fs, options).unwrap();
    writer.begin_session(session()).unwrap();
    let feeds = [
        writer.feed(&pods()).unwrap(),
        writer.feed(&resource("nodes", "Node")).unwrap(),
    ];
    for feed in feeds {
        writer.append(observed(feed, Some("1"))).unwrap();
    }
    for rv in 2..60 {
        let feed = feeds[(rv % 2) as usize];
        let name = format!("object-{}", rv % 7);
        writer
            .append_event(event(feed, EventType::Modified, &name, rv))
            .unwrap();
    }
    writer.commit().unwrap();
    let before = trace(&fs).unwrap();
    let (expected, stats) = (rows(&before).unwrap(), before.stats());
    let mut tail = 0;
    before
        .visit_tail(|row| {
            tail += 1;
            assert_eq!(row.seq, tail, "as they came");
            Ok(())
        })
        .unwrap();
    assert_eq!(tail, 58);
    let work = writer.seal_now().unwrap();
    assert_eq!((work.sealed_logs, work.sealed_events), (1, 58));
    let after = trace(&fs).unwrap();
    assert_eq!(rows(&after).unwrap(), expected);
    assert_eq!(
        rows(&before).unwrap(),
        expected,
        "what was open stays readable"
    );
    assert_eq!(after.stats().counts, stats.counts);
    assert_eq!(after.stats().first_ts, stats.first_ts);
    assert_eq!(after.stats().logs, 0);
    assert_eq!(after.stats().segments, 1);
    let coverage: Vec<_> = after
        .coverage()
        .iter()
        .map(|row| row.to_rv.clone())
        .collect();
    assert_eq!(coverage, [Some("58".into()), Some("59".into())]);
    support::assert_whole(&fs);
}

#[test]
fn small_segments_become_one() {
    let fs = ModelFs::new();
    let mut writer = support::create(&fs).unwrap();
    writer.begin_session(session()).unwrap();
    let feed = writer.feed(&pods()).unwrap();
    writer.append(observed(feed, Some("1"))).unwrap();
    let mut compacted = 0;
    for rv in 2..30 {
        writer
            .append_event(event(feed, EventType::Modified, "a", rv))
            .unwrap();
        writer.commit().unwrap();
        compacted += writer.maintenance().run_once().unwrap().compacted_segments;
    }
    assert!(compacted > 4, "{compacted}");
    writer.close(Cause::Stop).unwrap();
    let read = trace(&fs).unwrap();
    assert!(read.segments().count() <= 2);
    assert_eq!(rows(&read).unwrap().len(), 28);
    let parquet = files(&fs)
        .iter()
        .filter(|name| name.ends_with("parquet"))
        .count();
    assert_eq!(
        parquet,
        read.segments().count(),
        "what was replaced is gone"
    );
    assert_eq!(read.coverage().len(), 1);
    support::assert_whole(&fs);
}

#[test]
fn an_inferred_delete_gets_the_last_known_body() {
    for sealed_before in [false, true] {
        let fs = ModelFs::new();
        let options = WriterOptions {
            compact_at: 100,
            ..support::small()
        };
        let mut writer = support::create_with(&fs, options).unwrap();
        writer.begin_session(session()).unwrap();
        let feed = writer.feed(&pods()).unwrap();
        for name in ["a", "b", "c"] {
            writer
                .append_event(event(feed, EventType::Added, name, 5))
                .unwrap();
        }
        let last = event(feed, EventType::Modified, "b", 6);
        let expected = said(&last).body;
        writer.append_event(last).unwrap();
        if sealed_before {
            writer.seal_now().unwrap();
        }
        let mut delete = event(feed, EventType::Deleted, "b", 9);
        (delete.certainty, delete.rv, delete.body) = (Certainty::Inferred, None, None);
        let seq = writer.append_event(delete).unwrap();
        writer.seal_now().unwrap();
        let rows = rows(&trace(&fs).unwrap()).unwrap();
        assert_eq!(rows[&seq].body, expected, "sealed before: {sealed_before}");
    }
}

#[test]
fn a_whole_trace_becomes_one_file() {
    let fs = ModelFs::new();
    let mut writer = support::create(&fs).unwrap();
    writer.bind_cluster("cluster-a").unwrap();
    writer.begin_session(session()).unwrap();
    let feed = writer.feed(&pods()).unwrap();
    writer.append(observed(feed, Some("1"))).unwrap();
    let step = serde_json::json!({"operation": "import", "lines": 12});
    writer.append(LogRecord::Lineage(step.clone())).unwrap();
    for rv in 2..12 {
        writer
            .append_event(event(feed, EventType::Modified, "a", rv))
            .unwrap();
        writer.commit().unwrap();
    }
    writer.maintenance().run_once().unwrap();
    writer.close(Cause::Stop).unwrap();
    let whole = trace(&fs).unwrap();
    assert!(whole.stats().segments > 0 && whole.stats().logs > 0);
    let shared = Arc::new(fs.clone());
    let out = std::path::Path::new("/one.parquet");
    let summary = whole
        .write_single(shared.clone(), out, &SegmentOptions::default())
        .unwrap();
    assert_eq!(summary.rows, 10);
    let one = Trace::open_with(shared.clone(), out).unwrap();
    assert_eq!(rows(&one).unwrap(), rows(&whole).unwrap());
    assert_eq!(one.coverage(), whole.coverage());
    assert_eq!(one.identity(), whole.identity());
    assert_eq!(one.lineage(), std::slice::from_ref(&step));
    assert_eq!(whole.lineage(), [step]);
    assert_eq!(one.stats().counts, whole.stats().counts);
    assert_eq!(one.sessions().count(), 1);
    let again = whole.write_single(shared, out, &SegmentOptions::default());
    assert!(again.is_err(), "nothing is overwritten");
}

#[test]
fn a_trace_without_events_can_be_sealed() {
    let fs = ModelFs::new();
    let mut writer = support::create(&fs).unwrap();
    writer.begin_session(session()).unwrap();
    let feed = writer.feed(&pods()).unwrap();
    writer.append(observed(feed, Some("7"))).unwrap();
    writer.seal_now().unwrap();
    drop(writer);
    let read = trace(&fs).unwrap();
    assert_eq!(read.coverage().len(), 1);
    assert_eq!(read.stats().events, 0);
    let mut writer = support::open(&fs).unwrap();
    assert_eq!(writer.resume(feed).unwrap().rv, Some("7".into()));
    assert_eq!(writer.next_seq(), 1);
    assert!(
        files(&fs).iter().all(|name| !name.ends_with("wal")),
        "{}",
        path().display()
    );
}
