use std::collections::BTreeMap;

use kymo_model::Timestamp;

use super::entry::{Entry, LogEntry, SegmentEntry};
use crate::error::Format;
use crate::header::LogEnd;
use crate::record::TraceIdentity;

/// What belongs to a trace: the fold of a manifest.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Catalog {
    pub(crate) format: Format,
    pub(crate) identity: TraceIdentity,
    pub(crate) created: Timestamp,
    pub(crate) next_number: u32,
    /// Logs by number, which is their order.
    pub(crate) logs: BTreeMap<u32, LogEntry>,
    /// Segments by their first seq and number, which is their order.
    pub(crate) segments: BTreeMap<(u64, u32), SegmentEntry>,
    /// Where closed logs end.
    pub(crate) ends: BTreeMap<u32, LogEnd>,
}

impl Catalog {
    pub(crate) fn new(identity: TraceIdentity, created: Timestamp) -> Self {
        Self {
            format: Format::CURRENT,
            identity,
            created,
            next_number: 1,
            logs: BTreeMap::new(),
            segments: BTreeMap::new(),
            ends: BTreeMap::new(),
        }
    }

    fn use_number(&mut self, number: u32) {
        self.next_number = self.next_number.max(number.saturating_add(1));
    }

    /// Applies an entry.
    pub(crate) fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Created {
                format,
                identity,
                created,
            } => {
                self.format = format;
                self.identity = identity;
                self.created = created;
            }
            Entry::Cluster { uid } => self.identity.cluster_uid = Some(uid),
            Entry::Log { log, previous } => {
                self.use_number(log.number);
                if let Some(end) = previous {
                    self.ends.insert(end.number, end);
                }
                self.logs.insert(log.number, log);
            }
            Entry::Closed { end } => {
                self.ends.insert(end.number, end);
            }
            Entry::Sealed {
                segment,
                logs,
                segments,
            } => {
                self.use_number(segment.number);
                for number in logs {
                    self.logs.remove(&number);
                    self.ends.remove(&number);
                }
                self.segments
                    .retain(|(_, number), _| !segments.contains(number));
                self.segments
                    .insert((segment.first_seq, segment.number), segment);
            }
            Entry::NextNumber { number } => {
                self.next_number = self.next_number.max(number);
            }
        }
    }

    /// Returns entries that make the same catalog.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let mut entries = vec![
            Entry::Created {
                format: self.format,
                identity: self.identity.clone(),
                created: self.created,
            },
            Entry::NextNumber {
                number: self.next_number,
            },
        ];
        entries.extend(self.segments.values().map(|segment| Entry::Sealed {
            segment: segment.clone(),
            logs: Vec::new(),
            segments: Vec::new(),
        }));
        entries.extend(self.logs.values().map(|log| Entry::Log {
            log: log.clone(),
            previous: None,
        }));
        entries.extend(self.ends.values().map(|end| Entry::Closed { end: *end }));
        entries
    }

    /// Returns the smallest seq that no file named here can hold, as far as the manifest tells.
    pub(crate) fn next_seq(&self) -> u64 {
        let segments = self.segments.values().map(|segment| segment.next_seq);
        let logs = self.logs.values().map(|log| log.first_seq);
        let ends = self.ends.values().map(|end| end.next_seq);
        segments.chain(logs).chain(ends).max().unwrap_or(1).max(1)
    }

    /// Returns the closed logs in order, up to the first that is not.
    pub(crate) fn closed_logs(&self) -> Vec<(LogEntry, LogEnd)> {
        self.logs
            .values()
            .map_while(|log| Some((log.clone(), *self.ends.get(&log.number)?)))
            .collect()
    }
}
