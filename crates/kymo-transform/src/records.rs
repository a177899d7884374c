//! What a trace says beside its events, changed as the events are.

use std::collections::BTreeMap;

use kymo_model::{Cause, Coverage, FeedId, Timestamp};
use kymo_store::segment::SegmentMeta;
use kymo_store::{LogRecord, PlacedRecord};

use crate::insertions::Insertions;
use crate::times::TimeMap;

/// Moves records up as the rows of the input are.
pub(crate) fn renumber(meta: &mut SegmentMeta, insertions: &Insertions) {
    for placed in &mut meta.records {
        placed.seq = insertions.moved(placed.seq);
        if let LogRecord::Gap(gap) = &mut placed.record {
            gap.from_seq = gap.from_seq.map(|seq| insertions.moved(seq));
            gap.to_seq = gap.to_seq.map(|seq| insertions.moved(seq));
        }
    }
    meta.last_seq += insertions.len() as u64;
}

/// Moves the times of records; one that 64 bits cannot hold stays.
pub(crate) fn retime(meta: &mut SegmentMeta, map: TimeMap) {
    let moved = |time: Timestamp| Timestamp(map.apply(time.0).unwrap_or(time.0));
    for session in &mut meta.sessions {
        session.started = moved(session.started);
    }
    for placed in &mut meta.records {
        match &mut placed.record {
            LogRecord::SessionEnd { ts, .. }
            | LogRecord::Mark { ts, .. }
            | LogRecord::Transition { ts, .. } => *ts = moved(*ts),
            LogRecord::Session(session) => session.started = moved(session.started),
            LogRecord::ClockStep(step) => step.at = moved(step.at),
            LogRecord::Gap(gap) => {
                gap.from_ts = gap.from_ts.map(moved);
                gap.to_ts = gap.to_ts.map(moved);
            }
            LogRecord::Feed { .. } | LogRecord::Event(_) | LogRecord::Lineage(_) => {}
        }
    }
}

/// Lets the last session go on until the last of the moved rows.
pub(crate) fn reach(meta: &mut SegmentMeta, last: Timestamp) {
    let ends = meta.records.iter_mut().filter_map(|placed| {
        let seq = placed.seq;
        match &mut placed.record {
            LogRecord::SessionEnd { ts, .. } => Some((seq, ts)),
            _ => None,
        }
    });
    if let Some((_, ts)) = ends.max_by_key(|(seq, ts)| (*seq, **ts)) {
        *ts = last.max(*ts);
    }
}

/// Keeps what records say of the stretch from `from` up to `to`: what held at its begin holds from
/// there, and its end is the end of the session.
pub(crate) fn slice(meta: &mut SegmentMeta, from: Timestamp, to: Timestamp) {
    let mut held: BTreeMap<FeedId, PlacedRecord> = BTreeMap::new();
    let mut kept: Vec<PlacedRecord> = Vec::new();
    let mut session = 0;
    // Whether the present session goes on at the end of what was seen, and its last place.
    let mut open: Option<(u32, u64)> = None;
    for mut placed in meta.records.drain(..) {
        if placed.session != 0 && placed.session != session {
            session = placed.session;
            held.clear();
        }
        let seq = placed.seq;
        let time = placed.record.ts();
        match &mut placed.record {
            LogRecord::Gap(gap) => {
                if !clip(gap, from, to) {
                    continue;
                }
            }
            LogRecord::Session(_) | LogRecord::Lineage(_) | LogRecord::Feed { .. } => {}
            _ if time.is_some_and(|time| time >= to) => continue,
            LogRecord::Transition { feed, ts, .. } if *ts < from => {
                *ts = from;
                open = Some((placed.session, seq));
                held.insert(*feed, placed);
                continue;
            }
            LogRecord::SessionEnd { ts, .. } if *ts < from => {
                held.clear();
                open = None;
                continue;
            }
            _ if time.is_some_and(|time| time < from) => continue,
            LogRecord::SessionEnd { .. } => {
                kept.extend(std::mem::take(&mut held).into_values());
                open = None;
                kept.push(placed);
                continue;
            }
            _ => {
                kept.extend(std::mem::take(&mut held).into_values());
                open = Some((placed.session, seq));
            }
        }
        kept.push(placed);
    }
    kept.extend(held.into_values());
    if let Some((session, _)) = open {
        kept.push(PlacedRecord {
            seq: meta.last_seq.saturating_add(1),
            session,
            record: LogRecord::SessionEnd {
                ts: to,
                cause: Cause::Stop,
            },
        });
    }
    kept.sort_by_key(|placed| placed.seq);
    meta.records = kept;
}

/// Cuts a gap to a stretch; `false` if nothing of it is inside.
fn clip(gap: &mut Coverage, from: Timestamp, to: Timestamp) -> bool {
    if gap.to_ts.is_some_and(|end| end < from) || gap.from_ts.is_some_and(|begin| begin >= to) {
        return false;
    }
    gap.from_ts = gap.from_ts.map(|begin| begin.max(from));
    gap.to_ts = gap.to_ts.map(|end| end.min(to));
    true
}
