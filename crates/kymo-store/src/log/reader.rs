use std::path::{Path, PathBuf};
use std::sync::Arc;

use kymo_model::Timestamp;
use uuid::Uuid;

use super::codec::RecordBytes;
use crate::error::Error;
use crate::frame::{Decoder, Step, Walk, kind};
use crate::fs::ReadFile;
use crate::header::{FileHeader, FileKind, LogEnd, seed};
use crate::manifest::LogEntry;
use crate::record::LogRecord;

/// What reading a log comes to.
#[derive(Debug)]
pub(crate) enum Item<'a> {
    /// An event.
    Event {
        seq: u64,
        session: u32,
        bytes: RecordBytes<'a>,
    },
    /// Another record; `seq` is that of the next event.
    Record {
        seq: u64,
        session: u32,
        record: LogRecord,
    },
    /// Damage.
    Lost(Lost),
}

/// A stretch of a log that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    /// Where in the file it begins.
    pub(crate) offset: u64,
    /// The first seq that is missing.
    pub(crate) from_seq: u64,
    /// The seq behind the last that is missing; equal to `from_seq` if only other records are.
    pub(crate) next_seq: u64,
    /// The session in which it lies.
    pub(crate) session: u32,
    /// The last time known before it.
    pub(crate) after: Option<Timestamp>,
}

/// What was found in a whole log.
#[derive(Clone, Debug)]
pub(crate) struct LogSummary {
    /// Its end.
    pub(crate) end: LogEnd,
    /// Whether its header is whole.
    pub(crate) header_is_whole: bool,
    /// Bytes at the end that are no frame, where the end was not known before.
    pub(crate) torn: Option<(u64, u64)>,
    /// Whether something is lost.
    pub(crate) damaged: bool,
    /// Events in it.
    pub(crate) events: u64,
}

/// Reads one log, tolerating damage.
#[derive(Clone, Debug)]
pub(crate) struct LogReader {
    file: Arc<dyn ReadFile>,
    path: PathBuf,
    trace_id: Uuid,
    number: u32,
    first_seq: u64,
    end: Option<LogEnd>,
    header: Option<FileHeader>,
}

impl LogReader {
    /// Opens a log that the manifest names; `end` is where it ends, if that is known.
    pub(crate) fn new(
        file: Arc<dyn ReadFile>,
        path: &Path,
        trace_id: Uuid,
        entry: &LogEntry,
        end: Option<LogEnd>,
    ) -> Result<Self, Error> {
        let header = FileHeader::read(file.as_ref(), path, FileKind::Log)?
            .filter(|header| header.trace_id == trace_id && header.number == entry.number);
        Ok(Self {
            file,
            path: path.to_owned(),
            trace_id,
            number: entry.number,
            first_seq: entry.first_seq,
            end,
            header,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn len(&self) -> u64 {
        self.file.len().unwrap_or(0)
    }

    /// Reads everything in order.
    pub(crate) fn read(
        &self,
        mut visit: impl FnMut(Item<'_>) -> Result<(), Error>,
    ) -> Result<LogSummary, Error> {
        let seed = seed(self.trace_id, self.number);
        let chain = self
            .header
            .map(|header| header.previous.map_or(seed, |end| end.chain));
        let start = self
            .header
            .map_or(FileHeader::LENGTH, |header| header.length);
        let limit = self.end.map(|end| end.length);
        let read = Error::io("read", &self.path);
        let mut walk = Walk::new(self.file.clone(), start, limit, seed, chain).map_err(read)?;
        let mut decoder = Decoder::default();
        let mut place = Place {
            seq: self.first_seq,
            session: 0,
            ts: None,
        };
        let mut summary = LogSummary {
            end: LogEnd {
                number: self.number,
                length: start,
                next_seq: self.first_seq,
                chain: chain.unwrap_or(seed),
            },
            header_is_whole: self.header.is_some(),
            torn: None,
            damaged: false,
            events: 0,
        };
        let mut damage: Option<u64> = None;
        while let Some(step) = walk.step().map_err(Error::io("read", &self.path))? {
            match step {
                Step::Tail { from, to } if self.end.is_none() => summary.torn = Some((from, to)),
                Step::Damage { from, .. } | Step::Tail { from, .. } => {
                    damage.get_or_insert(from);
                }
                Step::Frame { offset, header } => {
                    if header.kind != kind::RECORDS {
                        if header.must_be_understood() {
                            return Err(Error::UnknownFrame {
                                path: self.path.clone(),
                                offset,
                                kind: header.kind,
                            });
                        }
                        continue;
                    }
                    let raw = decoder.decode(&header, walk.payload());
                    let (Some(raw), true) = (raw, header.seq >= place.seq) else {
                        damage.get_or_insert(offset);
                        continue;
                    };
                    if header.seq > place.seq {
                        damage.get_or_insert(offset);
                    }
                    if let Some(offset) = damage.take() {
                        summary.damaged = true;
                        visit(Item::Lost(place.lost(offset, header.seq)))?;
                        place.seq = header.seq;
                    }
                    let before = place.seq;
                    self.read_frame(raw, offset, &mut place, &mut visit)?;
                    summary.events += place.seq - before;
                    summary.end = LogEnd {
                        number: self.number,
                        length: walk.offset(),
                        next_seq: place.seq,
                        chain: walk.chain().unwrap_or(seed),
                    };
                }
            }
        }
        if let Some(end) = self.end {
            if damage.is_some() || summary.end.length < end.length || place.seq < end.next_seq {
                let offset = damage.unwrap_or(summary.end.length);
                summary.damaged = true;
                visit(Item::Lost(place.lost(offset, end.next_seq.max(place.seq))))?;
            }
            summary.end = end;
        } else if let Some(offset) = damage {
            // The last frames prove themselves but cannot be decoded: not a torn write.
            summary.damaged = true;
            visit(Item::Lost(place.lost(offset, place.seq)))?;
        }
        Ok(summary)
    }

    fn read_frame(
        &self,
        mut raw: &[u8],
        offset: u64,
        place: &mut Place,
        visit: &mut impl FnMut(Item<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let undecodable = || {
            Error::corrupt(
                &self.path,
                offset,
                "a record in a whole frame has no meaning",
            )
        };
        while let Some(bytes) = RecordBytes::take(&mut raw).map_err(|()| undecodable())? {
            let seq = place.seq;
            if bytes.is_event() {
                visit(Item::Event {
                    seq,
                    session: place.session,
                    bytes,
                })?;
                place.seq = seq.checked_add(1).ok_or_else(undecodable)?;
            } else if bytes.is_known() {
                let record = bytes.decode().map_err(|_| undecodable())?;
                if let LogRecord::Session(session) = &record {
                    place.session = session.number;
                }
                place.ts = record.ts().or(place.ts);
                visit(Item::Record {
                    seq,
                    session: place.session,
                    record,
                })?;
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Place {
    seq: u64,
    session: u32,
    ts: Option<Timestamp>,
}

impl Place {
    fn lost(&self, offset: u64, next_seq: u64) -> Lost {
        Lost {
            offset,
            from_seq: self.seq,
            next_seq,
            session: self.session,
            after: self.ts,
        }
    }
}
