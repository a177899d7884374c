use std::collections::{BTreeMap, HashMap};

use kymo_model::{Feed, FeedId};

use crate::error::Error;
use crate::log::{Item, LogReader};
use crate::record::LogRecord;
use crate::segment::Row;

/// What orders objects, as [`crate::segment::RowKey`] has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct ObjectOrder {
    resource: String,
    namespace: String,
    name: String,
    uid: String,
    group: String,
}

/// One event in sorted order.
#[derive(Clone, Copy, Debug)]
struct Place {
    object: u32,
    seq: u64,
    bytes: usize,
}

/// The events of logs in the order of a segment, holding a bounded number of bodies.
///
/// The logs are read once for the keys; then once for every chunk of sorted events whose bodies
/// come to `chunk_bytes`.
#[derive(Debug)]
pub(crate) struct SortedRows {
    logs: Vec<LogReader>,
    places: Vec<Place>,
    chunk_bytes: usize,
    next: usize,
    ready: std::vec::IntoIter<Row>,
    failed: bool,
}

impl SortedRows {
    /// Reads the keys of the logs' events. Events of feeds that are not in `feeds` (their
    /// definition was lost) are sorted first.
    pub(crate) fn new(
        logs: Vec<LogReader>,
        feeds: &BTreeMap<FeedId, Feed>,
        chunk_bytes: usize,
    ) -> Result<Self, Error> {
        let mut objects: HashMap<ObjectOrder, u32> = HashMap::new();
        let mut places = Vec::new();
        for log in &logs {
            log.read(|item| {
                if let Item::Event { seq, bytes, .. } = item {
                    let event = bytes.event().map_err(|_| meaningless(log))?;
                    let resource = feeds.get(&event.feed).map(|feed| &feed.resource);
                    let order = ObjectOrder {
                        resource: resource.map(|r| r.resource.clone()).unwrap_or_default(),
                        namespace: event.key.namespace.to_owned(),
                        name: event.key.name.to_owned(),
                        uid: event.key.uid.to_owned(),
                        group: resource.map(|r| r.group.clone()).unwrap_or_default(),
                    };
                    let next = objects.len() as u32;
                    places.push(Place {
                        object: *objects.entry(order).or_insert(next),
                        seq,
                        bytes: bytes.len(),
                    });
                }
                Ok(())
            })?;
        }
        let mut sorted: Vec<_> = objects.into_iter().collect();
        sorted.sort_unstable();
        let mut ranks = vec![0u32; sorted.len()];
        for (rank, (_, object)) in sorted.iter().enumerate() {
            if let Some(slot) = ranks.get_mut(*object as usize) {
                *slot = rank as u32;
            }
        }
        for place in &mut places {
            place.object = ranks.get(place.object as usize).copied().unwrap_or(0);
        }
        places.sort_unstable_by_key(|place| (place.object, place.seq));
        Ok(Self {
            logs,
            places,
            chunk_bytes,
            next: 0,
            ready: Vec::new().into_iter(),
            failed: false,
        })
    }

    /// Reads the bodies of the next chunk.
    fn load(&mut self) -> Result<bool, Error> {
        let rest = self.places.get(self.next..).unwrap_or_default();
        let mut bytes = 0usize;
        let count = rest
            .iter()
            .take_while(|place| {
                let fits = bytes == 0 || bytes + place.bytes <= self.chunk_bytes;
                bytes += place.bytes;
                fits
            })
            .count();
        if count == 0 {
            return Ok(false);
        }
        let wanted: HashMap<u64, usize> = rest
            .iter()
            .take(count)
            .enumerate()
            .map(|(index, place)| (place.seq, index))
            .collect();
        let mut rows: Vec<Option<Row>> = vec![None; count];
        for log in &self.logs {
            log.read(|item| {
                if let Item::Event {
                    seq,
                    session,
                    bytes,
                } = item
                    && let Some(slot) = wanted.get(&seq).and_then(|index| rows.get_mut(*index))
                {
                    let Ok(LogRecord::Event(event)) = bytes.decode() else {
                        return Err(meaningless(log));
                    };
                    *slot = Some(Row {
                        seq,
                        session,
                        event,
                    });
                }
                Ok(())
            })?;
        }
        let ready: Vec<Row> = rows.into_iter().flatten().collect();
        self.next += count;
        self.ready = ready.into_iter();
        Ok(true)
    }
}

fn meaningless(log: &LogReader) -> Error {
    Error::corrupt(log.path(), 0, "an event in a whole frame has no meaning")
}

impl Iterator for SortedRows {
    type Item = Result<Row, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.ready.next() {
                return Some(Ok(row));
            }
            if self.failed {
                return None;
            }
            match self.load() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        }
    }
}
