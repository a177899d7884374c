use std::collections::BTreeMap;

use kymo_model::{Cause, Coverage, EventType};
use kymo_store::fs::ModelFs;
use kymo_store::{Error, check_with, repair_with};
use proptest::prelude::*;

use crate::support::{self, Said, clock, event, files, observed, path, pods, rows, session, trace};

/// A trace with a segment and two logs, the first of them closed.
fn sample() -> ModelFs {
    let fs = ModelFs::new();
    let mut writer = support::create(&fs).unwrap();
    writer.begin_session(session()).unwrap();
    let feed = writer.feed(&pods()).unwrap();
    writer.append(observed(feed, Some("1"))).unwrap();
    for rv in 2..4 {
        writer
            .append_event(event(feed, EventType::Added, "a", rv))
            .unwrap();
    }
    writer.seal_now().unwrap();
    for rv in 4..10 {
        writer
            .append_event(event(feed, EventType::Modified, "a", rv))
            .unwrap();
        writer.commit().unwrap();
    }
    writer.close(Cause::Stop).unwrap();
    fs.fork()
}

/// A trace of one log.
fn one_log(events: u64) -> ModelFs {
    let fs = ModelFs::new();
    let options = kymo_store::WriterOptions {
        rotate_events: u64::MAX,
        ..support::small()
    };
    let mut writer = support::create_with(&fs, options).unwrap();
    writer.begin_session(session()).unwrap();
    let feed = writer.feed(&pods()).unwrap();
    for rv in 1..=events {
        let name = format!("pod-{rv}");
        writer
            .append_event(event(feed, EventType::Added, &name, rv))
            .unwrap();
        writer.commit().unwrap();
    }
    drop(writer);
    fs.fork()
}

fn corrupt_gaps(coverage: &[Coverage]) -> Vec<(u64, u64)> {
    coverage
        .iter()
        .filter(|row| row.cause == Cause::Corrupt)
        .map(|row| (row.from_seq.unwrap(), row.to_seq.unwrap()))
        .collect()
}

/// Reads a damaged trace: every row is one of the original, and whatever is missing is told. A log
/// that nothing says the end of may miss rows at its end: they are what a torn write leaves, and
/// the feed goes on from before them.
fn judge(fs: &ModelFs, whole: &BTreeMap<u64, Said>, what: &str) {
    let trace = match trace(fs) {
        Ok(trace) => trace,
        Err(error) => {
            assert!(
                error.is_corruption()
                    || matches!(error, Error::NewerFormat { .. } | Error::NotATrace { .. }),
                "{what}: {error}"
            );
            return;
        }
    };
    let found = match rows(&trace) {
        Ok(found) => found,
        Err(error) => {
            assert!(error.is_corruption(), "{what}: {error}");
            return;
        }
    };
    for (seq, row) in &found {
        assert_eq!(whole.get(seq), Some(row), "{what}: a wrong row");
    }
    let gaps = corrupt_gaps(&trace.coverage());
    for seq in whole.keys().filter(|seq| !found.contains_key(seq)) {
        let told = gaps.iter().any(|(from, to)| (from..=to).contains(&seq));
        assert!(told, "{what}: seq {seq} is missing and nothing says so");
    }
}

/// Fault table row 28.
#[test]
fn a_flipped_bit_anywhere_is_never_a_wrong_row_nor_a_silent_loss() {
    let fs = sample();
    let whole = rows(&trace(&fs).unwrap()).unwrap();
    assert_eq!(whole.len(), 8);
    support::assert_whole(&fs);
    let names = files(&fs);
    assert!(names.len() >= 4, "{names:?}");
    for name in names {
        let file = path().join(&name);
        let bytes = fs.read(&file).unwrap();
        for place in 0..bytes.len() {
            // All bits of headers and a moving one elsewhere: the checksums do not care which.
            let bits = match place {
                0..128 => (0..8).collect(),
                _ => vec![place as u32 % 8],
            };
            for bit in bits {
                let mut bytes = bytes.clone();
                bytes[place] ^= 1 << bit;
                fs.write(&file, &bytes);
                judge(&fs, &whole, &format!("{name}, byte {place}, bit {bit}"));
            }
        }
        fs.write(&file, &bytes);
    }
}

/// Fault table row 28: what `check` says of damage, and what a repaired copy holds.
#[test]
fn damage_in_any_file_is_found_by_check_and_survived_by_repair() {
    let whole = rows(&trace(&sample()).unwrap()).unwrap();
    for name in files(&sample()) {
        let fs = sample();
        let file = path().join(&name);
        let mut bytes = fs.read(&file).unwrap();
        let place = bytes.len() / 2;
        bytes[place] ^= 16;
        fs.write(&file, &bytes);
        let shared = std::sync::Arc::new(fs.clone());
        let report = check_with(shared.clone(), &path()).unwrap();
        assert!(report.is_damaged(), "{name}");
        let out = std::path::Path::new("/repaired.kymo");
        let repaired = repair_with(shared.clone(), &path(), out, clock()).unwrap();
        assert!(!repaired.faults.is_empty(), "{name}");
        let report = check_with(shared.clone(), out).unwrap();
        assert!(!report.is_damaged(), "{name}: {:?}", report.findings);
        let copy = kymo_store::Trace::open_with(shared, out).unwrap();
        let found = rows(&copy).unwrap();
        for (seq, row) in &found {
            assert_eq!(whole.get(seq), Some(row), "{name}");
        }
        let gaps = corrupt_gaps(&copy.coverage());
        for seq in whole.keys().filter(|seq| !found.contains_key(seq)) {
            let told = gaps.iter().any(|(from, to)| (from..=to).contains(&seq));
            assert!(told, "{name}: seq {seq} is missing and nothing says so");
        }
        assert_eq!(copy.lineage().len(), 1);
    }
}

/// Fault table row 27.
#[test]
fn a_write_torn_at_any_byte_is_ignored_and_its_bytes_kept() {
    let fs = one_log(6);
    let whole = rows(&trace(&fs).unwrap()).unwrap();
    let file = path().join("000001.wal");
    let bytes = fs.read(&file).unwrap();
    let starts: Vec<usize> = bytes
        .windows(4)
        .enumerate()
        .filter(|(_, window)| window == b"KyF\x1a")
        .map(|(place, _)| place)
        .collect();
    let third_last = starts[starts.len() - 3];
    let mut torn_at_frame_start = 0;
    for length in third_last..bytes.len() {
        fs.write(&file, &bytes[..length]);
        let complete = starts.iter().filter(|start| **start < length).count() - 1;
        let on_boundary = starts.contains(&length);
        torn_at_frame_start += usize::from(on_boundary);
        let events = if on_boundary { complete } else { complete - 1 };
        let found = rows(&trace(&fs).unwrap()).unwrap();
        let expected: BTreeMap<_, _> = whole
            .iter()
            .take(events)
            .map(|(seq, row)| (*seq, row.clone()))
            .collect();
        assert_eq!(found, expected, "cut at {length}");
        assert!(corrupt_gaps(&trace(&fs).unwrap().coverage()).is_empty());

        let fs = fs.fork();
        let mut writer = support::open(&fs).unwrap();
        let torn = length - starts.iter().rfind(|start| **start <= length).unwrap();
        let kept: Vec<_> = kymo_store::fs::Filesystem::list(&fs, &path().join("quarantine"))
            .unwrap_or_default()
            .into_iter()
            .collect();
        if on_boundary {
            assert_eq!(kept, []);
        } else {
            let copy = fs
                .read(&path().join("quarantine").join(&kept[0].0))
                .unwrap();
            assert_eq!(copy, bytes[length - torn..length], "the torn bytes");
        }
        writer.begin_session(session()).unwrap();
        let feed = writer.feed(&pods()).unwrap();
        let seq = writer
            .append_event(event(feed, EventType::Added, "next", 99))
            .unwrap();
        assert_eq!(seq, events as u64 + 1);
        writer.commit().unwrap();
        assert_eq!(rows(&trace(&fs).unwrap()).unwrap().len(), events + 1);
        support::assert_whole(&fs);
    }
    assert!(torn_at_frame_start >= 2);
}

/// Fault table row 28.
#[test]
fn damage_in_the_middle_keeps_both_sides_and_is_put_on_record_once() {
    let fs = one_log(9);
    let file = path().join("000001.wal");
    let mut bytes = fs.read(&file).unwrap();
    let fifth = bytes
        .windows(4)
        .enumerate()
        .filter(|(_, window)| window == b"KyF\x1a")
        .nth(5)
        .unwrap()
        .0;
    bytes[fifth + 40] ^= 1;
    fs.write(&file, &bytes);
    let read = trace(&fs).unwrap();
    assert_eq!(corrupt_gaps(&read.coverage()), [(5, 5)]);
    assert_eq!(rows(&read).unwrap().len(), 8);
    let gap = read
        .coverage()
        .into_iter()
        .find(|row| row.cause == Cause::Corrupt);
    let gap = gap.unwrap();
    assert!(gap.from_ts < gap.to_ts, "{gap:?}");

    // A writer puts it on record; the damaged log is never removed.
    let mut writer = support::open(&fs).unwrap();
    writer.commit().unwrap();
    drop(writer);
    let mut writer = support::open(&fs).unwrap();
    assert_eq!(corrupt_gaps(&trace(&fs).unwrap().coverage()), [(5, 5)]);
    writer.seal_now().unwrap();
    drop(writer);
    assert_eq!(corrupt_gaps(&trace(&fs).unwrap().coverage()), [(5, 5)]);
    assert_eq!(rows(&trace(&fs).unwrap()).unwrap().len(), 8);
    assert_eq!(
        fs.read(&path().join("quarantine/000001.wal")).unwrap(),
        bytes
    );
}

#[test]
fn a_missing_file_is_a_gap_and_the_rest_goes_on() {
    for (name, missing) in [("000002.parquet", (1, 2)), ("000003.wal", (3, 6))] {
        let fs = sample();
        assert!(files(&fs).contains(&name.to_owned()), "{:?}", files(&fs));
        kymo_store::fs::Filesystem::remove(&fs, &path().join(name)).unwrap();
        let read = trace(&fs).unwrap();
        assert_eq!(corrupt_gaps(&read.coverage()), [missing], "{name}");
        let mut writer = support::open(&fs).unwrap();
        writer.seal_now().unwrap();
        drop(writer);
        let read = trace(&fs).unwrap();
        assert_eq!(corrupt_gaps(&read.coverage()), [missing], "{name}, sealed");
        let expected = 8 - (missing.1 - missing.0 + 1) as usize;
        assert_eq!(rows(&read).unwrap().len(), expected);
    }
}

#[test]
fn a_lost_manifest_is_made_anew_from_what_is_there() {
    let fs = sample();
    let whole = rows(&trace(&fs).unwrap()).unwrap();
    kymo_store::fs::Filesystem::remove(&fs, &path().join("manifest")).unwrap();
    assert_eq!(rows(&trace(&fs).unwrap()).unwrap(), whole);
    drop(support::open(&fs).unwrap());
    assert_eq!(rows(&trace(&fs).unwrap()).unwrap(), whole);
    support::assert_whole(&fs);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Fault table rows 27 and 28.
    #[test]
    fn a_log_cut_and_flipped_is_its_longest_valid_prefix_or_has_a_gap(
        cut in 0.0f64..=1.0,
        flips in proptest::collection::vec((0.0f64..1.0, 0u8..8), 0..3),
    ) {
        let fs = one_log(8);
        let whole = rows(&trace(&fs).unwrap()).unwrap();
        let file = path().join("000001.wal");
        let mut bytes = fs.read(&file).unwrap();
        bytes.truncate((bytes.len() as f64 * cut) as usize);
        for (place, bit) in flips {
            let place = (bytes.len() as f64 * place) as usize;
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 1 << bit;
            }
        }
        fs.write(&file, &bytes);
        let read = trace(&fs).unwrap();
        let found = rows(&read).unwrap();
        let gaps = corrupt_gaps(&read.coverage());
        let last = found.keys().next_back().copied().unwrap_or(0);
        for (seq, row) in &whole {
            match found.get(seq) {
                Some(found) => prop_assert_eq!(found, row),
                None if *seq > last => {}
                None => prop_assert!(gaps.iter().any(|(from, to)| (from..=to).contains(&seq))),
            }
        }
        let mut writer = support::open(&fs).unwrap();
        writer.commit().unwrap();
        drop(writer);
        prop_assert_eq!(rows(&trace(&fs).unwrap()).unwrap(), found);
    }
}
