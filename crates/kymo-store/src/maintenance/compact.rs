use std::collections::BTreeMap;
use std::sync::Arc;

use super::known::Filled;
use super::merge::Merge;
use super::publish::{Product, publish};
use super::seal::sources_of;
use crate::contents::{Contents, OpenSegment};
use crate::error::Error;
use crate::manifest::SegmentEntry;
use crate::record::{LogRecord, PlacedRecord, SessionInfo};
use crate::segment::SegmentMeta;
use crate::writer::{Shared, WriterOptions};

/// The most segments that one compaction reads at a time.
const FAN_IN: usize = 16;

/// Chooses neighbours from which one segment should be made; nothing if all is well.
///
/// Sizes fall into tiers that grow by four. Of the lowest tier that has `compact_at` neighbours of
/// its size or smaller, these are merged; so each event is rewritten once per tier.
pub(crate) fn choose(
    segments: &[SegmentEntry],
    avoid: &[u32],
    options: &WriterOptions,
) -> Vec<u32> {
    let tier = |bytes: u64| (bytes / (256 << 10)).max(1).ilog(4);
    let highest = tier(options.compact_max_bytes.max(1));
    let least = options.compact_at.max(2);
    for limit in 0..=highest {
        let mut run: Vec<u32> = Vec::new();
        let mut bytes = 0;
        for segment in segments {
            let fits = tier(segment.bytes) <= limit
                && !avoid.contains(&segment.number)
                && bytes + segment.bytes <= options.compact_max_bytes
                && run.len() < FAN_IN;
            if fits {
                bytes += segment.bytes;
                run.push(segment.number);
                continue;
            }
            if run.len() >= least {
                return run;
            }
            run.clear();
            bytes = 0;
            if tier(segment.bytes) <= limit
                && !avoid.contains(&segment.number)
                && segment.bytes <= options.compact_max_bytes
            {
                bytes = segment.bytes;
                run.push(segment.number);
            }
        }
        if run.len() >= least {
            return run;
        }
    }
    Vec::new()
}

/// Makes one segment of several neighbours.
pub(crate) fn compact(shared: &Shared, numbers: &[u32]) -> Result<SegmentEntry, Error> {
    let trace = Contents::load(&shared.directory)?;
    let segments: Vec<OpenSegment> = trace
        .segments
        .iter()
        .filter(|segment| numbers.contains(&segment.entry.number))
        .cloned()
        .collect();
    let (meta, sessions) = merge_meta(&segments);
    let feeds = Arc::new(meta.feeds.iter().cloned().collect::<BTreeMap<_, _>>());
    let sources = sources_of(&shared.directory, &segments)?;
    let rows = Merge::new(sources, feeds.clone(), false);
    publish(
        shared,
        Product {
            rows: Box::new(Filled::new(rows, feeds)),
            meta,
            known_sessions: &sessions,
            logs: &[],
            damaged_logs: &[],
            segments: numbers,
        },
    )
}

/// Puts together what segments say of themselves.
pub(crate) fn merge_meta(segments: &[OpenSegment]) -> (SegmentMeta, BTreeMap<u32, SessionInfo>) {
    let mut merged = SegmentMeta::default();
    let mut feeds = BTreeMap::new();
    let mut sessions = BTreeMap::new();
    for (index, segment) in segments.iter().enumerate() {
        let meta = segment.reader.meta();
        if index == 0 {
            merged.trace_id = meta.trace_id;
            merged.first_seq = meta.first_seq;
        }
        merged.last_seq = meta.last_seq;
        merged.cluster_uid = meta.cluster_uid.clone().or(merged.cluster_uid);
        feeds.extend(meta.feeds.iter().cloned());
        for session in &meta.sessions {
            sessions.insert(session.number, session.clone());
        }
        merged.records.extend(meta.records.iter().cloned());
        for step in &meta.lineage {
            if !merged.lineage.contains(step) {
                merged.lineage.push(step.clone());
            }
        }
    }
    merged.feeds = feeds.into_iter().collect();
    thin_marks(&mut merged.records);
    (merged, sessions)
}

/// Keeps of each feed's marks the last before anything else is said of the feed.
pub(crate) fn thin_marks(records: &mut Vec<PlacedRecord>) {
    let mut followed = std::collections::BTreeSet::new();
    let mut kept: Vec<PlacedRecord> = Vec::with_capacity(records.len());
    for record in records.drain(..).rev() {
        match &record.record {
            LogRecord::Mark { feed, .. } => {
                if followed.insert(*feed) {
                    kept.push(record);
                }
            }
            LogRecord::Transition { feed, .. } => {
                followed.remove(feed);
                kept.push(record);
            }
            _ => kept.push(record),
        }
    }
    kept.reverse();
    *records = kept;
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn segment(number: u32, kib: u64) -> SegmentEntry {
        SegmentEntry {
            number,
            name: format!("{number:06}.parquet"),
            first_seq: u64::from(number) * 10,
            next_seq: u64::from(number) * 10 + 10,
            rows: 10,
            bytes: kib << 10,
            digest: String::new(),
        }
    }

    #[rstest]
    #[case::too_few(&[100, 100, 100], &[])]
    #[case::small_ones(&[100, 100, 100, 100], &[0, 1, 2, 3])]
    #[case::a_large_one_is_left_alone(&[900_000, 100, 100, 100, 100], &[1, 2, 3, 4])]
    #[case::neighbours_only(&[100, 100, 900_000, 100, 100], &[])]
    #[case::next_tier(&[1500, 1500, 1500, 1500, 100], &[0, 1, 2, 3, 4])]
    fn similar_neighbours_are_chosen(#[case] sizes: &[u64], #[case] expected: &[u32]) {
        let segments: Vec<_> = (0..).zip(sizes).map(|(n, kib)| segment(n, *kib)).collect();
        assert_eq!(choose(&segments, &[], &WriterOptions::default()), expected);
    }

    #[test]
    fn what_could_not_be_read_is_left_alone() {
        let segments: Vec<_> = (0..5).map(|number| segment(number, 10)).collect();
        assert_eq!(
            choose(&segments, &[2], &WriterOptions::default()),
            [0u32; 0]
        );
    }

    #[test]
    fn the_last_mark_before_a_transition_stays() {
        use kymo_model::{Cause, CoverageState, FeedId, Timestamp};
        let mark = |seq, rv: &str| PlacedRecord {
            seq,
            session: 1,
            record: LogRecord::Mark {
                feed: FeedId(0),
                rv: rv.into(),
                ts: Timestamp(0),
            },
        };
        let transition = PlacedRecord {
            seq: 3,
            session: 1,
            record: LogRecord::Transition {
                feed: FeedId(0),
                epoch: 0,
                ts: Timestamp(0),
                state: CoverageState::Unobserved,
                cause: Cause::Disconnected,
                rv: None,
                detail: None,
            },
        };
        let mut records = vec![
            mark(1, "1"),
            mark(2, "2"),
            transition.clone(),
            mark(4, "4"),
            mark(5, "5"),
        ];
        thin_marks(&mut records);
        assert_eq!(records, [mark(2, "2"), transition, mark(5, "5")]);
    }
}
