//! Sealing closed logs into segments, and small segments into larger ones.

mod compact;
mod known;
mod merge;
mod publish;
mod seal;
mod sorted;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

pub(crate) use compact::{merge_meta, thin_marks};
pub(crate) use known::{Filled, LastBodies};
pub(crate) use merge::{Merge, RowSource, key_of};
pub(crate) use publish::{Verify, write_and_verify, write_revised_and_verify};
pub(crate) use seal::{records_of, sources_of};
pub(crate) use sorted::SortedRows;

use crate::error::Error;
use crate::manifest::SegmentEntry;
use crate::record::SessionInfo;
use crate::segment::SegmentMeta;
use crate::writer::Shared;

/// What a round of maintenance did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Logs that became segments.
    pub sealed_logs: usize,
    /// Events in them.
    pub sealed_events: u64,
    /// Segments that became part of larger ones.
    pub compacted_segments: usize,
}

/// Seals and compacts beside the writer, usually on a thread of its own. It keeps the trace
/// locked as long as it exists.
#[derive(Clone, Debug)]
pub struct Maintenance {
    shared: Arc<Shared>,
    avoid: Vec<u32>,
}

impl Maintenance {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            avoid: Vec::new(),
        }
    }

    /// Seals every closed log and compacts until nothing is left to do.
    ///
    /// Memory is bounded by [`crate::WriterOptions::seal_chunk_bytes`] and the layout's row
    /// groups. After an error the trace is as it was before the step that failed.
    pub fn run_once(&mut self) -> Result<Work, Error> {
        let shared = self.shared.clone();
        let _working = shared
            .working
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut work = Work::default();
        loop {
            let numbers = self.next_logs();
            if numbers.is_empty() {
                break;
            }
            let segment = seal::seal(&self.shared, &numbers)?;
            work.sealed_logs += numbers.len();
            work.sealed_events += segment.rows;
        }
        loop {
            let numbers = self.next_segments()?;
            if numbers.is_empty() {
                return Ok(work);
            }
            match compact::compact(&self.shared, &numbers) {
                Ok(_) => work.compacted_segments += numbers.len(),
                Err(error) if error.is_corruption() => {
                    tracing::warn!(%error, "a damaged segment is not compacted");
                    self.avoid.extend(numbers);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes a segment of rows from elsewhere.
    pub(crate) fn import(
        &self,
        rows: Filled<Merge>,
        meta: SegmentMeta,
        sessions: &BTreeMap<u32, SessionInfo>,
    ) -> Result<SegmentEntry, Error> {
        publish::publish(
            &self.shared,
            publish::Product {
                rows: Box::new(rows),
                meta,
                known_sessions: sessions,
                logs: &[],
                damaged_logs: &[],
                segments: &[],
            },
        )
    }

    /// Returns closed logs that together are no larger than one full log.
    fn next_logs(&self) -> Vec<u32> {
        let closed = self.shared.manifest().catalog.closed_logs();
        let limit = self.shared.options.rotate_bytes / 4;
        let mut bytes = 0;
        let mut numbers = Vec::new();
        for (log, end) in closed {
            if !numbers.is_empty() && bytes + end.length > limit {
                break;
            }
            bytes += end.length;
            numbers.push(log.number);
        }
        numbers
    }

    fn next_segments(&self) -> Result<Vec<u32>, Error> {
        let segments: Vec<_> = self
            .shared
            .manifest()
            .catalog
            .segments
            .values()
            .cloned()
            .collect();
        let mut avoid = self.avoid.clone();
        for segment in &segments {
            if !self.shared.directory.exists(&segment.name)? {
                avoid.push(segment.number);
            }
        }
        Ok(compact::choose(&segments, &avoid, &self.shared.options))
    }
}
