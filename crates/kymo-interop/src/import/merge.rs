//! Brings the items of several streams into one order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use kymo_model::{Clock, Timestamp};

use super::item::{Item, ReadItems, What};
use super::loss::LossReport;
use crate::Error;
use crate::input::Damage;

/// Where the time of an event comes from when the stream does not hold it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MissingTimes {
    /// Nowhere: a stream without receive times is refused.
    #[default]
    Refuse,
    /// The first event gets `start`, each further one `interval` more.
    Counted {
        /// The time of the first event.
        start: Timestamp,
        /// The distance between events.
        interval: Duration,
    },
    /// The time at which the event is read, for a stream that is just being written.
    Now,
}

/// An item with its time.
pub(crate) struct Timed {
    pub(crate) ts: Timestamp,
    /// Whether the stream lacked the time although others have it.
    pub(crate) is_time_missing: bool,
    pub(crate) item: Item,
}

struct Open {
    source: Box<dyn ReadItems>,
    /// Items read ahead: the next one, and more only where the first could not be read.
    ahead: VecDeque<Item>,
    last_ts: Option<Timestamp>,
    /// The damage that was told last, and of which input.
    damage: Option<(String, Damage)>,
}

impl Open {
    /// Reads up to the first item that can tell whether the stream has times.
    fn begin(source: Box<dyn ReadItems>) -> Result<Self, Error> {
        let mut this = Self {
            source,
            ahead: VecDeque::new(),
            last_ts: None,
            damage: None,
        };
        while let Some(item) = this.read()? {
            let tells_nothing = tells_no_time(&item);
            this.last_ts = item.recv;
            this.ahead.push_back(item);
            if !tells_nothing || this.ahead.len() >= READ_AHEAD {
                break;
            }
        }
        Ok(this)
    }

    /// Tells whether nothing was read that should have a time.
    fn tells_no_time(&self) -> bool {
        self.last_ts.is_none() && self.ahead.iter().all(tells_no_time)
    }

    /// Reads an item; damage becomes one.
    fn read(&mut self) -> Result<Option<Item>, Error> {
        let error = match self.source.next() {
            Ok(item) => return Ok(item),
            Err(error) => error,
        };
        let Some((path, damage)) = error.damage() else {
            return Err(error);
        };
        // A reader that comes to the same place again will never get past it.
        let told = self.damage.as_ref();
        if told.is_some_and(|(of, told)| of == path && told == damage) {
            return Ok(None);
        }
        self.damage = Some((path.to_owned(), damage.clone()));
        Ok(Some(Item::damaged(path, damage)))
    }

    /// Takes the next item and reads the one behind it.
    fn take(&mut self) -> Result<Option<Item>, Error> {
        let Some(item) = self.ahead.pop_front() else {
            return Ok(None);
        };
        if self.ahead.is_empty() {
            let next = self.read()?;
            self.ahead.extend(next);
        }
        Ok(Some(item))
    }
}

fn tells_no_time(item: &Item) -> bool {
    item.recv.is_none() && matches!(item.what, What::Unreadable { .. } | What::Damaged(_))
}

/// How many unreadable values at the start of a stream are passed over to find its times.
const READ_AHEAD: usize = 1000;

/// Gives items in the order of receive times where all streams have them, else stream after
/// stream. Holds one item of each stream.
pub(crate) struct Merge {
    /// Streams in the order in which they are read when there is no order of times.
    queue: VecDeque<Open>,
    /// The next time of each stream that is merged.
    heap: BinaryHeap<Reverse<(Timestamp, usize)>>,
    merged: Vec<Open>,
    /// Streams that are read to their end.
    ended: Vec<Open>,
    missing: MissingTimes,
    clock: Arc<dyn Clock>,
    counted: u32,
}

impl Merge {
    /// Reads the first item of every stream.
    pub(crate) fn new(
        sources: Vec<Box<dyn ReadItems>>,
        missing: MissingTimes,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let mut open = Vec::with_capacity(sources.len());
        let mut ended = Vec::new();
        for source in sources {
            let stream = Open::begin(source)?;
            if stream.ahead.is_empty() {
                ended.push(stream);
            } else {
                open.push(stream);
            }
        }
        let first = open.iter().filter_map(|stream| stream.last_ts).min();
        let has_times = first.is_some()
            && (open.iter()).all(|stream| stream.last_ts.is_some() || stream.tells_no_time());
        let mut this = Self {
            queue: VecDeque::new(),
            heap: BinaryHeap::new(),
            merged: Vec::new(),
            ended,
            missing,
            clock,
            counted: 0,
        };
        if has_times {
            let firsts = open.iter().enumerate();
            this.heap = firsts
                .filter_map(|(index, stream)| Some(Reverse((stream.last_ts.or(first)?, index))))
                .collect();
            this.merged = open;
        } else {
            this.queue = open.into();
        }
        Ok(this)
    }

    /// Gives the next item.
    pub(crate) fn next(&mut self) -> Result<Option<Timed>, Error> {
        if let Some(Reverse((ts, index))) = self.heap.pop() {
            return self.next_merged(ts, index);
        }
        while let Some(stream) = self.queue.front_mut() {
            let Some(item) = stream.take()? else {
                self.ended.extend(self.queue.pop_front());
                continue;
            };
            let known = item.recv.or(stream.last_ts);
            stream.last_ts = known;
            let is_time_missing = item.recv.is_none();
            let ts = match known {
                Some(ts) => ts,
                // Where it belongs is not known either, so that now is as good as any time.
                None if tells_no_time(&item) => self.clock.now(),
                None => self.time(&item.source)?,
            };
            return Ok(Some(Timed {
                ts,
                is_time_missing,
                item,
            }));
        }
        Ok(None)
    }

    /// Lets every stream tell what it could not carry over.
    pub(crate) fn finish(&mut self, report: &mut LossReport) {
        let streams = self.ended.iter_mut().chain(&mut self.merged);
        for stream in streams.chain(&mut self.queue) {
            stream.source.finish(report);
        }
    }

    fn next_merged(&mut self, ts: Timestamp, index: usize) -> Result<Option<Timed>, Error> {
        let Some(stream) = self.merged.get_mut(index) else {
            return Ok(None);
        };
        let Some(item) = stream.take()? else {
            return Ok(None);
        };
        if let Some(next) = stream.ahead.front() {
            let last = next.recv.or(stream.last_ts).unwrap_or(ts);
            stream.last_ts = Some(last);
            self.heap.push(Reverse((last, index)));
        }
        Ok(Some(Timed {
            ts: item.recv.unwrap_or(ts),
            is_time_missing: item.recv.is_none(),
            item,
        }))
    }

    fn time(&mut self, name: &str) -> Result<Timestamp, Error> {
        match &self.missing {
            MissingTimes::Refuse => Err(Error::NoTime {
                path: name.to_owned(),
            }),
            MissingTimes::Now => Ok(self.clock.now()),
            MissingTimes::Counted { start, interval } => {
                let ts = start.saturating_add(interval.saturating_mul(self.counted));
                self.counted = self.counted.saturating_add(1);
                Ok(ts)
            }
        }
    }
}
