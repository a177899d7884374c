use std::collections::BTreeMap;

use kymo_model::{EventType, GroupResource, Timestamp};

use super::Trace;

/// Numbers of one resource and type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count {
    /// The resource.
    pub resource: GroupResource,
    /// The type.
    pub event_type: EventType,
    /// How many events.
    pub events: u64,
}

/// What a trace holds, in numbers. Damaged parts are not counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Events.
    pub events: u64,
    /// The time of the first event.
    pub first_ts: Option<Timestamp>,
    /// The time of the last event.
    pub last_ts: Option<Timestamp>,
    /// Segments.
    pub segments: usize,
    /// Their bytes on disk.
    pub segment_bytes: u64,
    /// Logs.
    pub logs: usize,
    /// Their bytes on disk.
    pub log_bytes: u64,
    /// Events by resource and type, sorted.
    pub counts: Vec<Count>,
}

impl Trace {
    /// Counts what the trace holds; reads no sealed events.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        let mut counts: BTreeMap<(GroupResource, EventType), u64> = BTreeMap::new();
        let mut add = |feed, event_type, events| {
            let resource = self.feeds.get(feed).map_or_else(
                || GroupResource::new("", "unknown"),
                |feed| feed.resource.group_resource(),
            );
            *counts.entry((resource, event_type)).or_default() += events;
        };
        let mut times = Vec::new();
        for segment in &self.contents.segments {
            let meta = segment.reader.meta();
            for (feed, event_type, events) in &meta.counts {
                add(feed, *event_type, *events);
            }
            times.extend([meta.first_ts, meta.last_ts]);
            stats.segments += 1;
            stats.segment_bytes += segment.entry.bytes;
        }
        for log in &self.contents.logs {
            for ((feed, event_type), events) in &log.tally.counts {
                add(feed, *event_type, *events);
            }
            times.extend([log.tally.first_ts, log.tally.last_ts]);
            stats.logs += 1;
            stats.log_bytes += log.reader.len();
        }
        stats.first_ts = times.iter().copied().flatten().min();
        stats.last_ts = times.iter().copied().flatten().max();
        stats.events = counts.values().sum();
        stats.counts = counts
            .into_iter()
            .map(|((resource, event_type), events)| Count {
                resource,
                event_type,
                events,
            })
            .collect();
        stats
    }
}
