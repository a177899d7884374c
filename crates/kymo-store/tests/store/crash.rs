use kymo_model::EventType;
use kymo_store::Error;
use kymo_store::fs::{Fault, ModelFs};

use crate::support::{self, Ledger, event, life, pods, rows, session, trace};

/// Opens what a crash left, twice: to read, and to go on.
fn survive(fs: &ModelFs, ledger: &Ledger, what: &str) {
    match trace(fs) {
        Ok(trace) => ledger.compare(&rows(&trace).unwrap()),
        Err(Error::NotATrace { .. } | Error::Io { .. }) if !ledger.created => return,
        Err(error) => panic!("{what}: {error}"),
    }
    let mut ledger = ledger.clone();
    ledger.void();
    let mut writer = support::open(fs).unwrap_or_else(|error| panic!("{what}: {error}"));
    writer.begin_session(session()).unwrap();
    let feed = writer.feed(&pods()).unwrap();
    let resume = writer.resume(feed).unwrap();
    let last = ledger.acknowledged.values().next_back();
    if let Some(rv) = last.and_then(|row| row.rv.clone()) {
        let found = resume.rv.expect("a version to resume from");
        assert_ne!(
            found.compare(&rv.as_str().into()),
            Some(std::cmp::Ordering::Less),
            "{what}"
        );
    }
    ledger
        .append(&mut writer, event(feed, EventType::Added, "later", 99))
        .unwrap();
    ledger.commit(&mut writer).unwrap();
    writer.seal_now().unwrap();
    drop(writer);
    ledger.compare(&rows(&trace(fs).unwrap()).unwrap());
}

fn operations() -> u64 {
    let fs = ModelFs::new();
    life(&fs, &mut Ledger::default()).unwrap();
    fs.operations()
}

/// Fault table row 25.
#[test]
fn a_kill_at_any_operation_loses_nothing_acknowledged() {
    let total = operations();
    assert!(total > 60, "{total}");
    for operation in 1..=total {
        let fs = ModelFs::new();
        fs.crash_at(operation);
        let mut ledger = Ledger::default();
        drop(life(&fs, &mut ledger));
        assert!(fs.fired() > 0, "operation {operation}");
        survive(&fs.after_kill(), &ledger, &format!("kill at {operation}"));
    }
}

/// Fault table rows 26 and 31: of writes, renames and removals that were not synced, each is kept,
/// torn or lost.
#[test]
fn a_power_loss_at_any_operation_loses_nothing_acknowledged() {
    for operation in 1..=operations() {
        let fs = ModelFs::new();
        fs.crash_at(operation);
        let mut ledger = Ledger::default();
        drop(life(&fs, &mut ledger));
        assert!(fs.fired() > 0, "operation {operation}");
        for seed in 0..4 {
            let seed = operation * 1000 + seed;
            let what = format!("power loss at {operation}, seed {seed}");
            survive(&fs.after_crash(seed), &ledger, &what);
        }
    }
}

/// Fault table row 26.
#[test]
fn frames_that_were_never_synced_may_be_lost_in_any_order() {
    let options = kymo_store::WriterOptions {
        frame_bytes: 1,
        commit_bytes: usize::MAX,
        ..support::small()
    };
    let mut torn = 0;
    for seed in 0..60 {
        let fs = ModelFs::new();
        let mut writer = support::create_with(&fs, options.clone()).unwrap();
        let mut ledger = Ledger::default();
        ledger.created = true;
        writer.begin_session(session()).unwrap();
        let feed = writer.feed(&pods()).unwrap();
        for rv in 1..4 {
            ledger
                .append(&mut writer, event(feed, EventType::Added, "a", rv))
                .unwrap();
        }
        ledger.commit(&mut writer).unwrap();
        for rv in 4..9 {
            ledger
                .append(&mut writer, event(feed, EventType::Modified, "a", rv))
                .unwrap();
        }
        let after = fs.after_crash(seed);
        let found = rows(&trace(&after).unwrap()).unwrap();
        ledger.compare(&found);
        let last = found.keys().next_back().copied().unwrap_or(0);
        let lost = (1..last).filter(|seq| !found.contains_key(seq)).count();
        let gaps = trace(&after).unwrap().coverage();
        let gaps = gaps
            .iter()
            .filter(|row| row.cause == kymo_model::Cause::Corrupt);
        let told: u64 = gaps
            .map(|gap| gap.to_seq.unwrap() + 1 - gap.from_seq.unwrap())
            .sum();
        assert_eq!(told, lost as u64, "seed {seed}: every hole is told");
        torn += usize::from(lost > 0);
        survive(&after, &ledger, &format!("seed {seed}"));
    }
    assert!(torn > 0, "no seed made a hole");
}

/// Fault table row 31.
#[test]
fn a_rename_that_is_lost_leaves_the_log_and_no_event_twice() {
    let fs = ModelFs::new();
    life(&fs, &mut Ledger::default()).unwrap();
    let log = fs.log();
    let renames = log
        .iter()
        .enumerate()
        .filter(|(_, entry)| entry.starts_with("rename") && entry.contains(".parquet"));
    let mut tried = 0;
    for (index, _) in renames {
        // The directory sync behind the rename fails.
        let fs = ModelFs::new();
        fs.fail_at(index as u64 + 2, Fault::Io);
        let mut ledger = Ledger::default();
        life(&fs, &mut ledger).unwrap_err();
        assert_eq!(fs.fired(), 1);
        for seed in 0..8 {
            survive(&fs.after_crash(seed), &ledger, &format!("rename {index}"));
        }
        tried += 1;
    }
    assert!(tried >= 2, "{tried} renames");
}
