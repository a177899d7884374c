use std::sync::Arc;

use super::known::{Filled, LastBodies};
use super::merge::RowSource;
use super::publish::{Product, publish};
use super::sorted::SortedRows;
use crate::contents::{Contents, OpenLog, OpenSegment};
use crate::directory::Directory;
use crate::error::Error;
use crate::manifest::SegmentEntry;
use crate::record::{LogRecord, PlacedRecord};
use crate::segment::SegmentMeta;
use crate::writer::Shared;

/// Makes a segment of closed logs.
pub(crate) fn seal(shared: &Shared, numbers: &[u32]) -> Result<SegmentEntry, Error> {
    let directory = &shared.directory;
    let trace = Contents::load(directory)?;
    let is_sealed = |number: &u32| numbers.contains(number);
    let logs: Vec<_> = trace
        .logs
        .iter()
        .filter(|log| is_sealed(&log.entry.number))
        .collect();
    let range = seq_range(&trace, numbers);
    let meta = SegmentMeta {
        trace_id: trace.catalog.identity.trace_id,
        cluster_uid: trace.catalog.identity.cluster_uid.clone(),
        feeds: trace
            .feeds
            .iter()
            .map(|(id, feed)| (*id, feed.clone()))
            .collect(),
        records: records_of(&trace, &logs, numbers),
        first_seq: range.0,
        last_seq: range.1.saturating_sub(1),
        ..SegmentMeta::default()
    };
    let feeds = Arc::new(trace.feeds.clone());
    let rows = SortedRows::new(
        logs.iter().map(|log| log.reader.clone()).collect(),
        &feeds,
        shared.options.seal_chunk_bytes,
    )?;
    let older = LastBodies::new(trace.segments.clone(), directory.clone(), feeds.clone());
    let rows = Filled::new(rows, feeds).with_older(older);
    let is_whole = |number: &u32| {
        logs.iter().any(|log| {
            log.entry.number == *number && !log.summary.damaged && log.summary.header_is_whole
        })
    };
    let damaged: Vec<u32> = numbers
        .iter()
        .copied()
        .filter(|number| !is_whole(number))
        .collect();
    publish(
        shared,
        Product {
            rows: Box::new(rows),
            meta,
            known_sessions: &trace.sessions,
            logs: numbers,
            damaged_logs: &damaged,
            segments: &[],
        },
    )
}

/// Returns the seqs that logs stand for: from the first, to before the next.
fn seq_range(trace: &Contents, numbers: &[u32]) -> (u64, u64) {
    let first = numbers
        .iter()
        .filter_map(|number| trace.catalog.logs.get(number))
        .map(|log| log.first_seq)
        .min()
        .unwrap_or(1);
    let next = numbers
        .iter()
        .filter_map(|number| trace.catalog.ends.get(number))
        .map(|end| end.next_seq)
        .max()
        .unwrap_or(first);
    (first, next.max(first))
}

/// Returns the records of the logs that are sealed, with the gaps that were found on reading.
pub(crate) fn records_of(
    trace: &Contents,
    logs: &[&OpenLog],
    numbers: &[u32],
) -> Vec<PlacedRecord> {
    let mut records: Vec<PlacedRecord> = Vec::new();
    for log in logs {
        records.extend(log.records.iter().cloned());
    }
    let missing = trace
        .missing
        .iter()
        .filter(|(number, _)| numbers.contains(number))
        .map(|(_, gap)| gap);
    for gap in logs.iter().flat_map(|log| log.lost.iter()).chain(missing) {
        let seq = gap.from_seq.unwrap_or(1);
        let place = records.partition_point(|record| record.seq < seq);
        let placed = PlacedRecord {
            seq,
            session: gap.session,
            record: LogRecord::Gap(gap.clone()),
        };
        records.insert(place, placed);
    }
    super::thin_marks(&mut records);
    records
}

/// Returns the rows of segments, one source each.
pub(crate) fn sources_of(
    directory: &Directory,
    segments: &[OpenSegment],
) -> Result<Vec<RowSource>, Error> {
    segments
        .iter()
        .map(|segment| {
            let path = directory.join(&segment.entry.name);
            let rows = segment.reader.rows_beside(segments.len());
            let rows = rows.map_err(Error::segment(&path))?;
            let rows = rows.map(move |row| row.map_err(Error::segment(&path)));
            Ok(Box::new(rows) as RowSource)
        })
        .collect()
}
