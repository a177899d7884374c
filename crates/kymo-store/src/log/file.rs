use std::io;
use std::path::PathBuf;

use kymo_model::Timestamp;
use uuid::Uuid;

use crate::directory::{Directory, log_name};
use crate::error::{Error, Format};
use crate::frame::{Encoder, kind};
use crate::fs::WriteFile;
use crate::header::{FileHeader, FileKind, LogEnd, seed};

/// A log that is being written.
#[derive(Debug)]
pub(crate) struct LogFile {
    file: Box<dyn WriteFile>,
    encoder: Encoder,
    pub(crate) path: PathBuf,
    /// The end of what was written.
    written: LogEnd,
    /// The end of what is durable.
    pub(crate) durable: LogEnd,
    /// Raw bytes in it.
    pub(crate) raw_bytes: u64,
    /// Events in it.
    pub(crate) events: u64,
}

impl LogFile {
    /// Makes a log with a durable header. The directory is synced; the manifest does not know the
    /// log yet.
    pub(crate) fn create(
        directory: &Directory,
        trace_id: Uuid,
        number: u32,
        first_seq: u64,
        previous: Option<LogEnd>,
        created: Timestamp,
    ) -> Result<Self, Error> {
        let name = log_name(number);
        let path = directory.join(&name);
        let mut file = directory
            .fs
            .create(&path)
            .map_err(Error::io("create", &path))?;
        let header = FileHeader {
            kind: FileKind::Log,
            format: Format::CURRENT,
            trace_id,
            number,
            first_seq,
            created,
            previous,
            length: FileHeader::LENGTH,
        };
        file.append(&header.write())
            .map_err(Error::io("write", &path))?;
        file.sync().map_err(Error::io("sync", &path))?;
        directory.sync()?;
        let seed = seed(trace_id, number);
        let chain = previous.map_or(seed, |end| end.chain);
        let end = LogEnd {
            number,
            length: FileHeader::LENGTH,
            next_seq: first_seq,
            chain,
        };
        Ok(Self {
            file,
            encoder: Encoder::new(seed, chain).map_err(Error::io("compress for", &path))?,
            path,
            written: end,
            durable: end,
            raw_bytes: 0,
            events: 0,
        })
    }

    /// Bytes that were written and are not durable.
    pub(crate) fn unsynced(&self) -> u64 {
        self.written.length - self.durable.length
    }

    /// The end of what was written, durable or not.
    pub(crate) fn written_end(&self) -> LogEnd {
        self.written
    }

    pub(crate) fn length(&self) -> u64 {
        self.written.length
    }

    /// Writes a frame whose first event has `seq`. After an error nothing of it counts, and what
    /// may be there of it is cut off.
    pub(crate) fn write_frame(&mut self, seq: u64, events: u64, raw: &[u8]) -> io::Result<()> {
        fail::fail_point!(crate::failpoint::FRAME_BEFORE_WRITE);
        let (frame, crc) = self.encoder.encode(kind::RECORDS, seq, raw)?;
        let length = frame.len() as u64;
        if let Err(error) = self.file.append(frame) {
            // What is cut off was never counted; if cutting fails it is a torn tail to readers.
            if self.file.len() > self.written.length {
                self.file.truncate(self.written.length)?;
            }
            return Err(error);
        }
        self.encoder.accept(crc);
        self.written = LogEnd {
            number: self.written.number,
            length: self.written.length + length,
            next_seq: seq + events,
            chain: crc,
        };
        self.raw_bytes += raw.len() as u64;
        self.events += events;
        fail::fail_point!(crate::failpoint::FRAME_AFTER_WRITE);
        Ok(())
    }

    /// Makes what was written durable. After an error the file must not be used any more; its end
    /// is [`LogFile::durable`].
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if self.unsynced() == 0 {
            return Ok(());
        }
        fail::fail_point!(crate::failpoint::FRAME_BEFORE_SYNC);
        self.file.sync()?;
        self.durable = self.written;
        fail::fail_point!(crate::failpoint::FRAME_AFTER_SYNC);
        Ok(())
    }
}
