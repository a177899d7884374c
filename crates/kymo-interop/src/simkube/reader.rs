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
use crate::input::{Damage, Entry};
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
            if let Some(item) = self.replays.iter_mut().find_map(Replay::damage) {
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
///
/// Of a file that is cut off or damaged the events in front of the damage are held, if there are any
/// and the version is known.
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
    let done = if is_json {
        let mut json = serde_json::Deserializer::from_reader(text);
        let done = TraceParts(&mut shelf).deserialize(&mut json);
        done.map_err(Broken::of_json)
    } else {
        let mut msgpack = rmp_serde::Deserializer::new(text);
        msgpack.set_max_depth(DEPTH);
        let done = TraceParts(&mut shelf).deserialize(&mut msgpack);
        done.map_err(Broken::of_msgpack)
    };
    let Err(broken) = done else {
        return shelf.finish(None);
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
    let byte = meter.position();
    if let Some(damage) = broken.damage(byte)
        && shelf.is_of_use()
    {
        return shelf.finish(Some(damage));
    }
    Err(Error::Malformed {
        path: name.to_owned(),
        place: format!("byte {byte}"),
        reason: format!("not a SimKube trace of version 2: {}", broken.reason),
    })
}

/// Why a trace cannot be read on.
struct Broken {
    reason: String,
    /// What the reader of the file said.
    read: Option<io::Error>,
}

impl Broken {
    fn of_json(error: serde_json::Error) -> Self {
        Self {
            reason: error.to_string(),
            read: (error.is_io() || error.is_eof()).then(|| error.into()),
        }
    }

    fn of_msgpack(error: rmp_serde::decode::Error) -> Self {
        use rmp_serde::decode::Error::{InvalidDataRead, InvalidMarkerRead};
        Self {
            reason: error.to_string(),
            read: match error {
                InvalidMarkerRead(read) | InvalidDataRead(read) => Some(read),
                _ => None,
            },
        }
    }

    /// Returns the damage of the file; `None` where a limit or the disk ended the reading.
    fn damage(&self, byte: u64) -> Option<Damage> {
        match &self.read {
            None => Some(Damage::new(byte, self.reason.as_str())),
            Some(read) if read.kind() == io::ErrorKind::UnexpectedEof => {
                Some(Damage::new(byte, "the trace ends early"))
            }
            Some(read) => Damage::of(read).cloned(),
        }
    }
}
