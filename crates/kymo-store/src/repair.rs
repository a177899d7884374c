//! Copies what can be read of a trace into a new one.

use std::path::Path;
use std::sync::Arc;

use kymo_model::{Cause, Clock, Coverage, CoverageState};

use crate::error::Error;
use crate::fs::{Filesystem, RealFs};
use crate::record::{LogRecord, PlacedRecord};
use crate::trace::Trace;
use crate::writer::{Writer, WriterOptions};

/// What a repair did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairReport {
    /// Events in the copy.
    pub events: u64,
    /// Why parts could not be copied whole.
    pub faults: Vec<String>,
}

/// Copies all that is readable of the trace at `path` into a new one at `out`; what is not becomes
/// a gap in the coverage of the copy. The original is not touched.
pub fn repair(path: &Path, out: &Path, clock: Arc<dyn Clock>) -> Result<RepairReport, Error> {
    repair_with(Arc::new(RealFs), path, out, clock)
}

/// Does the same in another file system.
pub fn repair_with(
    fs: Arc<dyn Filesystem>,
    path: &Path,
    out: &Path,
    clock: Arc<dyn Clock>,
) -> Result<RepairReport, Error> {
    let mut trace = Trace::open_with(fs.clone(), path)?;
    let mut faults: Vec<String> = trace
        .findings()
        .iter()
        .map(|finding| format!("{}: {}", finding.place, finding.message))
        .collect();
    let mut gaps = Vec::new();
    for segment in trace.segments() {
        if let Err(error) = segment.reader().verify() {
            let entry = segment.entry();
            faults.push(format!("{}: {error}", entry.name));
            gaps.push(damaged_segment(
                entry.first_seq,
                entry.next_seq,
                &entry.name,
            ));
        }
    }
    trace.contents_mut().lineage.push(serde_json::json!({
        "operation": "repair",
        "at": clock.now().to_string(),
        "faults": faults,
    }));
    let identity = trace.identity().clone();
    let writer = Writer::create(fs, out, identity, clock, WriterOptions::default())?;
    let (mut meta, sessions) = trace.whole_meta();
    for gap in gaps {
        let seq = gap.from_seq.unwrap_or(1);
        let place = meta.records.partition_point(|record| record.seq < seq);
        meta.records.insert(
            place,
            PlacedRecord {
                seq,
                session: 0,
                record: LogRecord::Gap(gap),
            },
        );
    }
    let rows = trace.merge(true)?;
    let segment = writer.maintenance().import(rows, meta, &sessions)?;
    writer.close(Cause::Stop)?;
    Ok(RepairReport {
        events: segment.rows,
        faults,
    })
}

fn damaged_segment(from_seq: u64, next_seq: u64, name: &str) -> Coverage {
    Coverage {
        feed: None,
        epoch: 0,
        session: 0,
        state: CoverageState::Uncertain,
        cause: Cause::Corrupt,
        from_rv: None,
        to_rv: None,
        from_seq: Some(from_seq),
        to_seq: Some(next_seq.saturating_sub(1)),
        from_ts: None,
        to_ts: None,
        detail: Some(format!("parts of {name} could not be read")),
    }
}
