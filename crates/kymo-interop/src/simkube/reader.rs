//! Reads traces and tells them in one order.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;

use serde::de::DeserializeSeed as _;

use super::objects::Objects;
use super::parts::TraceParts;
use super::replay::Replay;
use super::shelf::{Held, Shelf};
use crate::Error;
use crate::import::{Context, Item, LossReport, ReadItems};
use crate::input::Entry;
use crate::metered::{Meter, Metered};

/// How deep a `MessagePack` value may be nested: four levels more than an object, whose text is
/// read again as JSON.
const DEPTH: usize = 120;

/// Reads the items of all traces of an import.
pub(super) struct TraceReader {
    replays: Vec<Replay>,
    objects: Objects,
    out: VecDeque<Item>,
}

impl TraceReader {
    /// Reads all traces and puts aside what they hold.
    pub(super) fn open(entries: Vec<Entry>, context: &Context) -> Result<Self, Error> {
        let mut held = Vec::with_capacity(entries.len());
        for entry in entries {
            let text = entry.open(&context.budget)?;
            held.push((
                entry.name.as_str().into(),
                read(&entry.name, text, context)?,
            ));
        }
        Self::new(held, context)
    }

    /// Tells what traces held.
    pub(super) fn new(held: Vec<(Arc<str>, Held)>, context: &Context) -> Result<Self, Error> {
        let mut replays = Vec::with_capacity(held.len());
        for (number, (source, held)) in held.into_iter().enumerate() {
            let replay = Replay::new(source, number as u32, context.policy, held)?;
            replays.push(replay);
        }
        Ok(Self {
            replays,
            objects: Objects::new(),
            out: VecDeque::new(),
        })
    }
}

impl ReadItems for TraceReader {
    fn next(&mut self) -> Result<Option<Item>, Error> {
        loop {
            if let Some(item) = self.out.pop_front() {
                return Ok(Some(item));
            }
            let due = self.replays.iter_mut().filter_map(|replay| {
                let due = replay.due()?;
                Some((due, replay))
            });
            let Some((_, replay)) = due.min_by_key(|(due, _)| *due) else {
                let mut replays = self.replays.iter_mut();
                return Ok(replays.find_map(|replay| replay.end(&mut self.objects)));
            };
            replay.step(&mut self.objects, &mut self.out)?;
        }
    }

    fn finish(&mut self, report: &mut LossReport) {
        for replay in &mut self.replays {
            replay.finish(report);
        }
    }
}

/// Reads a trace, `MessagePack` or JSON, onto a shelf.
pub(super) fn read(name: &str, mut text: impl Read, context: &Context) -> Result<Held, Error> {
    let mut start = [0; 1];
    let length = text.read(&mut start).map_err(|source| Error::Read {
        path: name.to_owned(),
        source,
    })?;
    let start = start.get(..length).unwrap_or_default().to_vec();
    let is_json = start.first().is_some_and(|byte| b"{ \t\r\n".contains(byte));
    let meter = Meter::new(context.limits.value_bytes);
    let text = Metered::new(io::Cursor::new(start).chain(text), meter.clone());
    let mut shelf = Shelf::new(meter.clone(), context)?;
    let reason = if is_json {
        let mut json = serde_json::Deserializer::from_reader(text);
        let done = TraceParts(&mut shelf).deserialize(&mut json);
        done.err().map(|error| error.to_string())
    } else {
        let mut msgpack = rmp_serde::Deserializer::new(text);
        msgpack.set_max_depth(DEPTH);
        let done = TraceParts(&mut shelf).deserialize(&mut msgpack);
        done.err().map(|error| error.to_string())
    };
    let Some(reason) = reason else {
        return shelf.finish();
    };
    if let Some(failure) = shelf.failure {
        return Err(failure);
    }
    if let Some(version) = shelf.refused_version {
        return Err(Error::Version {
            path: name.to_owned(),
            found: version.to_string(),
            known: "version 2 of SimKube's traces",
        });
    }
    Err(Error::Malformed {
        path: name.to_owned(),
        place: format!("byte {}", meter.position()),
        reason: format!("not a SimKube trace of version 2: {reason}"),
    })
}
